//! `ram search` from outside: trials that schedulers hand out, signals, kills, several processes on one study, halving.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Ended, Place};

/// Six trials that train in a moment, on built-in digits.
const TINY: &str = r#"
seed = 7
trials = 6
[base]
set = ["data.source=digits", "data.train=200", "data.validation=50", "data.test=50", "train.epochs=4", "train.batch=64",
    "model.features=16", "model.glimpse_features=16", "model.hidden=16"]
[space]
optimiser.learning_rate = { log-uniform = [1e-4, 1e-1] }
policy.std = { uniform = [0.05, 0.5] }
model.glimpses = { whole = [1, 3] }
policy.mean = { choice = ["linear", "clamp", "tanh"] }
"#;

/// A place with the study `tiny.toml` and, to be interrupted, `long.toml`.
fn place() -> Place {
    let long = TINY.replace("data.train=200", "data.train=3000").replace("train.epochs=4", "train.epochs=60");
    Place::with_files(&[("tiny.toml", TINY), ("long.toml", &long)])
}

impl Place {
    /// The result files of a study in `runs`, checked to be there for trials 1 to `trials`.
    fn results(&self, runs: &str, study: &str, trials: u32) -> Vec<Vec<u8>> {
        (1..=trials).map(|n| self.bytes(&format!("{runs}/{study}/trial-{n:04}/result.json"))).collect()
    }
}

/// Waits until there is such a file.
#[track_caller]
pub fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {}", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(unix)]
pub fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn init_writes_a_study_and_replaces_none() {
    let place = place();
    assert!(place.ram("search init").succeeds().contains("search run search.toml"));
    place.ram("search init").fails(2, &["search.toml exists already", "--force"]);
    place.ram("search init --force").succeeds();
    let shown = place.ram("search show search.toml --trial 40");
    assert!(shown.succeeds().contains("[optimiser]"));
    fs::write(place.path("shown.toml"), &shown.out).unwrap();
    // MNIST is not there, but the configuration is one.
    place.ram("train --config shown.toml --set data.source=digits --set data.train=99 --set train.epochs=1").succeeds();
    place.ram("search init no/such/folder.toml").fails(1, &["cannot write no/such/folder.toml"]);
}

#[test]
fn wrong_input_is_told() {
    let place = place();
    place.ram("search run no.toml").fails(2, &["cannot read the study no.toml", "search init no.toml"]);
    fs::write(place.path("bad.toml"), TINY.replace("policy.std", "policy.sdt")).unwrap();
    place
        .ram("search run bad.toml")
        .fails(2, &["bad.toml, line 9: unknown key `policy.sdt`; did you mean `policy.std`?"]);
    place.ram("search run tiny.toml --trial 7").fails(2, &["--trial is 7, but trials are numbered from 1 to 6"]);
    place.ram("search run tiny.toml --trial 0").fails(2, &["--trial is 0"]);
    place.ram("search run tiny.toml --trial 1 --jobs 2").fails(2, &["--jobs"]);
    place.ram("search run tiny.toml --halving 1").fails(2, &["--halving"]);
    place.ram("search report tiny.toml --runs elsewhere").fails(4, &["no trials yet", "ram search run"]);
    for name in ["RAM_TRIAL", "SLURM_ARRAY_TASK_ID", "HQ_TASK_ID", "PARALLEL_SEQ"] {
        place.ram_with(name, "one", "search run tiny.toml").fails(2, &[name, "\"one\"", "number of a trial"]);
        place.ram_with(name, "7", "search run tiny.toml").fails(2, &[&format!("{name} is 7"), "from 1 to 6"]);
    }
    fs::write(place.path("mnist.toml"), TINY.replace("data.source=digits", "data.source=mnist")).unwrap();
    place.ram("search run mnist.toml --trials 2 --jobs 2 --data-dir nowhere").fails(3, &["nowhere"]);
    assert!(!place.path("runs/mnist/trial-0001/result.json").exists(), "a fault is no result");
}

#[test]
fn a_done_trial_returns_at_once_with_the_same_json() {
    let place = place();
    let first = place.ram_with("SLURM_ARRAY_TASK_ID", "3", "search run tiny.toml").last();
    assert_eq!((&first["event"], &first["trial"], &first["state"]), (&"trial".into(), &3.into(), &"done".into()));
    assert!(first["error"].as_f64().is_some_and(|error| (0.0..=1.0).contains(&error)) && first["weights"].is_string());
    let shown = place.ram("search show tiny.toml --trial 3 --json").last();
    assert_eq!(first["values"], shown);
    let weights = place.path("runs/tiny/trial-0003/last.safetensors");
    let before = fs::metadata(&weights).unwrap().modified().unwrap();
    for (variable, value) in [("RAM_TRIAL", "3"), ("HQ_TASK_ID", "3"), ("PARALLEL_SEQ", " 3 ")] {
        let again = place.ram_with(variable, value, "search run tiny.toml");
        assert_eq!(again.last(), first);
        assert_eq!(again.out.lines().count(), 1, "nothing is trained: {}", again.out);
    }
    assert_eq!(fs::metadata(&weights).unwrap().modified().unwrap(), before);
    // RAM_TRIAL comes before a scheduler's variable, and --trial before both.
    let mut both = place.command("search run tiny.toml --json");
    let both = Ended::from(both.env("RAM_TRIAL", "3").env("SLURM_ARRAY_TASK_ID", "nonsense").output().unwrap());
    assert_eq!(both.last(), first);
    assert_eq!(place.ram_with("RAM_TRIAL", "4", "search run tiny.toml --trial 3").last(), first);
    // Other settings are refused there, and go elsewhere.
    fs::write(place.path("tiny.toml"), TINY.replace("seed = 7", "seed = 8")).unwrap();
    place.ram("search run tiny.toml --trial 3").fails(4, &["begun with other settings (seed: 7, 8)"]);
    let other = place.ram("search run tiny.toml --trial 3 --runs elsewhere --threads 1").last();
    assert_ne!(other["values"], first["values"]);
}

/// Signals of a scheduler and kills: each ends in the very result of a trial that nothing disturbed.
#[cfg(unix)]
#[test]
fn a_trial_that_was_stopped_or_killed_ends_as_if_it_was_not() {
    let place = place();
    let whole = place.ram("search run long.toml --trial 2 --runs whole").last();
    for (name, code, told) in
        [("TERM", Some(75), true), ("USR1", Some(75), true), ("INT", Some(130), true), ("KILL", None, false)]
    {
        let line = format!("search run long.toml --trial 2 --runs {name}");
        for round in 0..2 {
            let child = place.start(&line);
            let metrics = place.path(&format!("{name}/long/trial-0002/metrics.jsonl"));
            // In the second round some epochs on.
            let lines = || fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
            let begun = Instant::now();
            while lines() < 1 + 4 * round {
                assert!(begun.elapsed() < Duration::from_secs(120), "{name}: no epoch");
                std::thread::sleep(Duration::from_millis(2));
            }
            signal(&child, name);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), code, "{name}: {output:?}");
            if told {
                let last =
                    Ended::from(output).out.lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap());
                assert_eq!(last.unwrap()["event"], "interrupted");
            }
            assert!(!place.path(&format!("{name}/long/trial-0002/result.json")).exists());
        }
        assert_eq!(place.ram(&line).last(), whole, "{name}");
        for file in ["result.json", "metrics.jsonl", "best.safetensors", "last.safetensors"] {
            let of = |runs: &str| place.bytes(&format!("{runs}/long/trial-0002/{file}"));
            assert!(of(name) == of("whole"), "{name}: {file} differs");
        }
    }
}

/// `ram train` asks to be run again, too.
#[cfg(unix)]
#[test]
fn a_training_that_a_scheduler_stops_saves_and_exits_with_75() {
    let place = place();
    fs::write(place.path("long.config.toml"), place.ram("search show long.toml --trial 1").succeeds()).unwrap();
    for name in ["TERM", "USR1"] {
        let child = place.start(&format!("train --config long.config.toml --name {name}"));
        wait_for(&place.path(&format!("runs/{name}/last.safetensors")));
        signal(&child, name);
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 75, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains("saved. Resume with"), "{}", ended.out);
        assert!(ended.err.contains("will ask for another run"), "{}", ended.err);
    }
    let help = place.ram("--help");
    assert!(help.succeeds().contains("\n  75 "), "{}", help.out);
}

#[test]
fn two_processes_share_a_study_and_none_is_lost_or_doubled() {
    let place = place();
    place.ram("search run tiny.toml --jobs 2 --runs alone").succeeds();
    let line = "search run tiny.toml --jobs 2 --threads 1 --json";
    let children = [place.start(line), place.start(line)];
    for child in children {
        let last = Ended::from(child.wait_with_output().unwrap()).last();
        assert_eq!(last["event"], "study");
    }
    let last = place.ram(line).last();
    assert_eq!((&last["done"], &last["trials"], &last["skipped"]), (&6.into(), &6.into(), &Value::Array(vec![])));
    assert!(place.results("runs", "tiny", 6) == place.results("alone", "tiny", 6), "results differ");
    for n in 1..=6 {
        let lines = String::from_utf8(place.bytes(&format!("runs/tiny/trial-{n:04}/metrics.jsonl"))).unwrap();
        assert_eq!(lines.lines().count(), 4, "trial {n} was trained once");
    }
}

#[cfg(unix)]
#[test]
fn a_trial_that_another_process_is_at_is_told_and_skipped() {
    let place = place();
    let mut child = place.start("search run long.toml --trial 1 --threads 1");
    wait_for(&place.path("runs/long/trial-0001/config.toml"));
    let alone = place.ram("search run long.toml --trial 1");
    alone.fails(4, &["trial-0001", "another process is running this trial"]);
    let told: Value = serde_json::from_str(alone.out.lines().last().unwrap()).unwrap();
    assert_eq!(told["state"], "locked");
    // Stopped, so that it cannot be done before the others are.
    signal(&child, "STOP");
    let both = place.ram("search run long.toml --trials 2");
    assert!(both.succeeds().contains("trial    2"), "{}", both.out);
    assert!(both.err.contains("skipped trial 1, which another process is running"), "{}", both.err);
    signal(&child, "KILL");
    child.wait().unwrap();
    // The lock went with the process.
    assert_eq!(place.ram("search run long.toml --trials 2 --json").last()["done"], 2);
}

/// Of many trials at once: a signal or a kill, and all go on.
#[cfg(unix)]
#[test]
fn a_study_that_was_stopped_or_killed_goes_on() {
    let place = place();
    place.ram("search run long.toml --trials 3 --jobs 2 --runs whole").succeeds();
    for (name, code) in [("INT", Some(130)), ("TERM", Some(75)), ("KILL", None)] {
        let line = format!("search run long.toml --trials 3 --jobs 2 --runs {name}");
        let child = place.start(&line);
        wait_for(&place.path(&format!("{name}/long/trial-0001/last.safetensors")));
        wait_for(&place.path(&format!("{name}/long/trial-0002/last.safetensors")));
        signal(&child, name);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), code, "{ended:?}");
        assert!(!place.path(&format!("{name}/long/trial-0003/result.json")).exists());
        if code.is_some() {
            let ended = Ended::from(ended);
            assert!(ended.out.contains("trial    1  interrupted in epoch"), "{}", ended.out);
            assert!(ended.err.contains(&format!("search run long.toml --trials 3 --jobs 2 --runs {name}")));
        }
        place.ram(&line).succeeds();
        assert!(place.results(name, "long", 3) == place.results("whole", "long", 3), "{name}: results differ");
    }
}

#[test]
fn halving_gives_up_the_worse_and_is_the_same_however_it_is_run() {
    let place = place();
    let together = place.ram("search run tiny.toml --halving 2 --jobs 2 --json");
    let study = together.last();
    let event = |name: &str| -> Vec<Value> {
        let all = together.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|value| value["event"] == name).collect()
    };
    // Four epochs, six trials: rungs of 1, 2 and 4 epochs with 6, 3 and 2 trials.
    let rungs = event("rung");
    assert_eq!(rungs.iter().map(|rung| rung["epochs"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rungs.iter().map(|rung| rung["promoted"].as_array().unwrap().len()).collect::<Vec<_>>(), [3, 2]);
    assert_eq!((&study["done"], &study["paused"]), (&2.into(), &4.into()));

    // The same, handed out one at a time as schedulers do, rung after rung.
    let one = |trial: u32| {
        place.ram(&format!("search run tiny.toml --halving 2 --runs apart --threads 1 --trial {trial}")).last()
    };
    for round in 0..3 {
        let states: Vec<String> = (1..=6).map(|n| one(n)["state"].as_str().unwrap().to_owned()).collect();
        let count = |state: &str| states.iter().filter(|found| *found == state).count();
        match round {
            // The last of all sees the decision and may go on.
            0 => assert!(count("waiting") >= 5, "{states:?}"),
            _ => assert!(count("waiting") + count("given-up") + count("done") == 6, "{states:?}"),
        }
    }
    let states: Vec<Value> = (1..=6).map(one).collect();
    assert_eq!(states.iter().filter(|state| state["state"] == "given-up").count(), 4, "{states:?}");
    for file in ["rung-1.json", "rung-2.json"] {
        let of = |runs: &str| place.bytes(&format!("{runs}/tiny/{file}"));
        assert_eq!(String::from_utf8(of("runs")).unwrap(), String::from_utf8(of("apart")).unwrap(), "{file}");
    }
    // Who came through has the very weights of a training without pauses.
    place.ram("search run tiny.toml --runs full").succeeds();
    let promoted: Value = serde_json::from_slice(&place.bytes("runs/tiny/rung-2.json")).unwrap();
    for trial in promoted["promoted"].as_array().unwrap() {
        let of = |runs: &str| place.bytes(&format!("{runs}/tiny/trial-{:04}/result.json", trial.as_u64().unwrap()));
        assert!(of("runs") == of("full") && of("apart") == of("full"), "trial {trial}");
    }
    // The folder remembers; another η is refused.
    assert_eq!(place.ram("search run tiny.toml --json").last()["done"], 2);
    place.ram("search run tiny.toml --halving 3").fails(4, &["halving: eta 2", "eta 3"]);
    place.ram("search run tiny.toml --runs full --halving 3").fails(4, &["halving: off"]);
}

#[test]
fn the_report_is_of_the_results_and_its_best_can_be_trained() {
    let place = place();
    let text = place.ram("search run tiny.toml --jobs 2");
    assert!(text.succeeds().lines().last().unwrap().ends_with("search report tiny.toml"), "{}", text.out);
    let report = place.ram("search report tiny.toml --json").last();
    let results = report["results"].as_array().unwrap();
    let errors: Vec<f64> = results.iter().map(|result| result["error"].as_f64().unwrap()).collect();
    assert!(errors.len() == 6 && errors.is_sorted() && report["done"] == 6 && report["diverged"] == 0);
    assert_eq!(report["best"], results[0]);
    let keys: Vec<&str> = report["importance"].as_array().unwrap().iter().map(|i| i["key"].as_str().unwrap()).collect();
    assert!(keys.len() == 4 && keys.contains(&"policy.mean"), "{keys:?}");

    let best = results[0]["trial"].as_u64().unwrap();
    place.ram("train --config runs/tiny/best.toml --name best").succeeds();
    let of = |file: &str| place.bytes(file);
    assert!(of("runs/best/config.toml") == of(&format!("runs/tiny/trial-{best:04}/config.toml")));
    assert!(of("runs/best/best.safetensors") == of(&format!("runs/tiny/trial-{best:04}/best.safetensors")));
    let picture = String::from_utf8(of("runs/tiny/report.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.matches("<title>trial ").count() == 4 * 6, "{picture}");

    let table = place.ram("search report tiny.toml --top 2");
    assert!(table.succeeds().contains("6 trials: 6 done") && table.out.contains("train --config"), "{}", table.out);
    let few = place.ram("search report tiny.toml --top 0");
    assert!(
        few.succeeds().contains("which keys matter is told from 20 trials on; of 6 it would be chance"),
        "{}",
        few.out
    );
}

/// A training that diverges is a result, and the last in the table.
#[test]
fn what_diverges_is_a_result() {
    let place = place();
    let wild = TINY
        .replace("[1e-4, 1e-1]", "[50.0, 100.0]")
        .replace("\"train.batch=64\"", "\"train.batch=64\", \"optimiser.kind=sgd\", \"optimiser.clip=0\"");
    fs::write(place.path("wild.toml"), wild).unwrap();
    let first = place.ram("search run wild.toml --trial 1").last();
    assert_eq!((&first["state"], &first["error"]), (&"diverged".into(), &Value::Null), "{first}");
    assert!(first["message"].as_str().unwrap().contains("learning_rate"), "{first}");
    assert_eq!(place.ram("search run wild.toml --trial 1").last(), first);
    let report = place.ram("search report wild.toml");
    assert!(report.succeeds().contains("1 diverged, 5 to do"), "{}", report.out);
    assert!(!place.path("runs/wild/best.toml").exists());
}

/// Values that only diverge in the validation, and values that fit no configuration, end their trial and not the study.
#[test]
fn a_trial_that_cannot_be_trained_is_a_result() {
    let place = place();
    let study = "trials = 2\n[base]\npreset = \"demo\"\nset = [\"data.train=64\", \"data.validation=64\", \"train.batch=64\", \
        \"train.epochs=1\", \"schedule.kind=constant\", \"optimiser.learning_rate=1\", \"model.glimpses=64\"]\n\
        [space]\npolicy.std = { uniform = [0.1, 0.2] }\n";
    fs::write(place.path("wild.toml"), study).unwrap();
    place.ram("search run wild.toml --threads 1").succeeds();
    let report = place.ram("search report wild.toml");
    assert!(
        report.succeeds().contains("2 trials: 0 done, 0 given up or waiting at a rung, 2 diverged"),
        "{}",
        report.out
    );

    // The first layer of a network that is 16384 wide and sees 1024² pixels takes 64 GiB, several times.
    let large = study.replace(
        "\"optimiser.learning_rate=1\", \"model.glimpses=64\"",
        "\"model.kind=fc\", \"data.canvas=translated\", \"data.size=1024\"",
    );
    let large = large.replace("policy.std = { uniform = [0.1, 0.2] }", "model.hidden = { choice = [2, 16384] }");
    fs::write(place.path("large.toml"), large.replace("trials = 2", "trials = 8")).unwrap();
    place.ram("search run large.toml --threads 1").succeeds();
    let report = place.ram("search report large.toml");
    assert!(report.succeeds().contains("could not be trained, 0 to do"), "{}", report.out);
}

/// A search sees the validation images alone: it runs where the files of the test images are missing.
#[cfg(unix)]
#[test]
fn the_test_images_stay_closed() {
    let folder = std::env::var_os("RAM_DATA_DIR").map(PathBuf::from);
    let required = std::env::var_os("RAM_REQUIRE_DATA").is_some();
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        assert!(!required, "no MNIST: set RAM_DATA_DIR");
        return;
    };
    let place = place();
    fs::create_dir(place.path("training")).unwrap();
    for entry in fs::read_dir(fs::canonicalize(folder).unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("train-") {
            std::os::unix::fs::symlink(entry.path(), place.path("training").join(entry.file_name())).unwrap();
        }
    }
    fs::write(place.path("mnist.toml"), TINY.replace("data.source=digits", "data.source=mnist")).unwrap();
    let last = place.ram("search run mnist.toml --trial 1 --data-dir training").last();
    assert_eq!(last["state"], "done");
    place.ram("search report mnist.toml").succeeds();
    place.ram("eval runs/mnist/trial-0001 --data-dir training").fails(3, &["t10k"]);
}
