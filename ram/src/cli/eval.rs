//! `ram eval`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use datasets::shown;
use ram::config::{Base, Config, Source};
use ram::data::fingerprint::Fingerprint;
use ram::data::{self, TestData, foreign};
use ram::error::RamError;
use ram::evaluate::evaluator::evaluate_on;
use ram::evaluate::stopping::{Rule, Stopping, compare};
use ram::evaluate::trained::Trained;
use ram::evaluation::{BySize, Evaluation};
use ram::model::Decisions;
use ram::runs::run_folder::{RunFolder, TestError};
use ram::split::SplitName;
use ram::tasks::Examples;
use ram::threads::Threads;
use serde_json::json;

use super::chosen::{Chosen, Origin, Places, Which};
use super::options::Machine;
use super::output::{Ended, complain, percent, say};
use super::sources;
use super::table::{Column, Table};
use super::terminal::{width, wrapped};

/// Options of `ram eval`.
#[derive(clap::Args)]
pub struct Args {
    /// The run: its folder, or its name in --runs. It may also be a checkpoint file.
    #[arg(required_unless_present = "pretrained", conflicts_with = "pretrained")]
    run: Option<PathBuf>,

    /// The part of the data.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,

    /// The checkpoint: the best one by validation, or the newest [default: best]
    #[arg(long, value_enum, conflicts_with = "pretrained")]
    which: Option<Which>,

    #[command(flatten)]
    places: Places,

    /// Average the classes' probabilities over N first locations, which is not the paper's protocol of a single pass.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    passes: u16,

    /// Answer as soon as the most likely class has this probability, whatever the run has learned of stopping.
    #[arg(long, value_name = "P", value_parser = probability)]
    stop_at: Option<f64>,

    /// Compare rules for when to stop: what the run has learned (with policy.stop="learned"), thresholds on the probability of the most
    /// likely class, fixed numbers of glimpses, and an oracle.
    #[arg(long, conflicts_with_all = ["stop_at", "passes"])]
    stopping: bool,

    /// Evaluate on other images, named as for `ram train --data`; they are prepared like the run's images. A folder or a pair of
    /// IDX files is taken as a whole, unless the folder has one for --split; its classes are found by name and may be fewer.
    #[arg(long, value_name = "SOURCE")]
    data: Option<String>,

    /// Stop with an error if a picture cannot be read or is not used.
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    machine: Machine,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Split {
    Validation,
    Test,
}

impl Split {
    /// The part, and its name.
    pub fn named(self) -> (SplitName, &'static str) {
        match self {
            Split::Validation => (SplitName::Validation, "validation"),
            Split::Test => (SplitName::Test, "test"),
        }
    }
}

/// Evaluates a checkpoint and prints the result.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let (split, split_name) = args.split.named();
    let mut chosen = Chosen::open(args.run.as_deref(), &args.places, args.which)?;
    // The path of other pictures begins where the user says, and not in the folder that the run remembers.
    let given = args.machine.data_dir.as_deref();
    let own_dir = chosen.data_dir(given);
    let is_foreign = other_data(&mut chosen.checkpoint, args, own_dir.as_deref())?;
    let checkpoint = &chosen.checkpoint;
    let passes = usize::from(args.passes);
    let data_dir = if is_foreign { given } else { own_dir.as_deref() };
    let threads = args.machine.threads.count();
    let mut trained = Trained::of(checkpoint)?;
    let plays = trained.task.decisions() == Decisions::Each;
    if passes > 1 && plays {
        let message = format!(
            "--passes {passes}: games are played once; passes are for images, over whose first locations they average"
        );
        return Err(RamError::Config(message).into());
    }
    if passes > 1 && trained.network.agent().is_none() {
        let message = format!("--passes {passes}: {} sees the whole image, so every pass is the same", chosen.path());
        return Err(RamError::Config(message).into());
    }
    if let Some(least) = args.stop_at {
        stop_at(&mut trained, least)?;
    }
    if is_foreign {
        shared_with_training(&chosen, data_dir)?;
    }
    let examples = examples(&trained, split, data_dir, is_foreign);
    let (examples, is_whole) = if is_foreign { examples } else { chosen.of_its_data(examples) }?;
    examples.notes.iter().for_each(|note| complain(&format!("warning: {note}")));
    if args.stopping {
        let rules = Threads::new(threads)?.install(|| compare(&trained, &examples))?;
        return tell_rules(&chosen, &rules, if is_whole { "all" } else { split_name }, args.json);
    }
    let evaluation = || evaluate_on(&trained.config, trained.subject(), &examples, passes);
    let result = Threads::new(threads)?.install(evaluation);
    let (epoch, weights) = (checkpoint.state.epoch, checkpoint.weights_hash());
    let Evaluation { error, loss, count, on_digit, ref fixation_spread, ref tracking, .. } = result;
    if let Origin::Run(path, Which::Best) = &chosen.origin
        && (split, passes, &args.data, args.stop_at) == (SplitName::Test, 1, &None, None)
        && let Err(fault) = (TestError { epoch, error, count }).write(path)
    {
        complain(&format!("warning: the report of the run will not tell this error: {fault}"));
    }
    if args.json {
        let object = json!({
            "split": if is_whole { "all" } else { split_name }, "passes": passes, "count": count,
            "error": error, "standard_error": standard_error(error, count), "loss": loss, "on_digit": on_digit,
            "distance": result.distance, "fixation_spread": fixation_spread, "tracking": tracking, "error_after": result.error_after,
            "glimpses": result.mean_glimpses(), "taken": result.taken, "zooms": result.zooms, "by_size": result.by_size, "baselines": result.baselines, "confusion": result.confusion, "density": result.density, "weights": weights,
        });
        say(&chosen.add_facts(object).to_string())?;
        return Ok(Ended::Done);
    }
    let averaged = if passes > 1 { format!(", probabilities averaged over {passes} passes") } else { String::new() };
    let config = checkpoint.config()?;
    let path = shown::name(&config.data.path);
    let part = match (config.data.source.is_user_pictures(), is_whole) {
        (false, _) if args.data.is_some() => format!(" of {}", data::name(&config)),
        (false, _) => String::new(),
        (true, true) => format!(", all of {path}"),
        // Only a part of a user's pictures is used for evaluation.
        (true, false) => format!(", the {split_name} part of {path}"),
    };
    // What follows on a narrow terminal stands below what is said, and not below its label.
    let tell = |lines: &str| say(&wrapped(lines, width(), 17));
    let what = |what: &str| if is_whole { what.to_owned() } else { format!("{split_name} {what}") };
    tell(&format!(
        "{}, {}, after epoch {epoch}\n\
         {:16} {} ± {} (one standard error) of {count} {}{part}{averaged}",
        chosen.path(),
        chosen.kind(),
        what("error"),
        percent(error),
        percent(standard_error(error, count)),
        if plays { "games" } else { "images" },
    ))?;
    if !plays {
        tell(&format!("{:16} {loss:.4} nats", what("loss")))?;
    }
    if let Some(glimpses) = result.mean_glimpses() {
        let taken: Vec<_> = result.taken.iter().map(u32::to_string).collect();
        tell(&format!("glimpses         {glimpses:.2} on average; {} images took 1, 2, … of them", taken.join(" ")))?;
    }
    if !result.zooms.is_empty() {
        let shares = |zooms: &Vec<u32>| {
            let all = zooms.iter().sum::<u32>().max(1);
            zooms.iter().map(|&n| format!("{:.0}", 100.0 * f64::from(n) / f64::from(all))).collect::<Vec<_>>().join("/")
        };
        let zooms: Vec<_> = result.zooms.iter().map(shares).collect();
        tell(&format!(
            "zooms            {} (% of images at each zoom from the finest, glimpse by glimpse)",
            zooms.join(" ")
        ))?;
    }
    if !result.by_size.is_empty() {
        let group = |group: &BySize| format!("{}–{}: {:.2}", group.from, group.to, 100.0 * group.error);
        let sizes: Vec<_> = result.by_size.iter().map(group).collect();
        tell(&format!("error by size    {} % (side of the digit in pixels)", sizes.join(", ")))?;
    }
    if !tracking.is_empty() {
        let rows: Vec<_> = tracking.iter().map(|x| format!("{x:.2}")).collect();
        tell(&format!("target in sight  {} (share of games, each frame)", rows.join(" ")))?;
    }
    if result.error_after.len() > 1 {
        let errors: Vec<_> = result.error_after.iter().map(|&error| format!("{:.2}", 100.0 * error)).collect();
        tell(&format!("error after      {} % (if it decided after 1, 2, … glimpses)", errors.join(" ")))?;
    }
    if !fixation_spread.is_empty() {
        let spread: Vec<_> = fixation_spread.iter().map(|x| format!("{x:.3}")).collect();
        let inputs = if plays { "games" } else { "images" };
        tell(&format!("fixation spread  {} (variance across {inputs}, for each glimpse)", spread.join(" ")))?;
    }
    if let Some(share) = on_digit.filter(|_| !plays) {
        tell(&format!("on the digit     {} of the glimpses", percent(share)))?;
    }
    if !result.distance.is_empty() && !plays {
        let distance: Vec<_> = result.distance.iter().map(|x| format!("{x:.1}")).collect();
        tell(&format!("to the digit     {} pixels to its centre, glimpse by glimpse", distance.join(" ")))?;
    }
    tell(&format!("weights          {weights}"))?;
    if let Some(recorded) = chosen.recorded() {
        tell(&format!("recorded         {recorded} of the test set"))?;
    }
    Ok(Ended::Done)
}

/// A number from 0 to 1.
fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("a probability from 0 to 1 is expected, such as 0.95".to_owned()),
    }
}

/// Makes the agent of a run stop as soon as it is sure enough.
fn stop_at(trained: &mut Trained, least: f64) -> Result<(), RamError> {
    let decides_once = trained.task.decisions() == Decisions::Last;
    let Some(agent) = trained.network.agent_mut().filter(|_| decides_once) else {
        return Err(RamError::Config(format!(
            "--stop-at {least}: {} has no glimpses to stop after; it takes a run with model.kind=\"ram\" that classifies images",
            trained.path.display()
        )));
    };
    agent.stop_at(least);
    Ok(())
}

/// Prints the rules for when to stop, and what they lead to.
fn tell_rules(chosen: &Chosen, rules: &[Stopping], split: &str, json: bool) -> anyhow::Result<Ended> {
    if json {
        say(&chosen.add_facts(json!({ "split": split, "rules": rules })).to_string())?;
        return Ok(Ended::Done);
    }
    let mut table = Table::new([
        ("stops", Column::Left),
        ("error", Column::Right),
        ("glimpses", Column::Right),
        ("after 1, 2, …", Column::Long),
    ]);
    for (i, Stopping { rule, error, glimpses, taken }) in rules.iter().enumerate() {
        // The threshold that has as many glimpses as what was learned comes right after it.
        let matched = i == 1 && rules[0].rule == Rule::Learned;
        let rule = match rule {
            Rule::Learned => "as it has learned".to_owned(),
            Rule::Shuffled => "as often, at other images".to_owned(),
            Rule::Threshold(least) if matched => format!("when {least:.5} sure, as many glimpses"),
            Rule::Threshold(least) => format!("when {least} sure"),
            Rule::Fixed(1) => "after 1 glimpse".to_owned(),
            Rule::Fixed(t) => format!("after {t} glimpses"),
            Rule::Oracle => "when first right (oracle)".to_owned(),
        };
        let most = *taken.iter().max().unwrap_or(&0);
        let taken: Vec<_> = taken.iter().map(u32::to_string).collect();
        let is_fixed = rules[i].taken.iter().sum::<u32>() == most;
        let taken = if is_fixed { String::new() } else { taken.join(" ") };
        table.row(vec![rule, percent(*error), format!("{glimpses:.2}"), taken]);
    }
    say(&table.text(width()))?;
    Ok(Ended::Done)
}

/// Replaces the data of the training by the data that the options name. Returns whether these are other pictures of the user's.
/// Those of the run lie in `own_dir`.
fn other_data(
    checkpoint: &mut ram::runs::checkpoint::Checkpoint,
    args: &Args,
    own_dir: Option<&Path>,
) -> Result<bool, RamError> {
    let mut config = checkpoint.config()?;
    let mut is_foreign = false;
    if let Some(data) = &args.data {
        if let Some(game) = config.data.source.game() {
            let message =
                format!("--data {data}: this run plays {}; only a run on images takes other data", game.title);
            return Err(RamError::Config(message));
        }
        let mut sets = sources::sets(data)?;
        let frames = config.data.clip_frames();
        if data.starts_with("frames:") {
            if frames == 1 {
                let message = format!("--data {data}: this run looks at images that stay the same, and not at clips");
                return Err(RamError::Config(message));
            }
            // As many as the run looks at.
            sets.extend([format!("data.frames={frames}"), format!("model.glimpses={frames}")]);
        } else if config.data.source == Source::Frames {
            let message = format!(
                "--data {data}: this run looks at clips of {frames} frames; name a folder of clips, frames:PATH"
            );
            return Err(RamError::Config(message));
        }
        let named = Config::load(Base::Preset("mnist"), &sets)?.data;
        let files = |data: &ram::config::Data, dir: Option<&Path>| {
            let whole = |path: &str| {
                let path = dir.unwrap_or(Path::new("")).join(path);
                path.canonicalize().unwrap_or(path)
            };
            (data.source, whole(&data.path), whole(&data.labels))
        };
        let given = args.machine.data_dir.as_deref();
        is_foreign = named.source.is_user_pictures() && files(&named, given) != files(&config.data, own_dir);
        if !named.source.is_user_pictures() && named.source != config.data.source {
            // Of another data set, all examples of the part are taken.
            (config.data.validation, config.data.test) = (0, 0);
        }
        if is_foreign || named.source != config.data.source {
            config.data.train_on_validation = false;
        }
        if is_foreign || !named.source.is_user_pictures() {
            (config.data.source, config.data.path, config.data.labels) = (named.source, named.path, named.labels);
            if named.source == Source::Frames {
                // Clips fill the canvas and move by themselves.
                (config.data.canvas, config.data.clutter, config.data.scale) =
                    (named.canvas, named.clutter, named.scale);
            }
        }
    }
    config.data.strict |= args.strict;
    config.validate()?;
    checkpoint.state.config = config.to_toml();
    Ok(is_foreign)
}

/// Warns if pictures have the same bytes as some of the run's own, on which it may have been trained.
fn shared_with_training(chosen: &Chosen, data_dir: Option<&Path>) -> Result<(), RamError> {
    let Origin::Run(path, _) = &chosen.origin else { return Ok(()) };
    let Some(own) = RunFolder::fingerprint(path)? else { return Ok(()) };
    let Some(theirs) = Fingerprint::of(&chosen.config()?, data_dir).ok().flatten() else { return Ok(()) };
    let shared = theirs.shared(&own);
    if shared > 0 {
        complain(&format!(
            "warning: {shared} of {} files have the bytes of files of the run's own data, on which it may have been trained",
            theirs.files.len()
        ));
    }
    Ok(())
}

/// The examples to evaluate on, and whether these are all images of a data set. Of foreign images of the user's, all are taken.
fn examples(
    trained: &Trained,
    split: SplitName,
    data_dir: Option<&Path>,
    is_foreign: bool,
) -> Result<(Examples, bool), RamError> {
    let own = match split {
        SplitName::Validation => datasets::Split::Validation,
        SplitName::Test => datasets::Split::Test,
    };
    if is_foreign && let Some((data, is_whole)) = foreign::open(&trained.config, data_dir, own, &trained.outputs)? {
        let TestData { test, classes, notes, object_fills_image } = data;
        let (count, images, is_placed) = (test.len(), Some(test), object_fills_image);
        return Ok((Examples { count, images, is_placed, epoch: 0, outputs: classes, notes }, is_whole));
    }
    Ok((trained.examples(split, data_dir)?, false))
}

/// The standard error of a share of `count` images: √(p(1 − p)/n).
pub fn standard_error(share: f64, count: usize) -> f64 {
    ((share * (1.0 - share)).max(0.0) / count.max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_the_binomials() {
        assert_eq!(standard_error(0.5, 100), 0.05);
        assert_eq!(standard_error(0.0, 0), 0.0);
    }
}
