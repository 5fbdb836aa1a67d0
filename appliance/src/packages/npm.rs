//! Registry of npm packages: documents, and tarballs. A document is built from each tarball's `package.json` on
//! request, within limits, and only from files whose digest matches the list.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use landfall_bundle_spec::Sha256;
use landfall_packages::Folder;
use landfall_packages::http::{NpmForm, negotiate_npm, tag_of};
use landfall_packages::npm::{NpmPackage, Packument, Registry, Request, Versions, base, manifest, package_json_of};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::files::unreadable;
use super::router::{Npm, negotiated_response, text};

/// Maximum size of all documents being sent at one time, in KiB. A slow client cannot use up the memory of the others.
const ROOM_KIB: usize = 16 << 10;

/// Returns the room for documents.
pub fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ROOM_KIB))
}

/// Handles `GET /npm/…`. Clients that replace only the host of an address request tarballs of the package `npm` here,
/// without the address's `/npm`.
pub async fn registry(State(served): State<Npm>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let below_npm = format!("npm/{path}");
    let own = || Request::read(&below_npm).filter(|request| matches!(request, Request::Tarball(..)));
    answer(&served, Request::read(&path).or_else(own), &headers).await
}

/// Handles `GET /…` for tarballs only. Clients that replace the host of an address in a lock keep its path, which has
/// no `/npm` at a public registry.
pub async fn tarball(State(served): State<Npm>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let request = Request::read(&path).filter(|request| matches!(request, Request::Tarball(..)));
    answer(&served, request, &headers).await
}

async fn answer(served: &Npm, request: Option<Request<'_>>, headers: &HeaderMap) -> Response {
    let registry = &served.registry;
    let found = match request {
        Some(Request::Ping) => return json(StatusCode::OK, "{}"),
        Some(Request::Tarball(name, file)) => match registry.file(name, file) {
            Some(package) => return served.files.send(package.into(), headers).await,
            None => None,
        },
        Some(Request::Version(name, version)) => version_of(registry, name, version),
        Some(Request::Packument(name)) => registry.versions(name).map(|_| DocumentSubject::All(name.to_owned())),
        None => None,
    };
    let Some(wanted) = found else {
        return json(StatusCode::NOT_FOUND, r#"{"error":"the registry does not have this"}"#);
    };
    let Some(base) = text(headers, header::HOST).and_then(|host| base(&host)) else {
        return json(StatusCode::BAD_REQUEST, r#"{"error":"the header Host is not the name of a host"}"#);
    };
    let form = negotiate_npm(text(headers, header::ACCEPT).as_deref());
    document(served, wanted, RequestedForm { form, base }, headers).await
}

fn version_of(registry: &Registry, name: &str, version: &str) -> Option<DocumentSubject> {
    Some(DocumentSubject::One(registry.versions(name)?.version(version)?.clone()))
}

/// Subject of a document.
enum DocumentSubject {
    /// All versions of a package with this name.
    All(String),
    /// One version.
    One(NpmPackage),
}

/// The form of document that a client wants.
struct RequestedForm {
    form: NpmForm,
    base: String,
}

async fn document(served: &Npm, wanted: DocumentSubject, asked: RequestedForm, headers: &HeaderMap) -> Response {
    let (registry, form) = (served.registry.clone(), asked.form);
    let subject = match &wanted {
        DocumentSubject::All(name) => name.clone(),
        DocumentSubject::One(package) => package.path.clone(),
    };
    let made = served.files.look(move |folder| match wanted {
        DocumentSubject::All(name) => {
            registry.versions(&name).map_or(Ok(String::new()), |found| all(folder, found, &asked))
        }
        DocumentSubject::One(package) => one(folder, &package, &asked),
    });
    let held = match made.await {
        Ok((text, _until_there_is_room)) => hold_text(&served.room, text).await,
        Err(error) => return unreadable(&subject, &error),
    };
    let Ok(held) = held else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    negotiated_response(headers, tag_of(Sha256::of(&held)), form.media_type(), held)
}

fn all(folder: &Folder, versions: &Versions, asked: &RequestedForm) -> io::Result<String> {
    let mut packument = Packument::begin(versions, asked.form);
    for package in versions.packages() {
        packument.add(package, &one(folder, package, asked)?).map_err(io::Error::other)?;
    }
    Ok(packument.end())
}

fn one(folder: &Folder, package: &NpmPackage, asked: &RequestedForm) -> io::Result<String> {
    let failed = |error| io::Error::other(format!("{}: {error}", package.path));
    let file = folder.file(&package.path, package.size).map_err(failed)?;
    let package_json = package_json_of(package, file).map_err(io::Error::other).map_err(failed)?;
    manifest(package, &package_json, asked.form, &asked.base).map_err(io::Error::other).map_err(failed)
}

/// A text with its room, which is released after the last byte was sent.
struct HeldText {
    text: String,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for HeldText {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

async fn hold_text(room: &Arc<Semaphore>, text: String) -> Result<Bytes, tokio::sync::AcquireError> {
    let kib = u32::try_from((text.len() >> 10) + 1).unwrap_or(u32::MAX);
    let room = room.clone().acquire_many_owned(kib).await?;
    Ok(Bytes::from_owner(HeldText { text, _room: room }))
}

fn json(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, NpmForm::Full.media_type())], text).into_response()
}
