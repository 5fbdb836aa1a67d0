//! Routes of changes: media, plans, approved changes, and the outcome of each request. Lengthy work is answered with
//! 202, and continues even if the console no longer waits.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use landfall_error_codes::codes;
use landfall_peer::{
    AbortRequest, ApprovedRequest, LookRequest, PlanRequest, Refusal, Request, Requester, is_id, routes,
};
use tokio::task::spawn_blocking;

use super::answer::{RefusedRequest, Result, document, json};
use super::desk::{Outcome, RequestContent, RequestReceipt, problem};
use super::host::Host;
use super::site::Site;

/// Returns the routes.
pub(crate) fn routes() -> Router<Host> {
    Router::new()
        .route(routes::MEDIA, get(media).post(look))
        .route(routes::PLANS, post(plan))
        .route(&format!("{}/{{digest}}", routes::PLANS), get(one_plan))
        .route(routes::UPGRADES, post(upgrade))
        .route(routes::ROLLBACKS, post(roll_back))
        .route(routes::RESTORES, post(restore))
        .route(routes::CONFIGURATIONS, post(configure))
        .route(routes::ABORT, post(abort))
        .route(routes::OPERATION, get(operation))
        .route(&format!("{}/{{id}}", routes::REQUESTS), get(request))
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns a request with the status 202.
fn accepted_response(request: &Request) -> Response {
    (StatusCode::ACCEPTED, document(json(request))).into_response()
}

/// Works on a request once, outside of the serving threads.
pub(crate) fn work(
    host: &Host,
    asking: &Requester,
    wanted: RequestContent,
    act: impl FnOnce(&dyn Site) -> std::result::Result<Outcome, Refusal> + Send + 'static,
) -> Result<Response> {
    match host.desk.take(asking, wanted, now())? {
        RequestReceipt::Again(request) => Ok(accepted_response(&request)),
        RequestReceipt::New(request) => Ok(spawn(host, asking, &request, act)),
    }
}

fn spawn(
    host: &Host,
    asking: &Requester,
    request: &Request,
    act: impl FnOnce(&dyn Site) -> std::result::Result<Outcome, Refusal> + Send + 'static,
) -> Response {
    let Requester { by, first, correlation, .. } = asking;
    tracing::info!(by, first, correlation, verb = request.verb, "the console asks");
    let (desk, site, id) = (host.desk.clone(), host.site.clone(), request.request.clone());
    let correlation = correlation.clone();
    tokio::spawn(async move {
        let done = spawn_blocking(move || act(&*site)).await;
        let outcome = done.unwrap_or_else(|_| {
            Err(problem(StatusCode::INTERNAL_SERVER_ERROR, codes::BUG, "the request ended without an answer").into())
        });
        if let Err(Refusal { problem, .. }) = &outcome {
            let (code, title) = (problem.code.as_deref(), &problem.title);
            tracing::warn!(request = id, correlation, code, title, "a request of the console failed");
        }
        desk.end(&id, outcome, now());
    });
    accepted_response(request)
}

pub(crate) fn sound(asking: &Requester) -> Result<()> {
    if asking.is_sound() {
        return Ok(());
    }
    let title = "the id of the request, the user's name or the correlation cannot be used";
    Err(problem(StatusCode::UNPROCESSABLE_ENTITY, codes::REQUEST_INVALID, title).into())
}

/// Returns the result of the last look, and a complete upload, which is known without a look.
async fn media(State(host): State<Host>) -> Result<Response> {
    let mut page = host.desk.media();
    // The other media are known even if the disk cannot be queried.
    let uploads = host.ask_quickly(|site| site.uploads().page().ok()).await?;
    page.media.extend(uploads.and_then(|uploads| uploads.upload?.as_medium()));
    Ok(document(json(&page)))
}

async fn look(State(host): State<Host>, Json(LookRequest { asking }): Json<LookRequest>) -> Result<Response> {
    sound(&asking)?;
    work(&host, &asking, RequestContent::Look, |site| site.look().map(Outcome::Looked))
}

async fn plan(State(host): State<Host>, Json(PlanRequest { asking, change }): Json<PlanRequest>) -> Result<Response> {
    sound(&asking)?;
    let wanted = RequestContent::Plan(change.clone());
    work(&host, &asking, wanted, move |site| site.plan(&change).map(Outcome::Planned))
}

async fn one_plan(State(host): State<Host>, Path(digest): Path<String>) -> Result<Response> {
    let unknown = || RefusedRequest(problem(StatusCode::NOT_FOUND, codes::PLAN_UNKNOWN, "the host keeps no such plan"));
    Ok(document(json(&host.desk.plan(&digest).ok_or_else(unknown)?)))
}

async fn upgrade(State(host): State<Host>, Json(request): Json<ApprovedRequest>) -> Result<Response> {
    begin(&host, &request, "upgrade")
}

async fn roll_back(State(host): State<Host>, Json(request): Json<ApprovedRequest>) -> Result<Response> {
    begin(&host, &request, "rollback")
}

async fn restore(State(host): State<Host>, Json(request): Json<ApprovedRequest>) -> Result<Response> {
    begin(&host, &request, "restore")
}

async fn configure(State(host): State<Host>, Json(request): Json<ApprovedRequest>) -> Result<Response> {
    begin(&host, &request, "configure")
}

fn begin(host: &Host, approved: &ApprovedRequest, verb: &str) -> Result<Response> {
    sound(&approved.asking)?;
    if approved.change.verb() != verb {
        let title = format!("a change of the kind {} was sent where the host begins a {verb}", approved.change.verb());
        return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, codes::REQUEST_INVALID, title).into());
    }
    let wanted = RequestContent::Begin(approved.change.clone(), approved.plan.clone());
    let request = match host.desk.take(&approved.asking, wanted, now())? {
        RequestReceipt::Again(request) => return Ok(accepted_response(&request)),
        RequestReceipt::New(request) => request,
    };
    match host.desk.approve(approved) {
        Ok(plan) => {
            let (asking, desk) = (approved.asking.clone(), host.desk.clone());
            let act = move |site: &dyn Site| {
                let note = |what| desk.note(&asking.request, what);
                site.begin(&plan, &asking, &note).map(Outcome::Begun)
            };
            Ok(spawn(host, &approved.asking, &request, act))
        }
        Err(problem) => {
            host.desk.end(&request.request, Err(problem.clone().into()), now());
            Err(problem.into())
        }
    }
}

async fn abort(
    State(host): State<Host>,
    Json(AbortRequest { asking, operation }): Json<AbortRequest>,
) -> Result<Response> {
    sound(&asking)?;
    work(&host, &asking, RequestContent::Abort(operation), move |site| {
        site.abort(operation).map(|()| Outcome::Begun(Vec::new()))
    })
}

async fn operation(State(host): State<Host>) -> Result<Response> {
    let found = host.ask(Site::operation).await??;
    found.map(|page| document(json(&page))).ok_or_else(|| RefusedRequest::new(StatusCode::NOT_FOUND, "there was none"))
}

async fn request(State(host): State<Host>, Path(id): Path<String>) -> Result<Response> {
    let unknown = || RefusedRequest::new(StatusCode::NOT_FOUND, "the host knows no such request");
    let found = if is_id(&id) { host.desk.request(&id) } else { None };
    Ok(document(json(&found.ok_or_else(unknown)?)))
}
