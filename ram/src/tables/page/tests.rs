use super::*;
use crate::evaluate::stopping::{Rule, Stopping};
use crate::evaluation::BySize;
use crate::experiments::Experiment;
use crate::tables::plan::Plan;
use crate::tables::record::{Kept, example};
use crate::tables::rows::{current, rows};

fn plan(target: &str) -> Plan {
    Plan::new(target, 1, false, Vec::new()).unwrap()
}

fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin} in\n{text}"))
}

#[test]
fn the_mean_has_a_deviation_from_two_runs_on() {
    assert_eq!(mean(&[]), "–");
    assert_eq!(mean(&[0.0123]), "1.23");
    assert_eq!(mean(&[0.01, 0.03]), "2.00 ± 1.41");
}

#[test]
fn a_figure_at_a_bar_has_reached_it() {
    assert_eq!(figure(&[0.0129], Some(1.29), Some(0.75)), "1.29 (1 seed) ✓");
    assert_eq!(figure(&[0.0130], Some(1.29), Some(0.75)), "1.30 (1 seed)");
    assert_eq!(figure(&[0.0075, 0.0075], Some(1.29), Some(0.75)), "0.75 ± 0.00 (2 seeds) ✓★");
    assert_eq!(figure(&[0.02], None, Some(2.0)), "2.00 (1 seed) ★");
    assert_eq!(figure(&[0.0075; 3], Some(1.29), None), "0.75 ± 0.00 ✓");
    assert_eq!(figure(&[], Some(1.0), Some(1.0)), "–");
}

#[test]
fn records_stand_in_their_row_and_column() {
    let records = [
        example("mnist-ram-6", "learned", 1, 0.010),
        example("mnist-ram-6", "learned", 2, 0.012),
        example("mnist-ram-7", "random", 1, 0.3),
        example("mnist-lstm-6", "learned", 1, 0.007),
        example("mnist-fc-256-all", "learned", 1, 0.0134),
    ];
    let rows = rows(&plan("table1a"), records).unwrap();
    assert_eq!(rows.len(), 8);
    let text = page(&rows, &[], Form::Full, false);
    assert!(
        text.contains("| ours | 10 first locations | all 60 000 images | LSTM core | paper | later | goal |"),
        "{text}"
    );
    assert_eq!(
        line(&text, "| RAM, 6"),
        "| RAM, 6 glimpses, 8×8, 1 scale | **1.10 ± 0.14 (2 seeds) ✓** | 1.00 ± 0.14 | – | 0.70 (1 seed) ✓★ | 1.29 | 1.12 | 0.75 |"
    );
    assert!(line(&text, "| FC").ends_with("| – | – | 1.34 (1 seed) ✓★ |  | 1.35 | 1.69 | 1.35 |"), "{text}");
    // A row without a record is shown all the same; only some rows have a variant.
    assert_eq!(line(&text, "| RAM, 5"), "| RAM, 5 glimpses, 8×8, 1 scale | – | – |  |  | 1.55 | 1.34 | 0.95 |");
    let sizes = |row: &str| text.lines().filter(|line| line.starts_with(row)).nth(1).unwrap().to_owned();
    assert!(sizes("| RAM, 7").contains("| 30.00 (1 seed) | – | – |"), "{text}");
    assert!(
        sizes("| RAM, 6").contains("| 209420 | 2.47 | 1.5 (1 of 2 seeds) | `ram train --experiment mnist-ram-6` |"),
        "{text}"
    );
    assert!(text.contains("with 1 thread and the kernels avx2"), "{text}");
    assert!(text.contains("the first location is "), "{text}");

    let compact = page(&rows, &[], Form::Compact, false);
    assert_eq!(line(&compact, "| RAM, 6"), line(&text, "| RAM, 6"));
    assert!(
        compact.contains("\"RAM, 7 glimpses, 8×8, 1 scale\" has an error of 30.00 % with random locations (1 seed)."),
        "{compact}"
    );
    assert!(!compact.contains("ram train") && compact.contains("\n### Table 1a\n"), "{compact}");
}

/// The page explains a column of this name, so that no other may hold such trainings.
#[test]
fn trainings_on_all_images_stand_in_their_own_column() {
    let mut found = 0;
    for experiment in Experiment::all() {
        let on_all = experiment.config(&[]).unwrap().data.train_on_validation;
        assert_eq!(on_all, experiment.column.as_deref() == Some(ALL_IMAGES), "{}", experiment.name);
        found += usize::from(on_all);
    }
    assert!(found > 0);
    let explained =
        |target| page(&rows(&plan(target), []).unwrap(), &[], Form::Full, false).contains("Nothing is chosen by them");
    assert_eq!(["table1a", "table1b"].map(explained), [true, false]);
}

#[test]
fn long_lines_are_broken_between_words() {
    let text = wrapped(&"ab ".repeat(100));
    assert!(text.lines().count() == 3 && text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert_eq!(text.split_whitespace().count(), 100);
    assert_eq!(wrapped("\na b\n"), "\na b\n");
}

#[test]
fn a_variant_with_a_goal_of_its_own_says_so() {
    let rows = rows(&plan("table2a"), [example("cluttered-60-lstm-8", "learned", 1, 0.028)]).unwrap();
    let text = page(&rows, &[], Form::Compact, false);
    assert!(
        line(&text, "| RAM, 8").ends_with("| – | – |  | 2.80 (1 seed) ✓ | 5.23 | 4.04 | 3.00; LSTM core: 2.60 |"),
        "{text}"
    );
}

#[test]
fn a_record_of_other_settings_is_left_out_and_told() {
    let plan = plan("table1a");
    let planned = plan.with_name("mnist-ram-6-seed1").unwrap().unwrap();
    let mut old = planned.config.clone();
    old.optimiser.clip = 1.0;
    let kept = |experiment: &str, config: &crate::Config| Kept {
        record: example(experiment, "learned", 1, 0.01),
        config: config.clone(),
    };
    let all = vec![
        kept("mnist-ram-6", &old),
        kept("mnist-ram-66", &old),
        kept("catch", &old),
        kept("mnist-ram-6", &planned.config),
    ];
    let (records, left_out) = current(&plan, all).unwrap();
    // The game's is of another table.
    assert_eq!(records.len(), 1);
    assert_eq!(
        left_out,
        [
            format!("`mnist-ram-6-seed1`: optimiser.clip: 1.0, {:?}", planned.config.optimiser.clip),
            "`mnist-ram-66-seed1`: there is no experiment `mnist-ram-66`".to_owned()
        ]
    );
    let text = page(&rows(&plan, records).unwrap(), &left_out, Form::Compact, false);
    assert!(text.contains("2 records are left out") && text.contains("- `mnist-ram-66-seed1`"), "{text}");
}

#[test]
fn the_first_location_is_told_for_each_kind_of_row() {
    let mut rows = rows(&plan("table1b"), []).unwrap();
    rows.iter_mut().for_each(|row| row.first = row.first.as_ref().map(|_| "centre".to_owned()));
    assert_eq!(first_location(&rows).unwrap(), "the centre of the image");
    rows.last_mut().unwrap().first = Some("random".to_owned());
    assert_eq!(
        first_location(&rows).unwrap(),
        "the centre of the image (in `translated-60-ram-8` it is drawn uniformly on the image)"
    );
    rows.iter_mut().for_each(|row| row.first = row.first.as_ref().map(|_| "random".to_owned()));
    rows.extend(crate::tables::rows::rows(&plan("recipe"), []).unwrap());
    let told = first_location(&rows).unwrap();
    let expected = "(in \"Table 1b\", `recipe-anywhere`, `recipe-none` it is drawn uniformly on the image)";
    assert!(told.ends_with(expected), "{told}");
    rows.truncate(3);
    assert_eq!(first_location(&rows), None);
}

/// The records of this repository: each has its line in the summary, and its files agree.
#[test]
fn the_summary_is_what_the_records_say() {
    let records = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("record/tables");
    let kept = Kept::read_all(&records).unwrap();
    let lines: String = kept.iter().map(Kept::to_line).collect();
    let summary = std::fs::read_to_string(records.join(crate::tables::record::SUMMARY)).unwrap();
    assert!(lines == summary, "the summary is stale: run `ram reproduce all --keep ram/record/tables`");
    assert_eq!(Kept::embedded().unwrap(), kept);
    assert!(kept.len() >= 8, "{} records", kept.len());
    // Each belongs to an experiment and says how it is repeated.
    let plan = plan("all");
    for Kept { record, config } in kept {
        let planned = plan.with_name(&record.name()).unwrap().expect("a run of a table");
        if config.differences(&planned.config).is_empty() {
            assert_eq!(record.command, planned.command);
        }
    }
}

fn rule(rule: Rule, error: f64, glimpses: f64) -> Stopping {
    Stopping { rule, error, glimpses, taken: Vec::new() }
}

#[test]
fn a_learned_stop_stands_beside_the_rules_that_need_no_training() {
    let mut learned = example("mnist-stop-3", "learned", 1, 0.012);
    learned.tested.glimpses = Some(3.5);
    learned.tested.rules = vec![
        rule(Rule::Learned, 0.012, 3.5),
        rule(Rule::Threshold(0.98), 0.013, 3.52),
        rule(Rule::Shuffled, 0.06, 3.5),
        rule(Rule::Threshold(0.8), 0.05, 2.0),
        rule(Rule::Fixed(2), 0.2, 2.0),
    ];
    let mut never = example("mnist-stop-never", "learned", 1, 0.01);
    never.tested.rules =
        vec![rule(Rule::Threshold(0.8), 0.04, 2.1), rule(Rule::Fixed(8), 0.01, 8.0), rule(Rule::Oracle, 0.005, 1.7)];
    let text = page(&rows(&plan("stop"), [learned, never]).unwrap(), &[], Form::Compact, false);
    let learned = line(&text, "| MNIST, at most 8 glimpses at a price of 0.01 |");
    assert!(learned.ends_with("| **1.20 (1 seed)** | 3.50 | 1.30 | 6.00 |"), "{learned}");
    assert!(line(&text, "| MNIST, 8 glimpses of 8×8, never stops").contains("| **1.00 (1 seed)** | 8.00 | – | – |"));
    assert_eq!(line(&text, "| when 0.8 sure"), "| when 0.8 sure | 4.00 | 2.10 |");
    assert_eq!(line(&text, "| when first right"), "| when first right, as an oracle knows | 0.50 | 1.70 |");
    assert!(line(&text, "| Cluttered 60×60, at most 8 glimpses at a price of 0.01").contains("| – | – | – | – |"));
}

#[test]
fn sizes_and_distances_stand_below_the_errors() {
    let group = |from, to, error| BySize { from, to, count: 10, error };
    let mut fine = example("scale-fine", "learned", 1, 0.1);
    fine.tested.by_size = vec![group(14, 15, 0.05), group(16, 22, 0.15)];
    let text = page(&rows(&plan("scale"), [fine]).unwrap(), &[], Form::Compact, false);
    assert!(text.contains("| side of the digit | 14–15 pixels | 16–22 pixels |"), "{text}");
    let lines: Vec<_> =
        text.lines().filter(|line| line.starts_with("| 8 glimpses of 12×12, always the finest")).collect();
    assert!(lines.len() == 2 && lines[1].ends_with("| 5.00 | 15.00 |"), "{lines:?}");

    let mut moving = example("moving", "learned", 1, 0.03);
    moving.tested.distance = (0..20).map(f64::from).collect();
    let mut still = example("moving", "still", 1, 0.3);
    still.tested.distance = vec![30.0; 20];
    let text = page(&rows(&plan("moving"), [moving, still]).unwrap(), &[], Form::Compact, false);
    assert!(text.contains("| pixels to the digit | frame 1 | frame 5 | frame 10 | frame 15 | frame 20 |"), "{text}");
    assert!(text.contains("| the same, still locations | 30.00 | 30.00 |"), "{text}");
    assert!(text.contains("0.00 | 4.00 | 9.00 | 14.00 | 19.00 |") && text.contains("30.00 % with"), "{text}");
}

#[test]
fn an_extension_has_no_columns_for_what_the_paper_does_not_show() {
    let text = |target: &str| page(&rows(&plan(target), []).unwrap(), &[], Form::Full, false);
    assert!(text("recipe").contains("|  | ours | 10 first locations |\n"), "{}", text("recipe"));
    assert!(text("stop").contains("| as often, at other images |\n"), "{}", text("stop"));
}
