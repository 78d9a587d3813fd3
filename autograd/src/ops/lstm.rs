//! The LSTM cell (Hochreiter and Schmidhuber, 1997), with forget gates (Gers et al., 2000).

use crate::kernels::map::add_to;
use crate::kernels::math;
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::nn::Lstm;
use crate::op::{Backward, Forward, Op, Setup};
use crate::ops::linear::{Activation, linear_sum};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// From z [rows, 4·n], the gates before their activation, and c [rows, n] to y [2, rows, n], which is h′ followed by
/// c′.
///
/// ```text
/// i = σ(z₀)   f = σ(z₁)   g = tanh(z₂)   o = σ(z₃)
/// c′ = f·c + i·g          h′ = o·tanh(c′)
/// ```
///
/// Backward computes the gates again, which is cheaper than saving them.
struct LstmCell;

impl<R: Real> Op<R> for LstmCell {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let (z, c) = (setup.shapes[0], setup.shapes[1]);
        match (z.axes(), c.axes()) {
            (&[rows, gates], &[c_rows, n]) if rows == c_rows && gates == 4 * n => Ok(Shape::new(&[2, rows, n])),
            _ => Err(format!("gates [rows, 4·n] and a cell's state [rows, n] are needed, not {z} and {c}")),
        }
    }

    /// Room for d_z and d_c.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        setup.shapes[0].len() + setup.shapes[1].len()
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (h, next) = y.split_at_mut(y.len() / 2);
        R::dispatch(ForwardKernel { z: cx.x(0), c: cx.x(1), n: cx.shape(1).columns(), h, next });
    }

    fn backward(&self, cx: &mut Backward<R>) {
        let (z, c, y, d_y) = (cx.x(0), cx.x(1), cx.y(), cx.d_y());
        let (d_h, d_next) = d_y.split_at(d_y.len() / 2);
        let (d_z, d_c) = std::mem::take(&mut cx.saved).split_at_mut(z.len());
        let n = cx.shape(1).columns();
        R::dispatch(BackwardKernel { z, c, next: &y[y.len() / 2..], d_h, d_next, n, d_z, d_c });
        for (i, d) in [&*d_z, &*d_c].into_iter().enumerate() {
            match cx.d_x_uncleared(i) {
                Some((d_x, true)) => d_x.copy_from_slice(d),
                Some((d_x, false)) => add_to(d, d_x),
                None => {}
            }
        }
    }
}

/// The four gates of `len` cells, at most sixteen, from cell `j` of a row on.
#[inline(always)]
fn gates<R: Real, S: Simd<R>>(s: S, z: &[R], n: usize, j: usize, len: usize) -> [S::V; 4] {
    let mut z4 = [s.splat(R::ZERO); 4];
    for (gate, z4) in z4.iter_mut().enumerate() {
        *z4 = s.load_part(&z[gate * n + j..][..len]);
    }
    [math::sigmoid(s, z4[0]), math::sigmoid(s, z4[1]), math::tanh(s, z4[2]), math::sigmoid(s, z4[3])]
}

struct ForwardKernel<'a, R> {
    z: &'a [R],
    c: &'a [R],
    n: usize,
    h: &'a mut [R],
    next: &'a mut [R],
}

impl<R: Real> Kernel<R> for ForwardKernel<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let ForwardKernel { z, c, n, h, next } = self;
        for row in 0..c.len() / n.max(1) {
            let z = &z[row * 4 * n..][..4 * n];
            for j in (0..n).step_by(LANES) {
                let len = LANES.min(n - j);
                let cells = row * n + j..row * n + j + len;
                let [i, f, g, o] = gates(s, z, n, j, len);
                // c′ = f·c + i·g
                let c = s.mul_add(f, s.load_part(&c[cells.clone()]), s.mul(i, g));
                s.store_part(c, &mut next[cells.clone()]);
                // h′ = o·tanh(c′)
                s.store_part(s.mul(o, math::tanh(s, c)), &mut h[cells]);
            }
        }
    }
}

struct BackwardKernel<'a, R> {
    z: &'a [R],
    c: &'a [R],
    next: &'a [R],
    d_h: &'a [R],
    d_next: &'a [R],
    n: usize,
    d_z: &'a mut [R],
    d_c: &'a mut [R],
}

impl<R: Real> Kernel<R> for BackwardKernel<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let BackwardKernel { z, c, next, d_h, d_next, n, d_z, d_c } = self;
        let one = s.splat(R::ONE);
        for row in 0..c.len() / n.max(1) {
            let (z, d_z) = (&z[row * 4 * n..][..4 * n], &mut d_z[row * 4 * n..][..4 * n]);
            for j in (0..n).step_by(LANES) {
                let len = LANES.min(n - j);
                let cells = row * n + j..row * n + j + len;
                let [i, f, g, o] = gates(s, z, n, j, len);
                let (c, d_h) = (s.load_part(&c[cells.clone()]), s.load_part(&d_h[cells.clone()]));
                // h′ = o·tanh(c′):   d_c′ += d_h′·o·(1 − tanh²(c′))
                let tanh = math::tanh(s, s.load_part(&next[cells.clone()]));
                let d_tanh = s.mul(d_h, o);
                let d_next = s.load_part(&d_next[cells.clone()]);
                let d_next = s.mul_add(d_tanh, s.sub(one, s.mul(tanh, tanh)), d_next);
                // c′ = f·c + i·g;   σ′ = σ·(1 − σ), tanh′ = 1 − tanh²
                let d_gates = [
                    s.mul(s.mul(d_next, g), s.mul(i, s.sub(one, i))),
                    s.mul(s.mul(d_next, c), s.mul(f, s.sub(one, f))),
                    s.mul(s.mul(d_next, i), s.sub(one, s.mul(g, g))),
                    s.mul(s.mul(d_h, tanh), s.mul(o, s.sub(one, o))),
                ];
                for gate in 0..4 {
                    s.store_part(d_gates[gate], &mut d_z[gate * n + j..][..len]);
                }
                // d_c = d_c′·f
                s.store_part(s.mul(d_next, f), &mut d_c[cells]);
            }
        }
    }
}

impl Lstm {
    /// One step, from x [rows, in], h [rows, n] and c [rows, n] to h′ and c′, each [rows, n].
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn step<'t, R: Real>(&self, x: Var<'t, R>, h: Var<'t, R>, c: Var<'t, R>) -> (Var<'t, R>, Var<'t, R>) {
        // z = x·W + h·U + b
        let z = linear_sum(&[(x, self.input), (h, self.hidden)], Activation::None);
        let y = z.recording().apply(LstmCell, &[z, c]);
        let half = |i| y.slice(i..i + 1).reshape(c.shape());
        (half(0), half(1))
    }
}
