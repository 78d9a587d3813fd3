//! `ram play`

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use console::{Key as Pressed, Term};
use datasets::rng::{Key, Purpose};
use ram::environments::catch::Action;
use ram::environments::{Catch, Environment};
use ram::error::RamError;
use ram::evaluate::trace::{Frame, GameTrace, Tracer, Window};
use ram::figures::{animation, check_gif};
use ram::runs::run_folder::RunFolder;
use ram::split::SplitName;
use serde_json::json;

use super::eval::{Checkpoint, find};
use super::look::write;
use super::{Ended, percent, say};

/// The most games in an animation.
const MOVING: u32 = 24;

/// What can be played.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Catch (Sec. 4.2): watch a trained agent, or play it with the arrow keys.
    Catch(Args),
}

/// Options of `ram play catch`.
#[derive(clap::Args)]
pub struct Args {
    /// The run that plays: its folder, or its name in --runs. Without it you play, with the arrow keys.
    run: Option<PathBuf>,

    /// Play yourself, while the run's agent looks on: its retina's windows are drawn.
    #[arg(long, requires = "run")]
    keys: bool,

    /// Which checkpoint: the one that lost the fewest games, or the newest.
    #[arg(long, value_enum, default_value_t = Checkpoint::Best)]
    which: Checkpoint,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    /// How many games.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    games: u32,

    /// The number of the first game, by which its ball is drawn [default: 0; when you play, by the clock]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000_000))]
    from: Option<u32>,

    /// Frames a second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    speed: u16,

    /// Draw nothing, but write the games side by side as an animation, with the retina's windows; at most 24 games.
    #[arg(long, value_name = "FILE.gif", requires = "run", conflicts_with = "keys")]
    gif: Option<PathBuf>,

    /// Print JSON, an object a game, and draw nothing.
    #[arg(long, conflicts_with = "keys")]
    json: bool,
}

/// Plays.
pub fn run(command: &Command) -> anyhow::Result<Ended> {
    let Command::Catch(args) = command;
    args.gif.as_deref().map(check_gif).transpose()?;
    if args.gif.is_some() && args.games > MOVING {
        return Err(RamError::Config(format!("--games {}: an animation has at most {MOVING}", args.games)).into());
    }
    let tracer = match &args.run {
        Some(run) => {
            let checkpoint = RunFolder::read(&find(run, &args.runs), args.which.which().0)?;
            let tracer = Tracer::new(&checkpoint)?;
            if !tracer.plays() {
                return Err(RamError::Config(format!(
                    "{}: it classifies images and plays no games; name a run of `ram train --experiment catch`",
                    checkpoint.path.display()
                ))
                .into());
            }
            Some(tracer)
        }
        None if args.json => {
            return Err(RamError::Config("--json tells how a run plays: name the run".to_owned()).into());
        }
        None => None,
    };
    match tracer {
        Some(tracer) if !args.keys => watch(args, &tracer),
        tracer => join_in(args, tracer.as_ref()),
    }
}

/// An agent plays: on a terminal it is drawn, elsewhere only told.
fn watch(args: &Args, tracer: &Tracer) -> anyhow::Result<Ended> {
    let first = args.from.unwrap_or(0) as usize;
    let mut board = Board::new(!args.json && args.gif.is_none() && io::stdout().is_terminal());
    let mut caught = 0.0;
    let games = tracer.games(SplitName::Validation, first..first + args.games as usize)?;
    if let Some(gif) = &args.gif {
        let name = args.run.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        write(gif, &animation::games(&games, &format!("{name}: Catch")))?;
    }
    for (number, game) in (first..).zip(&games) {
        for frame in &game.frames {
            board.draw(&frame.screen, game.size, &frame.windows, &beside(frame))?;
            board.wait(args.speed);
        }
        board.draw(&game.end, game.size, &[], &[String::new(), outcome(game.reward()).to_owned()])?;
        board.wait(args.speed.div_ceil(8));
        board.leave();
        caught += game.reward();
        if args.json {
            say(&told(game).to_string())?;
        } else {
            say(&format!("game {number}: {}", outcome(game.reward())))?;
        }
    }
    if !args.json && args.games > 1 {
        say(&format!("{} of {} games caught", percent(caught / f64::from(args.games)), args.games))?;
    }
    if let Some(gif) = args.gif.as_ref().filter(|_| !args.json) {
        say(&format!("in {}", gif.display()))?;
    }
    Ok(Ended::Done)
}

/// Somebody plays with the arrow keys; the ball falls a row with every key.
fn join_in(args: &Args, tracer: Option<&Tracer>) -> anyhow::Result<Ended> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(RamError::Config(
            "to play with the arrow keys needs a terminal; name a run to have its agent play".to_owned(),
        )
        .into());
    }
    let by_the_clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.subsec_nanos());
    let first = args.from.unwrap_or_else(by_the_clock);
    let (term, mut board, mut caught) = (Term::stdout(), Board::new(true), 0.0);
    say("left and right arrow move the paddle, any other key lets it stay, q ends")?;
    for number in first..first + args.games {
        let mut game = Catch::new(tracer.map_or(24, |tracer| tracer.config().data.size))?;
        game.reset(&mut Key { seed: 0, purpose: Purpose::Game, epoch: 0, sample: u64::from(number) }.stream());
        let mut ended = None;
        let mut ask = |game: &Catch, windows: &[Window]| -> usize {
            if ended.is_some() {
                return Action::Stay as usize;
            }
            let pressed = board.draw(&screen(game), game.size()[0], windows, &[]).and_then(|()| term.read_key());
            match pressed {
                Ok(Pressed::ArrowLeft | Pressed::Char('h' | 'a')) => Action::Left as usize,
                Ok(Pressed::ArrowRight | Pressed::Char('l' | 'd')) => Action::Right as usize,
                Ok(Pressed::Char('q') | Pressed::Escape | Pressed::CtrlC) => {
                    ended = Some(Ok(()));
                    Action::Stay as usize
                }
                Ok(_) => Action::Stay as usize,
                Err(error) => {
                    ended = Some(Err(error));
                    Action::Stay as usize
                }
            }
        };
        let reward = match tracer {
            Some(tracer) => tracer.look_on(&mut game, number, &mut ask),
            None => {
                let mut reward = 0.0;
                while !game.done() {
                    let action = ask(&game, &[]);
                    reward += game.step(action);
                }
                reward
            }
        };
        if let Some(ended) = ended {
            board.leave();
            ended?;
            return Ok(Ended::Done);
        }
        board.draw(&screen(&game), game.size()[0], &[], &[String::new(), outcome(reward).to_owned()])?;
        board.leave();
        caught += reward;
    }
    say(&format!("{caught} of {} caught", args.games))?;
    Ok(Ended::Done)
}

fn screen(game: &Catch) -> Vec<u8> {
    let [height, width] = game.size();
    let mut pixels = vec![0; height * width];
    game.screen(&mut pixels);
    pixels
}

fn outcome(reward: f64) -> &'static str {
    if reward > 0.0 { "caught" } else { "lost" }
}

/// A game for programs.
fn told(game: &GameTrace) -> serde_json::Value {
    let actions: Vec<usize> = game.frames.iter().map(|frame| frame.action).collect();
    let locations: Vec<[f64; 2]> = game.frames.iter().map(|frame| frame.location).collect();
    json!({ "game": game.index, "caught": game.reward() > 0.0, "actions": actions, "locations": locations })
}

/// What the agent thinks, beside the board.
fn beside(frame: &Frame) -> Vec<String> {
    let bar = |p: f64| "█".repeat((10.0 * p).round() as usize);
    let moves = ["left", "stay", "right"].iter().zip(&frame.probabilities).enumerate();
    let mut lines = vec![String::new()];
    lines.extend(moves.map(|(i, (name, &p))| {
        let chosen = if i == frame.action { '>' } else { ' ' };
        format!("{chosen} {name:<5} {p:.2} {}", bar(p))
    }));
    lines.push(String::new());
    lines.extend(frame.baseline.map(|b| format!("  expects to catch it: {b:.2}")));
    lines
}

/// The screen of a game on the terminal, drawn over itself frame after frame.
struct Board {
    /// None where nobody would see it.
    term: Option<Term>,
    colours: bool,
    /// Lines to go up before the next frame.
    drawn: usize,
}

impl Board {
    fn new(shown: bool) -> Board {
        let term = shown.then(Term::stdout);
        let colours = term.as_ref().is_some_and(|term| term.features().colors_supported())
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Board { term, colours, drawn: 0 }
    }

    fn draw(&mut self, screen: &[u8], size: usize, windows: &[Window], beside: &[String]) -> io::Result<()> {
        let Some(term) = &self.term else { return Ok(()) };
        let lines = lines(screen, size, windows, self.colours);
        let mut text = String::new();
        for (i, line) in lines.iter().enumerate() {
            text += &format!("{line}  {}\x1b[K\n", beside.get(i).map_or("", String::as_str));
        }
        term.move_cursor_up(self.drawn)?;
        self.drawn = lines.len();
        term.write_str(&text)
    }

    fn wait(&self, speed: u16) {
        if self.term.is_some() {
            std::thread::sleep(Duration::from_secs_f64(1.0 / f64::from(speed)));
        }
    }

    /// The next frame is drawn below.
    fn leave(&mut self) {
        self.drawn = 0;
    }
}

/// A screen as lines of text, two characters a pixel: what is lit, and behind it the finest of the retina's windows.
fn lines(screen: &[u8], size: usize, windows: &[Window], colours: bool) -> Vec<String> {
    // Colours of a palette of 256, and characters that say the same without them: outside, then from coarse to fine.
    const BEHIND: [(u8, &str); 4] = [(233, "  "), (236, "··"), (240, "::"), (25, "░░")];
    let row = |y: usize| {
        let pixels = (0..size).map(|x| {
            let inside =
                |w: &Window| (w.x..w.x + w.side).contains(&(x as i64)) && (w.y..w.y + w.side).contains(&(y as i64));
            let depth = windows.iter().position(inside).map_or(0, |scale| 3_usize.saturating_sub(scale).max(1));
            let lit = screen[y * size + x] > 0;
            match (colours, lit) {
                (true, true) => "\x1b[38;5;231m██".to_owned(),
                (true, false) => format!("\x1b[48;5;{}m  ", BEHIND[depth].0),
                (false, true) => "██".to_owned(),
                (false, false) => BEHIND[depth].1.to_owned(),
            }
        });
        let text: String = pixels.collect();
        if colours { text + "\x1b[0m" } else { format!("|{text}|") }
    };
    (0..size).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_behind_what_is_lit_the_finest_in_front() {
        let mut screen = vec![0; 64];
        (screen[3], screen[8 * 7 + 5], screen[8 * 7 + 6]) = (255, 255, 255);
        let window = |x, y, side| Window { x, y, side };
        let windows = [window(2, 2, 2), window(1, 1, 4), window(-1, -1, 8)];
        let lines = lines(&screen, 8, &windows, false);
        assert_eq!(
            lines,
            [
                "|······██······  |",
                "|··::::::::····  |",
                "|··::░░░░::····  |",
                "|··::░░░░::····  |",
                "|··::::::::····  |",
                "|··············  |",
                "|··············  |",
                "|          ████  |",
            ]
        );
    }

    #[test]
    fn colours_say_what_characters_say() {
        let windows = [Window { x: 0, y: 0, side: 1 }];
        let lines = lines(&[0, 255, 0, 0], 2, &windows, true);
        assert_eq!(lines[0], "\x1b[48;5;25m  \x1b[38;5;231m██\x1b[0m");
        assert_eq!(lines[1], "\x1b[48;5;233m  \x1b[48;5;233m  \x1b[0m");
    }

    #[test]
    fn the_likely_move_is_marked() {
        let frame = Frame {
            screen: vec![],
            location: [0.0; 2],
            windows: vec![],
            probabilities: vec![0.04, 0.0, 0.96],
            baseline: Some(0.871),
            action: 2,
            reward: 0.0,
        };
        let lines = beside(&frame);
        assert_eq!(lines[1], "  left  0.04 ");
        assert_eq!(lines[3], "> right 0.96 ██████████");
        assert_eq!(lines[5], "  expects to catch it: 0.87");
    }
}
