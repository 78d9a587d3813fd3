//! The curves of a report, drawn as SVG inside of the page. The script `charts.js` adds a cursor that tells their values.

use serde_json::json;

use super::data::Report;
use crate::figures::axis::brief;
use crate::figures::plot::{Curve, Plot, style};
use crate::figures::scene::{Rect, Scene};
use crate::figures::svg::{elements, escaped, number};
use crate::runs::metrics::EpochMetrics;

/// The size of a chart, [width, height]; a page may scale it.
const SIZE: [f64; 2] = [340.0, 190.0];

/// Where the values lie in it.
const FRAME: Rect = Rect { x: 46.0, y: 8.0, width: 284.0, height: 152.0 };

/// In charts of up to this many values along, each value has a dot.
const DOTTED: usize = 12;

/// How the values of a chart are told.
#[derive(Clone, Copy)]
enum Unit {
    /// As they are.
    Number,
    /// Shares, as per cent with so many decimals.
    Percent(usize),
}

impl Unit {
    /// The value as the cursor tells it; empty where there is none.
    fn text(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => String::new(),
            Unit::Number => brief(value, 3),
            Unit::Percent(decimals) => format!("{:.decimals$} %", 100.0 * value),
        }
    }
}

/// A curve: its name and its values. A value that is not there is not finite.
type Series = (String, Vec<f64>);

/// Curves over the same axes.
struct Chart {
    title: &'static str,
    note: &'static str,
    along: &'static str,
    x: Vec<usize>,
    unit: Unit,
    series: Vec<Series>,
}

impl Chart {
    fn curves(&self) -> Vec<Curve> {
        let factor = if let Unit::Percent(_) = self.unit { 100.0 } else { 1.0 };
        let points = |values: &[f64]| self.x.iter().zip(values).map(|(&x, y)| [x as f64, factor * y]).collect();
        self.series.iter().enumerate().map(|(style, (_, values))| Curve { style, points: points(values) }).collect()
    }

    /// The axes and the curves as elements of SVG, each curve in a group of its own.
    fn picture(&self, plot: &Plot, curves: &[Curve]) -> String {
        let blank = || Scene::new(SIZE[0], SIZE[1], self.title);
        let mut axes = blank();
        plot.draw(&mut axes, if let Unit::Percent(_) = self.unit { " %" } else { "" });
        plot.write_along(&mut axes, SIZE[1] - 3.0, self.along);
        let mut picture = elements(&axes.shapes);
        for curve in curves {
            let mut scene = blank();
            plot.curve(&mut scene, curve);
            if self.x.len() <= DOTTED {
                let there = curve.points.iter().filter(|[_, y]| y.is_finite());
                there.for_each(|&point| scene.disc(plot.at(point), 2.5, style(curve.style).colour));
            }
            picture += &format!("<g class=\"series\">{}</g>\n", elements(&scene.shapes));
        }
        picture
    }

    /// The chart as HTML, empty where it has no value. With `switched` it also holds a picture with a logarithmic axis, where all
    /// values are above 0; the page shows one of the two.
    fn html(&self, switched: bool) -> String {
        let curves = self.curves();
        let Some(linear) = Plot::around(FRAME, &curves, false) else { return String::new() };
        let logarithmic = Plot::around(FRAME, &curves, switched).filter(|plot| plot.up != linear.up);
        let mut pictures = match &logarithmic {
            Some(plot) => format!("<g class=\"log\">{}</g>\n<g class=\"linear\">", self.picture(plot, &curves)),
            None => "<g>".to_owned(),
        };
        pictures += &(self.picture(&linear, &curves) + "</g>");
        let note = if self.note.is_empty() { String::new() } else { format!(" <small>{}</small>", self.note) };
        format!(
            "<figure class=\"chart\"><h3>{title}{note}</h3>\n{legend}\
             <svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}, by {along}\" data-chart=\"{data}\">\n\
             {pictures}</svg><output class=\"readout\"></output></figure>\n",
            title = escaped(self.title),
            legend = self.legend(),
            width = SIZE[0],
            height = SIZE[1],
            along = self.along,
            data = escaped(&self.data(&linear)),
        )
    }

    /// What the cursor needs, as JSON: what runs along, its values and where they lie, and of each curve the values as text.
    fn data(&self, plot: &Plot) -> String {
        let at: Vec<String> = self.x.iter().map(|&x| number(plot.at([x as f64, 0.0])[0])).collect();
        let texts = |values: &[f64]| values.iter().map(|&value| self.unit.text(value)).collect::<Vec<_>>();
        let series: Vec<_> =
            self.series.iter().map(|(name, values)| json!({ "name": name, "values": texts(values) })).collect();
        let ends = [FRAME.y, FRAME.bottom()];
        json!({ "along": self.along, "x": self.x, "at": at, "ends": ends, "series": series }).to_string()
    }

    /// The names of the curves, where there are several.
    fn legend(&self) -> String {
        if self.series.len() < 2 {
            return String::new();
        }
        let sample = |(i, (name, _)): (usize, &Series)| {
            let mut line = Scene::new(28.0, 10.0, name);
            line.line(&[[0.0, 5.0], [28.0, 5.0]], style(i));
            let line = elements(&line.shapes);
            format!("<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\">{line}</svg>{}</li>", escaped(name))
        };
        let samples: String = self.series.iter().enumerate().map(sample).collect();
        format!("<ul class=\"legend\">{samples}</ul>\n")
    }
}

/// A curve of a name that is known beforehand.
fn series(name: &str, values: impl IntoIterator<Item = f64>) -> Series {
    (name.to_owned(), values.into_iter().collect())
}

/// Charts side by side; nothing where there are none.
fn side_by_side(charts: &[Chart], switched: bool) -> String {
    let charts: String = charts.iter().map(|chart| chart.html(switched)).collect();
    if charts.is_empty() { charts } else { format!("<div class=\"charts\">\n{charts}</div>") }
}

/// The charts of the reported checkpoint, over its glimpses or frames, as HTML.
pub fn policy(report: &Report) -> String {
    let (found, games) = (&report.found, report.kind == "game");
    if found.spread.is_empty() {
        return String::new();
    }
    let word = if games { "frame" } else { "glimpse" };
    let chart = |title, note, along, unit, list: Vec<Series>| Chart {
        title,
        note,
        along,
        x: (1..).take(list[0].1.len()).collect(),
        unit,
        series: list,
    };
    let mut charts = Vec::new();
    if found.error_after.len() > 1 {
        let error = vec![series("error", found.error_after.clone())];
        charts.push(chart(
            "Error by glimpses used",
            "if the class were decided then",
            "glimpses",
            Unit::Percent(2),
            error,
        ));
    }
    if !found.taken.is_empty() {
        let all: u32 = found.taken.iter().sum();
        let share = found.taken.iter().map(|&count| f64::from(count) / f64::from(all.max(1)));
        let list = vec![series("share", share)];
        charts.push(chart("Glimpses taken", "share of images that stopped then", "glimpses", Unit::Percent(0), list));
    }
    if !found.baselines.is_empty() {
        let right = if games { "games won" } else { "share answered rightly" };
        let mut list = vec![series("baseline", found.baselines.clone())];
        list.extend(found.reached.map(|reached| series(right, found.baselines.iter().map(|_| reached))));
        charts.push(chart("Return expected", "mean baseline", word, Unit::Number, list));
    }
    let spread = vec![series("spread", found.spread.clone())];
    charts.push(chart("Spread across inputs", "variance of x plus that of y", word, Unit::Number, spread));
    if !found.tracking.is_empty() {
        let share = vec![series("in sight", found.tracking.clone())];
        charts.push(chart("Target in the finest patch", "share of games", "frame", Unit::Percent(0), share));
    } else if !found.on_digit_at.is_empty() {
        let share = vec![series("touches", found.on_digit_at.clone())];
        charts.push(chart("Finest patch touches the digit", "share of images", word, Unit::Percent(0), share));
        let distance = vec![series("distance", found.distance.clone())];
        charts.push(chart("Distance to the digit's centre", "pixels, mean", word, Unit::Number, distance));
    }
    side_by_side(&charts, false)
}

/// The charts of the training, over its epochs, as HTML.
pub fn training(report: &Report) -> String {
    let (lines, games) = (&report.epochs, report.kind == "game");
    let of = |name: &str, value: &dyn Fn(&EpochMetrics) -> f64| series(name, lines.iter().map(value));
    // A network without such a term has 0 throughout.
    let unless_zero = |one: Series| if one.1.iter().any(|&x| x != 0.0) { vec![one] } else { Vec::new() };
    let validation = lines.first().map_or("validation", |line| line.validation.images());
    let mut class = vec![of("training", &|line| line.train.classification)];
    if !games {
        class.push(of(validation, &|line| line.validation.loss));
    }
    let returns = vec![
        of("reward, training", &|line| line.train.reward),
        of(&format!("1 − error, {validation}"), &|line| 1.0 - line.validation.error),
        of(&format!("mean baseline, {validation}"), &|line| mean(&line.baselines)),
    ];
    let mut charts = Vec::new();
    let mut add = |title, note, unit, mut series: Vec<Series>| {
        series.retain(|(_, values)| values.iter().any(|value| value.is_finite()));
        let x = lines.iter().map(|line| line.epoch).collect();
        charts.push(Chart { title, note, along: "epoch", x, unit, series });
    };
    let (number, percent) = (Unit::Number, Unit::Percent(2));
    let errors = vec![of("training", &|line| line.train.error), of(validation, &|line| line.validation.error)];
    add(if games { "Games lost" } else { "Error" }, "", percent, errors);
    let (title, unit) = if games { ("Action term of eq. (2)", "") } else { ("Classification loss", "nats") };
    add(title, unit, number, class);
    let location = unless_zero(of("location", &|line| line.train.location));
    add("Location term of eq. (2)", "only its gradient matters, not its value", number, location);
    add("Baseline's squared error", "", number, unless_zero(of("baseline", &|line| line.train.baseline)));
    add("Loss that is minimised", "the weighted sum of all terms", number, vec![of("total", &|line| line.train.total)]);
    add("Return and baseline", "", number, returns);
    add("Norm of the gradient", "before clipping", number, vec![of("norm", &|line| line.train.grad_norm)]);
    add("Learning rate", "at the epoch's end", number, vec![of("rate", &|line| line.learning_rate)]);
    let deviation = of("std", &|line| line.policy_std.unwrap_or(f64::NAN));
    add("Standard deviation of the policy", "σ, image edges at ±1", number, vec![deviation]);
    let spread = of("spread", &|line| mean(line.fixation_spread.get(1..).unwrap_or_default()));
    add("Spread of the fixations", "after the first glimpse", number, vec![spread]);
    let title = if games { "Target in the finest patch" } else { "Finest patch touches the digit" };
    // On a canvas that the digit fills, every patch touches it.
    let tells = games || lines.iter().any(|line| line.on_digit != Some(1.0));
    let share = of("share", &|line| line.on_digit.filter(|_| tells).unwrap_or(f64::NAN));
    add(title, "", Unit::Percent(1), vec![share]);
    add("Error by glimpses used", "", percent, error_by_glimpses(lines));
    if report.timings.len() == lines.len() {
        let speed = series("speed", report.timings.iter().map(|timing| timing.images_per_second));
        add("Speed", if games { "games a second" } else { "images a second" }, number, vec![speed]);
    }
    side_by_side(&charts, true)
}

/// The error after 1, 2, … glimpses over the epochs; of more than four glimpses the first two, the middle one and the last.
fn error_by_glimpses(lines: &[EpochMetrics]) -> Vec<Series> {
    let count = lines.iter().map(|line| line.error_after.len()).find(|&count| count > 1).unwrap_or(0);
    let chosen = if count <= 4 { (0..count).collect() } else { vec![0, 1, count / 2, count - 1] };
    let after = |i: usize| lines.iter().map(move |line| line.error_after.get(i).copied().unwrap_or(f64::NAN));
    chosen.into_iter().map(|i| series(&(i + 1).to_string(), after(i))).collect()
}

/// The mean; not finite where there is no value.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(x: Vec<usize>, unit: Unit, series: Vec<Series>) -> Chart {
        Chart { title: "t <&>", note: "", along: "epoch", x, unit, series }
    }

    /// The points of each curve in a picture, as SVG has them.
    fn points(picture: &str) -> Vec<&str> {
        let curves = picture.split("<g class=\"series\">").skip(1);
        curves.filter_map(|curve| curve.split_once("points=\"")?.1.split('"').next()).collect()
    }

    #[test]
    fn a_chart_draws_each_value_and_tells_it() {
        let lists = vec![series("low", [0.1, 0.2, 0.4]), series("high", [0.4, f64::NAN, 0.8])];
        let html = chart(vec![1, 2, 3], Unit::Percent(1), lists).html(false);
        // From 46 to 330 and from 160, which is 0 %, up to 8, which is 80 %.
        assert_eq!(points(&html), ["46,141 188,122 330,84"]);
        assert!(html.contains("cx=\"46\" cy=\"84\"") && html.contains("cx=\"330\" cy=\"8\""), "points beside a gap");
        assert!(html.contains(">80 %</text>") && html.contains("aria-label=\"t &lt;&amp;&gt;, by epoch\""), "{html}");
        let data = html.split_once("data-chart=\"").unwrap().1.split_once('"').unwrap().0.replace("&quot;", "\"");
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!((&data["x"], &data["at"]), (&json!([1, 2, 3]), &json!(["46", "188", "330"])));
        assert_eq!(data["ends"], json!([8.0, 160.0]));
        assert_eq!(data["series"][0], json!({ "name": "low", "values": ["10.0 %", "20.0 %", "40.0 %"] }));
        assert_eq!(data["series"][1]["values"], json!(["40.0 %", "", "80.0 %"]));
        assert_eq!((html.matches("<li>").count(), html.matches("class=\"log\"").count()), (2, 0));
    }

    #[test]
    fn a_chart_has_a_second_picture_where_all_values_are_above_0() {
        let html = |values: [f64; 3]| chart(vec![1, 2, 3], Unit::Number, vec![series("one", values)]).html(true);
        let both = html([0.01, 0.1, 1.0]);
        assert_eq!(points(&both), ["46,160 188,84 330,8", "46,158.48 188,144.8 330,8"]);
        assert!(both.contains("class=\"log\"") && both.contains("class=\"linear\"") && !both.contains("<li>"));
        assert!(!html([0.0, 0.1, 1.0]).contains("class=\"log\""));
        assert_eq!(html([f64::NAN; 3]), "");
    }

    #[test]
    fn the_charts_are_those_that_have_values() {
        let line = |epoch| EpochMetrics {
            epoch,
            error_after: vec![0.5; 6],
            fixation_spread: vec![0.6, 0.1, 0.3],
            on_digit: Some(1.0),
            ..EpochMetrics::default()
        };
        let mut report = Report { kind: "ram", epochs: vec![line(1), line(2)], ..Report::default() };
        let titles = |html: &str| -> Vec<String> {
            html.split("<h3>").skip(1).map(|part| part.split('<').next().unwrap().trim().to_owned()).collect()
        };
        let html = training(&report);
        let found = titles(&html);
        assert_eq!((found[0].as_str(), found[1].as_str()), ("Error", "Classification loss"));
        assert!(
            found.contains(&"Spread of the fixations".to_owned()) && html.contains("[&quot;0.2&quot;,&quot;0.2&quot;]")
        );
        for absent in
            ["Location term of eq. (2)", "Finest patch touches the digit", "Standard deviation of the policy", "Speed"]
        {
            assert!(!found.contains(&absent.to_owned()), "{absent}");
        }
        let names: Vec<_> = error_by_glimpses(&report.epochs).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["1", "2", "4", "6"]);
        report.kind = "game";
        assert_eq!(titles(&training(&report))[..2], ["Games lost", "Action term of eq. (2)"]);
        assert_eq!((policy(&report), training(&Report::default())), (String::new(), String::new()));
        report.found.spread = vec![0.6, 0.1];
        report.found.tracking = vec![0.25, 0.5, 1.0];
        assert_eq!(titles(&policy(&report)), ["Spread across inputs", "Target in the finest patch"]);
        assert!(policy(&report).contains("&quot;x&quot;:[1,2,3]"), "frames are counted from 1");
    }
}
