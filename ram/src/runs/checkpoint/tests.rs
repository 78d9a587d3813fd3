//! Checkpoints that are written, read, damaged, and of other models.

use proptest::prelude::*;

use super::*;

const WEIGHT: [f32; 6] = [1.0, -0.0, 3.5e-39, f32::MAX, 0.1, -7.0];

pub(crate) fn tensors() -> [Tensor<'static>; 3] {
    [
        Tensor { name: "params/core.weight", shape: &[2, 3], data: &WEIGHT },
        Tensor { name: "first/core.weight", shape: &[2, 3], data: &[0.5; 6] },
        Tensor { name: "params/core.bias", shape: &[1], data: &[0.25] },
    ]
}

pub(crate) fn state(epoch: usize) -> TrainState {
    TrainState {
        epoch,
        step: 3,
        optimiser_steps: 1 << 60,
        best_error: Some(0.1 + 0.2),
        config: Config::default().to_toml(),
        classes: vec!["0".into(), "one".into()],
        ..TrainState::default()
    }
}

fn read(bytes: &[u8]) -> Result<Checkpoint, RamError> {
    Checkpoint::decode(Path::new("last.safetensors"), bytes)
}

fn message(bytes: &[u8]) -> String {
    let error = read(bytes).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    error.to_string()
}

/// A safetensors file with this `ram` metadata.
pub(crate) fn with_header(header: &str) -> Vec<u8> {
    let metadata = HashMap::from([(KEY.to_owned(), header.to_owned())]);
    safetensors::serialize(tensors().iter().map(|t| (t.name, t)), Some(metadata)).unwrap()
}

#[test]
fn what_is_written_is_read_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    write(&path, &tensors(), &state(2)).unwrap();
    let checkpoint = Checkpoint::read(&path).unwrap();
    assert_eq!(checkpoint.state, state(2));
    assert_eq!(checkpoint.config().unwrap(), Config::default());
    let weight = checkpoint.tensor("params/core.weight", &[2, 3]).unwrap();
    assert_eq!(weight.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), WEIGHT.map(f32::to_bits));
}

#[test]
fn equal_content_is_equal_bytes_in_any_order() {
    let mut reversed = tensors();
    reversed.reverse();
    assert_eq!(encode(&tensors(), &state(2)).unwrap(), encode(&reversed, &state(2)).unwrap());
    assert_eq!(weights_hash(tensors()), weights_hash(reversed));
}

#[test]
fn the_weights_hash_covers_parameters_alone() {
    let hash = read(&encode(&tensors(), &state(2)).unwrap()).unwrap().weights_hash();
    assert_eq!(hash, weights_hash(tensors()));
    assert_eq!(hash, read(&encode(&tensors(), &state(3)).unwrap()).unwrap().weights_hash());
    let mut other = tensors();
    other[1].data = &[0.75; 6];
    assert_eq!(hash, weights_hash(other));
    other[2].data = &[0.75];
    assert_ne!(hash, weights_hash(other));
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    let bytes = encode(&tensors(), &state(2)).unwrap();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut at {length}");
    }
    assert!(message(&bytes[..bytes.len() - 1]).contains("cut short"));
    assert!(message(b"").contains("cut short"));
    assert!(message(&[&bytes[..], b"x"].concat()).contains("continued"));
    for i in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[i] ^= 1;
        // Spaces that pad the header, and its own order of keys, carry nothing.
        if let Ok(checkpoint) = read(&flipped) {
            assert_eq!((&checkpoint.state, checkpoint.weights_hash()), (&state(2), weights_hash(tensors())));
        }
    }
}

#[test]
fn other_files_and_other_versions_are_named() {
    assert!(message(b"a text file that is long enough to have a header length").contains("not a safetensors file"));
    let plain = safetensors::serialize(tensors().iter().map(|t| (t.name, t)), None).unwrap();
    assert!(message(&plain).contains("not a checkpoint of ram"));
    let newer = message(&with_header(r#"{"format":2}"#));
    assert!(newer.contains("format version 2") && newer.contains("reads version 1") && newer.contains("newer"));
    assert!(message(&with_header(r#"{"format":0}"#)).contains("older"));
    assert!(message(&with_header("{}")).contains("without a format version"));
    assert!(message(&with_header("oops")).contains("not JSON"));
    assert!(message(&with_header(r#"{"format":1}"#)).contains("SHA-256"));
}

#[test]
fn tensors_of_another_model_are_named() {
    let checkpoint = read(&encode(&tensors(), &state(2)).unwrap()).unwrap();
    let all = tensors().map(|t| (t.name, t.shape));
    checkpoint.expect(all).unwrap();
    let missing = checkpoint.tensor("params/action.weight", &[4, 4]).unwrap_err().to_string();
    assert!(missing.contains("params/action.weight [4, 4] is missing"), "{missing}");
    let shape = checkpoint.tensor("params/core.bias", &[2]).unwrap_err().to_string();
    assert!(shape.contains("is [1], expected [2]"), "{shape}");
    let extra = checkpoint.expect(all.into_iter().skip(1)).unwrap_err().to_string();
    assert!(extra.contains("params/core.weight [2, 3] belongs to no parameter"), "{extra}");
}

#[test]
fn what_is_not_finite_is_not_written() {
    let mut tensors = tensors();
    tensors[2].data = &[f32::NAN];
    let error = encode(&tensors, &state(2)).unwrap_err().to_string();
    assert!(error.contains("params/core.bias holds NaN"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,60}") {
        _ = read(&bytes);
        _ = read(&with_header(&header));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.bytes());
        file.extend(&bytes);
        _ = read(&file);
    }
}
