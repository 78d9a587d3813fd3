//! The first layer's weights as pictures: what each unit looks for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::data::{Unit, Weights};
use crate::config::Config;
use crate::model::ModelKind;
use crate::runs::checkpoint::{Checkpoint, PARAMS};

/// Bytes of patches in a report, at most.
const BUDGET: usize = 150_000;
/// Units shown, at most.
const UNITS: usize = 32;

/// The units of largest weights of a checkpoint's first layer; nothing where its shape is not what `config` says.
pub fn first_layer(checkpoint: &Checkpoint, config: &Config) -> Option<Weights> {
    let (name, scales, side) = match config.model.kind {
        ModelKind::Ram => ("glimpse.retina.weight", config.model.scales, config.model.patch),
        ModelKind::Fc => ("first.weight", 1, config.data.size),
        // Filters of 10×10 pixels, Sec. 4.1.
        ModelKind::Conv => ("conv.weight", 1, crate::comparators::WINDOW),
        ModelKind::Cnn => ("conv1.weight", 1, 3),
    };
    let stored = checkpoint.tensors.get(&format!("{PARAMS}{name}"))?;
    let &[inputs, units] = stored.shape.as_slice() else { return None };
    let channels = inputs / (scales * side * side);
    if channels * scales * side * side != inputs || inputs == 0 {
        return None;
    }
    let of_unit = |unit: usize| -> Vec<f32> { stored.data.iter().skip(unit).step_by(units).copied().collect() };
    let norm = |unit: &usize| of_unit(*unit).iter().map(|w| f64::from(w * w)).sum::<f64>();
    let mut order: Vec<(f64, usize)> = (0..units).map(|unit| (norm(&unit), unit)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let shown = (BUDGET / inputs).clamp(1, UNITS);
    let units_shown = order.into_iter().take(shown).map(|(_, index)| {
        let w = of_unit(index);
        let (data, max) = signed_bytes(&w);
        Unit { index, max, data }
    });
    Some(Weights { name: name.to_owned(), of: units, channels, scales, side, units: units_shown.collect() })
}

/// Numbers as bytes in base 64, 128 + 127·x/max|x|, and that largest size.
pub fn signed_bytes(x: &[f32]) -> (String, f64) {
    let max = x.iter().fold(0f32, |max, x| max.max(x.abs()));
    let unit = if max > 0.0 { 127.0 / max } else { 0.0 };
    let bytes: Vec<u8> = x.iter().map(|x| (128.0 + x * unit).round() as u8).collect();
    (STANDARD.encode(bytes), f64::from(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_sizes_are_kept() {
        let (text, max) = signed_bytes(&[0.0, 2.0, -2.0, 1.0]);
        assert_eq!((STANDARD.decode(text).unwrap(), max), (vec![128, 255, 1, 192], 2.0));
        assert_eq!(signed_bytes(&[0.0, 0.0]).1, 0.0);
    }
}
