//! `landfall handbook`: lists the pages of the handbook, prints one of them, or writes the whole book for a browser.

use std::fmt::Write as _;
use std::path::Path;

use landfall_error_codes::codes;
use landfall_handbook::{FILES, PAGES, Page};
use landfall_media::durable::{self, Batch};
use landfall_suggestion::did_you_mean;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::HandbookArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Pages that explain decisions to developers. The table of contents counts them.
const RECORDS: &str = "adr/0";

/// Advice below the table of contents.
const ADVICE: &str = "Print a page with `landfall handbook PAGE`. For a browser, write the handbook with `landfall \
    handbook --output FOLDER`, and open FOLDER/index.html.";

/// Table of contents of the handbook.
#[derive(Serialize, JsonSchema)]
pub(super) struct Contents {
    /// Pages, in the order of the book.
    pages: Vec<ListedPage>,
}

/// A page in the table of contents.
#[derive(Serialize, JsonSchema)]
struct ListedPage {
    /// Name for `landfall handbook`, such as `operate/backup`.
    page: &'static str,
    /// Title.
    title: &'static str,
    /// Part of the book; empty for the first page.
    part: &'static str,
}

impl Document for Contents {
    const KIND: &'static str = "handbook";
}

/// A page of the handbook.
#[derive(Serialize, JsonSchema)]
pub(super) struct PrintedPage {
    /// Name of the page.
    page: &'static str,
    /// Title.
    title: &'static str,
    /// Text, in Markdown.
    text: &'static str,
}

impl Document for PrintedPage {
    const KIND: &'static str = "handbookPage";
}

/// The handbook in a folder.
#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenHandbook {
    /// First page, for a browser.
    first: String,
    /// Number of files.
    files: usize,
}

impl Document for WrittenHandbook {
    const KIND: &'static str = "writtenHandbook";
}

/// Runs the command.
pub(crate) fn run(arguments: &HandbookArguments, printer: Printer) -> Result<(), Failure> {
    match (&arguments.page, &arguments.output) {
        (_, Some(folder)) => {
            durable::create_folder(folder)?;
            let batch = Batch::begin(folder)?;
            write(&batch, folder)?;
            batch.commit()?;
            let first = folder.join("index.html").display().to_string();
            let written = WrittenHandbook { first, files: FILES.len() };
            printer.report(&written, |written| format!("open {} in a browser", written.first))
        }
        (Some(name), None) => {
            let page = find(name)?;
            let document = PrintedPage { page: page.name, title: page.title, text: page.markdown() };
            printer.report(&document, |page| page.text.to_owned())
        }
        (None, None) => {
            printer.report(&contents(), text)?;
            printer.note(ADVICE);
            Ok(())
        }
    }
}

/// Writes all files of the handbook into a folder; they are on the disk after the batch's commit.
pub(super) fn write(batch: &Batch, folder: &Path) -> Result<(), Failure> {
    for file in FILES {
        batch.write_file(&folder.join(file.path), file.bytes(), 0o644)?;
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Page, Failure> {
    Page::find(name).ok_or_else(|| {
        let same = PAGES.iter().filter(|page| page.last_name().eq_ignore_ascii_case(name)).map(|page| page.name);
        let same: Vec<&str> = same.collect();
        if !same.is_empty() {
            return Failure::new(codes::BAD_ARGUMENT, format!("the handbook has several pages {name}"))
                .next(format!("Name one of {}.", same.join(", ")));
        }
        let near = did_you_mean(name, PAGES.iter().flat_map(|page| [page.name, page.last_name()]));
        Failure::new(codes::BAD_ARGUMENT, format!("the handbook has no page {name}{near}"))
            .next("`landfall handbook` lists all pages.")
    })
}

fn contents() -> Contents {
    let listed = |page: &Page| ListedPage { page: page.name, title: page.title, part: page.part };
    Contents { pages: PAGES.iter().map(listed).collect() }
}

/// Pages by part, with their names in a column. Records for developers are counted.
fn text(contents: &Contents) -> String {
    let (records, pages): (Vec<_>, Vec<_>) = contents.pages.iter().partition(|page| page.page.starts_with(RECORDS));
    let width = pages.iter().map(|page| page.page.len()).max().unwrap_or_default();
    let (mut text, mut part) = (String::new(), "");
    for ListedPage { page, title, part: of_page } in pages {
        if *of_page != part {
            part = *of_page;
            let _infallible = writeln!(text, "\n{part}");
        }
        let _infallible = writeln!(text, "  {page:width$}  {title}");
    }
    if let Some(first) = records.first() {
        let _infallible = writeln!(text, "  and {} records, such as {}", records.len(), first.page);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_match_snapshot() {
        let text = text(&contents());
        let counted = text.replace(|digit: char| digit.is_ascii_digit(), "0");
        insta::assert_snapshot!(counted);
    }

    #[test]
    fn unknown_pages_name_nearest() {
        assert_eq!(find("errors").expect("the page").name, "ERRORS");
        let refused = find("errrors").expect_err("no page");
        assert_eq!(refused.code(), codes::BAD_ARGUMENT);
        assert!(refused.what().ends_with("did you mean `ERRORS`?"), "{}", refused.what());
        assert_eq!(refused.next_step(), "`landfall handbook` lists all pages.");
    }

    #[test]
    fn book_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book");
        write(&Batch::begin(folder.path()).unwrap(), &book).unwrap();
        for file in FILES {
            assert_eq!(fs_err::read(book.join(file.path)).unwrap(), file.bytes(), "{}", file.path);
        }
    }
}
