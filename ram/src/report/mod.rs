//! The report of a run as one HTML file: curves, tables, pictures of the policy, and a player that steps through glimpses.
//!
//! The file needs no network and no other file. Its data are one block of JSON ([`data`]). The curves are drawn here, as SVG; the
//! scripts beside this module (`charts.js`, `player.js`, `report.js`) read values from them and make the rest of the page. The
//! page is `report.html`; its style, and what other scripts need too, are in [`figures`](crate::figures).

mod charts;
pub mod data;
mod gather;
pub mod options;
mod shown;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};

pub use data::Report;
pub use gather::{Alone, gather, gather_alone};
pub use options::Options;

use crate::error::RamError;
use crate::figures::html::{PARTS, STYLE, filled};
use crate::figures::svg::escaped;
use crate::page;
use crate::runs::atomic;
use crate::runs::run_folder::{PLAY, REPORT, RunFolder};
use crate::zoo::Number;

const PAGE: &str = include_str!("report.html");
const SCRIPTS: [&str; 4] = [PARTS, include_str!("charts.js"), include_str!("player.js"), include_str!("report.js")];

/// Evaluates the run at `path` and writes its report to `out`, or to `report.html` in the folder of the run; and beside it the page on
/// which one plays with the network, if it is one that the page can show. Returns the path of the report.
///
/// # Errors
/// As [`gather`], and [`RamError::Io`] where a file cannot be written.
pub fn write(path: &Path, out: Option<&Path>, options: &Options) -> Result<PathBuf, RamError> {
    let own = path.join(REPORT);
    let out = out.unwrap_or(&own);
    let mut report = gather(path, options)?;
    let checkpoint = RunFolder::read(path, options.which)?;
    let network = page::facts(&checkpoint, &report.run)
        .and_then(|facts| page::Network::new(&checkpoint, &facts, [Number::F32; 2]));
    // Other networks have no such page, and beside a device or a pipe is no place for one.
    let is_file = fs::metadata(out).map_or(true, |found| found.is_file());
    let Some(network) = network.ok().filter(|_| is_file) else {
        save(&report, out)?;
        return Ok(out.to_owned());
    };
    let beside = beside(out);
    report.page = beside.file_name().map(|name| name.to_string_lossy().into_owned());
    save(&report, out)?;
    page::save(&[network], page::ENGINE, &beside)?;
    Ok(out.to_owned())
}

/// The file of the page that belongs to a report: `play.html` beside `report.html`, and `a-play.html` beside `a.html`.
fn beside(report: &Path) -> PathBuf {
    match report.file_stem() {
        Some(stem) if report.file_name() != Some(REPORT.as_ref()) => {
            report.with_file_name(format!("{}-{PLAY}", stem.to_string_lossy()))
        }
        _ => report.with_file_name(PLAY),
    }
}

/// Writes a report as a page.
///
/// # Errors
/// [`RamError::Io`] where the file cannot be written.
pub fn save(report: &Report, out: &Path) -> Result<(), RamError> {
    let write = atomic::write(out, html(report).as_bytes());
    write.map_err(|source| RamError::Io { action: "write", path: out.to_owned(), source })
}

/// The report as an HTML page.
pub fn html(report: &Report) -> String {
    // Only `<` could end the script element that holds the data, or begin a comment in it.
    let data = serde_json::to_string(report).expect("numbers and names").replace('<', "\\u003c");
    let title = escaped(&format!("{} – RAM", report.run));
    let scripts = SCRIPTS.join("\n");
    let (policy, training) = (charts::policy(report), charts::training(report));
    filled(PAGE, |mark| match mark {
        "TITLE" => &title,
        "STYLE" => STYLE,
        "SCRIPT" => &scripts,
        "DATA" => &data,
        "POLICY" => &policy,
        "TRAINING" => &training,
        _ => panic!("report.html has no mark {mark}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_can_end_the_block_that_holds_them() {
        let report = Report {
            run: "a</script><b>&\"{{DATA}}".into(),
            config: "# </script><!-- {{TITLE}}".into(),
            ..Report::default()
        };
        let page = html(&report);
        assert_eq!(page.matches("</script>").count(), 2, "the data's and the scripts' own");
        assert!(!page.contains("<!--") && page.contains("<title>a&lt;/script&gt;&lt;b&gt;&amp;&quot;"));
        let block = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
        let read: serde_json::Value = serde_json::from_str(block).unwrap();
        assert_eq!(read["run"], report.run);
        assert_eq!(read["config"], report.config);
    }

    #[test]
    fn the_page_to_play_with_lies_beside_its_report() {
        for (report, expected) in
            [("runs/a/report.html", "runs/a/play.html"), ("b.html", "b-play.html"), ("x/c", "x/c-play.html")]
        {
            assert_eq!(beside(Path::new(report)), Path::new(expected));
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_outside() {
        let page = html(&Report::default());
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = page.find(outside).map(|at| &page[at..(at + 80).min(page.len())]);
            assert!(found.is_none_or(|text| text.starts_with("http://www.w3.org/2000/svg")), "{found:?}");
        }
        assert!(page.contains("default-src 'none'"), "and could not");
    }
}
