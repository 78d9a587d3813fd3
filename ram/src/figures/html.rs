//! What reports and the page of `ram page` share: their style, the scripts that both need, and how a page is filled in.

/// The style of reports, on which that of the page builds.
pub(crate) const STYLE: &str = include_str!("html/style.css");
/// Elements, pictures of glimpses, and bars, for the scripts of both.
pub(crate) const PARTS: &str = include_str!("html/parts.js");

/// A page in which each `{{MARK}}` is replaced. What is put in its place is not searched for marks.
pub(crate) fn filled<'a>(page: &str, part: impl Fn(&str) -> &'a str) -> String {
    let mut parts = page.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for after in parts {
        let (mark, rest) = after.split_once("}}").expect("the page's marks are closed");
        filled += part(mark);
        filled += rest;
    }
    filled
}
