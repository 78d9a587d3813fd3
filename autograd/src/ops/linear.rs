//! Linear layers and sums of them, such as Rect(Linear(u) + Linear(v)), as one operation: products, biases and
//! activation.

use arrayvec::ArrayVec;

use crate::kernels::gemm::{self, Epilogue, Left, Right, Term};
use crate::kernels::map::{Elementwise, map};
use crate::kernels::simd::Lanes;
use crate::nn::Linear;
use crate::op::{Backward, Forward, Op, Setup};
use crate::ops::unary::{Relu, Sigmoid, Tanh, Unary};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// The function φ that follows a linear layer, elementwise.
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

/// The largest number of layers in one sum.
const MAX_TERMS: usize = 4;

/// y = φ(z), z = Σᵢ xᵢ·Wᵢ + Σᵢ bᵢ
struct LinearSum {
    layers: ArrayVec<Linear, MAX_TERMS>,
    activation: Activation,
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
        let out = setup.params.shape(self.layers[0].weight).columns();
        let rows = setup.shapes[0].rows();
        for (x, layer) in setup.shapes.iter().zip(&self.layers) {
            let (w, name) = (setup.params.shape(layer.weight), setup.params.name(layer.weight));
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

    /// Room for d_z, unless it is d_y itself.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        match self.activation {
            Activation::None => 0,
            _ => setup.shapes[0].rows() * setup.params.shape(self.layers[0].weight).columns(),
        }
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (rows, out) = (cx.shape(0).rows(), cx.params.shape(self.layers[0].weight).columns());
        // z = x₀·W₀ + x₁·W₁ + … + b₀ + b₁ + …, one chain for each element. Products with zeros add nothing and are left
        // out.
        let nonzero = self.layers.iter().enumerate().filter(|&(i, _)| !cx.is_zero(i));
        let products: ArrayVec<_, MAX_TERMS> = nonzero
            .map(|(i, layer)| {
                let (x, w, k) = (cx.x(i), cx.params.packed(layer.weight), cx.shape(i).columns());
                Term { a: Left::Rows { data: x, stride: k }, b: Right::Packed(w), k }
            })
            .collect();
        let biases: ArrayVec<_, MAX_TERMS> = self.layers.iter().map(|layer| cx.params.get(layer.bias)).collect();
        // y = φ(z); Rect is computed while z is still in registers.
        let epilogue = Epilogue { biases: &biases, relu: self.activation == Activation::Relu };
        gemm::sum(&products, y, [rows, out], false, epilogue);
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
        for (i, layer) in self.layers.iter().enumerate() {
            // forward: z = xᵢ·Wᵢ + …;   d_xᵢ += d_z·Wᵢᵀ;   d_Wᵢ += xᵢᵀ·d_z;   d_bᵢ += Σ_rows d_z
            let (inner, w_t) = (cx.shape(i).columns(), cx.params.packed_transposed(layer.weight));
            if let Some((d_x, first)) = cx.d_x_uncleared(i) {
                let d_z = Left::Rows { data: d_z, stride: out };
                gemm::gemm(d_z, Right::Packed(w_t), d_x, [rows, inner, out], !first);
            }
            if !cx.is_zero(i) {
                cx.weight_gradient(layer.weight, i, from_saved);
            }
            cx.bias_gradient(layer.bias, from_saved);
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

/// d_z = d_y·φ′(z), for a φ whose slope can be computed from y alone.
#[derive(Clone, Copy)]
struct SlopeTimes<U>(U);

impl<R: Real, U: Unary<R>> Elementwise<R, 2> for SlopeTimes<U> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [y, d_y]: [L::V; 2]) -> L::V {
        l.mul(d_y, self.0.slope(l, y, y))
    }
}

/// φ(Σᵢ xᵢ·Wᵢ + bᵢ), for example one step of a recurrent network, Rect(Linear(hₜ₋₁) + Linear(xₜ)). Here xᵢ is
/// [rows, inᵢ] and the result is [rows, out].
///
/// # Panics
/// If the shapes do not fit, or if there is no term or more than four.
#[track_caller]
pub fn linear_sum<'t, R: Real>(terms: &[(Var<'t, R>, Linear)], activation: Activation) -> Var<'t, R> {
    assert!((1..=MAX_TERMS).contains(&terms.len()), "linear_sum: from 1 to {MAX_TERMS} terms, not {}", terms.len());
    let (inputs, layers): (ArrayVec<_, MAX_TERMS>, ArrayVec<_, MAX_TERMS>) = terms.iter().copied().unzip();
    terms[0].0.recording().apply(LinearSum { layers, activation }, &inputs)
}

impl<'t, R: Real> Var<'t, R> {
    /// Linear(x) = x·W + b: [.., in] → [.., out].
    ///
    /// # Panics
    /// If the length of the last axis is not the layer's `in`.
    #[track_caller]
    pub fn linear(self, layer: Linear) -> Var<'t, R> {
        linear_sum(&[(self, layer)], Activation::None)
    }

    /// φ(x·W + b): [.., in] → [.., out].
    ///
    /// # Panics
    /// If the length of the last axis is not the layer's `in`.
    #[track_caller]
    pub fn linear_then(self, layer: Linear, activation: Activation) -> Var<'t, R> {
        linear_sum(&[(self, layer)], activation)
    }
}
