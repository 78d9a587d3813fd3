//! Shows the progress of a training: a bar and curves on a terminal, and a line for each epoch, in JSON with `--json`.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use ram::losses::Losses;
use ram::runs::metrics::EpochMetrics;
use ram::train::trainer::Progress;
use serde_json::json;

use super::output::{percent, say};
use super::plot::{Curve, History, WIDTH, beside};
use super::terminal;

/// The time between two drawings of the bar.
const REFRESH: Duration = Duration::from_millis(200);

/// Shows the progress on standard output (lines) and on standard error (the bar).
pub struct Console {
    /// The text before every line: the policy of the demo, or nothing.
    label: String,
    epochs: usize,
    json: bool,
    bar: Option<ProgressBar>,
    /// The time when the bar started, and the number of images since then.
    begun: Option<(Instant, usize)>,
    drawn: Option<Instant>,
    curves: Option<Curves>,
}

/// The curves below the bar. Each point covers the steps from one drawing to the next.
struct Curves {
    error: History,
    loss: History,
    speed: History,
    /// Since the last drawing: error and loss, each summed over the images, and the number of images.
    since: [f64; 3],
    colour: bool,
    /// The two lines of text, which the bar reads when it is drawn.
    lines: Arc<Mutex<[String; 2]>>,
}

impl Curves {
    fn new(colour: bool) -> Curves {
        let [error, loss, speed] = [(); 3].map(|()| History::new(2 * WIDTH));
        Curves { error, loss, speed, since: [0.0; 3], colour, lines: Arc::default() }
    }

    fn add(&mut self, images: usize, losses: &Losses) {
        let images = images as f64;
        for (sum, x) in self.since.iter_mut().zip([losses.error, losses.classification, 1.0]) {
            *sum += x * images;
        }
    }

    /// Adds the two lines below the bar to its style.
    fn below(&self, style: ProgressStyle) -> ProgressStyle {
        let [upper, lower] = [0, 1].map(|line| {
            let lines = self.lines.clone();
            move |_: &ProgressState, to: &mut dyn Write| {
                _ = to.write_str(&lines.lock().unwrap_or_else(PoisonError::into_inner)[line]);
            }
        });
        style.with_key("upper", upper).with_key("lower", lower)
    }

    /// Adds a point to each curve from the steps of the last `seconds` seconds, then draws the two lines.
    fn draw(&mut self, seconds: f64) {
        let [error, loss, images] = std::mem::take(&mut self.since);
        self.error.push(error / images);
        self.loss.push(loss / images);
        self.speed.push(images / seconds.max(1e-9));
        let curves: [Curve; 3] = [
            ("error", &self.error, percent),
            ("loss", &self.loss, |x| format!("{x:.3}")),
            ("images/s", &self.speed, |x| format!("{x:.0}")),
        ];
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = beside(&curves, self.colour);
    }
}

/// Whether a bar can be drawn on standard error.
fn draws_bars() -> bool {
    terminal::moves() && io::stderr().is_terminal()
}

/// A bar that counts `total` things, on a terminal alone.
pub fn counter(total: u64, things: &str) -> ProgressBar {
    if !draws_bars() {
        return ProgressBar::hidden();
    }
    let template = format!("{{pos}}/{{len}} {things} [{{wide_bar}}] {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("a valid template").progress_chars("=> ");
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style)
}

impl Console {
    /// A console for a training of `epochs` epochs; `label` stands before every line.
    pub fn new(label: &str, epochs: usize, json: bool) -> Console {
        let shown = !json && draws_bars();
        let curves = (shown && terminal::speaks_unicode()).then(|| Curves::new(terminal::wants_colours()));
        let bar = shown.then(|| {
            const BAR: &str = "{msg} [{wide_bar}] {eta} left";
            let template = if curves.is_some() { format!("{BAR}\n{{upper}}\n{{lower}}") } else { BAR.to_owned() };
            let style = ProgressStyle::with_template(&template).expect("a valid template").progress_chars("=> ");
            let style = match &curves {
                Some(curves) => curves.below(style),
                None => style,
            };
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        let label = if label.is_empty() { String::new() } else { format!("{label:<8} ") };
        Console { label, epochs, json, bar, begun: None, drawn: None, curves }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Console {
    fn step(&mut self, epoch: usize, epochs: usize, step: usize, steps: usize, images: usize, losses: &Losses) {
        let Some(bar) = &self.bar else { return };
        let position = ((epoch - 1) * steps + step) as u64;
        let now = Instant::now();
        let Some((begun, seen)) = &mut self.begun else {
            // A resumed run does not begin at 0, so the remaining time is estimated from here.
            bar.set_length((epochs * steps) as u64);
            bar.set_position(position);
            bar.reset_eta();
            self.begun = Some((now, 0));
            return;
        };
        *seen += images;
        if let Some(curves) = &mut self.curves {
            curves.add(images, losses);
        }
        if self.drawn.is_some_and(|drawn| now - drawn < REFRESH) {
            return;
        }
        let since = self.drawn.replace(now).unwrap_or(*begun);
        if let Some(curves) = &mut self.curves {
            curves.draw((now - since).as_secs_f64());
        }
        let rate = *seen as f64 / (now - *begun).as_secs_f64().max(1e-9);
        bar.set_position(position);
        let terms = match console::Term::stderr().size_checked() {
            Some((_, columns)) if columns < 100 => String::new(),
            _ => format!(
                " class {:.3} location {:.3} baseline {:.3}",
                losses.classification, losses.location, losses.baseline
            ),
        };
        bar.set_message(format!("{}epoch {epoch}/{epochs} {rate:.0} images/s{terms}", self.label));
    }

    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, images_per_second: f64) {
        let line = if self.json {
            epoch_json(self.label.trim_end(), metrics, seconds, images_per_second)
        } else {
            let width = terminal::width().map(|width| width.saturating_sub(self.label.chars().count()));
            format!("{}{}", self.label, epoch_line(metrics, self.epochs, seconds, images_per_second, width))
        };
        // Training continues even if nobody reads the output any more.
        match &self.bar {
            Some(bar) => bar.suspend(|| _ = say(&line)),
            None => _ = say(&line),
        }
    }
}

/// `epoch  3/60  error 1.90 %, training 2.31 %, class 0.071, location 0.512 …`. Where that is longer than `width` columns, parts are
/// left out, from the end.
fn epoch_line(
    metrics: &EpochMetrics,
    epochs: usize,
    seconds: f64,
    images_per_second: f64,
    width: Option<usize>,
) -> String {
    let EpochMetrics { epoch, train, validation, learning_rate, .. } = metrics;
    let digits = epochs.to_string().len();
    let trained_on = if validation.trained_on { " (trained on)" } else { "" };
    let parts = [
        format!("epoch {epoch:>digits$}/{epochs}"),
        format!("  validation error {}{trained_on}", percent(validation.error)),
        format!("  training error {}", percent(train.error)),
        metrics.glimpses.map_or_else(String::new, |glimpses| format!("  {glimpses:.2} glimpses")),
        format!("  {seconds:.1} s"),
        format!(", {images_per_second:.0} images/s"),
        format!("  class {:.3}, location {:.3}, baseline {:.3}", train.classification, train.location, train.baseline),
        format!("  reward {:.3}", train.reward),
        format!("  validation class {:.3}", validation.loss),
        format!("  rate {learning_rate:.1e}"),
    ];
    let mut line = String::new();
    for part in parts {
        if width.is_some_and(|width| line.chars().count() + part.chars().count() > width) {
            break;
        }
        line += &part;
    }
    line
}

fn epoch_json(label: &str, metrics: &EpochMetrics, seconds: f64, images_per_second: f64) -> String {
    let mut object = serde_json::to_value(metrics).expect("numbers");
    object["event"] = json!("epoch");
    object["seconds"] = json!(seconds);
    object["images_per_second"] = json!(images_per_second);
    if !label.is_empty() {
        object["locations"] = json!(label);
    }
    object.to_string()
}

#[cfg(test)]
mod tests {
    use ram::runs::metrics::Validation;

    use super::*;

    fn metrics() -> EpochMetrics {
        EpochMetrics {
            epoch: 3,
            step: 30,
            learning_rate: 9.5e-4,
            train: Losses { classification: 0.0712, location: 0.5, baseline: 0.09, error: 0.0231, ..Losses::default() },
            validation: Validation { error: 0.019, loss: 0.061, ..Validation::default() },
            fixation_spread: vec![0.5],
            ..EpochMetrics::default()
        }
    }

    #[test]
    fn a_line_shows_the_loss_terms_apart() {
        let line = |width| epoch_line(&metrics(), 60, 41.23, 1212.7, width);
        assert_eq!(
            line(None),
            "epoch  3/60  validation error 1.90 %  training error 2.31 %  41.2 s, 1213 images/s  class 0.071, location 0.500, \
             baseline 0.090  reward 0.000  validation class 0.061  rate 9.5e-4"
        );
        let narrow = "epoch  3/60  validation error 1.90 %  training error 2.31 %  41.2 s";
        assert_eq!([line(Some(84)), line(Some(80))], [format!("{narrow}, 1213 images/s"), narrow.to_owned()]);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = epoch_json("random", &metrics(), 1.0, 2.0);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&object["event"], &object["epoch"], &object["locations"]),
            (&json!("epoch"), &json!(3), &json!("random"))
        );
        assert!(!line.contains('\n'));
    }
}
