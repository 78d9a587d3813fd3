//! What is told of data that can be used, but not as a whole.

use datasets::{ReadSplit, Split};

use crate::config::Config;
use crate::error::RamError;

/// The most images that are named; the others are counted.
const NAMED: usize = 10;

/// Lines that tell the user which images of a split cannot be read, and what else was left out.
///
/// # Errors
/// With `data.strict`, the same lines as an error, if one of them tells a fault.
pub(super) fn on(config: &Config, split: Split, read: &ReadSplit) -> Result<Vec<String>, RamError> {
    let (strict, unreadable) = (config.data.strict, &read.unreadable);
    let mut lines: Vec<String> = unreadable.iter().take(NAMED).map(|error| error.to_string()).collect();
    let count = unreadable.len();
    if count > 0 {
        let more = if count > NAMED { format!(", {} of them not named here", count - NAMED) } else { String::new() };
        let split = if split == Split::Train { "training" } else { split.name() };
        let pictures = if count == 1 { "picture" } else { "pictures" };
        let end = if strict { "data.strict demands all" } else { "left out; --strict makes this an error" };
        lines.push(format!("{count} {split} {pictures} cannot be read{more}: {end}"));
    }
    for remark in &read.remarks {
        lines.push(match (remark.is_fault, strict) {
            (true, true) => format!("{}: data.strict refuses this", remark.what),
            (true, false) => format!("{}; --strict makes this an error", remark.what),
            (false, _) => remark.what.clone(),
        });
    }
    let is_faulty = count > 0 || read.remarks.iter().any(|remark| remark.is_fault);
    if strict && is_faulty { Err(RamError::Data(lines.join("\n"))) } else { Ok(lines) }
}
