//! What happens when something goes wrong. Each row of the page `ram::faults` is made here: a fault is brought about, and what
//! the program said and how it ended become the row. The test fails when the page is another; with `RAM_WRITE_FAULTS=1` it
//! writes the page anew.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Ended, Place};
use crate::run::{place, trained};
use crate::search::{signal, wait_for};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/faults.md");

/// A row of the page.
struct Row {
    fault: &'static str,
    code: i32,
    message: String,
    safe: &'static str,
}

/// A run that is long enough to be disturbed.
const LONG: &str = "train --config tiny.toml --set train.epochs=60 --set data.train=2000 --name a --threads 1";

/// Numbers differ from machine to machine.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let in_number = c.is_ascii_digit() || c == '.' && before == 'N';
        match in_number && (" (=N/:".contains(before)) {
            true if before == 'N' => {}
            true => {
                plain.push('N');
                before = 'N';
            }
            false => {
                plain.push(c);
                before = c;
            }
        }
    }
    plain
}

/// Long messages are cut at a word, and hashes are of no interest.
fn short(text: &str) -> String {
    const LONGEST: usize = 260;
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut short = String::new();
    for word in text.split(' ') {
        if short.len() + word.len() > LONGEST {
            return short + " …";
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short += if is_hash(word) { "…" } else { word };
    }
    short
}

impl Row {
    /// The row of a command that ended, whose message is the line with `part`.
    #[track_caller]
    fn new(fault: &'static str, ended: &Ended, part: &str, safe: &'static str) -> Row {
        let line = ended.err.lines().chain(ended.out.lines()).find(|line| line.contains(part));
        let line = line.unwrap_or_else(|| panic!("{fault}: no {part:?} in\n{}\n{}", ended.err, ended.out));
        Row { fault, code: ended.code, message: short(&plain(line)), safe }
    }
}

impl Place {
    /// Runs a shell, in which `ram` is the program.
    fn shell(&self, script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script.replace("ram ", &format!("{} ", crate::place::program().display())));
        self.prepare(&mut command);
        command.output().unwrap().into()
    }

    /// Starts a command, waits until there is such a file, sends a signal, and waits for the end.
    fn disturbed(&self, line: &str, file: &str, name: &str) -> Ended {
        let child = self.start(line);
        wait_for(&self.path(file));
        signal(&child, name);
        child.wait_with_output().unwrap().into()
    }

    /// Whether the run `a`, when it is resumed, ends in the same bytes as a run that nothing disturbed.
    #[track_caller]
    fn resumes_to(&self, whole: &Place) {
        self.ram("train --resume --name a").succeeds();
        for name in ["metrics.jsonl", "last.safetensors", "previous.safetensors", "best.safetensors"] {
            let name = format!("runs/a/{name}");
            assert!(self.bytes(&name) == whole.bytes(&name), "{name} differs");
        }
    }
}

fn signals(rows: &mut Vec<Row>) {
    let whole = place();
    whole.ram(LONG).succeeds();
    for (name, fault, part) in [
        ("INT", "Ctrl-C while a network is trained", "interrupted in epoch"),
        ("TERM", "SIGTERM, SIGUSR1 or SIGHUP while a network is trained", "stopping after this step"),
    ] {
        let place = place();
        let ended = place.disturbed(LONG, "runs/a/best.safetensors", name);
        rows.push(Row::new(fault, &ended, part, "The run is saved at this step; resumed, it ends in the same bytes."));
        place.resumes_to(&whole);
    }

    // The first checkpoint is written before the first epoch.
    for file in ["runs/a/last.safetensors", "runs/a/best.safetensors"] {
        let place = place();
        let ended = place.disturbed(LONG, file, "KILL");
        assert_eq!((ended.code, ended.err.as_str()), (-1, ""));
        place.resumes_to(&whole);
    }
    rows.push(Row {
        fault: "`kill -9`, a crash or a power cut at any moment",
        code: -1,
        message: String::new(),
        safe: "All files are whole. Resumed, the run goes on from its last checkpoint and ends in the same bytes; a run has its \
               first checkpoint before its first step.",
    });

    let place = place();
    let begun = Instant::now();
    let child = place.start("train --preset demo --set data.train=9000000 --threads 1");
    // Handlers are installed first of all.
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "TERM");
    let ended = child.wait_with_output().unwrap().into();
    rows.push(Row::new(
        "a signal while data are made or read",
        &ended,
        "no training was under way",
        "There was nothing to save. The same command can be given again.",
    ));
    assert!(begun.elapsed() < Duration::from_secs(20) && !place.path("runs").exists());

    let place = self::place();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap '' HUP; exec {} {LONG}", crate::place::program().display()));
    place.prepare(&mut command);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("runs/a/best.safetensors"));
    if cfg!(target_os = "linux") {
        signal(&child, "HUP");
    }
    let ended: Ended = child.wait_with_output().unwrap().into();
    rows.push(Row::new(
        "the terminal closes under `nohup`",
        &ended,
        "best validation error",
        "The training goes on (on Linux).",
    ));
}

fn streams(rows: &mut Vec<Row>) {
    for line in ["train --config tiny.toml --name a", "search run study.toml"] {
        let place = place();
        let study = "trials = 2\n[base]\nconfig = \"tiny.toml\"\n[space]\npolicy.std = { uniform = [0.1, 0.2] }\n";
        place.write("study.toml", study.as_bytes());
        let mut child = place.start(line);
        drop(child.stdout.take());
        let ended: Ended = child.wait_with_output().unwrap().into();
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
        let done = if line.contains("search") { "runs/study/trial-0002/result.json" } else { "runs/a/report.html" };
        assert!(place.path(done).exists(), "{line}");
    }
    rows.push(Row {
        fault: "nobody reads the output any more: `ram train … \\| head -1`",
        code: 0,
        message: String::new(),
        safe: "A training, a search and a reproduction go on to their end. Other commands stop.",
    });
    let place = trained();
    let ended = place.shell("ram report a --out /dev/full");
    let file = if cfg!(target_os = "linux") { "cannot" } else { "" };
    rows.push(Row::new(
        "`--out` is a device that is full",
        &ended,
        file,
        "The device stays a device; nothing else is touched.",
    ));
    let piped = place.shell("ram report a --out /dev/stdout | head -c 15");
    assert!(piped.out.starts_with("<!DOCTYPE html>") || piped.out.starts_with("<!doctype html>"), "{}", piped.out);
}

fn disks(rows: &mut Vec<Row>) {
    // A limit for the size of a file fails like a full disk, and needs no rights; it counts blocks of 512 bytes.
    let place = place();
    let ended = place.shell("trap '' XFSZ; ulimit -f 20; exec ram train --config tiny.toml --name a");
    rows.push(Row::new(
        "no room for the first checkpoint",
        &ended,
        "cannot be written",
        "Nothing was trained yet. The run's folder holds its configuration alone.",
    ));
    place.ram("train --config tiny.toml --name a --force").succeeds();

    // The metrics reach the limit first.
    let place = self::place();
    let size = 512 * 150;
    let script = format!("trap '' XFSZ; ulimit -f 150; exec ram {LONG}");
    let ended = place.shell(&script);
    assert!(fs::metadata(place.path("runs/a/metrics.jsonl")).unwrap().len() <= size);
    rows.push(Row::new(
        "the disk is full in a later epoch",
        &ended,
        "cannot be written",
        "The run has its last checkpoint. With more room it resumes to the same bytes.",
    ));
    let whole = self::place();
    whole.ram(LONG).succeeds();
    place.resumes_to(&whole);
}

fn checkpoints(rows: &mut Vec<Row>) {
    let place = trained();
    let file = |name: &str| place.path("runs/a").join(name);
    let whole = ["last", "previous", "best"].map(|name| fs::read(file(&format!("{name}.safetensors"))).unwrap());
    let [last, previous, best] = ["last", "previous", "best"].map(|name| file(&format!("{name}.safetensors")));
    let restore = || {
        for (path, bytes) in [&last, &previous, &best].into_iter().zip(&whole) {
            fs::write(path, bytes).unwrap();
        }
    };
    let is_whole = || {
        [&last, &best].into_iter().zip([&whole[0], &whole[2]]).all(|(path, bytes)| fs::read(path).unwrap() == *bytes)
    };

    fs::write(&last, &whole[0][..1000]).unwrap();
    let ended = place.ram("train --resume --name a");
    ended.succeeds();
    rows.push(Row::new(
        "the newest checkpoint is damaged or missing",
        &ended,
        "resuming from",
        "The one before it, or else the best one, takes its place, and the epochs since then are trained again to the same bytes.",
    ));
    assert!(is_whole() && file("last.damaged.safetensors").exists());

    for missing in [&[&last][..], &[&last, &previous]] {
        restore();
        missing.iter().for_each(|path| fs::remove_file(path).unwrap());
        let ended = place.ram("train --resume --name a");
        ended.succeeds();
        assert!(ended.err.contains("is missing") && ended.err.contains("resuming from") && is_whole(), "{}", ended.err);
    }

    // In two epochs the best may be either.
    restore();
    let best_is_last = whole[0] == whole[2];
    fs::remove_file(&best).unwrap();
    place.ram("eval a").fails(4, &["best.safetensors", "--which last"]);
    place.ram("eval a --which last").succeeds();
    let ended = place.ram("train --resume --name a");
    if best_is_last {
        ended.succeeds();
        assert!(ended.err.contains("its checkpoint takes that place") && is_whole(), "{}", ended.err);
    } else {
        ended.fails(4, &["best.safetensors", "the run is complete", "--which last"]);
    }
    fs::remove_file(&best).unwrap_or_default();
    rows.push(Row::new(
        "the best checkpoint is missing",
        &place.ram("eval a"),
        "best.safetensors",
        "The last checkpoint can be used. Resuming restores the best one if it was the last; else it keeps the best of the epochs to come.",
    ));

    restore();
    let metrics = fs::read_to_string(file("metrics.jsonl")).unwrap();
    let lines: Vec<&str> = metrics.split_inclusive('\n').collect();
    for (text, part) in [
        (lines[1].to_owned(), "line 1 is of epoch 2, expected epoch 1"),
        (lines[0].repeat(2) + lines[1], "line 2 is of epoch 1, expected epoch 2"),
        (lines[0].to_owned(), "has 1 of the 2 epochs of the checkpoint"),
    ] {
        fs::write(file("metrics.jsonl"), text).unwrap();
        place.ram("train --resume --name a").fails(4, &["metrics.jsonl", part]);
    }
    fs::write(file("metrics.jsonl"), lines[1]).unwrap();
    rows.push(Row::new(
        "lines of `metrics.jsonl` are missing or doubled",
        &place.ram("train --resume --name a"),
        "metrics.jsonl",
        "Nothing is changed.",
    ));
    fs::write(file("metrics.jsonl"), &metrics).unwrap();

    let config = fs::read_to_string(file("config.toml")).unwrap();
    fs::write(file("config.toml"), config.replace("epochs = 2", "epochs = 5")).unwrap();
    rows.push(Row::new(
        "the configuration of a run was changed",
        &place.ram("train --resume --name a"),
        "config.toml",
        "Nothing is changed.",
    ));
}

fn numbers(rows: &mut Vec<Row>) {
    let place = place();
    let wild = "train --config tiny.toml --name a --set train.epochs=10 --set optimiser.kind=sgd --set schedule.kind=constant \
                --set optimiser.learning_rate=100 --set optimiser.clip=0";
    let ended = place.ram(wild);
    rows.push(Row::new(
        "the training diverges",
        &ended,
        "diverged",
        "No number of that step reaches a file; the run stays as it was at its last checkpoint. In a search it is the worst result, \
         and the search goes on.",
    ));
    let ended = place.ram("train --preset translated --data-dir none --set data.source=digits --set data.size=1024 --set model.hidden=16384 --set model.kind=fc --set loss.returns=episode --set loss.reward=sampled");
    rows.push(Row::new(
        "a configuration needs more memory than there is",
        &ended,
        "of memory",
        "It is refused before anything is made.",
    ));
}

fn inputs(rows: &mut Vec<Row>) {
    let place = place();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    for path in ["pipe", "/dev/zero", "."] {
        place.ram(&format!("train --config {path}")).fails(2, &[path, "expected a regular file"]);
    }
    rows.push(Row::new(
        "`--config` is a pipe, a device or a folder",
        &place.ram("train --config /dev/zero"),
        "/dev/zero",
        "Nothing is read.",
    ));
    let many: String = (0..80_000).map(|i| format!("key{i} = 1\n")).collect();
    place.write("many.toml", many.as_bytes());
    let begun = Instant::now();
    let ended = place.ram("train --config many.toml");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    rows.push(Row::new("a configuration has an unknown key", &ended, "unknown key", "Nothing is made."));
    rows.push(Row::new(
        "MNIST's files are not there",
        &place.ram("train --preset mnist --data-dir nowhere"),
        "nowhere",
        "No run is made.",
    ));
}

/// The page's table.
fn table(rows: &[Row]) -> String {
    let mut table = "| fault | what `ram` says | exit code | what is safe |\n|---|---|---|---|\n".to_owned();
    for Row { fault, code, message, safe } in rows {
        let code = if *code < 0 { "–".to_owned() } else { code.to_string() };
        let message = match message.replace('|', "\\|") {
            message if message.is_empty() => "–".to_owned(),
            message if message.contains('`') => format!("`` {message} ``"),
            message => format!("`{message}`"),
        };
        table += &format!("| {fault} | {message} | {code} | {safe} |\n");
    }
    table
}

#[test]
fn the_page_of_faults_is_what_happens() {
    let mut rows = Vec::new();
    for part in [signals, streams, disks, checkpoints, numbers, inputs] {
        part(&mut rows);
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let at = page.find("| fault |").expect("a table");
    let end = page[at..].find("\n\n").map_or(page.len(), |end| at + end + 1);
    let fresh = format!("{}{}{}", &page[..at], table(&rows), &page[end..]);
    if std::env::var_os("RAM_WRITE_FAULTS").is_some() {
        fs::write(PAGE, &fresh).unwrap();
    }
    if cfg!(target_os = "linux") && Path::new("/dev/full").exists() {
        assert!(
            page == fresh || std::env::var_os("RAM_WRITE_FAULTS").is_some(),
            "RAM_WRITE_FAULTS=1 writes the page; it is now\n{fresh}"
        );
    }
}
