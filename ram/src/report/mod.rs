//! A run told in one HTML file: curves, tables, pictures of the policy, and a player that steps through glimpses.
//!
//! The file needs no network and no other file. Its data are one block of JSON ([`data`]), drawn by the scripts beside this
//! module (`charts.js`, `player.js`, `report.js`); page and style are `report.html` and `report.css`.

pub mod data;
mod gather;
mod shown;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use data::Report;
pub use gather::gather;

use crate::error::RamError;
use crate::runs::atomic;
use crate::runs::run_folder::{REPORT, Which};
use crate::split::SplitName;
use crate::tasks::Task;

const PAGE: &str = include_str!("report.html");
const STYLE: &str = include_str!("report.css");
const SCRIPTS: [&str; 3] = [include_str!("charts.js"), include_str!("player.js"), include_str!("report.js")];

/// What is reported of a run.
#[derive(Clone)]
pub struct Options<'a> {
    /// The task that the run was trained for, or `None` for the one that its configuration names.
    pub task: Option<Arc<dyn Task>>,
    /// The images or games it is evaluated on.
    pub split: SplitName,
    /// The checkpoint.
    pub which: Which,
    /// Images or games in the player, at most: the wrong ones first.
    pub count: usize,
    /// Numbers of images or games to show before any other.
    pub chosen: Vec<usize>,
    /// Where MNIST lies, else `RAM_DATA_DIR` says.
    pub data_dir: Option<&'a Path>,
    /// Threads, else one a core.
    pub threads: Option<usize>,
}

impl Default for Options<'_> {
    /// The best checkpoint on the validation part.
    fn default() -> Self {
        Options {
            task: None,
            split: SplitName::Validation,
            which: Which::Best,
            count: 24,
            chosen: Vec::new(),
            data_dir: None,
            threads: None,
        }
    }
}

/// Evaluates the run at `path` and writes its report to `out`, or as `report.html` into its folder. Returns where.
///
/// # Errors
/// As [`gather`], and [`RamError::Io`] where the file cannot be written.
pub fn write(path: &Path, out: Option<&Path>, options: &Options) -> Result<PathBuf, RamError> {
    let out = out.map_or_else(|| path.join(REPORT), Path::to_owned);
    let page = html(&gather(path, options)?);
    atomic::write(&out, page.as_bytes()).map_err(|source| RamError::Io {
        action: "write",
        path: out.clone(),
        source,
    })?;
    Ok(out)
}

/// The page.
pub fn html(report: &Report) -> String {
    // In a script element only `<` could end it, or begin a comment.
    let data = serde_json::to_string(report).expect("numbers and names").replace('<', "\\u003c");
    let title = escaped(&format!("{} – RAM", report.run));
    let scripts = SCRIPTS.join("\n");
    let mut parts = PAGE.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (mark, rest) = part.split_once("}}").expect("the page's marks are closed");
        page += match mark {
            "TITLE" => &title,
            "STYLE" => STYLE,
            "SCRIPT" => &scripts,
            "DATA" => &data,
            _ => panic!("report.html has no mark {mark}"),
        };
        page += rest;
    }
    page
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
    fn the_page_asks_for_nothing_from_outside() {
        let page = html(&Report::default());
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = page.find(outside).map(|at| &page[at..(at + 80).min(page.len())]);
            assert!(found.is_none_or(|text| text.starts_with("http://www.w3.org/2000/svg")), "{found:?}");
        }
        assert!(page.contains("default-src 'none'"), "and could not");
    }
}
