//! The rows of the tables, with the records of their runs.

use serde::Serialize;

use super::plan::Plan;
use super::record::{Kept, Record};
use crate::error::RamError;
use crate::experiments::{Experiment, flops, parameters};
use crate::model::{Locations, ModelKind};
use crate::tasks::{self, Scripted};

/// A row of a table, with the records of its runs.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The name of the experiment.
    pub name: &'static str,
    /// The table, see [`Experiment::table`].
    pub table: String,
    /// The row, in the paper's words.
    pub row: String,
    /// The paper's test error in per cent.
    pub paper: Option<f64>,
    /// That of its later version.
    pub later: Option<f64>,
    /// The test error in per cent that we aim at.
    pub goal: Option<f64>,
    /// The number of parameters.
    pub parameters: usize,
    /// The operations for one image or frame.
    pub flops: f64,
    /// The command that trains the first seed.
    pub command: String,
    /// `policy.first`; `None` for networks that see the whole image.
    pub first: Option<String>,
    /// The runs, one for each seed.
    pub runs: Vec<Record>,
    /// The same network with locations that are not learned: random, centre, blind, oracle.
    pub controls: Vec<Record>,
    /// The variants of the row.
    pub columns: Vec<Column>,
    /// Players of a game without a network.
    #[serde(skip)]
    pub scripted: Option<Scripted>,
}

/// A variant of a row.
#[derive(Debug, Serialize)]
pub struct Column {
    /// The name of the column.
    pub column: String,
    /// The name of the experiment.
    pub name: &'static str,
    /// The test error in per cent that we aim at; that of the row where the variant has none of its own.
    pub goal: Option<f64>,
    /// The runs, one for each seed.
    pub runs: Vec<Record>,
}

impl Row {
    /// A row without records.
    fn new(plan: &Plan, experiment: Experiment) -> Result<Row, RamError> {
        let planned = plan.planned(&experiment, Locations::Learned, 1)?;
        let config = planned.config;
        // The players and the sizes are those of the experiment, also in a smoke run.
        let full = experiment.config(&[])?;
        let first = serde_json::to_value(config.policy.first).ok().and_then(|first| Some(first.as_str()?.to_owned()));
        let columns = experiment.variants().into_iter().map(|variant| Column {
            column: variant.column.unwrap_or_default(),
            name: variant.name,
            goal: variant.goal.or(experiment.goal),
            runs: Vec::new(),
        });
        Ok(Row {
            columns: columns.collect(),
            name: experiment.name,
            table: experiment.table,
            row: experiment.row,
            paper: experiment.paper,
            later: experiment.later,
            goal: experiment.goal,
            parameters: parameters(&config),
            flops: flops(&config),
            command: planned.command,
            first: first.filter(|_| config.model.kind == ModelKind::Ram),
            runs: Vec::new(),
            controls: Vec::new(),
            scripted: tasks::named(&full)?.scripted(&full),
        })
    }

    /// Whether it has no record at all.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.controls.is_empty() && self.columns.iter().all(|column| column.runs.is_empty())
    }

    /// The place of a record in this row.
    fn place(&mut self, record: &Record) -> Option<&mut Vec<Record>> {
        let is_control = record.tested.locations != Locations::Learned.name();
        match (record.experiment == self.name, is_control) {
            (true, true) => Some(&mut self.controls),
            (true, false) => Some(&mut self.runs),
            (false, false) => self.columns.iter_mut().find(|c| c.name == record.experiment).map(|c| &mut c.runs),
            (false, true) => None,
        }
    }

    /// The runs of the row with its name, and those of each kind of control with a name that says what differs.
    pub fn with_controls(&self) -> Vec<(String, Vec<&Record>)> {
        let mut named: Vec<(String, Vec<&Record>)> = vec![(self.row.clone(), self.runs.iter().collect())];
        for run in &self.controls {
            let name = format!("the same, {} locations", run.tested.locations);
            match named.iter_mut().find(|(known, _)| *known == name) {
                Some((_, runs)) => runs.push(run),
                None => named.push((name, vec![run])),
            }
        }
        named
    }

    /// The errors of the controls with these locations.
    pub fn errors_of_control(&self, locations: &str) -> Vec<f64> {
        self.controls.iter().filter(|run| run.tested.locations == locations).map(|run| run.tested.error).collect()
    }
}

/// Every row of a plan, with these records in their places. A record that belongs to none of them is left out.
///
/// # Errors
/// [`RamError::Config`] where a change of the plan has an unknown key or a wrong value.
pub fn rows(plan: &Plan, records: impl IntoIterator<Item = Record>) -> Result<Vec<Row>, RamError> {
    let experiments = plan.tables.iter().flat_map(|table| table.rows());
    let mut rows = experiments.map(|experiment| Row::new(plan, experiment)).collect::<Result<Vec<_>, _>>()?;
    for record in records {
        if let Some(place) = rows.iter_mut().find_map(|row| row.place(&record)) {
            place.push(record);
        }
    }
    Ok(rows)
}

/// A record that began with other weights than those of the record with which the plan says that it begins, and the name of that one.
fn first_orphan(plan: &Plan, records: &[Record]) -> Result<Option<(usize, String)>, RamError> {
    for (at, record) in records.iter().enumerate() {
        let planned = plan.with_name(&record.name())?;
        let Some(earlier) = planned.and_then(|planned| planned.begins_with) else { continue };
        let weights = records.iter().find(|other| other.name() == earlier.name).map(|other| &other.tested.weights);
        if weights.is_none() || record.tested.began_with.as_ref() != weights {
            return Ok(Some((at, earlier.name)));
        }
    }
    Ok(None)
}

/// The records that have the settings of the plan today, and of each of the others a line that says why it is left out. Records of
/// other tables are passed over.
///
/// # Errors
/// As [`rows`].
pub fn current(plan: &Plan, kept: Vec<Kept>) -> Result<(Vec<Record>, Vec<String>), RamError> {
    let (mut records, mut left_out): (Vec<Record>, Vec<String>) = (Vec::new(), Vec::new());
    let known: Vec<_> = Experiment::all().into_iter().map(|experiment| experiment.name).collect();
    for Kept { record, config } in kept {
        let name = record.name();
        if !known.contains(&&*record.experiment) {
            left_out.push(format!("`{name}`: there is no experiment `{}`", record.experiment));
        } else if let Some(planned) = plan.with_name(&name)? {
            match config.differences(&planned.config) {
                differences if differences.is_empty() => records.push(record),
                differences => left_out.push(format!("`{name}`: {}", differences.join("; "))),
            }
        }
    }
    // Whoever began with a record that is left out is left out too, and so is who began with that one.
    while let Some((at, earlier)) = first_orphan(plan, &records)? {
        let name = records.remove(at).name();
        left_out.push(format!("`{name}`: it did not begin with the weights of a record of `{earlier}`"));
    }
    Ok((records, left_out))
}
