//! Upload of a bundle from a browser, by tus 1.0.0. It passes through to the host, which keeps and checks it; then it
//! is a medium like others.

mod arrive;
#[cfg(test)]
mod tests;
mod tus;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Response};
use landfall_error_codes::codes;
use landfall_peer::Requester;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::tus::{OCTETS, TusVersion, UploadAnnouncement};
use super::requester::{host_name_of, new_request};
use super::site::{note, note_outcome};
use crate::access::Caller;
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::{RemovalRequest, Upload, UploadRequest, UploadsPage, is_id};
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

/// Returns the routes with their documentation.
pub(super) fn documented_routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(describe, list, begin))
        .routes(routes!(one, add, remove))
        .layer(from_fn(tus::add_version))
}

/// Describe the capabilities of uploads
///
/// As in tus 1.0.0: versions, extensions, and the largest upload for which the host has room.
#[utoipa::path(
    options,
    path = "/api/v1/uploads",
    operation_id = "describeUploads",
    tag = "changes",
    responses(
        (status = 204, description = "versions and extensions", headers(
            ("Tus-Version" = String, description = "`1.0.0`"),
            ("Tus-Extension" = String, description = "`creation,expiration,termination`"),
            ("Tus-Max-Size" = u64, description = "bytes that the host has room for, if it answers"),
        )),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn describe(State(context): State<Context>) -> Response {
    let room = context.site.uploads().await.ok().map(|page| page.room_bytes);
    (StatusCode::NO_CONTENT, tus::abilities(room)).into_response()
}

/// Return the upload of this site
///
/// There is one at a time. The answer has the upload that arrives or is complete, the room for another one, and the
/// last refused one.
#[utoipa::path(
    get,
    path = "/api/v1/uploads",
    operation_id = "getUploads",
    tag = "changes",
    responses(
        (status = 200, description = "the upload, if there is one", body = ref("#/components/schemas/UploadsPage")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn list(State(context): State<Context>) -> Result<Json<UploadsPage>, Refusal> {
    Ok(Json(context.site.uploads().await?))
}

/// Begin an upload
///
/// The upload is a bundle in one file, or all parts of a bundle in sequence. 409 (LF5048) if there is another upload,
/// 413 (LF1202) if the host has no room.
#[utoipa::path(
    post,
    path = "/api/v1/uploads",
    operation_id = "beginUpload",
    tag = "changes",
    params(
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", description = "`1.0.0`"),
        ("Upload-Length" = u64, Header, minimum = 1, description = "bytes of the whole bundle"),
        ("Upload-Metadata" = Option<String>, Header, description = "`filename` and its base64, as tus has it"),
    ),
    responses(
        (status = 201, description = "the upload; send its bytes to the address in `Location`",
            body = ref("#/components/schemas/Upload"), headers(
            ("Location" = String, description = "its address"),
            ("Upload-Offset" = u64, description = "bytes that have arrived"),
            ("Upload-Expires" = String, description = "when it is removed unless it is continued"),
        )),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn begin(
    State(context): State<Context>,
    caller: Caller,
    _spoken: TusVersion,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let announced = UploadAnnouncement::read(&headers)?;
    let asking = spawn_for_request(ask_to_begin(context, caller.author(), announced));
    let upload = asking.await.context(codes::BUG, || "the request for an upload was interrupted".to_owned())??;
    let place = [(header::LOCATION, format!("/api/v1/uploads/{}", upload.id))];
    Ok((StatusCode::CREATED, place, tus::progress(&upload), Json(upload)).into_response())
}

/// Return an upload by its ID
///
/// `HEAD` answers with the headers only, as in tus, and needs `Tus-Resumable: 1.0.0`.
#[utoipa::path(
    get,
    path = "/api/v1/uploads/{id}",
    operation_id = "getUpload",
    tag = "changes",
    params(("id" = String, Path, description = "id of the upload")),
    responses(
        (status = 200, description = "the upload", body = ref("#/components/schemas/Upload"), headers(
            ("Upload-Offset" = u64, description = "bytes that have arrived: the next ones follow"),
            ("Upload-Length" = u64, description = "bytes of all of it"),
            ("Upload-Expires" = String, description = "when it is removed unless it is continued or used"),
        )),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn one(
    State(context): State<Context>,
    _spoken: TusVersion,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let found = context.site.uploads().await?.upload.filter(|upload| upload.id == id);
    let upload = found.ok_or_else(|| unknown(&id))?;
    Ok((tus::progress(&upload), Json(upload)).into_response())
}

/// Send bytes of an upload
///
/// Bytes up to the offset in the answer are on the host's disk, even if the request is cut off. 409 (LF5049) if the
/// bytes do not follow the present ones. The host verifies arrived bytes: content that the vendor's keys did not sign
/// is refused with 422, and none of it is kept.
#[utoipa::path(
    patch,
    path = "/api/v1/uploads/{id}",
    operation_id = "continueUpload",
    tag = "changes",
    params(
        ("id" = String, Path, description = "id of the upload"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", description = "`1.0.0`"),
        ("Upload-Offset" = u64, Header, description = "where the bytes belong: as many as have arrived"),
    ),
    request_body(content = String, description = "the bytes", content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "the bytes are there", headers(
            ("Upload-Offset" = u64, description = "bytes that have arrived"),
            ("Upload-Expires" = String, description = "when it is removed unless it is continued or used"),
        )),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn add(
    State(context): State<Context>,
    caller: Caller,
    _spoken: TusVersion,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != OCTETS) {
        return Err(Refusal::ContentType(OCTETS));
    }
    let offset = tus::offset(&headers)?;
    check_upload_id(&id)?;
    let upload = arrive::arrive(&context, &caller, (&id, offset), body).await?;
    Ok((StatusCode::NO_CONTENT, tus::progress(&upload)).into_response())
}

/// Remove an upload
///
/// Anyone who may upload may remove it, except while an open change reads it (LF5051).
#[utoipa::path(
    delete,
    path = "/api/v1/uploads/{id}",
    operation_id = "removeUpload",
    tag = "changes",
    params(
        ("id" = String, Path, description = "id of the upload"),
        ("Tus-Resumable" = String, Header, pattern = "^1\\.0\\.0$", description = "`1.0.0`"),
    ),
    responses(
        (status = 204, description = "the upload is removed"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn remove(
    State(context): State<Context>,
    caller: Caller,
    _spoken: TusVersion,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove_upload(&context, &caller, id).await.map(|()| StatusCode::NO_CONTENT)
}

fn unknown(id: &str) -> Refusal {
    Refusal::NotThere(format!("upload {id}"))
}

/// Checks the form of an ID, which becomes part of a path of the host's API.
fn check_upload_id(id: &str) -> Result<(), Refusal> {
    if is_id(id) { Ok(()) } else { Err(unknown(id)) }
}

fn asking(author: &Author) -> Requester {
    let (by, correlation) = (host_name_of(author), author.correlation.clone());
    Requester { request: new_request(), by, correlation, first: None }
}

/// Begins an upload. The request is recorded before, and its outcome afterwards, because the host acts outside of the
/// database.
async fn ask_to_begin(context: Context, author: Author, announced: UploadAnnouncement) -> Result<Upload, Refusal> {
    let UploadAnnouncement { size_bytes, name } = announced;
    let object = format!("{size_bytes} bytes, {name}");
    note(&context, &author, Event::done("upload.ask", &object)).await?;
    let begun = context.site.begin_upload(&UploadRequest { asking: asking(&author), name, size_bytes }).await;
    note_outcome(&context, &author, ("upload.begin", &object), &begun).await?;
    Ok(begun?)
}

/// Makes the host remove an upload, and records that, even if the browser no longer waits.
pub async fn remove_upload(context: &Context, caller: &Caller, id: String) -> Result<(), Refusal> {
    check_upload_id(&id)?;
    let asking = spawn_for_request(ask_to_remove(context.clone(), caller.author(), id));
    asking.await.context(codes::BUG, || "the removal of an upload was interrupted".to_owned())?
}

async fn ask_to_remove(context: Context, author: Author, id: String) -> Result<(), Refusal> {
    note(&context, &author, Event::done("upload.ask-removal", &id)).await?;
    let removed = context.site.remove_upload(&id, &RemovalRequest { asking: asking(&author) }).await;
    note_outcome(&context, &author, ("upload.remove", &id), &removed).await?;
    Ok(removed?)
}
