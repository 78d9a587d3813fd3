//! The paper's layer: Rect(Linear(u) + Linear(v)), as one operation with its parameters, sums and activation.

use crate::kernels::gemm::{self, Epilogue, Left, Right, Term};
use crate::kernels::map::{Elementwise, map};
use crate::kernels::simd::Lanes;
use crate::nn::Linear;
use crate::op::{Backward, Forward, Op, Setup};
use crate::ops::unary::{Relu, Sigmoid, Tanh, Unary};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// What follows a linear layer, elementwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// z
    None,
    /// max(z, 0)
    Relu,
    /// tanh z
    Tanh,
    /// 1/(1 + e⁻ᶻ)
    Sigmoid,
}

/// The most terms in one sum.
const MAX_TERMS: usize = 4;

/// y = φ(z), z = Σᵢ xᵢ·Wᵢ + Σᵢ bᵢ
struct LinearSum {
    terms: [Linear; MAX_TERMS],
    len: usize,
    activation: Activation,
}

impl LinearSum {
    fn terms(&self) -> &[Linear] {
        &self.terms[..self.len]
    }
}

impl<R: Real> Op<R> for LinearSum {
    fn name(&self) -> &'static str {
        match self.activation {
            Activation::None => "linear",
            Activation::Relu => "linear+relu",
            Activation::Tanh => "linear+tanh",
            Activation::Sigmoid => "linear+sigmoid",
        }
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let out = setup.params.shape(self.terms[0].weight).columns();
        let rows = setup.shapes[0].rows();
        for (x, term) in setup.shapes.iter().zip(self.terms()) {
            let (w, name) = (setup.params.shape(term.weight), setup.params.name(term.weight));
            if x.columns() != w.rows() {
                return Err(format!("x {x} has {} columns, but {name:?} {w} takes {}", x.columns(), w.rows()));
            }
            if w.columns() != out || x.rows() != rows {
                return Err(format!(
                    "the terms of one sum have one shape, but {name:?} gives [{}, {}], not [{rows}, {out}]",
                    x.rows(),
                    w.columns()
                ));
            }
        }
        Ok(setup.shapes[0].with_columns(out))
    }

    /// Room for d_z, where it is not d_y itself.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        match self.activation {
            Activation::None => 0,
            _ => setup.shapes[0].rows() * setup.params.shape(self.terms[0].weight).columns(),
        }
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (rows, out) = (cx.shape(0).rows(), cx.params.shape(self.terms[0].weight).columns());
        // z = x₀·W₀ + x₁·W₁ + … + b₀ + b₁ + …: one chain an element. A product with zeros, such as h₀·W, adds nothing to it.
        let mut terms = [Term::EMPTY; MAX_TERMS];
        let mut products = 0;
        for (i, term) in self.terms().iter().enumerate().filter(|&(i, _)| !cx.is_zero(i)) {
            let k = cx.shape(i).columns();
            let (a, b) = (Left::Rows { data: cx.x(i), stride: k }, Right::Packed(cx.params.packed(term.weight)));
            terms[products] = Term { a, b, k };
            products += 1;
        }
        let mut biases = [&[][..]; MAX_TERMS];
        for (bias, term) in biases.iter_mut().zip(self.terms()) {
            *bias = cx.params.get(term.bias);
        }
        // y = φ(z): Rect while z is still in registers.
        let epilogue = Epilogue { biases: &biases[..self.len], relu: self.activation == Activation::Relu };
        gemm::sum(&terms[..products], y, [rows, out], false, epilogue);
        match self.activation {
            Activation::None | Activation::Relu => {}
            Activation::Tanh => map(InPlace(Tanh), [], y),
            Activation::Sigmoid => map(InPlace(Sigmoid), [], y),
        }
    }

    fn backward(&self, cx: &mut Backward<R>) {
        let shape = cx.y_shape();
        let [rows, out] = [shape.rows(), shape.columns()];
        let (y, d_y) = (cx.y(), cx.d_y());
        // d_z = d_y·φ′(z)
        let saved = std::mem::take(&mut cx.saved);
        match self.activation {
            Activation::None => {}
            Activation::Relu => map(SlopeTimes(Relu), [y, d_y], saved),
            Activation::Tanh => map(SlopeTimes(Tanh), [y, d_y], saved),
            Activation::Sigmoid => map(SlopeTimes(Sigmoid), [y, d_y], saved),
        }
        let from_saved = self.activation != Activation::None;
        let d_z = if from_saved { &*saved } else { d_y };
        for (i, term) in self.terms().iter().enumerate() {
            // forward: z = xᵢ·Wᵢ + …;   d_xᵢ += d_z·Wᵢᵀ;   d_Wᵢ += xᵢᵀ·d_z;   d_bᵢ += Σ_rows d_z
            let (inner, w_t) = (cx.shape(i).columns(), cx.params.packed_transposed(term.weight));
            if let Some((d_x, first)) = cx.d_x_or_first(i) {
                let d_z = Left::Rows { data: d_z, stride: out };
                gemm::gemm(d_z, Right::Packed(w_t), d_x, [rows, inner, out], !first);
            }
            if !cx.is_zero(i) {
                cx.weight_gradient(term.weight, i, from_saved);
            }
            cx.bias_gradient(term.bias, from_saved);
        }
    }
}

/// y ← φ(y)
#[derive(Clone, Copy)]
struct InPlace<U>(U);

impl<R: Real, U: Unary<R>> Elementwise<R, 0> for InPlace<U> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, _: [L::V; 0]) -> L::V {
        self.0.f(l, y)
    }
}

/// d_z = d_y·φ′(z), for a φ whose slope follows from y alone.
#[derive(Clone, Copy)]
struct SlopeTimes<U>(U);

impl<R: Real, U: Unary<R>> Elementwise<R, 2> for SlopeTimes<U> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [y, d_y]: [L::V; 2]) -> L::V {
        l.mul(d_y, self.0.slope(l, y, y))
    }
}

/// φ(Σᵢ xᵢ·Wᵢ + bᵢ): the form of the paper's glimpse network, Rect(Linear(h_g) + Linear(h_l)), and of its core,
/// Rect(Linear(hₜ₋₁) + Linear(gₜ)). xᵢ is [rows, inᵢ], the result [rows, out].
///
/// # Panics
/// Where the shapes do not fit, or for no term or more than four.
#[track_caller]
pub fn linear_sum<'t, R: Real>(terms: &[(Var<'t, R>, Linear)], activation: Activation) -> Var<'t, R> {
    assert!((1..=MAX_TERMS).contains(&terms.len()), "linear_sum: from 1 to {MAX_TERMS} terms, not {}", terms.len());
    let (mut inputs, mut layers) = ([terms[0].0; MAX_TERMS], [terms[0].1; MAX_TERMS]);
    for (i, &(x, layer)) in terms.iter().enumerate() {
        (inputs[i], layers[i]) = (x, layer);
    }
    let op = LinearSum { terms: layers, len: terms.len(), activation };
    terms[0].0.recording().apply(op, &inputs[..terms.len()])
}

impl<'t, R: Real> Var<'t, R> {
    /// Linear(x) = x·W + b: [.., in] → [.., out]. Sec. 4, "Glimpse network".
    ///
    /// # Panics
    /// Where the last axis is not the layer's `in`.
    #[track_caller]
    pub fn linear(self, layer: Linear) -> Var<'t, R> {
        linear_sum(&[(self, layer)], Activation::None)
    }

    /// φ(x·W + b)
    ///
    /// # Panics
    /// Where the last axis is not the layer's `in`.
    #[track_caller]
    pub fn linear_then(self, layer: Linear, activation: Activation) -> Var<'t, R> {
        linear_sum(&[(self, layer)], activation)
    }
}
