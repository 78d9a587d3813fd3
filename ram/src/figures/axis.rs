//! The axes of a plot: where a value lies along them, and which values are marked.

/// From a value to its place along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// Equal differences are equally long.
    Linear([f64; 2]),
    /// Equal ratios are equally long; both ends are above 0.
    Logarithmic([f64; 2]),
    /// As [`Axis::Linear`], but only whole numbers are marked.
    Whole([f64; 2]),
    /// Names side by side; their values are 0, 1, 2, …
    Names(Vec<String>),
}

impl Axis {
    /// Where a value lies, from 0 at the beginning of the axis to 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        let between = |[low, high]: [f64; 2], x: f64| if high > low { (x - low) / (high - low) } else { 0.5 };
        match self {
            Axis::Linear(ends) | Axis::Whole(ends) => between(*ends, value),
            Axis::Logarithmic(ends) => between(ends.map(log10), log10(value)),
            Axis::Names(names) => (value + 0.5) / names.len() as f64,
        }
    }

    /// The values to mark, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = match self {
            Axis::Whole([low, high]) if high - low < 5.0 => {
                (low.ceil() as i64..=high.floor() as i64).map(|n| n as f64).collect()
            }
            Axis::Linear([low, high]) | Axis::Whole([low, high]) => ticks(*low, *high),
            Axis::Logarithmic([low, high]) => {
                let powers = log_ticks(*low, *high);
                // A short range has hardly a power of ten.
                if powers.len() < 3 { ticks(*low, *high) } else { powers }
            }
            Axis::Names(names) => return (0..).map(f64::from).zip(names.iter().cloned()).collect(),
        };
        values.into_iter().map(|x| (x, brief(x, 6))).collect()
    }
}

/// About five round numbers from low to high.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    if rough <= 0.0 || !rough.is_finite() {
        return vec![low];
    }
    let power = power_of_ten(log10(rough).floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    // Adding 0 turns −0 into 0.
    (first..).map(|i| i as f64 * step + 0.0).take_while(|&x| x <= high + 1e-9 * step).collect()
}

/// Powers of ten from low to high: at most about eight of them, and where there are few, twice and five times them too.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let inside = |x: &f64| (low * 0.999..=high * 1.001).contains(x);
    let powers = log10(low).floor() as i32..=log10(high).ceil() as i32;
    let every = ((log10(high) - log10(low)) / 6.0).ceil().max(1.0) as i32;
    let kept: Vec<f64> = powers.filter(|power| power % every == 0).map(power_of_ten).collect();
    let few = high / low <= 300.0 || kept.iter().filter(|x| inside(x)).count() < 3;
    let factors: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
    kept.iter().flat_map(|power| factors.iter().map(move |factor| factor * power)).filter(inside).collect()
}

/// Pictures need no exact logarithm.
#[allow(clippy::disallowed_methods)]
fn log10(x: f64) -> f64 {
    x.log10()
}

fn power_of_ten(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(1.0)
}

/// A number with up to `digits` significant digits and no needless zeros: `0.25`, `1e-5`.
pub fn brief(x: f64, digits: usize) -> String {
    let rounded: f64 = format!("{x:.*e}", digits - 1).parse().unwrap_or(x);
    if rounded != 0.0 && !(1e-3..1e5).contains(&rounded.abs()) { format!("{rounded:e}") } else { rounded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_all_along_it() {
        let expected = ["20", "50", "100", "200", "500", "1000", "2000", "5000"];
        assert_eq!(labels(&Axis::Logarithmic([13.0, 5500.0])), expected);
        assert_eq!(labels(&Axis::Logarithmic([0.9, 20_000.0])), ["1", "10", "100", "1000", "10000"]);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0, 83.0), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks(3.0, 3.0), [3.0]);
        assert_eq!(labels(&Axis::Linear([-0.05, 0.01])), ["-0.04", "-0.02", "0"]);
        assert_eq!(labels(&Axis::Linear([0.05, 0.5])), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(log_ticks(0.02, 1.0), [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(log_ticks(1e-6, 1.0).len(), 7);
        assert_eq!(labels(&Axis::Logarithmic([1e-4, 1e-1])), ["1e-4", "0.001", "0.01", "0.1"]);
        assert_eq!(labels(&Axis::Logarithmic([0.9, 12.0])), ["1", "2", "5", "10"]);
        assert_eq!(labels(&Axis::Logarithmic([0.11, 0.14])), ["0.11", "0.12", "0.13", "0.14"]);
        assert!((4..9).contains(&labels(&Axis::Logarithmic([1e-300, 1e300])).len()));
        assert_eq!(labels(&Axis::Whole([3.5, 8.5])), ["4", "5", "6", "7", "8"]);
        assert_eq!(labels(&Axis::Whole([1.0, 2.0])), ["1", "2"]);
        assert_eq!(labels(&Axis::Whole([7.0, 8.0])), ["7", "8"]);
        assert_eq!(labels(&Axis::Whole([0.6, 1.5])), ["1"]);
        assert_eq!(labels(&Axis::Whole([1.0, 60.0])), ["20", "40", "60"]);
        assert_eq!(labels(&Axis::Names(vec!["a".into(), "b".into()])), ["a", "b"]);
    }

    #[test]
    fn numbers_are_brief() {
        assert_eq!([0.0, 0.5, 12.25, 1e-5, 2e6].map(|x| brief(x, 6)), ["0", "0.5", "12.25", "1e-5", "2e6"]);
        assert_eq!([-1.0 / 3.0, 1234.5, 2.0 / 3e5].map(|x| brief(x, 3)), ["-0.333", "1230", "6.67e-6"]);
        assert_eq!(brief(0.1 + 0.2, 6), "0.3");
    }

    #[test]
    fn an_axis_runs_from_0_to_1() {
        for axis in [Axis::Linear([2.0, 4.0]), Axis::Logarithmic([2.0, 4.0]), Axis::Whole([2.0, 4.0])] {
            assert_eq!((axis.share(2.0), axis.share(4.0)), (0.0, 1.0));
        }
        assert!((Axis::Logarithmic([1.0, 100.0]).share(10.0) - 0.5).abs() < 1e-12);
        assert_eq!(Axis::Linear([1.0, 5.0]).share(2.0), 0.25);
        assert_eq!(Axis::Whole([3.0, 3.0]).share(3.0), 0.5);
        let names = Axis::Names(vec!["a".into(), "b".into()]);
        assert_eq!((names.share(0.0), names.share(1.0)), (0.25, 0.75));
    }
}
