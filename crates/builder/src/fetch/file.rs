//! Files that upstream publishes over HTTPS, resumed by Range after a broken connection.
//!
//! Threats: a server, or an attacker in front of it, may send other bytes, change them between two requests, or send
//! bytes without end. Digest and size decide in the end. If they are not known yet, only bytes of one version are
//! joined, the length is limited, and the lock shows what was received.

use std::io;

use bytes::{Buf as _, Bytes};
use futures_util::TryStreamExt as _;
use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::chunks::BlobSums;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::ContentStore;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use super::ask::{FileRequest, RequestTarget};
use super::blob::PIECES_IN_FLIGHT;
use super::client::{BlobBytes, Client, Failure};
use super::web::{self, OpenFile};
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;

/// Maximum bytes of a file whose size neither its server nor the lock states.
const UNSIZED_BYTES: u64 = 16 << 30;

/// Digest and size of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredFile {
    /// SHA-256 of the file.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// A page of a package index.
#[derive(Debug, Clone)]
pub(crate) struct IndexPage {
    /// Body of the response.
    pub bytes: Vec<u8>,
    /// Media type that the server states, in lower case and without parameters.
    pub media_type: String,
    /// Base of its links: the URL of the page, or the target of a redirect.
    pub base: Url,
}

impl Client {
    /// Reads a file once for its digest and size. On return it is in the store and synced to disk.
    pub async fn measure(&self, url: &FileUrl, store: &ContentStore, progress: &dyn Progress) -> Result<MeasuredFile> {
        self.measure_request(FileRequest::file(url), store, progress).await
    }

    /// Like [`measure`](Self::measure), for any kind of request.
    pub(crate) async fn measure_request(
        &self,
        asked: FileRequest<'_>,
        store: &ContentStore,
        progress: &dyn Progress,
    ) -> Result<MeasuredFile> {
        let url = asked.url;
        let host = self.server(url)?;
        let mut seen = PartialFile::new(store);
        let mut tries = self.tries();
        loop {
            // Bytes are joined only if the server guarantees that they belong to the same version.
            if seen.length > 0 && seen.version.is_none() {
                seen = PartialFile::new(store);
            }
            let offset = seen.length;
            if offset > 0 {
                progress.event(Event::Note(format!("resuming {url} at byte {offset} by Range")));
            }
            let failure = match self.file(asked, offset, seen.version.as_deref()).await? {
                Ok(open) => match seen.take(open, store, progress).await {
                    Ok(()) => return seen.finish().await,
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            let arrived = seen.length.saturating_sub(offset);
            if seen.version.is_some() && Failure::is_after_progress(Some(&failure), arrived) {
                tries = self.tries();
            }
            self.pause_or_give_up(&host, &format!("the file {url}"), failure, &mut tries, progress).await?;
        }
    }

    /// Reads a small file with unknown content into memory.
    pub(crate) async fn document(
        &self,
        asked: FileRequest<'_>,
        limit_bytes: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>> {
        let ask = async || {
            Ok(match self.request(asked, None).await? {
                Ok(response) => web::read(response, limit_bytes, self.longest_stall(), codes::FILE_MISSING).await,
                Err(failure) => Err(failure),
            })
        };
        self.answer(&self.server(asked.url)?, &format!("the file {}", asked.url), progress, ask).await
    }

    /// A page of a package index; `url` is its URL without a trailing `/`.
    pub(crate) async fn page(&self, url: &FileUrl, limit_bytes: usize, progress: &dyn Progress) -> Result<IndexPage> {
        let asked = FileRequest { url, of: RequestTarget::Index };
        let address = self.address(asked)?;
        let ask = async || {
            let response = match self.request(asked, None).await? {
                Ok(response) => response,
                Err(failure) => return Ok(Err(failure)),
            };
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
            let media_type = media_type.trim().to_ascii_lowercase();
            let mut base = response.url().clone();
            if base == address {
                base = url.as_url().clone();
                base.set_path(&format!("{}/", url.path()));
            }
            let bytes = web::read(response, limit_bytes, self.longest_stall(), codes::FILE_MISSING).await;
            Ok(bytes.map(|bytes| IndexPage { bytes, media_type, base }))
        };
        self.answer(&self.server(url)?, &format!("the page {url}/"), progress, ask).await
    }

    /// Size of a published file in bytes, if its server states it; does not read the file.
    pub(crate) async fn published_size(&self, asked: FileRequest<'_>, progress: &dyn Progress) -> Result<Option<u64>> {
        let ask = async || Ok(self.file(asked, 0, None).await?.map(|open| open.total));
        self.answer(&self.server(asked.url)?, &format!("the file {}", asked.url), progress, ask).await
    }

    /// Opens a file of pinned size at an offset, which the server may ignore.
    pub(super) async fn pinned_file(
        &self,
        asked: FileRequest<'_>,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        Ok(self.file(asked, offset, None).await?.and_then(|open| open.of_size(size)))
    }

    /// Returns an error for a URL from which files must not be fetched.
    pub(crate) fn check_address(&self, url: &FileUrl) -> Result<()> {
        self.registries.file(url).map(drop)
    }

    /// Server of a file, for messages.
    pub(super) fn server(&self, url: &FileUrl) -> Result<String> {
        Ok(web::authority(&self.registries.file(url)?))
    }

    async fn file(
        &self,
        asked: FileRequest<'_>,
        offset: u64,
        version: Option<&str>,
    ) -> Result<std::result::Result<OpenFile, Failure>> {
        let rest = (offset > 0).then_some((offset, version));
        Ok(match self.request(asked, rest).await? {
            Ok(response) => web::open_body(response, offset, self.longest_stall(), codes::FILE_MISSING).await,
            Err(failure) => Err(failure),
        })
    }
}

/// Bytes of a file that were read so far, on their way to the store.
struct PartialFile {
    pieces: mpsc::Sender<Bytes>,
    writer: JoinHandle<landfall_media::Result<BlobSums>>,
    length: u64,
    version: Option<String>,
}

impl PartialFile {
    fn new(store: &ContentStore) -> Self {
        let (pieces, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
        let store = store.clone();
        let mut reader = Pieces { receiver, current: Bytes::new(), is_ended: false };
        let writer = tokio::task::spawn_blocking(move || store.ingest(&mut reader, None));
        Self { pieces, writer, length: 0, version: None }
    }

    /// Reads until the end, until the connection breaks, or until the size limit is exceeded.
    async fn take(
        &mut self,
        open: OpenFile,
        store: &ContentStore,
        progress: &dyn Progress,
    ) -> std::result::Result<(), Failure> {
        let OpenFile { bytes: BlobBytes { resumed, mut stream }, total, version } = open;
        if !resumed && self.length > 0 {
            *self = Self::new(store);
        } else if self.length > 0 && self.version != version {
            self.version = None;
            return Err(Failure::transient("the file changed between two requests"));
        }
        self.version = version;
        let limit = total.unwrap_or(UNSIZED_BYTES);
        while let Some(piece) = stream.try_next().await.map_err(Failure::from_body_error)? {
            let length = piece.len() as u64;
            if self.length.saturating_add(length) > limit {
                return Err(Failure::Final(codes::BODY_TOO_LONG, format!("more than {limit} bytes").into()));
            }
            if !piece.is_empty() && self.pieces.send(piece).await.is_err() {
                // The writer failed: its error is reported when its result is requested.
                return Ok(());
            }
            self.length += length;
            progress.event(Event::Advanced { bytes: length });
        }
        match total {
            Some(total) if total != self.length => {
                Err(Failure::transient(io::Error::from(io::ErrorKind::UnexpectedEof)))
            }
            _ => Ok(()),
        }
    }

    async fn finish(self) -> Result<MeasuredFile> {
        // Only a complete file ends with an empty piece; one that is dropped earlier is not kept.
        let _ = self.pieces.send(Bytes::new()).await;
        let sums = self
            .writer
            .await
            .map_err(|error| BuildError::new(codes::BUG, "a thread that writes a file died").because(error))??;
        Ok(MeasuredFile { digest: sums.sha256, size: sums.size })
    }
}

/// Pieces of a file as a reader; an empty piece ends the file.
struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
    is_ended: bool,
}

impl io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_ended {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            self.is_ended = self.current.is_empty();
        }
        let count = buffer.len().min(self.current.len());
        self.current.split_to(count).copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
