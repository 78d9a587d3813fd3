//! Which numbers are chosen for a model's weights, and what its file says of it.

use super::*;
use crate::evaluate::evaluator::evaluate;
use crate::evaluate::trace::tests::trained;
use crate::zoo::file::Pretrained;

/// A checkpoint after a short training, which lies about no validation error.
fn checkpoint() -> Checkpoint {
    let mut checkpoint = trained("demo", &[]);
    checkpoint.state.best_error = None;
    checkpoint
}

fn test_of(checkpoint: &Checkpoint) -> Tested {
    let found = evaluate(checkpoint, SplitName::Test, 1, None, Some(1)).unwrap();
    Tested { error: found.error, count: found.count }
}

/// The pretrained model of a checkpoint.
fn made(checkpoint: &Checkpoint, known: Option<Tested>) -> Made {
    make(checkpoint, "a", known, None, Some(1)).unwrap()
}

#[test]
fn weights_that_f16_holds_exactly_are_stored_as_f16() {
    let mut checkpoint = checkpoint();
    checkpoint.tensors = rounded(&checkpoint).unwrap().tensors;
    for known in [None, Some(test_of(&checkpoint))] {
        let made = made(&checkpoint, known);
        assert_eq!(made.number, Number::F16, "{}", made.reason);
        let model = Pretrained::decode(Path::new("a"), &made.bytes).unwrap();
        assert_eq!(model.checkpoint.weights_hash(), checkpoint.weights_hash());
        assert_eq!(model.facts.run_weights, checkpoint.weights_hash());
        let test = test_of(&model.checkpoint);
        assert_eq!((model.facts.test_error, model.facts.test_count), (test.error, test.count));
        let validation = evaluate(&model.checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
        assert_eq!(model.facts.validation_error, validation.error);
    }
}

#[test]
fn another_test_error_than_the_known_one_is_left_to_f32() {
    let checkpoint = checkpoint();
    // The known error is what the file says, without asking again.
    let made = made(&checkpoint, Some(Tested { error: 0.125, count: 8 }));
    assert_eq!(made.number, Number::F32, "{}", made.reason);
    assert_eq!((made.facts.test_error, made.facts.test_count), (0.125, 8));
    let model = Pretrained::decode(Path::new("a"), &made.bytes).unwrap();
    assert_eq!(model.checkpoint.weights_hash(), checkpoint.weights_hash());
}

#[test]
fn weights_beyond_f16_are_stored_as_f32() {
    let mut checkpoint = checkpoint();
    checkpoint.tensors.get_mut("params/baseline.bias").unwrap().data[0] = 1e6;
    let made = made(&checkpoint, None);
    assert!(made.number == Number::F32 && made.reason.contains("at most 65504"), "{}", made.reason);
    let test = test_of(&checkpoint);
    assert_eq!((made.facts.test_error, made.facts.test_count), (test.error, test.count));
}

/// Some 500 000 weights, which take 2 MB as f32. f16 is taken even where it changes answers, and its own errors are told.
#[test]
fn where_f32_is_too_large_f16_is_taken_with_its_own_errors() {
    let mut checkpoint = trained("demo", &["model.hidden=600"]);
    checkpoint.state.best_error = None;
    let found = made(&checkpoint, Some(Tested { error: 0.125, count: 8 }));
    assert_eq!(found.number, Number::F16);
    assert!(found.bytes.len() <= LARGEST && found.reason.contains("the run's own: 12.50 %"), "{}", found.reason);
    let model = Pretrained::decode(Path::new("a"), &found.bytes).unwrap();
    let test = test_of(&model.checkpoint);
    assert_eq!((found.facts.test_error, found.facts.test_count), (test.error, test.count));
    // With one weight that f16 cannot hold there is no way.
    checkpoint.tensors.get_mut("params/baseline.bias").unwrap().data[0] = 1e6;
    let error = make(&checkpoint, "a", None, None, Some(1)).unwrap_err();
    assert!(error.exit_code() == 4 && error.to_string().contains("f16 is not possible"), "{error}");
    let error = make(&trained("demo", &["model.hidden=1100"]), "a", None, None, Some(1)).unwrap_err().to_string();
    assert!(error.contains("more than the 1229 KiB"), "{error}");
}

#[test]
fn other_data_than_those_of_the_training_are_noticed() {
    let mut checkpoint = checkpoint();
    checkpoint.state.best_error = Some(0.001);
    let error = make(&checkpoint, "a", None, None, Some(1)).unwrap_err().to_string();
    assert!(error.contains("0.10 % after its training") && error.contains("the same data"), "{error}");
}

#[test]
fn a_run_has_the_name_of_its_experiment() {
    let row = |name: &str, set: &str| Experiment::find(name).unwrap().config(&[set.to_owned()]).unwrap();
    assert_eq!(experiment_of(&row("mnist-ram-6", "seed=3")), Some("mnist-ram-6"));
    assert_eq!(experiment_of(&row("catch", "seed=1")), Some("catch"));
    let longer = row("mnist-ram-6", "train.epochs=7");
    assert_eq!(experiment_of(&longer), None);
    let told = differences("mnist-ram-6", &longer).unwrap();
    assert!(told.len() == 1 && told[0].starts_with("train.epochs: ") && told[0].ends_with(", 7"), "{told:?}");
    assert_eq!(differences("own", &longer).unwrap(), Vec::<String>::new());
    let error = differences("mnist-ram-5", &longer).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("model.glimpses: 5, 6"), "{error}");
}

#[test]
fn a_test_result_is_of_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let with = |text: &str| {
        std::fs::write(folder.path().join("test.json"), text).unwrap();
        tested(folder.path(), "abc")
    };
    assert_eq!(tested(folder.path(), "abc").unwrap(), None);
    let expected = Some(Tested { error: 0.25, count: 60 });
    assert_eq!(with(r#"{"error": 0.25, "count": 60, "more": 1}"#).unwrap(), expected);
    assert_eq!(with(r#"{"error": 0.25, "count": 60, "weights": "abc"}"#).unwrap(), expected);
    for (text, part) in [
        (r#"{"error": 0.25, "count": 60, "weights": "def"}"#, "about the weights def"),
        (r#"{"error": 2.5, "count": 60}"#, "`error`, 0 to 1"),
        (r#"{"error": 0.25}"#, "`count`"),
        ("oops", "not JSON"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.exit_code() == 4 && error.to_string().contains(part), "{error}");
    }
}
