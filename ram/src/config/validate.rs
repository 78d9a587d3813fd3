//! The range of every key, and what must fit together.

mod data;

use super::{Config, LossKind, Returns, Reward};
use crate::error::RamError;
use crate::model::retina::MAX_SCALES;
use crate::model::{First, MAX_GLIMPSES, ModelKind, Stop, Zoom};
use crate::reinforce::BaselineKind;

/// The smallest standard deviation of the policy. An image of 16384 pixels has its pixels 0.0001 apart.
const SMALLEST_STD: f64 = 1e-6;

impl Config {
    /// Checks every range and what must fit together.
    ///
    /// # Errors
    /// [`RamError::Config`] with a line for every fault: key, what was found, what is expected.
    pub fn validate(&self) -> Result<(), RamError> {
        self.validate_with(|_| None)
    }

    /// As [`Config::validate`]; a fault begins with the place where its key was set, as far as `origin` knows it.
    pub(super) fn validate_with<'a>(&self, origin: impl Fn(&str) -> Option<&'a str>) -> Result<(), RamError> {
        let mut faults = Faults(Vec::new());
        // TOML's integers are signed.
        faults.unless(self.seed <= i64::MAX as u64, "seed", self.seed, "at most 9223372036854775807");
        self.validate_data(&mut faults);
        self.validate_model(&mut faults);
        self.validate_policy_and_loss(&mut faults);
        self.validate_optimiser_and_schedule(&mut faults);
        self.validate_train(&mut faults);
        if faults.0.is_empty() {
            return Ok(());
        }
        let line = |(key, fault): (String, String)| match origin(&key) {
            Some(origin) => format!("{origin}: {fault}"),
            None => fault,
        };
        Err(RamError::Config(faults.0.into_iter().map(line).collect::<Vec<_>>().join("\n")))
    }

    /// `[model]`
    fn validate_model(&self, faults: &mut Faults) {
        let Config { data, model, loss, .. } = self;
        faults.unless(
            model.patch.is_multiple_of(2) && (2..=1024).contains(&model.patch),
            "model.patch",
            model.patch,
            "an even number from 2 to 1024",
        );
        faults.within("model.scales", model.scales, 1, 8);
        faults.within("model.zoom", model.zoom, 0, 7);
        faults.within("model.glimpses", model.glimpses, 1, MAX_GLIMPSES);
        faults.number("model.coarse_gain", model.coarse_gain, |x| (0.1..=10.0).contains(&x), "from 0.1 to 10");
        faults.number("model.gain", model.gain, |x| x > 0.0 && x <= 1e4, "above 0, at most 10000");
        faults.within("model.features", model.features, 1, 16_384);
        faults.within("model.glimpse_features", model.glimpse_features, 1, 16_384);
        faults.within("model.hidden", model.hidden, 1, 16_384);
        faults.within("model.filters", model.filters, 1, 1024);
        if model.kind != ModelKind::Ram && data.source.game().is_none() {
            faults.unless(
                loss.kind == LossKind::Hybrid,
                "loss.kind",
                format!("{:?}", loss.kind).to_lowercase(),
                "hybrid where model.kind is fc, conv or cnn, which choose nothing",
            );
        }
    }

    /// `[policy]` and `[loss]`
    fn validate_policy_and_loss(&self, faults: &mut Faults) {
        let Config { policy, loss, .. } = self;
        // Eq. (2) divides by the square, which must not overflow an f32.
        let std = |x| (SMALLEST_STD..=10.0).contains(&x);
        faults.number("policy.std", policy.std, std, "from 1e-6 to 10");
        faults.number("policy.std_final", policy.std_final, |x| x == 0.0 || std(x), "0 (off), or from 1e-6 to 10");
        faults.unless(
            policy.grid == 0 || (2..=16).contains(&policy.grid),
            "policy.grid",
            policy.grid,
            "0 (off), or from 2 to 16",
        );
        faults.unless(
            policy.first != First::Learned || policy.locations.are_learned(),
            "policy.first",
            "learned",
            &format!(
                "random, inside or centre with policy.locations={}, which learns no location",
                policy.locations.name()
            ),
        );
        faults.number("policy.init_std", policy.init_std, |x| (0.0..=10.0).contains(&x), "from 0 to 10");

        let weight = |x| (0.0..=1e6).contains(&x);
        faults.number("loss.location_weight", loss.location_weight, weight, "from 0 to 1000000");
        faults.number("loss.baseline_weight", loss.baseline_weight, weight, "from 0 to 1000000");

        faults.number("loss.early_weight", loss.early_weight, weight, "from 0 to 1000000");
        faults.unless(
            [loss.returns == Returns::ToGo, loss.kind == LossKind::Hybrid, loss.reward == Reward::Sampled] != [true; 3],
            "loss.returns",
            "to-go",
            "episode with loss.kind=hybrid and loss.reward=sampled, which draws a class only at the end",
        );
        faults.number("loss.glimpse_price", loss.glimpse_price, |x| (0.0..=1.0).contains(&x), "from 0 to 1");
        self.validate_stop(faults);
        self.validate_zooms(faults);
        faults.number("loss.entropy_weight", loss.entropy_weight, weight, "from 0 to 1000000");
        faults.number("loss.discount", loss.discount, |x| x > 0.0 && x <= 1.0, "above 0, at most 1");
    }

    /// `policy.stop` and `loss.glimpse_price`
    fn validate_stop(&self, faults: &mut Faults) {
        let Config { data, model, policy, loss, .. } = self;
        if policy.stop == Stop::Never {
            let expected = "0 with policy.stop=never, where every image costs the same (set policy.stop=learned)";
            return faults.unless(loss.glimpse_price == 0.0, "loss.glimpse_price", loss.glimpse_price, expected);
        }
        let mut refuse = |ok: bool, why: &str| faults.unless(ok, "policy.stop", "learned", &format!("never {why}"));
        refuse(data.source.game().is_none(), "in a game, whose rules say when it ends");
        refuse(model.kind == ModelKind::Ram, "where model.kind is fc, conv or cnn, which take no glimpses");
        refuse(model.glimpses > 1, "with model.glimpses=1, where nothing is left to choose");
    }

    /// `model.zoom`, `policy.zooms` and `policy.zoom`
    fn validate_zooms(&self, faults: &mut Faults) {
        let Config { data, model, policy, .. } = self;
        faults.within("policy.zooms", policy.zooms, 1, 8);
        // The sum of a column of a block must fit into the retina's 16 bits.
        let widest = model.scales.saturating_add(model.zoom).saturating_add(policy.zooms).saturating_sub(1);
        faults.unless(
            widest <= MAX_SCALES,
            "policy.zooms",
            policy.zooms,
            &format!(
                "such that model.scales + model.zoom + policy.zooms is at most {}: the widest patch is then 128 times as wide as the finest",
                MAX_SCALES + 1
            ),
        );
        if policy.zooms == 1 {
            let expected =
                "learned with policy.zooms=1, where there is nothing to choose (set policy.zooms=3, for example)";
            return faults.unless(policy.zoom == Zoom::Learned, "policy.zoom", policy.zoom.name(), expected);
        }
        let mut refuse = |ok: bool, why: &str| faults.unless(ok, "policy.zooms", policy.zooms, &format!("1 {why}"));
        refuse(model.kind == ModelKind::Ram, "where model.kind is fc, conv or cnn, which take no glimpses");
        refuse(model.glimpses > 1, "with model.glimpses=1: the first glimpse is always the widest, so set model.zoom");
        let knows = policy.zoom != Zoom::Oracle || data.source.game().is_none();
        faults.unless(knows, "policy.zoom", "oracle", "learned or random in a game, where no digit has a size");
    }

    /// `[optimiser]` and `[schedule]`
    fn validate_optimiser_and_schedule(&self, faults: &mut Faults) {
        let Config { optimiser, schedule, .. } = self;
        faults.number(
            "optimiser.learning_rate",
            optimiser.learning_rate,
            |x| x > 0.0 && x <= 100.0,
            "above 0, at most 100",
        );
        // Closer to 1 it would be 1 as f32, and nothing would ever be forgotten.
        let momentum = |x| (0.0..=0.999_999).contains(&x);
        faults.number("optimiser.momentum", optimiser.momentum, momentum, "from 0 to 0.999999");
        faults.number("optimiser.beta1", optimiser.beta1, momentum, "from 0 to 0.999999");
        faults.number("optimiser.beta2", optimiser.beta2, momentum, "from 0 to 0.999999");
        // Not so small that they would be 0 as f32.
        faults.number("optimiser.epsilon", optimiser.epsilon, |x| (1e-30..=1.0).contains(&x), "from 1e-30 to 1");
        let decay = optimiser.weight_decay;
        faults.number("optimiser.weight_decay", decay, |x| (0.0..=1.0).contains(&x), "from 0 (off) to 1");
        // A step would turn the sign of the parameters that it should shrink.
        faults.unless(
            !optimiser.learning_rate.is_finite() || decay * optimiser.learning_rate <= 1.0,
            "optimiser.weight_decay",
            decay,
            "at most 1 / optimiser.learning_rate",
        );
        faults.number(
            "optimiser.clip",
            optimiser.clip,
            |x| x == 0.0 || (1e-30..=1e30).contains(&x),
            "0 (off), or from 1e-30 to 1e30",
        );

        faults.number("schedule.final", schedule.last, |x| (0.0..=1.0).contains(&x), "from 0 to 1");
        faults.number("schedule.factor", schedule.factor, |x| x > 0.0 && x <= 1.0, "above 0, at most 1");
        faults.within("schedule.every", schedule.every, 1, 1_000_000);
        faults.within("schedule.warmup", schedule.warmup, 0, 1_000_000_000);
    }

    /// `[train]`, and the warm-up that must fit into it
    fn validate_train(&self, faults: &mut Faults) {
        let Config { data, model, loss, schedule, train, .. } = self;
        faults.within("train.epochs", train.epochs, 1, 1_000_000);
        faults.within("train.batch", train.batch, 1, 65_536);
        faults.within("train.samples", train.samples, 1, 1024);
        if model.kind != ModelKind::Ram {
            faults.unless(
                train.samples <= 1,
                "train.samples",
                train.samples,
                "1 where model.kind is fc, conv or cnn, which draw nothing",
            );
        } else if loss.baseline == BaselineKind::LeaveOneOut {
            faults.unless(
                train.samples >= 2,
                "train.samples",
                train.samples,
                "2 or more with loss.baseline=leave-one-out, which compares samples of an image",
            );
        }
        faults.within("train.patience", train.patience, 0, 1_000_000);
        faults.unless(
            train.patience == 0 || !data.train_on_validation,
            "train.patience",
            train.patience,
            "0 with data.train_on_validation=true, where the validation error says nothing of new images",
        );

        let steps = train.epochs.saturating_mul(data.trained_on().div_ceil(train.batch.max(1)));
        faults.unless(
            // How many pictures a folder has is not known yet.
            schedule.warmup == 0 || schedule.warmup < steps || data.trained_on() == 0,
            "schedule.warmup",
            schedule.warmup,
            &format!(
                "below {steps}, all steps of the training (train.epochs × training images / train.batch, rounded up)"
            ),
        );
    }
}

/// The faults that [`Config::validate`] has found, each with the key that it is about.
struct Faults(Vec<(String, String)>);

impl Faults {
    fn unless(&mut self, ok: bool, key: &str, found: impl std::fmt::Display, expected: &str) {
        if !ok {
            self.add(key, format!("{key} is {found}, but must be {expected}"));
        }
    }

    fn add(&mut self, key: &str, fault: String) {
        self.0.push((key.to_owned(), fault));
    }

    fn within(&mut self, key: &str, found: usize, low: usize, high: usize) {
        self.unless((low..=high).contains(&found), key, found, &format!("from {low} to {high}"));
    }

    fn number(&mut self, key: &str, found: f64, ok: impl Fn(f64) -> bool, expected: &str) {
        self.unless(found.is_finite() && ok(found), key, found, expected);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Base;

    use super::*;

    fn message(base: &str, sets: &[&str]) -> String {
        let sets: Vec<_> = sets.iter().map(|s| s.to_string()).collect();
        Config::load(Base::Preset(base), &sets).unwrap_err().to_string()
    }

    #[test]
    fn ranges_are_checked_and_all_faults_told_at_once() {
        for (set, part) in [
            ("policy.std=0", "policy.std is 0, but must be from 1e-6 to 10"),
            ("policy.std=1e-20", "policy.std is 0.00000000000000000001, but must be"),
            ("policy.std_final=1e-20", "must be 0 (off), or from 1e-6 to 10"),
            ("optimiser.momentum=0.99999999999", "must be from 0 to 0.999999"),
            ("policy.std=nan", "policy.std is NaN"),
            ("optimiser.clip=inf", "optimiser.clip is inf"),
            ("optimiser.clip=1e-46", "must be 0 (off), or from 1e-30 to 1e30"),
            ("optimiser.clip=-1", "optimiser.clip is -1"),
            ("optimiser.epsilon=1e-46", "must be from 1e-30 to 1"),
            ("optimiser.epsilon=0", "optimiser.epsilon is 0"),
            ("schedule.warmup=23460", "schedule.warmup is 23460, but must be below 23460, all steps"),
            ("model.patch=7", "model.patch is 7, but must be an even number"),
            ("model.glimpses=0", "model.glimpses is 0"),
            ("model.coarse_gain=0", "model.coarse_gain is 0, but must be from 0.1 to 10"),
            ("data.clutter=4", "data.canvas=cluttered"),
            ("data.frames=7", "data.frames is 7, but must be 20, its default, but with data.canvas=moving or"),
            ("data.canvas=moving", "data.size is 28, but must be above 28, the edge of the largest image"),
            ("data.scale=[0, 1]", "data.scale is [0, 1], but must be two factors [low, high] from 0.125 to 64"),
            ("data.scale=[2, 1]", "data.scale is [2, 1]"),
            ("data.scale=[0.5, nan]", "data.scale is [0.5, NaN]"),
            ("data.scale=[0.5, 2]", "it is 56×56 then, and data.size is 28; make data.size larger"),
            ("data.scale=2", "`data.scale` is 2, but must be two numbers, such as [0.5, 2.0]"),
            ("data.scale=[1, 2, 3]", "must be two numbers"),
            ("data.size=60", "set data.canvas=translated"),
            ("data.train=50001", "data.train is 50001, but must be from 0 to 50000"),
            ("optimiser.beta2=1", "optimiser.beta2 is 1"),
            ("optimiser.weight_decay=-1", "optimiser.weight_decay is -1, but must be from 0 (off) to 1"),
            ("train.batch=0", "train.batch is 0"),
            ("train.samples=0", "train.samples is 0"),
            (
                "loss.baseline=leave-one-out",
                "train.samples is 1, but must be 2 or more with loss.baseline=leave-one-out",
            ),
        ] {
            let text = message("mnist", &[set]);
            assert!(text.contains(part), "{text}");
        }
        // 60 epochs of 469 steps in place of 391
        let warmup = ["schedule.warmup=28139", "data.train_on_validation=true"].map(str::to_owned);
        Config::load(Base::Preset("mnist"), &warmup).unwrap();
        assert!(message("mnist", &["schedule.warmup=28139"]).contains("below 23460"));
        let text = message("mnist", &["data.train_on_validation=true", "train.patience=3"]);
        assert!(text.contains("train.patience is 3, but must be 0 with data.train_on_validation=true"), "{text}");
        let text = message("mnist", &["data.train_on_validation=true", "data.source=catch", "data.size=24"]);
        assert!(text.contains("data.train_on_validation is true, but must be false with data.source=catch"), "{text}");
        let text = message("mnist", &["policy.first=learned", "policy.locations=random"]);
        assert!(text.contains("policy.first is learned, but must be random, inside or centre with"), "{text}");
        for set in [
            "data.scale=[0.5, 1]",
            "optimiser.clip=0",
            "optimiser.clip=1e-30",
            "optimiser.epsilon=1e-30",
            "schedule.warmup=23459",
            "data.train_on_validation=true",
        ] {
            Config::load(Base::Preset("mnist"), &[set.to_owned()]).unwrap();
        }
        assert_eq!(message("mnist", &["train.batch=0", "train.epochs=0"]).lines().count(), 2);
        let text = message("mnist", &["optimiser.learning_rate=2", "optimiser.weight_decay=0.6"]);
        assert!(
            text.contains("optimiser.weight_decay is 0.6, but must be at most 1 / optimiser.learning_rate"),
            "{text}"
        );
        assert!(message("cluttered", &["data.clutter=0"]).contains("from 1 to 100000"));
        let centred = ["data.scale=[0.5, 2]", "data.size=56"].map(str::to_owned);
        Config::load(Base::Preset("mnist"), &centred).unwrap();
        let moving = ["data.canvas=moving", "data.size=60", "data.frames=2", "data.clutter=0", "model.glimpses=2"];
        let moving = moving.map(str::to_owned);
        assert_eq!(Config::load(Base::Preset("mnist"), &moving).unwrap().data.clip_frames(), 2);
        let text = message("mnist", &["data.canvas=moving", "data.size=60", "data.frames=1001", "data.clutter=100001"]);
        assert!(text.contains("data.frames is 1001, but must be from 2 to 64"), "{text}");
        assert!(text.contains("data.clutter is 100001, but must be from 0 to 100000"), "{text}");
        let frames = ["data.source=frames", "data.path=x", "data.size=90", "model.glimpses=20"];
        let config = Config::load(Base::Preset("mnist"), &frames.map(str::to_owned)).unwrap();
        assert_eq!((config.data.clip_frames(), config.data.image_edge()), (20, 90));
        let text = message("mnist", &[&frames[..], &["data.canvas=moving"]].concat());
        assert!(text.contains("data.canvas is moving, but must be centred with data.source=frames"), "{text}");
        let text = message("mnist", &["data.scale=[0.5, 1]", "data.source=catch", "data.size=24"]);
        assert!(text.contains("data.scale is [0.5, 1], but must be [1, 1] with data.source=catch"), "{text}");
        assert!(message("translated", &["data.size=27"]).contains("from 28 to 16384"));
        let infinite = message("mnist", &["optimiser.learning_rate=inf"]);
        assert!(
            infinite.contains("optimiser.learning_rate is inf") && !infinite.contains("weight_decay"),
            "{infinite}"
        );
    }
}
