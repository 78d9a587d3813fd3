//! `ram look`: draws the paper's Figures 3 to 6 for a run, and animations.

use std::path::{Path, PathBuf};

use datasets::Picture;
use ram::config::Config;
use ram::error::RamError;
use ram::evaluate::predict::Prepared;
use ram::evaluate::trace::{Trace, Tracer};
use ram::evaluate::trained::Trained;
use ram::figures::look::{Captions, look};
use ram::figures::{Format, animation, check_gif};
use ram::model::Stop;
use ram::reinforce::BaselineKind;
use ram::runs::atomic;
use serde_json::{Value, json};

use super::chosen::{Chosen, Places, Which};
use super::eval;
use super::options::{DATA_DIR, Handling};
use super::output::{Ended, percent, say};

/// The number of images that are traced at the same time in the search for images to show.
const SEARCHED: usize = 200;

/// The largest number of images in an animation.
const MOVING: usize = 24;

/// Options of `ram look`.
#[derive(clap::Args)]
pub struct Args {
    /// The run: its folder, or its name in --runs. It may also be a checkpoint file.
    #[arg(required_unless_present = "pretrained", conflicts_with = "pretrained")]
    run: Option<PathBuf>,

    /// The file of the picture; its extension chooses the format [default: look.png, if there is no --gif]
    #[arg(long, value_name = "FILE.png|FILE.svg")]
    out: Option<PathBuf>,

    /// The file of an animation, in which the windows of the retina move over the images.
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,

    /// The number of images, from 1 to 1000; in an animation up to 24 [default: 8, or 4 if there is only an animation]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    rows: Option<u16>,

    /// Show only images that are classified wrong.
    #[arg(long)]
    only_wrong: bool,

    /// Show only images of this class.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,

    /// The part of the data.
    #[arg(long, value_enum, default_value_t = eval::Split::Validation)]
    split: eval::Split,

    /// Show your own image, PNG or JPEG; the output says how it was made to fit.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "only_wrong", "class", "split"])]
    image: Option<PathBuf>,

    #[command(flatten)]
    handling: Handling,

    /// The checkpoint: the best one by validation, or the newest [default: best]
    #[arg(long, value_enum, conflicts_with = "pretrained")]
    which: Option<Which>,

    #[command(flatten)]
    places: Places,

    #[arg(long, value_name = "DIR", help = DATA_DIR)]
    data_dir: Option<PathBuf>,

    /// Print one JSON object with the numbers that are drawn.
    #[arg(long)]
    json: bool,
}

/// The traces to draw, and their description.
struct Shown {
    traces: Vec<Trace>,
    /// The data and the error.
    subtitle: String,
    /// The same for `--json`.
    facts: Value,
}

/// Traces images of a run and draws them.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    if let (None, Some(option)) = (&args.image, args.handling.given()) {
        return Err(RamError::Config(format!("{option}: is for your own image; name one with --image")).into());
    }
    // The command line is checked before any work.
    let out = match (&args.out, &args.gif) {
        (None, None) => Some(PathBuf::from("look.png")),
        (out, _) => out.clone(),
    };
    let format = out.as_deref().map(Format::of).transpose()?;
    args.gif.as_deref().map(check_gif).transpose()?;
    let rows = usize::from(args.rows.unwrap_or(if out.is_some() { 8 } else { 4 }));
    if args.gif.is_some() && rows > MOVING {
        return Err(RamError::Config(format!("--rows {rows}: an animation has at most {MOVING} images")).into());
    }

    let chosen = Chosen::open(args.run.as_deref(), &args.places, args.which)?;
    let trained = Trained::of(&chosen.checkpoint)?;
    let tracer = Tracer::new(&trained)?;
    if let Some(game) = trained.config.data.source.game() {
        return Err(RamError::Config(format!(
            "{}: this run plays {} and classifies no images; watch it with `ram play {}`",
            chosen.path(),
            game.title,
            game.name
        ))
        .into());
    }
    let shown = match &args.image {
        Some(image) => of_user(args, tracer, image)?,
        None => of_split(args, tracer, &chosen, rows)?,
    };
    let captions = Captions {
        title: title(&chosen.name(), tracer.config()),
        subtitle: shown.subtitle + &no_reward(tracer.config(), &shown.traces),
        classes: tracer.classes().to_vec(),
    };
    let mut written = Vec::new();
    if let (Some(out), Some(format)) = (&out, format) {
        write(out, &format.write(&look(&shown.traces, &captions)))?;
        written.push(out.display().to_string());
    }
    if let Some(gif) = &args.gif {
        write(gif, &animation::sequences(&shown.traces, &captions.classes, &captions.title))?;
        written.push(gif.display().to_string());
    }
    say(&if args.json {
        let mut object = json!({
            "out": out, "gif": args.gif, "classes": captions.classes, "rows": shown.traces.iter().map(row_json).collect::<Vec<_>>(),
        });
        object.as_object_mut().expect("an object").extend(shown.facts.as_object().cloned().unwrap_or_default());
        chosen.add_facts(object).to_string()
    } else {
        format!("{}\n{}\nwrote {}", captions.title, captions.subtitle, written.join(", "))
    })?;
    Ok(Ended::Done)
}

/// The first images of the split that the options select.
fn of_split(args: &Args, tracer: Tracer, chosen: &Chosen, rows: usize) -> anyhow::Result<Shown> {
    let class = args.class.as_deref().map(|name| class_of(name, tracer.classes())).transpose()?;
    let (split, split_name) = args.split.named();
    let data_dir = chosen.data_dir(args.data_dir.as_deref());
    let examples = chosen.of_its_data(tracer.examples(split, data_dir.as_deref()))?;
    let count = examples.count;
    let evaluation = tracer.evaluate(&examples);
    let wanted = |trace: &Trace| {
        class.is_none_or(|class| trace.label == Some(class)) && (!args.only_wrong || trace.right() == Some(false))
    };
    let mut traces: Vec<Trace> = Vec::new();
    let mut next = 0;
    while traces.len() < rows && next < count {
        let some = next..(next + SEARCHED.min(rows.max(50))).min(count);
        next = some.end;
        traces.extend(tracer.trace(&examples, some).into_iter().filter(wanted));
    }
    traces.truncate(rows);
    let of_class = args.class.as_ref().map_or(String::new(), |name| format!(" of class {name}"));
    let wrong = if args.only_wrong { " that is classified wrong" } else { "" };
    if traces.is_empty() {
        let message = format!("there is no image{of_class}{wrong} among the {count} {split_name} images");
        return Err(RamError::Config(message).into());
    }
    let only = match (args.only_wrong, of_class.is_empty()) {
        (false, true) => String::new(),
        (true, _) => format!(". Shown: wrong images{of_class}"),
        (false, false) => format!(". Shown: images{of_class}"),
    };
    let subtitle = format!(
        "{}, {split_name}: {} of {count} images wrong; {}, epoch {}{only}",
        data(tracer.config()),
        percent(evaluation.error),
        chosen.kind(),
        chosen.checkpoint.state.epoch
    );
    let facts = json!({ "split": split_name, "count": count, "error": evaluation.error });
    Ok(Shown { traces, subtitle, facts })
}

/// The user's image.
fn of_user(args: &Args, tracer: Tracer, path: &Path) -> anyhow::Result<Shown> {
    let picture = Picture::read(path).map_err(RamError::from)?;
    let Prepared { canvas, layout, how, .. } = Prepared::new(tracer.config(), &picture, args.handling.of());
    let trace = tracer.trace_image(&canvas, layout, 1)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(Shown { traces: vec![trace], subtitle: format!("{name}: {how}"), facts: json!({ "image": path, "how": how }) })
}

/// The index of the class with this name.
fn class_of(name: &str, classes: &[String]) -> Result<usize, RamError> {
    classes.iter().position(|class| class == name).ok_or_else(|| {
        let few: Vec<_> = classes.iter().take(20).map(String::as_str).collect();
        let more = if classes.len() > 20 { ", …" } else { "" };
        RamError::Config(format!("--class {name}: the run's classes are {}{more}", few.join(", ")))
    })
}

/// Why no expected reward stands beside the glimpses; nothing if it does.
pub fn no_reward(config: &Config, traces: &[Trace]) -> String {
    if traces.iter().flat_map(|trace| &trace.glimpses).any(|glimpse| glimpse.baseline.is_some()) {
        return String::new();
    }
    let why = match config.loss.baseline {
        BaselineKind::Informed => "the run's informed baseline is told the right class, so it is for training alone",
        BaselineKind::LeaveOneOut | BaselineKind::None => "the run has learned no baseline",
        BaselineKind::Learned => "the run chooses no location, so it has learned no baseline",
    };
    format!(". No expected reward is shown: {why}")
}

/// The numbers that are drawn for an image, without its pixels.
fn row_json(trace: &Trace) -> Value {
    let of =
        |value: &dyn Fn(&ram::evaluate::trace::Glimpse) -> Value| trace.glimpses.iter().map(value).collect::<Vec<_>>();
    json!({
        "index": trace.index, "label": trace.label, "answer": trace.answer(), "right": trace.right(),
        "locations": of(&|glimpse| json!(glimpse.location)), "windows": of(&|glimpse| json!(glimpse.windows)),
        "probabilities": of(&|glimpse| json!(glimpse.probabilities)), "baselines": of(&|glimpse| json!(glimpse.baseline)),
    })
}

/// `cluttered-1: RAM, 8 glimpses, 12×12, 3 scales`, as in the paper's tables.
pub fn title(name: &str, config: &Config) -> String {
    let (model, patch) = (&config.model, config.model.patch);
    let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let at_most = if config.policy.stop == Stop::Learned { "at most " } else { "" };
    let zooms = if config.policy.zooms > 1 { format!(", {} zooms", config.policy.zooms) } else { String::new() };
    let (glimpses, scales) = (count(model.glimpses, "glimpse"), count(model.scales, "scale"));
    format!("{name}: RAM, {at_most}{glimpses}, {patch}×{patch}, {scales}{zooms}")
}

/// `MNIST, cluttered, 60×60 pixels, 4 pieces of clutter`
pub fn data(config: &Config) -> String {
    let data = &config.data;
    let (source, canvas) = (ram::data::name(config), json!(data.canvas));
    let canvas = canvas.as_str().unwrap_or("images");
    let pieces = match data.clutter {
        0 => String::new(),
        1 => ", 1 piece of clutter".to_owned(),
        n => format!(", {n} pieces of clutter"),
    };
    format!("{source}, {canvas}, {0}×{0} pixels{pieces}", data.size)
}

/// Writes a picture completely, or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), RamError> {
    atomic::write(path, bytes).map_err(|source| RamError::Io { action: "write", path: path.to_owned(), source })
}
