//! JSON API, version 1. The host's reports are passed on unchanged; people, keys and the audit log are the console's
//! own.

mod approvals;
mod audit;
mod change_requests;
mod changes;
mod checked_request;
mod document;
mod events;
mod keys;
mod people;
mod requester;
mod resources;
mod secrets;
mod site;
mod support;
mod trend;
mod uploads;

use axum::extract::{FromRequest, Request};
use axum::routing::get;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use approvals::{approve_second, confirmed_plan};
pub use changes::{ask, plan_of};
pub use checked_request::CheckedRequest;
pub use document::{Operation, document, operations};
pub use events::event_response;
pub use requester::new_request;
pub use secrets::{give_secret, known_secret};
pub use site::{back_up_now, drill_now, import_license};
pub use support::send_support;
pub use uploads::remove_upload;

use crate::context::Context;
use crate::refusal::Refusal;

/// Returns the routes of the API, including its document.
pub fn routes() -> Router<Context> {
    documented_routes().split_for_parts().0.route("/api/v1/openapi.json", get(async || Json(document())))
}

/// Returns the routes with their documentation, which is written at each handler.
fn documented_routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(site::status))
        .routes(routes!(site::gpus))
        .routes(routes!(resources::of_component))
        .routes(routes!(site::releases))
        .routes(routes!(site::history))
        .routes(routes!(site::backups, site::begin_backup))
        .routes(routes!(site::begin_drill))
        .routes(routes!(site::settings))
        .routes(routes!(secrets::give))
        .routes(routes!(site::license, site::import))
        .routes(routes!(site::usage))
        .routes(routes!(site::usage_report))
        .routes(routes!(trend::trend))
        .routes(routes!(changes::operation))
        .routes(routes!(events::follow))
        .routes(routes!(changes::media, changes::look))
        .merge(uploads::documented_routes())
        .routes(routes!(changes::plan))
        .routes(routes!(changes::one_plan))
        .routes(routes!(changes::one_request))
        .routes(routes!(changes::upgrade))
        .routes(routes!(changes::roll_back))
        .routes(routes!(changes::restore))
        .routes(routes!(changes::configure))
        .routes(routes!(changes::abort))
        .routes(routes!(approvals::list, approvals::ask))
        .routes(routes!(approvals::approve, approvals::withdraw))
        .routes(routes!(support::page, support::collect))
        .routes(routes!(support::download))
        .routes(routes!(people::list_users, people::create))
        .routes(routes!(people::change, people::remove))
        .routes(routes!(people::prove))
        .routes(routes!(people::list_sessions))
        .routes(routes!(people::end))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::remove))
        .routes(routes!(audit::export))
        .routes(routes!(audit::export_syslog))
}

/// A body in JSON; a malformed one is refused with a problem document.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(body)| Self(body)).map_err(|rejection| Refusal::Invalid(plain(&rejection.body_text())))
    }
}

/// Returns the reason of a refusal without the names of the program's types, which derived code writes into it.
fn plain(why: &str) -> String {
    let words = why.split(' ').collect::<Vec<_>>();
    let mut said: Vec<&str> = Vec::with_capacity(words.len());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if !matches!(word, "struct" | "enum" | "variant" | "tuple") {
            said.push(word);
            continue;
        }
        // The name follows, such as `Create` or `ChangeRequest::Plan`, sometimes followed by a punctuation mark.
        let name = words.next().unwrap_or_default();
        let sign = name.trim_start_matches(|letter: char| letter.is_alphanumeric() || matches!(letter, ':' | '_'));
        said.push(match (word, sign) {
            ("variant", _) => "a choice",
            (_, ",") => "an object,",
            _ => "an object",
        });
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn reasons_name_no_types() {
        let said = plain("invalid type: sequence, expected struct Create at line 1 column 0");
        assert_eq!(said, "invalid type: sequence, expected an object at line 1 column 0");
        assert_eq!(
            plain("invalid type: null, expected struct ChangeRequest::Plan, or"),
            "invalid type: null, expected an object, or"
        );
        assert_eq!(plain("missing field `name` at line 1"), "missing field `name` at line 1");
    }
}
