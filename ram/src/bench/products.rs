//! The matrix products of a layer.

use std::hint::black_box;

use autograd::kernels::gemm::{Left, Right, gemm, pack, pack_transposed, packed_len};

/// Numbers spread evenly over [−1, 1), the same in every call: the fractional parts of multiples of the golden ratio, scaled.
///
/// ```
/// let x = ram::bench::numbers(1000);
/// assert!(x.iter().all(|x| (-1.0..1.0).contains(x)) && x.iter().sum::<f32>().abs() < 2.0);
/// ```
pub fn numbers(len: usize) -> Vec<f32> {
    const PHI: f64 = 0.618_033_988_749_894_8;
    (0..len).map(|i| (2.0 * (i as f64 * PHI).fract() - 1.0) as f32).collect()
}

/// The three products of a layer Y = X·W, with X [batch, K] and W [K, N].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Y = X·W
    Forward,
    /// d_W += Xᵀ·d_Y
    WeightGradient,
    /// d_X = d_Y·Wᵀ
    InputGradient,
}

impl Product {
    /// All three products.
    pub const ALL: [Product; 3] = [Product::Forward, Product::WeightGradient, Product::InputGradient];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Product::Forward => "forward",
            Product::WeightGradient => "weight gradient",
            Product::InputGradient => "input gradient",
        }
    }
}

/// A matrix product A·B of a layer. Its operands have the memory layout that they have in a training step.
#[derive(Clone, Debug)]
pub struct MatrixProduct {
    /// [m, n, k]: A is [m, k] and B [k, n].
    pub shape: [usize; 3],
    /// A, and the strides of its rows and of its columns.
    pub a: (Vec<f32>, [usize; 2]),
    /// B, and the strides of its rows and of its columns.
    pub b: (Vec<f32>, [usize; 2]),
    /// Whether it computes C += A·B instead of C = A·B.
    pub accumulate: bool,
    /// The result of [`MatrixProduct::run`].
    pub c: Vec<f32>,
    /// The packed weights. A step uses weights in every glimpse but packs them once, so packing is not part of the product.
    packed: Option<Vec<f32>>,
}

impl MatrixProduct {
    /// A product of a layer; C starts as zeros.
    pub fn new(product: Product, [batch, k, n]: [usize; 3]) -> MatrixProduct {
        let (x, w, d_y) = (|| numbers(batch * k), || numbers(k * n), || numbers(batch * n));
        let (shape, a, b, packed) = match product {
            Product::Forward => {
                let (w, mut packed) = (w(), vec![0.0; packed_len(k, n)]);
                pack(&w, k, n, &mut packed);
                ([batch, n, k], (x(), [k, 1]), (w, [n, 1]), Some(packed))
            }
            Product::WeightGradient => ([k, n, batch], (x(), [1, k]), (d_y(), [n, 1]), None),
            Product::InputGradient => {
                let (w, mut packed) = (w(), vec![0.0; packed_len(n, k)]);
                pack_transposed(&w, k, n, &mut packed);
                ([batch, k, n], (d_y(), [n, 1]), (w, [1, n]), Some(packed))
            }
        };
        let accumulate = product == Product::WeightGradient;
        MatrixProduct { shape, a, b, accumulate, c: vec![0.0; shape[0] * shape[1]], packed }
    }

    /// Computes the product on the current rayon pool.
    pub fn run(&mut self) {
        let (a, [row, column]) = (black_box(&self.a.0), self.a.1);
        let a =
            if column == 1 { Left::Rows { data: a, stride: row } } else { Left::Columns { data: a, stride: column } };
        let b = match &self.packed {
            Some(packed) => Right::Packed(black_box(packed)),
            None => Right::Rows { data: black_box(&self.b.0), stride: self.b.1[0] },
        };
        gemm(a, b, &mut self.c, self.shape, self.accumulate);
    }

    /// Floating-point operations: 2·m·n·k.
    pub fn flops(&self) -> f64 {
        2.0 * self.shape.iter().map(|&x| x as f64).product::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strides, which other libraries are given, describe the product that our kernels compute.
    #[test]
    fn strides_describe_the_product() {
        for product in Product::ALL {
            let mut ours = MatrixProduct::new(product, [5, 7, 18]);
            ours.run();
            let ([m, n, k], (a, [a_row, a_column]), (b, [b_row, b_column])) = (ours.shape, &ours.a, &ours.b);
            let mut expected = vec![0.0; m * n];
            let (a, b) = (|i, p| a[i * a_row + p * a_column], |p, j| b[p * b_row + j * b_column]);
            autograd::kernels::gemm::oracle(a, b, &mut expected, [m, n, k], false);
            assert_eq!(ours.c, expected, "{}", product.name());
            assert_eq!(ours.flops(), 1260.0);
        }
    }
}
