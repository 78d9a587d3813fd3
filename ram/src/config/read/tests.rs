//! What can be written in a configuration, and how errors are answered.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::*;
use crate::model::core::{CoreInit, CoreKind};
use crate::model::{Locations, Mean, ModelKind};

fn message(base: &str, sets: &[&str]) -> String {
    let sets: Vec<_> = sets.iter().map(|s| s.to_string()).collect();
    match Config::load(Base::Preset(base), &sets) {
        Err(error @ RamError::Config(_)) => error.to_string(),
        other => panic!("expected a configuration error, found {other:?}"),
    }
}

fn text_message(text: &str) -> String {
    Config::from_toml(text, "ram.toml").unwrap_err().to_string()
}

#[test]
fn the_old_name_of_a_key_is_taken_and_told() {
    let sets = ["model.glimpse = 7".to_owned(), "model.hidden=9".to_owned()];
    let config = Config::load(Base::Preset("demo"), &sets).unwrap();
    assert_eq!((config.model.glimpse_features, config.model.hidden), (7, 9));
    let told = old_names(Base::Preset("demo"), &sets);
    assert_eq!(
        told,
        [
            "--set model.glimpse = 7: `model.glimpse` is called `model.glimpse_features` now; the old name is still taken"
        ]
    );
    // As in the checkpoints and files of before.
    for text in ["[model]\nglimpse = 7\n", "model.glimpse = 7\n"] {
        assert_eq!(Config::from_toml(text, "old").unwrap().model.glimpse_features, 7);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.toml");
        std::fs::write(&path, text).unwrap();
        let told = old_names(Base::File(&path), &[]);
        assert!(told.len() == 1 && told[0].contains("old.toml, line "), "{told:?}");
    }
    assert!(
        Config::from_toml("[model]\nglimpse = -7\n", "old").unwrap_err().to_string().contains("model.glimpse_features")
    );
}

#[test]
fn every_preset_is_valid_and_mnist_is_the_default() {
    for name in Config::presets() {
        Config::preset(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(Config::preset("mnist").unwrap(), Config::default());
    assert_eq!(Config::from_toml("", "empty").unwrap(), Config::default());
}

#[test]
fn the_mnist_preset_spells_out_every_key() {
    let text: Table = toml::from_str(built_in::PRESETS[1].1).unwrap();
    assert_eq!(leaves(&text), leaves(&table_of(&Config::default())));
}

#[test]
fn a_value_out_of_range_is_told_with_the_line_that_gave_it() {
    let text = "[train]\nbatch = 64\nepochs = 0\n[policy]\nstd = 0\n";
    assert_eq!(
        text_message(text).lines().collect::<Vec<_>>(),
        [
            "ram.toml, line 5: policy.std is 0, but must be from 1e-6 to 10",
            "ram.toml, line 3: train.epochs is 0, but must be from 1 to 1000000",
        ]
    );
    // Of two settings, the one that counts; and none where the default is at fault.
    let told = message("mnist", &["train.batch=64", "train.batch=0"]);
    assert!(told.starts_with("--set train.batch=0: train.batch is 0, but must be"), "{told}");
    let told = text_message("[data]\ncanvas = \"translated\"\nsize = 27\n");
    assert!(told.starts_with("ram.toml, line 3: data.size is 27"), "{told}");
    let told = text_message("[data]\ncanvas = \"moving\"\n");
    assert!(told.starts_with("data.size is 28, but must be above 28"), "{told}");
}

#[test]
fn an_unknown_preset_lists_those_that_exist() {
    let text = message("mnits", &[]);
    assert!(text.contains("`mnits`; did you mean `mnist`?") && text.contains("demo, mnist"), "{text}");
}

#[test]
fn set_takes_toml_values_and_bare_words() {
    let sets = ["train.epochs=3", "policy.std = 0.25", "data.source=digits", "data.test=\"x\""].map(String::from);
    let config = Config::load(Base::Preset("mnist"), &sets[..3]).unwrap();
    assert_eq!((config.train.epochs, config.policy.std, config.data.source), (3, 0.25, Source::Digits));
    assert!(message("mnist", &[&sets[3]]).contains("`data.test` is \"x\", but must be a whole number"));
    // A whole number is a fine float, and the last of two settings wins.
    let sets = ["policy.std=2", "policy.std=1"].map(String::from);
    assert_eq!(Config::load(Base::Preset("mnist"), &sets).unwrap().policy.std, 1.0);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    for (set, near) in [
        ("train.epoch=3", "train.epochs"),
        ("epochs=3", "train.epochs"),
        ("model.std=1", "policy.std"),
        ("optimizer.kind=adam", "optimiser.kind"),
        ("seeds=1", "seed"),
    ] {
        let text = message("mnist", &[set]);
        assert!(text.contains(&format!("--set {set}: unknown key")), "{text}");
        assert!(text.contains(&format!("did you mean `{near}`?")), "{text}");
    }
    assert!(message("mnist", &["train.wibble=3"]).contains("keys of that section are batch, epochs, patience"));
    assert!(message("mnist", &["wibble=3"]).contains("the sections data, loss, model"));
}

#[test]
fn a_file_error_names_file_and_line() {
    assert!(text_message("seed = 1\n[train]\nepoch = 3\n").starts_with("ram.toml, line 3: unknown key `train.epoch`"));
    assert!(text_message("[trian]\n").starts_with("ram.toml, line 1: unknown key `trian`"));
    assert!(text_message("[train]\n\nepochs = = 3").starts_with("ram.toml, line 3: not TOML"));
    assert!(text_message("train = 3").contains("`train` is a section, not a key; its keys are train.batch"));
    assert!(text_message("[data.size]\nx = 1").contains("`data.size` is { x = 1 }, but must be a whole number"));
    assert!(text_message("[[train]]\nepochs = 1").contains("`train` is a section"));
}

#[test]
fn a_wrong_name_lists_the_right_ones() {
    let text = message("mnist", &["optimiser.kind=adm"]);
    assert!(text.contains("`optimiser.kind` is \"adm\", but must be one of adam, sgd, nesterov"), "{text}");
    assert!(text.ends_with("did you mean `adam`?"), "{text}");
    let text = message("mnist", &["policy.first=center"]);
    assert!(text.contains("one of random, inside, centre, learned; did you mean `centre`?"), "{text}");
    assert!(message("mnist", &["policy.first=3"]).contains("must be a name in quotes, such as \"random\""));
}

#[test]
fn values_of_the_wrong_kind_are_explained() {
    assert!(message("mnist", &["train.epochs=-3"]).contains("is -3, but must be a whole number, 0 or more"));
    assert!(message("mnist", &["train.epochs=3.5"]).contains("is 3.5, but must be a whole number"));
    assert!(message("mnist", &["policy.std=big"]).contains("is \"big\", but must be a number"));
    assert!(message("mnist", &["loss.location_into_core=1"]).contains("must be true or false"));
    assert!(message("mnist", &["train.epochs"]).contains("expected key=value"));
    assert!(message("mnist", &["data={size=28}"]).contains("is a section"));
}

#[test]
fn differences_name_the_key_and_both_values() {
    let other = Config { train: Train { epochs: 3, ..Train::default() }, ..Config::default() };
    assert_eq!(Config::default().differences(&other), ["train.epochs: 60, 3"]);
}

#[test]
fn a_missing_file_is_named() {
    let text = Config::load(Base::File(Path::new("no/such.toml")), &[]).unwrap_err().to_string();
    assert!(text.contains("no/such.toml") && text.contains("--preset"), "{text}");
}

fn configs() -> impl Strategy<Value = Config> {
    let sizes = (1usize..500, 1usize..9, 1usize..20, 1usize..600, 1usize..600, 1usize..600);
    let numbers = (1e-6..10.0f64, 0.0..10.0f64, 0.0..1e6f64, 1e-9..100.0f64, 0.0..1.0f64, 1e-12..1.0f64);
    let kinds = (0usize..4, 0usize..3, 0usize..5, 0usize..5, any::<bool>());
    let counts = (0u64..=i64::MAX as u64, 0usize..50_000, 1usize..1000, 1usize..1000);
    (sizes, numbers, kinds, counts).prop_map(|(sizes, numbers, kinds, counts)| {
        let mut c = Config::default();
        (c.model.patch, c.model.scales, c.model.glimpses) = (2 * sizes.0, sizes.1, sizes.2);
        (c.model.features, c.model.glimpse_features, c.model.hidden) = (sizes.3, sizes.4, sizes.5);
        c.policy.grid = [0, 2, 5, 16][kinds.0];
        c.model.core = if kinds.4 { CoreKind::Lstm } else { CoreKind::Rect };
        c.model.kind = [ModelKind::Ram, ModelKind::Fc, ModelKind::Conv, ModelKind::Cnn][kinds.0];
        (c.policy.std, c.policy.init_std, c.loss.location_weight) = (numbers.0, numbers.1, numbers.2);
        (c.optimiser.learning_rate, c.optimiser.beta1, c.optimiser.epsilon) = (numbers.3, numbers.4, numbers.5);
        c.policy.locations = Locations::ALL[kinds.0];
        c.policy.mean = [Mean::Linear, Mean::Clamp, Mean::Inside, Mean::Tanh][kinds.0];
        c.model.core_init =
            [CoreInit::Identity, CoreInit::FanIn, CoreInit::He, CoreInit::Xavier, CoreInit::Orthogonal][kinds.2];
        c.schedule.kind = [
            ScheduleKind::Constant,
            ScheduleKind::Linear,
            ScheduleKind::Step,
            ScheduleKind::Exponential,
            ScheduleKind::Cosine,
        ][kinds.3];
        c.loss.location_into_core = kinds.4;
        (c.seed, c.data.train, c.train.epochs, c.train.batch) = counts;
        c
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(config in configs()) {
        prop_assert_eq!(Config::from_toml(&config.to_toml(), "written").unwrap(), config);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\[?[a-z.]{0,12}\\]? ?=? ?[-0-9a-z\"'\\[\\]{}.]{0,8}\n?){0,4}", set in ".{0,20}") {
        _ = Config::from_toml(&text, "drawn");
        _ = Config::load(Base::Preset("demo"), &[set]);
    }
}
