//! Wheels and their `METADATA`.

use std::io;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use landfall_bundle_spec::Sha256;
use landfall_packages::http::{has_already, tag_of};
use landfall_packages::{FileReader, Wheel, metadata_of};

use super::files::{Files, unreadable};
use super::router::{Wheels, not_found, text};

/// Suffix of a wheel's name that requests its `METADATA`.
const METADATA: &str = ".metadata";

const TEXT: &str = "text/plain; charset=utf-8";

/// Handles `GET /files/NAME` and `GET /files/NAME.metadata`.
pub async fn file(State(served): State<Wheels>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Some(wheel) = served.index.wheel(&name) {
        return served.files.send(wheel.into(), &headers).await;
    }
    match name.strip_suffix(METADATA).and_then(|name| served.index.wheel(name)) {
        Some(wheel) => metadata(&served.files, wheel, &headers).await,
        None => not_found(),
    }
}

/// Responds with the `METADATA` of a wheel, which must match the list.
async fn metadata(files: &Files, wheel: &Wheel, headers: &HeaderMap) -> Response {
    let tag = tag_of(wheel.metadata);
    if has_already(text(headers, header::IF_NONE_MATCH).as_deref(), &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    match read_metadata(files, wheel).await {
        Ok(bytes) => ([(header::ETAG, tag), (header::CONTENT_TYPE, TEXT.to_owned())], bytes).into_response(),
        Err(error) => unreadable(&wheel.path, &error),
    }
}

async fn read_metadata(files: &Files, wheel: &Wheel) -> io::Result<Vec<u8>> {
    let (path, size, wanted) = (wheel.path.clone(), wheel.size, wheel.metadata);
    let read = files.look(move |folder| {
        let file = folder.file(&path, size)?;
        let bytes = metadata_of(FileReader::from(file), size).map_err(io::Error::other)?;
        if Sha256::of(&bytes) != wanted {
            return Err(io::Error::other("its METADATA is not what the list says"));
        }
        Ok(bytes)
    });
    Ok(read.await?.0)
}
