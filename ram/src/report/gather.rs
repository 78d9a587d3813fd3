//! From a run's folder to what its report says.

use std::fs;
use std::path::Path;

use datasets::Canvases;

use super::data::{Measurements, Report, ResultRow};
use super::options::Options;
use super::shown::Embedding;
use super::{shown, weights};
use crate::config::{Canvas, Config, Returns, Source};
use crate::error::RamError;
use crate::evaluate::evaluator::evaluate_on;
use crate::evaluate::trace::Tracer;
use crate::evaluate::trained::Trained;
use crate::evaluation::GRID;
use crate::model::core::CoreKind;
use crate::model::{Decisions, Locations, ModelKind, Stop};
use crate::runs::checkpoint::Checkpoint;
use crate::runs::metrics::{EpochMetrics, best};
use crate::runs::run_folder::{RunFolder, TestError, Which};
use crate::runs::run_info::read_info;
use crate::split::SplitName;
use crate::threads::Threads;

/// Weights without the folder of a run: those of a pretrained model, or of a checkpoint file alone.
#[derive(Clone, Copy, Debug)]
pub struct Alone<'a> {
    /// The weights.
    pub checkpoint: &'a Checkpoint,
    /// The title of the report.
    pub name: &'a str,
    /// Where the weights come from, in words.
    pub origin: &'a str,
    /// The known test error, 0 to 1.
    pub test: Option<f64>,
}

/// Evaluates a checkpoint of the run at `path` and gathers what there is to tell. The test part stays closed unless
/// `options` name it.
///
/// # Errors
/// A run that is none, is of another version or has no checkpoint yet; missing or damaged data; a chosen image that there is
/// not.
pub fn gather(path: &Path, options: &Options) -> Result<Report, RamError> {
    let info = read_info(path)?;
    let checkpoint = RunFolder::read(path, options.which)?;
    let (mut report, config) = evaluated(&checkpoint, options)?;
    let mut epochs = RunFolder::curves(path)?;
    report.results = results(path, &config, &epochs, options.split, report.found.error);
    // The matrices of the checkpoint's own evaluation are there; those of every epoch would be most of the file.
    for line in &mut epochs {
        (line.density, line.confusion) = (Vec::new(), Vec::new());
    }
    Ok(Report {
        run: name_of(path),
        command: info.command.join(" "),
        version: info.versions.get("ram").cloned().unwrap_or_default(),
        epochs,
        timings: RunFolder::timings(path)?,
        ..report
    })
}

/// As [`gather`], but for weights without the folder of a run, so without the curves of the training. `options.which` does not
/// matter.
///
/// # Errors
/// As [`gather`].
pub fn gather_alone(alone: &Alone, options: &Options) -> Result<Report, RamError> {
    let (report, config) = evaluated(alone.checkpoint, options)?;
    let state = &alone.checkpoint.state;
    let found = (options.split == SplitName::Test).then_some(report.found.error);
    let own = ResultRow {
        run: alone.name.to_owned(),
        policy: policy_of(&config),
        seed: config.seed,
        validation: state.best_error.filter(|_| !config.data.train_on_validation),
        epoch: state.best_epoch,
        test: found.or(alone.test),
        own: true,
    };
    Ok(Report { run: alone.name.to_owned(), origin: Some(alone.origin.to_owned()), results: vec![own], ..report })
}

/// What an evaluation of the checkpoint tells, and the configuration.
fn evaluated(checkpoint: &Checkpoint, options: &Options) -> Result<(Report, Config), RamError> {
    let trained = match options.task.clone() {
        Some(task) => Trained::for_task(task, checkpoint)?,
        None => Trained::of(checkpoint)?,
    };
    let config = trained.config.clone();
    let examples = trained.examples(options.split, options.data_dir)?;
    let evaluation = Threads::new(options.threads)?.install(|| evaluate_on(&config, trained.subject(), &examples, 1));
    let asked = options.count.max(options.chosen.len()).min(evaluation.count);
    let frames = examples.images.as_ref().map_or(1, Canvases::frames);
    let embedding = Embedding::fitting(asked, examples.size(), frames);
    let numbers = shown::choose(&options.chosen, &evaluation.wrong, evaluation.count, embedding.count)?;
    let plays = trained.task.decisions() == Decisions::Each;
    let tracer = Tracer::new(&trained).ok();
    let items = shown::items(&trained, tracer, &examples, &numbers, embedding);
    let p = evaluation.error;
    let report = Report {
        about: about(&config),
        kind: if plays { "game" } else { config.model.kind.name() },
        config: config.to_toml(),
        which: match options.which {
            Which::Best => "best",
            Which::Last => "last",
        },
        epoch: checkpoint.state.epoch,
        split: match options.split {
            SplitName::Validation if config.data.train_on_validation => "validation (trained on)",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        },
        weights_hash: checkpoint.weights_hash(),
        parameters: trained.parameters(),
        classes: checkpoint.state.classes.clone(),
        found: Measurements {
            error: p,
            standard_error: ((p * (1.0 - p)).max(0.0) / evaluation.count.max(1) as f64).sqrt(),
            loss: evaluation.loss,
            count: evaluation.count,
            on_digit: evaluation.on_digit,
            on_digit_at: evaluation.on_digit_at,
            distance: if plays { Vec::new() } else { evaluation.distance },
            spread: evaluation.fixation_spread,
            density: evaluation.density,
            grid: GRID,
            error_after: evaluation.error_after,
            taken: evaluation.taken,
            reached: (plays || config.loss.returns == Returns::Episode).then_some(1.0 - evaluation.error),
            baselines: evaluation.baselines,
            confusion: evaluation.confusion,
            tracking: evaluation.tracking,
        },
        weights: weights::first_layer(checkpoint, &config),
        retina: tracer.map(|tracer| [tracer.retina().patch, tracer.retina().scales]),
        player_note: embedding.told(asked, examples.size()),
        items,
        ..Report::default()
    };
    Ok((report, config))
}

/// This run, then the runs beside it whose configurations differ in the seed and the policy of locations alone.
fn results(path: &Path, config: &Config, epochs: &[EpochMetrics], split: SplitName, error: f64) -> Vec<ResultRow> {
    let mut own = row(path, config, epochs, true);
    if split == SplitName::Test {
        own.test = Some(error);
    }
    let mut rows = vec![own];
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = absolute.parent().and_then(|parent| fs::read_dir(parent).ok());
    let mut others: Vec<_> = beside.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    others.sort();
    for other in others.iter().filter(|&other| *other != absolute) {
        // Whatever else lies there is not asked about.
        let (Ok(theirs), Ok(epochs)) = (RunFolder::config(other), RunFolder::metrics(other)) else { continue };
        let alike =
            |difference: &String| difference.starts_with("seed:") || difference.starts_with("policy.locations:");
        if !epochs.is_empty() && config.differences(&theirs).iter().all(alike) {
            rows.push(row(other, &theirs, &epochs, false));
        }
    }
    // This run, the same policy with other seeds, then the controls.
    let order = |row: &ResultRow| (!row.own, row.policy != rows[0].policy, row.policy.clone(), row.seed);
    let mut keyed: Vec<_> = rows.iter().map(|row| (order(row), row.clone())).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn row(path: &Path, config: &Config, epochs: &[EpochMetrics], own: bool) -> ResultRow {
    let best = best(epochs);
    // What `ram reproduce` asked the test part, once.
    let tested = fs::read_to_string(path.join("test.json")).ok();
    let tested = tested.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let evaluated = best.and_then(|line| TestError::read(path, line.epoch)).map(|found| found.error);
    ResultRow {
        run: name_of(path),
        policy: policy_of(config),
        seed: config.seed,
        validation: best.filter(|line| !line.validation.trained_on).map(|line| line.validation.error),
        epoch: best.map(|line| line.epoch),
        test: tested.and_then(|json| json["error"].as_f64()).or(evaluated),
        own,
    }
}

/// Who chooses the locations; for networks without glimpses, their kind.
fn policy_of(config: &Config) -> String {
    match config.model.kind {
        ModelKind::Ram => config.policy.locations.name().to_owned(),
        ModelKind::Fc => "fc, sees all".to_owned(),
        ModelKind::Conv => "conv, sees all".to_owned(),
        ModelKind::Cnn => "cnn, sees all".to_owned(),
    }
}

fn name_of(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    absolute.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Network and task in words.
fn about(config: &Config) -> String {
    let (data, model) = (&config.data, &config.model);
    let task = match (data.source, data.canvas) {
        (Source::Game(game), _) => format!("{} on a {1}×{1} screen", game.title, data.size),
        (Source::Own, _) => "a task from another program".to_owned(),
        (_, canvas) => {
            let source = crate::data::name(config);
            let canvas = match canvas {
                Canvas::Centred => String::new(),
                Canvas::Translated => ", translated".to_owned(),
                Canvas::Cluttered => format!(", translated, {} pieces of clutter", data.clutter),
                Canvas::Moving => format!(", moving, {} frames, {} pieces of clutter", data.frames, data.clutter),
            };
            format!("{source}{canvas}, {0}×{0} pixels", data.size)
        }
    };
    let network = match model.kind {
        ModelKind::Fc => {
            format!("fully connected network of two layers of {}, which sees the whole image", model.hidden)
        }
        ModelKind::Conv => format!("convolutional network of {} filters, which sees the whole image", model.filters),
        ModelKind::Cnn => {
            format!(
                "three convolutions of 3×3 with pooling, {} filters at first, which see the whole image",
                model.filters
            )
        }
        ModelKind::Ram => {
            let scales = if model.scales == 1 { "1 scale".to_owned() } else { format!("{} scales", model.scales) };
            let core = if model.core == CoreKind::Lstm { "LSTM" } else { "rectifiers" };
            let policy = match config.policy.locations {
                Locations::Learned => "learned locations",
                Locations::Random => "random locations",
                Locations::Still => "a gaze that stays at its first location",
                Locations::Centre => "locations held at the centre",
                Locations::Blind => "locations learned blind to the image",
                Locations::Oracle => "locations near the middle of the digit",
            };
            let [glimpses, patch] = [model.glimpses, model.patch];
            let at_most = if config.policy.stop == Stop::Learned { "at most " } else { "" };
            format!(
                "recurrent attention model, {at_most}{glimpses} glimpses of {patch}×{patch} at {scales}, core of {core}, {policy}"
            )
        }
    };
    format!("{task}: {network}")
}
