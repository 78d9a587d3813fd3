//! Layers and their initial parameters.

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
    /// Adds `NAME.weight`, which `init` fills, and `NAME.bias`, which is 0, to the parameters.
    ///
    /// # Panics
    /// If there is a parameter of one of these names already.
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

/// The parameters of an LSTM cell of n units. The inputs of the gates are z = x·W + h·U + b, [rows, 4·n], in the order
/// input, forget, cell, output, as in PyTorch. [`Lstm::step`] computes one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lstm {
    /// W [in, 4·n]
    pub input: Linear,
    /// U [n, 4·n]
    pub hidden: Linear,
}

impl Lstm {
    /// Adds the layers `NAME.input` and `NAME.hidden` to the parameters. Weights are uniform on ±√(1/fan-in). The bias
    /// of the forget gate starts at 1, so that cells keep their state at first (Jozefowicz, Zaremba and Sutskever,
    /// 2015).
    ///
    /// # Panics
    /// If there is a parameter of one of these names already.
    #[track_caller]
    pub fn new<R: Real>(params: &mut Params<R>, name: &str, [inputs, n]: [usize; 2], rng: &mut impl Rng) -> Lstm {
        let hidden = format!("{name}.hidden");
        let input = Linear::new(params, &format!("{name}.input"), [inputs, 4 * n], Init::UniformFanIn, rng);
        let hidden = Linear::new(params, &hidden, [n, 4 * n], Init::UniformFanIn, rng);
        params.change(input.bias, |b| b[n..2 * n].fill(R::ONE));
        Lstm { input, hidden }
    }
}

/// The parameters of a convolution with windows of `size` × `size` pixels that lie `stride` pixels apart, on an image with
/// `padding` pixels of 0 around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// W [channels·size², filters], whose rows are ordered by channel, then row, then column of a window; and b
    /// `[filters]`.
    pub linear: Linear,
    /// The edge of a window in pixels.
    pub size: usize,
    /// The distance from one window to the next in pixels.
    pub stride: usize,
    /// The width of the border of zeros around the image in pixels; a new layer has none.
    pub padding: usize,
}

impl Conv2d {
    /// Adds `NAME.weight`, which `init` fills, and `NAME.bias`, which is 0, to the parameters.
    ///
    /// # Panics
    /// If there is a parameter of one of these names already, or if size or stride is 0.
    #[track_caller]
    pub fn new<R: Real>(
        params: &mut Params<R>,
        name: &str,
        [channels, filters]: [usize; 2],
        [size, stride]: [usize; 2],
        init: Init,
        rng: &mut impl Rng,
    ) -> Conv2d {
        assert!(size > 0 && stride > 0, "conv2d {name:?}: size {size} and stride {stride} must be above 0");
        let linear = Linear::new(params, name, [channels * size * size, filters], init, rng);
        Conv2d { linear, size, stride, padding: 0 }
    }

    /// The same layer with so many pixels of padding.
    pub fn padded(self, padding: usize) -> Conv2d {
        Conv2d { padding, ..self }
    }
}

/// The initial values of a weight matrix W [in, out].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All elements are 0.
    Zeros,
    /// 1 on the diagonal and 0 elsewhere, for recurrent rectifiers (Le, Jaitly and Hinton, 2015).
    Identity,
    /// Uniform on ±√(1/in).
    UniformFanIn,
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
    /// Fills W with the same numbers on every machine: uniforms are exact, and normals come from [`math`](crate::math).
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

/// Orthonormalises normal vectors by the method of Gram and Schmidt, applied twice for accuracy.
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

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    fn weights(init: Init, size: [usize; 2]) -> Vec<f64> {
        let mut w = vec![f64::NAN; size[0] * size[1]];
        init.fill(&mut w, size, &mut ChaCha8Rng::seed_from_u64(5));
        w
    }

    /// Each family has mean 0 and its variance, and uniform numbers stay within their bound.
    #[test]
    #[cfg_attr(miri, ignore = "slow: statistics need many draws")]
    fn families_have_their_variances() {
        let size = [300, 200];
        let uniform = |bound: f64| (bound * bound / 3.0, bound);
        let cases = [
            (Init::UniformFanIn, uniform((1.0f64 / 300.0).sqrt())),
            (Init::Normal(0.1), (0.01, f64::INFINITY)),
            (Init::He, (2.0 / 300.0, f64::INFINITY)),
            (Init::Xavier, uniform((6.0f64 / 500.0).sqrt())),
        ];
        for (init, (variance, bound)) in cases {
            let w = weights(init, size);
            let n = w.len() as f64;
            let mean = w.iter().sum::<f64>() / n;
            let found = w.iter().map(|w| w * w).sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{init:?}: mean {mean}");
            assert!((found / variance - 1.0).abs() < 0.03, "{init:?}: variance {found}, not {variance}");
            let largest = w.iter().fold(0.0f64, |most, w| most.max(w.abs()));
            assert!(
                largest <= bound && (bound.is_infinite() || largest > 0.99 * bound),
                "{init:?}: {largest} of {bound}"
            );
        }
    }

    #[test]
    fn orthogonal_is_orthonormal_either_way() {
        for size @ [rows, columns] in [[7, 4], [4, 7], [5, 5]] {
            let w = weights(Init::Orthogonal, size);
            let (count, at): (usize, &dyn Fn(usize, usize) -> f64) = if rows <= columns {
                (rows, &|i, k| w[i * columns + k])
            } else {
                (columns, &|i, k| w[k * columns + i])
            };
            for i in 0..count {
                for j in 0..count {
                    let dot: f64 = (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum();
                    assert!((dot - f64::from(i == j)).abs() < 1e-12, "{size:?}: {i}·{j} = {dot}");
                }
            }
        }
    }

    #[test]
    fn identity_and_zeros() {
        assert_eq!(weights(Init::Identity, [2, 3]), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(weights(Init::Identity, [3, 2]), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(weights(Init::Zeros, [1, 2]), [0.0; 2]);
    }

    /// The same first weights on every machine.
    #[test]
    fn values_are_stable() {
        let bits = |init| weights(init, [2, 1]).iter().map(|w| w.to_bits()).collect::<Vec<_>>();
        let recorded = [[13824654681078922695, 4599153603826134352], [13824044682926726520, 13833922989071459332]];
        assert_eq!([bits(Init::UniformFanIn), bits(Init::Normal(1.0))], recorded);
    }
}
