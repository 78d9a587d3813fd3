//! A trained agent that looks glimpse by glimpse, while somebody watches, moves what it looks at, or decides in its place.

use autograd::Tape;
use datasets::Layout;

use super::trace::{Glimpse, Tracer, clamped, softmax, windows};
use crate::data::FIXED_SEED;
use crate::model::{Decisions, DrawKey, Draws, Gaze, Images, Mode};
use crate::tasks::play::VALIDATION_GAMES;

impl Tracer<'_> {
    /// Begins an episode. Its first location is that of image or validation game `number`.
    pub fn begin(&self, number: u32) -> Gaze<f32> {
        let epoch = if self.plays() { VALIDATION_GAMES } else { 0 };
        let key = DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch, samples: &[number], copies: 1 };
        let mut draws = Draws::default();
        draws.draw(self.agent.plan(), &key);
        let mut tape = Tape::new();
        let t = tape.begin(&self.trained.params);
        self.agent.begin(&t, draws)
    }

    /// Takes the next glimpse of an episode, at an image whose pixels lie as `layout` says. Its reward is left at 0. Where the agent
    /// looks next is then in `gaze`.
    ///
    /// # Panics
    /// If the pixels are not those of such an image, if the image has other channels than the run's images, or if the episode has had
    /// all its glimpses.
    pub fn glance(&self, gaze: &mut Gaze<f32>, pixels: &[u8], layout: Layout) -> Glimpse {
        let [_, height, width] = layout.size();
        let (location, zoom) = (clamped(&gaze.location), gaze.zoom);
        let mut tape = Tape::new();
        let t = tape.begin(&self.trained.params);
        let glance = self.agent.glance(&t, Images::stored(pixels, 1, layout), gaze);
        let has_zooms = self.config().policy.zooms > 1;
        let mut glimpse = Glimpse {
            location,
            windows: windows(self.retina().zoomed(zoom), location, [width, height]),
            zoom: has_zooms.then_some(zoom),
            rho: glance.rho.value().to_vec(),
            gains: self.gains(zoom),
            stop: glance.stop,
            baseline: self.learned_baseline().then(|| f64::from(glance.baseline.value()[0])),
            ..Glimpse::default()
        };
        match self.agent.decisions() {
            Decisions::Last => glimpse.probabilities = softmax(&glance.logits.value()),
            Decisions::Each => {
                glimpse.probabilities = softmax(&glance.logits.log_softmax().value());
                glimpse.action = Some(glimpse.leader());
            }
        }
        glimpse
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::tests::trained;
    use super::*;
    use crate::environments::Environment;
    use crate::environments::catch::Catch;
    use crate::evaluate::trained::Trained;
    use crate::split::SplitName;

    /// With every kind of policy, core and extra action, and for images of which some stop early.
    #[test]
    fn glimpse_by_glimpse_an_episode_is_the_one_that_is_traced() {
        for sets in [
            &["policy.init_std=0.5"][..],
            &["model.core=lstm", "policy.first=learned", "loss.baseline=informed"],
            &["policy.locations=random", "model.scales=1"],
            &["policy.grid=3", "policy.locations=blind"],
            &["policy.zooms=2", "policy.stop=learned", "loss.glimpse_price=0.1", "policy.init_std=0.5"],
            &["policy.zooms=3", "policy.zoom=random", "model.retina=crop"],
        ] {
            let checkpoint = trained("demo", sets);
            let trained = Trained::of(&checkpoint).unwrap();
            let tracer = Tracer::new(&trained).unwrap();
            let set = tracer.examples(SplitName::Validation, None).unwrap();
            let mut glimpses = 0;
            for trace in tracer.trace(&set, 0..20) {
                let mut gaze = tracer.begin(trace.index as u32);
                let layout = Layout::rows([trace.channels, trace.height, trace.width]);
                for (step, expected) in trace.glimpses.iter().enumerate() {
                    assert_eq!((gaze.step, gaze.stopped), (step, false), "{sets:?}");
                    assert_eq!(&tracer.glance(&mut gaze, trace.picture(0), layout), expected, "{sets:?} {step}");
                }
                assert_eq!(gaze.stopped, trace.glimpses.len() < 3, "{sets:?}");
                glimpses += trace.glimpses.len();
            }
            assert!(glimpses > 20, "{sets:?}");
        }
    }

    #[test]
    fn a_game_frame_by_frame_is_the_one_that_is_traced() {
        let checkpoint = trained("catch", &["data.train=64", "data.size=8", "model.glimpses=7", "train.epochs=1"]);
        let trained = Trained::of(&checkpoint).unwrap();
        let tracer = Tracer::new(&trained).unwrap();
        let set = tracer.examples(SplitName::Validation, None).unwrap();
        for trace in tracer.trace(&set, 0..5) {
            let mut game = Catch::new(8).unwrap();
            let key = datasets::rng::Key {
                seed: FIXED_SEED,
                purpose: datasets::rng::Purpose::Game,
                epoch: VALIDATION_GAMES,
                sample: trace.index as u64,
            };
            game.reset(&mut key.stream());
            let (mut gaze, mut screen) = (tracer.begin(trace.index as u32), [0; 64]);
            for expected in &trace.glimpses {
                game.screen(&mut screen);
                let seen = tracer.glance(&mut gaze, &screen, Layout::rows([1, 8, 8]));
                let reward = game.step(seen.action.unwrap());
                assert_eq!(&Glimpse { reward, ..seen }, expected);
            }
            assert!(game.done());
        }
    }

    /// Whoever decides in the agent's place: the glimpse is there, and the agent goes on from what it saw.
    #[test]
    fn a_gaze_can_be_turned() {
        let checkpoint = trained("demo", &[]);
        let trained = Trained::of(&checkpoint).unwrap();
        let tracer = Tracer::new(&trained).unwrap();
        let (pixels, layout) = (vec![200; 44 * 44], Layout::rows([1, 44, 44]));
        let (mut own, mut turned) = (tracer.begin(0), tracer.begin(0));
        assert_eq!(tracer.glance(&mut own, &pixels, layout), tracer.glance(&mut turned, &pixels, layout));
        turned.location = [-1.5, 1.0];
        let (own, turned) = (tracer.glance(&mut own, &pixels, layout), tracer.glance(&mut turned, &pixels, layout));
        assert_eq!(turned.location, [-1.0, 1.0]);
        assert!(turned.probabilities != own.probabilities && turned.rho.contains(&0.0));
    }

    #[test]
    #[should_panic(expected = "glance: the episode has had its 3 glimpses")]
    fn no_glimpse_comes_after_the_last() {
        let checkpoint = trained("demo", &[]);
        let trained = Trained::of(&checkpoint).unwrap();
        let tracer = Tracer::new(&trained).unwrap();
        let mut gaze = tracer.begin(0);
        (0..4).for_each(|_| _ = tracer.glance(&mut gaze, &[0; 44 * 44], Layout::rows([1, 44, 44])));
    }
}
