//! The learning rate and the policy's standard deviation, which change from step to step by a schedule.

use autograd::optim::Schedule;

use crate::config::{Config, ScheduleKind};

/// The numbers that change from step to step by a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// The learning rate of the optimiser.
    pub learning_rate: f64,
    /// The standard deviation of the policy.
    pub std: f64,
}

/// The rates at a step of the whole run, if an epoch has `steps` steps.
pub fn rates(config: &Config, step: u64, steps: usize) -> Rates {
    let policy = &config.policy;
    let done = step as f64 / ((config.train.epochs * steps) as f64 - 1.0).max(1.0);
    let std = match policy.std_final {
        0.0 => policy.std,
        last => policy.std + (last - policy.std) * done.min(1.0),
    };
    Rates { learning_rate: learning_rate(config, step, steps), std }
}

/// The learning rate at a step of the whole run, if an epoch has `steps` steps.
fn learning_rate(config: &Config, step: u64, steps: usize) -> f64 {
    let s = &config.schedule;
    let every = (s.every * steps) as u64;
    let schedule = match s.kind {
        ScheduleKind::Constant => Schedule::Constant,
        ScheduleKind::Linear => Schedule::Linear { last: s.last },
        ScheduleKind::Step => Schedule::Step { factor: s.factor, every },
        ScheduleKind::Exponential => Schedule::Exponential { factor: s.factor, every },
        ScheduleKind::Cosine => Schedule::Cosine { last: s.last },
    };
    let total = (config.train.epochs * steps) as u64;
    config.optimiser.learning_rate * schedule.factor(step, total, s.warmup as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_their_schedules_over_all_steps() {
        let mut config = Config::default();
        (config.train.epochs, config.policy.std, config.policy.std_final) = (2, 0.3, 0.1);
        (config.schedule.kind, config.schedule.last, config.optimiser.learning_rate) = (ScheduleKind::Linear, 0.5, 1.0);
        // Of six steps the last one has the final rates, and further steps keep them.
        let std: Vec<f64> = [0, 1, 5, 9].map(|step| rates(&config, step, 3).std).to_vec();
        for (found, expected) in std.iter().zip([0.3, 0.26, 0.1, 0.1]) {
            assert!((found - expected).abs() < 1e-12, "{std:?}");
        }
        let rate = |step| rates(&config, step, 3).learning_rate;
        assert!(rate(0) == 1.0 && rate(0) > rate(3) && rate(3) > rate(5) && rate(5) >= 0.5, "{} {}", rate(3), rate(5));
        config.policy.std_final = 0.0;
        assert_eq!([0, 5].map(|step| rates(&config, step, 3).std), [0.3, 0.3]);
    }
}
