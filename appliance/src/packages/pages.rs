//! Pages of the simple repository API.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use landfall_packages::http::{Form, negotiate};
use landfall_packages::{Page, normalize_name};

use super::router::{Wheels, negotiated_response, not_found, text};

/// Handles `GET /simple/`: the projects.
pub async fn projects(State(served): State<Wheels>, headers: HeaderMap) -> Response {
    answer(served.index.projects(), &headers)
}

/// Handles `GET /simple/PROJECT/`: the files of a project. Another spelling of its name redirects to the normalized
/// one.
pub async fn project(State(served): State<Wheels>, Path(project): Path<String>, headers: HeaderMap) -> Response {
    if let Some(page) = served.index.project(&project) {
        return answer(page, &headers);
    }
    redirect_known(&served, &project, "../")
}

/// Handles `GET /simple`: addresses of pages end with a slash.
pub async fn redirect_to_projects() -> Response {
    redirect("simple/")
}

/// Handles `GET /simple/PROJECT`.
pub async fn redirect_to_project(State(served): State<Wheels>, Path(project): Path<String>) -> Response {
    redirect_known(&served, &project, "")
}

/// Redirects to a known project. Only names in the index are repeated in a header.
fn redirect_known(served: &Wheels, project: &str, up: &str) -> Response {
    let name = normalize_name(project);
    if served.index.project(&name).is_none() {
        return not_found();
    }
    redirect(&format!("{up}{name}/"))
}

/// Redirects to a relative address: whatever name and path a client uses for the index, the redirect stays there.
fn redirect(to: &str) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to.to_owned())]).into_response()
}

/// Responds with the page in the form that the client wants, unless it already has it.
fn answer(page: &Page, headers: &HeaderMap) -> Response {
    let Some(form) = negotiate(text(headers, header::ACCEPT).as_deref()) else {
        let forms = [Form::Json, Form::Html, Form::PlainHtml].map(Form::media_type).join("\n");
        return (StatusCode::NOT_ACCEPTABLE, [(header::VARY, "accept")], format!("Accept one of:\n{forms}\n"))
            .into_response();
    };
    let body = if form == Form::Json { &page.json } else { &page.html };
    // The two HTML forms have the same bytes, but are different answers.
    let tag = if form == Form::Html { body.tag.replacen('"', "\"html-", 1) } else { body.tag.clone() };
    negotiated_response(headers, tag, form.media_type(), body.bytes.clone())
}
