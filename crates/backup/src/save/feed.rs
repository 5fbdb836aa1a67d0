//! Transfer of streams to the archiver. The archiver requires readers that it can move to its threads, but a stream's
//! reader cannot be moved. Therefore the calling thread reads one stream after another, and passes pieces over a
//! channel for each.

use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};
use sha2::{Digest as _, Sha256};

use crate::backup::Stream;
use crate::error::BackupError;
use crate::names::StreamName;

const PIECE_BYTES: usize = 1 << 20;

/// Number of pieces queued for the archiver.
const WAITING_PIECES: usize = 2;

/// A piece of a stream, or its regular end.
enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// A source of data to store.
pub(super) struct Source<'a> {
    name: StreamName,
    reader: Box<dyn Read + 'a>,
}

impl<'a> Source<'a> {
    /// Returns streams in the order in which they are read, then documents.
    pub(super) fn in_order(
        streams: Vec<(StreamName, &'a mut dyn Read)>,
        documents: Vec<(StreamName, Vec<u8>)>,
    ) -> Vec<Self> {
        let streams = streams.into_iter().map(|(name, reader)| Self { name, reader: Box::new(reader) });
        let documents = documents.into_iter().map(|(name, bytes)| Self { name, reader: Box::new(Cursor::new(bytes)) });
        streams.chain(documents).collect()
    }
}

/// Returns the name under which the archiver stores the source with this index: it stores in the order of names.
pub(super) fn place(index: usize) -> String {
    format!("{index:08}")
}

/// The calling thread's end of one stream.
pub(super) struct Feed<'a> {
    source: Source<'a>,
    pieces: SyncSender<Piece>,
}

/// The archiver's end of one stream.
pub(super) struct FedReader {
    pieces: Receiver<Piece>,
    piece: Cursor<Vec<u8>>,
    has_ended: bool,
}

/// The archiver's end of all streams. The archiver takes each one once.
pub(super) struct Entries(Mutex<Vec<ReadSourceEntry<FedReader>>>);

/// The stream that the archiver no longer accepts; the archiver knows why.
pub(super) struct StoppedStream(pub(super) StreamName);

/// A stream whose reader failed. Its data stored so far belongs to no backup.
#[derive(Debug)]
pub struct FailedStream {
    /// Name of the stream.
    pub name: StreamName,
    /// Error of its reader.
    pub source: io::Error,
}

impl From<FailedStream> for BackupError {
    fn from(FailedStream { name, source }: FailedStream) -> Self {
        Self::Stream { name, source }
    }
}

/// Result of reading all sources.
#[derive(Default)]
pub(super) struct FedStreams {
    /// Streams that were read completely, with their indices.
    pub(super) whole: Vec<(usize, Stream)>,
    /// Streams that failed.
    pub(super) failed: Vec<FailedStream>,
}

/// Connects sources with the archiver.
pub(super) fn connect(sources: Vec<Source<'_>>) -> (Vec<Feed<'_>>, Entries) {
    let (mut feeds, mut entries) = (Vec::new(), Vec::new());
    for (index, source) in sources.into_iter().enumerate() {
        let (sender, receiver) = sync_channel(WAITING_PIECES);
        let path = PathBuf::from(place(index));
        let node = Node::new_node(path.file_name().unwrap_or_default(), NodeType::File, Metadata::default());
        let reader = FedReader { pieces: receiver, piece: Cursor::default(), has_ended: false };
        entries.push(ReadSourceEntry { path, node, open: Some(reader) });
        feeds.push(Feed { source, pieces: sender });
    }
    (feeds, Entries(Mutex::new(entries)))
}

/// Reads every source completely, one after another, and returns the result. A failed source does not prevent the
/// others from being read.
pub(super) fn feed_all(feeds: Vec<Feed<'_>>) -> Result<FedStreams, StoppedStream> {
    let mut fed = FedStreams::default();
    for (index, feed) in feeds.into_iter().enumerate() {
        match feed.feed()? {
            Ok(stream) => fed.whole.push((index, stream)),
            Err(failed) => fed.failed.push(failed),
        }
    }
    Ok(fed)
}

impl Feed<'_> {
    fn feed(mut self) -> Result<Result<Stream, FailedStream>, StoppedStream> {
        let name = self.source.name;
        let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = (&mut self.source.reader).take(PIECE_BYTES as u64).read_to_end(&mut piece);
            // The archiver would fail on the error; no tree will refer to the data stored for this stream.
            let failure = read.err().map(|source| FailedStream { name: name.clone(), source });
            hasher.update(&piece);
            size_bytes += piece.len() as u64;
            let is_end = piece.is_empty() || failure.is_some();
            let piece = if is_end { Piece::End } else { Piece::Bytes(piece) };
            if self.pieces.send(piece).is_err() {
                return Err(StoppedStream(name));
            }
            if let Some(failure) = failure {
                return Ok(Err(failure));
            }
            if is_end {
                return Ok(Ok(Stream { name, size_bytes, sha256: Some(hex::encode(hasher.finalize())) }));
            }
        }
    }
}

impl FedReader {
    /// Reads available bytes; 0 at the end of the stream.
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.has_ended {
            let length = self.piece.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            match self.pieces.recv() {
                Ok(Piece::Bytes(bytes)) => self.piece = Cursor::new(bytes),
                Ok(Piece::End) => self.has_ended = true,
                Err(_) => return Err(io::Error::other("the stream was not read to its end")),
            }
        }
        Ok(0)
    }
}

impl Read for FedReader {
    /// Fills the buffer unless the stream ends: a short read would shrink the chunker's buffer permanently.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 => break,
                length => filled += length,
            }
        }
        Ok(filled)
    }
}

impl ReadSource for Entries {
    type Open = FedReader;
    type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<FedReader>>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let entries = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        entries.into_iter().map(Ok).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reader that delivers one byte at a time.
    struct DrippingReader(Cursor<Vec<u8>>);

    impl Read for DrippingReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn slow_reader_fills_archiver_buffers() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
        let mut dripping = DrippingReader(Cursor::new(bytes.clone()));
        let (feeds, entries) = connect(Source::in_order(vec![("a".parse().unwrap(), &mut dripping)], Vec::new()));
        let mut reader = entries.entries().next().unwrap().unwrap().open.unwrap();
        let fed = std::thread::scope(|scope| {
            let reads = scope.spawn(move || {
                let mut buffer = [0; 4096];
                let mut lengths = Vec::new();
                while lengths.last() != Some(&0) {
                    lengths.push(reader.read(&mut buffer).unwrap());
                }
                lengths
            });
            let streams = feed_all(feeds).ok().unwrap();
            assert_eq!(reads.join().unwrap(), [4096, 4096, 1808, 0]);
            streams
        });
        let [(0, stream)] = &fed.whole[..] else { panic!("{:?}", fed.failed) };
        assert_eq!(stream.size_bytes, 10_000);
        assert_eq!(stream.sha256, Some(hex::encode(Sha256::digest(&bytes))));
    }
}
