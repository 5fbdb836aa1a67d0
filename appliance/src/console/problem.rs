//! The page of a refusal.

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, Place};
use super::render_html;
use crate::access::Caller;
use crate::refusal::Problem;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
    correlation: &'a str,
}

/// Returns a page that states what was refused, why, and what to do.
pub fn problem(caller: &Caller, problem: &Problem) -> Response {
    let frame = Frame::bare(caller, Place::None, problem.title.clone());
    let page = ProblemPage { frame, problem, correlation: &caller.correlation };
    render_html(&page).map_or_else(|_| problem.title.clone().into_response(), IntoResponse::into_response)
}
