//! Layers and the numbers that they start from.

use rand::{Rng, RngExt};

use crate::math::normal_pair;
use crate::params::{ParamId, Params};
use crate::real::Real;

/// The parameters of Linear(x) = x·W + b, W [in, out] and b `[out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    /// W [in, out]
    pub weight: ParamId,
    /// b `[out]`
    pub bias: ParamId,
}

impl Linear {
    /// Adds `NAME.weight`, initialised, and `NAME.bias`, zero, to the parameters.
    ///
    /// # Panics
    /// Where a name is taken.
    #[track_caller]
    pub fn new<R: Real>(
        params: &mut Params<R>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        init: Init,
        rng: &mut impl Rng,
    ) -> Linear {
        let weight = params.add(&format!("{name}.weight"), [inputs, outputs], |w| init.fill(w, [inputs, outputs], rng));
        let bias = params.add(&format!("{name}.bias"), [outputs], |_| {});
        Linear { weight, bias }
    }
}

/// What a weight matrix W [in, out] starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// 1 on the diagonal, 0 elsewhere (Le, Jaitly and Hinton, 2015, for recurrent rectifiers).
    Identity,
    /// Uniform on ±√(1/in).
    UniformFanIn,
    /// Normal with standard deviation √(1/in).
    NormalFanIn,
    /// Normal with this standard deviation.
    Normal(f64),
    /// Normal with standard deviation √(2/in), for rectifiers (He et al., 2015).
    He,
    /// Uniform on ±√(6/(in + out)) (Glorot and Bengio, 2010).
    Xavier,
    /// Orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).
    Orthogonal,
}

impl Init {
    /// Fills W. Equal on every machine: uniforms are exact, normals come from [`crate::math`].
    pub fn fill<R: Real>(self, w: &mut [R], [inputs, outputs]: [usize; 2], rng: &mut impl Rng) {
        let fan_in = inputs as f64;
        match self {
            Init::Zeros => w.fill(R::ZERO),
            Init::Identity => {
                for (i, w) in w.iter_mut().enumerate() {
                    *w = if i / outputs == i % outputs { R::ONE } else { R::ZERO };
                }
            }
            Init::UniformFanIn => uniform(w, (1.0 / fan_in).sqrt(), rng),
            Init::NormalFanIn => normal(w, (1.0 / fan_in).sqrt(), rng),
            Init::Normal(deviation) => normal(w, deviation, rng),
            Init::He => normal(w, (2.0 / fan_in).sqrt(), rng),
            Init::Xavier => uniform(w, (6.0 / (inputs + outputs) as f64).sqrt(), rng),
            Init::Orthogonal => orthogonal(w, [inputs, outputs], rng),
        }
    }
}

fn uniform<R: Real>(w: &mut [R], bound: f64, rng: &mut impl Rng) {
    for w in w {
        // 53 random bits as a number on [0, 1), exactly.
        let unit = (rng.random::<u64>() >> 11) as f64 / (1u64 << 53) as f64;
        *w = R::from_f64((2.0 * unit - 1.0) * bound);
    }
}

fn normal<R: Real>(w: &mut [R], deviation: f64, rng: &mut impl Rng) {
    for pair in w.chunks_mut(2) {
        for (w, z) in pair.iter_mut().zip(normal_pair(rng)) {
            *w = R::from_f64(z * deviation);
        }
    }
}

/// Gram–Schmidt, twice, on normal vectors.
fn orthogonal<R: Real>(w: &mut [R], [inputs, outputs]: [usize; 2], rng: &mut impl Rng) {
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let mut vectors = vec![0.0f64; count * len];
    normal(&mut vectors, 1.0, rng);
    for v in 0..count {
        let (done, rest) = vectors.split_at_mut(v * len);
        let vector = &mut rest[..len];
        for _ in 0..2 {
            for other in done.chunks_exact(len) {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
    }
    for i in 0..inputs {
        for o in 0..outputs {
            let (vector, element) = if inputs <= outputs { (i, o) } else { (o, i) };
            w[i * outputs + o] = R::from_f64(vectors[vector * len + element]);
        }
    }
}
