//! `ram zoo` and `--pretrained` from outside.

use std::fs;

use serde_json::Value;

use crate::place::{Place, TINY};

/// A place with the trained run `runs/a`, and the pretrained model `tiny` made from it in `zoo`.
fn with_model() -> Place {
    let place = Place::with_files(&[("tiny.toml", TINY)]);
    place.ram("train --config tiny.toml --name a").succeeds();
    // As `ram reproduce` leaves it.
    let tested = place.ram("eval a --json").succeeds().to_owned();
    place.write("runs/a/test.json", tested.as_bytes());
    place.ram("zoo add a --name tiny --zoo zoo").succeeds();
    place
}

#[test]
fn a_pretrained_model_answers_as_its_run() {
    let place = with_model();
    let made = place.ram("zoo add a --name again --zoo zoo");
    assert!(
        made.succeeds().contains("wrote zoo/again.safetensors, ") && made.out.contains("as in test.json"),
        "{}",
        made.out
    );
    let listed = place.ram("zoo --zoo zoo --json");
    let lines: Vec<Value> = listed.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["name"].as_str().unwrap()).collect::<Vec<_>>(), ["again", "tiny"]);
    let run = place.ram("eval a --json").json();
    assert_eq!((&lines[1]["test_error"], &lines[1]["test_count"]), (&run["error"], &60.into()));
    assert_eq!(
        (&lines[1]["run_weights"], &lines[1]["seed"], &lines[1]["row"]),
        (&run["weights"], &1.into(), &Value::Null)
    );
    assert!(lines[1]["size"].as_u64().unwrap() < fs::metadata(place.path("runs/a/best.safetensors")).unwrap().len());

    for split in ["validation", "test"] {
        let run = place.ram(&format!("eval a --json --split {split}")).json();
        let model = place.ram(&format!("eval --pretrained tiny --zoo zoo --json --split {split}")).json();
        for key in ["error", "count", "split", "epoch", "standard_error"] {
            assert_eq!(run[key], model[key], "{split} {key}");
        }
        assert_eq!(
            (&model["run"], &model["pretrained"], &model["which"]),
            (&Value::Null, &"tiny".into(), &Value::Null)
        );
        assert_eq!((&model["weights"], &run["pretrained"]), (&lines[1]["weights"], &Value::Null));
    }
    let told = place.ram_with("RAM_ZOO", place.path("zoo"), "eval --pretrained tiny");
    assert!(told.succeeds().starts_with("tiny, pretrained, f") && told.out.contains("recorded "), "{}", told.out);
    let table = place.ram_with("RAM_ZOO", place.path("zoo"), "zoo");
    assert!(table.succeeds().contains("no row of the paper") && table.out.contains("2 models in "), "{}", table.out);
    // The file and the checkpoint may also be named themselves.
    let by_file = place.ram("eval zoo/tiny.safetensors --json").json();
    assert_eq!((&by_file["pretrained"], &by_file["weights"]), (&"tiny".into(), &lines[1]["weights"]));
    let by_file = place.ram("eval runs/a/best.safetensors --json").json();
    assert_eq!((&by_file["run"], &by_file["weights"]), (&"runs/a/best.safetensors".into(), &run["weights"]));
}

#[test]
fn a_pretrained_model_is_drawn_reported_asked_and_trained_further() {
    let place = with_model();
    let before: Vec<_> = fs::read_dir(place.path("zoo")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let zoo = "--pretrained tiny --zoo zoo";
    let look = place.ram(&format!("look {zoo} --rows 2"));
    assert!(look.succeeds().contains("tiny: RAM, 3 glimpses") && look.out.contains("pretrained, f"), "{}", look.out);
    place.ram("data shapes shapes --count 20").succeeds();
    let picture =
        fs::read_dir(place.path("shapes")).unwrap().map(|entry| entry.unwrap().path()).find(|p| p.is_dir()).unwrap();
    let picture = fs::read_dir(picture).unwrap().next().unwrap().unwrap().path();
    let picture = picture.display();
    let predicted = place.ram(&format!("predict {zoo} {picture} {picture}"));
    assert_eq!(predicted.succeeds(), place.ram(&format!("predict zoo/tiny.safetensors {picture} {picture}")).out);
    assert_eq!(predicted.out.matches("glimpse 1 at").count(), 2);
    place.ram(&format!("predict {zoo}")).fails(2, &["no picture"]);

    let report = place.ram(&format!("report {zoo}"));
    assert_eq!(report.succeeds(), "tiny.html\n");
    let page = fs::read_to_string(place.path("tiny.html")).unwrap();
    let block = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(block).unwrap();
    assert!(
        data["origin"].as_str().unwrap().starts_with("Pretrained model tiny: weights stored as f"),
        "{}",
        data["origin"]
    );
    assert!(data["epochs"].as_array().unwrap().is_empty() && page.contains("curves of the training are not kept"));
    let run = place.ram("eval a --json").json();
    let row = &data["results"][0];
    assert_eq!((&row["run"], &row["test"], &data["epoch"]), (&"tiny".into(), &run["error"], &run["epoch"]));
    place.ram(&format!("report {zoo} --out own.html")).succeeds();
    assert!(place.path("own.html").exists());

    let trained = place.ram(&format!("train {zoo} --set train.epochs=1"));
    assert!(trained.succeeds().contains("weights of the pretrained model tiny after epoch"), "{}", trained.out);
    let info: Value = serde_json::from_slice(&place.bytes("runs/tiny-1/run.json")).unwrap();
    assert_eq!(info["init_from"]["run"], "the pretrained model tiny");
    let model = place.ram(&format!("eval {zoo} --json")).json();
    assert_eq!(info["init_from"]["weights"], model["weights"]);
    place.ram("train --init-from runs/a/best.safetensors --set train.epochs=1 --name from-file").succeeds();
    let after: Vec<_> = fs::read_dir(place.path("zoo")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(before, after, "nothing is written into the zoo");
}

#[test]
fn a_zoo_counts_the_models_that_can_be_read() {
    let place = with_model();
    let listed = place.ram("zoo --zoo zoo");
    assert!(listed.succeeds().contains("1 model in zoo."), "{}", listed.out);
    place.write("zoo/broken.safetensors", b"nothing of the kind");
    let listed = place.ram("zoo --zoo zoo");
    listed.fails(4, &["broken.safetensors"]);
    assert!(listed.out.contains("1 model in zoo."), "{}", listed.out);
    fs::remove_file(place.path("zoo/tiny.safetensors")).unwrap();
    let listed = place.ram("zoo --zoo zoo");
    listed.fails(4, &["broken.safetensors"]);
    assert!(listed.out.is_empty(), "{}", listed.out);
}

#[test]
fn a_pretrained_agent_plays() {
    let place = Place::with_files(&[]);
    let sets =
        "--set data.train=128 --set data.validation=100 --set data.test=80 --set train.epochs=1 --set model.hidden=16";
    place.ram(&format!("train --experiment catch {sets} --name game")).succeeds();
    let refused = place.ram("zoo add game --name catch --zoo zoo");
    refused.fails(2, &["--name catch", "not the experiment catch", "data.test: 0, 80"]);
    let made = place.ram("zoo add game --name small --zoo zoo");
    assert!(made.succeeds().contains("of 80, measured now"), "{}", made.out);
    let played = place.ram("play catch --pretrained small --zoo zoo --games 4 --json");
    assert_eq!(played.succeeds(), place.ram("play catch zoo/small.safetensors --games 4 --json").succeeds());
    assert_eq!(played.out.lines().count(), 4);
    place.ram("play catch --pretrained small --zoo zoo --games 2 --gif small.gif").succeeds();
    assert!(place.path("small.gif").exists());
    place.ram("play catch --keys").fails(2, &["--keys"]);
    place.ram("play catch game --pretrained small --zoo zoo").fails(2, &["cannot be used with"]);
    place.ram("look --pretrained small --zoo zoo").fails(2, &["small: this run plays Catch"]);
}

#[test]
fn what_is_wrong_with_a_zoo_is_told() {
    let place = with_model();
    let zoo = "--zoo zoo";
    place.ram("eval --pretrained tiny --zoo none").fails(4, &["none: --zoo names this folder", "no such folder"]);
    place.ram_with("RAM_ZOO", "none", "eval --pretrained tiny").fails(4, &["none: RAM_ZOO names this folder"]);
    place.ram_with("RAM_ZOO", "none", "zoo").fails(4, &["RAM_ZOO"]);
    for command in ["eval", "look", "report", "play catch", "train"] {
        let unknown = place.ram(&format!("{command} --pretrained tinny {zoo}"));
        unknown.fails(4, &["zoo: no pretrained model is called `tinny`; did you mean `tiny`?", "this folder has tiny"]);
    }
    place.ram("eval a --pretrained tiny").fails(2, &["cannot be used with"]);
    place.ram(&format!("eval --pretrained tiny {zoo} --which last")).fails(2, &["cannot be used with"]);
    place.ram("eval runs/a/best.safetensors --which last").fails(2, &["--which", "is a file and not a run"]);
    place.ram("eval").fails(2, &["RUN"]);
    place.ram("train --config tiny.toml --zoo zoo").fails(2, &["--pretrained"]);
    place.ram("play catch --zoo zoo").fails(2, &["--pretrained"]);
    place.ram("eval a --zoo zoo").fails(2, &["--zoo is for --pretrained", "a is a run"]);
    place.ram(&format!("train --init-from a --pretrained tiny {zoo}")).fails(2, &["cannot be used with"]);
    assert!(!place.path("runs/tiny-1").exists() && !place.path("tiny.html").exists());

    // A flipped byte, a cut, another name, a checkpoint, another version.
    let file = place.bytes("zoo/tiny.safetensors");
    let with = |name: &str, bytes: &[u8], parts: &[&str]| {
        place.write(&format!("zoo/{name}.safetensors"), bytes);
        place.ram(&format!("eval --pretrained {name} {zoo}")).fails(4, parts);
    };
    let mut flipped = file.clone();
    *flipped.last_mut().unwrap() ^= 1;
    with("flipped", &flipped, &["zoo/flipped.safetensors", "SHA-256", "put the one of the repository back"]);
    with("cut", &file[..file.len() / 2], &["zoo/cut.safetensors", "cut short"]);
    with("other", &file, &["zoo/other.safetensors", "called `tiny`, expected `other`"]);
    with("checkpoint", &place.bytes("runs/a/best.safetensors"), &["not a pretrained model", "ram zoo add"]);
    let text = String::from_utf8_lossy(&file).replace("\\\"format\\\":1", "\\\"format\\\":9");
    assert!(text.contains("format\\\":9"));
    let at = file.windows(12).position(|window| window == b"\\\"format\\\":1").expect("the version") + 11;
    let mut newer = file.clone();
    newer[at] = b'9';
    with("newer", &newer, &["format version 9", "reads version 1"]);
    // The list tells every fault, and the sound model.
    let listed = place.ram(&format!("zoo {zoo}"));
    listed.fails(4, &["flipped", "cut short", "expected `other`", "not a pretrained model", "format version 9"]);
    assert!(listed.out.contains("\ntiny "), "{}", listed.out);
}

#[test]
fn what_cannot_be_added_is_told() {
    let place = with_model();
    place.ram("zoo add a --zoo zoo").fails(2, &["runs/a: no experiment has the configuration of this run", "--name"]);
    place.ram("zoo add none --name x --zoo zoo").fails(4, &["there is no such run"]);
    place.ram("zoo add a --name a/b --zoo zoo").fails(2, &["--name \"a/b\""]);
    place.ram("zoo add a --name tiny --zoo zoo").fails(4, &["zoo/tiny.safetensors", "exists already", "--force"]);
    place.ram("zoo add a --name mnist-ram-6 --zoo zoo").fails(2, &["not the experiment mnist-ram-6", "data.source"]);
    let before = place.bytes("zoo/tiny.safetensors");
    place.ram("zoo add a --name tiny --zoo zoo --force").succeeds();
    assert_eq!(place.bytes("zoo/tiny.safetensors"), before, "the same bytes again");
    place.write("runs/a/test.json", br#"{"error": 0.5, "count": 60, "weights": "0"}"#);
    place.ram("zoo add a --name b --zoo zoo").fails(4, &["runs/a/test.json", "about the weights 0", "remove the file"]);
    place.write("runs/a/test.json", b"oops");
    place.ram("zoo add a --name b --zoo zoo").fails(4, &["runs/a/test.json", "not JSON"]);
    fs::remove_file(place.path("runs/a/test.json")).unwrap();
    place.write("file", b"");
    place.ram("zoo add a --name b --zoo file/zoo").fails(4, &["file/zoo/b.safetensors", "cannot be written"]);
    place.ram("zoo add a --name b --zoo new/zoo").succeeds();
    assert!(place.path("new/zoo/b.safetensors").exists());
}

#[test]
fn experiments_with_a_pretrained_model_are_marked() {
    let place = Place::with_files(&[("zoo/mnist-ram-6.safetensors", ""), ("empty/README.md", "")]);
    let marked = place.ram_with("RAM_ZOO", place.path("zoo"), "experiments");
    assert!(marked.succeeds().contains("\nmnist-ram-6 * ") && !marked.out.contains("mnist-ram-5 *"), "{}", marked.out);
    assert!(marked.out.contains("\n* has a pretrained model"));
    let none = place.ram_with("RAM_ZOO", place.path("empty"), "experiments");
    assert!(!none.succeeds().contains('*'), "{}", none.out);
    place.ram_with("RAM_ZOO", "none", "experiments").fails(4, &["none: RAM_ZOO names this folder"]);
    let json = place.ram_with("RAM_ZOO", place.path("zoo"), "experiments --json").succeeds().to_owned();
    let marked: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(marked.iter().filter(|line| line["pretrained"] == true).count(), 1);
}
