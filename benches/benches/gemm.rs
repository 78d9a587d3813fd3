//! The matrix products of the model's layers compared with those of the fastest crates. Rates are GFLOP/s; a product
//! takes 2·m·n·k operations.
//!
//! Our weights are packed beforehand, since a training step packs them once and uses them for every glimpse. The peers'
//! interfaces do not offer this, so the peers pack in every call. For the weight gradient we pack in every call as
//! well.

mod history;

use std::hint::black_box;

use benches::{Mode, Table};
use criterion::Throughput;
use ram::bench::{MatrixProduct, Product};

use history::criterion;

/// (K, N) of the model's layers, for glimpses of 8×8×1 and of 12×12 at three and four scales.
const LAYERS: [(usize, usize); 6] = [(64, 128), (432, 128), (576, 128), (128, 256), (256, 256), (512, 1024)];

/// (K, N) of the thin layers: the one that takes a location, and those that compute class, location and baseline.
const THIN: [(usize, usize); 4] = [(2, 128), (256, 10), (256, 2), (256, 1)];

/// The products of the default run, at batch 20, which is the paper's, and 128.
const SOME: [(Product, usize, usize); 12] = [
    (Product::Forward, 64, 128),
    (Product::Forward, 432, 128),
    (Product::Forward, 128, 256),
    (Product::Forward, 256, 256),
    (Product::Forward, 512, 1024),
    (Product::Forward, 2, 128),
    (Product::Forward, 256, 10),
    (Product::WeightGradient, 64, 128),
    (Product::WeightGradient, 256, 256),
    (Product::WeightGradient, 256, 10),
    (Product::InputGradient, 128, 256),
    (Product::InputGradient, 256, 256),
];

fn main() {
    let Some(mode) = Mode::of("gemm") else { return };
    let mut shapes: Vec<(Product, [usize; 3])> = Vec::new();
    if mode == Mode::Full {
        for product in Product::ALL {
            for (k, n) in LAYERS.into_iter().chain(THIN) {
                shapes.extend([20, 64, 128, 256, 512].map(|batch| (product, [batch, k, n])));
            }
        }
        shapes.extend([128, 256, 512, 1024, 2048].map(|edge| (Product::Forward, [edge; 3])));
    } else {
        shapes.extend(SOME.iter().flat_map(|&(product, k, n)| [20, 128].map(|batch| (product, [batch, k, n]))));
    }

    criterion("gemm", |group| {
        for [batch, k, n] in [[20, 256, 256], [128, 256, 256], [512, 512, 512]] {
            let mut ours = MatrixProduct::new(Product::Forward, [batch, k, n]);
            group.throughput(Throughput::Elements(ours.flops() as u64));
            group.bench_function(format!("forward/{batch}x{k}x{n}"), |bencher| bencher.iter(|| ours.run()));
        }
    });

    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut table = Table::new(mode, "GFLOP/s");
    for threads in 1..=cores.min(2) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| shapes.iter().for_each(|&(product, shape)| row(&mut table, product, shape, threads)));
    }
    table.print();
}

fn row(table: &mut Table, product: Product, [batch, k, n]: [usize; 3], threads: usize) {
    let mut ours = MatrixProduct::new(product, [batch, k, n]);
    let problem = ours.clone();
    let mut results = [(); 3].map(|()| vec![0.0; ours.c.len()]);
    let [gemm, faer, matrixmultiply] = &mut results;

    // All contenders must compute the same result.
    ours.run();
    for (name, c) in [("gemm", &mut *gemm), ("faer", &mut *faer), ("matrixmultiply", &mut *matrixmultiply)] {
        match name {
            "gemm" => peers::gemm(&problem, c, threads),
            "faer" => peers::faer(&problem, c, threads),
            _ => peers::matrixmultiply(&problem, c, threads),
        }
        let error = ours.c.iter().zip(c).map(|(ours, c)| (ours - *c).abs()).fold(0.0, f32::max);
        assert!(error < 1e-3, "{name} differs by {error} at {} {batch}x{k}x{n}", product.name());
    }

    let flops = ours.flops();
    let name = format!("{:15} {batch:>4} x {k:>3} x {n:>4}", product.name());
    table.row(
        name,
        flops / 1e9,
        &mut [
            ("ours", &mut || ours.run()),
            ("gemm", &mut || peers::gemm(black_box(&problem), gemm, threads)),
            ("faer", &mut || peers::faer(black_box(&problem), faer, threads)),
            ("matrixmultiply", &mut || peers::matrixmultiply(black_box(&problem), matrixmultiply, threads)),
        ],
    );
}

/// The same product computed by other crates.
mod peers {
    use ram::bench::MatrixProduct;

    /// The crate `gemm`.
    pub fn gemm(problem: &MatrixProduct, c: &mut [f32], threads: usize) {
        let MatrixProduct { shape: [m, n, k], a: (a, a_strides), b: (b, b_strides), accumulate, .. } = problem;
        assert!(c.len() == m * n && a.len() == m * k && b.len() == k * n);
        let parallelism = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
        let ([a_row, a_column], [b_row, b_column]) = (a_strides.map(|x| x as isize), b_strides.map(|x| x as isize));
        // SAFETY: the strides are those of dense matrices of the asserted lengths, and C is by rows.
        unsafe {
            let (c, row) = (c.as_mut_ptr(), *n as isize);
            let (a, b) = (a.as_ptr(), b.as_ptr());
            let (of_c, of_product) = (1.0, 1.0);
            gemm::gemm(
                *m,
                *n,
                *k,
                c,
                1,
                row,
                *accumulate,
                a,
                a_column,
                a_row,
                b,
                b_column,
                b_row,
                of_c,
                of_product,
                false,
                false,
                false,
                parallelism,
            );
        }
    }

    /// The crate `faer`.
    pub fn faer(problem: &MatrixProduct, c: &mut [f32], threads: usize) {
        use faer::linalg::matmul::matmul;
        use faer::{Accum, MatMut, MatRef, Par};
        let [m, n, k] = problem.shape;
        fn matrix(data: &[f32], strides: [usize; 2], rows: usize, columns: usize) -> MatRef<'_, f32> {
            match strides {
                [_, 1] => MatRef::from_row_major_slice(data, rows, columns),
                _ => MatRef::from_column_major_slice(data, rows, columns),
            }
        }
        let (a, b) = (matrix(&problem.a.0, problem.a.1, m, k), matrix(&problem.b.0, problem.b.1, k, n));
        let c = MatMut::from_row_major_slice_mut(c, m, n);
        let accum = if problem.accumulate { Accum::Add } else { Accum::Replace };
        matmul(c, accum, a, b, 1.0, if threads == 1 { Par::Seq } else { Par::rayon(threads) });
    }

    /// The crate `matrixmultiply`. It reads its number of threads from the environment only once, so here two threads
    /// compute half of the rows each.
    pub fn matrixmultiply(problem: &MatrixProduct, c: &mut [f32], threads: usize) {
        let [m, n, k] = problem.shape;
        let (a_strides, (b, b_strides)) = (problem.a.1, &problem.b);
        assert!(c.len() == m * n && problem.a.0.len() == m * k && b.len() == k * n);
        let part = |a: &[f32], c: &mut [f32]| {
            let ([a_row, a_column], [b_row, b_column]) = (a_strides.map(|x| x as isize), b_strides.map(|x| x as isize));
            let beta = if problem.accumulate { 1.0 } else { 0.0 };
            let (rows, row) = (c.len() / n, n as isize);
            // SAFETY: the strides are those of dense matrices of the asserted lengths, and `a` and `c` are the same
            // rows of A and C.
            unsafe {
                let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                matrixmultiply::sgemm(rows, k, n, 1.0, a, a_row, a_column, b, b_row, b_column, beta, c, row, 1);
            }
        };
        let a = &problem.a.0;
        if threads == 1 {
            return part(a, c);
        }
        let half = m / 2;
        let (upper, lower) = c.split_at_mut(half * n);
        rayon::join(|| part(a, upper), || part(&a[half * a_strides[0]..], lower));
    }
}
