//! The packs: files in the order of their paths, compressed as one stream each, and a table of contents in Rust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use zstd::Encoder;

use crate::source::Page;

/// Suffix of texts.
const TEXT: &str = ".md";

/// Level of compression, the highest that needs no more memory to unpack.
const LEVEL: i32 = 19;

/// Logarithm of the distance at which a rendered page repeats text of another one: that of the whole book.
const BOOK_WINDOW_LOG: u32 = 24;

/// Logarithm of that distance for text, of which a program unpacks little at a time.
const TEXT_WINDOW_LOG: u32 = 20;

/// Writes the packs and their table into the folder of the build: texts of pages apart from rendered files, so that a
/// page on a terminal does not unpack the whole book, and the book as a single page.
pub fn write(files: &BTreeMap<String, Vec<u8>>, pages: &[Page], single_page: &str, output: &Path) -> Result<()> {
    let (texts, book): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| is_text(path));
    let put = |name: &str, packed: Vec<u8>| {
        std::fs::write(output.join(name), packed).with_context(|| format!("cannot write {name}"))
    };
    put("texts.zst", packed(texts.iter().map(|(_, bytes)| &bytes[..]), TEXT_WINDOW_LOG)?)?;
    put("book.zst", packed(book.iter().map(|(_, bytes)| &bytes[..]), BOOK_WINDOW_LOG)?)?;
    put("single-page.zst", packed([single_page.as_bytes()].into_iter(), TEXT_WINDOW_LOG)?)?;
    put("table.rs", table(files, pages, single_page.len())?.into_bytes())
}

fn is_text(path: &str) -> bool {
    path.ends_with(TEXT)
}

/// One stream of files.
fn packed<'a>(files: impl Iterator<Item = &'a [u8]>, window_log: u32) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
    encoder.window_log(window_log)?;
    encoder.long_distance_matching(true)?;
    for bytes in files {
        encoder.write_all(bytes)?;
    }
    Ok(encoder.finish()?)
}

/// The table of contents: files with their packs and their places in the unpacked streams, pages, and lengths.
fn table(files: &BTreeMap<String, Vec<u8>>, pages: &[Page], single_page_length: usize) -> Result<String> {
    let mut text = String::from("/// All files, in the order of their paths.\npub static FILES: &[File] = &[\n");
    let (mut texts_length, mut book_length) = (0, 0);
    for (path, bytes) in files {
        let (pack, start) = if is_text(path) { ("TEXTS", &mut texts_length) } else { ("BOOK", &mut book_length) };
        let (first, count) = (grouped(*start), grouped(bytes.len()));
        writeln!(text, "    File {{ path: {path:?}, pack: &{pack}, start: {first}, length: {count} }},")?;
        *start += bytes.len();
    }
    text.push_str("];\n\n/// All pages, in the order of the book.\npub static PAGES: &[Page] = &[\n");
    for Page { book, title, part, depth, .. } in pages {
        let name = book.trim_end_matches(".md");
        writeln!(text, "    Page {{ name: {name:?}, title: {title:?}, part: {part:?}, depth: {depth} }},")?;
    }
    text.push_str("];\n");
    let lengths = [("TEXTS", texts_length), ("BOOK", book_length), ("SINGLE_PAGE", single_page_length)];
    for (name, length) in lengths {
        let length = grouped(length);
        writeln!(text, "\n/// Bytes of this pack when unpacked.\nconst {name}_LENGTH: usize = {length};")?;
    }
    Ok(text)
}

/// A number as Rust writes long ones, with its digits in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("_")
}
