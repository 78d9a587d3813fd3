//! Every question that the page can ask, and the answers, as hashes: here computed by this processor, in `.ci/answers.mjs` by the
//! engine of the page. So a network has the same bits in both.

use std::path::Path;

use page::Session;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The bytes of a question: the file of a pretrained model, or so many grey levels.
fn bytes(of: &Value) -> Vec<u8> {
    match of {
        Value::Null => Vec::new(),
        Value::String(name) => {
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../zoo/{name}.safetensors"))).unwrap()
        }
        of => {
            let [len, seed] = [0, 1].map(|i| of[i].as_u64().unwrap());
            (0..len).map(|i| (((i * i * 31 + i * seed) >> 3) & 255) as u8).collect()
        }
    }
}

#[test]
fn answers_are_those_that_were_recorded() {
    let (mut session, mut found) = (Session::default(), String::new());
    let mut last = Value::Null;
    let mut told = Vec::new();
    for line in include_str!("questions.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for _ in 0..line["times"].as_u64().unwrap_or(1) {
            let answer = session.ask(&line["ask"].to_string(), &bytes(&line["bytes"]));
            let hash = Sha256::digest(&answer);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            found += &format!("{hash} {}\n", line["ask"]["ask"].as_str().unwrap());
            last = serde_json::from_str(&answer).unwrap();
            told.push(last.clone());
        }
    }
    // The last questions are faulty, and are told so by name; so is a move after the end of the game.
    assert!(last["error"].as_str().unwrap().contains("unknown variant `dance`"), "{last}");
    let complaints = told.iter().filter_map(|answer| answer["error"].as_str());
    let complaints: Vec<_> = complaints.collect();
    assert_eq!(complaints.len(), 5, "{complaints:?}");
    let caught = told.iter().find(|answer| answer["done"] == true).unwrap();
    assert!(caught["reward"].is_number());
    let recorded = include_str!("answers.txt");
    if std::env::var_os("RAM_WRITE_ANSWERS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers.txt"), &found).unwrap();
    } else {
        assert_eq!(found, recorded, "RAM_WRITE_ANSWERS=1 writes them, if they were changed on purpose");
    }
}

/// Without a baseline, the location network's gradient varies more between draws.
#[test]
fn without_a_baseline_the_noise_grows() {
    let mut session = Session::default();
    let mut ask = |question: &str| serde_json::from_str::<Value>(&session.ask(question, &[])).unwrap();
    ask(r#"{"ask": "train", "sets": ["data.train=640", "data.validation=40"]}"#);
    ask(r#"{"ask": "update", "steps": 150, "learning_rate": 0.002, "std": 0.15}"#);
    let with = ask(r#"{"ask": "gradients", "draws": 8, "std": 0.15}"#);
    ask(r#"{"ask": "change", "set": "loss.baseline=none"}"#);
    let without = ask(r#"{"ask": "gradients", "draws": 8, "std": 0.15}"#);
    let noise = |answer: &Value| answer["deviation"].as_f64().unwrap();
    assert!(noise(&without) > 1.2 * noise(&with), "{with} {without}");
    assert_eq!(with["norms"][0], without["norms"][0], "the class's term knows no baseline");
    assert_eq!(without["norms"][2]["norm"], 0.0);
}

/// In 400 updates it is visible that the lesson learns.
#[test]
fn the_lesson_learns() {
    let mut session = Session::default();
    let mut ask = |question: &str| serde_json::from_str::<Value>(&session.ask(question, &[])).unwrap();
    ask(r#"{"ask": "train"}"#);
    let before = ask(r#"{"ask": "examine", "shown": 0}"#)["error"].as_f64().unwrap();
    ask(r#"{"ask": "update", "steps": 700, "learning_rate": 0.002, "std": 0.15}"#);
    let after = ask(r#"{"ask": "examine", "shown": 0}"#)["error"].as_f64().unwrap();
    assert!(before > 0.8 && after < 0.6, "{before} {after}");
}
