//! What can be written in a study, and how errors are answered.

use proptest::prelude::*;

use super::*;
use crate::search::study::TEMPLATE;

fn read(text: &str) -> Result<Study, RamError> {
    Study::from_toml(text, "search.toml", Path::new(""))
}

#[track_caller]
fn fails(text: &str, parts: &[&str]) {
    let Err(RamError::Config(message)) = read(text) else { panic!("no configuration error: {text}") };
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn the_template_is_a_study_and_each_form_is_in_it() {
    let study = read(TEMPLATE).unwrap();
    assert_eq!((study.seed, study.trials, study.halving), (1, 40, None));
    assert_eq!(study.base.train.epochs, 10);
    let names: Vec<_> = study.space.dimensions().iter().map(|d| d.key.as_str()).collect();
    assert_eq!(
        names,
        ["loss.location_weight", "model.glimpses", "optimiser.learning_rate", "policy.mean", "policy.std"]
    );
    for name in Distribution::NAMES {
        assert!(TEMPLATE.contains(&format!("{{ {name} = [")), "{name}");
    }
    let halved = read(&TEMPLATE.replace("# halving", "halving")).unwrap();
    assert_eq!(halved.halving, Some(Halving { eta: 3, first: Some(2) }));
    assert_eq!(halved.rungs(), [2, 6, 10]);
}

#[test]
fn a_key_may_be_written_in_three_ways() {
    let std = "{ uniform = [0.05, 0.5] }";
    let quoted = read(&format!("[space]\n\"policy.std\" = {std}")).unwrap().space;
    let dotted = read(&format!("[space]\npolicy.std = {std}")).unwrap().space;
    let section = read(&format!("[space.policy]\nstd = {std}")).unwrap().space;
    for space in [dotted, section] {
        assert_eq!((&space.0[0].key, &space.0[0].distribution), (&quoted.0[0].key, &quoted.0[0].distribution));
    }
    assert_eq!(quoted.0[0].origin, "search.toml, line 2");
    fails(&format!("[space]\npolicy.std = {std}\n\"policy.std\" = {std}"), &["line 3", "two distributions"]);
    // The seed is a key like others: of several trainings with the same values.
    assert_eq!(read("[space]\nseed = { whole = [1, 9] }").unwrap().space.0[0].key, "seed");
}

#[test]
fn unknown_keys_are_answered_with_the_nearest() {
    fails("sed = 1", &["search.toml, line 1: unknown key `sed`; did you mean `seed`?"]);
    fails("[base]\nprest = \"demo\"", &["line 2: unknown key `prest`; did you mean `preset`?"]);
    fails("halving = { ete = 3 }", &["line 1: unknown key `ete`; did you mean `eta`?"]);
    let one = |key: &str| format!("[space]\n\n{key} = {{ uniform = [0.1, 0.2] }}");
    fails(&one("policy.sdt"), &["search.toml, line 3: unknown key `policy.sdt`; did you mean `policy.std`?"]);
    fails(&one("optimizer.momentum"), &["line 3: unknown key", "did you mean `optimiser.momentum`?"]);
    fails(&one("momentum"), &["line 3: unknown key `momentum`; did you mean `optimiser.momentum`?"]);
    fails(&one("policy"), &["line 3: ", "`policy"]);
    fails("[base]\nset = [\"train.epoch=3\"]\n", &["search.toml, line 1: --set train.epoch=3: unknown key"]);
    fails("[base]\npreset = \"mnits\"", &["line 2: no preset is called `mnits`; did you mean `mnist`?"]);
    fails("[base]\nexperiment = \"catsh\"", &["line 2: no experiment", "did you mean `catch`?"]);
    fails("[base]\nconfig = \"no.toml\"", &["line 2: cannot read the configuration no.toml"]);
}

#[test]
fn empty_ranges_and_wrong_kinds_name_key_and_line() {
    let one = |text: &str| format!("[space]\n{text}");
    for (text, parts) in [
        ("policy.std = { uniform = [0.5, 0.1] }", ["policy.std", "uniform = [0.5, 0.1] is empty"]),
        ("policy.std = { uniform = [0.5, 0.5] }", ["policy.std", "empty"]),
        ("policy.std = { uniform = [0.1, nan] }", ["policy.std", "finite"]),
        ("policy.std = { uniform = [0.1] }", ["policy.std", "two numbers, [low, high]"]),
        ("policy.std = { uniform = \"x\" }", ["policy.std", "two numbers"]),
        ("policy.std = { log-uniform = [0.0, 0.1] }", ["policy.std", "above 0"]),
        ("policy.std = { unifrom = [0.1, 0.2] }", ["unknown distribution `unifrom`", "did you mean `uniform`?"]),
        ("policy.std = { uniform = [0.1, 0.2], whole = [1, 2] }", ["policy.std", "but must be one"]),
        ("policy.std = 0.1", ["policy.std", "what is the same for all trials goes into base.set"]),
        ("policy.std = [0.1, 0.2]", ["policy.std", "a distribution: { log-uniform"]),
        ("policy.mean = { choice = [] }", ["policy.mean", "empty"]),
        ("policy.mean = { choice = \"tanh\" }", ["policy.mean", "a list of values"]),
        ("policy.mean = { choice = [\"tanh\", \"clmap\"] }", ["policy.mean", "did you mean `clamp`?"]),
        ("policy.mean = { whole = [1, 2] }", ["policy.mean", "must be a name in quotes"]),
        ("train.batch = { uniform = [16, 64] }", ["train.batch", "write { whole = [low, high] }"]),
        ("train.batch = { whole = [16.5, 64] }", ["train.batch", "two whole numbers"]),
        ("train.batch = { whole = [64, 16] }", ["train.batch", "empty"]),
        ("seed = { whole = [0, 9223372036854775807] }", ["seed", "too wide"]),
        ("train.batch = { whole = [-4, 16] }", ["train.batch", "a whole number, 0 or more"]),
        ("loss.location_into_core = { choice = [true, 0] }", ["loss.location_into_core", "true or false"]),
    ] {
        fails(&one(text), &["search.toml, line 2: ", parts[0], parts[1]]);
    }
    fails("trials = 0", &["line 1: `trials` is 0, but must be a whole number from 1"]);
    fails("seed = -1", &["line 1: `seed` is -1"]);
    fails("halving = { eta = 1 }", &["`eta` is 1, but must be a whole number from 2"]);
    fails("halving = 3", &["`halving` is 3, but must be { eta = 3 }"]);
    fails("[base]\npreset = 3", &["`preset` is 3, but must be a name in quotes"]);
    fails("[base]\npreset = \"demo\"\nexperiment = \"catch\"", &["`preset`", "`experiment`", "one of them"]);
    fails("[base]\nset = \"seed=3\"", &["`base.set` is", "a list such as"]);
    fails("seed = = 1", &["search.toml, line 1: not TOML"]);
    fails("", &["[space] is missing or empty"]);
    fails("[space]", &["[space] is missing or empty"]);
    fails("space = 3", &["`space` is 3"]);
}

/// What would fail in trial 30 is told before trial 1.
#[test]
fn values_that_are_no_configuration_are_told_with_their_line() {
    let one = |text: &str| format!("[space]\n{text}");
    fails(
        &one("policy.std = { uniform = [0.0, 0.5] }"),
        &["search.toml, line 2: policy.std is 0, but must be from 1e-6 to 10"],
    );
    fails(&one("policy.std = { uniform = [0.1, 50.0] }"), &["line 2: policy.std is 50, but must be"]);
    fails(&one("model.patch = { whole = [4, 12] }"), &["line 2: model.patch is 5, but must be an even number"]);
    // Each end is fine, but not every combination.
    let steps =
        "[base]\nset = [\"data.train=1280\", \"train.batch=128\"]\n[space]\ntrain.epochs = { whole = [1, 9] }\n";
    fails(&format!("{steps}schedule.warmup = {{ whole = [1, 20] }}"), &["line 5: ", "schedule.warmup is"]);
    read(&format!("{steps}schedule.warmup = {{ whole = [1, 9] }}")).unwrap();
    // Fine together, though not with the base.
    read("[space]\ndata.canvas = { choice = [\"cluttered\"] }\ndata.clutter = { whole = [1, 4] }\n").unwrap();
    fails(
        "halving = { eta = 2 }\n[space]\ntrain.epochs = { whole = [1, 9] }",
        &["search.toml, line 2: ", "train.epochs is drawn, but halving"],
    );
    fails(
        "[base]\nset = [\"policy.std=0.2\"]\n[space]\npolicy.std = { uniform = [0.1, 0.2] }",
        &["line 4: `policy.std` is drawn, but base.set fixes it"],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        text in "(\\[?(space|base|seed|halving|[a-z.]{0,8})\\]? ?=? ?[-0-9a-z\"'\\[\\]{}.=]{0,12}\n?){0,5}"
    ) {
        _ = read(&text);
    }

    #[test]
    fn no_space_makes_it_panic(
        key in "(policy\\.std|seed|train\\.batch|policy|policy\\.mean|model\\.hidden|[a-z.\"]{1,9})",
        name in "(uniform|log-uniform|whole|choice|[a-z]{0,4})",
        values in "(-?[0-9]{1,19}|-?[0-9]\\.[0-9]e-?[0-9]{1,3}|nan|inf|true|\"[a-z]{0,5}\"|\\[\\]|\\{\\}){1}(, ?(-?[0-9]{1,19}|-?inf|\"tanh\")){0,3}",
    ) {
        if let Ok(study) = read(&format!("trials = 20\n[space]\n{key} = {{ {name} = [{values}] }}\n")) {
            for trial in 1..=20 {
                let config = study.config(trial).unwrap();
                prop_assert!(config.validate().is_ok());
                prop_assert_eq!(Config::from_toml(&config.to_toml(), "drawn").unwrap(), config);
            }
        }
    }
}
