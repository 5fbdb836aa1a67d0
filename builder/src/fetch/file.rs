//! Files as upstream publishes them: over HTTPS, without credentials, continued by Range where the connection broke.
//!
//! Threats: a server, or whoever sits before it, may send other bytes, change them between two requests, or send too
//! many. Digest and size decide in the end; where they are not known yet, only bytes of one version are joined, and the
//! lock shows what came.

use futures_util::TryStreamExt as _;
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use reqwest::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use sha2::Digest as _;

use super::client::{BlobBytes, Client, Failure};
use super::web::{self, OpenFile};
use crate::error::Result;
use crate::file_url::FileUrl;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// SHA-256 of its bytes.
    pub digest: Sha256,
    /// Its bytes.
    pub size: u64,
}

impl Client {
    /// Reads a file once for its digest and size; nothing of it is kept.
    pub async fn measure(&self, url: &FileUrl, progress: &dyn Progress) -> Result<Measured> {
        let host = self.server(url)?;
        let mut seen = Seen::default();
        let mut failures = 0;
        loop {
            // Bytes are only joined where the server promises that they belong together.
            if seen.version.is_none() {
                seen = Seen::default();
            }
            let offset = seen.length;
            if offset > 0 {
                progress.event(Event::Note(format!("resuming {url} at byte {offset} by Range")));
            }
            let failure = match self.file(url, offset, seen.version.as_deref()).await? {
                Ok(open) => match seen.take(open, progress).await {
                    Ok(()) => return Ok(seen.measured()),
                    Err(error) => Failure::Transient(error.into()),
                },
                Err(failure) => failure,
            };
            let advanced = seen.version.is_some() && seen.length > offset;
            failures = if advanced { 1 } else { failures + 1 };
            self.pause_or_give_up(&host, &format!("the file {url}"), failure, failures, progress).await?;
        }
    }

    /// Opens a file of pinned size at a byte; the server may ignore where.
    pub(super) async fn pinned_file(
        &self,
        url: &FileUrl,
        size: u64,
        offset: u64,
    ) -> Result<std::result::Result<BlobBytes, Failure>> {
        Ok(self.file(url, offset, None).await?.and_then(|open| open.of_size(size)))
    }

    /// Who is asked for a file, for messages.
    pub(super) fn server(&self, url: &FileUrl) -> Result<String> {
        let address = self.registries.file(url)?;
        let name = address.host_str().unwrap_or_default();
        Ok(address.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
    }

    async fn file(
        &self,
        url: &FileUrl,
        offset: u64,
        version: Option<&str>,
    ) -> Result<std::result::Result<OpenFile, Failure>> {
        let address = self.registries.file(url)?;
        let mut request = self.web().await?.get(address).header(ACCEPT_ENCODING, "identity");
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
            if let Some(version) = version {
                request = request.header(IF_RANGE, version);
            }
        }
        Ok(match web::send(request).await {
            Ok(response) => web::opened(response, offset, codes::FILE_MISSING).await,
            Err(failure) => Err(failure),
        })
    }
}

/// What was read of a file.
#[derive(Default)]
struct Seen {
    hasher: sha2::Sha256,
    length: u64,
    version: Option<String>,
}

impl Seen {
    /// Reads on until the end, or until the connection breaks.
    async fn take(&mut self, open: OpenFile, progress: &dyn Progress) -> std::io::Result<()> {
        let OpenFile { bytes: BlobBytes { resumed, mut stream }, total, version } = open;
        if !resumed {
            *self = Self::default();
        } else if self.length > 0 && self.version != version {
            self.version = None;
            return Err(std::io::Error::other("the file changed in between"));
        }
        self.version = version;
        while let Some(piece) = stream.try_next().await? {
            self.hasher.update(&piece);
            self.length += piece.len() as u64;
            progress.event(Event::Advanced { bytes: piece.len() as u64 });
        }
        match total {
            Some(total) if total != self.length => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn measured(self) -> Measured {
        Measured { digest: Sha256(self.hasher.finalize().into()), size: self.length }
    }
}
