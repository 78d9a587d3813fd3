//! The order of the floors: every file uses only files below it, so that each can be read without those above.
//!
//! What a file uses is read from its `use` lines and from paths such as `crate::model::agent` in its code. Tests are left out: they
//! may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The floors of `ram`, from the lowest to the highest: a file or a folder of `ram/src` uses only itself and those before it.
const RAM: &[&str] = &[
    "error",
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
    "experiments",
    "data",
    "tasks",
    "threads",
    "runs",
    "evaluate",
    "train",
    "bench",
    "figures",
    "report",
    "search",
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

/// Every path that a file names: those of its `use` lines, and those in the code that begin with `crate` or `super`.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        // What stands before a `use` in the same piece belongs to another statement.
        let begin = statement.lines().position(|line| {
            let line = line
                .trim_start()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub ");
            line.starts_with("use ")
        });
        if let Some(begin) = begin {
            let used = statement.lines().skip(begin).collect::<Vec<_>>().join(" ");
            let (_, path) = used.split_once("use ").expect("found above");
            found.extend(expanded(path));
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let end =
                code[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(code.len() - at);
            if is_whole {
                found.push(code[at..at + end].trim_end_matches(':').to_owned());
            }
        }
    }
    found
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

/// The file that a path leads to: the innermost module on it.
fn resolve(src: &Path, here: &[String], path: &str) -> Option<PathBuf> {
    let mut names: Vec<&str> = path.split("::").collect();
    let mut at: Vec<String> = match *names.first()? {
        "crate" => Vec::new(),
        "super" | "self" => here.to_vec(),
        child => {
            let inner: Vec<String> = here.iter().cloned().chain([child.to_owned()]).collect();
            file_of(src, &inner)?;
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
        let inner: Vec<String> = at.iter().cloned().chain([name.to_owned()]).collect();
        if file_of(src, &inner).is_none() {
            break;
        }
        at = inner;
    }
    file_of(src, &at)
}

/// What each file of a crate uses.
fn uses(src: &Path) -> Uses {
    let mut all = Uses::new();
    for file in files(src) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let here = module(src, &file);
        let used = paths(&code(&text)).into_iter().filter_map(|path| resolve(src, &here, &path));
        let used: BTreeSet<PathBuf> = used.filter(|used| *used != file).collect();
        all.insert(file, used);
    }
    all
}

/// A circle in what uses what, if there is one.
fn circle<T: Ord + Clone>(uses: &BTreeMap<T, BTreeSet<T>>) -> Option<Vec<T>> {
    fn visit<T: Ord + Clone>(
        at: &T,
        uses: &BTreeMap<T, BTreeSet<T>>,
        done: &mut BTreeSet<T>,
        way: &mut Vec<T>,
    ) -> Option<Vec<T>> {
        if let Some(begin) = way.iter().position(|before| before == at) {
            return Some(way[begin..].to_vec());
        }
        if !done.insert(at.clone()) {
            return None;
        }
        way.push(at.clone());
        let found = uses.get(at).into_iter().flatten().find_map(|next| visit(next, uses, done, way));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|at| visit(at, uses, &mut done, &mut Vec::new()))
}

#[test]
fn no_file_uses_one_that_uses_it() {
    for name in ["autograd", "datasets", "ram"] {
        let src = workspace().join(name).join("src");
        let uses = uses(&src);
        let arrows: usize = uses.values().map(BTreeSet::len).sum();
        assert!(arrows > uses.len(), "{name}: {arrows} arrows between {} files; are they read at all?", uses.len());
        assert_eq!(circle(&uses), None, "{name}: these files use each other in a circle");
    }
}

#[test]
fn every_floor_of_ram_uses_those_below_alone() {
    let src = workspace().join("ram/src");
    let floor = |file: &Path| {
        let first = file.strip_prefix(&src).expect("a file of ram").iter().next().expect("a name");
        let name = Path::new(first).with_extension("").to_string_lossy().into_owned();
        RAM.iter()
            .position(|floor| *floor == name)
            .unwrap_or_else(|| panic!("{name} has no floor: add it to RAM above"))
    };
    for (file, used) in uses(&src) {
        for below in used {
            let (from, to) = (floor(&file), floor(&below));
            assert!(to <= from, "{} uses {}, which is above it", file.display(), below.display());
        }
    }
}

#[test]
fn a_circle_is_found() {
    let uses = |arrows: &[(&'static str, &'static str)]| {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        arrows.iter().for_each(|&(from, to)| _ = all.entry(from).or_default().insert(to));
        all
    };
    assert_eq!(circle(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(&uses(&[("a", "b"), ("b", "c"), ("c", "b")])).expect("a circle");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["b", "c"]));
}

#[test]
fn what_a_file_uses_is_read() {
    let text = "//! use crate::no;\nuse crate::{a::{B, c}, d as e};\npub(crate) use super::f::G;\n\nfn x() -> crate::h::I {\n    \
                say(\"crate::no\")\n}\n\n#[cfg(test)]\nmod tests {\n    use crate::no;\n}\n";
    let mut found = paths(&code(text));
    found.sort();
    found.dedup();
    assert_eq!(found, ["crate", "crate::a::B", "crate::a::c", "crate::d", "crate::h::I", "super::f::G"]);
}
