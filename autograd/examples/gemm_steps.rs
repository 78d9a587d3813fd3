//! A matrix product C = A·B from three loops to a fast one, in steps, each with its speed on this machine:
//! `cargo run --release --example gemm_steps`, with an edge that is a multiple of 96 as an argument if you like.
//!
//! All matrices are square, f32, and lie row after row. Everything runs on one thread.

use std::array::from_fn;
use std::hint::black_box;
use std::time::Instant;

use autograd::kernels::gemm::{Left, Right, gemm};
use autograd::kernels::path;
use autograd::kernels::simd::{Kernel, LANES, Simd};

/// The edge of the matrices if the command line names none.
const EDGE: usize = 768;

/// How many rows of B are multiplied before the next ones are touched, in the last step of our own: so much of A and B stays in the
/// caches.
const DEPTH: usize = 256;

/// A step: its name, what it adds to the one before, and the product C += A·B of n × n matrices.
pub struct Step {
    /// What it is called.
    pub name: &'static str,
    /// Why it is faster than the one before.
    pub why: &'static str,
    /// C += A·B; `packed` is memory for as many numbers as B has.
    pub product: fn(Matrices),
}

/// The matrices of a product, n × n, and memory of the same size.
pub struct Matrices<'a> {
    n: usize,
    a: &'a [f32],
    b: &'a [f32],
    c: &'a mut [f32],
    packed: &'a mut [f32],
}

/// The steps, in order.
pub const STEPS: [Step; 7] = [
    Step {
        name: "three loops",
        why: "the definition: each number of C is a sum along a row of A and a column of B",
        product: three_loops,
    },
    Step {
        name: "rows of B in order",
        why: "the inner loop goes along a row of B, and no longer jumps from row to row",
        product: rows_in_order,
    },
    Step {
        name: "vectors",
        why: "16 columns of C are computed together and stay in a register while k runs",
        product: |matrices| path().run(Tiled { matrices, rows: Rows::One, packs: false, depth: usize::MAX }),
    },
    Step {
        name: "register tile",
        why: "several rows of C at once: many sums wait for nobody, and each number that is loaded is used several times",
        product: |matrices| path().run(Tiled { matrices, rows: Rows::All, packs: false, depth: usize::MAX }),
    },
    Step {
        name: "packed B",
        why: "the columns of a tile are copied once so that they lie one after the other, and few pages of memory are touched",
        product: |matrices| path().run(Tiled { matrices, rows: Rows::All, packs: true, depth: usize::MAX }),
    },
    Step {
        name: "blocks of k",
        why: "for larger matrices: B is used in parts that stay in the caches while all rows of A pass by",
        product: |matrices| path().run(Tiled { matrices, rows: Rows::All, packs: true, depth: DEPTH }),
    },
    Step { name: "autograd", why: "the kernel of this crate, which also handles every edge and shape", product: ours },
];

/// Cᵢⱼ += Σₖ Aᵢₖ·Bₖⱼ
fn three_loops(Matrices { n, a, b, c, .. }: Matrices) {
    for i in 0..n {
        for j in 0..n {
            for k in 0..n {
                c[i * n + j] += a[i * n + k] * b[k * n + j];
            }
        }
    }
}

/// The same with the loops over j and k exchanged.
fn rows_in_order(Matrices { n, a, b, c, .. }: Matrices) {
    for (row_of_a, row_of_c) in a.chunks_exact(n).zip(c.chunks_exact_mut(n)) {
        for (a, row_of_b) in row_of_a.iter().zip(b.chunks_exact(n)) {
            for (c, b) in row_of_c.iter_mut().zip(row_of_b) {
                *c += a * b;
            }
        }
    }
}

fn ours(Matrices { n, a, b, c, .. }: Matrices) {
    gemm(Left::Rows { data: a, stride: n }, Right::Rows { data: b, stride: n }, c, [n; 3], true);
}

/// The rows of the tile that stays in registers.
#[derive(Clone, Copy)]
enum Rows {
    One,
    /// As many as the registers of this processor hold.
    All,
}

/// The product by tiles of C that stay in registers.
struct Tiled<'a> {
    matrices: Matrices<'a>,
    rows: Rows,
    /// Whether the columns of B that belong to a tile are copied first.
    packs: bool,
    /// The number of rows of B in a part.
    depth: usize,
}

impl Kernel<f32> for Tiled<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        match (self.rows, const { (S::TILE_ROWS, S::TILE_VECTORS) }) {
            (Rows::One, _) => self.loops::<S, 1, 1>(s),
            (Rows::All, (12, 2)) => self.loops::<S, 12, 2>(s),
            (Rows::All, (6, 1)) => self.loops::<S, 6, 1>(s),
            (Rows::All, _) => self.loops::<S, 4, 1>(s),
        }
    }
}

impl Tiled<'_> {
    /// The loops around a tile of R rows and V vectors.
    #[inline(always)]
    fn loops<S: Simd<f32>, const R: usize, const V: usize>(self, s: S) {
        let Tiled { matrices: Matrices { n, a, b, c, packed }, packs, depth, .. } = self;
        let width = V * LANES;
        for from in (0..n).step_by(depth.min(n)) {
            let ks = from..(from + depth.min(n)).min(n);
            for j in (0..n).step_by(width) {
                if packs {
                    for (k, row) in ks.clone().zip(packed.chunks_exact_mut(width)) {
                        row.copy_from_slice(&b[k * n + j..][..width]);
                    }
                }
                // Where row k of these columns of B begins, and how far the next one is.
                let (columns, stride): (&[f32], usize) =
                    if packs { (packed, width) } else { (&b[ks.start * n + j..], n) };
                for i in (0..n).step_by(R) {
                    let rows = &a[i * n + ks.start..];
                    tile::<S, R, V>(s, (rows, n), (columns, stride), ks.len(), (&mut c[i * n + j..], n));
                }
            }
        }
    }
}

/// A tile of C += R rows of A times `depth` rows of 16·V columns of B. Each matrix is where it begins and the distance between rows.
#[inline(always)]
fn tile<S: Simd<f32>, const R: usize, const V: usize>(
    s: S,
    (a, a_row): (&[f32], usize),
    (b, b_row): (&[f32], usize),
    depth: usize,
    (c, c_row): (&mut [f32], usize),
) {
    let at = |r: usize, v: usize| r * c_row + v * LANES;
    let mut sums: [[S::V; V]; R] = from_fn(|r| from_fn(|v| s.load(c[at(r, v)..].first_chunk().expect("a whole tile"))));
    for k in 0..depth {
        let row: [S::V; V] =
            from_fn(|v| s.load(b[k * b_row + v * LANES..].first_chunk().expect("a whole vector of B")));
        for (r, sums) in sums.iter_mut().enumerate() {
            let a = s.splat(a[r * a_row + k]);
            for (sum, &b) in sums.iter_mut().zip(&row) {
                *sum = s.mul_add(a, b, *sum);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            s.store(sum, c[at(r, v)..].first_chunk_mut().expect("a whole tile"));
        }
    }
}

/// Multiply-adds that touch no memory: the most that a thread can do.
struct Peak;

impl Kernel<f32> for Peak {
    /// The number of multiply-adds.
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> usize {
        let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(1e-3)));
        match const { S::TILE_ROWS * S::TILE_VECTORS } {
            24 => chains::<S, 24>(s, x, y),
            6 => chains::<S, 6>(s, x, y),
            _ => chains::<S, 4>(s, x, y),
        }
    }
}

#[inline(always)]
fn chains<S: Simd<f32>, const N: usize>(s: S, x: S::V, y: S::V) -> usize {
    const TIMES: usize = 100_000;
    // Different beginnings, so that no two chains are the same.
    let mut sums: [S::V; N] = from_fn(|i| s.splat(i as f32));
    for _ in 0..black_box(TIMES) {
        // This loop touches no memory: x, y and the sums stay in registers.
        for sum in &mut sums {
            *sum = s.mul_add(x, y, *sum);
        }
    }
    // Every chain is used; the compiler leaves out what nobody looks at.
    for sum in sums {
        let mut end = [0.0; LANES];
        s.store(sum, &mut end);
        black_box(end);
    }
    TIMES * N * LANES
}

/// The shortest of a few times, in seconds.
fn shortest(mut work: impl FnMut()) -> f64 {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let first = once(&mut work);
    // Slow steps are not repeated.
    let times = if first > 0.5 { 0 } else { 5 };
    (0..times).map(|_| once(&mut work)).fold(first, f64::min)
}

/// The GFLOP/s of each step for matrices of this edge, and the peak. Checks that all steps have the same result.
///
/// # Panics
/// If the edge is no multiple of 96, or a step has another result.
pub fn measure(n: usize) -> (Vec<f64>, f64) {
    assert!(n > 0 && n.is_multiple_of(96), "the edge is {n}, but must be a multiple of 96, so that no tile is cut");
    let [a, b]: [Vec<f32>; 2] = from_fn(|m| (0..n * n).map(|i| ((i * 31 + m * 7) % 13) as f32 - 6.0).collect());
    let (mut expected, mut packed) = (vec![0.0; n * n], vec![0.0; n * n]);
    let mut rates = Vec::new();
    for (i, step) in STEPS.iter().enumerate() {
        let mut c = vec![0.0; n * n];
        (step.product)(Matrices { n, a: &a, b: &b, c: &mut c, packed: &mut packed });
        // Sums of small whole numbers are exact in any order.
        if i == 0 {
            expected.copy_from_slice(&c);
        }
        assert!(c == expected, "{} has another result", step.name);
        let seconds =
            shortest(|| (step.product)(Matrices { n, a: &a, b: &b, c: black_box(&mut c), packed: &mut packed }));
        rates.push(2.0 * (n * n * n) as f64 / seconds / 1e9);
    }
    let mut multiply_adds = 0;
    let seconds = shortest(|| multiply_adds = path().run(Peak));
    (rates, 2.0 * multiply_adds as f64 / seconds / 1e9)
}

/// Prints the steps with their speeds.
pub fn main() {
    let n = std::env::args().nth(1).and_then(|edge| edge.parse().ok()).unwrap_or(EDGE);
    // The crate's kernel would use all cores; one thread is compared with one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let (rates, peak) = pool.install(|| measure(n));
    println!("{n}×{n} matrices, {} kernels; the peak of a thread is {peak:.1} GFLOP/s\n", path().name());
    for (step, rate) in STEPS.iter().zip(rates) {
        println!("{:20} {rate:6.1} GFLOP/s {:4.0} %   {}", step.name, 100.0 * rate / peak, step.why);
    }
}
