use super::blocks::{K_BLOCK, ROW_BLOCK};
use super::terms::MAX_BIASES;
use super::*;
use crate::kernels::dispatch::KernelPath;
use crate::kernels::simd::LANES;

/// Numbers of mixed magnitude and sign, so that a chain in another order gives other bits.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            if state & 64 == 0 { x * 1e3 } else { x }
        })
        .collect()
}

/// How a matrix is stored in the tests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Rows,
    Columns,
    Packed,
    PackedTransposed,
}

/// A matrix [rows, columns] in a layout. Its rows or columns lie `gap` further apart than necessary.
struct Matrix {
    layout: Layout,
    columns: usize,
    stride: usize,
    stored: Vec<f32>,
    /// By rows, without a gap.
    dense: Vec<f32>,
}

impl Matrix {
    fn new(layout: Layout, [rows, columns]: [usize; 2], gap: usize, seed: u32) -> Matrix {
        let dense = numbers(rows * columns, seed);
        let flipped: Vec<f32> =
            (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| dense[r * columns + c]).collect();
        let (lines, stride, source) = match layout {
            Layout::Columns => (columns, rows + gap, &flipped),
            _ => (rows, columns + gap, &dense),
        };
        let mut stored = vec![f32::NAN; lines * stride];
        for (to, from) in stored.chunks_mut(stride.max(1)).zip(source.chunks((stride - gap).max(1))) {
            to[..from.len()].copy_from_slice(from);
        }
        if matches!(layout, Layout::Packed | Layout::PackedTransposed) {
            stored = vec![f32::NAN; packed_len(rows, columns)];
            match layout {
                Layout::Packed => pack(&dense, rows, columns, &mut stored),
                _ => pack_transposed(&flipped, columns, rows, &mut stored),
            }
        }
        Matrix { layout, columns, stride, stored, dense }
    }

    fn left(&self) -> Left<'_, f32> {
        match self.layout {
            Layout::Columns => Left::Columns { data: &self.stored, stride: self.stride },
            _ => Left::Rows { data: &self.stored, stride: self.stride },
        }
    }

    fn right(&self) -> Right<'_, f32> {
        match self.layout {
            Layout::Rows => Right::Rows { data: &self.stored, stride: self.stride },
            Layout::Columns => Right::Columns { data: &self.stored, stride: self.stride },
            _ => Right::Packed(&self.stored),
        }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.dense[row * self.columns + column]
    }
}

const LEFTS: [Layout; 2] = [Layout::Rows, Layout::Columns];
const RIGHTS: [Layout; 4] = [Layout::Rows, Layout::Columns, Layout::Packed, Layout::PackedTransposed];

/// Compares sums over terms of these depths bit by bit with the oracle: in every layout, on every path, with and
/// without biases and Rect, and with a C that is added to or that must be overwritten, which then holds NaN.
fn check(m: usize, n: usize, depths: &[usize], gap: usize) {
    for (left, right) in LEFTS.into_iter().flat_map(|left| RIGHTS.map(|right| (left, right))) {
        if cfg!(miri) && (left == Layout::Rows) == (right == Layout::Rows) {
            // Miri is slow: half of the layouts reach every line.
            continue;
        }
        let matrices: Vec<_> = (0u32..)
            .zip(depths)
            .map(|(i, &k)| (Matrix::new(left, [m, k], gap, 2 * i), Matrix::new(right, [k, n], gap, 2 * i + 1)))
            .collect();
        let terms: Vec<_> =
            matrices.iter().zip(depths).map(|((a, b), &k)| Term { a: a.left(), b: b.right(), k }).collect();
        let (first, second) = (numbers(n, 100), numbers(n, 101));
        for accumulate in [false, true] {
            for epilogue in [Epilogue::NONE, Epilogue { biases: &[&first, &second], relu: true }] {
                if cfg!(miri) && accumulate != epilogue.relu {
                    continue;
                }
                let start = if accumulate { numbers(m * n, 102) } else { vec![f32::NAN; m * n] };
                let mut expected = start.clone();
                for (t, ((a, b), &k)) in matrices.iter().zip(depths).enumerate() {
                    let (a, b) = (|i, p| a.at(i, p), |p, j| b.at(p, j));
                    oracle(a, b, &mut expected, [m, n, k], accumulate || t > 0);
                }
                for (i, e) in expected.iter_mut().enumerate() {
                    for bias in epilogue.biases {
                        *e += bias[i % n];
                    }
                    *e = if epilogue.relu && *e <= 0.0 { 0.0 } else { *e };
                }
                let run = |path: &str, dispatch: &dyn Fn(Sum<f32>)| {
                    let mut c = start.clone();
                    sum_on(dispatch, &terms, &mut c, [m, n], accumulate, epilogue);
                    let same = c.iter().zip(&expected).all(|(c, e)| c.to_bits() == e.to_bits());
                    assert!(
                        same,
                        "{path} [{m}, {n}, {depths:?}] {left:?} {right:?} accumulate {accumulate} {epilogue:?}"
                    );
                };
                run("plain", &|sum| sum.run_plainly());
                for path in KernelPath::all() {
                    if cfg!(miri) && epilogue.relu && path.name() == "avx512" {
                        // Miri does not know how AVX-512 compares.
                        continue;
                    }
                    run(path.name(), &|sum| path.run(sum));
                }
            }
        }
    }
}

#[test]
fn every_tile_edge_is_the_oracle() {
    if cfg!(miri) {
        // Miri is slow: low, split and full tiles, one and two vectors wide, with columns missing.
        return [1, 5].into_iter().for_each(|m| check(m, 17, &[2], 3));
    }
    for m in 0..=25 {
        for n in [0, 1, 2, 4, 5, 10, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65] {
            for k in [0, 1, 2, 17] {
                check(m, n, &[k], 3);
            }
        }
    }
}

#[test]
fn blocks_of_k_do_not_show() {
    if cfg!(miri) {
        return check(1, 1, &[K_BLOCK + 1], 0);
    }
    for k in [K_BLOCK - 1, K_BLOCK, K_BLOCK + 1, 2 * K_BLOCK + 7] {
        check(13, 37, &[k], 0);
        check(40, 3, &[k], 1);
    }
    // The end of an A by columns that is read where it lies.
    check(13, 10, &[K_BLOCK + 9], 0);
}

#[test]
fn blocks_of_rows_and_wide_products_are_the_oracle() {
    if cfg!(miri) {
        return check(LANES, 1, &[40], 0);
    }
    check(ROW_BLOCK + 5, 40, &[20], 1);
    check(13, 1040, &[33], 0);
}

#[test]
fn terms_are_one_chain() {
    if cfg!(miri) {
        return check(3, 5, &[3, 0, 2], 1);
    }
    for depths in [&[3, 0, 5][..], &[0, 0], &[100, 200, 50, 1], &[K_BLOCK, 1], &[7; MAX_TERMS]] {
        for [m, n] in [[1, 1], [7, 16], [14, 37], [20, 2], [33, 10]] {
            check(m, n, depths, 2);
        }
    }
    // No term at all: 0, or what C holds.
    let mut c = [f32::NAN; 6];
    sum(&[], &mut c, [2, 3], false, Epilogue::NONE);
    assert_eq!(c, [0.0; 6]);
}

/// Compares sums that share their right matrices, over terms of these depths and with members of so many rows, bit by bit with
/// the oracle: on every path, from what C holds and from 0, together with the sums of rows.
fn check_shared(members: &[usize], n: usize, depths: &[usize], gap: usize) {
    let rights: Vec<_> = (0u32..).zip(depths).map(|(t, &k)| Matrix::new(Layout::Rows, [k, n], gap, t)).collect();
    let lefts: Vec<Vec<_>> = (0u32..)
        .zip(members)
        .map(|(i, &m)| {
            (50 + 40 * i..).zip(depths).map(|(seed, &k)| Matrix::new(Layout::Columns, [m, k], gap, seed)).collect()
        })
        .collect();
    let mut sums = numbers(n, 7);
    let begin = sums.clone();
    for (b, &k) in rights.iter().zip(depths) {
        (0..k).for_each(|p| sums.iter_mut().enumerate().for_each(|(j, sum)| *sum += b.at(p, j)));
    }
    let run = |path: &str, dispatch: &dyn Fn(SharedSum<f32>)| {
        let mut found: Vec<Vec<f32>> = (2u32..).zip(members).map(|(seed, &m)| numbers(m * n, seed)).collect();
        let mut expected = found.clone();
        // Every other member begins at 0, whatever its C holds.
        let accumulates = |i: usize| i % 2 == 1;
        for (i, (c, &m)) in expected.iter_mut().zip(members).enumerate() {
            c.iter_mut().for_each(|c| *c = if accumulates(i) { *c } else { 0.0 });
            for (t, &k) in depths.iter().enumerate() {
                oracle(|r, p| lefts[i][t].at(r, p), |p, j| rights[t].at(p, j), c, [m, n, k], true);
            }
        }
        let shared = found
            .iter_mut()
            .enumerate()
            .map(|(i, c)| Member {
                left: lefts[i].iter().map(Matrix::left).collect(),
                c,
                rows: members[i],
                accumulate: accumulates(i),
            })
            .collect();
        let pairs: Vec<_> = rights.iter().zip(depths).map(|(b, &k)| (b.right(), k)).collect();
        let (mut first, mut second) = (begin.clone(), begin.clone());
        let columns: &mut [&mut [f32]] = &mut [&mut first, &mut second];
        sum_shared_on(dispatch, &pairs, n, shared, columns);
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        let what = format!("{} {members:?} × {n}, {depths:?}", path);
        assert!(found.iter().zip(&expected).all(|(c, e)| same(c, e)), "{what}");
        assert!(same(&first, &sums) && same(&second, &sums), "sums of rows, {what}");
    };
    run("plain", &|sum| sum.run_plainly());
    KernelPath::all().iter().for_each(|path| run(path.name(), &|sum| path.run(sum)));
}

#[test]
fn sums_that_share_their_right_matrices_are_the_oracle() {
    if cfg!(miri) {
        return check_shared(&[2, 13], 17, &[3, 2], 1);
    }
    for n in [16, 17, 33, 64, 65, 80] {
        for depths in [&[][..], &[0], &[5], &[20, 0, 31], &[100, 200, 50, 1]] {
            check_shared(&[1, 25], n, depths, 3);
            check_shared(&[ROW_BLOCK + 5, 0, 7], n, depths, 0);
        }
    }
    check_shared(&[3, 30], 40, &[7; MAX_TERMS], 0);
    // More than one block of k and more than one strip of columns.
    check_shared(&[14], 700, &[K_BLOCK + 9], 0);
    check_shared(&[5, 12], 1040, &[130, 150], 1);
}

/// Threads that share a product do not change its bits.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "no threads")]
#[cfg_attr(miri, ignore = "slow: small products stay on one thread")]
fn threads_do_not_show() {
    let [m, n, k] = [301, 130, 257];
    let (a, b) = (numbers(m * k, 6), numbers(k * n, 7));
    let mut expected = vec![0.0; m * n];
    oracle(|i, p| a[i * k + p], |p, j| b[p * n + j], &mut expected, [m, n, k], false);
    for threads in [1, 2, 3] {
        let mut c = vec![0.0; m * n];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (left, right) = (Left::Rows { data: &a, stride: k }, Right::Rows { data: &b, stride: n });
        pool.install(|| gemm(left, right, &mut c, [m, n, k], false));
        assert_eq!(c, expected);
    }
}

/// The tests above can fail: two chains instead of one give other bits.
#[test]
fn a_reassociated_sum_differs() {
    let (a, b) = (numbers(500, 8), numbers(500, 9));
    let chain = |range: std::ops::Range<usize>| range.fold(0.0f32, |sum, k| a[k].mul_add(b[k], sum));
    assert_ne!(chain(0..500), chain(0..250) + chain(250..500));
}

#[test]
fn the_last_panel_is_filled_up_with_zeros() {
    for (k, n) in [(3, 1), (5, 15), (2, PANEL_WIDTH), (4, 3 * PANEL_WIDTH + 7)] {
        let ones = vec![1.0f32; k * n];
        for is_transposed in [false, true] {
            let mut packed = vec![f32::NAN; packed_len(k, n)];
            if is_transposed {
                pack_transposed(&ones, n, k, &mut packed)
            } else {
                pack(&ones, k, n, &mut packed)
            }
            let last = (n - 1) / PANEL_WIDTH * PANEL_WIDTH;
            for (i, &x) in packed.iter().enumerate() {
                let (panel, column) = (i / (k * PANEL_WIDTH), i % PANEL_WIDTH);
                let is_padding = panel * PANEL_WIDTH == last && column >= n - last;
                assert_eq!(x, if is_padding { 0.0 } else { 1.0 }, "[{k}, {n}] at {i}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "stored in one way")]
fn layouts_are_not_mixed() {
    let x = [1.0f32; 4];
    let rows = Term { a: Left::Rows { data: &x, stride: 2 }, b: Right::Rows { data: &x, stride: 2 }, k: 2 };
    let columns = Term { a: Left::Columns { data: &x, stride: 2 }, ..rows };
    sum(&[rows, columns], &mut [0.0; 4], [2, 2], false, Epilogue::NONE);
}

#[test]
#[should_panic(expected = "a shared sum needs a member")]
fn a_shared_sum_has_a_member() {
    let b = [1.0f32; 16];
    let rights = [(Right::Rows { data: &b, stride: 16 }, 1)];
    sum_shared_on(|sum| sum.run_plainly(), &rights, 16, [].into_iter().collect(), &mut [&mut [0.0; 16]]);
}

/// Sums whose rows are cut into pieces are the oracle in every layout, with as many biases as there may be or with Rect alone, and
/// whether they are thin or not: no piece loses its place in A or in C.
#[test]
#[cfg_attr(miri, ignore = "threads, in which Miri reports the queues of rayon")]
fn pieces_of_rows_do_not_show() {
    for [m, n, k] in [[29, 20, 9], [33, 4, 40]] {
        let biases = [30, 31, 32, 33].map(|seed| numbers(n, seed));
        let biases: [&[f32]; MAX_BIASES] = [&biases[0], &biases[1], &biases[2], &biases[3]];
        for (left, right) in LEFTS.into_iter().flat_map(|left| RIGHTS.map(|right| (left, right))) {
            let (a, b) = (Matrix::new(left, [m, k], 2, 20), Matrix::new(right, [k, n], 1, 21));
            let terms = [Term { a: a.left(), b: b.right(), k }];
            for accumulate in [false, true] {
                for epilogue in [Epilogue { biases: &biases, relu: false }, Epilogue { biases: &[], relu: true }] {
                    let start = numbers(m * n, 23);
                    let mut expected = start.clone();
                    oracle(|i, p| a.at(i, p), |p, j| b.at(p, j), &mut expected, [m, n, k], accumulate);
                    for bias in epilogue.biases {
                        expected.iter_mut().enumerate().for_each(|(i, e)| *e += bias[i % n]);
                    }
                    expected.iter_mut().for_each(|e| *e = if epilogue.relu && *e <= 0.0 { 0.0 } else { *e });
                    for pieces in [1, 2, 3, 7, 40] {
                        let mut c = start.clone();
                        sum_in_pieces(&terms, &mut c, [m, n], accumulate, epilogue, pieces);
                        assert_eq!(c, expected, "{pieces} pieces, [{m}, {n}, {k}] {left:?} {right:?} {epilogue:?}");
                    }
                }
            }
        }
    }
}

/// Whether the check of a product's slices lets it pass; if not, its message names this matrix.
fn passes(a: Left<f32>, b: Right<f32>, [m, n, k]: [usize; 3], name: &str) -> bool {
    let check = || terms::check(&[Term { a, b, k }], m * n, [m, n], Epilogue::NONE);
    match std::panic::catch_unwind(check) {
        Ok(()) => true,
        Err(error) => {
            let message = error.downcast_ref::<String>().expect("a message");
            assert!(message.contains(&format!("gemm: {name} is")), "{message}");
            false
        }
    }
}

/// A matrix that just fits its slice is taken. One element less is refused, and so are lines that overlap.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the program")]
fn slices_that_are_too_short_are_refused() {
    let numbers = [0.0f32; 64];
    let (any_left, any_right) = (Left::Rows { data: &numbers, stride: 8 }, Right::Rows { data: &numbers, stride: 8 });
    // Lines of this width, so far apart, need so many elements.
    for (lines, width, stride, needed) in
        [(3, 4, 5, 14), (3, 4, 4, 12), (1, 4, 9, 4), (3, 1, 2, 5), (0, 4, 4, 0), (3, 0, 2, 0)]
    {
        let shortest = if needed == 0 { 0 } else { needed - 1 };
        for len in [shortest, needed, needed + 1] {
            let (data, fits) = (&numbers[..len], len >= needed);
            let [rows, columns] = [[lines, 2, width], [width, 2, lines]];
            assert_eq!(passes(Left::Rows { data, stride }, any_right, rows, "A"), fits, "{lines} × {width}, {len}");
            assert_eq!(
                passes(Left::Columns { data, stride }, any_right, columns, "A"),
                fits,
                "{lines} × {width}, {len}"
            );
            let [rows, columns] = [[2, width, lines], [2, lines, width]];
            assert_eq!(passes(any_left, Right::Rows { data, stride }, rows, "B"), fits, "{lines} × {width}, {len}");
            assert_eq!(
                passes(any_left, Right::Columns { data, stride }, columns, "B"),
                fits,
                "{lines} × {width}, {len}"
            );
        }
    }
    for stride in [0, 3] {
        assert!(!passes(Left::Rows { data: &numbers, stride }, any_right, [3, 2, 4], "A"));
        assert!(!passes(Left::Columns { data: &numbers, stride }, any_right, [4, 2, 3], "A"));
        assert!(!passes(any_left, Right::Rows { data: &numbers, stride }, [2, 4, 3], "B"));
        assert!(!passes(any_left, Right::Columns { data: &numbers, stride }, [2, 3, 4], "B"));
    }
}
