//! The signals that ask a training to save and stop. Ctrl-C comes from a person, and a second Ctrl-C quits at once. SIGTERM,
//! SIGUSR1 and SIGHUP come from a scheduler, which may repeat them: a repeated one is ignored, and the exit code asks the
//! scheduler to run the command again.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::output::complain;

/// The exit code after Ctrl-C: 128 + SIGINT, as in shells.
const INTERRUPTED: u8 = 130;
/// The exit code after a scheduler's signal: EX_TEMPFAIL of sysexits.h, "try again later".
#[cfg(unix)]
const REQUEUE: u8 = 75;

static STOP: AtomicBool = AtomicBool::new(false);
static EXIT_CODE: AtomicU8 = AtomicU8::new(INTERRUPTED);

/// Installs the handlers and returns the flag that they set. Call it once.
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
                complain("\nstopping after this step; the exit code will ask for another run");
            }
        }
    })?;
    Ok(&STOP)
}

/// Installs the handler of Ctrl-C and returns the flag that it sets. Call it once.
#[cfg(windows)]
pub fn install() -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(interrupt)?;
    Ok(&STOP)
}

fn interrupt() {
    if STOP.swap(true, Ordering::Relaxed) {
        std::process::exit(i32::from(INTERRUPTED));
    }
    complain("\nstopping after this step; press Ctrl-C again to quit at once without saving");
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
