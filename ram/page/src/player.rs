//! A trained network that looks at images or plays a game, a glimpse at a time.

use datasets::Layout;
use datasets::rng::{Key, Purpose};
use ram::RamError;
use ram::environments::Environment;
use ram::evaluate::trace::{Glimpse, Tracer};
use ram::evaluate::trained::Trained;
use ram::model::{Gaze, Locations};
use ram::zoo::{Facts, Pretrained};
use serde_json::{Value, json};

/// A network, and the episode that it is in.
pub struct Player {
    facts: Facts,
    trained: Trained,
    gaze: Option<Gaze<f32>>,
    game: Option<Box<dyn Environment>>,
}

impl Player {
    /// The network of a pretrained model. It may take up to `glimpses` at an image, if that is more than it was trained with.
    ///
    /// # Errors
    /// The network has no glimpses, or plays a game of somebody's own.
    pub fn open(pretrained: &Pretrained, glimpses: Option<usize>) -> Result<Player, RamError> {
        let mut checkpoint = pretrained.checkpoint.clone();
        let mut config = checkpoint.config()?;
        // A blind policy knows the number of each of its steps; a game ends by itself.
        if config.policy.locations != Locations::Blind && config.data.source.game().is_none() {
            config.model.glimpses = config.model.glimpses.max(glimpses.unwrap_or(0));
            checkpoint.state.config = config.to_toml();
        }
        let trained = Trained::of(&checkpoint)?;
        Tracer::new(&trained)?;
        Ok(Player { facts: pretrained.facts.clone(), trained, gaze: None, game: None })
    }

    /// What the page tells of the network.
    pub fn facts(&self) -> Value {
        let (config, facts) = (&self.trained.config, &self.facts);
        // The configuration in the facts is the one of the training.
        let trained_with = ram::Config::from_toml(&facts.config, "the network").map_or(0, |c| c.model.glimpses);
        json!({
            "name": facts.name,
            "game": config.data.source.game().map(|game| game.title),
            "size": config.data.size,
            "edge": config.data.image_edge(),
            "channels": self.trained.channels,
            "clutter": config.data.clutter,
            "glimpses": trained_with,
            "most": config.model.glimpses,
            "patch": config.model.patch,
            "scales": config.model.scales,
            "zooms": config.policy.zooms,
            "std": if config.policy.std_final > 0.0 { config.policy.std_final } else { config.policy.std },
            "outputs": self.trained.outputs,
            "test_error": facts.test_error,
            "test_count": facts.test_count,
            "parameters": self.trained.parameters(),
        })
    }

    /// Begins an episode at an image.
    ///
    /// # Errors
    /// The network plays games.
    pub fn begin(&mut self, number: u32) -> Result<Value, RamError> {
        if self.trained.config.data.source.game().is_some() {
            return Err(RamError::Config(format!("{}: it plays a game and looks at no images", self.facts.name)));
        }
        let gaze = Tracer::new(&self.trained)?.begin(number);
        let next = next(&gaze);
        self.gaze = Some(gaze);
        Ok(next)
    }

    /// Takes a glimpse at an image of the network's size, there or else where it wants to.
    ///
    /// # Errors
    /// The image has another size, or no glimpse is left.
    pub fn glance(&mut self, pixels: &[u8], at: Option<[f32; 2]>) -> Result<Value, RamError> {
        let layout =
            Layout::rows([self.trained.channels, self.trained.config.data.size, self.trained.config.data.size]);
        if pixels.len() != layout.len() {
            let message = format!("an image of {} bytes, expected {}", pixels.len(), layout.len());
            return Err(RamError::Config(message));
        }
        let (name, most) = (&self.facts.name, self.trained.config.model.glimpses);
        let gaze = self.gaze.as_mut().filter(|gaze| gaze.step < most);
        let gaze = gaze.ok_or_else(|| RamError::Config(format!("{name}: no episode has a glimpse left")))?;
        gaze.location = at.unwrap_or(gaze.location);
        let glimpse = Tracer::new(&self.trained)?.glance(gaze, pixels, layout);
        Ok(told(&glimpse, gaze))
    }

    /// Begins a game.
    ///
    /// # Errors
    /// The network plays none.
    pub fn play(&mut self, number: u32) -> Result<Value, RamError> {
        let data = &self.trained.config.data;
        let named = data.source.game();
        let named = named
            .ok_or_else(|| RamError::Config(format!("{}: it looks at images and plays no game", self.facts.name)))?;
        let mut game = (named.open)(data.size)?;
        game.reset(&mut Key { seed: PAGE, purpose: Purpose::Game, epoch: 0, sample: u64::from(number) }.stream());
        let gaze = Tracer::new(&self.trained)?.begin(number);
        let (screen, next) = (screen(&*game), next(&gaze));
        let answer = json!({ "screen": screen, "next": next, "frames": game.frames(), "oracle": game.oracle() });
        self.gaze = Some(gaze);
        self.game = Some(game);
        Ok(answer)
    }

    /// Takes a glimpse at the game and makes a move: this one, or the one that the network chooses.
    ///
    /// # Errors
    /// No game has begun, it is over, or there is no such action.
    pub fn make_move(&mut self, action: Option<usize>, covered: bool) -> Result<Value, RamError> {
        let (Some(game), Some(gaze)) = (&mut self.game, &mut self.gaze) else {
            return Err(RamError::Config(format!("{}: no game has begun", self.facts.name)));
        };
        if game.done() || action.is_some_and(|action| action >= game.actions().len()) {
            return Err(RamError::Config(format!(
                "{}: the game is over, or has no action {action:?}",
                self.facts.name
            )));
        }
        let [height, width] = game.size();
        let mut seen = screen(&**game);
        if let Some(ball) = game.target().filter(|_| covered) {
            seen[ball.y as usize * width + ball.x as usize] = 0;
        }
        let glimpse = Tracer::new(&self.trained)?.glance(gaze, &seen, Layout::rows([1, height, width]));
        let made = action.or(glimpse.action).unwrap_or(0);
        let reward = game.step(made);
        let mut answer = told(&glimpse, gaze);
        answer["made"] = json!(made);
        answer["reward"] = json!(reward);
        answer["done"] = json!(game.done());
        answer["screen"] = json!(screen(&**game));
        answer["oracle"] = json!(game.oracle().filter(|_| !game.done()));
        Ok(answer)
    }
}

/// The seed of the page's games, which no network was trained on.
const PAGE: u64 = 0x7061_6765;

fn screen(game: &dyn Environment) -> Vec<u8> {
    let [height, width] = game.size();
    let mut pixels = vec![0; height * width];
    game.screen(&mut pixels);
    pixels
}

/// A glimpse, and where the next one will be.
fn told(glimpse: &Glimpse, gaze: &Gaze<f32>) -> Value {
    let mut told = serde_json::to_value(glimpse).expect("numbers");
    told["next"] = next(gaze);
    told
}

fn next(gaze: &Gaze<f32>) -> Value {
    json!({ "location": gaze.location, "zoom": gaze.zoom, "step": gaze.step, "stopped": gaze.stopped })
}
