//! Files as upstream publishes them: over HTTPS, without credentials, continued by Range where the connection broke.
//!
//! Threats: a server, or whoever sits before it, may send other bytes, change them between two requests, send too many,
//! or lead to a place without TLS. Digest and size decide in the end; where they are not known yet, only bytes of one
//! version are joined, and the lock shows what came.

use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_bundle_spec::{Sha256, codes};
use landfall_media::progress::{Event, Progress};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Response, StatusCode, redirect};
use sha2::Digest as _;

use super::client::{BlobBytes, CONNECT_TIMEOUT, Client, Failure, READ_TIMEOUT, USER_AGENT};
use super::registries::is_loopback;
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;

const REDIRECTS: usize = 10;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// SHA-256 of its bytes.
    pub digest: Sha256,
    /// Its bytes.
    pub size: u64,
}

/// A file whose bytes come.
struct OpenFile {
    bytes: BlobBytes,
    /// Bytes of the whole file, where the server says.
    total: Option<u64>,
    /// What tells this version of the file from others, where the server says.
    version: Option<String>,
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
        Ok(self.file(url, offset, None).await?.and_then(|open| match open.total {
            Some(total) if total != size => {
                let what = format!("{total} bytes where the lock says {size}");
                Err(Failure::Final(codes::FETCH_MISMATCH, what.into()))
            }
            _ => Ok(open.bytes),
        }))
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
        let web = self.web.get_or_try_init(|| async { web() }).await?;
        let mut request = web.get(address).header(ACCEPT_ENCODING, "identity");
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
            if let Some(version) = version {
                request = request.header(IF_RANGE, version);
            }
        }
        Ok(match request.send().await {
            Ok(response) => opened(response, offset),
            // A way that may not be gone will not become one that may.
            Err(error) if error.is_redirect() => Err(Failure::Final(codes::FETCH_FAILED, error.into())),
            Err(error) => Err(Failure::Transient(error.into())),
        })
    }
}

fn web() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::custom(follow))
        .build()
        .map_err(|error| BuildError::new(codes::FETCH_FAILED, "cannot speak HTTPS").because(error))
}

/// Follows to HTTPS; without TLS only from a place without TLS, on the same host or on this machine.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(format!("there are more than {REDIRECTS} redirections"));
    }
    let to = attempt.url().clone();
    let plain_before = attempt.previous().last().filter(|from| from.scheme() == "http");
    let allowed = match to.scheme() {
        "https" => true,
        "http" => {
            plain_before.is_some_and(|from| from.host_str() == to.host_str() || to.host_str().is_some_and(is_loopback))
        }
        _ => false,
    };
    if allowed { attempt.follow() } else { attempt.error(format!("it leads to {to}, which is not HTTPS")) }
}

fn opened(response: Response, offset: u64) -> std::result::Result<OpenFile, Failure> {
    let status = response.status();
    let version = version(response.headers());
    let (resumed, total) = match status {
        StatusCode::OK => (offset == 0, response.content_length()),
        StatusCode::PARTIAL_CONTENT => (true, Some(range_total(response.headers(), offset)?)),
        _ => return Err(failure(status)),
    };
    let stream = response.bytes_stream().map_err(std::io::Error::other).boxed();
    Ok(OpenFile { bytes: BlobBytes { resumed, stream }, total, version })
}

/// A strong tag, else the time of the last change.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Bytes of the whole file from `Content-Range: bytes 5-9/10`, which must begin where it was asked to.
fn range_total(headers: &HeaderMap, offset: u64) -> std::result::Result<u64, Failure> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let total = text
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
        .filter(|(range, _)| range.split_once('-').is_some_and(|(from, _)| from.parse() == Ok(offset)))
        .and_then(|(_, total)| total.parse().ok());
    total.ok_or_else(|| {
        let what = format!("the range `{}` where the bytes from {offset} on were asked for", text.escape_default());
        Failure::Final(codes::FETCH_FAILED, what.into())
    })
}

fn failure(status: StatusCode) -> Failure {
    let cause = format!("it answers {status}").into();
    match status.as_u16() {
        404 | 410 => Failure::Final(codes::FILE_MISSING, cause),
        401 | 403 => Failure::Final(codes::CREDENTIALS_REFUSED, cause),
        416 => Failure::Final(codes::FETCH_MISMATCH, cause),
        408 | 429 | 500.. => Failure::Transient(cause),
        _ => Failure::Final(codes::FETCH_FAILED, cause),
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
