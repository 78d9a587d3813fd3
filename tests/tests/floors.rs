//! The order of the floors: every file uses only files below it, so that each can be read without those above.
//!
//! What a file uses is read from its `use` lines and from paths such as `crate::model::agent` in its code. Tests are left out: they
//! may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The floors of `ram`, from the lowest to the highest: a file or a folder of `ram/src` uses only itself and those before it.
const RAM: &[&str] = &[
    "error",
    "files",
    "environments",
    "model",
    "comparators",
    "reinforce",
    "config",
    "losses",
    "schedule",
    "split",
    "evaluation",
    "network",
    "memory",
    "experiments",
    "data",
    "tasks",
    "threads",
    "runs",
    "evaluate",
    "train",
    "zoo",
    "bench",
    "figures",
    "tables",
    "page",
    "report",
    "search",
    "faults",
    "guide",
    "lib",
    "cli",
    "main",
];

type Uses = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// The Rust files of a folder, without its tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_stem().is_some_and(|name| name != "tests")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file, without comments, string literals and tests.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").or_else(|| text.find("#[cfg(test)]\npub(crate) mod tests {"));
    let lines = text[..end.unwrap_or(text.len())].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join("") + "\n").collect()
}

/// Paths with their braces taken apart: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expanded(path: &str) -> Vec<String> {
    let Some((front, rest)) = path.split_once('{') else {
        let path = path.split(" as ").next().unwrap_or_default();
        return vec![path.split_whitespace().collect()];
    };
    let inner = &rest[..rest.rfind('}').expect("a closing brace")];
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(&format!("{front}{part}"))).collect()
}

/// What a file names.
#[derive(Default)]
struct Names {
    /// The paths of its `use` lines, and those in the code that begin with `crate` or `super`.
    used: Vec<String>,
    /// The paths that it hands on under its own name, by `pub use`.
    exported: Vec<String>,
}

impl Names {
    fn of(code: &str) -> Names {
        let mut names = Names::default();
        let mut rest = String::new();
        for statement in code.split(';') {
            // What stands before a `use` in the same piece belongs to another statement.
            let is_use = |line: &str| without_visibility(line).1.starts_with("use ");
            let begin = statement.lines().position(is_use).unwrap_or(usize::MAX);
            let lines: Vec<&str> = statement.lines().collect();
            let (before, line) = lines.split_at(begin.min(lines.len()));
            rest += &(before.join("\n") + ";");
            let line = line.join(" ");
            let (is_public, line) = without_visibility(&line);
            if let Some(path) = line.strip_prefix("use ") {
                if is_public { &mut names.exported } else { &mut names.used }.extend(expanded(path));
            }
        }
        let children: Vec<&str> =
            rest.split(';').filter_map(|piece| piece.rsplit_once("mod ").map(|(_, name)| name)).collect();
        for path in rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            let first = path.split("::").next().unwrap_or_default();
            if path.contains("::") && (["crate", "super"].contains(&first) || children.contains(&first)) {
                names.used.push(path.trim_end_matches(':').to_owned());
            }
            // What it hands on and names itself, it uses.
            names.used.extend(names.exported.iter().filter(|path| path.rsplit("::").next() == Some(first)).cloned());
        }
        names
    }
}

/// Whether a line begins with `pub`, and what comes after it.
fn without_visibility(line: &str) -> (bool, &str) {
    let line = line.trim_start();
    let found = ["pub(crate) ", "pub(super) ", "pub "].into_iter().find_map(|public| line.strip_prefix(public));
    (found.is_some(), found.unwrap_or(line))
}

/// The module of a file: its path from `src`, `mod.rs` and `lib.rs` standing for their folders.
fn module(src: &Path, file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(src).expect("a file of the crate").with_extension("");
    let mut names: Vec<String> = inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// The file of a module, if it is one.
fn file_of(src: &Path, module: &[String]) -> Option<PathBuf> {
    let inside: PathBuf = module.iter().collect();
    let candidates = match module {
        [] => vec![src.join("lib.rs")],
        _ => vec![src.join(&inside).with_extension("rs"), src.join(&inside).join("mod.rs")],
    };
    candidates.into_iter().find(|path| path.exists())
}

/// A crate: its folder, and what each of its files names.
struct Crate {
    src: PathBuf,
    files: BTreeMap<PathBuf, Names>,
}

impl Crate {
    fn read(name: &str) -> Crate {
        let src = workspace().join(name).join("src");
        let text = |file: &PathBuf| std::fs::read_to_string(file).expect("a source file");
        let files = files(&src).into_iter().map(|file| (file.clone(), Names::of(&code(&text(&file))))).collect();
        Crate { src, files }
    }

    /// The file that a path leads to: the innermost module on it, or the one that hands the name on.
    fn resolve(&self, here: &[String], path: &str) -> Option<PathBuf> {
        let mut names: Vec<&str> = path.split("::").collect();
        let mut at: Vec<String> = match *names.first()? {
            "crate" => Vec::new(),
            "super" | "self" => here.to_vec(),
            child => {
                file_of(&self.src, &[here, &[child.to_owned()]].concat())?;
                here.to_vec()
            }
        };
        if matches!(names[0], "crate" | "self") {
            names.remove(0);
        }
        while names.first() == Some(&"super") {
            at.pop();
            names.remove(0);
        }
        for name in names {
            let inner = [at.as_slice(), &[name.to_owned()]].concat();
            if file_of(&self.src, &inner).is_some() {
                at = inner;
                continue;
            }
            let exported = &self.files.get(&file_of(&self.src, &at)?)?.exported;
            let handed_on = exported.iter().find(|path| path.rsplit("::").next() == Some(name));
            if let Some(file) = handed_on.and_then(|path| self.resolve(&at, path)) {
                return Some(file);
            }
            break;
        }
        file_of(&self.src, &at)
    }

    /// What each file uses. What it only hands on is used by those who take it from there.
    fn uses(&self) -> Uses {
        let used_by = |(file, names): (&PathBuf, &Names)| {
            let here = module(&self.src, file);
            let used = names.used.iter().filter_map(|path| self.resolve(&here, path)).filter(|used| used != file);
            (file.clone(), used.collect())
        };
        self.files.iter().map(used_by).collect()
    }
}

/// The groups of those that use each other, directly or not.
fn circles<T: Ord + Clone>(uses: &BTreeMap<T, BTreeSet<T>>) -> BTreeSet<BTreeSet<T>> {
    let reached = |from: &T| {
        let mut all: BTreeSet<&T> = BTreeSet::new();
        let mut next: Vec<&T> = uses.get(from).into_iter().flatten().collect();
        while let Some(at) = next.pop() {
            if all.insert(at) {
                next.extend(uses.get(at).into_iter().flatten());
            }
        }
        all
    };
    let all: BTreeMap<&T, BTreeSet<&T>> = uses.keys().map(|at| (at, reached(at))).collect();
    let in_circles = all.iter().filter(|(at, reached)| reached.contains(*at));
    let group = |(at, reached): (&&T, &BTreeSet<&T>)| -> BTreeSet<T> {
        reached.iter().filter(|other| all[*other].contains(at)).map(|&other| other.clone()).collect()
    };
    in_circles.map(group).collect()
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let mut faults = Vec::new();
    for name in ["autograd", "datasets", "ram"] {
        let uses = Crate::read(name).uses();
        let arrows: usize = uses.values().map(BTreeSet::len).sum();
        assert!(arrows > uses.len(), "{name}: {arrows} arrows between {} files; are they read at all?", uses.len());
        faults.extend(circles(&uses));
    }
    assert!(faults.is_empty(), "these files use each other in a circle: {faults:#?}");
}

#[test]
fn every_floor_of_ram_uses_those_below_alone() {
    let ram = Crate::read("ram");
    let floor = |file: &Path| {
        let first = file.strip_prefix(&ram.src).expect("a file of ram").iter().next().expect("a name");
        let name = Path::new(first).with_extension("").to_string_lossy().into_owned();
        RAM.iter()
            .position(|floor| *floor == name)
            .unwrap_or_else(|| panic!("{name} has no floor: add it to RAM above"))
    };
    let mut faults = Vec::new();
    for (file, used) in ram.uses() {
        let above = used.iter().filter(|used| floor(used) > floor(&file));
        faults.extend(above.map(|above| format!("{} uses {}", file.display(), above.display())));
    }
    assert!(faults.is_empty(), "these files use what is above them: {faults:#?}");
}

#[test]
fn a_circle_is_found() {
    let uses = |arrows: &[(&'static str, &'static str)]| {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        arrows.iter().for_each(|&(from, to)| _ = all.entry(from).or_default().insert(to));
        all
    };
    assert_eq!(circles(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])), BTreeSet::new());
    let found = circles(&uses(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a"), ("e", "f"), ("f", "g"), ("g", "e")]));
    assert_eq!(found, BTreeSet::from([BTreeSet::from(["b", "c"]), BTreeSet::from(["e", "f", "g"])]));
}

#[test]
fn what_a_file_uses_is_read() {
    let text = "//! use crate::no;\nuse crate::{a::{B, c}, d as e};\npub(crate) use super::f::{G, H};\npub mod j;\n\nfn x(g: G) -> crate::h::I {\n    \
                say(j::k(), l::m(), \"crate::no\")\n}\n\n#[cfg(test)]\nmod tests {\n    use crate::no;\n}\n";
    let mut found = Names::of(&code(text));
    found.used.sort();
    assert_eq!(found.used, ["crate::a::B", "crate::a::c", "crate::d", "crate::h::I", "j::k", "super::f::G"]);
    assert_eq!(found.exported, ["super::f::G", "super::f::H"]);
}

/// A name that a folder hands on is used where it is made.
#[test]
fn names_that_are_handed_on_are_followed() {
    let ram = Crate::read("ram");
    let resolved = |here: &[&str], path: &str| {
        let here: Vec<String> = here.iter().map(|&name| name.to_owned()).collect();
        ram.resolve(&here, path).map(|file| file.strip_prefix(&ram.src).expect("a file of ram").to_owned())
    };
    for (here, path, expected) in [
        (&["tasks", "play"][..], "crate::model::Agent", Some("model/agent.rs")),
        (&["tasks", "play"], "super::task::Task", Some("tasks/task.rs")),
        (&["train", "learner"], "crate::tasks::Play", Some("tasks/play.rs")),
        (&["train", "learner"], "crate::tasks::named", Some("tasks/mod.rs")),
        (&["model"], "agent::Agent", Some("model/agent.rs")),
        (&["model"], "std::path::Path", None),
    ] {
        assert_eq!(resolved(here, path), expected.map(PathBuf::from), "{path}");
    }
}
