//! Runs that are made, replaced, resumed, damaged and locked.

use super::*;
use crate::runs::checkpoint::FORMAT;
use crate::runs::checkpoint::tests::{state, tensors, with_header};
use crate::runs::metrics::Validation;

fn create(runs: &Path, name: Name, existing: Existing) -> Result<RunFolder, RamError> {
    let config = Config::default();
    RunFolder::create(runs, name, &config, &RunInfo::new("train", vec!["ram".into()], &config), existing)
}

fn metrics(epoch: usize) -> EpochMetrics {
    EpochMetrics {
        epoch,
        step: 1,
        learning_rate: 0.1,
        validation: Validation { error: 0.5, loss: 1.0, ..Validation::default() },
        on_digit: Some(1.0),
        ..EpochMetrics::default()
    }
}

/// A run with `epochs` epochs saved, and its path.
fn trained(runs: &Path, epochs: usize) -> PathBuf {
    let mut run = create(runs, Name::Given("a"), Existing::Refuse).unwrap();
    for epoch in 1..=epochs {
        run.append_metrics(&metrics(epoch)).unwrap();
        run.save_best(&tensors(), &state(epoch)).unwrap();
        run.save_last(&tensors(), &state(epoch)).unwrap();
    }
    run.path().to_owned()
}

fn message<T: std::fmt::Debug>(result: Result<T, RamError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    error.to_string()
}

#[test]
fn a_new_run_has_its_configuration_and_says_who_made_it() {
    let runs = tempfile::tempdir().unwrap();
    let run = create(runs.path(), Name::Given("a"), Existing::Refuse).unwrap();
    assert_eq!(read_config(run.path()).unwrap(), Config::default());
    let info = read_info(run.path()).unwrap();
    assert_eq!((info.made_by.as_str(), info.seed, info.format), ("train", 1, FORMAT));
    assert_eq!(info.versions.keys().collect::<Vec<_>>(), ["autograd", "datasets", "ram"]);
}

#[test]
fn names_are_numbered_or_checked() {
    let runs = tempfile::tempdir().unwrap();
    for n in 1..=3 {
        let run = create(runs.path(), Name::Numbered("mnist"), Existing::Refuse).unwrap();
        assert!(run.path().ends_with(format!("mnist-{n}")));
    }
    for name in ["", "..", "a/b", "-x", ".hidden", "a b", "é"] {
        let error = create(runs.path(), Name::Given(name), Existing::Refuse).unwrap_err();
        assert!(matches!(&error, RamError::Config(text) if text.contains("--name")), "{error}");
    }
}

#[test]
fn an_existing_run_is_refused_unless_replaced() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 2);
    fs::write(path.join("notes.txt"), "mine").unwrap();
    let text = message(create(runs.path(), Name::Given("a"), Existing::Refuse));
    assert!(text.contains("--resume") && text.contains("--force"), "{text}");
    let text = message(create(runs.path(), Name::Given("a"), Existing::ReplaceMadeBy("demo")));
    assert!(text.contains("left alone"), "{text}");
    assert!(path.join(LAST).exists());
    create(runs.path(), Name::Given("a"), Existing::Replace).unwrap();
    assert!(!path.join(LAST).exists() && !path.join(METRICS).exists());
    assert_eq!(fs::read(path.join("notes.txt")).unwrap(), b"mine");
    create(runs.path(), Name::Given("a"), Existing::ReplaceMadeBy("train")).unwrap();
}

#[test]
fn a_folder_that_is_no_run_is_left_alone() {
    let runs = tempfile::tempdir().unwrap();
    fs::create_dir(runs.path().join("a")).unwrap();
    fs::write(runs.path().join("a/thesis.tex"), "years").unwrap();
    for existing in [Existing::Refuse, Existing::Replace, Existing::ReplaceMadeBy("demo")] {
        assert!(message(create(runs.path(), Name::Given("a"), existing)).contains("left alone"));
    }
    fs::write(runs.path().join("file"), "").unwrap();
    message(create(runs.path(), Name::Given("file"), Existing::Replace));
    message(create(&runs.path().join("file"), Name::Given("a"), Existing::Replace));
}

#[test]
fn two_writers_exclude_each_other_and_readers_do_not() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 1);
    let resumed = RunFolder::resume(&path).unwrap();
    assert!(message(RunFolder::resume(&path)).contains("another process"));
    RunFolder::read(&path, Which::Best).unwrap();
    drop(resumed);
    RunFolder::resume(&path).unwrap();
}

#[test]
fn resuming_cuts_the_lines_after_the_checkpoint() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 2);
    let text = fs::read_to_string(path.join(METRICS)).unwrap();
    // Killed after the third epoch's line and a half, before its checkpoint.
    fs::write(path.join(METRICS), text.clone() + &metrics(3).to_line() + "{\"epoch\":4,\"st").unwrap();
    let resumed = RunFolder::resume(&path).unwrap();
    assert_eq!((resumed.checkpoint.state.epoch, &resumed.notice), (2, &None));
    assert_eq!(fs::read_to_string(path.join(METRICS)).unwrap(), text);
    assert_eq!(RunFolder::metrics(&path).unwrap(), [metrics(1), metrics(2)]);
}

#[test]
fn a_damaged_last_falls_back_to_the_previous_and_never_replaces_it() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 2);
    let bytes = fs::read(path.join(LAST)).unwrap();
    fs::write(path.join(LAST), &bytes[..bytes.len() / 2]).unwrap();
    let mut resumed = RunFolder::resume(&path).unwrap();
    let notice = resumed.notice.take().unwrap();
    assert!(notice.contains("last.safetensors: ") && notice.contains("previous.safetensors"), "{notice}");
    assert_eq!(resumed.checkpoint.state.epoch, 1);
    assert_eq!(RunFolder::metrics(&path).unwrap(), [metrics(1)]);
    resumed.run.save_last(&tensors(), &state(2)).unwrap();
    assert_eq!(Checkpoint::read(&path.join(PREVIOUS)).unwrap().state.epoch, 1);
    drop(resumed);
    // Killed between the two renames: no `last` at all.
    fs::remove_file(path.join(LAST)).unwrap();
    assert_eq!(RunFolder::resume(&path).unwrap().checkpoint.state.epoch, 1);
}

#[test]
fn the_best_is_the_last_resort() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 2);
    for name in [LAST, PREVIOUS] {
        fs::write(path.join(name), "oops").unwrap();
    }
    let resumed = RunFolder::resume(&path).unwrap();
    let notice = resumed.notice.unwrap();
    assert!(notice.contains("last.safetensors: cut short") && notice.contains("best.safetensors, after "), "{notice}");
    drop(resumed.run);
    // None is whole: the error is of the newest.
    for name in [LAST, PREVIOUS, BEST] {
        fs::write(path.join(name), "oops").unwrap();
    }
    assert!(message(RunFolder::resume(&path)).contains("last.safetensors: cut short"));
}

#[test]
fn a_last_that_is_not_damaged_is_never_passed_over() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 2);
    fs::write(path.join(LAST), with_header(r#"{"format":7}"#)).unwrap();
    assert!(message(RunFolder::resume(&path)).contains("last.safetensors: a checkpoint of format version 7"));
    // A folder cannot be read, not even by root.
    fs::remove_file(path.join(LAST)).unwrap();
    fs::create_dir(path.join(LAST)).unwrap();
    assert!(message(RunFolder::resume(&path)).contains("last.safetensors: cannot be read"));
    assert!(path.join(LAST).exists() && path.join(PREVIOUS).exists() && !path.join(DAMAGED).exists());
}

#[test]
fn other_versions_and_what_is_no_run_are_named() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 1);
    assert!(message(RunFolder::resume(&runs.path().join("b"))).contains("no such run"));
    assert!(message(RunFolder::resume(runs.path())).contains("not the folder of a run"));

    for name in [LAST, BEST] {
        fs::write(path.join(name), with_header(r#"{"format":7}"#)).unwrap();
    }
    assert!(message(RunFolder::read(&path, Which::Best)).contains("checkpoint of format version 7"));
    assert!(message(RunFolder::resume(&path)).contains("checkpoint of format version 7"));

    let info = fs::read_to_string(path.join(INFO)).unwrap().replace("\"format\": 1", "\"format\": 2");
    fs::write(path.join(INFO), info).unwrap();
    assert!(message(RunFolder::resume(&path)).contains("run of format version 2"));
    fs::write(path.join(INFO), "{").unwrap();
    assert!(message(RunFolder::resume(&path)).contains("not what `ram train` wrote"));
}

#[test]
fn a_run_without_a_checkpoint_or_with_another_configuration_is_told() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 0);
    assert!(message(RunFolder::resume(&path)).contains("nothing to resume"));
    assert!(message(RunFolder::read(&path, Which::Last)).contains("not completed an epoch"));
    fs::remove_dir_all(&path).unwrap();
    let path = trained(runs.path(), 1);
    let text = fs::read_to_string(path.join(CONFIG)).unwrap();
    fs::write(path.join(CONFIG), text.replace("epochs = 60", "epochs = 3")).unwrap();
    assert!(message(RunFolder::resume(&path)).contains("train.epochs: 3, 60"));
    fs::write(path.join(CONFIG), "[train]\nepoch = 3").unwrap();
    assert!(message(RunFolder::resume(&path)).contains("line 2: unknown key `train.epoch`"));
}

#[test]
fn stale_temporaries_go_when_the_run_is_opened() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 1);
    let stale = path.join(".last.safetensors.9.ram-tmp");
    fs::write(&stale, "half").unwrap();
    RunFolder::resume(&path).unwrap();
    assert!(!stale.exists());
}

/// A duplicate of the file, as a child process has it while it starts, does not keep the lock.
#[test]
fn a_lock_ends_with_its_holder() {
    let runs = tempfile::tempdir().unwrap();
    let path = trained(runs.path(), 1);
    let resumed = RunFolder::resume(&path).unwrap();
    let duplicate = resumed.run._lock.0.try_clone().unwrap();
    assert!(RunFolder::is_locked(&path));
    drop(resumed);
    assert!(!RunFolder::is_locked(&path));
    RunFolder::resume(&path).unwrap();
    drop(duplicate);
}
