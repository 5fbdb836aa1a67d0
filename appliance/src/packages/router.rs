//! Routes of the index, and the layers around every request, outermost last.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use landfall_packages::http::has_already;
use landfall_packages::npm::Registry;
use landfall_packages::{Folder, Index};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::files::Files;
use super::{npm, pages, wheels};

/// Time limit until the answer to a request begins.
const PATIENCE: Duration = Duration::from_secs(30);

/// Headers of every answer: no answer is a page that runs anything, and changing content is revalidated by its tag.
const ALWAYS: [(&str, &str); 3] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-cache"),
];

/// Everything that one program serves.
#[derive(Clone)]
pub struct ServedPackages {
    files: Files,
    wheels: Option<Arc<Index>>,
    npm: Option<Arc<Registry>>,
}

impl ServedPackages {
    /// Creates the content of a folder: wheels, npm packages, or both.
    pub fn new(folder: Folder, wheels: Option<Index>, npm: Option<Registry>) -> Self {
        Self { files: Files::new(folder), wheels: wheels.map(Arc::new), npm: npm.map(Arc::new) }
    }
}

/// State shared by the routes of wheels.
#[derive(Clone)]
pub struct Wheels {
    /// The pages.
    pub index: Arc<Index>,
    /// The files.
    pub files: Files,
}

/// State shared by the routes of npm packages.
#[derive(Clone)]
pub struct Npm {
    /// Names, versions and files.
    pub registry: Arc<Registry>,
    /// The files.
    pub files: Files,
    /// Room for documents.
    pub room: Arc<Semaphore>,
}

/// Returns the router.
pub fn router(served: ServedPackages) -> Router {
    let ServedPackages { files, wheels, npm } = served;
    let mut router = Router::new().route("/health/live", get(|| async { "live\n" }));
    if let Some(index) = wheels {
        router = router.merge(of_wheels().with_state(Wheels { index, files: files.clone() }));
    }
    if let Some(registry) = npm {
        router = router.merge(of_npm().with_state(Npm { registry, files, room: npm::room() }));
    }
    router
        .fallback(|| async { not_found() })
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(observe))
}

fn of_wheels() -> Router<Wheels> {
    Router::new()
        .route("/simple", get(pages::redirect_to_projects))
        .route("/simple/", get(pages::projects))
        .route("/simple/{project}", get(pages::redirect_to_project))
        .route("/simple/{project}/", get(pages::project))
        .route("/files/{name}", get(wheels::file))
}

fn of_npm() -> Router<Npm> {
    Router::new().route("/npm/{*path}", get(npm::registry)).route("/{*path}", get(npm::tarball))
}

/// Responds that the list has nothing with a name.
pub fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "The index does not have this.\n").into_response()
}

/// Responds with a document in the negotiated form, unless the client already has it.
pub fn negotiated_response(
    headers: &HeaderMap,
    tag: String,
    media_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let is_known = has_already(text(headers, header::IF_NONE_MATCH).as_deref(), &tag);
    let common = [(header::ETAG, tag), (header::VARY, "accept".to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, media_type)], body.into()).into_response()
}

/// Returns a header as text. Several headers with one name count as one list.
pub fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Logs each request except probes, and adds the headers.
async fn observe(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let bytes = headers.get(header::CONTENT_LENGTH).and_then(|bytes| bytes.to_str().ok()?.parse::<u64>().ok());
    if !path.starts_with("/health/") {
        tracing::info!(%method, path, status, bytes, "answered");
    }
    response
}
