//! Ctrl-C and SIGTERM: the first asks the trainer to save and stop, the second quits at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::complain;

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler, once, and returns what it sets.
pub fn install() -> anyhow::Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        complain("\nstopping after this step; once more quits at once, without saving");
    })?;
    Ok(&STOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_stopped_at_first() {
        assert!(!install().unwrap().load(Ordering::Relaxed));
    }
}
