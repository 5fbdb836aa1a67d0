//! Wheels and their `METADATA`. A name is looked up in the list, never made into a path.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use landfall_bundle_spec::Sha256;
use landfall_packages::http::{Part, has_already, part, tag_of};
use landfall_packages::{FileReader, Wheel, metadata_of};

use super::router::{Served, not_found, text};

/// What follows the name of a wheel where its `METADATA` is meant.
const METADATA: &str = ".metadata";

const BINARY: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// Bytes of a file that are held for one connection.
const PIECE: usize = 64 << 10;

/// `GET /files/NAME` and `GET /files/NAME.metadata`.
pub async fn file(State(served): State<Served>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Some(wheel) = served.index.wheel(&name) {
        return bytes_of(&served, wheel, &headers).await;
    }
    match name.strip_suffix(METADATA).and_then(|name| served.index.wheel(name)) {
        Some(wheel) => metadata(&served, wheel, &headers).await,
        None => not_found(),
    }
}

/// The bytes of a wheel, or a part of them.
async fn bytes_of(served: &Served, wheel: &Wheel, headers: &HeaderMap) -> Response {
    let tag = tag_of(wheel.sha256);
    if has_already(text(headers, header::IF_NONE_MATCH).as_deref(), &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let (wanted, only_of) = (text(headers, header::RANGE), text(headers, header::IF_RANGE));
    let (status, range) = match part(wanted.as_deref(), only_of.as_deref(), &tag, wheel.size) {
        Part::Whole => (StatusCode::OK, 0..wheel.size),
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Beyond => {
            let size = format!("bytes */{}", wheel.size);
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, size)]).into_response();
        }
    };
    let opened = open(served, wheel).await;
    let file = match opened {
        Ok(file) => file,
        Err(error) => return unreadable(wheel, &error),
    };
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
        set(header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, wheel.size));
    }
    response
}

async fn open(served: &Served, wheel: &Wheel) -> io::Result<File> {
    let (folder, path, size) = (served.folder.clone(), wheel.path.clone(), wheel.size);
    aside(move || folder.file(&path, size)).await
}

/// Work on files, on a thread that may wait for the disk.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A part of a file, piece by piece. A file that has become shorter ends the connection, so that the client sees it.
fn pieces(file: Arc<File>, range: Range<u64>) -> Body {
    let pieces = stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let (reading, length) = (file.clone(), usize::try_from(range.end - range.start).unwrap_or(PIECE).min(PIECE));
        let piece = aside(move || {
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

/// The `METADATA` of a wheel, which must be what the list says.
async fn metadata(served: &Served, wheel: &Wheel, headers: &HeaderMap) -> Response {
    let tag = tag_of(wheel.metadata);
    if has_already(text(headers, header::IF_NONE_MATCH).as_deref(), &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    match read_metadata(served, wheel).await {
        Ok(bytes) => ([(header::ETAG, tag), (header::CONTENT_TYPE, TEXT.to_owned())], bytes).into_response(),
        Err(error) => unreadable(wheel, &error),
    }
}

async fn read_metadata(served: &Served, wheel: &Wheel) -> io::Result<Vec<u8>> {
    let place = served.archives.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (folder, path, size, wanted) = (served.folder.clone(), wheel.path.clone(), wheel.size, wheel.metadata);
    aside(move || {
        let _until_read = place;
        let file = folder.file(&path, size)?;
        let bytes = metadata_of(FileReader::from(file), size).map_err(io::Error::other)?;
        if Sha256::of(&bytes) != wanted {
            return Err(io::Error::other("its METADATA is not what the list says"));
        }
        Ok(bytes)
    })
    .await
}

/// A wheel that was listed and is not there as it was: a client takes no other for it.
fn unreadable(wheel: &Wheel, error: &io::Error) -> Response {
    tracing::error!(wheel = wheel.path, %error, "a wheel cannot be read");
    (StatusCode::INTERNAL_SERVER_ERROR, "The wheel cannot be read; the log of the index says why.\n").into_response()
}
