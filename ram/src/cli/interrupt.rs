//! The signals that ask a program to stop. While a training is under way it saves first; at any other time there is nothing to
//! save, and the program stops at once. Ctrl-C comes from a person, and a second Ctrl-C quits at once. SIGTERM, SIGUSR1 and SIGHUP
//! come from a scheduler, which may repeat them: a repeated one is ignored, and the exit code asks the scheduler to run the
//! command again. A signal that was ignored when the program started, as SIGHUP is under `nohup`, stays ignored.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use ram::train::trainer;

use super::output::{complain, outlive_the_reader};

/// The exit code after Ctrl-C: 128 + SIGINT, as in shells.
const INTERRUPTED: u8 = 130;
/// The exit code after a scheduler's signal: EX_TEMPFAIL of sysexits.h, "try again later".
#[cfg(unix)]
const REQUEUE: u8 = 75;

static STOP: AtomicBool = AtomicBool::new(false);
static EXIT_CODE: AtomicU8 = AtomicU8::new(INTERRUPTED);
/// Installs the handlers for a command that trains, and returns the flag that they set. Call it once. Such a command also goes on
/// when nobody reads its output.
pub fn install() -> anyhow::Result<&'static AtomicBool> {
    outlive_the_reader();
    listen()?;
    Ok(&STOP)
}

#[cfg(unix)]
fn listen() -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

    let ignored = ignored();
    let heard = [SIGINT, SIGTERM, SIGUSR1, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = signal_hook::iterator::Signals::new(heard)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT {
                interrupt();
            } else if !STOP.load(Ordering::Relaxed) {
                EXIT_CODE.store(REQUEUE, Ordering::Relaxed);
                stop("stopping after this step; the exit code will ask for another run");
            }
        }
    })?;
    Ok(())
}

/// The signals that this process ignores, a bit for each; Linux tells them.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(windows)]
fn listen() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(interrupt)?)
}

fn interrupt() {
    if STOP.load(Ordering::Relaxed) {
        std::process::exit(i32::from(INTERRUPTED));
    }
    stop("stopping after this step; press Ctrl-C again to quit at once without saving");
}

/// Asks the trainings under way to save and stop, or stops the program if there are none.
fn stop(message: &str) {
    STOP.store(true, Ordering::SeqCst);
    if !trainer::is_under_way() {
        complain("\nstopped; no training was under way, so there was nothing to save. Run the same command again");
        std::process::exit(i32::from(exit_code()));
    }
    complain(&format!("\n{message}"));
}

/// The exit code of a program that was stopped.
pub fn exit_code() -> u8 {
    EXIT_CODE.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_stopped_at_first() {
        assert!(!install().unwrap().load(Ordering::Relaxed));
        assert_eq!(exit_code(), 130);
    }
}
