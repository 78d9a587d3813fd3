//! What `ram bench` prints.

use anyhow::Context;
use ram::bench::{Contender, Turn, cpu, median, rounds};
use serde_json::{Map, Value, json};

use super::worker::rates;

/// The measurements, and the machine.
pub struct Report {
    pub cpu: String,
    pub kernels: &'static str,
    pub threads: usize,
    /// The head of the first column, which says what the rows are.
    pub what: &'static str,
    pub rows: Vec<Row>,
}

/// What is counted in a second.
pub struct Unit {
    /// The head of its column.
    head: &'static str,
    /// Its key in JSON.
    key: &'static str,
    /// Digits after the point.
    digits: usize,
}

pub const IMAGES: Unit = Unit { head: "images/s", key: "images_per_second", digits: 0 };
pub const GFLOP: Unit = Unit { head: "GFLOP/s", key: "gflops", digits: 1 };
pub const GIGAELEMENTS: Unit = Unit { head: "Gelem/s", key: "gigaelements_per_second", digits: 2 };

/// A line of the table: some work, on some threads.
pub struct Row {
    pub name: String,
    pub batch: Option<usize>,
    /// The threads that do the work.
    pub threads: usize,
    /// Whether each of them is a process of its own.
    pub processes: bool,
    /// How much a call does, on all threads together.
    pub work: Vec<(Unit, f64)>,
    /// One for each round.
    pub turns: Vec<Turn>,
    /// The row of the same work on as many processes.
    pub beside: Option<usize>,
}

impl Row {
    fn on(&self) -> String {
        let one = if self.processes { "process" } else { "thread" };
        let ending = match (self.threads, self.processes) {
            (1, _) => "",
            (_, true) => "es",
            (_, false) => "s",
        };
        format!("{} {one}{ending}", self.threads)
    }

    /// The seconds of a call: the median of the quiet rounds.
    pub fn seconds(&self) -> f64 {
        median_of_quiet(self.turns.iter().map(|turn| (turn.quiet, turn.seconds)))
    }

    /// The median of the quiet rounds, in units of `work`.
    fn rate(&self, work: f64) -> f64 {
        work / self.seconds()
    }

    /// The share of the peak, which is measured in the same round: the median of the quiet rounds. `None` for work without multiply-adds.
    fn share(&self) -> Option<f64> {
        let (_, work) = self.work.iter().find(|(unit, _)| unit.key == GFLOP.key)?;
        let shares = self.turns.iter().map(|turn| (turn.quiet, work / turn.seconds / turn.probes.peak()));
        Some(median_of_quiet(shares))
    }

    /// The rate on threads divided by that on processes in the same round: the median of the rounds in which both were
    /// quiet.
    fn of(&self, processes: &Row) -> f64 {
        let work = |row: &Row| row.work[0].1;
        let ratio = work(self) / work(processes);
        let turns = self.turns.iter().zip(&processes.turns);
        median_of_quiet(turns.map(|(ours, theirs)| (ours.quiet && theirs.quiet, ratio * theirs.seconds / ours.seconds)))
    }

    fn quiet(&self) -> usize {
        self.turns.iter().filter(|turn| turn.quiet).count()
    }
}

/// Runs the rounds and completes the rows.
pub fn measured(contenders: &mut [Contender], count: u16, mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    let turns: Vec<Vec<Turn>> = rounds(contenders, usize::from(count)).context("cannot measure")?;
    rows.iter_mut().zip(turns).for_each(|(row, turns)| row.turns = turns);
    Ok(rows)
}

/// The median of the numbers of quiet rounds; where no round was quiet, of all rounds.
fn median_of_quiet(rounds: impl Iterator<Item = (bool, f64)>) -> f64 {
    let rounds: Vec<(bool, f64)> = rounds.collect();
    let any = rounds.iter().any(|&(quiet, _)| quiet);
    median(rounds.into_iter().filter(|&(quiet, _)| quiet || !any).map(|(_, number)| number))
}

impl Report {
    /// The report of this machine.
    pub fn new(what: &'static str, threads: usize, rows: Vec<Row>) -> Report {
        Report { cpu: cpu(), kernels: ram::kernel_path(), threads, what, rows }
    }

    fn of_processes(&self, row: &Row) -> Option<f64> {
        row.beside.map(|processes| row.of(&self.rows[processes]))
    }

    /// The peaks of a thread, of all turns.
    fn peaks(&self) -> Vec<f64> {
        let peaks = |row: &Row| {
            let threads = row.threads as f64;
            row.turns.iter().map(move |turn| turn.probes.peak() / threads).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(peaks).collect()
    }

    /// The number of turns of all rows, and how many of them were quiet.
    fn turns(&self) -> [usize; 2] {
        [self.rows.iter().map(|row| row.turns.len()).sum(), self.rows.iter().map(Row::quiet).sum()]
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let peaks = self.peaks();
        let least = peaks.iter().copied().fold(f64::INFINITY, f64::min);
        let most = peaks.iter().copied().fold(0.0, f64::max);
        let plural = if self.threads == 1 { "" } else { "s" };
        let mut text = format!(
            "{}, {} kernels, {} thread{plural}\nFMA peak of a thread: {:.1} GFLOP/s, from {least:.1} to {most:.1}\n\n",
            self.cpu,
            self.kernels,
            self.threads,
            median(peaks),
        );
        text += &lined_up(&self.cells());
        let [turns, quiet] = self.turns();
        text + &format!(
            "\n\n{quiet} of {turns} turns were quiet; the others had a probe more than 10 % below the best one"
        )
    }

    /// The cells of the table, its head first. The last cell of a row is its mark.
    fn cells(&self) -> Vec<Vec<String>> {
        let any = |has: fn(&Row) -> bool| self.rows.iter().any(has);
        let [batch, share, beside] =
            [any(|row| row.batch.is_some()), any(|row| row.share().is_some()), any(|row| row.beside.is_some())];
        let mut head = vec![self.what.to_owned(), "on".to_owned()];
        let units = self.rows.first().map_or(&[][..], |row| &row.work[..]);
        head.extend(batch.then(|| "batch".to_owned()));
        head.extend(units.iter().map(|(unit, _)| unit.head.to_owned()));
        head.extend(share.then(|| "of the peak".to_owned()));
        head.extend(beside.then(|| "of processes".to_owned()));
        head.extend(["quiet rounds".to_owned(), String::new()]);
        let cells = |row: &Row| {
            let mut cells = vec![row.name.clone(), row.on()];
            cells.extend(batch.then(|| row.batch.map_or(String::new(), |batch| batch.to_string())));
            cells.extend(row.work.iter().map(|(unit, work)| format!("{:.*}", unit.digits, row.rate(*work))));
            let percent = |share: f64| format!("{:.1} %", 100.0 * share);
            cells.extend(share.then(|| row.share().map_or(String::new(), percent)));
            cells.extend(beside.then(|| self.of_processes(row).map_or(String::new(), |ratio| format!("{ratio:.3}"))));
            let (quiet, rounds) = (row.quiet(), row.turns.len());
            cells.push(format!("{quiet} of {rounds}"));
            // Half of the rounds are enough for a median.
            cells.push(if 2 * quiet < rounds { "disturbed".to_owned() } else { String::new() });
            cells
        };
        std::iter::once(head).chain(self.rows.iter().map(cells)).collect()
    }

    /// The same, with every round, as JSON.
    pub fn json(&self) -> Value {
        let turn = |turn: &Turn| {
            let (before, after) = (rates(&turn.probes.before), rates(&turn.probes.after));
            json!({ "seconds": turn.seconds, "quiet": turn.quiet, "before": before, "after": after })
        };
        let row = |row: &Row| {
            let mut value = Map::new();
            value.insert("name".into(), json!(row.name));
            value.insert("on".into(), json!(row.on()));
            value.insert("threads".into(), json!(row.threads));
            value.extend(row.batch.map(|batch| ("batch".into(), json!(batch))));
            value.extend(row.work.iter().map(|(unit, work)| (unit.key.into(), json!(row.rate(*work)))));
            value.extend(row.share().map(|share| ("share_of_peak".into(), json!(share))));
            value.extend(self.of_processes(row).map(|ratio| ("of_processes".into(), json!(ratio))));
            value.insert("quiet_rounds".into(), json!(row.quiet()));
            value.insert("rounds".into(), row.turns.iter().map(turn).collect());
            Value::Object(value)
        };
        let [turns, quiet] = self.turns();
        json!({
            "cpu": self.cpu, "kernels": self.kernels, "threads": self.threads, "peak_gflops": median(self.peaks()),
            "turns": turns, "quiet_turns": quiet, "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// Lines of cells: the first two columns and the last one begin at the left, the others end at the right.
fn lined_up(cells: &[Vec<String>]) -> String {
    let columns = cells[0].len();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(column, cell): (usize, &String)| match column {
            column if column < 2 || column + 1 == columns => format!("{cell:0$}", widths[column]),
            _ => format!("{cell:>0$}", widths[column]),
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use ram::bench::{Probe, Probes};

    use super::*;

    /// Rounds with their seconds; those without were disturbed.
    fn turns(peak: f64, seconds: [(f64, bool); 3]) -> Vec<Turn> {
        // The machine was half as fast in the last round.
        let turn = |((seconds, quiet), scale): ((f64, bool), f64)| {
            let probe = Probe { peak: peak * scale, registers: 100.0, l1: 50.0, l2: 30.0, mean: 60.0 };
            Turn { seconds, probes: Probes { before: probe, after: probe }, quiet }
        };
        seconds.into_iter().zip([1.0, 1.0, 0.5]).map(turn).collect()
    }

    fn sample() -> Report {
        let row = |threads: usize, processes, seconds, beside| Row {
            name: "28x28".into(),
            batch: Some(20),
            threads,
            processes,
            work: vec![(IMAGES, 20.0 * if processes { 2.0 } else { 1.0 }), (GFLOP, if processes { 0.2 } else { 0.1 })],
            turns: turns(100.0 * threads as f64, seconds),
            beside,
        };
        Report {
            cpu: "A CPU".into(),
            kernels: "scalar",
            threads: 2,
            what: "training step",
            rows: vec![
                row(1, false, [(0.00125, true), (0.0016, true), (0.0025, true)], None),
                row(2, false, [(0.0008, true), (0.001, true), (0.0016, false)], Some(2)),
                row(2, true, [(0.0014, true), (0.0021, false), (0.0028, false)], None),
            ],
        }
    }

    #[test]
    fn the_table_says_what_ran_where_and_how_quietly() {
        assert_eq!(
            sample().table(),
            "A CPU, scalar kernels, 2 threads\n\
             FMA peak of a thread: 100.0 GFLOP/s, from 50.0 to 100.0\n\
             \n\
             training step  on           batch  images/s  GFLOP/s  of the peak  of processes  quiet rounds\n\
             28x28          1 thread        20     12500     62.5       80.0 %                      3 of 3\n\
             28x28          2 threads       20     20000    100.0       62.5 %         0.875        2 of 3\n\
             28x28          2 processes     20     28571    142.9       71.4 %                      1 of 3  disturbed\n\
             \n\
             6 of 9 turns were quiet; the others had a probe more than 10 % below the best one"
        );
    }

    #[test]
    fn only_quiet_rounds_count_if_there_are_any() {
        let median = |rounds: &[(bool, f64)]| median_of_quiet(rounds.iter().copied());
        assert_eq!(median(&[(true, 1.0), (true, 2.0), (true, 4.0)]), 2.0);
        assert_eq!(median(&[(false, 1.0), (true, 3.0), (false, 4.0)]), 3.0);
        assert_eq!(median(&[(false, 1.0), (false, 2.0), (false, 4.0)]), 2.0);
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let mut report = sample();
        // Threads and processes were both quiet in the first round alone: 20 in 0.8 ms beside 40 in 1.4 ms.
        assert!((report.of_processes(&report.rows[1]).unwrap() - 0.875).abs() < 1e-12);
        assert_eq!(report.of_processes(&report.rows[0]), None);
        // Now 0.875, 1.05 and 0.875.
        report.rows.iter_mut().flat_map(|row| &mut row.turns).for_each(|turn| turn.quiet = true);
        report.rows[1].turns.swap(0, 1);
        report.rows[2].turns.swap(0, 1);
        assert!((report.of_processes(&report.rows[1]).unwrap() - 0.875).abs() < 1e-12);
        // 62.5 %, 80 % and 80 % of the peak of their rounds.
        assert!((report.rows[0].share().unwrap() - 0.8).abs() < 1e-12);
    }

    #[test]
    fn columns_that_no_row_needs_are_left_out() {
        let mut report = sample();
        report.rows.truncate(1);
        report.rows[0].work = vec![(GIGAELEMENTS, 0.001)];
        report.rows[0].batch = None;
        let table = report.table();
        assert!(table.contains("training step  on        Gelem/s  quiet rounds\n"), "{table}");
        let json = &report.json()["rows"][0];
        assert_eq!(json["gigaelements_per_second"], 0.001 / 0.0016);
        assert!(
            ["batch", "gflops", "share_of_peak", "of_processes"].iter().all(|key| json.get(key).is_none()),
            "{json}"
        );
    }

    #[test]
    fn json_has_every_row_round_and_probe() {
        let json = sample().json();
        assert_eq!((&json["turns"], &json["quiet_turns"]), (&json!(9), &json!(6)));
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(
            rows.iter().map(|row| row["on"].as_str().unwrap()).collect::<Vec<_>>(),
            ["1 thread", "2 threads", "2 processes"]
        );
        assert_eq!(rows[2]["rounds"][1]["quiet"], false);
        assert_eq!(rows[2]["rounds"][1]["before"]["l2"], 30.0);
        assert_eq!(rows[2]["rounds"][2]["after"]["peak"], 100.0);
        assert_eq!(rows[2]["quiet_rounds"], 1);
        assert_eq!(rows[0]["batch"], 20);
    }
}
