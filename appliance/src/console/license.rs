//! The license: its terms, what needs it, and the date that it is judged by.

use std::borrow::Borrow;

use askama::Template;
use axum::extract::State;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::{Shown, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::{License, LicenseDocument, Terms, Topic};

struct Facts {
    mark: Mark,
    license: License,
    identifiers: Vec<String>,
}

#[derive(Template)]
#[template(path = "license.html")]
struct Whole {
    frame: Frame,
    facts: Result<Option<Facts>, Trouble>,
}

fn mark(terms: Option<&Terms>) -> Mark {
    match terms.map(|terms| terms.standing.as_str()) {
        None => How::Unknown.mark("None"),
        Some("valid") => How::Good.mark("Valid"),
        Some("ending") => How::Attention.mark("Ending"),
        Some("grace") => How::Attention.mark("In grace"),
        Some("ended") => How::Bad.mark("Ended"),
        Some("not-yet-valid") => How::Bad.mark("Not valid yet"),
        Some("revoked") => How::Bad.mark("Revoked"),
        Some("superseded") => How::Bad.mark("Superseded"),
        Some("other-site") => How::Bad.mark("For another site"),
        Some(_) => How::Unknown.mark("Unknown"),
    }
}

/// A time of the license, as it is shown.
fn moment(text: &str) -> Option<Moment> {
    Moment::read(Some(text))
}

/// A limit, as it is shown.
fn limit(count: impl Borrow<Option<u64>>) -> String {
    count.borrow().map_or_else(|| "no limit".to_owned(), |count| count.to_string())
}

pub async fn show(State(context): State<Context>, caller: Caller) -> Shown {
    let frame = Frame::new(&context, &caller, Place::License, "License");
    let document = context.site.read::<LicenseDocument>(Topic::License).await;
    let facts = document.map_err(Trouble::from).map(|document| {
        let LicenseDocument { license, identifiers } = document?;
        let license = license?;
        Some(Facts { mark: mark(license.terms.as_ref()), license, identifiers })
    });
    draw(&Whole { frame, facts })
}
