//! Reference of the API, rendered from its document: it needs neither a network nor a script.

use askama::Template;
use axum::extract::State;

use super::frame::{Frame, Place};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::api::{Operation, operations};
use crate::context::Context;

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage {
    frame: Frame,
    operations: Vec<Operation>,
}

/// Splits a text at backticks; every second piece is code.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    text.split('`').enumerate().map(|(index, piece)| (piece, index % 2 == 1)).collect()
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::None, "API reference");
    draw(&ReferencePage { frame, operations: operations() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_enclose_code() {
        assert_eq!(pieces("the scope `read`."), [("the scope ", false), ("read", true), (".", false)]);
        assert_eq!(pieces("none"), [("none", false)]);
    }
}
