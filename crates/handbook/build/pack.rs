//! The pack: all files in the order of their paths, compressed as one stream, and a table of contents in Rust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use zstd::Encoder;

use crate::source::Page;

/// Level of compression, the highest that needs no more memory to unpack.
const LEVEL: i32 = 19;

/// Logarithm of the distance at which repeated text is found: that of the whole book.
const WINDOW_LOG: u32 = 24;

/// Writes the pack and its table into the folder of the build.
pub fn write(files: &BTreeMap<String, Vec<u8>>, pages: &[Page], output: &Path) -> Result<()> {
    let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    for bytes in files.values() {
        encoder.write_all(bytes)?;
    }
    let packed = encoder.finish()?;
    std::fs::write(output.join("handbook.zst"), packed).context("cannot write the pack")?;
    std::fs::write(output.join("table.rs"), table(files, pages)?).context("cannot write the table")
}

/// The table of contents: files with their places in the unpacked stream, and pages.
fn table(files: &BTreeMap<String, Vec<u8>>, pages: &[Page]) -> Result<String> {
    let mut text = String::from("/// All files, in the order of their paths.\npub static FILES: &[File] = &[\n");
    let mut start = 0;
    for (path, bytes) in files {
        let length = bytes.len();
        let (first, count) = (grouped(start), grouped(length));
        writeln!(text, "    File {{ path: {path:?}, start: {first}, length: {count} }},")?;
        start += length;
    }
    text.push_str("];\n\n/// All pages, in the order of the book.\npub static PAGES: &[Page] = &[\n");
    for Page { book, title, part, depth, .. } in pages {
        let name = book.trim_end_matches(".md");
        writeln!(text, "    Page {{ name: {name:?}, title: {title:?}, part: {part:?}, depth: {depth} }},")?;
    }
    text.push_str("];\n");
    Ok(text)
}

/// A number as Rust writes long ones, with its digits in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join("_")
}
