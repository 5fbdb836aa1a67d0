//! The host and its cluster, on which everything else runs.

use std::borrow::Borrow;

use askama::Template;
use axum::extract::State;
use landfall_documents::status::StatusReport;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::units::{bytes, percent};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;

struct View {
    facts: Result<Option<StatusReport>, Trouble>,
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "node_live.html")]
struct NodeFragment {
    view: View,
}

/// Returns the mark of a part that is ready or not.
fn mark(ready: impl Borrow<bool>) -> Mark {
    if *ready.borrow() { How::Good.mark("Ready") } else { How::Bad.mark("Not ready") }
}

/// Returns the mark of a certificate.
fn certificate_mark(problem: Option<&String>) -> Mark {
    if problem.is_none() { How::Good.mark("Valid") } else { How::Bad.mark("Unusable") }
}

/// Parses a time of a document for display.
fn moment(text: &str) -> Option<Moment> {
    Moment::read(Some(text))
}

async fn view(context: &Context) -> View {
    View { facts: context.site.read(Topic::Status).await.map_err(Trouble::from) }
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Node, "Node");
    draw(&NodePage { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&NodeFragment { view: view(&context).await })
}
