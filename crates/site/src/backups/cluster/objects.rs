//! Writer of the cluster's objects for a backup: one line of JSON per object, kind by kind, and a last line with the
//! listing. Memory is bounded by the objects of one kind.

use std::io::{self, Read};

use landfall_cluster::{ClusterError, ListedKind};
use landfall_media::progress::{Event, Progress};

use super::lines::{LastLine, Listing};

/// Reader of the lines of all objects.
pub(super) struct ObjectStream<'a, I> {
    /// `None` after all kinds were listed.
    kinds: Option<I>,
    listing: Listing,
    lines: io::Cursor<Vec<u8>>,
    progress: &'a dyn Progress,
}

impl<'a, I: Iterator<Item = Result<ListedKind, ClusterError>>> ObjectStream<'a, I> {
    pub(super) fn new(kinds: I, progress: &'a dyn Progress) -> Self {
        Self { kinds: Some(kinds), listing: Listing::default(), lines: io::Cursor::default(), progress }
    }

    /// Returns the next lines; `None` at the end.
    fn next_lines(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut lines = Vec::new();
        let Some(kinds) = &mut self.kinds else { return Ok(None) };
        if let Some(listed) = kinds.next() {
            let listed = listed.map_err(io::Error::other)?;
            for object in &listed.objects {
                serde_json::to_writer(&mut lines, object)?;
                lines.push(b'\n');
            }
            if let Some(why) = &listed.unreadable {
                let text = format!(
                    "objects of the kind {} cannot be listed, and are in etcd's snapshot alone: {why}",
                    listed.kind
                );
                self.progress.event(Event::Note(text));
            }
            self.listing.add(&listed);
        } else {
            self.kinds = None;
            serde_json::to_writer(&mut lines, &LastLine { landfall_listing: std::mem::take(&mut self.listing) })?;
            lines.push(b'\n');
        }
        Ok(Some(lines))
    }
}

impl<I: Iterator<Item = Result<ListedKind, ClusterError>>> Read for ObjectStream<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.lines.read(buffer)? {
                0 if !buffer.is_empty() => match self.next_lines()? {
                    Some(lines) => self.lines = io::Cursor::new(lines),
                    None => return Ok(0),
                },
                read => return Ok(read),
            }
        }
    }
}
