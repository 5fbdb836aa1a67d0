//! Routes of the support bundle. It is collected like any other request, concurrently with changes, and is returned in
//! pieces of bounded size.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use landfall_error_codes::codes;
use landfall_peer::{SupportPage, SupportRequest, is_id, routes};
use serde::Deserialize;

use super::answer::{RefusedRequest, Result, document, json};
use super::changes::{sound, work};
use super::desk::{Outcome, RequestContent, problem};
use super::host::Host;

/// Returns the routes.
pub(crate) fn routes() -> Router<Host> {
    Router::new()
        .route(routes::SUPPORT, get(page).post(collect))
        .route(&format!("{}/{{id}}", routes::SUPPORT), get(piece))
}

async fn page(State(host): State<Host>) -> Result<Response> {
    let bundle = host.ask_quickly(|site| site.support().kept_bundle()).await?;
    Ok(document(json(&SupportPage { bundle })))
}

async fn collect(State(host): State<Host>, Json(request): Json<SupportRequest>) -> Result<Response> {
    sound(&request.asking)?;
    if !request.is_sound() {
        let title = "a support bundle has logs of 1 to 168 hours";
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, codes::REQUEST_INVALID, title).into());
    }
    // A repeated request is not collected again.
    let is_new = host.desk.request(&request.asking.request).is_none();
    if is_new && !host.may_collect() {
        let title = "a support bundle was collected less than a minute ago";
        return Err(RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, title));
    }
    let (asking, wanted, collecting) = (request.asking.clone(), RequestContent::Support(request.hours), host.clone());
    work(&host, &asking, wanted, move |site| {
        site.support().collect(&request)?;
        collecting.note_collected();
        Ok(Outcome::Collected)
    })
}

#[derive(Deserialize)]
struct OffsetQuery {
    offset: u64,
}

async fn piece(
    State(host): State<Host>,
    Path(id): Path<String>,
    Query(OffsetQuery { offset }): Query<OffsetQuery>,
) -> Result<Response> {
    if !is_id(&id) {
        return Err(RefusedRequest::new(StatusCode::NOT_FOUND, "there is no such support bundle"));
    }
    let piece = host.ask_quickly(move |site| site.support().piece(&id, offset)).await??;
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind)], piece).into_response())
}
