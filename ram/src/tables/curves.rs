//! What the tables of the extensions show beside errors, as curves.

use super::record::Record;
use super::rows::Row;
use crate::evaluate::stopping::{Rule, Stopping};
use crate::experiments::Shows;

/// Curves that are drawn over each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What the vertical axis shows.
    pub title: String,
    /// What the horizontal axis shows.
    pub along: &'static str,
    /// Whether the vertical axis is logarithmic.
    pub logarithmic: bool,
    /// The names of the curves, and their points in the order of x.
    pub curves: Vec<(String, Vec<[f64; 2]>)>,
}

/// The panels of a table.
pub fn of(shows: Shows, rows: &[&Row]) -> Vec<Panel> {
    let panels = match shows {
        Shows::Errors => Vec::new(),
        Shows::Stopping => stopping(rows),
        Shows::Sizes => vec![sizes(rows)],
        Shows::Distance => vec![distances(rows)],
    };
    panels.into_iter().filter(|panel| !panel.curves.is_empty()).collect()
}

/// The error by the number of glimpses, a panel for each kind of data, which the name of a row begins with.
fn stopping(rows: &[&Row]) -> Vec<Panel> {
    let data = |row: &Row| row.row.split(',').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = rows.iter().map(|row| data(row)).collect();
    names.dedup();
    let panel = |name: String| {
        let rows: Vec<_> = rows.iter().filter(|row| data(row) == name).collect();
        let runs = |stops: bool| {
            rows.iter().flat_map(|row| &row.runs).filter(move |run| run.tested.glimpses.is_some() == stops)
        };
        // The mean of each price over its seeds.
        let of_price = |row: &&&Row| {
            let found: Vec<[f64; 2]> =
                row.runs.iter().filter_map(|run| Some([run.tested.glimpses?, 100.0 * run.tested.error])).collect();
            mean_point(&found)
        };
        // A point for each rule: its mean over the runs.
        let of_rule = |wanted: fn(&Rule) -> bool| -> Vec<[f64; 2]> {
            let point = |found: &Stopping| [found.glimpses, 100.0 * found.error];
            let rules = runs(false).next().map(|run| &run.tested.rules);
            let rules = rules.into_iter().flatten().map(|found| found.rule).filter(wanted);
            let points = rules.filter_map(|rule| {
                let same = runs(false).filter_map(|run| run.tested.rules.iter().find(|found| found.rule == rule));
                mean_point(&same.map(point).collect::<Vec<_>>())
            });
            points.collect()
        };
        let curves = [
            ("learned to stop, a point for each price", rows.iter().filter_map(of_price).collect()),
            ("never stops: a threshold on the probability", of_rule(|rule| matches!(rule, Rule::Threshold(_)))),
            ("never stops: a fixed number", of_rule(|rule| matches!(rule, Rule::Fixed(_)))),
            ("never stops: an oracle, when first right", of_rule(|rule| *rule == Rule::Oracle)),
        ];
        panel_of(
            format!("{name}: test error, %"),
            "glimpses",
            true,
            curves.map(|(name, points)| (name.to_owned(), points)),
        )
    };
    names.into_iter().map(panel).collect()
}

/// The error by the side of the digit.
fn sizes(rows: &[&Row]) -> Panel {
    let curve = |row: &&Row| {
        let groups = row.runs.first().map(|run| &run.tested.by_size);
        let points = groups.into_iter().flatten().filter_map(|group| {
            let same = row.runs.iter().filter_map(|run| {
                run.tested.by_size.iter().find(|found| (found.from, found.to) == (group.from, group.to))
            });
            let middle = (group.from + group.to) as f64 / 2.0;
            mean_point(&same.map(|found| [middle, 100.0 * found.error]).collect::<Vec<_>>())
        });
        (row.row.clone(), points.collect())
    };
    panel_of("test error, %".to_owned(), "side of the digit, pixels", false, rows.iter().map(curve))
}

/// The distance from the gaze to the digit by frame.
fn distances(rows: &[&Row]) -> Panel {
    let curve = |(name, runs): (String, Vec<&Record>)| {
        let frames = runs.iter().map(|run| run.tested.distance.len()).max().unwrap_or(0);
        let points = (0..frames).filter_map(|frame| {
            let at = runs.iter().filter_map(|run| Some([frame as f64 + 1.0, *run.tested.distance.get(frame)?]));
            mean_point(&at.collect::<Vec<_>>())
        });
        (name, points.collect())
    };
    let named = rows.iter().flat_map(|row| row.with_controls());
    panel_of("distance from the gaze to the digit, pixels".to_owned(), "frame", false, named.map(curve))
}

/// A panel of the curves that have a point, each in the order of x.
fn panel_of(
    title: String,
    along: &'static str,
    logarithmic: bool,
    curves: impl IntoIterator<Item = (String, Vec<[f64; 2]>)>,
) -> Panel {
    let mut curves: Vec<_> = curves.into_iter().filter(|(_, points)| !points.is_empty()).collect();
    curves.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a[0].total_cmp(&b[0])));
    Panel { title, along, logarithmic, curves }
}

/// The mean of points; `None` of none.
fn mean_point(points: &[[f64; 2]]) -> Option<[f64; 2]> {
    let n = points.len() as f64;
    (!points.is_empty()).then(|| [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / n))
}
