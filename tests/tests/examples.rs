//! The examples do what their pages say. Each is compiled in here and run in small; CI builds them as programs, too.

// Its program measures for longer than a test should.
#[allow(dead_code)]
#[path = "../../autograd/examples/gemm_steps.rs"]
mod gemm_steps;
#[path = "../../autograd/examples/own_operation.rs"]
mod own_operation;
#[path = "../../autograd/examples/xor.rs"]
mod xor;

// Their programs train for longer than a test should.
#[allow(dead_code)]
#[path = "../../ram/examples/own_game.rs"]
mod own_game;
#[allow(dead_code)]
#[path = "../../ram/examples/where_it_looks.rs"]
mod where_it_looks;

use ram::evaluate::trace::Tracer;
use ram::split::SplitName;

#[test]
fn xor_is_learned_saved_and_loaded() {
    let (before, _) = xor::train(1).unwrap();
    let (after, answers) = xor::train(300).unwrap();
    assert!(before > 0.5 && after < 0.01, "{before} {after}");
    for (answer, expected) in answers.iter().zip([0.0, 1.0, 1.0, 0.0]) {
        assert!((answer - expected).abs() < 0.05, "{answers:?}");
    }
    xor::main().unwrap();
}

#[test]
fn an_operation_of_ones_own_passes_the_check_and_a_wrong_sign_does_not() {
    assert_eq!(own_operation::faults(1.0), Vec::<String>::new());
    // Two elements and three random directions.
    assert_eq!(own_operation::faults(-1.0).len(), 5);
    own_operation::main();
}

#[test]
fn a_game_of_ones_own_is_learned() {
    let [guesses, agent] = own_game::missed(20).unwrap();
    assert!((0.6..0.73).contains(&guesses) && agent < 0.3, "guesses miss {guesses}, the agent {agent}");
}

#[test]
fn an_agent_is_trained_and_its_glimpses_are_drawn() {
    let runs = tempfile::tempdir().unwrap();
    let sizes = ["train.epochs=1", "data.train=320", "data.validation=50", "data.test=50"];
    let trained = where_it_looks::train(runs.path(), &sizes).unwrap();
    assert!(runs.path().join("example/best.safetensors").exists());
    let tracer = Tracer::new(&trained).unwrap();
    let examples = tracer.examples(SplitName::Test, None).unwrap();
    for trace in tracer.trace(&examples, 0..5) {
        let drawn = where_it_looks::draw(&trace);
        assert_eq!(drawn.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [44; 22], "{drawn}");
        // Every glimpse has its number where it looked, unless a later one looked there too.
        let [x, y] = trace.glimpses[3].location.map(|l| ((l + 1.0) / 2.0).min(0.999));
        let line = drawn.lines().nth((y * 22.0) as usize).unwrap();
        assert_eq!(line.chars().nth((x * 44.0) as usize), Some('4'), "{drawn}");
        assert!(drawn.contains('█'), "no digit: {drawn}");
    }
    // A second training takes the place of the first.
    where_it_looks::train(runs.path(), &sizes).unwrap();
}

#[test]
fn every_step_of_the_matrix_product_has_the_same_result() {
    let (rates, peak) = gemm_steps::measure(96);
    assert_eq!(rates.len(), gemm_steps::STEPS.len());
    // Nothing is faster than the peak, unless that was disturbed.
    assert!(peak > 0.0 && rates.iter().all(|&rate| rate > 0.0 && rate < 1.5 * peak), "{rates:?} {peak}");
}
