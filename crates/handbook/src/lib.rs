//! The handbook as files: pages in HTML and Markdown, styles, scripts, pictures and the index of the search.
//!
//! mdBook renders them when this crate is built, and they are packed into the program. No pack is read until a file of
//! it is requested ([ADR 131](../../../docs/adr/0131-the-handbook-is-a-book-inside-the-program.md)).

mod pack;
#[cfg(test)]
mod tests;

use pack::Pack;

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Texts of pages in Markdown.
static TEXTS: Pack = Pack::new(include_bytes!(concat!(env!("OUT_DIR"), "/texts.zst")), TEXTS_LENGTH);

/// Rendered pages, and all that they load.
static BOOK: Pack = Pack::new(include_bytes!(concat!(env!("OUT_DIR"), "/book.zst")), BOOK_LENGTH);

/// The book as one page.
static SINGLE_PAGE: Pack = Pack::new(include_bytes!(concat!(env!("OUT_DIR"), "/single-page.zst")), SINGLE_PAGE_LENGTH);

/// Bytes of the handbook as one page.
pub const SINGLE_PAGE_BYTES: u64 = SINGLE_PAGE_LENGTH as u64;

/// Returns the handbook as one page of HTML, which opens in any browser: contents, then all pages with their pictures.
/// It contains no script and loads nothing.
pub fn single_page() -> Vec<u8> {
    SINGLE_PAGE.unpack()
}

/// Kinds of files by suffix, as browsers want to know them.
const KINDS: [(&str, &str); 7] = [
    (".html", "text/html; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".json", "application/json"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".md", "text/markdown; charset=utf-8"),
];

/// A file of the handbook.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Path from the root of the handbook, such as `operate/backup.html`.
    pub path: &'static str,
    pack: &'static Pack,
    start: usize,
    length: usize,
}

impl File {
    /// Finds the file with this path. The path is compared, never opened.
    pub fn find(path: &str) -> Option<&'static Self> {
        FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|index| &FILES[index])
    }

    /// The content. The first call unpacks all files of its pack, which then stay in memory: 1 MiB of texts, or 9 MiB
    /// of rendered files.
    pub fn bytes(&self) -> &'static [u8] {
        self.pack.bytes().get(self.start..self.start + self.length).unwrap_or_default()
    }

    /// Media type for browsers.
    pub fn kind(&self) -> &'static str {
        let known = KINDS.iter().find(|(suffix, _)| self.path.ends_with(suffix));
        known.map_or("text/plain; charset=utf-8", |(_, kind)| kind)
    }

    /// Returns true if the name contains a digest of the content, so that a browser may keep the file.
    pub fn is_named_by_content(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let digest = stem.rsplit_once('-').map_or("", |(_, digest)| digest);
        digest.len() == 8 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// A page of the handbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Path without suffix, such as `operate/backup`.
    pub name: &'static str,
    /// Title in the table of contents.
    pub title: &'static str,
    /// Part of the book; empty for the first page.
    pub part: &'static str,
    /// Number of pages above it in its part.
    pub depth: usize,
}

impl Page {
    /// Finds a page by its name, in any case and with or without a suffix. The last part of a name is enough if no
    /// other page has it.
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = name.trim_matches('/');
        let name = name.strip_suffix(".md").or_else(|| name.strip_suffix(".html")).unwrap_or(name);
        let whole = PAGES.iter().find(|page| page.name.eq_ignore_ascii_case(name));
        whole.or_else(|| {
            let mut ends = PAGES.iter().filter(|page| page.last_name().eq_ignore_ascii_case(name));
            ends.next().filter(|_| ends.next().is_none())
        })
    }

    /// Last part of the name.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// Path of the rendered page from the root of the handbook.
    pub fn path(&self) -> String {
        format!("{}.html", self.name)
    }

    /// The text in Markdown.
    pub fn markdown(&self) -> &'static str {
        let file = File::find(&format!("{}.md", self.name));
        file.and_then(|file| std::str::from_utf8(file.bytes()).ok()).unwrap_or_default()
    }
}
