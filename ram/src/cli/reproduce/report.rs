//! `ram reproduce --report`: the tables from kept records.

use std::path::Path;

use ram::error::RamError;
use ram::figures::Format;
use ram::runs::atomic;
use ram::tables::page::{Form, page};
use ram::tables::picture::picture;
use ram::tables::plan::Plan;
use ram::tables::record::Kept;
use ram::tables::rows::{current, rows};

use super::args::Args;
use crate::cli::output::{Ended, complain, say};

/// The lines in a document between which the tables stand.
const MARKS: [&str; 2] = ["<!-- tables -->\n", "<!-- /tables -->"];

/// Prints the tables, or writes them into a document; draws them where a picture is asked for.
pub fn run(args: &Args, plan: &Plan) -> anyhow::Result<Ended> {
    let format = args.picture.as_deref().map(Format::of).transpose()?;
    let kept = match &args.records {
        Some(folder) => Kept::read_all(folder)?,
        None => Kept::embedded()?,
    };
    let (records, left_out) = current(plan, kept)?;
    let form = if args.compact { Form::Compact } else { Form::Full };
    let rows = rows(plan, records)?;
    let text = page(&rows, &left_out, form, args.quick);
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RamError::Io { action, path, source }
    };
    // Both are ready before one of them is written.
    let changed = args.into.as_ref().map(|path| {
        let document = std::fs::read_to_string(path).map_err(io("read", path))?;
        replaced(&document, &text, path)
    });
    let changed = changed.transpose()?;
    if let Some((path, format)) = args.picture.as_ref().zip(format) {
        let drawn = picture(&rows);
        if drawn.shapes.is_empty() {
            let message = format!("{}: none of these tables has a record to draw", path.display());
            return Err(RamError::Config(message).into());
        }
        atomic::write(path, &format.write(&drawn)).map_err(io("write", path))?;
        complain(&format!("the tables are drawn in {}", path.display()));
    }
    if let Some((path, changed)) = args.into.as_ref().zip(changed) {
        atomic::write(path, changed.as_bytes()).map_err(io("write", path))?;
        say(&format!("the tables are written into {}", path.display()))?;
    } else {
        say(text.trim_end())?;
    }
    Ok(Ended::Done)
}

/// The document with `text` between the marks.
fn replaced(document: &str, text: &str, path: &Path) -> Result<String, RamError> {
    let [begin, end] = MARKS;
    let parts = document.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let Some((before, after)) = parts else {
        return Err(RamError::Config(format!(
            "{}: there is no line {} with a line {end} after it; put both where the tables shall stand",
            path.display(),
            begin.trim_end()
        )));
    };
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let path = Path::new("a.md");
        let document = "one\n<!-- tables -->\nold\n<!-- /tables -->\ntwo\n";
        let changed = replaced(document, "new\n", path).unwrap();
        assert_eq!(changed, "one\n<!-- tables -->\n\nnew\n\n<!-- /tables -->\ntwo\n");
        assert_eq!(replaced(&changed, "new\n", path).unwrap(), changed);
        for document in ["", "<!-- tables -->\n", "<!-- /tables -->\n<!-- tables -->\n"] {
            assert!(replaced(document, "new", path).unwrap_err().to_string().contains("a.md: there is no line"));
        }
    }
}
