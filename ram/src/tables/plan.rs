//! The runs that a table needs, and the order in which they are made.

use crate::config::{Canvas, Config};
use crate::error::RamError;
use crate::experiments::{Experiment, TABLES, Table};
use crate::model::Locations;

/// The target that means all tables.
pub const ALL: &str = "all";

/// What `ram reproduce` is asked for. Everything in it decides what the runs compute.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tables, in the paper's order.
    pub tables: Vec<Table>,
    /// Each experiment is trained with the seeds 1 to this number.
    pub seeds: u64,
    /// Whether it is a smoke run with built-in digits and a small budget.
    pub quick: bool,
    /// Changes to every experiment, such as `train.epochs=3`.
    pub sets: Vec<String>,
}

/// A run of a plan: an experiment with a seed and a policy of locations.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The experiment.
    pub experiment: Experiment,
    /// Its configuration, with seed and policy.
    pub config: Config,
    /// The name of its folder: `catch-seed1`, or `catch-centre-seed1` for a control.
    pub name: String,
    /// The command that makes a run of this configuration.
    pub command: String,
    /// The run with whose best weights it begins; `None` where weights are drawn.
    pub begins_with: Option<Box<Planned>>,
}

impl Plan {
    /// The plan for a target: the name of a table, or [`ALL`].
    ///
    /// # Errors
    /// [`RamError::Config`] where no table has this name.
    pub fn new(target: &str, seeds: u64, quick: bool, sets: Vec<String>) -> Result<Plan, RamError> {
        let tables: Vec<_> = TABLES.into_iter().filter(|table| [ALL, table.name].contains(&target)).collect();
        if tables.is_empty() {
            let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
            return Err(RamError::Config(format!(
                "no table is called `{target}`; choose one of {} or {ALL}",
                names.join(", ")
            )));
        }
        if sets.iter().any(|set| set.trim_start().starts_with("data.train_on_validation")) {
            return Err(RamError::Config(
                "--set data.train_on_validation is not for all rows of a table: such trainings stand in a column of their own, as \
                 mnist-fc-256-all does"
                    .to_owned(),
            ));
        }
        Ok(Plan { tables, seeds, quick, sets })
    }

    /// The experiments: each row of a table, followed by its variants.
    pub fn experiments(&self) -> Vec<Experiment> {
        let all = Experiment::all();
        let mut chosen = Vec::new();
        for table in &self.tables {
            for row in all.iter().filter(|experiment| experiment.table == table.id && experiment.beside.is_none()) {
                chosen.push(row.clone());
                chosen.extend(all.iter().filter(|experiment| experiment.beside.as_deref() == Some(row.name)).cloned());
            }
        }
        chosen
    }

    /// The runs, in the order in which they are made: of every experiment the first seed, rows before variants, then the other
    /// seeds, and at last the controls.
    ///
    /// # Errors
    /// [`RamError::Config`] where a change of the plan has an unknown key or a wrong value.
    pub fn runs(&self) -> Result<Vec<Planned>, RamError> {
        let mut runs = Vec::new();
        // A table has controls once, for its largest agent.
        let largest = |table: &Table| table.rows().into_iter().rfind(Experiment::chooses_locations);
        let controlled: Vec<_> = self.tables.iter().filter(|table| table.has_controls).filter_map(largest).collect();
        for experiment in self.experiments() {
            // Only where digits are placed does an oracle know something.
            let policies = match experiment.config(&[])?.data.canvas {
                _ if !controlled.contains(&experiment) => &[Locations::Learned][..],
                Canvas::Centred => &Locations::WITHOUT_ORACLE,
                Canvas::Translated | Canvas::Cluttered => &Locations::FOR_IMAGES,
                Canvas::Moving => &Locations::ALL,
            };
            for &locations in policies {
                for seed in 1..=self.seeds {
                    let planned = self.planned(&experiment, locations, seed)?;
                    let order = (locations != Locations::Learned, seed, experiment.beside.is_some());
                    runs.push((order, planned));
                }
            }
        }
        // A stable sort: within these, the order is the paper's.
        runs.sort_by_key(|(order, _)| *order);
        Ok(runs.into_iter().map(|(_, planned)| planned).collect())
    }

    /// The run of an experiment with this policy and seed.
    ///
    /// # Errors
    /// As [`Plan::runs`].
    pub fn planned(&self, experiment: &Experiment, locations: Locations, seed: u64) -> Result<Planned, RamError> {
        let mut config = experiment.config(&self.changes(experiment)?)?;
        (config.seed, config.policy.locations) = (seed, locations);
        let mut command = format!("ram train --experiment {}", experiment.name);
        let changes = self.changes(experiment)?.into_iter();
        let policy = (locations != Locations::Learned).then(|| format!("policy.locations={}", locations.name()));
        for set in changes.chain(policy).chain((seed != 1).then(|| format!("seed={seed}"))) {
            command += &format!(" --set {set}");
        }
        let earlier = experiment.begins_with.as_deref().map(Experiment::find).transpose()?;
        let earlier = earlier.map(|earlier| self.planned(&earlier, locations, seed)).transpose()?;
        let name = format!("{}-seed{seed}", stem_of(experiment.name, locations));
        if let Some(earlier) = &earlier {
            command += &format!(" --init-from {}", earlier.name);
        }
        // Where runs begin with the weights of others, they are found by their names.
        if earlier.is_some() || experiment.is_begun_with() {
            command += &format!(" --name {name}");
        }
        Ok(Planned { experiment: experiment.clone(), config, name, command, begins_with: earlier.map(Box::new) })
    }

    /// The run that has this configuration, with whatever seed and policy it has.
    ///
    /// # Errors
    /// [`RamError::Config`] where no experiment of the plan has it; the message names the nearest one and what differs.
    pub fn with_configuration(&self, config: &Config) -> Result<Planned, RamError> {
        let mut nearest: Option<(Vec<String>, Planned)> = None;
        for experiment in self.experiments() {
            let planned = self.planned(&experiment, config.policy.locations, config.seed)?;
            let differences = config.differences(&planned.config);
            if differences.is_empty() {
                return Ok(planned);
            }
            if nearest.as_ref().is_none_or(|(fewest, _)| differences.len() < fewest.len()) {
                nearest = Some((differences, planned));
            }
        }
        let near = nearest.map(|(differences, planned)| {
            format!(
                "; the nearest is {}, which differs in {} (found, expected)",
                planned.experiment.name,
                differences.join("; ")
            )
        });
        Err(RamError::Config(format!("no experiment of this target has these settings{}", near.unwrap_or_default())))
    }

    /// The run that a folder's name tells; `None` where it is no name of a run of this plan.
    ///
    /// # Errors
    /// As [`Plan::runs`].
    pub fn with_name(&self, name: &str) -> Result<Option<Planned>, RamError> {
        let Some((stem, seed)) = name.rsplit_once("-seed") else { return Ok(None) };
        let Ok(seed) = seed.parse() else { return Ok(None) };
        for experiment in self.experiments() {
            for locations in Locations::ALL {
                if stem_of(experiment.name, locations) == stem {
                    return self.planned(&experiment, locations, seed).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The settings that change an experiment's own configuration.
    fn changes(&self, experiment: &Experiment) -> Result<Vec<String>, RamError> {
        let plays = self.quick && experiment.config(&[])?.data.source.game().is_some();
        let quick: &[&str] = match (self.quick, experiment.name) {
            (false, _) => &[],
            _ if plays => {
                &["data.train=2048", "data.validation=200", "data.test=500", "train.epochs=2", "train.batch=64"]
            }
            // This is long enough for the learned policy to be better than its controls.
            (true, "translated-60-ram-8") => {
                &["data.train=10000", "data.validation=500", "data.test=2000", "train.epochs=10", "train.batch=32"]
            }
            // Their eight samples an image would take most of the time.
            (true, name) if name.starts_with("cluttered-100-ram") => {
                &["data.train=2000", "data.validation=400", "data.test=400", "train.epochs=3", "train.samples=2"]
            }
            // There are many of them.
            (true, _) if experiment.table.starts_with("5 ") => {
                &["data.train=600", "data.validation=200", "data.test=200", "train.epochs=2", "train.batch=32"]
            }
            (true, _) => {
                &["data.train=1200", "data.validation=400", "data.test=400", "train.epochs=3", "train.batch=32"]
            }
        };
        let digits = (self.quick && !plays).then_some("data.source=digits");
        Ok(digits.iter().chain(quick).map(|&set| set.to_owned()).chain(self.sets.iter().cloned()).collect())
    }
}

/// The name of a run without its seed: `catch`, or `catch-centre` for a control.
fn stem_of(experiment: &str, locations: Locations) -> String {
    if locations == Locations::Learned { experiment.to_owned() } else { format!("{experiment}-{}", locations.name()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(target: &str, seeds: u64) -> Plan {
        Plan::new(target, seeds, false, Vec::new()).unwrap()
    }

    #[test]
    fn rows_come_before_variants_seeds_and_controls() {
        let names: Vec<_> = plan("table2a", 2).runs().unwrap().into_iter().map(|run| run.name).collect();
        let main: Vec<_> = ["fc-64", "fc-256", "conv", "ram-4", "ram-6", "ram-8", "cnn", "lstm-8"]
            .map(|n| format!("cluttered-60-{n}"))
            .into();
        let expected: Vec<_> =
            [1, 2].into_iter().flat_map(|seed| main.iter().map(move |name| format!("{name}-seed{seed}"))).collect();
        assert_eq!(names[..16], expected);
        let controls =
            ["random", "centre", "blind", "oracle"].map(|policy| format!("cluttered-60-ram-8-{policy}-seed1"));
        assert_eq!(names[16..20], controls);
        assert_eq!(names.len(), 24);
    }

    #[test]
    fn a_run_is_found_by_its_name_and_by_its_configuration() {
        let plan = plan("table1a", 1);
        for name in ["mnist-ram-6-seed1", "mnist-ram-6-blind-seed12", "mnist-lstm-6-seed3"] {
            let planned = plan.with_name(name).unwrap().unwrap();
            assert_eq!(planned.name, name);
            assert_eq!(plan.with_configuration(&planned.config).unwrap().name, name);
        }
        for name in ["mnist-ram-6", "mnist-ram-6-seedx", "catch-seed1", "mnist-ram-6-lost-seed1"] {
            assert!(plan.with_name(name).unwrap().is_none(), "{name}");
        }
        let mut config = plan.planned(&Experiment::find("mnist-ram-5").unwrap(), Locations::Learned, 1).unwrap().config;
        config.optimiser.clip = 9.0;
        let error = plan.with_configuration(&config).unwrap_err().to_string();
        assert!(error.contains("the nearest is mnist-ram-5") && error.contains("optimiser.clip: 9.0, 20.0"), "{error}");
    }

    #[test]
    fn a_run_begins_with_the_one_of_its_own_seed() {
        let plan = Plan::new("large", 2, false, vec!["train.epochs=3".to_owned()]).unwrap();
        let run = plan.with_name("large-200-seed2").unwrap().unwrap();
        let earlier = run.begins_with.as_deref().unwrap();
        assert_eq!((&*earlier.name, earlier.config.seed, earlier.config.train.epochs), ("large-100-seed2", 2, 3));
        assert!(
            run.command
                .ends_with("--set train.epochs=3 --set seed=2 --init-from large-100-seed2 --name large-200-seed2"),
            "{}",
            run.command
        );
        assert!(earlier.begins_with.is_none() && earlier.command.ends_with("--set seed=2 --name large-100-seed2"));
        let names: Vec<_> = plan.runs().unwrap().into_iter().map(|run| run.name).collect();
        let at = |name: &str| names.iter().position(|known| known == name).unwrap();
        assert!(at("large-100-seed1") < at("large-200-seed1") && at("large-800-seed2") < at("large-2048-seed2"));
    }

    #[test]
    fn the_command_repeats_the_run() {
        let plan = Plan::new("catch", 1, false, vec!["train.epochs=3".to_owned()]).unwrap();
        let planned = plan.with_name("catch-centre-seed2").unwrap().unwrap();
        assert_eq!(
            planned.command,
            "ram train --experiment catch --set train.epochs=3 --set policy.locations=centre --set seed=2"
        );
        let sets: Vec<_> = planned.command.split(" --set ").skip(1).map(str::to_owned).collect();
        assert_eq!(Experiment::find("catch").unwrap().config(&sets).unwrap(), planned.config);
        let on_all = Plan::new("table1a", 1, false, vec!["data.train_on_validation=true".to_owned()]);
        assert!(on_all.unwrap_err().to_string().contains("a column of their own"));
        assert!(Plan::new("table9", 1, false, Vec::new()).unwrap_err().to_string().contains("table1a"));
    }
}
