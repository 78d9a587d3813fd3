//! Exit codes, messages for every wrong input, and a small run from training to resuming.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::place::{Ended, Place, TINY, mnist};

/// A place with `tiny.toml`.
pub fn place() -> Place {
    Place::with_files(&[("tiny.toml", TINY)])
}

/// A place with the trained run `runs/a`.
pub fn trained() -> Place {
    let place = place();
    place.ram("train --config tiny.toml --name a").succeeds();
    place
}

fn replace_bytes(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes to replace");
    bytes.splice(at..at + from.len(), to.iter().copied());
    fs::write(path, bytes).unwrap();
}

#[test]
fn help_and_version() {
    let place = place();
    let help = place.ram("--help");
    assert!(help.succeeds().contains("Exit codes:") && help.out.contains("130  interrupted"), "{}", help.out);
    place.ram("").fails(2, &["Usage: ram"]);
    let version = place.ram("--version --verbose");
    assert!(
        version.succeeds().starts_with("ram ")
            && version.out.contains("kernels: ")
            && version.out.contains("threads: ")
    );
    assert_eq!(place.ram("-V").succeeds().lines().count(), 1);
    place.ram("fly").fails(2, &["unrecognized subcommand 'fly'"]);
}

#[test]
fn bench_measures_one_shape() {
    let place = place();
    let out = place.ram("bench gemm 20 64 128 --rounds 2 --threads 1 --json");
    let json: Value = serde_json::from_str(out.succeeds()).unwrap();
    assert_eq!(json["threads"], 1);
    assert!(json["cpu"].is_string() && json["kernels"].is_string() && json["peak_gflops"].as_f64().unwrap() > 0.0);
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["gflops"].as_f64().unwrap() > 0.0 && row["batch"] == 20), "{json}");
    assert!(rows.iter().all(|row| row["rounds"].as_array().unwrap().len() == 2), "{json}");

    let table = place.ram("bench gemm 20 64 128 --rounds 1");
    assert!(table.succeeds().contains("FMA peak") && table.out.contains("weight gradient of 64x128"), "{}", table.out);

    let out = place.ram("bench functions --elements 100 --rounds 1 --json");
    let json: Value = serde_json::from_str(out.succeeds()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert!(rows.len() == 4 && rows.iter().all(|row| row["gigaelements_per_second"].as_f64().unwrap() > 0.0), "{json}");
    assert!(place.ram("bench functions --rounds 1").succeeds().contains("sigmoid"));

    place.ram("bench gemm 20 64").fails(2, &["<N>"]);
    place.ram("bench gemm 0 64 128").fails(2, &["0 is not in 1..=8192"]);
    place.ram("bench gemm 20 64 many").fails(2, &["invalid value 'many'"]);
    place.ram("bench --rounds 0").fails(2, &["0 is not in 1..=9999"]);
    place.ram("bench --threads 0").fails(2, &["--threads"]);
    place.ram("bench --threads 1024").fails(2, &["--threads 1024: this machine has", "a core of its own"]);
    place.ram("bench --only 9x9").fails(2, &["--only 9x9: no step has this in its name", "28x28, 6 glimpses of 8x8x1"]);
    place.ram("bench fly").fails(2, &["unrecognized subcommand 'fly'"]);
}

/// One thread, all threads and as many processes take turns, and each row says how many of its rounds were quiet.
#[test]
fn bench_sets_threads_beside_processes() {
    let place = place();
    let out = place.ram("bench --only 60x60 --rounds 2 --json");
    let json: Value = serde_json::from_str(out.succeeds()).unwrap();
    let threads = json["threads"].as_u64().unwrap();
    let rows = json["rows"].as_array().unwrap();
    let on: Vec<_> = rows.iter().map(|row| row["on"].as_str().unwrap().to_owned()).collect();
    match threads {
        1 => assert_eq!(on, ["1 thread"]),
        n => assert_eq!(on, ["1 thread".to_owned(), format!("{n} threads"), format!("{n} processes")]),
    }
    let mut quiet = 0;
    for row in rows {
        assert!(row["name"].as_str().unwrap().contains("60x60") && row["batch"] == 128, "{row}");
        assert!(
            row["images_per_second"].as_f64().unwrap() > 0.0 && row["share_of_peak"].as_f64().unwrap() > 0.0,
            "{row}"
        );
        assert_eq!(row["of_processes"].is_number(), row["on"] == format!("{threads} threads"), "{row}");
        let rounds = row["rounds"].as_array().unwrap();
        assert!(rounds.len() == 2 && rounds.iter().all(|round| round["before"]["l2"].as_f64().unwrap() > 0.0), "{row}");
        let of_row = rounds.iter().filter(|round| round["quiet"] == true).count();
        assert_eq!(row["quiet_rounds"], of_row);
        quiet += of_row;
    }
    assert_eq!((&json["turns"], &json["quiet_turns"]), (&(2 * rows.len()).into(), &quiet.into()));

    let table = place.ram("bench --only 60x60 --rounds 1 --threads 1");
    assert!(table.succeeds().contains("quiet rounds") && table.out.contains(" of 1 turns were quiet"), "{}", table.out);
    assert!(table.out.contains("1 thread ") && !table.out.contains("processes"), "{}", table.out);
}

#[test]
fn a_bench_worker_answers_line_by_line() {
    let place = place();
    let out = place.ram_with_input("bench worker --threads 1", "machine\nprobe\nstep 0 2\n");
    let lines: Vec<_> = out.succeeds().lines().collect();
    let machine: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(machine["steps"][0], serde_json::json!(["28x28, 6 glimpses of 8x8x1", 20]));
    let probe: Value = serde_json::from_str(lines[1]).unwrap();
    assert!(
        ["peak", "registers", "l1", "l2", "mean"].iter().all(|rate| probe[rate].as_f64().unwrap() > 0.0),
        "{probe}"
    );
    assert!(lines.len() == 3 && lines[2].parse::<f64>().unwrap() > 0.0, "{lines:?}");
    place.ram_with_input("bench worker", "leap 0 2\n").fails(2, &["found the line \"leap 0 2\"", "step INDEX CALLS"]);
}

#[test]
fn a_wrong_key_or_value_is_answered_with_the_right_one() {
    let place = place();
    let set = |set: &str| place.ram(&format!("train --config tiny.toml --set {set}"));
    set("train.epoch=3").fails(2, &["--set train.epoch=3: unknown key `train.epoch`; did you mean `train.epochs`?"]);
    set("train.epochs=many").fails(2, &["`train.epochs` is \"many\", but must be a whole number"]);
    set("train.epochs").fails(2, &["expected key=value"]);
    set("optimiser.kind=adm").fails(2, &["one of adam, sgd, nesterov", "did you mean `adam`?"]);
    set("model.patch=7").fails(2, &["model.patch is 7, but must be an even number"]);
    set("data.clutter=4").fails(2, &["data.canvas=cluttered"]);

    fs::write(place.path("bad.toml"), "seed = 1\n[optimizer]\nkind = \"adam\"\n").unwrap();
    place.ram("train --config bad.toml").fails(2, &["bad.toml, line 3", "did you mean `optimiser.kind`?"]);
    fs::write(place.path("bad.toml"), "seed = 1\nmodel = = 2").unwrap();
    place.ram("train --config bad.toml").fails(2, &["bad.toml, line 2: not TOML"]);
    fs::write(place.path("bad.toml"), b"\xff\xfe").unwrap();
    place.ram("train --config bad.toml").fails(2, &["bad.toml", "UTF-8"]);
    place.ram("train --config none.toml").fails(2, &["none.toml", "--preset"]);
    let sources = place.ram("train --set data.source=nowhere");
    sources.fails(2, &["`data.source` is", "catch-hidden"]);
    assert!(!sources.err.contains(", own"), "nobody can name a program's own data: {}", sources.err);
    place.ram("train --preset mnits").fails(2, &["did you mean `mnist`?"]);
    place.ram("train --preset demo --config tiny.toml").fails(2, &["cannot be used with"]);
    place.ram("train --resume").fails(2, &["--name"]);
    place.ram("train --config tiny.toml --name a/b").fails(2, &["a name has up to 100", "--runs"]);
    place.ram("train --config tiny.toml --threads 0").fails(2, &["--threads"]);
    place
        .ram_with("RAM_KERNELS", "abacus", "train --config tiny.toml")
        .fails(2, &["RAM_KERNELS=abacus", "scalar", "unset it"]);
    for variable in ["RAM_KERNELS", "AUTOGRAD_KERNELS"] {
        let version = place.ram_with(variable, "scalar", "--version --verbose");
        assert!(version.out.contains("kernels: scalar"), "{variable}: {}", version.out);
    }
    set("model.glimpses=65").fails(2, &["model.glimpses is 65, but must be", "from 1 to 64"]);
    assert!(!place.path("runs").exists(), "a wrong command line leaves nothing behind");
}

#[test]
fn missing_and_damaged_data() {
    let place = place();
    let folder = place.path("mnist");
    fs::create_dir(&folder).unwrap();
    place.ram_with("RAM_DATA_DIR", &folder, "train --preset mnist").fails(3, &["mnist", "RAM_DATA_DIR"]);
    place.ram("train --preset mnist --data-dir no-such").fails(3, &["no-such"]);
    place.ram_with("RAM_DATA_DIR", &folder, "data show --preset mnist").fails(3, &["mnist"]);
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        fs::write(folder.join(format!("{name}-ubyte")), "not an IDX file").unwrap();
    }
    place.ram_with("RAM_DATA_DIR", &folder, "train --preset mnist").fails(3, &["-ubyte"]);
    assert!(!place.path("runs").exists(), "no data, no run");
}

const MNIST: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// A real file as it lies there, and its name there.
fn stored(folder: &Path, name: &str) -> (String, Vec<u8>) {
    let packed = format!("{name}.gz");
    match fs::read(folder.join(&packed)) {
        Ok(bytes) => (packed, bytes),
        Err(_) => (name.to_owned(), fs::read(folder.join(name)).unwrap()),
    }
}

/// A real file, decompressed.
fn plain(folder: &Path, name: &str) -> Vec<u8> {
    match stored(folder, name) {
        (packed, bytes) if packed.ends_with(".gz") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            plain
        }
        (_, bytes) => bytes,
    }
}

/// A file of MNIST, damaged: a name for it and its bytes.
type Damaged = (String, Vec<u8>);

/// Every way in which a real file can be damaged, and what the message says of it.
fn damages(real: &Path, name: &str, other: &'static str) -> Vec<(Damaged, &'static str)> {
    let plain = plain(real, name);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = plain.clone();
        change(&mut bytes);
        (name.to_owned(), bytes)
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    let gz = |bytes: Vec<u8>| (format!("{name}.gz"), bytes);
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 8;
    vec![
        (changed(&|bytes| bytes.truncate(bytes.len() / 2)), ""),
        (changed(&|bytes| bytes.truncate(7)), ""),
        (changed(&Vec::clear), ""),
        (changed(&|bytes| bytes.push(0)), ""),
        (changed(&|bytes| *bytes.last_mut().unwrap() ^= 1), "SHA-256"),
        (changed(&|bytes| bytes[0] = 1), ""),
        (changed(&|bytes| bytes[4..8].fill(255)), ""),
        (changed(&|bytes| bytes[4] = 127), ""),
        (gz(packed[..packed.len() / 3].to_vec()), ""),
        (gz(flipped), ""),
        // Swapped: the bytes of another of the four.
        ((name.to_owned(), self::plain(real, other)), other),
    ]
}

/// Real MNIST with one file damaged at a time: a clear message that names it, exit code 3, no panic, no run.
#[test]
fn damaged_mnist_is_refused() {
    let Some(real) = mnist() else { return };
    let place = place();
    let small = "--preset mnist --set data.train=64 --set data.validation=64 --set data.test=64 --set train.epochs=1 \
                 --set model.hidden=16 --set model.glimpse_features=16 --set model.features=16";
    // The four files as they are.
    let whole = |folder: &Path| {
        fs::create_dir(folder).unwrap();
        for name in MNIST {
            let (name, bytes) = stored(&real, name);
            fs::write(folder.join(name), bytes).unwrap();
        }
    };
    let sound = place.path("sound");
    whole(&sound);
    place.ram_with("RAM_DATA_DIR", &sound, &format!("train {small} --name sound")).succeeds();
    place.ram_with("RAM_DATA_DIR", &sound, "eval sound").succeeds();

    let folder = place.path("damaged");
    whole(&folder);
    // Labels are small, so each damage of them is looked at; images once by each kind of error.
    for (name, other, every) in
        [(MNIST[1], MNIST[3], 1), (MNIST[0], MNIST[1], 5), (MNIST[3], MNIST[1], 1), (MNIST[2], MNIST[0], 5)]
    {
        let (original, bytes) = stored(&real, name);
        fs::remove_file(folder.join(&original)).unwrap();
        for ((file, damaged), told) in damages(&real, name, other).into_iter().step_by(every) {
            fs::write(folder.join(&file), damaged).unwrap();
            let ended = if name.starts_with("train") {
                place.ram_with("RAM_DATA_DIR", &folder, &format!("train {small}"))
            } else {
                place.ram("eval sound --data-dir damaged")
            };
            ended.fails(3, &[&file, told]);
            assert!(ended.err.lines().count() <= 6, "{}", ended.err);
            fs::remove_file(folder.join(&file)).unwrap();
        }
        fs::write(folder.join(original), bytes).unwrap();
    }
    // Images and labels that changed places.
    let [(images, _), (labels, _)] = [MNIST[0], MNIST[1]].map(|name| stored(&real, name));
    fs::rename(folder.join(&images), folder.join("aside")).unwrap();
    fs::rename(folder.join(&labels), folder.join(&images)).unwrap();
    fs::rename(folder.join("aside"), folder.join(&labels)).unwrap();
    place.ram(&format!("train {small} --data-dir damaged")).fails(3, &[&images, "train-labels"]);
    let runs: Vec<_> = fs::read_dir(place.path("runs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(runs, ["sound"], "no data, no run");
}

#[test]
fn a_run_is_trained_evaluated_and_never_overwritten() {
    let place = trained();
    for name in ["config.toml", "run.json", "metrics.jsonl", "timing.jsonl"] {
        assert!(place.path("runs/a").join(name).exists(), "{name}");
    }
    for name in ["last", "previous", "best"] {
        assert!(place.path("runs/a").join(format!("{name}.safetensors")).exists(), "{name}");
    }
    let last = fs::read(place.path("runs/a/last.safetensors")).unwrap();

    place.ram("train --config tiny.toml --name a").fails(4, &["runs/a", "--resume", "--force", "--name"]);
    assert_eq!(fs::read(place.path("runs/a/last.safetensors")).unwrap(), last);

    let by_folder = place.ram("eval runs/a");
    assert!(by_folder.succeeds().contains("test error"), "{}", by_folder.out);
    assert_eq!(by_folder.out.replace("runs/a", ""), place.ram("eval a").succeeds().replace("runs/a", ""));
    let json = place.ram("eval a --split validation --which last --json");
    let json: Value = serde_json::from_str(json.succeeds()).unwrap();
    assert_eq!((&json["split"], &json["count"], &json["epoch"]), (&"validation".into(), &50.into(), &2.into()));
    assert_eq!(json["weights"].as_str().unwrap().len(), 64);

    // Done already: resuming changes nothing, and so does training the same again.
    place.ram("train --resume --name a").succeeds();
    assert_eq!(fs::read(place.path("runs/a/last.safetensors")).unwrap(), last);
    let again = place.ram("train --config tiny.toml --name a --force --threads 2 --json");
    for line in again.succeeds().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert!(again.out.lines().last().unwrap().contains(r#""event":"finished""#));
    assert_eq!(fs::read(place.path("runs/a/last.safetensors")).unwrap(), last);

    // Without a name it is called after its file, numbered.
    place.ram("train --config tiny.toml --set train.epochs=1").succeeds();
    place.ram("train --config tiny.toml --set train.epochs=1").succeeds();
    assert!(place.path("runs/tiny-1/config.toml").exists() && place.path("runs/tiny-2/config.toml").exists());
}

/// A last training, on the validation images too: its errors on them are told for what they are, and choose nothing.
#[test]
fn a_network_is_trained_on_the_validation_images_too() {
    let place = place();
    let all = "--set data.train_on_validation=true";
    let said =
        place.ram(&format!("train --config tiny.toml --name all {all} --set train.epochs=3 --set train.batch=50"));
    assert!(
        said.err.contains("warning: data.train_on_validation: the 50 validation images are trained on too"),
        "{}",
        said.err
    );
    assert_eq!(said.succeeds().matches(" % (trained on)").count(), 3, "{}", said.out);
    assert!(said.out.contains("nothing was chosen: the weights after epoch 3, the last one, are kept"), "{}", said.out);
    let [best, last] = ["best", "last"].map(|name| place.bytes(&format!("runs/all/{name}.safetensors")));
    assert!(best == last, "the best weights are the last ones");
    // Five steps for 250 images; the 200 training images alone would make four.
    let lines = String::from_utf8(place.bytes("runs/all/metrics.jsonl")).unwrap();
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&line["step"], &line["validation"]["trained_on"]), (&5.into(), &true.into()));
    let noted = |ended: Ended| {
        ended.succeeds();
        ended.err.contains("validation images are trained on too")
    };
    assert!(!noted(place.ram("eval all")) && noted(place.ram("eval all --split validation")));
    // Of another data set, it has seen nothing.
    if let Some(folder) = mnist() {
        assert!(!noted(place.ram_with("RAM_DATA_DIR", folder, "eval all --data mnist --split validation")));
    }
    let known =
        place.ram("train --init-from all --set data.train_on_validation=false --set train.epochs=1 --name next");
    known.succeeds();
    assert!(
        known.err.contains("warning: the weights that this run begins with were trained on the validation"),
        "{}",
        known.err
    );
    let told = place.ram("compare all next --out curves.svg");
    assert!(told.succeeds().contains("all   last error, on images trained on, "), "{}", told.out);
    for (file, part) in [("curves.svg", " on images trained on"), ("runs/all/report.html", "validation (trained on)")] {
        assert!(String::from_utf8(place.bytes(file)).unwrap().contains(part), "{file}");
    }
    let report = String::from_utf8(place.bytes("runs/all/report.html")).unwrap();
    assert!(report.contains(r#""validation":null"#), "the table of the report has no error that was trained on");
    place.ram("zoo add all --name mine --zoo zoo").fails(4, &["trained on the validation images too"]);
    place.write(
        "s.toml",
        b"[base]\nconfig = \"runs/all/config.toml\"\n[space]\npolicy.std = { uniform = [0.1, 0.2] }\n",
    );
    place.ram("search run s.toml").fails(2, &["data.train_on_validation is not for a search"]);
    place.write(
        "t.toml",
        b"[base]\npreset = \"demo\"\n[space]\ndata.train_on_validation = { choice = [false, true] }\n",
    );
    place.ram("search run t.toml").fails(2, &["data.train_on_validation is not for a search"]);
}

#[test]
fn off_a_terminal_there_is_a_line_an_epoch_and_no_escape_code() {
    let place = place();
    for colours in [false, true] {
        let mut command = place.command("train --config tiny.toml");
        if colours {
            command.env_remove("NO_COLOR")
        } else {
            command.env("NO_COLOR", "1")
        };
        let run = Ended::from(command.output().unwrap());
        let text = run.succeeds();
        assert_eq!(text.lines().filter(|line| line.starts_with("epoch ")).count(), 2, "{text}");
        for term in ["class", "location", "baseline", "images/s"] {
            assert!(text.contains(term), "{term} in {text}");
        }
        assert!(!text.contains('\x1b') && !text.contains('\r') && run.err.is_empty(), "{text}{}", run.err);
    }
}

#[test]
fn another_version_and_damage_are_told() {
    let place = trained();
    let file = |name: &str| place.path("runs/a").join(name);
    place.ram("eval nowhere").fails(4, &["nowhere", "no such run"]);
    place.ram("train --resume --name nowhere").fails(4, &["nowhere", "no such run"]);

    // The newest is damaged: the one before it takes over, and says so.
    let whole = fs::read(file("last.safetensors")).unwrap();
    fs::write(file("last.safetensors"), &whole[..whole.len() - 100]).unwrap();
    place.ram("eval a --which last").fails(4, &["last.safetensors", "cut short"]);
    let resumed = place.ram("train --resume --name a");
    resumed.succeeds();
    assert!(resumed.err.contains("resuming from") && resumed.err.contains("previous.safetensors"), "{}", resumed.err);
    assert_eq!(fs::read(file("last.safetensors")).unwrap(), whole, "the same bytes are trained again");

    let mut flipped = whole.clone();
    let end = flipped.len() - 2;
    flipped[end] ^= 4;
    fs::write(file("best.safetensors"), flipped).unwrap();
    place.ram("eval a").fails(4, &["best.safetensors", "SHA-256"]);
    fs::write(file("best.safetensors"), "text").unwrap();
    place.ram("eval a").fails(4, &["best.safetensors", "not a safetensors file"]);

    for name in ["last.safetensors", "previous.safetensors"] {
        replace_bytes(&file(name), br#"\"format\":1"#, br#"\"format\":9"#);
    }
    place.ram("train --resume --name a").fails(4, &["checkpoint of format version 9", "reads version 1"]);
    replace_bytes(&file("run.json"), b"\"format\": 1", b"\"format\": 9");
    place.ram("train --resume --name a").fails(4, &["run of format version 9"]);
}

#[test]
fn a_training_that_diverges_says_where_and_what_to_try() {
    let place = place();
    let line = "train --config tiny.toml --set train.epochs=10 --set optimiser.kind=sgd --set schedule.kind=constant \
                --set optimiser.learning_rate=100 --set optimiser.clip=0";
    let parts = [
        "epoch ",
        ", step ",
        "the training diverged, the ",
        ": first in ",
        ".rs:",
        "optimiser.learning_rate (it is 100) or optimiser.clip=1",
    ];
    place.ram(line).fails(1, &parts);
}

/// One step so long that the weights stay finite, but not the next forward pass, which is the validation. Nothing of it may
/// count as the best, or reach a file.
#[test]
fn a_training_that_diverges_in_its_validation_leaves_its_run_whole() {
    let place = place();
    let line = "train --preset demo --set data.train=64 --set data.validation=64 --set train.batch=64 --set train.epochs=1 \
                --set schedule.kind=constant --set optimiser.learning_rate=1 --set model.glimpses=64 --threads 1 --name a";
    place.ram(line).fails(1, &["after epoch 1: the training diverged, the validation loss is NaN", "(it is 1)"]);
    let metrics = place.path("runs/a/metrics.jsonl");
    assert!(!metrics.exists() || fs::read_to_string(metrics).unwrap().is_empty());
    assert!(!place.path("runs/a/best.safetensors").exists());
}

#[test]
fn a_changed_configuration_is_not_resumed() {
    let place = trained();
    replace_bytes(&place.path("runs/a/config.toml"), b"epochs = 2", b"epochs = 5");
    place.ram("train --resume --name a").fails(4, &["config.toml", "train.epochs: 5, 2"]);
    place.ram("train --resume --name a --set train.epochs=5").fails(2, &["cannot be used with"]);
}

#[test]
fn places_that_cannot_be_written() {
    let place = place();
    fs::write(place.path("file"), "").unwrap();
    place.ram("train --config tiny.toml --runs file").fails(4, &["file", "--runs"]);
    place
        .ram("data show --preset demo --count 4 --out no/such/sheet.png")
        .fails(1, &["cannot write no/such/sheet.png"]);
    fs::create_dir_all(place.path("runs/b")).unwrap();
    fs::write(place.path("runs/b/thesis.tex"), "years of work").unwrap();
    place.ram("train --config tiny.toml --name b --force").fails(4, &["runs/b", "left alone"]);
    assert_eq!(fs::read_to_string(place.path("runs/b/thesis.tex")).unwrap(), "years of work");
}

#[test]
fn the_contact_sheet_is_a_picture() {
    let place = place();
    let shown = place.ram("data show --preset demo --count 9 --out sheet.png");
    assert!(shown.succeeds().contains("9 images"), "{}", shown.out);
    let bytes = fs::read(place.path("sheet.png")).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    place.ram("data show --preset demo --count 9 --out again.png").succeeds();
    assert_eq!(fs::read(place.path("again.png")).unwrap(), bytes);
    place.ram("data show --count 0").fails(2, &["--count"]);
    let json = place.ram("data show --preset demo --count 9 --out again.png --json");
    let json: Value = serde_json::from_str(json.succeeds()).unwrap();
    assert_eq!(json, serde_json::json!({ "out": "again.png", "count": 9, "size": 44 }));
}

#[test]
fn the_demo_can_be_repeated_and_touches_only_its_own() {
    let place = place();
    let line = "demo --seed 3 --set data.train=128 --set data.validation=32 --set data.test=32 --set train.epochs=1 \
                --set model.hidden=16 --set model.glimpse_features=16 --set model.features=16";
    for _ in 0..2 {
        let demo = place.ram(line);
        for name in ["learned", "random", "centre", "blind"] {
            let row = |line: &str| line.starts_with(name) && !line.contains("epoch") && line.contains(" %");
            assert!(demo.succeeds().lines().any(row), "{name} in {}", demo.out);
            assert!(place.path("runs/demo").join(name).join("best.safetensors").exists());
        }
        assert!(demo.out.contains("Next:") && demo.out.contains("eval runs/demo/learned"), "{}", demo.out);
    }
    place.ram("eval runs/demo/blind").succeeds();
    // Missing data replaces nothing and leaves nothing.
    place.ram("demo --set data.source=mnist").fails(3, &["RAM_DATA_DIR"]);
    place.ram("eval runs/demo/learned").succeeds();
    place.ram("demo --set data.source=mnist --runs none").fails(3, &["RAM_DATA_DIR"]);
    assert!(!place.path("none").exists());

    let place = Place::with_files(&[("tiny.toml", TINY)]);
    place.ram("train --config tiny.toml --runs runs/demo --name learned").succeeds();
    place.ram(line).fails(4, &["learned", "left alone"]);
    place.ram("train --config tiny.toml --runs other --name demo").succeeds();
    place.ram("demo --runs other").fails(4, &["the demo needs a folder with this name"]);
}

#[test]
fn an_agent_plays_catch() {
    let place = trained();
    let small = "--set data.train=64 --set data.validation=20 --set train.epochs=1 --set model.features=8 --set \
                 model.glimpse_features=8 --set model.hidden=8";
    place.ram(&format!("train --experiment catch {small} --name games")).succeeds();
    let lines = place.ram("play catch games --games 3 --from 5 --json");
    let games: Vec<Value> = lines.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(games.iter().map(|game| game["game"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 6, 7]);
    assert!(games.iter().all(|game| game["actions"].as_array().unwrap().len() == 23));
    // Off a terminal nothing is drawn.
    let told = place.ram("play catch runs/games --games 3 --from 5");
    assert!(!told.succeeds().contains('\x1b') && told.out.lines().count() == 4, "{}", told.out);
    let caught = games.iter().filter(|game| game["won"] == true).count();
    assert_eq!(told.out.matches(": caught").count(), caught);

    place.ram("play catch games --games 5 --gif games.gif").succeeds();
    assert!(fs::read(place.path("games.gif")).unwrap().starts_with(b"GIF89a"));
    place.ram("play catch games --gif games.png").fails(2, &["games.png", ".gif"]);
    place.ram("play catch games --gif games.gif --games 25").fails(2, &["at most 24"]);
    place.ram("play catch a").fails(2, &["does not play catch", "data.source=catch"]);
    place.ram("play catch no-such").fails(4, &["there is no such run"]);
    place.ram("play catch").fails(2, &["needs a terminal"]);
    place.ram("play catch games --keys").fails(2, &["needs a terminal"]);
    place.ram("play catch --json").fails(2, &["name the run"]);
}

#[test]
fn a_closed_pipe_is_no_error_of_ours() {
    let place = place();
    let mut child =
        place.command("train --config tiny.toml").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(0) && err.is_empty(), "{:?} {err}", output.status);
}

/// Ctrl-C saves and says how to resume; a killed run goes on from its last epoch; either ends in the bytes of one that
/// was never interrupted; and meanwhile nobody else writes to it.
#[cfg(unix)]
#[test]
fn an_interrupted_or_killed_run_resumes_to_the_same_bytes() {
    let place = place();
    // Long enough that it is never done before the signal comes.
    let train = "train --config tiny.toml --set train.epochs=60 --set data.train=2000 --name";
    place.ram(&format!("{train} whole")).succeeds();
    for (signal, code) in [("INT", Some(130)), ("KILL", None)] {
        let line = format!("{train} {signal}");
        let mut child = place.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.find(|line| line.starts_with("epoch ")).expect("an epoch");
        assert!(first.contains("1/60"), "{first}");
        place.ram(&format!("train --resume --name {signal}")).fails(4, &["another process"]);

        let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let rest: Vec<_> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), code, "{rest:?}");
        if signal == "INT" {
            assert!(rest.iter().any(|line| line.contains("saved. Resume with")), "{rest:?}");
            let command = rest.last().unwrap();
            assert!(command.ends_with(" train --resume --name INT"), "{command}");
        }

        place.ram(&format!("train --resume --name {signal}")).succeeds();
        for name in ["metrics.jsonl", "last.safetensors", "previous.safetensors", "best.safetensors"] {
            let bytes = |run: &str| fs::read(place.path("runs").join(run).join(name)).unwrap();
            assert!(bytes(signal) == bytes("whole"), "{signal}: {name} differs");
        }
    }
}

/// What `ram reproduce all --quick` wrote, at the path in `RAM_QUICK`.
#[test]
#[ignore = "reads what a reproduction left"]
fn the_quick_reproduction_holds() {
    let path = std::env::var("RAM_QUICK").expect("RAM_QUICK: the path of all.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(rows.iter().filter(|row| row["paper"].is_number()).count(), 25, "every row of the paper");
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let mut controls = 0;
    for row in &rows {
        let name = row["name"].as_str().unwrap();
        let runs = row["runs"].as_array().unwrap().iter().chain(row["controls"].as_array().unwrap());
        controls += row["controls"].as_array().unwrap().len();
        // Whoever begins with trained weights on a larger canvas has less to win in two small epochs than to lose.
        for run in runs.filter(|run| !name.starts_with("catch") && run["began_with"].is_null()) {
            let (first, last) = (number(&run["first_loss"]), number(&run["last_loss"]));
            assert!(last < first, "{name}, {}: the loss goes from {first} to {last}", run["locations"]);
        }
        for column in row["columns"].as_array().unwrap() {
            assert_eq!(column["runs"].as_array().unwrap().len(), 1, "{name}, {}", column["column"]);
        }
        // Two small epochs say nothing of the game but that it is played.
        let errors = row["runs"].as_array().unwrap().iter().map(|run| number(&run["error"]));
        assert!(errors.clone().count() == 1 && errors.clone().all(|error| error < 0.999), "{name}");
    }
    assert_eq!(
        controls,
        (5 * 3 + 3) + 5 + 2 * 3,
        "random, centre and blind in each of the five tables, an oracle where digits are placed; for clips also a still gaze; the two \
         harder games"
    );
    let row = rows.iter().find(|row| row["name"] == "translated-60-ram-8").unwrap();
    let learned = number(&row["runs"][0]["error"]);
    let random = row["controls"].as_array().unwrap().iter().find(|run| run["locations"] == "random").unwrap();
    let random = number(&random["error"]);
    assert!(learned + 0.03 < random, "on translated digits RAM has {learned}, with random locations {random}");
}
