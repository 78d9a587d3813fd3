//! What a sum of products is made of: matrices as they lie in memory, terms, and what follows the sum.

use crate::kernels::simd::LANES;

/// The number of columns in a panel of packed B: those of one vector.
pub const PANEL_WIDTH: usize = LANES;

/// The largest number of terms in one sum.
pub const MAX_TERMS: usize = 32;

/// The largest number of biases in an [`Epilogue`].
pub const MAX_BIASES: usize = 4;

/// The length of a packed matrix [k, n]. It consists of panels of [`PANEL_WIDTH`] columns; zeros fill up the last one.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(PANEL_WIDTH)
}

/// The left matrix A, [rows, k].
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, R> {
    /// `a[i, k] = data[i·stride + k]`
    Rows {
        /// The elements.
        data: &'a [R],
        /// The distance from one row to the next.
        stride: usize,
    },
    /// `a[i, k] = data[k·stride + i]`: the transpose of a matrix that is stored by rows.
    Columns {
        /// The elements.
        data: &'a [R],
        /// The distance from one column to the next.
        stride: usize,
    },
}

/// The right matrix B, [k, columns].
#[derive(Clone, Copy, Debug)]
pub enum Right<'a, R> {
    /// `b[k, j] = data[k·stride + j]`
    Rows {
        /// The elements.
        data: &'a [R],
        /// The distance from one row to the next.
        stride: usize,
    },
    /// `b[k, j] = data[j·stride + k]`: the transpose of a matrix that is stored by rows.
    Columns {
        /// The elements.
        data: &'a [R],
        /// The distance from one column to the next.
        stride: usize,
    },
    /// A matrix that [`pack`](super::pack) or [`pack_transposed`](super::pack_transposed) has packed.
    Packed(&'a [R]),
}

/// One product A·B of a sum: A is [m, k], B is [k, n].
#[derive(Clone, Copy, Debug)]
pub struct Term<'a, R> {
    /// The left matrix A.
    pub a: Left<'a, R>,
    /// The right matrix B.
    pub b: Right<'a, R>,
    /// The number of columns of A, which is the number of rows of B.
    pub k: usize,
}

impl<R> Term<'_, R> {
    /// The product without the first rows of A.
    pub(super) fn skip_rows(self, rows: usize) -> Self {
        let a = match self.a {
            Left::Rows { data, stride } => Left::Rows { data: data.get(rows * stride..).unwrap_or(&[]), stride },
            Left::Columns { data, stride } => Left::Columns { data: data.get(rows..).unwrap_or(&[]), stride },
        };
        Term { a, ..self }
    }

    /// The transposed product, Bᵀ·Aᵀ. A packed B must be a single panel.
    pub(super) fn transposed(self) -> Self {
        let a = match self.b {
            Right::Rows { data, stride } => Left::Columns { data, stride },
            Right::Columns { data, stride } => Left::Rows { data, stride },
            Right::Packed(data) => Left::Columns { data, stride: PANEL_WIDTH },
        };
        let b = match self.a {
            Left::Rows { data, stride } => Right::Columns { data, stride },
            Left::Columns { data, stride } => Right::Rows { data, stride },
        };
        Term { a, b, k: self.k }
    }

    /// # Panics
    /// If a slice is too short for its matrix.
    fn check(&self, m: usize, n: usize) {
        let k = self.k;
        let holds = |len: usize, rows: usize, stride: usize, columns: usize| {
            rows == 0 || columns == 0 || (stride >= columns && (rows - 1) * stride + columns <= len)
        };
        match self.a {
            Left::Rows { data, stride } => {
                assert!(holds(data.len(), m, stride, k), "gemm: A is [{m}, {k}], rows {stride} apart")
            }
            Left::Columns { data, stride } => {
                assert!(holds(data.len(), k, stride, m), "gemm: A is [{m}, {k}], columns {stride} apart")
            }
        }
        match self.b {
            Right::Rows { data, stride } => {
                assert!(holds(data.len(), k, stride, n), "gemm: B is [{k}, {n}], rows {stride} apart")
            }
            Right::Columns { data, stride } => {
                assert!(holds(data.len(), n, stride, k), "gemm: B is [{k}, {n}], columns {stride} apart")
            }
            Right::Packed(data) => assert_eq!(data.len(), packed_len(k, n), "gemm: B is [{k}, {n}], packed"),
        }
    }
}

/// Whether every A of a sum is stored by columns.
pub(super) fn by_columns<R>(terms: &[Term<R>]) -> bool {
    terms.first().is_some_and(|term| matches!(term.a, Left::Columns { .. }))
}

/// What happens to an element once its chain is complete, while it is still in a register.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a, R> {
    /// Biases of n numbers each, which are added one after the other; at most four.
    pub biases: &'a [&'a [R]],
    /// Whether Rect follows.
    pub relu: bool,
}

impl<R> Epilogue<'_, R> {
    /// Neither a bias nor Rect.
    pub const NONE: Self = Epilogue { biases: &[], relu: false };
}

/// Checks that C [m, n] has `len` elements and that terms and biases fit it.
///
/// # Panics
/// If a slice is too short for its matrix, there are too many terms or biases, or matrices are stored in different
/// ways.
pub(super) fn check<R>(terms: &[Term<R>], len: usize, [m, n]: [usize; 2], epilogue: Epilogue<R>) {
    assert_eq!(len, m * n, "gemm: C is [{m}, {n}]");
    assert!(terms.len() <= MAX_TERMS, "gemm: at most {MAX_TERMS} terms, not {}", terms.len());
    assert!(epilogue.biases.len() <= MAX_BIASES && epilogue.biases.iter().all(|b| b.len() == n), "gemm: biases of {n}");
    terms.iter().for_each(|term| term.check(m, n));
    let alike = |a: &Term<R>| {
        std::mem::discriminant(&a.a) == std::mem::discriminant(&terms[0].a)
            && std::mem::discriminant(&a.b) == std::mem::discriminant(&terms[0].b)
    };
    assert!(terms.iter().all(alike), "gemm: all A of a sum are stored in one way, and so are all B");
}
