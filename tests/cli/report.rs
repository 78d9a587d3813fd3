//! `ram report`, `ram compare`, `ram explain` and TensorBoard's file from outside.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, TINY};

/// The data of a page.
fn data(path: &Path) -> Value {
    let page = fs::read_to_string(path).unwrap();
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let block = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    serde_json::from_str(block).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn place() -> Place {
    Place::with_files(&[("tiny.toml", TINY)])
}

/// A place with the trained run `runs/a`.
fn trained(options: &str) -> Place {
    let place = place();
    place.ram(&format!("train --config tiny.toml --name a {options}")).succeeds();
    place
}

#[test]
fn training_leaves_a_report_and_the_test_part_stays_closed_until_it_is_named() {
    let place = trained("");
    let page = place.path("runs/a/report.html");
    let report = data(&page);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("<h2>Confusion matrix</h2>"));
    let of_tables = text.lines().find(|line| line.starts_with("table {")).expect("a style of tables");
    assert!(of_tables.contains("overflow-wrap: normal"), "words of tables stay whole: {of_tables}");
    let eval: Value = serde_json::from_str(place.ram("eval a --split validation --json").succeeds()).unwrap();
    assert_eq!((&report["split"], &report["found"]["count"]), (&"validation".into(), &50.into()));
    for key in ["error", "loss", "on_digit", "error_after", "confusion", "density", "baselines"] {
        assert_eq!(report["found"][key], eval[key], "{key}");
    }
    assert_eq!(report["found"]["spread"], eval["fixation_spread"]);
    assert_eq!(report["weights_hash"], eval["weights"]);
    assert_eq!(report["results"][0]["test"], Value::Null);
    assert_eq!(report["epochs"].as_array().unwrap().len(), 2);
    assert!(!report["config"].as_str().unwrap().is_empty() && report["command"].as_str().unwrap().contains("train"));

    // The wrong ones first, and what they show is what was counted.
    let items = report["items"].as_array().unwrap();
    let wrong = items.iter().take_while(|item| item["right"] == false).count();
    assert!(items.len() == 24 && wrong > 0, "{wrong}");
    for item in items {
        let steps = item["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 3);
        let last = numbers(&steps[2]["probabilities"]);
        let answer = (0..10).fold(0, |best, i| if last[i] > last[best] { i } else { best });
        assert_eq!(item["answer"], answer, "{item}");
        assert_eq!(item["right"], item["answer"] == item["label"]);
    }

    // Asked for, it is another set and in another file.
    place.ram("report a --split test --out test.html --count 2 --image 7").succeeds();
    let report = data(&place.path("test.html"));
    let eval: Value = serde_json::from_str(place.ram("eval a --json").succeeds()).unwrap();
    assert_eq!((&report["split"], &report["found"]["count"]), (&"test".into(), &60.into()));
    assert_eq!((&report["found"]["error"], &report["results"][0]["test"]), (&eval["error"], &eval["error"]));
    assert_eq!((&report["items"][0]["index"], report["items"].as_array().unwrap().len()), (&7.into(), 2));
    assert_eq!(data(&page)["split"], "validation", "the first one is untouched");

    // It goes when the run is replaced.
    fs::write(&page, "old").unwrap();
    place.ram("train --config tiny.toml --name a --force --set train.epochs=1").succeeds();
    assert_eq!(data(&page)["epochs"].as_array().unwrap().len(), 1);
}

#[test]
fn metrics_tell_the_policy_and_are_the_same_for_any_number_of_threads() {
    let place = trained("--threads 1");
    place.ram("train --config tiny.toml --name b --threads 3").succeeds();
    let text = fs::read_to_string(place.path("runs/a/metrics.jsonl")).unwrap();
    assert_eq!(text, fs::read_to_string(place.path("runs/b/metrics.jsonl")).unwrap());
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(numbers(&line["error_after"])[2], line["validation"]["error"].as_f64().unwrap());
        assert_eq!((&line["policy_std"], line["density"].as_array().unwrap().len()), (&0.1.into(), 3));
        let of = |matrix: &Value| matrix.as_array().unwrap().iter().flat_map(numbers).sum::<f64>();
        assert_eq!((of(&line["confusion"]), of(&line["density"])), (50.0, 150.0));
    }
}

#[test]
fn every_kind_of_network_has_a_report_with_what_applies() {
    let place = place();
    for (kind, parameter) in [("fc", "first.weight"), ("conv", "conv.weight")] {
        place.ram(&format!("train --config tiny.toml --set model.kind={kind} --name {kind}")).succeeds();
        let report = data(&place.path(&format!("runs/{kind}/report.html")));
        assert_eq!((&report["kind"], &report["weights"]["name"]), (&kind.into(), &parameter.into()));
        assert!(report["found"]["density"].as_array().unwrap().is_empty() && report["retina"].is_null());
        assert!(report["items"][0]["saliency"].as_str().unwrap().len() > 1000);
    }
    let sets = "--set data.train=128 --set data.validation=100 --set train.epochs=1 --set model.hidden=16";
    place.ram(&format!("train --experiment catch {sets} --name game")).succeeds();
    let report = data(&place.path("runs/game/report.html"));
    assert_eq!((&report["kind"], report["found"]["tracking"].as_array().unwrap().len()), (&"game".into(), 23));
    assert!(report["found"]["confusion"].as_array().unwrap().is_empty());
    let game = &report["items"][0];
    assert_eq!((game["steps"].as_array().unwrap().len(), game["end"].as_array().unwrap().is_empty()), (23, false));
    // The ball falls a row a frame.
    for (row, frame) in game["steps"].as_array().unwrap().iter().enumerate() {
        assert_eq!(numbers(&frame["lit"])[0] as usize / 24, row);
    }
}

#[test]
fn controls_beside_a_run_stand_in_its_table() {
    let place = trained("");
    for (name, sets) in [
        ("other-seed", "--set seed=2"),
        ("control", "--set policy.locations=centre"),
        ("unlike", "--set model.glimpses=2"),
    ] {
        place.ram(&format!("train --config tiny.toml --name {name} {sets}")).succeeds();
    }
    fs::create_dir(place.path("runs/zz")).unwrap();
    fs::write(place.path("runs/control/test.json"), r#"{"error": 0.25}"#).unwrap();
    place.ram("report runs/a").succeeds();
    let rows = data(&place.path("runs/a/report.html"))["results"].clone();
    let told: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["run"], &row["policy"])).collect();
    let expected = [["a", "learned"], ["other-seed", "learned"], ["control", "centre"]].map(|row| row.map(Value::from));
    assert_eq!(told, expected.iter().map(|[run, policy]| (run, policy)).collect::<Vec<_>>());
    assert_eq!((&rows[0]["test"], &rows[2]["test"]), (&Value::Null, &0.25.into()));
}

#[test]
fn what_cannot_be_reported_is_told() {
    let place = trained("");
    place.ram("report none").fails(4, &["none", "there is no such run"]);
    place.ram("report a --image 50").fails(2, &["--image 50", "there are 50"]);
    place.ram("report a --out no/such/folder/x.html").fails(1, &["cannot write no/such/folder/x.html"]);
    place.ram("report a --out runs").fails(1, &["cannot write runs"]);

    // A run without an epoch.
    fs::create_dir(place.path("runs/empty")).unwrap();
    for name in ["run.json", "config.toml"] {
        fs::copy(place.path("runs/a").join(name), place.path("runs/empty").join(name)).unwrap();
    }
    place.ram("report empty").fails(4, &["best.safetensors", "has not completed an epoch"]);
    // A run of another version, and a damaged checkpoint.
    let info = fs::read_to_string(place.path("runs/a/run.json")).unwrap();
    fs::write(place.path("runs/empty/run.json"), info.replace("\"format\": 1", "\"format\": 9")).unwrap();
    place.ram("report empty").fails(4, &["format version 9"]);
    fs::write(place.path("runs/a/best.safetensors"), b"nonsense").unwrap();
    place.ram("report a").fails(4, &["best.safetensors"]);
    place.ram("report a --which last").succeeds();
}

/// Beside the report lies the page on which one plays with the run's network, where the page can show it.
#[test]
fn a_report_leads_to_a_page_with_its_network() {
    let place = trained("");
    assert_eq!(data(&place.path("runs/a/report.html"))["page"], "play.html");
    let page = fs::read_to_string(place.path("runs/a/play.html")).unwrap();
    assert!(page.contains("\"name\":\"a\"") && page.contains("\"planes\":4") && page.contains("\"rounded\":false"));
    place.ram("report a --out other.html").succeeds();
    assert_eq!(data(&place.path("other.html"))["page"], "other-play.html");
    assert!(place.path("other-play.html").is_file());
    let files = |folder: &str| fs::read_dir(place.path(folder)).unwrap().count();
    let before = files(".");
    place.ram("report a --out /dev/null").succeeds();
    assert!(files(".") == before && !std::path::Path::new("/dev/null-play.html").exists());
    place.ram("train --config tiny.toml --name conv --set model.kind=conv").succeeds();
    assert!(
        data(&place.path("runs/conv/report.html")).get("page").is_none() && !place.path("runs/conv/play.html").exists()
    );
}

/// The run is saved, whatever becomes of its report.
#[test]
fn a_report_that_cannot_be_written_loses_no_run() {
    let place = trained("");
    fs::remove_file(place.path("runs/a/report.html")).unwrap();
    // A folder stands where it belongs.
    fs::create_dir(place.path("runs/a/report.html")).unwrap();
    let ended = place.ram("train --resume --name a");
    assert!(ended.succeeds().contains("best validation error"), "{}", ended.out);
    assert!(ended.err.contains("warning: the run is saved, but its report is not"), "{}", ended.err);
}

#[test]
fn curves_of_runs_are_laid_over_each_other() {
    let place = trained("");
    place.ram("train --config tiny.toml --name b --set model.kind=fc").succeeds();
    let told = place.ram("compare a b");
    assert!(
        told.succeeds().contains("best validation error") && told.out.ends_with("wrote compare.svg\n"),
        "{}",
        told.out
    );
    // A run that goes on: of its planned epochs some are done.
    let config = fs::read_to_string(place.path("runs/a/config.toml")).unwrap();
    let done = fs::read_to_string(place.path("runs/a/metrics.jsonl")).unwrap().lines().count();
    let line = |out: &str| out.lines().find(|line| line.starts_with("a ")).unwrap().to_owned();
    assert!(line(&told.out).ends_with(&format!("of {done}")), "{}", told.out);
    fs::write(place.path("runs/a/config.toml"), config.replace(&format!("epochs = {done}"), "epochs = 40")).unwrap();
    let told = place.ram("compare a b");
    assert!(line(told.succeeds()).ends_with(&format!("of 40; {done} are done")), "{}", told.out);
    fs::write(place.path("runs/a/config.toml"), config).unwrap();

    let svg = fs::read_to_string(place.path("compare.svg")).unwrap();
    assert!(svg.contains("stroke-dasharray") && svg.contains("validation error, %"), "{}", &svg[..300]);
    place.ram("compare runs/a runs/b --out c.png --log").succeeds();
    assert!(fs::read(place.path("c.png")).unwrap().starts_with(b"\x89PNG"));
    let json: Value = serde_json::from_str(place.ram("compare a b --json").succeeds()).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    assert_eq!(json["runs"][0]["planned_epochs"], done);

    place.ram("compare a").fails(2, &["2"]);
    place.ram("compare a none").fails(4, &["none", "no such run"]);
    place.ram("compare a b --out c.pdf").fails(2, &["c.pdf", ".svg"]);
    place.ram("compare a b --out no/where/c.svg").fails(1, &["cannot write no/where/c.svg"]);
    // Where lines are missing at the end, no picture is drawn and no report is written anew.
    let report = fs::read(place.path("runs/b/report.html")).unwrap();
    for command in ["compare a b", "report b"] {
        let metrics = fs::read_to_string(place.path("runs/b/metrics.jsonl")).unwrap();
        let kept: String = metrics.split_inclusive('\n').take(metrics.lines().count() - 1).collect();
        fs::write(place.path("runs/b/metrics.jsonl"), kept).unwrap();
        place.ram(command).fails(4, &["runs/b/metrics.jsonl", "epochs of the checkpoint", "put the file back"]);
        fs::write(place.path("runs/b/metrics.jsonl"), metrics).unwrap();
    }
    assert!(fs::read(place.path("runs/b/report.html")).unwrap() == report);
    for file in ["metrics.jsonl", "best.safetensors", "last.safetensors", "previous.safetensors"] {
        _ = fs::remove_file(place.path(&format!("runs/b/{file}")));
    }
    place.ram("compare a b").fails(4, &["runs/b", "has not completed an epoch"]);
    let many = ["a"; 13].join(" ");
    place.ram(&format!("compare {many}")).fails(2, &["13 runs"]);
}

#[test]
fn a_step_is_explained() {
    let place = place();
    let told = place.ram("explain --config tiny.toml");
    let text = told.succeeds();
    for part in [
        "eq. (2)",
        "log π(l₁)",
        "h₃",
        "\nepisode ",
        "Rₜ − bₜ",
        " reinforce.rs:",
        "farthest from 0",
        "core.glimpse.weight",
        "location",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let json: Value = serde_json::from_str(place.ram("explain --config tiny.toml --json").succeeds()).unwrap();
    assert_eq!((&json["batch"], &json["glimpses"]), (&64.into(), &3.into()));
    assert!(json["parameters"].as_array().unwrap().len() > 10);
    // Of many frames a few are shown, unless all are asked for.
    let sets = "--experiment catch --set train.batch=16 --set model.hidden=16";
    let few = place.ram(&format!("explain {sets}")).succeeds().lines().count();
    let all = place.ram(&format!("explain {sets} --all")).succeeds().lines().count();
    assert!(few + 80 < all, "{few} {all}");
    place.ram("explain --set model.glimpes=3").fails(2, &["model.glimpes", "did you mean `model.glimpses`"]);
    place.ram("explain --preset mnist").fails(3, &["MNIST"]);
    // Without MNIST and without a wish, the built-in digits are explained.
    let plain = place.ram("explain --set train.batch=16");
    assert!(plain.succeeds().starts_with("The first step of the demo's training: M = 16 episodes"), "{}", plain.out);
    assert!(plain.err.contains("built-in digits"), "{}", plain.err);
    for text in [&told.out, &plain.out] {
        let long = text.lines().find(|line| line.chars().count() > 100);
        assert!(long.is_none(), "{long:?}");
    }
    // The step that a run would go on with.
    place.ram("train --config tiny.toml --name a").succeeds();
    let next = place.ram("explain a --which last");
    assert!(next.succeeds().starts_with("The step of runs/a after epoch 2: M = 64"), "{}", next.out);
    place.ram("explain a --preset demo").fails(2, &["cannot be used with"]);
}

#[test]
fn tensorboards_file_lies_in_the_run_and_begins_anew_with_what_was() {
    let place = trained("--tensorboard");
    let file = place.path("runs/a/events.out.tfevents.ram");
    let records = |bytes: &[u8]| {
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            at += 16 + u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            count += 1;
        }
        assert_eq!(at, bytes.len());
        count
    };
    assert_eq!(records(&fs::read(&file).unwrap()), 3, "a version, and two epochs");
    place.ram("train --resume --name a --tensorboard").succeeds();
    assert_eq!(records(&fs::read(&file).unwrap()), 3);
    place.ram("train --config tiny.toml --name a --force").succeeds();
    assert!(!file.exists());
}
