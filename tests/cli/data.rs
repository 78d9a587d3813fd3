//! Data of one's own, from outside: fetching, folders of pictures, IDX pairs, predicting, beginning from another run's weights,
//! and the guide.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use datasets::Split;
use datasets::digits::generate;
use datasets::idx::Idx;
use serde_json::Value;

use crate::place::{Ended, Place, mnist};

pub fn place() -> Place {
    Place::with_files(&[])
}

impl Place {
    /// Every file below a folder, by its path from there.
    fn files(&self, below: &str) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, into: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, into);
                } else {
                    into.push(path.strip_prefix(root).unwrap().display().to_string());
                }
            }
        }
        let (root, mut files) = (self.path(below), Vec::new());
        walk(&root, &root, &mut files);
        files.sort();
        files
    }
}

pub fn png(pixels: &[u8], [width, height]: [usize; 2], colour: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

// ---------------------------------------------------------------------------------------------------------- fetching

/// What a mirror does when it is asked for a file.
enum Answer {
    Bytes(Vec<u8>),
    /// Announces all and sends half.
    Cut(Vec<u8>),
    Status(&'static str),
    /// Begins, then says nothing more.
    Slow,
}

/// A server that answers on this machine as long as the test runs; its URL.
fn mirror(answer: impl Fn(&str) -> Answer + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mnist", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let asked = asked(&stream);
            let answer = answer(asked.rsplit('/').next().unwrap());
            // Whoever asked may have gone.
            std::thread::spawn(move || _ = give(&mut stream, &answer));
        }
    });
    url
}

/// The path that is asked for.
fn asked(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    lines.find(|line| line.is_empty());
    first.split(' ').nth(1).unwrap().to_owned()
}

fn give(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let head = |stream: &mut TcpStream, status: &str, length: usize| {
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    match answer {
        Answer::Bytes(bytes) => head(stream, "200 OK", bytes.len()).and_then(|()| stream.write_all(bytes)),
        Answer::Cut(bytes) => {
            head(stream, "200 OK", bytes.len())?;
            stream.write_all(&bytes[..bytes.len() / 2])
        }
        Answer::Status(status) => head(stream, status, 0),
        Answer::Slow => {
            head(stream, "200 OK", 1000)?;
            stream.write_all(b"slowly")?;
            std::thread::sleep(Duration::from_secs(8));
            Ok(())
        }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(plain).unwrap();
    to.finish().unwrap()
}

#[test]
fn what_a_mirror_does_wrong_is_told_and_leaves_nothing_behind() {
    let place = place();
    let other = gzip(b"not what was published");
    let mirrors = [
        (mirror(|_| Answer::Status("404 Not Found")), "does not have it (status 404)"),
        (mirror(|_| Answer::Status("503 Service Unavailable")), "refuses it (status 503)"),
        (mirror(move |_| Answer::Bytes(other.clone())), "the bytes are not the published ones: SHA-256"),
        (mirror(|_| Answer::Bytes(b"<html>".to_vec())), "do not decompress"),
        (mirror(|_| Answer::Cut(vec![7; 100_000])), "the connection was cut"),
        (mirror(|_| Answer::Slow), "no answer in time; --timeout can allow more"),
    ];
    let mut line = "data fetch mnist --timeout 1".to_owned();
    for (url, told) in &mirrors {
        line += &format!(" --mirror {url}");
        place
            .ram(&format!("data fetch mnist --timeout 1 --mirror {url}"))
            .fails(3, &[url, told, "train-images-idx3-ubyte"]);
    }
    // All of them are tried, and what each did is told.
    let all = place.ram(&line);
    let told: Vec<&str> = mirrors.iter().flat_map(|(url, told)| [url.as_str(), told]).collect();
    all.fails(3, &told).fails(3, &["name another mirror with --mirror URL", "--data-dir"]);

    // Nobody there: a port that was given back, and a name that no network knows.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody =
        place.ram(&format!("data fetch --timeout 2 --mirror http://{free} --mirror http://no-such-host.invalid/"));
    nobody.fails(3, &[&free.to_string(), "refused", "no-such-host.invalid", "is there a network?"]);

    place.ram("data fetch --mirror https://example.org/mnist").fails(2, &["begins with http://"]);
    place.ram("data fetch cifar").fails(2, &["fashion-mnist"]);
    let hash = place.ram(&format!("data fetch fashion-mnist --timeout 1 --mirror {}", mirrors[2].0));
    hash.fails(3, &["MD5", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"]);
    assert_eq!(place.files("cache"), Vec::<String>::new());
    place.ram("train --preset mnist").fails(3, &["ram data fetch mnist", "--data-dir"]);
    place.ram("train --preset mnist --data fashion-mnist").fails(3, &["ram data fetch fashion-mnist"]);
}

/// The real files: the first mirror cuts one, the second has all; then they are found without being named.
#[test]
fn mnist_is_fetched_from_the_mirror_that_has_it_and_found_by_train() {
    let Some(real) = mnist() else { return };
    let place = place();
    let stored = move |name: &str| {
        let plain = name.trim_end_matches(".gz");
        fs::read(real.join(name)).unwrap_or_else(|_| gzip(&fs::read(real.join(plain)).unwrap()))
    };
    let from = stored.clone();
    let cutting = mirror(move |name| match name {
        "t10k-labels-idx1-ubyte.gz" => Answer::Cut(from(name)),
        _ => Answer::Status("404 Not Found"),
    });
    let whole = mirror(move |name| Answer::Bytes(stored(name)));
    let fetched = place.ram(&format!("data fetch --mirror {cutting} --mirror {whole}"));
    assert!(fetched.succeeds().contains("train --data mnist"), "{}", fetched.out);
    assert!(fetched.err.contains("the connection was cut") && fetched.err.contains("404"), "{}", fetched.err);
    let files = place.files("cache");
    assert_eq!(files.len(), 4, "{files:?}");

    // What is there is not fetched again; what is damaged is.
    place.write("cache/mnist/t10k-labels-idx1-ubyte.gz", b"damaged");
    let again = place.ram(&format!("data fetch --mirror {whole} --json")).json();
    assert_eq!((&again["fetched"], &again["set"]), (&1.into(), &"mnist".into()));
    assert_eq!(place.files("cache"), files);

    let small = "train --data mnist --set data.train=64 --set data.validation=64 --set data.test=64 --set train.epochs=1 \
                 --set model.hidden=16 --set model.glimpse_features=16 --set model.features=16";
    place.ram(&format!("{small} --name found")).succeeds();
    let own = place.ram("eval found");
    assert!(own.succeeds().contains(" of 64 images\n"), "{}", own.out);
    // Of a data set that is not the run's own, all examples of the part are taken.
    let other = place.ram("eval found --data digits");
    assert!(other.succeeds().contains(" of 5000 images of built-in digits\n"), "{}", other.out);
    place.ram(&format!("{small} --name fc --set model.kind=fc")).succeeds();
    place.ram("eval fc --passes 10").fails(2, &["--passes 10", "sees the whole image"]);
    place.ram(&format!("{small} --data-dir no-such")).fails(3, &["no-such"]);
}

// ----------------------------------------------------------------------------------------------- pictures in folders

/// Bright pictures and dark ones, of `channels` channels and many sizes: 60 a class.
pub fn lights(place: &Place, folder: &str, channels: usize) {
    let colour = if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
    for i in 0..120_usize {
        let size = [10 + i % 7, 8 + i % 5];
        let level = if i % 2 == 0 { 200 + i as u8 / 4 } else { 10 + i as u8 / 4 };
        let pixels = vec![level; size[0] * size[1] * channels];
        let class = ["bright", "dark"][i % 2];
        place.write(&format!("{folder}/{class}/{i}.png"), &png(&pixels, size, colour));
    }
}

pub const TINY: &str = "--set model.patch=4 --set model.glimpses=2 --set model.features=16 --set model.glimpse_features=16 \
                    --set model.hidden=16 --set train.batch=16 --set optimiser.learning_rate=3e-3";

#[test]
fn a_folder_of_pictures_is_trained_on_evaluated_and_resumed() {
    let place = place();
    lights(&place, "lights", 3);
    let train = format!("train --data folder:lights {TINY} --set train.epochs=6");
    let out = place.ram(&format!("{train} --name a"));
    assert!(out.succeeds().contains("in colour, 2 classes") && out.err.is_empty(), "{}{}", out.out, out.err);
    // The largest edge that there is, and the colours.
    let config = fs::read_to_string(place.path("runs/a/config.toml")).unwrap();
    for line in ["size = 16", "channels = 3", "source = \"folder\"", "path = \"lights\""] {
        assert!(config.contains(line), "{line} in {config}");
    }
    let found = place.ram("eval a --json").json();
    assert!(found["error"].as_f64().unwrap() < 0.2, "{found}");
    assert!(place.ram(&format!("{train} --name grey --set data.channels=1")).succeeds().contains("grey, 2 classes"));
    place.ram(&format!("{train} --name fc --set model.kind=fc")).succeeds();
    place
        .ram(&format!("{train} --name moved --set data.canvas=translated --set data.size=30 --set data.image=12"))
        .succeeds();
    assert!(place.ram(&format!("{train} --set train.epochs=1")).succeeds().contains("runs/lights-1") || cfg!(windows));

    // Another folder of the same classes, all of it.
    lights(&place, "others", 1);
    let others = place.ram("eval a --json --data folder:others").json();
    assert!(others["error"].as_f64().unwrap() < 0.2 && others["count"] == 120 && others["split"] == "all", "{others}");
    place.ram("eval a --data digits").fails(2, &["data.channels is 3"]);
    place.ram("eval grey --data digits").fails(2, &["data.size is 16"]);

    // From elsewhere, with --data-dir; a class that is not there any more is no surprise.
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::rename(place.path("lights"), place.path("elsewhere/lights")).unwrap();
    place.ram("eval a").fails(3, &["lights"]);
    assert_eq!(place.ram("eval a --json --data-dir elsewhere").json()["error"], found["error"]);
    fs::rename(place.path("elsewhere/lights/dark"), place.path("elsewhere/lights/dim")).unwrap();
    place.ram("eval a --data-dir elsewhere").fails(3, &["bright, dim", "bright, dark"]);
    place.ram("train --resume --name a --data-dir elsewhere").fails(3, &["bright, dim", "bright, dark"]);
}

#[test]
fn bad_pictures_are_warned_of_or_with_strict_an_error() {
    let place = place();
    lights(&place, "lights", 1);
    let sound = fs::read(place.path("lights/dark/1.png")).unwrap();
    // As many as bring one into each split.
    for i in 0..40 {
        place.write(&format!("lights/dark/cut{i}.png"), &sound[..sound.len() / 2]);
    }
    let train = format!("train --data folder:lights {TINY} --set train.epochs=1");
    let warned = place.ram(&format!("{train} --name a"));
    warned.succeeds();
    for part in ["warning: ", "cut", "is a damaged PNG", "training pictures cannot be read", "of them not named here"] {
        assert!(warned.err.contains(part), "{part} in {}", warned.err);
    }
    let tested = place.ram("eval a");
    tested.succeeds();
    assert!(tested.err.contains("test picture") && tested.err.contains("left out"), "{}", tested.err);
    place.ram("eval a --strict").fails(3, &["is a damaged PNG", "data.strict demands all"]);
    place.ram(&format!("{train} --name b --strict")).fails(3, &["is a damaged PNG", "data.strict demands all"]);
    assert!(!place.path("runs/b").exists(), "no data, no run");
}

#[test]
fn what_is_no_data_set_of_ones_own_is_told() {
    let place = place();
    fs::create_dir(place.path("empty")).unwrap();
    place.ram("train --data folder:empty").fails(3, &["empty has no class folders", "make a folder for each class"]);
    place.ram("train --data folder:nowhere").fails(3, &["nowhere"]);
    place.write("one/cat/a.png", b"");
    place.ram("train --data folder:one").fails(3, &["the one class `cat`"]);
    place.ram("train --data one").fails(2, &["did you mean folder:one?"]);
    place.ram("train --data idx:one").fails(2, &["two files are needed"]);
    place.ram("train --set data.source=folder").fails(2, &["data.path", "--data folder:PATH"]);
    place.ram("train --data digits --set data.channels=3").fails(2, &["data.channels is 3"]);
    place
        .ram("train --preset pictures")
        .fails(3, &["data.path is pictures", "no folder pictures", "--data folder:PATH"]);

    let idx = |name: &str, dims: &[u32]| {
        let data = (0..dims.iter().product::<u32>()).map(|i| (i % 2) as u8).collect();
        Idx { dims: dims.to_vec(), data }.write(fs::File::create(place.path(name)).unwrap()).unwrap();
    };
    idx("images", &[200, 9, 9]);
    idx("labels", &[200]);
    idx("others", &[199]);
    place.ram("train --data idx:images,others").fails(3, &["others", "199", "images has 200 images"]);
    place.ram("train --data idx:labels,images").fails(3, &["labels", "expected [count, height, width]"]);
    place.ram(&format!("train --data idx:images,labels {TINY} --set train.epochs=1 --name i")).succeeds();
    assert!(fs::read_to_string(place.path("runs/i/config.toml")).unwrap().contains("size = 9"));
    let told = place.ram("eval i");
    assert!(told.succeeds().contains("images, the test part of images"), "{}", told.out);
    assert!(!told.out.contains("digit"), "nobody knows of digits there: {}", told.out);
    // Patches of 4, 8 and 16 pixels see all of 9×9 pixels: the preset has more, but not for these, unless it is asked for.
    let small = format!("train --preset pictures --data idx:images,labels {TINY} --set train.epochs=1");
    for (more, scales) in [("", 3), (" --set model.scales=2", 2)] {
        place.ram(&format!("{small}{more} --name scales-{scales}")).succeeds();
        let config = fs::read_to_string(place.path(&format!("runs/scales-{scales}/config.toml"))).unwrap();
        assert!(config.contains(&format!("scales = {scales}\n")), "{config}");
    }
}

// -------------------------------------------------------------------------------------------------------- predicting

#[test]
fn a_digit_is_told_in_whatever_form_it_is_drawn() {
    let place = place();
    place
        .ram(
            "train --preset mnist --data digits --set data.train=8000 --set data.validation=500 --set train.epochs=8 \
             --set model.hidden=128 --set model.glimpse_features=128 --set model.features=64 --set train.batch=32 --name digits",
        )
        .succeeds();
    // One of each, of a seed that was not trained on.
    let drawn = generate(77, Split::Test, 200);
    let firsts = (0..10_u8).map(|digit| drawn.labels.iter().position(|&label| label == digit).unwrap());
    let (mut right, mut right_large, side) = (0, 0, 28);
    for (digit, index) in firsts.enumerate() {
        let levels = drawn.images.image(index);
        let ink = |level: &u8| 255 - level;
        place.write("plain.png", &png(levels, [side; 2], png::ColorType::Grayscale));
        let inverted: Vec<u8> = levels.iter().map(ink).collect();
        place.write("inverted.png", &png(&inverted, [side; 2], png::ColorType::Grayscale));
        let colour: Vec<u8> = levels.iter().flat_map(|&level| [level; 3]).collect();
        place.write("colour.png", &png(&colour, [side; 2], png::ColorType::Rgb));
        // Black ink on nothing.
        let alpha: Vec<u8> = levels.iter().flat_map(|&level| [0, level]).collect();
        place.write("alpha.png", &png(&alpha, [side; 2], png::ColorType::GrayscaleAlpha));
        let large: Vec<u8> = (0..84 * 84).map(|i| levels[i / 84 / 3 * side + i % 84 / 3]).collect();
        place.write("large.png", &png(&large, [84; 2], png::ColorType::Grayscale));

        let lines = place.ram("predict digits plain.png colour.png large.png --json");
        let said: Vec<Value> = lines.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let others = place.ram("predict digits inverted.png alpha.png --json");
        let others: Vec<Value> = others.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rows = said[0]["probabilities"].as_array().unwrap();
        assert_eq!((rows.len(), said[0]["locations"].as_array().unwrap().len()), (6, 6), "a row a glimpse");
        for row in rows {
            let sum: f64 = row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{row}");
        }
        for form in [&said[1], &others[0], &others[1]] {
            assert_eq!(form["probabilities"], said[0]["probabilities"], "the same picture: {}", form["image"]);
        }
        right += usize::from(said[0]["index"] == digit);
        right_large += usize::from(said[2]["index"] == digit);
    }
    assert!(right >= 8 && right_large >= 8, "{right} and, three times as large, {right_large} of 10 are told");

    let text = place.ram("predict digits large.png --top 2");
    assert!(
        text.succeeds().starts_with("large.png: 9 (") && text.out.matches(" %").count() == 1 + 6 * 2,
        "{}",
        text.out
    );
    assert!(text.out.contains("84×84 pixels, grey; its ink of 30×51 pixels scaled to 12×20"), "{}", text.out);
    let plain = place.ram("predict digits large.png --as-is");
    assert!(plain.succeeds().contains("84×84 pixels, grey; made to fit 28×28"), "{}", plain.out);
    // Whether to invert is seen, unless it is said; and what was looked at can be drawn.
    let told = place.ram("predict digits inverted.png alpha.png --out predict.svg");
    assert_eq!(told.succeeds().matches("inverted, since it is dark on bright").count(), 2, "{}", told.out);
    assert_eq!(String::from_utf8(place.bytes("predict.svg")).unwrap().matches("<image ").count(), 2 * (1 + 6));
    let said = place.ram("predict digits inverted.png --invert false --json").json();
    assert_eq!(said["how"], "28×28 pixels, grey");
    place.ram("predict digits plain.png --out predict.jpg").fails(2, &["predict.jpg", ".svg"]);
    place.write("bad.png", b"nothing");
    let some = place.ram("predict digits bad.png none.png plain.png");
    some.fails(3, &["bad.png", "none.png"]);
    assert!(some.out.starts_with("plain.png: "), "the others are told: {}", some.out);
    place.ram("predict digits").fails(2, &["<IMAGES>"]);
    place.ram("predict nowhere plain.png").fails(4, &["nowhere"]);
}

// ------------------------------------------------------------------------------------------------------- fine-tuning

#[cfg(unix)]
#[test]
fn a_run_begins_with_the_weights_of_another_and_resumes_bit_for_bit() {
    let place = place();
    lights(&place, "lights", 1);
    place.ram(&format!("train --data folder:lights {TINY} --set train.epochs=4 --name first")).succeeds();
    // A third class: only the action network has another shape.
    lights(&place, "more", 1);
    for i in 0..60 {
        place.write(&format!("more/middle/{i}.png"), &png(&[110 + i; 90], [9, 10], png::ColorType::Grayscale));
    }
    let tune = "train --init-from first --data folder:more --set train.epochs=400 --name";
    let out = place.ram(&format!("{tune} whole"));
    assert!(out.succeeds().contains("drawn anew for other classes: action."), "{}", out.out);
    let info: Value = serde_json::from_slice(&fs::read(place.path("runs/whole/run.json")).unwrap()).unwrap();
    assert_eq!(info["init_from"]["run"], "runs/first");
    assert_eq!(info["init_from"]["drawn"].as_array().unwrap().len(), 2);
    assert_eq!(info["init_from"]["weights"], place.ram("eval first --json").json()["weights"]);
    // Its own configuration was taken over but for what was said.
    assert!(fs::read_to_string(place.path("runs/whole/config.toml")).unwrap().contains("patch = 4"));

    let mut child = place.start(&format!("{tune} cut"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("epoch ")).expect("an epoch");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<_> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    place.ram("train --resume --name cut").succeeds();
    for name in ["metrics.jsonl", "last.safetensors", "best.safetensors"] {
        let bytes = |run: &str| fs::read(place.path("runs").join(run).join(name)).unwrap();
        assert!(bytes("cut") == bytes("whole"), "{name} differs");
    }

    // The same classes: everything is taken, and the first epoch begins where the other ended.
    let same = place.ram("train --init-from first --set train.epochs=1 --set optimiser.learning_rate=1e-9 --name same");
    assert!(same.succeeds().contains("all of them"), "{}", same.out);
    let error = |run: &str| place.ram(&format!("eval {run} --json")).json()["error"].clone();
    assert_eq!(error("same"), error("first"));
    place
        .ram("train --init-from first --set model.hidden=24 --name other")
        .fails(4, &["only the action network may differ", "model.hidden: 16, 24"]);
    place.ram("train --init-from nowhere --name other").fails(4, &["nowhere"]);
    place.ram("train --resume --name same --init-from first").fails(2, &["cannot be used with"]);
    assert!(!place.path("runs/other").exists());
}

// --------------------------------------------------------------------------------------------------------- the guide

/// The commands of the guide, one a line.
#[cfg(unix)]
fn guide() -> Vec<&'static str> {
    let text = include_str!("../../ram/src/guide.md");
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| line.starts_with("ram ")).collect()
}

#[cfg(unix)]
fn follow(place: &Place, change: impl Fn(&str) -> String) -> Vec<(String, Ended)> {
    let binary = std::path::PathBuf::from(crate::place::program());
    let path = std::env::join_paths(
        std::iter::once(binary.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let path = path.unwrap();
    guide()
        .into_iter()
        .map(|line| {
            let mut command = Command::new("sh");
            command.args(["-c", &change(line)]).env("PATH", &path);
            place.prepare(&mut command);
            let ended = Ended::from(command.output().unwrap());
            ended.succeeds();
            (line.to_owned(), ended)
        })
        .collect()
}

/// Every command of the guide works, with fewer pictures and shorter trainings than it says.
#[cfg(unix)]
#[test]
fn the_guides_commands_work() {
    let place = place();
    let small = " --set train.epochs=1 --set model.hidden=8";
    let followed = follow(&place, |line| match line {
        line if line.starts_with("ram data shapes") => format!("{line} --count 100"),
        line if line.starts_with("ram train") && !line.contains("--init-from") => format!("{line}{small}"),
        line if line.starts_with("ram train") => format!("{line} --set train.epochs=1"),
        line => line.to_owned(),
    });
    assert!(followed.len() >= 8, "{}", followed.len());
    for name in ["sheet.png", "look.png"] {
        assert!(fs::read(place.path(name)).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
}

/// The guide word for word: what it promises of the two networks holds.
#[cfg(unix)]
#[test]
#[ignore = "a minute with a release build in RAM_PROGRAM, where .ci/run calls it"]
fn the_guide_holds() {
    let place = place();
    let followed = follow(&place, str::to_owned);
    let error = |run: &str| {
        let line = format!("ram eval {run}");
        let (_, ended) = followed.iter().find(|(command, _)| *command == line).expect("the guide evaluates it");
        let text = ended.out.lines().find(|line| line.starts_with("test error")).unwrap();
        text.split_whitespace().nth(2).unwrap().parse::<f64>().unwrap()
    };
    let (ram, fc) = (error("shapes"), error("fc"));
    println!("test errors: RAM {ram} %, FC {fc} %");
    assert!(ram < 25.0 && ram + 10.0 < fc, "RAM has {ram} %, FC {fc} %");
}
