//! Products whose k is so short that beginning and ending a tile would cost more than the tile itself. These run row
//! by row, without tiles.

use super::terms::{Epilogue, Left, PANEL_WIDTH, Right, Term};
use crate::kernels::math;
use crate::kernels::simd::Simd;
use crate::number::Number;

/// C = φ(A·B + bias), where A is [m, k] by rows and B packed.
struct Shallow<'a, R> {
    a: &'a [R],
    stride: usize,
    b: &'a [R],
    c: &'a mut [R],
    n: usize,
    epilogue: Epilogue<'a, R>,
}

/// Computes the sum if it is a single shallow product, and returns whether it did. c is [m, n] and will be overwritten.
#[inline(always)]
pub(super) fn run_shallow<R: Number, S: Simd<R>>(
    s: S,
    terms: &[Term<R>],
    c: &mut [R],
    n: usize,
    epilogue: Epilogue<R>,
) -> bool {
    let &[Term { a: Left::Rows { data: a, stride }, b: Right::Packed(b), k }] = terms else { return false };
    let product = Shallow { a, stride, b, c, n, epilogue };
    match k {
        1 => product.run::<_, 1>(s),
        2 => product.run::<_, 2>(s),
        3 => product.run::<_, 3>(s),
        4 => product.run::<_, 4>(s),
        _ => return false,
    }
    true
}

impl<R: Number> Shallow<'_, R> {
    #[inline(always)]
    fn run<S: Simd<R>, const K: usize>(self, s: S) {
        let Shallow { a, stride, b, c, n, epilogue } = self;
        let panels = b.as_chunks::<PANEL_WIDTH>().0.as_chunks::<K>().0;
        for (c, a) in c.chunks_exact_mut(n).zip(a.chunks(stride)) {
            let mut x = [s.splat(R::ZERO); K];
            for k in 0..K {
                x[k] = s.splat(a[k]);
            }
            let (whole, rest) = c.as_chunks_mut();
            let (panels, last) = panels.split_at(whole.len());
            for (p, (c, panel)) in whole.iter_mut().zip(panels).enumerate() {
                s.store(chain(s, x, panel, epilogue, [p * PANEL_WIDTH, PANEL_WIDTH]), c);
            }
            if let [panel] = last {
                s.store_part(chain(s, x, panel, epilogue, [whole.len() * PANEL_WIDTH, rest.len()]), rest);
            }
        }
    }
}

/// One row of a panel of C, complete: its `columns` columns from `j` on.
#[inline(always)]
fn chain<R: Number, S: Simd<R>, const K: usize>(
    s: S,
    x: [S::V; K],
    panel: &[[R; PANEL_WIDTH]; K],
    epilogue: Epilogue<R>,
    [j, columns]: [usize; 2],
) -> S::V {
    let mut sum = s.splat(R::ZERO);
    for k in 0..K {
        // c ← a[i, k]·b[k, j] + c
        sum = s.mul_add(x[k], s.load(&panel[k]), sum);
    }
    for bias in epilogue.biases {
        sum = s.add(sum, s.load_part(&bias[j..][..columns]));
    }
    if epilogue.relu { math::relu(s, sum) } else { sum }
}
