//! `ram play`

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::ArgGroup;
use console::{Key as Pressed, Term};
use datasets::rng::{Key, Purpose};
use ram::environments::{Environment, GAMES, Game};
use ram::error::RamError;
use ram::evaluate::trace::{Trace, Tracer, Window};
use ram::evaluate::trained::Trained;
use ram::figures::animation::{self, Words};
use ram::figures::check_gif;
use ram::split::SplitName;
use serde_json::json;

use super::board::{self, Board};
use super::chosen::{Chosen, Places, Which};
use super::look::write;
use super::output::{Ended, complain, percent, say};
use super::terminal;

/// The largest number of games in an animation.
const MOVING: u32 = 24;

/// Options of `ram play`.
#[derive(clap::Args)]
#[command(group(ArgGroup::new("agent").args(["run", "pretrained"])))]
pub struct Args {
    /// The game.
    #[arg(value_parser = GAMES.iter().map(|game| game.name).collect::<Vec<_>>())]
    game: String,

    /// The run that plays: its folder, or its name in --runs. Without a run or --pretrained you play yourself with the arrow keys.
    #[arg(conflicts_with = "pretrained")]
    run: Option<PathBuf>,

    /// Play yourself while the run's agent looks on; the windows of its retina are drawn.
    #[arg(long, requires = "agent")]
    keys: bool,

    /// The checkpoint: the one that lost the fewest validation games, or the newest [default: best]
    #[arg(long, value_enum, requires = "run")]
    which: Option<Which>,

    #[command(flatten)]
    places: Places,

    /// The number of games.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    games: u32,

    /// The number of the first game, which decides its random start [default: 0, or from the clock if you play]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000_000))]
    from: Option<u32>,

    /// Frames per second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    speed: u16,

    /// Write an animation of the games side by side, with the windows of the retina, instead of drawing; at most 24 games.
    #[arg(long, value_name = "FILE.gif", requires = "agent", conflicts_with = "keys")]
    gif: Option<PathBuf>,

    /// Print JSON, one object per game, instead of drawing.
    #[arg(long, conflicts_with = "keys")]
    json: bool,
}

/// Plays.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    args.gif.as_deref().map(check_gif).transpose()?;
    if args.gif.is_some() && args.games > MOVING {
        return Err(RamError::Config(format!("--games {}: an animation has at most {MOVING}", args.games)).into());
    }
    let game = ram::environments::game(&args.game).expect("the command line was checked");
    if args.run.is_none() && args.places.pretrained.is_none() {
        if args.json {
            return Err(RamError::Config("--json shows how a run plays; name the run".to_owned()).into());
        }
        return play_with_keys(args, game, None);
    }
    let chosen = Chosen::open(args.run.as_deref(), &args.places, args.which)?;
    let trained = Trained::of(&chosen.checkpoint)?;
    if trained.config.data.source.game() != Some(game) {
        return Err(RamError::Config(format!(
            "{}: this run does not play {name}; name a run that was trained with data.source={name}",
            trained.path.display(),
            name = game.name
        ))
        .into());
    }
    let tracer = Tracer::new(&trained)?;
    if args.keys {
        play_with_keys(args, game, Some(tracer))
    } else {
        let_agent_play(args, game, tracer, &chosen.name())
    }
}

/// Lets an agent play. The games are drawn on a terminal; otherwise only their results are printed.
fn let_agent_play(args: &Args, game: &Game, tracer: Tracer, name: &str) -> anyhow::Result<Ended> {
    let first = args.from.unwrap_or(0) as usize;
    // On a terminal that cannot move its cursor, frames would only run by.
    let shows = !args.json && args.gif.is_none() && terminal::moves();
    let mut board = shows.then(|| Board::new(tracer.config().data.size)).flatten();
    if shows && board.is_none() && io::stdout().is_terminal() {
        complain(&format!("warning: only results are shown: {}", board::too_small(tracer.config().data.size)));
    }
    let examples = tracer.examples(SplitName::Validation, None)?;
    let traces = tracer.trace(&examples, first..first + args.games as usize);
    let rules = (game.open)(tracer.config().data.size)?;
    let words = Words { actions: tracer.classes(), outcomes: rules.outcomes() };
    if let Some(gif) = &args.gif {
        write(gif, &animation::games(&traces, &words, &format!("{name}: {}", game.title)))?;
    }
    let mut won = 0.0;
    for trace in &traces {
        let size = [trace.height, trace.width];
        for (step, glimpse) in trace.glimpses.iter().enumerate() {
            if let Some(board) = &mut board {
                board.draw(trace.picture(step), size, &glimpse.windows, &board::beliefs(glimpse, words.actions))?;
                wait(args.speed);
            }
        }
        let is_won = trace.right() == Some(true);
        let outcome = outcome(is_won, &words);
        if let Some(board) = &mut board {
            board.draw(trace.picture(trace.glimpses.len()), size, &[], &[String::new(), outcome.clone()])?;
            wait(args.speed.div_ceil(8));
            board.leave();
        }
        won += f64::from(is_won);
        if args.json {
            say(&as_json(trace).to_string())?;
        } else {
            say(&format!("game {}: {outcome}", trace.index))?;
        }
    }
    if !args.json && args.games > 1 {
        let share = percent(won / f64::from(args.games));
        say(&format!("{share} of {} games {}", args.games, words.outcomes[0]))?;
    }
    if let Some(gif) = args.gif.as_ref().filter(|_| !args.json) {
        say(&format!("wrote {}", gif.display()))?;
    }
    Ok(Ended::Done)
}

/// Lets the user play with the keys; every key advances the game by one frame.
fn play_with_keys(args: &Args, game: &Game, tracer: Option<Tracer>) -> anyhow::Result<Ended> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(RamError::Config(
            "playing with the keys needs a terminal; name a run to let its agent play".to_owned(),
        )
        .into());
    }
    let by_the_clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.subsec_nanos());
    let first = args.from.unwrap_or_else(by_the_clock);
    let size = tracer.map_or(game.size, |tracer| tracer.config().data.size);
    let (term, mut won) = (Term::stdout(), 0);
    let mut board = Board::new(size).ok_or_else(|| RamError::Config(board::too_small(size)))?;
    let mut rules = (game.open)(size)?;
    let actions: Vec<String> = rules.actions().iter().map(|&name| name.to_owned()).collect();
    let outcomes = rules.outcomes().map(str::to_owned);
    let words = Words { actions: &actions, outcomes: [&outcomes[0], &outcomes[1]] };
    let others = if actions.iter().any(|name| name == "stay") { "stays" } else { "chooses the first one" };
    let keys =
        format!("an arrow key or a number chooses an action ({}), any other key {others}, q ends", actions.join(", "));
    say(&terminal::wrapped(&keys, terminal::width(), 0))?;
    for number in first..first + args.games {
        rules.reset(&mut Key { seed: 0, purpose: Purpose::Game, epoch: 0, sample: u64::from(number) }.stream());
        let mut ended = None;
        let mut ask = |game: &dyn Environment, windows: &[Window]| -> usize {
            let waits = chosen(&Pressed::Unknown, &actions);
            if ended.is_some() {
                return waits;
            }
            match board.draw(&screen(game), game.size(), windows, &[]).and_then(|()| term.read_key()) {
                Ok(Pressed::Char('q') | Pressed::Escape | Pressed::CtrlC) => ended = Some(Ok(())),
                Ok(pressed) => return chosen(&pressed, &actions),
                Err(error) => ended = Some(Err(error)),
            }
            waits
        };
        let total = match tracer {
            Some(tracer) => tracer.look_on(&mut rules, number, &mut ask),
            None => {
                let mut total = 0.0;
                while !rules.done() {
                    let action = ask(&*rules, &[]);
                    total += rules.step(action);
                }
                total
            }
        };
        if let Some(ended) = ended {
            board.leave();
            ended?;
            return Ok(Ended::Done);
        }
        let is_won = total >= 0.5 * rules.best_return();
        let outcome = outcome(is_won, &words);
        board.draw(&screen(&*rules), rules.size(), &[], &[String::new(), outcome.clone()])?;
        board.leave();
        if !board.has_beside() {
            say(&outcome)?;
        }
        won += u32::from(is_won);
    }
    say(&format!("{won} of {} {}", args.games, words.outcomes[0]))?;
    Ok(Ended::Done)
}

/// The action of a key: the action with the name of the arrow, or with the number of the key, from 1. Any other key chooses the
/// action "stay", or the first action if there is no "stay".
fn chosen(pressed: &Pressed, actions: &[String]) -> usize {
    let named = |name: &str| actions.iter().position(|action| action == name);
    let action = match pressed {
        Pressed::ArrowLeft | Pressed::Char('h' | 'a') => named("left"),
        Pressed::ArrowRight | Pressed::Char('l' | 'd') => named("right"),
        Pressed::ArrowUp | Pressed::Char('k' | 'w') => named("up"),
        Pressed::ArrowDown | Pressed::Char('j' | 's') => named("down"),
        Pressed::Char(digit) => {
            digit.to_digit(10).map(|n| n as usize).filter(|n| (1..=actions.len()).contains(n)).map(|n| n - 1)
        }
        _ => None,
    };
    action.or_else(|| named("stay")).unwrap_or(0)
}

fn screen(game: &dyn Environment) -> Vec<u8> {
    let mut pixels = vec![0; game.size().iter().product()];
    game.screen(&mut pixels);
    pixels
}

fn outcome(is_won: bool, words: &Words) -> String {
    words.outcomes[usize::from(!is_won)].to_owned()
}

/// A game as JSON.
fn as_json(trace: &Trace) -> serde_json::Value {
    let actions: Vec<_> = trace.glimpses.iter().map(|glimpse| glimpse.action).collect();
    let locations: Vec<_> = trace.glimpses.iter().map(|glimpse| glimpse.location).collect();
    json!({
        "game": trace.index, "won": trace.right(), "return": trace.total(), "actions": actions, "locations": locations,
    })
}

fn wait(speed: u16) {
    std::thread::sleep(Duration::from_secs_f64(1.0 / f64::from(speed)));
}
