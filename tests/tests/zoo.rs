//! Every pretrained model loads, is small, and answers as its file says.

use std::path::{Path, PathBuf};

use ram::evaluate::evaluator::evaluate_on;
use ram::evaluate::trained::Trained;
use ram::split::SplitName;
use ram::zoo::make::LARGEST;
use ram::zoo::{Pretrained, Zoo};
use tests::{nothing_may_be_skipped, skipped};

fn zoo() -> Zoo {
    Zoo::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../ram/zoo"))
}

/// Every model, with the name of its file.
fn models() -> Vec<(String, Pretrained)> {
    let zoo = zoo();
    let names = zoo.names().unwrap_or_else(|error| panic!("{error}"));
    names
        .into_iter()
        .map(|name| {
            let model = zoo.read(&name).unwrap_or_else(|error| panic!("{error}"));
            (name, model)
        })
        .collect()
}

/// The folder with the real files: `RAM_DATA_DIR`, else `../shared/mnist` beside the workspace.
fn mnist() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mnist");
    let folder = std::env::var_os("RAM_DATA_DIR").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(!nothing_may_be_skipped(), "no MNIST in {}", folder.display());
    skipped(&format!("no MNIST in {}; name its folder with RAM_DATA_DIR", folder.display()));
    None
}

#[test]
fn every_model_loads_has_the_name_of_its_file_and_is_small() {
    for (name, model) in models() {
        assert_eq!(model.facts.name, name);
        assert!(model.size <= LARGEST, "{name}: {} bytes, at most {LARGEST}", model.size);
        assert_eq!(std::fs::metadata(zoo().file(&name)).expect("its file").len(), model.size as u64);
        let trained = Trained::of(&model.checkpoint).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(trained.config.seed, model.facts.seed, "{name}");
        let shapes =
            trained.params.ids().map(|id| (format!("params/{}", trained.params.name(id)), trained.params.axes(id)));
        let shapes: Vec<_> = shapes.collect();
        model.checkpoint.expect(shapes.iter().map(|(name, axes)| (name.as_str(), *axes))).expect("no other tensor");
    }
}

/// The number of wrong images, or of lost games, is the recorded one.
#[test]
fn every_model_has_the_test_error_that_its_file_says() {
    let models = models();
    let is_game =
        |model: &Pretrained| model.checkpoint.config().is_ok_and(|config| config.data.source.game().is_some());
    let is_digits = |model: &Pretrained| {
        model.checkpoint.config().is_ok_and(|config| config.data.source == ram::config::Source::Digits)
    };
    let needs_files = models.iter().any(|(_, model)| !is_game(model) && !is_digits(model));
    let folder = if needs_files { mnist() } else { None };
    for (name, model) in &models {
        if folder.is_none() && !is_game(model) && !is_digits(model) {
            skipped(&format!("the test error of the pretrained model {name}"));
            continue;
        }
        let trained = Trained::of(&model.checkpoint).unwrap_or_else(|error| panic!("{name}: {error}"));
        let examples =
            trained.examples(SplitName::Test, folder.as_deref()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = evaluate_on(&trained.config, trained.subject(), &examples, 1);
        let facts = &model.facts;
        assert_eq!((found.error, found.count), (facts.test_error, facts.test_count), "{name}");
        assert_eq!(found.wrong.len() as f64, (facts.test_error * facts.test_count as f64).round(), "{name}");
    }
}
