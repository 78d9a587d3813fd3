//! What is seen: lines that fit the terminal, letters that it has, and names that can be told apart.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::place::{Place, TINY, program};

/// The widest line of a text.
fn widest(text: &str) -> (usize, &str) {
    text.lines().map(|line| (line.chars().count(), line)).max().expect("a line")
}

/// The commands that have help of their own.
const COMMANDS: [&str; 22] = [
    "",
    "demo",
    "train",
    "eval",
    "look",
    "predict",
    "report",
    "compare",
    "explain",
    "zoo",
    "zoo add",
    "experiments",
    "reproduce",
    "search",
    "search run",
    "search report",
    "bench",
    "bench gemm",
    "play",
    "data",
    "data show",
    "data fetch",
];

#[test]
fn help_fits_80_columns_and_narrower_terminals() {
    let place = Place::with_files(&[]);
    for command in COMMANDS.into_iter().chain(["data shapes"]) {
        for (columns, line) in
            [("80", format!("{command} --help")), ("80", format!("help {command}")), ("60", format!("{command} -h"))]
        {
            let help = place.ram_with("COLUMNS", columns, &line);
            let (width, line) = widest(help.succeeds());
            // Words that cannot be broken, such as a list of files, may stand out on the narrower one.
            let most = if columns == "80" { 80 } else { 72 };
            assert!(width <= most, "{command} at {columns}: {line}");
        }
    }
    let elsewhere = place.ram("train --help");
    assert!(widest(elsewhere.succeeds()).0 <= 80, "{}", elsewhere.out);
}

#[test]
fn tables_fit_80_columns_and_break_no_number() {
    let place = Place::with_files(&[]);
    for line in ["experiments", "zoo", "reproduce all --status", "reproduce table1a --status --seeds 3"] {
        let wide = place.ram(line);
        let narrow = place.ram_with("COLUMNS", "80", line);
        assert!(widest(narrow.succeeds()).0 <= 80, "{line}: {}", narrow.out);
        let words = |text: &str| -> Vec<String> {
            let mut words: Vec<_> = text.split_whitespace().map(|word| word.trim_end_matches(':').to_owned()).collect();
            words.sort_unstable();
            words.dedup();
            words
        };
        assert_eq!(words(wide.succeeds()), words(&narrow.out), "{line}: the same words");
        let rows = |text: &str| text.lines().filter(|line| line.starts_with("cluttered-60-ram-8 ")).count();
        assert_eq!(rows(&wide.out), rows(&narrow.out), "{line}: each row once");
    }
}

#[test]
fn data_dir_reads_the_same_in_every_command() {
    let place = Place::with_files(&[]);
    let of = |command: &str| {
        let help = place.ram(&format!("{command} -h")).succeeds().split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, rest) = help.split_once("--data-dir <DIR> ").unwrap_or_else(|| panic!("{command}: {help}"));
        rest.split_once(']').expect("its default").0.to_owned()
    };
    let commands = ["train", "eval", "look", "report", "explain", "zoo add", "reproduce", "search run", "data show"];
    for command in commands {
        assert_eq!(of(command), of("train"), "{command}");
    }
    assert!(of("train").ends_with("else the files that `ram data fetch` fetched"));
}

/// Runs `ram` with the words of a line on a terminal of this size; `None` where there is no `script`.
fn on_a_terminal(place: &Place, [columns, lines]: [u32; 2], variables: &[(&str, &str)], line: &str) -> Option<String> {
    let mut command = Command::new("script");
    let told = format!("stty cols {columns} rows {lines}; {} {line}", program().display());
    command.args(["--quiet", "--return", "--command", &told, "/dev/null"]);
    place.prepare(&mut command);
    for name in ["LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied()).stdin(Stdio::null());
    match command.output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap().replace('\r', "")),
        Err(_) => {
            // Not eprintln!, which the test harness hides.
            _ = writeln!(std::io::stderr(), "SKIPPED: there is no program `script`, which lends a terminal");
            None
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_without_utf_8_gets_ascii_and_no_colours_where_none_are_wanted() {
    let place = Place::with_files(&[("tiny.toml", TINY)]);
    place.ram("train --config tiny.toml --name a").succeeds();
    place.ram("look a --rows 1").succeeds();
    for line in ["look a", "eval a", "predict a look.png", "data show --config tiny.toml", "zoo", "experiments"] {
        for variables in [&[("LANG", "C"), ("NO_COLOR", "1")][..], &[("NO_COLOR", "1")]] {
            let Some(told) = on_a_terminal(&place, [80, 24], variables, line) else { return };
            assert!(told.is_ascii() && !told.contains('\x1b') && told.lines().count() > 0, "{line}: {told}");
        }
    }
    let Some(told) = on_a_terminal(&place, [60, 24], &[("LANG", "C.UTF-8")], "eval a") else { return };
    // The hash of the weights cannot be broken.
    let fits = |line: &str| line.chars().count() <= 60 || !line.trim().contains(' ');
    assert!(told.lines().all(fits) && told.contains("\n                 "), "{told}");
    let Some(told) = on_a_terminal(&place, [80, 24], &[("LANG", "C.UTF-8")], "look a") else { return };
    assert!(told.contains("8×8"), "{told}");
    // What goes to a file is UTF-8 in every locale.
    assert!(place.ram_with("LC_ALL", "C", "look a").succeeds().contains("8×8"));
}

#[cfg(target_os = "linux")]
#[test]
fn play_fits_the_terminal_or_says_what_it_needs() {
    let place = Place::with_files(&[]);
    place
        .ram(
            "train --experiment catch --set data.train=64 --set data.validation=8 --set train.epochs=1 --set model.hidden=8 \
             --set model.glimpse=8 --set model.features=8 --name game",
        )
        .succeeds();
    let play = "play catch game --games 1 --speed 1000";
    let on = |size, variables: &[(&str, &str)]| on_a_terminal(&place, size, variables, play);
    let Some(usual) = on([80, 24], &[("LANG", "C.UTF-8")]) else { return };
    assert!(usual.contains("\x1b[12A") && usual.contains('▀') && usual.contains("game 0: "), "{usual}");
    let plain = on([80, 24], &[("LANG", "C"), ("NO_COLOR", "1")]).unwrap();
    assert!(plain.is_ascii() && plain.contains("\x1b[12A") && plain.contains('|'), "{plain}");
    let small = on([20, 5], &[]).unwrap();
    assert!(
        small.contains("the game needs 26 columns and 13 lines, and it has 20 and 5") && small.contains("game 0: "),
        "{small}"
    );
    let dumb = on([80, 24], &[("TERM", "dumb")]).unwrap();
    assert!(!dumb.contains('\x1b') && dumb.contains("game 0: ") && dumb.lines().count() < 4, "{dumb}");
    let keys = on_a_terminal(&place, [20, 5], &[], "play catch").unwrap();
    assert!(keys.contains("error: the terminal is too small"), "{keys}");
}

#[test]
fn a_picture_says_why_it_shows_no_expected_reward() {
    let place = Place::with_files(&[("tiny.toml", TINY)]);
    for (name, baseline, why) in [
        ("a", "informed", "the run's informed baseline is told the right class"),
        ("b", "none", "has learned no baseline"),
    ] {
        place.ram(&format!("train --config tiny.toml --set loss.baseline={baseline} --name {name}")).succeeds();
        let look = place.ram(&format!("look {name} --rows 1 --out {name}.svg"));
        assert!(look.succeeds().contains(why), "{}", look.out);
        let svg = String::from_utf8(place.bytes(&format!("{name}.svg"))).unwrap();
        assert!(svg.contains("No expected reward is shown: "), "{}", &svg[..400]);
    }
    place.ram("train --config tiny.toml --name c").succeeds();
    assert!(!place.ram("look c --rows 1").succeeds().contains("No expected reward"));
}
