//! An episode that goes on glimpse by glimpse, each on a tape of its own, so that somebody can act in between.

use autograd::{Real, Recording, Var};

use super::agent::Agent;
use super::core::State;
use super::draws::Draws;
use super::episode::Episode;
use super::retina::Images;
use super::stop::Stops;
use super::zoom::{self, Zooms};

/// What an agent keeps of one episode between two glimpses, as plain numbers.
#[derive(Clone, Debug)]
pub struct Gaze<R> {
    /// lₜ, where the next glimpse will be, before clamping. Whoever knows a better place may change it.
    pub location: [R; 2],
    /// The zoom of the next glimpse; 0 where the agent has only one.
    pub zoom: usize,
    /// Whether the agent has chosen to stop. It can be asked for more glimpses all the same.
    pub stopped: bool,
    /// t, the number of glimpses so far.
    pub step: usize,
    h: Vec<R>,
    cells: Vec<R>,
    draws: Draws<R>,
}

/// A glimpse of a [`Gaze`], and what the agent believes after it.
pub struct Glance<'t, R: Real> {
    /// ρ(x, lₜ₋₁) [1, ρ]
    pub rho: Var<'t, R>,
    /// The logits of the classes or actions, [1, outputs].
    pub logits: Var<'t, R>,
    /// bₜ `[1]`
    pub baseline: Var<'t, R>,
    /// π(sₜ = 1 | hₜ), if the agent has learned to stop and this is not its last glimpse.
    pub stop: Option<f64>,
}

impl Agent {
    /// The beginning of an episode with one input. `draws` are those of [`Draws::draw`] for it.
    #[track_caller]
    pub fn begin<R: Real>(&self, t: &Recording<'_, R>, draws: Draws<R>) -> Gaze<R> {
        let (l, _) = self.first_location(t, 1, &draws);
        let location = [l.value()[0], l.value()[1]];
        let zoom = self.zoom.map_or(0, |policy| policy.zooms - 1);
        Gaze { location, zoom, stopped: false, step: 0, h: Vec::new(), cells: Vec::new(), draws }
    }

    /// Takes the next glimpse of an episode, at one image, and chooses what comes after it. The numbers have the same bits as in
    /// [`Agent::look`].
    ///
    /// # Panics
    /// If there is not one image, or if the episode has had all its glimpses.
    #[track_caller]
    pub fn glance<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        gaze: &mut Gaze<R>,
    ) -> Glance<'t, R> {
        assert!(gaze.step < self.plan.glimpses, "glance: the episode has had its {} glimpses", gaze.step);
        let width = self.hidden;
        let state = if gaze.step == 0 {
            self.core.begin(t, 1, width)
        } else {
            let cells = (!gaze.cells.is_empty()).then(|| t.constant([1, width], &gaze.cells));
            State { h: t.constant([1, width], &gaze.h), cells }
        };
        let l = t.constant([1, 2], &gaze.location);
        let zoom = t.constant([1], &[R::from(gaze.zoom as u8)]);
        let clamped = l.clamp(-R::ONE, R::ONE);
        let place = if self.zoom.is_some() { zoom::with_zoom(clamped, zoom) } else { clamped };
        let (rho, _, state) = self.iterate(t, images, state, place);
        let (logits, baseline) = self.believe(state.h);
        gaze.step += 1;
        let mut stop = None;
        if gaze.step < self.plan.glimpses {
            let mut episode = Episode::new();
            episode.stops = self.stop.map(|_| Stops::begin(t, 1));
            episode.zooms = self.zoom.map(|policy| Zooms::begin(t, 1, policy));
            let (l, _) = self.choose(t, state.h, gaze.step, &gaze.draws, (l, &mut episode));
            gaze.location = [l.value()[0], l.value()[1]];
            gaze.zoom = episode.zooms.as_ref().map_or(0, |zooms| zooms.zoom(1, 0));
            if let Some(stops) = &episode.stops {
                stop = stops.probability(0, 0);
                gaze.stopped |= stops.looks[1].value()[0] == R::ZERO;
            }
        }
        let keep = |numbers: &mut Vec<R>, var: Var<'t, R>| {
            numbers.clear();
            numbers.extend_from_slice(&var.value());
        };
        keep(&mut gaze.h, state.h);
        if let Some(cells) = state.cells {
            keep(&mut gaze.cells, cells);
        }
        Glance { rho, logits, baseline, stop }
    }
}
