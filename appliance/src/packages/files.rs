//! Files of a list, completely and in parts. A name is looked up in the list, never turned into a path.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use landfall_bundle_spec::Sha256;
use landfall_packages::http::{Part, has_already, part, tag_of};
use landfall_packages::npm::NpmPackage;
use landfall_packages::{Folder, Wheel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::router::text;

const BINARY: &str = "application/octet-stream";

/// Number of bytes of a file buffered per connection.
const PIECE: usize = 64 << 10;

/// Maximum number of archives read at the same time. Together with the limits on each, this bounds the memory.
const ARCHIVES: usize = 4;

/// A file of a list.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// Path in the folder.
    pub path: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
}

impl From<&Wheel> for ListedFile {
    fn from(wheel: &Wheel) -> Self {
        Self { path: wheel.path.clone(), sha256: wheel.sha256, size: wheel.size }
    }
}

impl From<&NpmPackage> for ListedFile {
    fn from(package: &NpmPackage) -> Self {
        Self { path: package.path.clone(), sha256: package.sha256, size: package.size }
    }
}

/// Folder with all served files.
#[derive(Debug, Clone)]
pub struct Files {
    folder: Arc<Folder>,
    archives: Arc<Semaphore>,
}

/// Slot for reading archives, for as long as it is held.
pub type Place = OwnedSemaphorePermit;

impl Files {
    /// Creates the files of a folder.
    pub fn new(folder: Folder) -> Self {
        Self { folder: Arc::new(folder), archives: Arc::new(Semaphore::new(ARCHIVES)) }
    }

    /// Responds with the bytes of a file, or a part of them.
    pub async fn send(&self, listed: ListedFile, headers: &HeaderMap) -> Response {
        let tag = tag_of(listed.sha256);
        if has_already(text(headers, header::IF_NONE_MATCH).as_deref(), &tag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        let (wanted, only_of) = (text(headers, header::RANGE), text(headers, header::IF_RANGE));
        let (status, range) = match part(wanted.as_deref(), only_of.as_deref(), &tag, listed.size) {
            Part::Whole => (StatusCode::OK, 0..listed.size),
            Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
            Part::Beyond => {
                let size = format!("bytes */{}", listed.size);
                return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, size)]).into_response();
            }
        };
        let (folder, path, size) = (self.folder.clone(), listed.path.clone(), listed.size);
        match run_blocking(move || folder.file(&path, size)).await {
            Ok(file) => answer(status, file, range, listed.size, tag),
            Err(error) => unreadable(&listed.path, &error),
        }
    }

    /// Runs work on files of the folder, in one of the slots for reading archives. The slot is held until it is
    /// dropped.
    pub async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> io::Result<(T, Place)> {
        let place = self.archives.clone().acquire_owned().await.map_err(io::Error::other)?;
        let folder = self.folder.clone();
        run_blocking(move || Ok((work(&folder)?, place))).await
    }
}

fn answer(status: StatusCode, file: File, range: Range<u64>, size: u64, tag: String) -> Response {
    let mut response = (status, pieces(Arc::new(file), range.clone())).into_response();
    let mut set = |name, value: String| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, BINARY.to_owned());
    set(header::ETAG, tag);
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    set(header::CONTENT_LENGTH, (range.end - range.start).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    response
}

/// Runs work on files on a thread that may wait for the disk.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Returns part of a file, piece by piece. A file that has become shorter ends the connection, so that the client
/// notices.
fn pieces(file: Arc<File>, range: Range<u64>) -> Body {
    let pieces = stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let (reading, length) = (file.clone(), usize::try_from(range.end - range.start).unwrap_or(PIECE).min(PIECE));
        let piece = run_blocking(move || {
            let mut piece = vec![0; length];
            reading.read_exact_at(&mut piece, range.start)?;
            Ok(piece)
        });
        let piece = Bytes::from(piece.await?);
        let rest = range.start + piece.len() as u64..range.end;
        Ok::<_, io::Error>(Some((piece, (file, rest))))
    });
    Body::from_stream(pieces)
}

/// Responds that a listed file is missing or changed, so that a client takes no other file for it.
pub fn unreadable(path: &str, error: &io::Error) -> Response {
    tracing::error!(file = path, %error, "a listed file cannot be read");
    (StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read; the log of the index says why.\n").into_response()
}
