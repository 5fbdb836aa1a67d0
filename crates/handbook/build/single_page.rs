//! The whole handbook as one file, which opens in any browser, without a server and without other files.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::source::Page;

/// Page of mdBook with all pages, one after the other.
const PRINTED: &str = "print.html";

/// Start of the first heading of each page.
const TITLE: &str = "<h1 id=\"";

/// Start and end of a picture that mdBook enlarges on a click, which needs its own styles.
const ENLARGEABLE: (&str, &str) = ("<label class=\"checkbox-label\">", "</label>");

/// Colors and lengths of the console's pages, in both color schemes and on paper.
const STYLE: &str = "\
:root{color-scheme:light dark;--line:#dce1e7;--code:#f4f6f8;--link:#0b5c8a}\
@media(prefers-color-scheme:dark){:root{--line:#2b333d;--code:#1c222a;--link:#74bdeb}}\
body{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
a{color:var(--link)}h1{margin-top:4rem;border-top:1px solid var(--line);padding-top:2rem}\
h1 a.header,h2 a.header,h3 a.header,h4 a.header{color:inherit;text-decoration:none}\
nav ul{columns:18rem;list-style:none;padding:0}nav h2{margin-bottom:0}\
pre,code{font:14px/1.5 ui-monospace,monospace;background:var(--code);overflow-wrap:anywhere}\
pre{padding:.75rem 1rem;overflow-x:auto}img{max-width:100%;height:auto}\
.table-wrapper{overflow-x:auto}table{border-collapse:collapse}\
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line)}\
@media print{body{margin:0;max-width:none}h1{break-before:page;border:0}}";

/// Returns the handbook as one page of HTML: contents, then all pages with their pictures. It contains no script and
/// loads nothing. Links to files that are not pages, such as schemas, are plain text.
pub fn compose(files: &BTreeMap<String, Vec<u8>>, book: &[Page]) -> Result<String> {
    let printed = std::str::from_utf8(files.get(PRINTED).context("mdBook wrote no page to print")?)?;
    let pages = between(printed, "<main>", "</main>").context("the page to print has no main part")?;
    let mut page = String::with_capacity(2 * pages.len());
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Landfall</title>\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>");
    page.push_str(STYLE);
    page.push_str("</style>\n");
    push_contents(&mut page, book, pages);
    page.push_str("<main>");
    page.push_str(&without_file_links(&with_pictures(pages, files)?));
    page.push_str("</main>\n</html>\n");
    Ok(page)
}

/// Text between the first occurrence of a start and the next occurrence of an end.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// Appends a table of contents with a list per part. Each page of the book has one title.
fn push_contents(page: &mut String, book: &[Page], pages: &str) {
    let titles = pages.split(TITLE).skip(1).filter_map(|rest| rest.split_once('"').map(|(id, _)| id));
    let (mut part, mut is_open) = ("", false);
    page.push_str("<nav>\n");
    for (known, id) in book.iter().zip(titles) {
        if !is_open || known.part != part {
            let heading = if known.part.is_empty() { "Contents" } else { &known.part };
            page.push_str(if is_open { "</ul>\n" } else { "" });
            page.extend(["<h2>", heading, "</h2>\n<ul>\n"]);
            (part, is_open) = (&known.part, true);
        }
        page.extend(["<li><a href=\"#", id, "\">", &escaped(&known.title), "</a></li>\n"]);
    }
    page.push_str(if is_open { "</ul>\n</nav>\n" } else { "</nav>\n" });
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns pages whose pictures are part of them.
fn with_pictures(pages: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<String> {
    let mut result = String::with_capacity(pages.len());
    let mut rest = pages;
    while let Some((before, found)) = rest.split_once(ENLARGEABLE.0) {
        let (picture, after) = found.split_once(ENLARGEABLE.1).unwrap_or((found, ""));
        let attribute = |name: &str| between(picture, name, "\"").unwrap_or_default();
        let source = attribute("<img src=\"");
        let content = STANDARD.encode(files.get(source).with_context(|| format!("no picture {source}"))?);
        result.push_str(before);
        result.extend(["<img src=\"data:image/png;base64,", &content, "\" alt=\"", attribute(" alt=\""), "\">"]);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

/// Returns pages without links to files of the book that are not in this file.
fn without_file_links(pages: &str) -> String {
    let mut result = String::with_capacity(pages.len());
    let mut parts = pages.split("<a href=\"");
    result.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let leads_somewhere = part.starts_with('#') || part.starts_with("https:");
        match part.split_once('"').filter(|_| !leads_somewhere) {
            Some((_, after)) => result.extend(["<a", after]),
            None => result.extend(["<a href=\"", part]),
        }
    }
    result
}
