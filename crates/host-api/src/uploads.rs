//! Routes of the upload. Its bytes pass through in pieces of bounded size, one at a time, and are neither kept nor
//! interpreted.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, patch};
use axum::{Json, Router};
use landfall_error_codes::codes;
use landfall_peer::{PIECE_BYTES, RemovalRequest, UploadRequest, is_id, routes};
use serde::Deserialize;
use tokio::time::timeout;

use super::answer::{RefusedRequest, Result, document, json};
use super::changes::sound;
use super::desk::problem;
use super::host::Host;

/// Time limit for the arrival of a piece: the console has all of it when it begins to send.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the routes.
pub(crate) fn routes() -> Router<Host> {
    Router::new()
        .route(routes::UPLOADS, get(page).post(begin))
        .route(&format!("{}/{{id}}", routes::UPLOADS), patch(add).delete(remove))
}

async fn page(State(host): State<Host>) -> Result<Response> {
    let page = host.ask_quickly(|site| site.uploads().page()).await??;
    Ok(document(json(&page)))
}

async fn begin(State(host): State<Host>, Json(request): Json<UploadRequest>) -> Result<Response> {
    sound(&request.asking)?;
    if !request.is_sound() {
        let title = "the name or the size of the upload cannot be used";
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, codes::REQUEST_INVALID, title).into());
    }
    tracing::info!(
        by = request.asking.by,
        correlation = request.asking.correlation,
        name = request.name,
        bytes = request.size_bytes,
        "an upload is to begin"
    );
    let upload = host.ask_quickly(move |site| site.uploads().begin(&request)).await??;
    Ok(document(json(&upload)))
}

#[derive(Deserialize)]
struct OffsetQuery {
    offset: u64,
}

/// Adds a piece. The turn is taken before the piece is read, so that pieces whose sender no longer waits take no
/// memory.
async fn add(
    State(host): State<Host>,
    Path(id): Path<String>,
    Query(OffsetQuery { offset }): Query<OffsetQuery>,
    body: Body,
) -> Result<Response> {
    let Ok(turn) = host.arriving.clone().try_acquire_owned() else {
        return Err(problem(StatusCode::LOCKED, codes::UPLOAD_RUNS, "another piece of the upload arrives").into());
    };
    let unfit = |title: &str| problem(StatusCode::PAYLOAD_TOO_LARGE, codes::REQUEST_INVALID, title);
    let piece = timeout(PATIENCE, to_bytes(body, PIECE_BYTES)).await;
    let piece =
        piece.map_err(|_| RefusedRequest::new(StatusCode::REQUEST_TIMEOUT, "the piece did not arrive in time"))?;
    let piece = piece.map_err(|_| unfit("the piece is longer than a piece may be, or was cut off"))?;
    let known = id.clone();
    let added = host
        .ask_quickly(move |site| {
            let added = site.uploads().add(&known, offset, &piece);
            drop(turn);
            added
        })
        .await?;
    let upload = added.inspect_err(|refusal| {
        tracing::warn!(
            id = logged_id(&id),
            code = refusal.code.as_deref(),
            title = refusal.title,
            "a piece of an upload is refused"
        );
    })?;
    if upload.medium.is_some() {
        tracing::info!(name = upload.name, bytes = upload.size_bytes, "an upload has arrived, and is verified");
    }
    Ok(document(json(&upload)))
}

async fn remove(
    State(host): State<Host>,
    Path(id): Path<String>,
    Json(RemovalRequest { asking }): Json<RemovalRequest>,
) -> Result<StatusCode> {
    sound(&asking)?;
    tracing::info!(by = asking.by, correlation = asking.correlation, id = logged_id(&id), "an upload is to be removed");
    host.ask_quickly(move |site| site.uploads().remove(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns an ID for the log; a malformed one is not repeated there.
fn logged_id(id: &str) -> &str {
    if is_id(id) { id } else { "none" }
}
