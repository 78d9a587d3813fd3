//! Figures of the numbers of a variable or a parameter.

/// The index of the largest number, the first of equals.
pub(super) fn largest(x: &[f32]) -> usize {
    (0..x.len()).rev().max_by(|&a, &b| x[a].total_cmp(&x[b])).unwrap_or(0)
}

/// The first numbers of a row, at most three; of a scalar, the only one.
pub(super) fn numbers_of(values: &[f32], axes: &[usize], row: usize) -> Vec<f64> {
    let rows = axes.first().copied().unwrap_or(1).max(1);
    let width = values.len() / rows;
    let begin = if rows == 1 { 0 } else { row * width };
    values[begin..begin + width.min(3)].iter().map(|&x| f64::from(x)).collect()
}

/// The three numbers that are farthest from 0, and their places.
pub(super) fn farthest(x: &[f32]) -> Vec<(usize, f64)> {
    let mut order: Vec<usize> = (0..x.len()).filter(|&i| x[i] != 0.0).collect();
    order.sort_by(|&a, &b| x[b].abs().total_cmp(&x[a].abs()).then(a.cmp(&b)));
    order.into_iter().take(3).map(|i| (i, f64::from(x[i]))).collect()
}

/// ‖x‖₂
pub(super) fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The mean.
pub(super) fn mean(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len().max(1) as f64
}

/// The standard deviation.
pub(super) fn deviation(x: &[f32]) -> f64 {
    let mean = mean(x);
    let squares = x.iter().map(|&x| (f64::from(x) - mean) * (f64::from(x) - mean));
    (squares.sum::<f64>() / x.len().max(1) as f64).sqrt()
}
