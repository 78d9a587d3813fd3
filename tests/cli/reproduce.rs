//! `ram reproduce` from outside: several jobs and processes, signals, the state of the runs, records and the tables from them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, TINY};
#[cfg(unix)]
use crate::search::{signal, wait_for};

/// Budgets with which a run takes a moment.
const SMALL: &str = "--quick --set data.train=64 --set data.validation=32 --set data.test=32 --set train.batch=32 --set train.epochs=2 \
                     --set model.features=16 --set model.glimpse_features=16 --set model.hidden=16";

/// The four rows and the three controls of a table.
const ROWS: [&str; 4] = ["cluttered-100-conv", "cluttered-100-ram-4", "cluttered-100-ram-6", "cluttered-100-ram-8"];
const CONTROLS: [&str; 4] = ["random", "centre", "blind", "oracle"];

fn place() -> Place {
    Place::with_files(&[("tiny.toml", TINY)])
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The whole way of a table: trained by two jobs, tested once, kept, reported, and a run of `ram train` in its place.
#[test]
fn a_table_is_trained_kept_and_reported() {
    let place = place();
    let (small, runs) = (format!("reproduce table2b {SMALL}"), "--runs runs");
    let waiting = lines(place.ram(&format!("{small} {runs} --status --json")).succeeds());
    assert_eq!((&waiting[9]["waiting"], &waiting[9]["runs"]), (&9.into(), &9.into()));
    assert!(waiting[9]["minutes_left"].as_f64().unwrap() > 0.0 && !place.path("runs").exists(), "it only reads");

    let trained = place.ram(&format!("{small} {runs} --jobs 2 --threads 1"));
    assert!(trained.succeeds().contains("cluttered-100-conv-seed1 is done: validation error"), "{}", trained.out);
    let rows: Vec<Value> = serde_json::from_slice(&place.bytes("runs/table2b.json")).unwrap();
    assert_eq!(rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ROWS);
    assert!(rows.iter().all(|row| row["runs"].as_array().unwrap().len() == 1 && row["paper"].is_number()));
    let controls: Vec<_> = rows[3]["controls"].as_array().unwrap().iter().map(|run| &run["locations"]).collect();
    assert_eq!(controls, CONTROLS);
    let run = &rows[1]["runs"][0];
    assert!(run["seconds"].as_f64().unwrap() > 0.0 && run["threads"] == serde_json::json!([1]), "{run}");

    let status = place.ram(&format!("{small} {runs} --status"));
    assert!(status.succeeds().contains("9 runs: 9 done; 0 minutes of training are left"), "{}", status.out);
    let blind = status.out.lines().find(|line| line.starts_with("cluttered-100-ram-8-blind-seed1 ")).unwrap();
    assert_eq!(blind.split_whitespace().skip(1).take(2).collect::<Vec<_>>(), ["done", "2/2"]);

    // The test set is asked once: a result that is there is taken as it is.
    let file = "runs/cluttered-100-ram-4-seed1/test.json";
    let changed = String::from_utf8(place.bytes(file)).unwrap().replace("\"count\": 32", "\"count\": 33");
    place.write(file, changed.as_bytes());
    place.ram(&format!("{small} {runs}")).succeeds();
    let again: Vec<Value> = serde_json::from_slice(&place.bytes("runs/table2b.json")).unwrap();
    assert_eq!(again[1]["runs"][0]["count"], 33);
    place.write(file, changed.replace("\"count\": 33", "\"count\": 32").as_bytes());

    // The command of the record makes the same run, which can stand in the place of the first.
    let command = run["command"].as_str().unwrap().strip_prefix("ram ").unwrap();
    place.ram(&format!("{command} --name plain --runs elsewhere")).succeeds();
    let adopted = place.ram(&format!("{small} --runs others --adopt elsewhere/plain"));
    assert!(adopted.succeeds().contains("is now others/cluttered-100-ram-4-seed1"), "{}", adopted.out);
    let weights = |runs: &str| place.bytes(&format!("{runs}/cluttered-100-ram-4-seed1/last.safetensors"));
    assert!(weights("runs") == weights("others"), "other weights");
    let tested = |runs: &str| place.bytes(&format!("{runs}/cluttered-100-ram-4-seed1/test.json"));
    assert_eq!(tested("runs"), tested("others"));

    records(&place, &small);
}

/// Keeps the runs in `runs`, and reports the records.
fn records(place: &Place, small: &str) {
    let keep = |runs: &str| place.ram(&format!("{small} --runs {runs} --keep records"));
    let kept = keep("runs");
    assert!(kept.succeeds().contains("summary.jsonl has the lines of 9 records"), "{}", kept.out);
    assert_eq!(lines(&String::from_utf8(place.bytes("records/summary.jsonl")).unwrap()).len(), 9);
    let of = |folder: &str, file: &str| {
        String::from_utf8(place.bytes(&format!("{folder}/cluttered-100-ram-8-blind-seed1/{file}"))).unwrap()
    };
    assert_eq!(of("runs", "config.toml"), of("records", "config.toml"));
    // What is large is kept of the best epoch alone, and everything else of all.
    let thin = |folder: &str| -> Vec<serde_json::Value> {
        let of_line = |line: &str| serde_json::from_str(line).unwrap();
        of(folder, "metrics.jsonl").lines().map(of_line).collect()
    };
    let (whole, mut kept) = (thin("runs"), thin("records"));
    assert_eq!(kept.iter().filter(|line| line.get("density").is_some() && line.get("confusion").is_some()).count(), 1);
    for (line, whole) in kept.iter_mut().zip(&whole).filter(|(line, _)| line.get("density").is_none()) {
        line["density"] = whole["density"].clone();
        line["confusion"] = whole["confusion"].clone();
    }
    assert_eq!(kept, whole);
    assert_eq!(keep("runs").succeeds().matches("was kept before").count(), 9);

    let report = place.ram(&format!("{small} --report --records records"));
    let text = report.succeeds();
    assert!(text.contains("| RAM, 4 glimpses, 12×12, 4 scales | **") && text.contains("(1 seed)"), "{text}");
    assert!(!text.contains("left out"), "{text}");
    let page = fs::read_to_string(place.path("runs/table2b.md")).unwrap();
    assert_eq!(page.trim_end(), text.trim_end(), "the page after a training is the same");
    // Of other settings than the rows have without the small budget.
    let others = place.ram("reproduce table2b --report --records records");
    assert!(
        others.succeeds().contains("9 records are left out") && others.out.contains("train.epochs: 2, "),
        "{}",
        others.out
    );
    assert!(others.out.contains("| RAM, 4 glimpses, 12×12, 4 scales | – |"), "{}", others.out);

    // Another configuration never replaces a record; the others are kept all the same.
    let longer = place.ram(&format!("{small} --set optimiser.clip=3 --runs longer"));
    longer.succeeds();
    let refused = place.ram(&format!("{small} --set optimiser.clip=3 --runs longer --keep records"));
    refused.fails(1, &["9 of the runs cannot be kept", "is the record of another run", "optimiser.clip: "]);
    assert!(
        place.bytes("records/cluttered-100-conv-seed1/config.toml")
            == place.bytes("runs/cluttered-100-conv-seed1/config.toml")
    );
    place
        .ram(&format!("{small} --runs longer"))
        .fails(4, &["longer/cluttered-100", "other settings", "optimiser.clip: 3.0, "]);
    let differs = place.ram(&format!("{small} --runs longer --status"));
    assert!(
        differs.succeeds().contains("9 runs: 9 differs") && differs.out.contains("other settings"),
        "{}",
        differs.out
    );

    // A record whose files disagree.
    let file = "records/cluttered-100-conv-seed1/test.json";
    let text = String::from_utf8(place.bytes(file)).unwrap();
    place.write(file, text.replace("\"epochs\": 2", "\"epochs\": 3").as_bytes());
    for command in ["--report --records records", "--keep records"] {
        place.ram(&format!("{small} --runs runs {command}")).fails(4, &["epochs is 3", "say 2"]);
    }
}

#[test]
fn only_a_finished_run_of_a_row_is_adopted() {
    let place = place();
    let small = format!("reproduce catch {SMALL}");
    let settings = "data.train=64 data.validation=32 data.test=32 train.batch=32 train.epochs=2 model.features=16 model.glimpse_features=16 \
                    model.hidden=16 policy.locations=centre seed=7";
    let sets: String = settings.split_whitespace().map(|set| format!(" --set {set}")).collect();
    let train = |more: &str| place.ram(&format!("train --experiment catch{sets} {more}"));
    train("--name any").succeeds();
    place.ram("train --config tiny.toml --name other").succeeds();
    train("--name begun --init-from any").succeeds();
    train("--name short").succeeds();
    let first = String::from_utf8(place.bytes("runs/short/metrics.jsonl")).unwrap();
    place.write("runs/short/metrics.jsonl", first.split_inclusive('\n').next().unwrap().as_bytes());

    let adopt = |run: &str| place.ram(&format!("{small} --adopt {run}"));
    adopt("runs/none").fails(4, &["runs/none", "no such run"]);
    adopt("runs/other")
        .fails(4, &["runs/other", "no experiment of this target has these settings", "the nearest is catch"]);
    adopt("runs/begun").fails(4, &["runs/begun", "began with the weights of"]);
    adopt("runs/short").fails(4, &["runs/short: has 1 of 2 epochs", "ram train --resume"]);
    assert!(!place.path("runs/quick").exists(), "nothing is left of what was refused");
    // With its own seed and policy.
    assert!(adopt("runs/any").succeeds().contains("is now runs/quick/catch-centre-seed7"));
    assert!(place.path("runs/quick/catch-centre-seed7/test.json").exists());
    adopt("runs/any").fails(4, &["runs/quick/catch-centre-seed7", "a run of this name already"]);
    adopt("runs/quick/catch-centre-seed7").succeeds();
}

/// The rows of large pictures: each begins with the best weights of the one before, also where two jobs take both at once, and where
/// the runs were trained by hand.
#[test]
fn a_row_begins_with_the_weights_of_another() {
    let place = place();
    let small = format!("reproduce large {SMALL} --set data.size=40 --set model.scales=2");

    // Another process is training the first row: those that begin with its weights wait, and what needs none of them is trained.
    place.write("runs/quick/large-100-seed1/.lock", b"");
    let lock = fs::File::open(place.path("runs/quick/large-100-seed1/.lock")).unwrap();
    lock.lock().unwrap();
    let told = place.ram(&format!("{small} --threads 1"));
    told.succeeds();
    assert!(told.err.contains("skipped a run that another process is training: large-100-seed1"), "{}", told.err);
    for [row, earlier] in [["200", "100"], ["400", "200"], ["800", "400"], ["2048", "800"]] {
        let line =
            format!("large-{row}-seed1 has not begun, since large-{earlier}-seed1, with whose weights it begins");
        assert!(told.err.contains(&line), "{}", told.err);
        assert!(!place.path(&format!("runs/quick/large-{row}-seed1/last.safetensors")).exists());
    }
    assert!(place.path("runs/quick/large-conv-seed1/test.json").exists());
    drop(lock);

    place.ram(&format!("{small} --jobs 2 --threads 1")).succeeds();
    let read = |file: &str| -> Value { serde_json::from_slice(&place.bytes(file)).unwrap() };
    let init = |run: &str| read(&format!("{run}/run.json"))["init_from"].clone();
    let best = |run: &str| read(&format!("runs/quick/{run}/test.json"))["weights"].clone();
    assert!(init("runs/quick/large-100-seed1").is_null() && init("runs/quick/large-conv-seed1").is_null());
    let chain = ["large-100-seed1", "large-200-seed1", "large-400-seed1"];
    for pair in chain.windows(2) {
        let found = init(&format!("runs/quick/{}", pair[1]));
        assert_eq!((&found["run"], &found["weights"]), (&pair[0].into(), &best(pair[0])), "{}", pair[1]);
    }

    // Whoever began with weights that are no more is no row of the table any more.
    fs::remove_dir_all(place.path("runs/quick/large-100-seed1")).unwrap();
    place.ram(&format!("{small} --keep records")).fails(1, &["large-200-seed1", "no result yet"]);
    let again = place.ram(&format!("{small} --threads 1"));
    again.succeeds();
    place.ram(&format!("{small} --keep records")).succeeds();
    let report = format!("{small} --report --records records");
    assert!(!place.ram(&report).succeeds().contains("left out"));
    let first = "records/large-100-seed1/test.json";
    let text = String::from_utf8(place.bytes(first)).unwrap();
    place.write(first, text.replace(best("large-100-seed1").as_str().unwrap(), &"0".repeat(64)).as_bytes());
    let told = place.ram(&report);
    for run in &chain[1..] {
        let line = format!("- `{run}`: it did not begin with the weights of a record of");
        assert!(told.succeeds().contains(&line), "{}", told.out);
    }

    // The command of a row, word for word; its earlier run is found by its name.
    let rows = read("runs/quick/large.json");
    let command = |row: usize| rows[row]["command"].as_str().unwrap().strip_prefix("ram ").unwrap().to_owned();
    let [first, second] = [0, 1].map(|row| {
        place.ram(&command(row)).succeeds();
        format!("runs/{}", chain[row])
    });
    let last = |run: &str| place.bytes(&format!("{run}/last.safetensors"));
    assert!(last(&second) == last("runs/quick/large-200-seed1"), "the command repeats the run");
    let adopt = |run: &str| place.ram(&format!("{small} --runs others --adopt {run}"));
    adopt(&second).fails(4, &["large-200-seed1", "of which others has no result yet", "adopt that run first"]);
    adopt(&first).succeeds();
    adopt(&second).succeeds();
    let drawn = command(1).split(" --init-from").next().unwrap().to_owned();
    let told = place.ram(&format!("{drawn} --name drawn"));
    told.succeeds();
    assert!(told.err.contains("warning: large-200 begins with the best weights of large-100"), "{}", told.err);
    adopt("runs/drawn").fails(4, &["runs/drawn", "drawn weights", "large-100-seed1", "train it anew"]);
    place.ram(&format!("{drawn} --name wrong --init-from runs/drawn")).succeeds();
    adopt("runs/wrong").fails(4, &["runs/wrong", "other weights than the best ones of large-100-seed1"]);
}

#[test]
fn one_run_that_fails_does_not_stop_the_others() {
    let place = place();
    place.write("runs/quick/catch-seed1/notes.txt", b"mine");
    let ended = place.ram(&format!("reproduce catch {SMALL} --jobs 2"));
    ended.fails(1, &["1 of 4 runs failed", "catch-seed1: ", "holds other files"]);
    let rows: Vec<Value> = serde_json::from_slice(&place.bytes("runs/quick/catch.json")).unwrap();
    assert_eq!((rows[0]["runs"].as_array().unwrap().len(), rows[0]["controls"].as_array().unwrap().len()), (0, 3));
    assert_eq!(place.bytes("runs/quick/catch-seed1/notes.txt"), b"mine");

    // Missing data would stop every run, so they stop all at once.
    let empty = place.ram("reproduce table1a --data-dir nowhere --jobs 2");
    empty.fails(3, &["nowhere"]);
}

/// Two processes in one folder, the state of the runs beside them, a signal, and the way to the end.
#[test]
#[cfg(unix)]
fn runs_are_shared_stopped_and_resumed() {
    let place = place();
    let long = format!("reproduce footnote2 {SMALL} --set train.epochs=200 --set data.train=320 --threads 1");
    let mut child = place.start(&format!("{long} --jobs 4"));
    let names = ["3x3", "5x5", "7x7", "9x9"].map(|grid| format!("discrete-{grid}-seed1"));
    names.iter().for_each(|name| wait_for(&place.path(&format!("runs/quick/{name}/best.safetensors"))));

    let beside = place.ram(&format!("{long} --status --json"));
    let status = lines(beside.succeeds());
    assert_eq!((&status[0]["run"], &status[0]["state"]), (&names[0].as_str().into(), &"running".into()));
    assert!(status[0]["seconds_per_epoch"].as_f64().unwrap() > 0.0 && status[0]["epoch"].as_u64().unwrap() < 200);
    assert_eq!(status[4]["running"], 4, "{}", beside.out);
    let other = place.ram(&long);
    assert!(other.succeeds().contains("| RAM, 8 glimpses, 12×12, 3 scales, 3×3 locations | – |"), "{}", other.out);
    assert!(
        other.err.contains("skipped runs that another process is training") && other.err.contains(&names[3]),
        "{}",
        other.err
    );

    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let stopped = place.ram(&format!("{long} --status"));
    assert!(stopped.succeeds().contains("4 runs: 4 interrupted"), "{}", stopped.out);
    let untested = place.ram(&format!("{long} --keep records"));
    assert!(
        untested.succeeds().contains("0 records") && untested.err.contains("not tested yet: discrete-3x3"),
        "{}",
        untested.err
    );

    place.ram(&format!("{long} --jobs 2")).succeeds();
    let rows: Vec<Value> = serde_json::from_slice(&place.bytes("runs/quick/footnote2.json")).unwrap();
    let command = rows[0]["command"].as_str().unwrap().strip_prefix("ram ").unwrap();
    place.ram(&format!("{command} --name whole")).succeeds();
    let last = |run: &str| place.bytes(&format!("runs/{run}/last.safetensors"));
    assert!(last(&format!("quick/{}", names[0])) == last("whole"), "other weights after an interruption");
}

#[test]
fn every_row_is_reported_from_the_records_of_the_program() {
    let place = place();
    let report = place.ram("reproduce all --report");
    let text = report.succeeds();
    let experiments = lines(place.ram("experiments --json").succeeds());
    for experiment in &experiments {
        let row = format!("| {} |", experiment["row"].as_str().unwrap());
        assert!(text.contains(&row), "no {row} in {text}");
        let name = experiment["name"].as_str().unwrap();
        // Where weights are handed on, the command also names the run, and the one with whose weights it begins.
        let is_begun_with = experiments.iter().any(|other| other["begins_with"] == name);
        let earlier = experiment["begins_with"].as_str().map(|earlier| format!(" --init-from {earlier}-seed1"));
        let own = (is_begun_with || earlier.is_some()).then(|| format!(" --name {name}-seed1"));
        let parts = [earlier, own].map(Option::unwrap_or_default).concat();
        let command = format!("`ram train --experiment {name}{parts}`");
        assert_eq!(text.contains(&command), experiment["beside"].is_null(), "{command}");
    }
    assert!(text.contains("the first location is ") && text.contains("| LSTM core |"), "{text}");
    assert!(!place.path("runs").exists(), "it only reads");
    let lstm = experiments.iter().find(|experiment| experiment["name"] == "mnist-lstm-6").unwrap();
    assert_eq!((&lstm["beside"], &lstm["column"]), (&"mnist-ram-6".into(), &"LSTM core".into()));

    place.ram("reproduce all --report --status").fails(2, &["cannot be used with"]);
    place.ram("reproduce all --status --jobs 2").fails(2, &["cannot be used with"]);
    place.ram("reproduce all --compact").fails(2, &["--report"]);
    place.ram("reproduce all --json").fails(2, &["--status"]);
    place.ram("reproduce all --report --records none").fails(4, &["none", "cannot be listed"]);
    place.ram("reproduce all --report --into tiny.toml").fails(2, &["tiny.toml", "<!-- tables -->"]);
    place.ram("reproduce all --report --into none.md").fails(1, &["cannot read none.md"]);
    // A folder that cannot be written is told once, not for each run.
    let told = place.ram("reproduce table1a --quick --runs tiny.toml");
    told.fails(4, &["tiny.toml: cannot hold runs: ", "choose another with --runs"]);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    // A folder that is there, but in which nobody makes folders, whatever the rights.
    if cfg!(target_os = "linux") && Path::new("/proc").exists() {
        let told = place.ram("reproduce table1a --quick --runs /proc");
        told.fails(4, &["/proc: cannot hold runs: "]);
        assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    }
}

/// What stands in the README is what the records say.
#[test]
fn the_readme_has_the_tables_of_the_records() {
    let place = place();
    let readme = fs::read(repository().join("README.md")).unwrap();
    place.write("README.md", &readme);
    let records = repository().join("ram/record/tables");
    for from in [String::new(), format!("--records {}", records.display())] {
        place.ram(&format!("reproduce all --report --compact --into README.md --picture tables.svg {from}")).succeeds();
        let command = "ram reproduce all --report --compact --into README.md --picture ram/pictures/tables.svg";
        assert!(place.bytes("README.md") == readme, "stale: run `{command}` ({from})");
        place.ram(&format!("reproduce recipe --report --compact --picture recipe.svg {from}")).succeeds();
        for file in ["tables.svg", "recipe.svg"] {
            let kept = fs::read(repository().join("ram/pictures").join(file)).unwrap();
            assert!(place.bytes(file) == kept, "ram/pictures/{file} is stale: draw it with --picture ({from})");
        }
    }
    place.ram("reproduce large --report --records tiny --picture large.svg").fails(4, &["tiny"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.ram("reproduce large --report --records empty --picture large.gif").fails(2, &["large.gif", ".png"]);
    place
        .ram("reproduce large --report --records empty --picture large.svg")
        .fails(2, &["large.svg: none of these tables has a record to draw"]);
    place.ram("reproduce catch --report --picture large.svg --into none.md").fails(1, &["none.md"]);
    assert!(!place.path("large.svg").exists(), "nothing is drawn where the document cannot be read");
}
