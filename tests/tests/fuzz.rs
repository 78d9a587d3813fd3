//! The kept inputs of the fuzzer, and damaged variants of them, go through every reader of bytes from outside.

use std::fs;
use std::path::Path;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, RngExt};

#[path = "../fuzz/targets.rs"]
#[allow(dead_code)]
mod targets;

/// How many damaged variants of each kept input are tried.
const VARIANTS: usize = 60;

#[test]
fn no_input_breaks_a_reader() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no inputs");
        target(&[]);
        let mut rng = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        for path in files {
            let bytes = fs::read(&path).unwrap();
            println!("{name}: {}", path.display());
            target(&bytes);
            for _ in 0..VARIANTS {
                target(&damaged(&bytes, rng.rng()));
            }
        }
    }
}

/// Bytes with a few of them changed, removed, repeated or cut off.
fn damaged(bytes: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len().max(1)).min(bytes.len());
        let end = (at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.random()),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            _ => bytes.push(rng.random()),
        }
    }
    bytes
}
