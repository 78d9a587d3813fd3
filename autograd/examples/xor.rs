//! A network with one hidden layer learns "either, but not both", and is saved and loaded:
//! `cargo run --release --example xor`.

use autograd::nn::{Init, Linear};
use autograd::ops::Activation::Tanh;
use autograd::optim::{Adam, Optimiser, clip};
use autograd::rand::{SeedableRng, rngs::ChaCha8Rng};
use autograd::{Params, Recording, StoreError, Tape, Var};

const INPUTS: [f32; 8] = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
const EITHER: [f32; 4] = [0.0, 1.0, 1.0, 0.0];

/// The layers of the network: two inputs, eight hidden units, one output.
struct Network {
    hidden: Linear,
    output: Linear,
}

impl Network {
    fn new(params: &mut Params<f32>, seed: u64) -> Network {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hidden = Linear::new(params, "hidden", [2, 8], Init::Xavier, &mut rng);
        Network { hidden, output: Linear::new(params, "output", [8, 1], Init::Xavier, &mut rng) }
    }

    /// The probability of "yes" for each row of inputs: [4, 2] → `[4]`.
    fn answer<'t>(&self, t: &'t Recording<'t, f32>) -> Var<'t, f32> {
        let x = t.constant([4, 2], &INPUTS);
        x.linear_then(self.hidden, Tanh).linear(self.output).sigmoid().reshape([4])
    }
}

/// Trains for so many steps. Returns the last loss, and the answers of another network that was loaded with the parameters.
pub fn train(steps: usize) -> Result<(f32, Vec<f32>), StoreError> {
    let mut params = Params::new();
    let network = Network::new(&mut params, 1);
    let (mut grads, mut adam, mut tape) = (params.zeros(), Adam::new(&params), Tape::new());
    let mut last = f32::INFINITY;
    for _ in 0..steps {
        let t = tape.begin(&params);
        let (p, y) = (network.answer(&t), t.constant([4], &EITHER));
        // −y·ln p − (1 − y)·ln(1 − p)
        let loss = -(y * p.ln() + (1.0 - y) * (1.0 - p).ln()).mean();
        last = loss.item();
        grads.clear();
        loss.backward(&mut grads);
        drop(t);
        clip(&mut grads, 1.0);
        adam.step(&mut params, &grads, 0.05);
    }

    let mut loaded = Params::new();
    let network = Network::new(&mut loaded, 2);
    loaded.load_bytes(&params.to_bytes())?;
    let answers = network.answer(&tape.begin(&loaded)).to_vec();
    Ok((last, answers))
}

/// Trains, and prints what the network answers.
pub fn main() -> Result<(), StoreError> {
    let (loss, answers) = train(300)?;
    println!("loss {loss:.4}");
    for (x, answer) in INPUTS.chunks(2).zip(answers) {
        println!("{x:?}: {answer:.3}");
    }
    Ok(())
}
