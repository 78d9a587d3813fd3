//! The signals that ask a training to save and stop. Ctrl-C is a person: a second one quits at once. SIGTERM, SIGUSR1 and
//! SIGHUP are a scheduler's, which repeats them when time runs short: each is patient, and the exit code asks to be run again.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::output::complain;

/// Stopped by Ctrl-C: 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;
/// Stopped by a scheduler: EX_TEMPFAIL of sysexits.h, "try again later".
#[cfg(unix)]
const REQUEUE: u8 = 75;

static STOP: AtomicBool = AtomicBool::new(false);
static EXIT_CODE: AtomicU8 = AtomicU8::new(INTERRUPTED);

/// Installs the handlers, once, and returns what they set.
#[cfg(unix)]
pub fn install() -> anyhow::Result<&'static AtomicBool> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT {
                interrupt();
            } else if !STOP.load(Ordering::Relaxed) {
                EXIT_CODE.store(REQUEUE, Ordering::Relaxed);
                STOP.store(true, Ordering::Relaxed);
                complain("\nstopping after this step, to be run again");
            }
        }
    })?;
    Ok(&STOP)
}

/// Installs the handler of Ctrl-C, once, and returns what it sets.
#[cfg(windows)]
pub fn install() -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(interrupt)?;
    Ok(&STOP)
}

fn interrupt() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(i32::from(INTERRUPTED));
    }
    complain("\nstopping after this step; once more quits at once, without saving");
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
