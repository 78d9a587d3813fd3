//! `ram train`

use std::path::{Path, PathBuf};

use ram::config::{Base, Config};
use ram::data::fingerprint::Fingerprint;
use ram::error::RamError;
use ram::experiments::Experiment;
use ram::losses::Losses;
use ram::report::{self, Options};
use ram::runs::metrics::EpochMetrics;
use ram::runs::resume::Resumed;
use ram::runs::run_folder::{EVENTS, Existing, Name, RunFolder, Which};
use ram::runs::run_info::{self, InitFrom, RunInfo};
use ram::runs::tensorboard::EventFile;
use ram::tables::record::is_complete;
use ram::train::trainer::{Outcome, Progress, Trainer};
use serde_json::json;

use super::chosen::{Chosen, Origin, Places, find};
use super::interrupt;
use super::options::{Configuration, Machine};
use super::output::{Ended, command_line, complain, percent, program, quoted, say};
use super::progress::Console;
use super::sources;

/// Options of `ram train`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    configuration: Configuration,

    #[command(flatten)]
    machine: Machine,

    #[command(flatten)]
    places: Places,

    /// The run's name, which is its folder in --runs [default: the name of the preset or experiment, with a number]
    #[arg(long)]
    name: Option<String>,

    /// Start with the weights of another run: its folder, or its name in --runs, or a checkpoint file. Its configuration is used
    /// too, unless another one is named; only the classes may differ. --pretrained starts with a pretrained model in the same way.
    #[arg(long, value_name = "RUN", conflicts_with = "pretrained")]
    init_from: Option<PathBuf>,

    /// Continue the run --name, with its own configuration. A run that is complete is not trained longer: --init-from begins a new
    /// one with its weights.
    #[arg(long, requires = "name",
          conflicts_with_all = ["preset", "experiment", "config", "data", "strict", "set", "force", "init_from", "pretrained"])]
    resume: bool,

    /// Replace the run --name if there is one.
    #[arg(long, requires = "name")]
    force: bool,

    /// Also write the metrics for TensorBoard into the run's folder; `tensorboard --logdir runs` shows them.
    #[arg(long)]
    tensorboard: bool,

    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Trains a new run, or resumes one.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    // This comes before the data are read, so that no signal is missed.
    let stop = interrupt::install()?;
    let (mut run, mut trainer, config) = begin(args)?;
    let notes = trainer.notes().iter().cloned().chain(sources::small_retina(&config));
    notes.for_each(|note| complain(&format!("warning: {note}")));
    let path = run.path().to_owned();
    if config.data.source.is_user_pictures() {
        say_unless_json(args, || trainer.summary().to_owned())?;
    }
    say_unless_json(args, || {
        format!("run {}, {} kernels, {} threads", path.display(), ram::kernel_path(), args.machine.threads.resolved())
    })?;
    let mut console = Console::new("", config.train.epochs, args.json);
    let outcome = if args.tensorboard {
        let events = EventFile::create(&path.join(EVENTS), &RunFolder::metrics(&path)?)?;
        let mut both = WithEvents { console: &mut console, events, fault: None };
        let outcome = trainer.train(Some(&mut run), stop, &mut both);
        if let Some(fault) = both.fault {
            complain(&format!("warning: the run is saved, but its metrics for TensorBoard are incomplete: {fault}"));
        }
        outcome
    } else {
        trainer.train(Some(&mut run), stop, &mut console)
    };
    console.finish();
    let outcome = outcome?;
    // The training images and the tapes are not needed for the report, which reads what it needs.
    drop(trainer);

    match outcome {
        Outcome::Finished { best_error, best_epoch } => finished(args, &path, &config, best_error, best_epoch),
        Outcome::Interrupted { epoch, step } => {
            let resume = resume_command(args, &path);
            if args.json {
                say(&json!({
                    "event": "interrupted", "run": path.display().to_string(), "epoch": epoch, "step": step,
                    "resume": resume,
                })
                .to_string())?;
            } else {
                say(&format!("interrupted in epoch {epoch} after step {step}; saved. Resume with\n  {resume}"))?;
            }
            Ok(Ended::Interrupted)
        }
    }
}

/// The run folder, the trainer and the configuration: those of a run that goes on, or of a new one.
fn begin(args: &Args) -> anyhow::Result<(RunFolder, Trainer, Config)> {
    let (data_dir, threads) = (args.machine.data_dir.as_deref(), args.machine.threads.count());
    Ok(match &args.name {
        Some(name) if args.resume => {
            // Like everywhere, the path of a run is a name too; but a name means a run of --runs first.
            let named = args.places.runs.join(name);
            let path = if named.exists() { named } else { find(Path::new(name), &args.places.runs) };
            let Resumed { run, checkpoint, config, notice } = RunFolder::resume(&path)?;
            if let Some(notice) = notice {
                complain(&format!("warning: {notice}"));
            }
            if is_complete(&config, &RunFolder::metrics(run.path())?) {
                complain(&format!(
                    "the run is complete: there is nothing left to train. Train longer in a new run that begins with its weights:\n  \
                     {} train --init-from {} --set train.epochs=N",
                    program(),
                    quoted(run.path())
                ));
            }
            let data_dir = run_info::data_dir(run.path(), data_dir);
            let trainer = Trainer::resume(config.clone(), checkpoint, data_dir.as_deref(), threads)?;
            run.check_data(&config, data_dir.as_deref())?;
            (run, trainer, config)
        }
        name => {
            let start = match (&args.init_from, &args.places.pretrained) {
                (None, None) => None,
                (from, _) => Some(Chosen::open(from.as_deref(), &args.places, None)?),
            };
            let config = configuration(args, start.as_ref(), data_dir)?;
            warn_of_known_images(&config, start.as_ref())?;
            warn_of_drawn_weights(args, start.is_some())?;
            // This comes before the folder is made, so that missing data cannot leave an empty run.
            let mut trainer = Trainer::new(config.clone(), data_dir, threads)?;
            let start = start.map(|start| begin_from(&mut trainer, &start)).transpose()?;
            let stem = stem(args);
            let name = name.as_deref().map_or(Name::Numbered(&stem), Name::Given);
            let existing = if args.force { Existing::Replace } else { Existing::Refuse };
            let info = RunInfo::new("train", command_line(), &config).with_data_dir(data_dir);
            let info = RunInfo { init_from: start, ..info };
            if let Some(start) = info.init_from.as_ref().filter(|_| !args.json) {
                say(&start.to_string())?;
                let Configuration { preset, experiment, config: file, .. } = &args.configuration;
                if preset.is_none() && experiment.is_none() && file.is_none() {
                    let keys = config.settings();
                    say(&format!("its configuration is inherited, with your changes: {}", keys.join(" ")))?;
                }
            }
            let fingerprint = Fingerprint::of(&config, data_dir)?;
            let run = RunFolder::create(&args.places.runs, name, &config, &info, existing)?;
            if let Some(fingerprint) = fingerprint {
                run.save_fingerprint(&fingerprint)?;
            }
            (run, trainer, config)
        }
    })
}

/// Writes the report of a finished run and says how it ended.
fn finished(args: &Args, path: &Path, config: &Config, best_error: f64, best_epoch: usize) -> anyhow::Result<Ended> {
    let (data_dir, threads) =
        (run_info::data_dir(path, args.machine.data_dir.as_deref()), args.machine.threads.count());
    let weights = RunFolder::read(path, Which::Last)?.weights_hash();
    let options = Options { data_dir: data_dir.as_deref(), threads, ..Options::default() };
    let report = match report::write(path, None, &options) {
        Ok(report) => Some(report),
        // The run is complete without its report.
        Err(error) => {
            complain(&format!("warning: the run is saved, but its report is not: {error}"));
            None
        }
    };
    if args.json {
        say(&json!({
            "event": "finished", "run": path.display().to_string(), "best_error": best_error,
            "best_epoch": best_epoch, "trained_on_validation": config.data.train_on_validation, "weights": weights,
            "report": report,
        })
        .to_string())?;
    } else {
        let chosen = if config.data.train_on_validation {
            format!("nothing was chosen: the weights after epoch {best_epoch}, the last one, are kept")
        } else {
            format!("best validation error {} after epoch {best_epoch}", percent(best_error))
        };
        say(&format!("{chosen}; final weights {weights}\ntest it: {} eval {}", program(), quoted(path)))?;
        if let Some(report) = report {
            say(&format!("look at it: {}", report.display()))?;
        }
    }
    Ok(Ended::Done)
}

/// The configuration that the options name, or else that of the weights to start with.
fn configuration(args: &Args, start: Option<&Chosen>, data_dir: Option<&Path>) -> Result<Config, RamError> {
    let Configuration { preset, experiment, config, .. } = &args.configuration;
    match start {
        Some(start) if preset.is_none() && experiment.is_none() && config.is_none() => match &start.origin {
            Origin::Run(path, _) => {
                // This fails if its file is damaged.
                RunFolder::config(path)?;
                args.configuration.load_from(Base::File(&path.join("config.toml")), data_dir)
            }
            _ => {
                let origin = format!("the configuration of {}", start.path());
                let text = &start.checkpoint.state.config;
                args.configuration.load_from(Base::Text { text, origin: &origin }, data_dir)
            }
        },
        _ => args.configuration.load(data_dir),
    }
}

/// Says so if an experiment begins with the weights of another, and none were named.
fn warn_of_drawn_weights(args: &Args, has_start: bool) -> Result<(), RamError> {
    let Some(name) = args.configuration.experiment.as_deref().filter(|_| !has_start) else { return Ok(()) };
    if let Some(earlier) = Experiment::find(name)?.begins_with {
        complain(&format!(
            "warning: {name} begins with the best weights of {earlier} in its table, and now with drawn ones; --init-from names a run"
        ));
    }
    Ok(())
}

/// Warns where the weights that a run begins with were trained on images that are validated on now.
fn warn_of_known_images(config: &Config, start: Option<&Chosen>) -> Result<(), RamError> {
    let known = start.map(Chosen::config).transpose()?.is_some_and(|theirs| theirs.data.train_on_validation);
    if known && !config.data.train_on_validation {
        complain(
            "warning: the weights that this run begins with were trained on the validation images too \
             (data.train_on_validation), so the validation error says little of new images",
        );
    }
    Ok(())
}

/// Gives a new trainer the weights of a trained model.
fn begin_from(trainer: &mut Trainer, start: &Chosen) -> Result<InitFrom, RamError> {
    let checkpoint = &start.checkpoint;
    let drawn = trainer.begin_from(checkpoint)?;
    Ok(InitFrom {
        run: match &start.origin {
            Origin::Pretrained(facts, _) => format!("the pretrained model {}", facts.name),
            _ => start.path(),
        },
        epoch: checkpoint.state.epoch,
        weights: checkpoint.weights_hash(),
        drawn,
    })
}

/// Shows the progress on the console and writes TensorBoard's file.
struct WithEvents<'a> {
    console: &'a mut Console,
    events: EventFile,
    /// The first error of the file; training continues without it.
    fault: Option<RamError>,
}

impl Progress for WithEvents<'_> {
    fn step(&mut self, epoch: usize, epochs: usize, step: usize, steps: usize, images: usize, losses: &Losses) {
        self.console.step(epoch, epochs, step, steps, images, losses);
    }

    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, images_per_second: f64) {
        if self.fault.is_none() {
            self.fault = self.events.append(metrics, Some(images_per_second)).err();
        }
        self.console.epoch(metrics, seconds, images_per_second);
    }
}

fn say_unless_json(args: &Args, text: impl FnOnce() -> String) -> std::io::Result<()> {
    if args.json { Ok(()) } else { say(&text()) }
}

/// The command that resumes the run at `path`, with the options that are not part of its configuration.
fn resume_command(args: &Args, path: &Path) -> String {
    let name = path.file_name().map(Path::new).unwrap_or(path);
    let mut command = format!("{} train --resume --name {}", program(), quoted(name));
    if args.places.runs != Path::new("runs") {
        command += &format!(" --runs {}", quoted(&args.places.runs));
    }
    if let Some(folder) = &args.machine.data_dir {
        command += &format!(" --data-dir {}", quoted(folder));
    }
    if args.tensorboard {
        command += " --tensorboard";
    }
    if let Some(threads) = args.machine.threads.count() {
        command += &format!(" --threads {threads}");
    }
    command
}

/// The first part of the name of a run without --name; a number follows it. It is the preset, or the name of the configuration
/// file, of the folder of pictures or of the weights to start with.
fn stem(args: &Args) -> String {
    let configuration = &args.configuration;
    let own = configuration.data.as_deref().and_then(|data| data.strip_prefix("folder:")).map(Path::new);
    let unnamed = configuration.preset.is_none() && configuration.experiment.is_none();
    let path = configuration.config.as_deref().or(own.filter(|_| unnamed));
    let start = args.init_from.as_deref().or(args.places.pretrained.as_deref().map(Path::new));
    let path = path.or(start.filter(|_| unnamed));
    path.map_or_else(|| configuration.preset().to_owned(), stem_of)
}

/// The name of a file without its extension, with only the characters that a run's name may have.
pub fn stem_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    let plain: String = stem
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .take(80)
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "run".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Only::try_parse_from(["train"].into_iter().chain(line.split_whitespace())).map(|only| only.args)
    }

    #[test]
    fn the_resume_command_keeps_what_the_configuration_does_not_hold() {
        let args = parse("--preset demo --runs elsewhere --data-dir mnist --threads 2").unwrap();
        let command = resume_command(&args, Path::new("elsewhere/demo-1"));
        assert!(
            command.ends_with(" train --resume --name demo-1 --runs elsewhere --data-dir mnist --threads 2"),
            "{command}"
        );
        let command = resume_command(&parse("").unwrap(), Path::new("runs/a"));
        assert!(command.ends_with(" train --resume --name a"), "{command}");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in
            ["--resume", "--resume --name a --set seed=2", "--preset demo --config x.toml", "--force", "--threads 0"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_run_is_called_after_its_preset_or_file() {
        assert_eq!(stem(&parse("").unwrap()), "mnist");
        assert_eq!(stem(&parse("--preset demo").unwrap()), "demo");
        assert_eq!(stem(&parse("--config a/my.best.toml").unwrap()), "my-best");
        assert_eq!(stem(&parse("--data folder:a/cats+dogs").unwrap()), "cats-dogs");
        assert_eq!(stem(&parse("--init-from runs/cats-1").unwrap()), "cats-1");
        assert_eq!(stem(&parse("--preset pictures --data folder:a").unwrap()), "pictures");
        assert_eq!(stem(&parse("--config a/é.toml").unwrap()), "run");
    }
}
