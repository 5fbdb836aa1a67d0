//! The JSON API, version 1. What the host reports is passed on as it is; people, keys and the audit log are the console's own.

mod audit;
mod changes;
mod keys;
mod people;
mod site;

use axum::extract::{FromRequest, Request};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;

pub use changes::{Intent, ask, new_request, plan_of};
pub use site::back_up_now;

use crate::context::Context;
use crate::refusal::Refusal;

/// The routes of the API.
pub fn routes() -> Router<Context> {
    Router::new()
        .route("/api/v1/status", get(site::status))
        .route("/api/v1/releases", get(site::releases))
        .route("/api/v1/backups", get(site::backups).post(site::begin_backup))
        .route("/api/v1/license", get(site::license))
        .route("/api/v1/operation", get(changes::operation))
        .route("/api/v1/media", get(changes::media).post(changes::look))
        .route("/api/v1/plans", post(changes::plan))
        .route("/api/v1/plans/{id}", get(changes::one_plan))
        .route("/api/v1/requests/{id}", get(changes::one_request))
        .route("/api/v1/upgrades", post(changes::upgrade))
        .route("/api/v1/rollbacks", post(changes::roll_back))
        .route("/api/v1/operations/abort", post(changes::abort))
        .route("/api/v1/users", get(people::list_users).post(people::create))
        .route("/api/v1/users/{name}", patch(people::change).delete(people::remove))
        .route("/api/v1/sessions", get(people::list_sessions))
        .route("/api/v1/sessions/{id}", delete(people::end))
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{id}", delete(keys::remove))
        .route("/api/v1/audit", get(audit::export))
}

/// A body in JSON; one that cannot be read is refused with a problem document.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(body)| Self(body)).map_err(|rejection| Refusal::Invalid(rejection.body_text()))
    }
}
