//! The format of SQLite's files, as far as needed to read the rows of a table: pages, the tree of a table, and
//! overflow.
//!
//! <https://www.sqlite.org/fileformat2.html> describes the format; names are from that document.

use std::borrow::Cow;

use crate::limits;

/// First page of the schema table.
pub(super) const SCHEMA: u32 = 1;

/// First bytes of a file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Bytes of the file's header, which is at the beginning of the first page.
const HEADER_BYTES: usize = 100;

/// Number of the text encoding UTF-8.
const UTF_8: u32 = 1;

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

const TORN: &str = "its pages contradict one another";

/// A file in memory.
pub(super) struct Database<'a> {
    bytes: &'a [u8],
    page_bytes: usize,
    /// Number of usable bytes of a page.
    usable: usize,
    /// Number of pages that may still be examined: in a valid file, no page is part of two trees.
    left: usize,
}

impl<'a> Database<'a> {
    /// Reads the header of a file.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER_BYTES {
            return Err("it is not a database of SQLite".to_owned());
        }
        let page_bytes = match number(bytes, 16, 2)? {
            1 => 1 << 16,
            size => size as usize,
        };
        let usable = page_bytes.saturating_sub(usize::from(bytes[20]));
        if !page_bytes.is_power_of_two() || !(512..=1 << 16).contains(&page_bytes) || usable < 480 {
            return Err(format!("its pages have {page_bytes} bytes, of which {usable} are used"));
        }
        if number(bytes, 56, 4)? != UTF_8 {
            return Err("its texts are not UTF-8".to_owned());
        }
        Ok(Self { bytes, page_bytes, usable, left: bytes.len() / page_bytes })
    }

    /// Calls `each` for each row of the table whose tree has this root; ends at the first error.
    pub(super) fn rows(&mut self, root: u32, each: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        let mut open = vec![root];
        while let Some(page) = open.pop() {
            let tree = Tree::of(self.page(page)?, page)?;
            if tree.kind == INTERIOR {
                // The last one is pushed first, so that rows come in order.
                open.push(number32(tree.page, tree.header + 8)?);
                for cell in (0..tree.cells).rev() {
                    open.push(number32(tree.page, tree.cell(cell)?)?);
                }
                if open.len() > self.left {
                    return Err(TORN.to_owned());
                }
                continue;
            }
            for cell in 0..tree.cells {
                let at = tree.cell(cell)?;
                each(&self.payload(tree.page, at)?)?;
            }
        }
        Ok(())
    }

    /// Returns a page; pages are counted from 1.
    fn page(&mut self, number: u32) -> Result<&'a [u8], String> {
        self.left = self.left.checked_sub(1).ok_or(TORN)?;
        let from =
            (number as usize).checked_sub(1).and_then(|before| before.checked_mul(self.page_bytes)).ok_or(TORN)?;
        let until = from.checked_add(self.page_bytes).ok_or(TORN)?;
        self.bytes.get(from..until).ok_or_else(|| "a page is missing".to_owned())
    }

    /// Returns the payload of a leaf's cell, including the part that overflowed to other pages.
    fn payload(&mut self, page: &'a [u8], at: usize) -> Result<Cow<'a, [u8]>, String> {
        let (size, after_size) = varint(page, at)?;
        let (_, start) = varint(page, after_size)?;
        let size = usize::try_from(size).ok().filter(|size| *size <= limits::RPM_ROW_BYTES);
        let size = size.ok_or_else(|| format!("a row has more than {} bytes", limits::RPM_ROW_BYTES))?;
        let local = self.local(size);
        let part = start.checked_add(local).and_then(|end| page.get(start..end)).ok_or(TORN)?;
        if local == size {
            return Ok(Cow::Borrowed(part));
        }
        let mut whole = part.to_vec();
        let mut next = number32(page, start + local)?;
        while whole.len() < size {
            let page = self.page(next)?;
            let length = (size - whole.len()).min(self.usable - 4);
            whole.extend_from_slice(page.get(4..4 + length).ok_or(TORN)?);
            next = number32(page, 0)?;
        }
        Ok(Cow::Owned(whole))
    }

    /// Returns how many bytes of a payload are in the leaf itself.
    fn local(&self, size: usize) -> usize {
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        if size <= most {
            return size;
        }
        let fitting = least + (size - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

/// A page of a table's tree.
struct Tree<'a> {
    page: &'a [u8],
    /// Offset of its header.
    header: usize,
    kind: u8,
    cells: usize,
}

impl<'a> Tree<'a> {
    fn of(page: &'a [u8], number_of_page: u32) -> Result<Self, String> {
        let header = if number_of_page == 1 { HEADER_BYTES } else { 0 };
        let kind = *page.get(header).ok_or(TORN)?;
        if !matches!(kind, INTERIOR | LEAF) {
            return Err(TORN.to_owned());
        }
        Ok(Self { page, header, kind, cells: number(page, header + 3, 2)? as usize })
    }

    /// Returns the offset of a cell.
    fn cell(&self, index: usize) -> Result<usize, String> {
        let pointers = self.header + if self.kind == INTERIOR { 12 } else { 8 };
        Ok(number(self.page, pointers + 2 * index, 2)? as usize)
    }
}

/// Reads a big-endian number of `length` bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<u32, String> {
    let bytes = bytes.get(at..at + length).ok_or(TORN)?;
    Ok(bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

fn number32(bytes: &[u8], at: usize) -> Result<u32, String> {
    number(bytes, at, 4)
}

/// Reads a number of up to nine bytes; returns it with the offset of its end.
pub(super) fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), String> {
    let mut number = 0;
    for index in at..at + 9 {
        let byte = *bytes.get(index).ok_or(TORN)?;
        if index == at + 8 {
            return Ok(((number << 8) | u64::from(byte), index + 1));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Ok((number, index + 1));
        }
    }
    Err(TORN.to_owned())
}
