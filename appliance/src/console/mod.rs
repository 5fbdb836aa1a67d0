//! Pages. Each has a file here with its sentences, and a template of the same name with its other texts.

mod account;
mod activity;
mod approval;
mod assets;
mod audit;
mod backups;
mod change;
mod components;
mod dashboard;
mod directory;
mod fields;
mod frame;
mod gpus;
pub mod handbook;
mod keys;
mod license;
mod moment;
mod news;
mod node;
mod overview;
mod palette;
#[cfg(test)]
mod place_of_words;
mod planned;
mod problem;
mod proof;
mod reference;
mod releases;
mod resources;
mod restore;
mod settings;
mod sign_in;
mod sources;
mod state;
mod support;
mod trouble;
mod units;
mod upgrade;
mod users;
mod words;

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use landfall_error_codes::codes;
use landfall_peer::spelled_out;

use crate::context::Context;
use crate::directory::RETURN;
use crate::error::Error;
use crate::refusal::{Page, Refusal, add_advice};

#[cfg(test)]
pub use assets::STYLE;
pub use assets::asset;
pub use problem::problem;
pub use proof::{OWN_PASSWORD, prove_first};

/// Result of a page's handler.
type PageResult = Result<Response, Page>;

/// Returns the routes of the pages.
pub fn routes() -> Router<Context> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-in/directory", get(directory::begin))
        .route("/sign-in/directory/again", get(directory::begin_again))
        .route(RETURN, get(directory::end_at_console))
        .route("/sign-in/directory/end", get(directory::end_at_provider))
        .route("/first", get(sign_in::show_first).post(sign_in::first))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/", get(overview::show))
        .route("/live/overview", get(overview::live))
        .route("/live/news", get(news::tell))
        .route("/components", get(components::list))
        .route("/live/components", get(components::live_list))
        .route("/components/{name}", get(components::one))
        .route("/live/components/{name}", get(components::live_one))
        .route("/releases", get(releases::show))
        .route("/releases/plan", post(upgrade::plan_return))
        .route("/activity", get(activity::show))
        .route("/live/activity", get(activity::live))
        .route("/upgrade", get(upgrade::show))
        .route("/live/upgrade", get(upgrade::live))
        .route("/upgrade/plans/{id}", get(upgrade::show_plan))
        .route("/upgrade/look", post(upgrade::look))
        .route("/upgrade/plan", post(upgrade::plan))
        .route("/upgrade/upload/remove", post(upgrade::remove_upload))
        .route("/upgrade/ask", post(change::ask_first))
        .route("/upgrade/approve", post(change::approve))
        .route("/upgrade/abort", change::abort(change::UPGRADE))
        .route("/backups", get(backups::show).post(backups::begin))
        .route("/live/backups", get(backups::live))
        .route("/backups/drill", post(backups::drill))
        .route("/backups/schedule", post(backups::plan_time))
        .route("/restore", get(restore::show))
        .route("/live/restore", get(restore::live))
        .route("/restore/plans/{id}", get(restore::show_plan))
        .route("/restore/plan", post(restore::plan))
        .route("/restore/ask", post(change::ask_first))
        .route("/restore/approve", post(change::approve))
        .route("/restore/abort", change::abort(change::RESTORE))
        .route("/settings", get(settings::show))
        .route("/live/settings", get(settings::live))
        .route("/settings/plans/{id}", get(settings::show_plan))
        .route("/settings/plan", post(settings::plan))
        .route("/settings/secret", post(settings::give))
        .route("/settings/ask", post(change::ask_first))
        .route("/settings/approve", post(change::approve))
        .route("/settings/abort", change::abort(change::SETTINGS))
        .route("/license", get(license::show).post(license::import))
        .route("/node", get(node::show))
        .route("/live/node", get(node::live))
        .route("/gpus", get(gpus::show))
        .route("/live/gpus", get(gpus::live))
        .route("/dashboard", get(dashboard::show))
        .route("/live/dashboard", get(dashboard::live))
        .route("/dashboard/files/{name}", get(dashboard::file))
        .route("/support", get(support::show))
        .route("/live/support", get(support::live))
        .route("/support/collect", post(support::collect))
        .route("/support/bundle/{id}", get(support::download))
        .route("/api-reference", get(reference::show))
        .merge(people())
}

/// Returns the routes of pages about people and their actions.
fn people() -> Router<Context> {
    Router::new()
        .route("/account", get(account::show))
        .route("/account/password", post(account::password))
        .route("/account/sessions", post(account::end_others))
        .route("/account/sessions/{id}", post(account::end_one))
        .route("/users", get(users::list).post(users::create))
        .route("/users/{name}", get(users::one))
        .route("/users/{name}/role", post(users::role))
        .route("/users/{name}/password", post(users::password))
        .route("/users/{name}/disable", post(users::disable))
        .route("/users/{name}/enable", post(users::enable))
        .route("/users/{name}/remove", post(users::remove))
        .route("/keys", get(keys::show).post(keys::create))
        .route("/keys/{id}/remove", post(keys::remove))
        .route("/audit", get(audit::show))
        .route("/approval", get(approval::show))
        .route("/approval/on", post(approval::on))
        .route("/approval/off", post(approval::off))
        .route("/approval/count", post(approval::count))
        .route("/approval/{id}/approve", post(approval::approve))
        .route("/approval/{id}/withdraw", post(approval::withdraw))
}

/// Renders a template.
fn draw(template: &impl Template) -> PageResult {
    let failed = |error| Refusal::from(Error::new(codes::BUG, "a page cannot be drawn").because(error));
    Ok(render_html(template).map_err(failed)?.into_response())
}

/// Renders a page as text. All format characters are spelled out, so that no untrusted name can hide part of the page
/// or show it from right to left.
fn render_html(template: &impl Template) -> askama::Result<Html<String>> {
    template.render().map(|text| Html(spelled_out(&text)))
}

/// Renders a template that shows a refusal, with the refusal's status.
fn draw_refused(template: &impl Template, refusal: &Refusal) -> PageResult {
    let mut response = (refusal.status(), draw(template)?).into_response();
    add_advice(&mut response, refusal);
    Ok(response)
}

/// Redirects to a page after an action.
#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
fn go(path: &str) -> PageResult {
    Ok(Redirect::to(path).into_response())
}
