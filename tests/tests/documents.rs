//! The paths that the documents name exist: those of their links, and those between backticks that lead into the repository. What the
//! records say of trials can be repeated.

use std::path::{Path, PathBuf};

use ram::config::{Base, Config};
use ram::paper::{ENTRIES, Entry, Item, Test, markdown};

/// The documents, and how many paths each of them names at least.
const DOCUMENTS: [(&str, usize); 6] = [
    ("README.md", 40),
    ("CONTRIBUTING.md", 15),
    ("benches/README.md", 4),
    ("ram/record/README.md", 12),
    ("ram/record/findings.md", 3),
    ("ram/zoo/README.md", 1),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    };
    text.lines().filter(is_prose).flat_map(|line| [line, "\n"]).collect()
}

/// The targets of the links to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.map(|target| target.split('#').next().unwrap_or_default()).filter(|t| !t.is_empty() && !t.contains("://"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every path that a document in `folder` names.
fn paths(root: &Path, folder: &Path, text: &str) -> Vec<PathBuf> {
    let text = prose(text);
    let linked = links(&text).map(|link| folder.join(link));
    // A word leads into the repository where it begins as something there does; a folder may be named from the document's own.
    let quoted = quoted(&text).filter(|word| !word.contains(char::is_whitespace)).filter_map(|word| {
        let first = word.split('/').next().filter(|first| !["", "..", "runs", "target"].contains(first))?;
        match root.join(first).exists() {
            // NAME stands for any name.
            true => word.split("NAME").next().map(|path| root.join(path)),
            false => word.ends_with('/').then(|| folder.join(word)),
        }
    });
    linked.chain(quoted).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let root = root();
    let mut missing = Vec::new();
    for (name, least) in DOCUMENTS {
        let document = root.join(name);
        let text = std::fs::read_to_string(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let paths = paths(&root, document.parent().expect("its folder"), &text);
        assert!(paths.len() >= least, "{name} names {} paths, fewer than {least}; are they read at all?", paths.len());
        missing
            .extend(paths.into_iter().filter(|path| !path.exists()).map(|path| format!("{name}: {}", path.display())));
    }
    assert!(missing.is_empty(), "these paths do not exist:\n{}", missing.join("\n"));
}

#[test]
fn paths_are_read_from_links_and_backticks() {
    let root = root();
    let text = "```sh\n`ram/src/code.rs`\n```\n# A title\n[a](ram/no.rs), [b](https://example.org), ![c\nd](tests/no.png) and `ram/src/none.rs`, `Cargo.toml`, \
                `ram/experiments/NAME.toml`, `nobody/`, `runs/NAME/x`, `ram train`, `../mnist`.\n";
    let found = paths(&root, &root.join("ram"), text);
    let expected =
        ["ram/ram/no.rs", "ram/tests/no.png", "ram/src/none.rs", "Cargo.toml", "ram/experiments/", "ram/nobody/"];
    assert_eq!(found, expected.map(|path| root.join(path)));
}

/// The text of a file of the repository.
fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every file of the crates.
fn sources() -> Vec<PathBuf> {
    let mut next: Vec<PathBuf> =
        ["autograd/src", "datasets/src", "ram/src"].iter().map(|src| root().join(src)).collect();
    let mut files = Vec::new();
    while let Some(path) = next.pop() {
        match path.is_dir() {
            true => {
                next.extend(std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()))
            }
            false => files.extend(path.extension().is_some_and(|ending| ending == "rs").then_some(path)),
        }
    }
    files
}

#[test]
fn the_map_of_the_paper_leads_to_what_is_there() {
    for Entry { place, code, tests, .. } in ENTRIES {
        assert!(!code.is_empty() && !tests.is_empty(), "{place}");
        for Item { file, holds, .. } in *code {
            assert_eq!(text(file).matches(holds).count(), 1, "{place}: {holds:?} in {file}");
        }
        for Test { file, name } in *tests {
            let text = text(file);
            let found = text.split_once(&format!("fn {name}(")).map(|(before, _)| before);
            let marks = found.map(|before| before.rsplit_once("}\n").map_or(before, |(_, last)| last));
            assert!(marks.is_some_and(|marks| marks.contains("#[test]")), "{place}: no test {name} in {file}");
        }
    }
}

/// An equation stands in the file that computes it, and in no other.
#[test]
fn equations_are_quoted_where_they_are_computed() {
    let files: Vec<(PathBuf, String)> = sources()
        .into_iter()
        .filter(|path| !path.ends_with("ram/src/paper.rs"))
        .map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a source file")))
        .collect();
    assert!(files.len() > 150, "{} files", files.len());
    for Entry { place, equation, code, .. } in ENTRIES {
        let Some(equation) = equation else { continue };
        let quoting: Vec<&Path> =
            files.iter().filter(|(_, text)| text.contains(equation)).map(|(path, _)| &**path).collect();
        assert_eq!(quoting, [root().join(code[0].file)], "{place}: {equation}");
    }
}

#[test]
fn the_readme_has_the_map_of_the_paper() {
    let map = format!("<!-- paper -->\n\n{}\n<!-- /paper -->", markdown());
    assert!(text("README.md").contains(&map), "write it again: cargo run --release -- paper --into README.md");
}

#[test]
fn every_trial_of_the_recipe_has_its_configuration_and_its_command() {
    let (root, mut names) = (root(), Vec::new());
    for line in text("ram/record/recipe/trials.jsonl").lines() {
        let trial: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = trial["name"].as_str().unwrap().to_owned();
        let file = format!("ram/record/recipe/{name}.toml");
        assert_eq!(trial["command"], format!("ram train --config {file}"));
        let config = Config::load(Base::File(&root.join(&file)), &[]).unwrap();
        assert_eq!(ram::config::old_names(Base::File(&root.join(&file)), &[]), [""; 0]);
        let errors: Vec<f64> =
            trial["validation_errors"].as_array().unwrap().iter().map(|error| error.as_f64().unwrap()).collect();
        assert!(errors.len() <= config.train.epochs, "{name}");
        let best = trial["best_epoch"].as_u64().unwrap() as usize;
        let lowest = errors.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!((errors[best - 1], trial["best_validation_error"].as_f64()), (lowest, Some(lowest)), "{name}");
        names.push(format!("{name}.toml"));
    }
    let files = std::fs::read_dir(root.join("ram/record/recipe")).unwrap();
    let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| name != "trials.jsonl");
    files.sort();
    names.sort();
    assert_eq!(files, names);
}
