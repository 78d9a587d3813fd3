//! Pretrained models that are written, read and damaged.

use super::*;
use crate::config::Config;
use crate::runs::checkpoint;
use crate::runs::checkpoint::tests::{state, tensors};

/// Weights that f16 can hold: only the checkpoint of other tests has one that is too large.
fn checkpoint() -> Checkpoint {
    let mut all = tensors();
    all[0].data = &[1.0, -0.0, 3.5e-39, 65504.0, 0.1, -7.0];
    Checkpoint::decode(Path::new("best.safetensors"), &checkpoint::encode(&all, &state(2)).unwrap()).unwrap()
}

fn facts() -> Facts {
    Facts {
        name: "a".into(),
        seed: 7,
        config: Config::default().to_toml(),
        classes: vec!["0".into(), "one".into()],
        epoch: 2,
        run_weights: checkpoint().weights_hash(),
        validation_error: 0.1 + 0.2,
        test_error: 0.25,
        test_count: 60,
    }
}

fn read(bytes: &[u8]) -> Result<Pretrained, RamError> {
    Pretrained::decode(Path::new("a.safetensors"), bytes)
}

fn message(bytes: &[u8]) -> String {
    let error = read(bytes).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    error.to_string()
}

#[test]
fn what_is_written_is_read_back_as_a_checkpoint_without_moments() {
    for (number, tenth, hash) in [
        (Number::F32, 0.1, checkpoint().weights_hash()),
        (Number::F16, 0.099_975_586, rounded(&checkpoint()).unwrap().weights_hash()),
    ] {
        let bytes = encode(&checkpoint(), &facts(), number).unwrap();
        assert!(Pretrained::is(&bytes));
        let model = read(&bytes).unwrap();
        assert_eq!((&model.facts, model.number, model.size), (&facts(), number, bytes.len()));
        assert_eq!(model.checkpoint.tensors.keys().collect::<Vec<_>>(), ["params/core.bias", "params/core.weight"]);
        assert_eq!(model.checkpoint.tensor("params/core.weight", &[2, 3]).unwrap()[4], tenth);
        assert_eq!(model.checkpoint.weights_hash(), hash);
        assert_eq!(model.checkpoint.config().unwrap(), Config::default());
        assert_eq!((model.checkpoint.state.epoch, model.checkpoint.state.best_error), (2, Some(0.1 + 0.2)));
        assert_eq!(encode(&checkpoint(), &facts(), number).unwrap(), bytes, "the same bytes again");
        assert_eq!(encode(&model.checkpoint, &facts(), number).unwrap(), bytes, "and from what was read");
    }
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    for number in [Number::F16, Number::F32] {
        let bytes = encode(&checkpoint(), &facts(), number).unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(message(&bytes[..bytes.len() - 1]).contains("cut short"));
        assert!(message(&[&bytes[..], b"x"].concat()).contains("continued"));
        let hash = read(&bytes).unwrap().checkpoint.weights_hash();
        for i in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            // Spaces that pad the header, and its own order of keys, carry nothing.
            if let Ok(model) = read(&flipped) {
                assert_eq!((&model.facts, model.checkpoint.weights_hash()), (&facts(), hash.clone()), "byte {i}");
            }
        }
    }
}

#[test]
fn other_files_and_other_versions_are_named() {
    assert!(message(b"a text file that is long enough to have a header length").contains("not a safetensors file"));
    let checkpoint_file = checkpoint::encode(&tensors(), &state(2)).unwrap();
    let text = message(&checkpoint_file);
    assert!(text.contains("not a pretrained model") && text.contains("ram zoo add"), "{text}");
    assert!(!Pretrained::is(&checkpoint_file) && !Pretrained::is(b"text"));
    let bytes = encode(&checkpoint(), &facts(), Number::F16).unwrap();
    assert!(Checkpoint::decode(Path::new("x"), &bytes).unwrap_err().to_string().contains("not a checkpoint of ram"));
    let with_header = |header: &str| {
        let metadata = HashMap::from([(KEY.to_owned(), header.to_owned())]);
        safetensors::serialize(
            [("a", Packed { name: "a", shape: &[0], dtype: Dtype::F16, bytes: Cow::default() })]
                .iter()
                .map(|(n, t)| (*n, t)),
            Some(metadata),
        )
        .unwrap()
    };
    let newer = message(&with_header(r#"{"format":2}"#));
    assert!(newer.contains("format version 2") && newer.contains("reads version 1"), "{newer}");
    assert!(message(&with_header("{}")).contains("without a format version"));
    assert!(message(&with_header("oops")).contains("not JSON"));
    assert!(message(&with_header(r#"{"format":1}"#)).contains("SHA-256"));
}

#[test]
fn what_f16_cannot_hold_is_named() {
    let all = tensors();
    let bytes = checkpoint::encode(&all, &state(2)).unwrap();
    let checkpoint = Checkpoint::decode(Path::new("best.safetensors"), &bytes).unwrap();
    for error in [encode(&checkpoint, &facts(), Number::F16).unwrap_err(), rounded(&checkpoint).unwrap_err()] {
        assert!(error.to_string().contains("params/core.weight holds 340282350000000000000"), "{error}");
    }
    encode(&checkpoint, &facts(), Number::F32).unwrap();
}
