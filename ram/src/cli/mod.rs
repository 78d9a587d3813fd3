//! The command line: a file for each subcommand, and the parts that they share.

mod bench;
mod board;
mod chosen;
mod compare;
mod data;
mod demo;
mod eval;
mod experiments;
mod explain;
mod fetch;
mod interrupt;
mod look;
mod options;
mod output;
mod page;
mod paper;
mod play;
mod plot;
mod predict;
mod progress;
mod report;
mod reproduce;
mod search;
mod shapes;
mod sources;
mod table;
mod terminal;
mod train;
mod zoo;

use std::io;
use std::panic;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use ram::error::RamError;

use self::options::cores;
use self::output::{Ended, complain, say};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failure: a file that cannot be read or written, training that diverged,
       an internal fault
  2    the command line or the configuration is wrong
  3    a data set is missing or damaged
  4    a run folder, a checkpoint or a pretrained model is missing, damaged,
       locked or of another version
  75   stopped by SIGTERM, SIGUSR1 or SIGHUP, and saved; run the same command
       again, `ram train` with --resume
  130  interrupted by Ctrl-C; `ram train` has saved and says how to resume

Environment:
  NO_COLOR=1     no colours
  COLUMNS        the width of help and tables where the output is no terminal
  RAM_DATA_DIR   the folder of MNIST's files, if --data-dir is not given
                 [default: the files that `ram data fetch` fetched]
  RAM_CACHE_DIR  the folder that `ram data fetch` writes to
                 [default: ram in the user's folder for caches]
  RAM_KERNELS    the kernels: scalar, avx2, avx512 or neon
                 [default: the fastest ones of this machine]
  RAM_ZOO        the folder of the pretrained models, if --zoo is not given
                 [default: ram/zoo in a folder above the program, in the
                 current folder, or in the sources from which the program was
                 built]
  RAM_TRIAL      the number of the trial that `ram search run` runs";

/// Recurrent Models of Visual Attention: trains a network that looks at a few small patches of an image.
#[derive(Parser)]
#[command(name = "ram", after_help = EXIT_CODES, arg_required_else_help = true, subcommand_required = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Print the version.
    #[arg(short = 'V', long)]
    version: bool,

    /// With --version: also print the kernel path and the number of threads of this machine.
    #[arg(long, requires = "version")]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Train on built-in digits in about a minute, and compare with three controls.
    Demo(demo::Args),
    /// Train a model into a run folder.
    Train(train::Args),
    /// Evaluate a trained model.
    Eval(eval::Args),
    /// Draw what a trained model looks at and believes, as a picture or an animation.
    Look(look::Args),
    /// Classify pictures, and show how sure the model was after each glimpse.
    Predict(predict::Args),
    /// Describe a run in one HTML file: curves, tables, and a player of its glimpses.
    Report(report::Args),
    /// Write a page for playing with networks in a browser: one HTML file.
    Page(page::Args),
    /// Draw the training curves of several runs in one picture.
    Compare(compare::Args),
    /// Show one training step: every variable of eq. (2), its gradient, and the line that computes it. Without a run and without
    /// MNIST, built-in digits are explained.
    Explain(explain::Args),
    /// List the pretrained models, or make one from a run.
    Zoo(zoo::Args),
    /// List the rows of the paper's tables.
    Experiments(experiments::Args),
    /// Train and test the missing rows of a table, and compare our figures with the paper's.
    Reproduce(reproduce::Args),
    /// Search hyperparameters at random, on this machine or with any scheduler.
    #[command(subcommand)]
    Search(search::Command),
    /// Measure the speed of training steps, and compare it with the peak of this processor.
    Bench(bench::Args),
    /// Show where the code does what the paper says: every equation, section, figure and table
    Paper(paper::Args),
    /// Play a game: watch a trained agent, or play it yourself.
    Play(play::Args),
    /// Show, fetch or make data.
    #[command(subcommand)]
    Data(data::Command),
}

/// Parses the command line, runs it and returns the exit code.
pub fn main() -> ExitCode {
    // A fault of the program also prints a short message and gives an exit code, without a backtrace.
    panic::set_hook(Box::new(|info| {
        complain(&format!(
            "internal error: {info}\nThis is a fault of ram, not yours. Please report it with the command line."
        ));
    }));
    let code = match panic::catch_unwind(|| run(parsed())) {
        Ok(Ok(Ended::Done)) => 0,
        Ok(Ok(Ended::Interrupted)) => interrupt::exit_code(),
        Ok(Err(error)) => print_error(&error),
        Err(_) => 1,
    };
    ExitCode::from(code)
}

/// The command line. A wrong one ends the program here, as a question for help does.
fn parsed() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// The command line's description, with help as wide as the terminal.
fn command() -> clap::Command {
    with_negative_numbers(Cli::command()).term_width(terminal::help_width())
}

/// Takes `-3` for a value, so that the option says what it expects. Otherwise it is taken for an unknown option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let takes = |arg: clap::Arg| {
        let is_option = !arg.is_positional() && arg.get_action().takes_values();
        if is_option { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(takes).mut_subcommands(with_negative_numbers)
}

fn run(cli: Cli) -> anyhow::Result<Ended> {
    // The kernels are chosen here, so that a wrong name is an error of the user and not a panic later on.
    autograd::kernels::choose_path(&["RAM_KERNELS", autograd::kernels::PATH_VARIABLE]).map_err(RamError::Config)?;
    match cli.command {
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Eval(args)) => eval::run(&args),
        Some(Command::Look(args)) => look::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Page(args)) => page::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Zoo(args)) => zoo::run(&args),
        Some(Command::Experiments(args)) => experiments::run(&args),
        Some(Command::Reproduce(args)) => reproduce::run(&args),
        Some(Command::Search(command)) => search::run(&command),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Paper(args)) => paper::run(&args),
        Some(Command::Play(args)) => play::run(&args),
        Some(Command::Data(command)) => data::run(&command),
        None if cli.version => {
            say(&format!("ram {}", env!("CARGO_PKG_VERSION")))?;
            if cli.verbose {
                say(&format!("kernels: {}\nthreads: {}", ram::kernel_path(), cores()))?;
            }
            Ok(Ended::Done)
        }
        None => {
            say(&command().render_help().to_string())?;
            Ok(Ended::Done)
        }
    }
}

/// Prints an error and returns its exit code.
fn print_error(error: &anyhow::Error) -> u8 {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    // In `ram … | head`, the reader has closed the pipe, which is no error.
    if error.chain().any(closed) {
        return 0;
    }
    match error.downcast_ref::<RamError>() {
        // The message of a `RamError` already contains its cause.
        Some(error) => {
            complain(&format!("error: {error}"));
            error.exit_code()
        }
        None => {
            complain(&format!("error: {error:#}"));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use ram::config::Config;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn a_negative_number_reaches_the_option_that_refuses_it() {
        let told = command().try_get_matches_from(["ram", "eval", "a", "--passes", "-3"]).unwrap_err().to_string();
        assert!(told.contains("-3 is not in 1..=1000"), "{told}");
    }

    #[test]
    fn the_help_names_every_preset_and_exit_code() {
        let mut command = Cli::command();
        let top = command.render_long_help().to_string();
        for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "75 ", "130 "] {
            assert!(top.contains(&format!("\n  {code}")), "{code} in {top}");
        }
        for variable in ["NO_COLOR", "RAM_DATA_DIR", "RAM_CACHE_DIR", "RAM_KERNELS", "RAM_ZOO", "RAM_TRIAL"] {
            assert!(top.contains(&format!("\n  {variable}")), "{variable} in {top}");
        }
        let train = command.find_subcommand_mut("train").unwrap().render_long_help().to_string();
        for preset in Config::presets() {
            assert!(train.contains(preset), "{preset} in {train}");
        }
    }

    #[test]
    fn errors_become_exit_codes() {
        assert_eq!(print_error(&RamError::Config("a wrong key".into()).into()), 2);
        assert_eq!(print_error(&anyhow::anyhow!("something else")), 1);
        assert_eq!(print_error(&io::Error::from(io::ErrorKind::BrokenPipe).into()), 0);
    }
}
