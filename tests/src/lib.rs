//! What the tests of this package share: golden values, differences, and running a test again in a process of its own.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;

use autograd::kernels::PATH_VARIABLE;
use autograd::nn::Init;
use autograd::{Grads, Params, Var, math};
use rand::Rng;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// A file of golden values, see `golden/README.md`.
pub struct Golden {
    tensors: BTreeMap<String, Tensor>,
    /// Sizes and settings.
    pub config: Value,
}

/// A tensor of a golden file, whatever its type in the file.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its values, by rows; f64 holds all of them exactly.
    pub values: Vec<f64>,
}

impl Golden {
    /// Reads `golden/NAME.safetensors`.
    pub fn read(name: &str) -> Golden {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let config = &header.metadata().as_ref().expect("metadata")["config"];
        let tensor = |(name, view): (String, safetensors::tensor::TensorView)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F64 => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
                Dtype::U8 => data.iter().map(|&byte| f64::from(byte)).collect(),
                other => panic!("{name} is of type {other:?}"),
            };
            (name, Tensor { shape: view.shape().to_vec(), values })
        };
        Golden {
            tensors: file.tensors().into_iter().map(tensor).collect(),
            config: serde_json::from_str(config).expect("JSON"),
        }
    }

    /// A tensor.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no golden tensor {name:?}"))
    }

    /// A tensor's values.
    #[track_caller]
    pub fn values(&self, name: &str) -> &[f64] {
        &self.tensor(name).values
    }

    /// A tensor of bytes.
    #[track_caller]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.values(name).iter().map(|&x| x as u8).collect()
    }

    /// A tensor of labels.
    #[track_caller]
    pub fn labels(&self, name: &str) -> Vec<u32> {
        self.values(name).iter().map(|&x| x as u32).collect()
    }

    /// A whole number of the configuration.
    #[track_caller]
    pub fn size(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap_or_else(|| panic!("{key} is {}", self.config[key])) as usize
    }

    /// A number of the configuration.
    #[track_caller]
    pub fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", self.config[key]))
    }
}

/// The largest |x|; 0 of none.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, x| x.abs().max(largest))
}

/// max |aᵢ − bᵢ| over `scale`; NaN counts as infinitely far.
#[track_caller]
pub fn difference(a: &[f64], b: &[f64], scale: f64) -> f64 {
    assert_eq!(a.len(), b.len(), "as many numbers");
    let far = a.iter().zip(b).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() });
    far.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max) / scale
}

/// The bits of each number; NaNs are one.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

/// Checks that two lists are equal, and says of a difference only where it is.
#[track_caller]
pub fn assert_same<T: PartialEq + Debug>(what: &str, a: &[T], b: &[T]) {
    assert_eq!(a.len(), b.len(), "{what}: as many");
    if let Some(i) = a.iter().zip(b).position(|(a, b)| a != b) {
        panic!("{what}: number {i} of {} is {:?} and {:?}", a.len(), a[i], b[i]);
    }
}

/// Draws every parameter anew from N(0, `std`²), so that none is 0.
pub fn redraw(params: &mut Params<f64>, std: f64, rng: &mut impl Rng) {
    for id in params.ids() {
        let axes = [params.shape(id).rows(), params.shape(id).columns()];
        params.change(id, |theta| Init::Normal(std).fill(theta, axes, rng));
    }
}

/// The names of the weight and the bias of each layer.
pub fn layers(names: &[&str]) -> BTreeSet<String> {
    names.iter().flat_map(|name| [format!("{name}.weight"), format!("{name}.bias")]).collect()
}

/// The gradient of a term, every number of it finite.
#[track_caller]
pub fn gradient(params: &Params<f64>, term: Var<f64>) -> Grads<f64> {
    let mut grads = params.zeros();
    term.backward(&mut grads);
    assert!(grads.as_slice().iter().all(|d| d.is_finite()));
    grads
}

/// The names of the parameters whose gradient is not 0.
#[track_caller]
pub fn reached(params: &Params<f64>, term: Var<f64>) -> BTreeSet<String> {
    let grads = gradient(params, term);
    let reached = params.ids().filter(|&id| grads.get(id).iter().any(|&d| d != 0.0));
    reached.map(|id| params.name(id).to_owned()).collect()
}

/// exp(xᵢ)/Σ exp(xⱼ)
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|&x| math::exp(x)).sum();
    x.iter().map(|&x| math::exp(x) / sum).collect()
}

/// For each outcome of a softmax over these logits the uniform number in the middle of its share of [0, 1). A small change
/// of the logits does not lead it to another outcome.
pub fn uniforms(logits: &[f64]) -> Vec<f64> {
    let mut begin = 0.0;
    let middle = |p: f64| {
        begin += p;
        begin - 0.5 * p
    };
    softmax(logits).into_iter().map(middle).collect()
}

/// Checks every number of some gradients against the derivative of `j`, by central differences, for the parameters that
/// `is_checked` names. Each of them must have a derivative that could show a fault.
#[track_caller]
pub fn assert_gradients(
    params: &Params<f64>,
    found: &[Grads<f64>],
    is_checked: impl Fn(&str) -> bool,
    j: impl Fn(&Params<f64>) -> f64,
) {
    const STEP: f64 = 1e-5;
    for id in params.ids().filter(|&id| is_checked(params.name(id))) {
        let moved = |i: usize, by: f64| {
            let mut params = params.clone();
            params.change(id, |theta| theta[i] += by);
            j(&params)
        };
        let slope = |i: usize| (moved(i, STEP) - moved(i, -STEP)) / (2.0 * STEP);
        let (name, expected): (_, Vec<f64>) = (params.name(id), (0..params.get(id).len()).map(slope).collect());
        assert!(largest(&expected) > 1e-4, "{name}: ∂J is {:e} at most and tells nothing", largest(&expected));
        for (which, found) in found.iter().enumerate() {
            let far = difference(found.get(id), &expected, 1.0);
            assert!(far < 1e-8, "{name}, gradient {which}: {:?}, but ∂J is {expected:?}", found.get(id));
        }
    }
}

/// What a test leaves out on this machine, told so that it is seen: the harness hides what `eprintln!` says.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Whether `RAM_REQUIRE_DATA=1`: then nothing may be skipped that continuous integration has.
pub fn nothing_may_be_skipped() -> bool {
    std::env::var("RAM_REQUIRE_DATA").is_ok_and(|value| value == "1")
}

/// The names of the kernels' paths on this machine. Those of its kind that it lacks are told as skipped; to lack AVX2
/// is a failure where nothing may be skipped.
pub fn kernel_paths() -> Vec<&'static str> {
    let paths: Vec<_> = autograd::kernels::KernelPath::all().into_iter().map(|path| path.name()).collect();
    let kind: &[&str] = if cfg!(target_arch = "x86_64") { &["avx2", "avx512"] } else { &[] };
    for missing in kind.iter().filter(|name| !paths.contains(name)) {
        assert!(
            *missing != "avx2" || !nothing_may_be_skipped(),
            "this processor lacks AVX2, which RAM_REQUIRE_DATA=1 asks for"
        );
        skipped(&format!("this processor has no path {missing}"));
    }
    paths
}

/// Runs an ignored test of this binary once more, in a process where the kernels' path is forced (it is chosen once a
/// process); returns what the test printed after `RESULT `.
///
/// # Panics
/// Where the test fails, with all that it printed.
#[track_caller]
pub fn on_path(path: &str, test: &str) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(PATH_VARIABLE, path);
    let output = command.output().expect("this binary runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} on {path}:\n{out}{err}");
    let result = out.lines().find_map(|line| line.split_once("RESULT ")).map(|(_, result)| result.to_owned());
    result.unwrap_or_else(|| panic!("{test} on {path} printed no result:\n{out}{err}"))
}

/// Hands every way that an episode can go to `add`, with its probability and what it earns: (p, reward) of each. `in_pairs`, to leave one
/// out, each way stands beside each other one, with the probability of both.
pub fn over_ways<W: Copy>(ways: &[W], rewards: &[(f64, f64)], in_pairs: bool, mut add: impl FnMut(&[W], f64, f64)) {
    for (&a, &(p, reward)) in ways.iter().zip(rewards) {
        if in_pairs {
            ways.iter().zip(rewards).for_each(|(&b, (q, _))| add(&[a, b], p * q, reward));
        } else {
            add(&[a], p, reward);
        }
    }
}
