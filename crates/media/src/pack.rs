//! Building: writes a bundle to a stick from a signed head and a store, or a delta of it from a bundle. Each byte of
//! the source is read once. Each byte of the result is written once and read back once; nothing is written anywhere
//! else.

use std::io::Write;
use std::path::Path;

use landfall_bundle_spec::padding_bytes;

use crate::bundle::BundleMedia;
use crate::contents::Contents;
use crate::copy::copy;
use crate::counters::Counters;
use crate::error::{MediaError, Result};
use crate::parts::{Output, PartWriter, Parts, PlannedFiles, WrittenFile};
use crate::payload::Payload;
use crate::progress::{Event, Progress};
use crate::sink::BlobSink;
use crate::source::{BlobSource, BundleSource, StoreSource};
use crate::store::ContentStore;
use crate::verify::verify;

/// Writes a bundle, syncs it and reads it back from the stick; only then do its files get their names. All blobs of
/// `payload` must be in the store, including `landfall`, `oci-layout` and `index.json`. Returns the files in the order
/// of the stream, then the small files.
pub fn pack(
    payload: &Payload,
    store: &ContentStore,
    output: Output<'_>,
    media: &Counters,
    progress: &dyn Progress,
) -> Result<Vec<WrittenFile>> {
    let planned = PlannedFiles::of_bundle(payload, output.part_bytes)?;
    let mut source = StoreSource::new(store, payload.clone());
    write(&mut source, &Contents::all_blobs(payload), planned, output, media, progress)
}

/// Writes a delta of a bundle that is on its media, with the blobs in `contents`. Otherwise like [`pack`].
pub fn pack_delta(
    bundle: &BundleMedia,
    contents: &Contents,
    output: Output<'_>,
    media: &Counters,
    progress: &dyn Progress,
) -> Result<Vec<WrittenFile>> {
    let planned = PlannedFiles::of_delta(bundle.payload(), contents, output.part_bytes)?;
    write(&mut BundleSource::new(bundle), contents, planned, output, media, progress)
}

fn write(
    source: &mut dyn BlobSource,
    contents: &Contents,
    planned: PlannedFiles,
    output: Output<'_>,
    media: &Counters,
    progress: &dyn Progress,
) -> Result<Vec<WrittenFile>> {
    let payload = &source.payload().clone();
    let head = payload.verified_head().head_bytes();
    let writer = PartWriter::create(&output, payload, planned, media.clone())?;
    let stream = PartsStream { writer: Some(writer), parts: None };
    let mut sink = BundleSink::begin(payload, contents.clone(), stream)?;
    copy(source, &mut sink, "writing the bundle", progress)?;
    let parts = sink.into_stream().parts.ok_or_else(|| MediaError::Bug("the parts were not finished".to_owned()))?;
    let written = parts.read_back(payload, contents)?;
    if !written.is_past_cache() {
        let what = "The filesystem of the stick cannot be read past the kernel's cache. Unplug the stick, plug it in \
                    again, and run `landfall verify` on it.";
        progress.event(Event::Note(what.to_owned()));
    }
    // Not earlier: a stick that is smaller than it claims can be detected only after all bytes were written.
    verify(&written, "reading back", progress)?;
    let files = parts.publish(head, output.others)?;
    progress.event(Event::SafeToRemove);
    Ok(files)
}

/// Writes a bundle as one stream, for example to a pipe. Nothing can be synced or read back there.
pub fn pack_to_stream(
    payload: &Payload,
    store: &ContentStore,
    stream: &mut dyn Write,
    media: &Counters,
    progress: &dyn Progress,
) -> Result<()> {
    let output = Plain { stream, media: media.clone() };
    let mut sink = BundleSink::begin(payload, Contents::all_blobs(payload), output)?;
    copy(&mut StoreSource::new(store, payload.clone()), &mut sink, "writing the bundle", progress)?;
    Ok(())
}

/// An append-only stream.
pub trait BundleStream {
    /// Appends bytes. Returns how many more bytes than before are on the disk, or as safe as they can be.
    fn append(&mut self, bytes: &[u8]) -> Result<u64>;

    /// Ends the stream, with the same kind of result.
    fn end(&mut self) -> Result<u64>;
}

/// A sink that writes a new bundle or delta: adds headers and padding around the blobs, in the order of the head.
#[derive(Debug)]
pub struct BundleSink<S> {
    payload: Payload,
    contents: Contents,
    stream: S,
    /// Position in the contents of the blob whose chunks come next, and the number of its bytes taken so far.
    next: (usize, u64),
    /// Bytes of the head that are on the disk but were not yet reported.
    unreported: u64,
}

impl<S: BundleStream> BundleSink<S> {
    /// Begins the stream with the head. The blobs in `contents` follow.
    pub fn begin(payload: &Payload, contents: Contents, mut stream: S) -> Result<Self> {
        let unreported = stream.append(payload.verified_head().head_bytes())?;
        Ok(Self { payload: payload.clone(), contents, stream, next: (0, 0), unreported })
    }

    /// Returns the stream, after [`BlobSink::finish`].
    pub fn into_stream(self) -> S {
        self.stream
    }
}

impl<S: BundleStream> BlobSink for BundleSink<S> {
    fn total_bytes(&self) -> u64 {
        // Blobs that are left out count as present.
        self.contents.stream_bytes(&self.payload) + self.contents.left_out_bytes(&self.payload)
    }

    fn wants(&mut self, blob: usize) -> Result<Option<u64>> {
        Ok(self.contents.has(blob).then_some(0))
    }

    fn take(&mut self, blob: usize, chunk: &[u8]) -> Result<u64> {
        let placed = &self.payload.layout().entries()[blob];
        let (next, taken) = self.next;
        if self.contents.blobs().get(next) != Some(&blob) {
            return Err(MediaError::Bug(format!("blob {blob} arrived in place {next}")));
        }
        let mut synced = std::mem::take(&mut self.unreported);
        if taken == 0 {
            synced += self.stream.append(&placed.header())?;
        }
        synced += self.stream.append(chunk)?;
        self.next.1 += chunk.len() as u64;
        if self.next.1 == placed.size {
            let padding = usize::try_from(padding_bytes(placed.size)).unwrap_or(0);
            synced += self.stream.append(&[0; 512][..padding])?;
            self.next = (next + 1, 0);
        }
        Ok(synced)
    }

    fn finish(&mut self) -> Result<u64> {
        if self.next.0 != self.contents.blobs().len() {
            return Err(MediaError::Bug(format!("the bundle ends before the blob in place {}", self.next.0)));
        }
        let end = self.payload.layout().segments().last().map_or(0, |end| end.length);
        let synced = self.stream.append(&vec![0; usize::try_from(end).unwrap_or(0)])?;
        Ok(synced + self.stream.end()?)
    }
}

struct PartsStream {
    writer: Option<PartWriter>,
    parts: Option<Parts>,
}

impl BundleStream for PartsStream {
    fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let ended = || MediaError::Bug("the stream has ended".to_owned());
        self.writer.as_mut().ok_or_else(ended)?.write(bytes)
    }

    fn end(&mut self) -> Result<u64> {
        self.parts = self.writer.take().map(PartWriter::finish).transpose()?;
        Ok(0)
    }
}

struct Plain<'a> {
    stream: &'a mut dyn Write,
    media: Counters,
}

impl BundleStream for Plain<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        self.stream.write_all(bytes).map_err(|error| MediaError::io("write", Path::new("the output stream"), error))?;
        self.media.add_written(bytes.len());
        Ok(bytes.len() as u64)
    }

    fn end(&mut self) -> Result<u64> {
        self.stream.flush().map_err(|error| MediaError::io("write", Path::new("the output stream"), error))?;
        Ok(0)
    }
}
