//! Request for a proof of identity, in place of an answer to a form. It keeps the entered fields, and sends them with
//! the proof.

use std::fmt::{self, Write as _};

use askama::Template;
use askama::filters::HtmlSafe;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use landfall_peer::is_hidden;

use super::frame::{Frame, Place};
use super::render_html;
use crate::access::Caller;
use crate::context::Context;
use crate::people::PROOF;
use crate::refusal::{Prover, Refusal, add_advice};

/// Form field with the sender's own password.
pub const OWN_PASSWORD: &str = "own_password";

/// Fields of this page itself.
const OF_PAGE: [&str; 3] = ["csrf", "username", OWN_PASSWORD];

#[derive(Template)]
#[template(path = "proof.html")]
struct ProofPage<'a> {
    frame: Frame,
    name: &'a str,
    path: &'a str,
    /// Entered fields, as the form sent them.
    kept: Vec<[EchoedText; 2]>,
    is_by_provider: bool,
    /// Validity of a proof in minutes.
    minutes: u64,
}

/// A text that is returned to the browser and sent again, exactly as entered. No one sees it, so hidden characters are
/// kept.
struct EchoedText(String);

impl fmt::Display for EchoedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| {
            let is_plain = !matches!(letter, '&' | '<' | '>' | '"' | '\'') && !is_hidden(letter);
            if is_plain { formatter.write_char(letter) } else { write!(formatter, "&#{};", u32::from(letter)) }
        })
    }
}

// Every character that could end an attribute is escaped.
impl HtmlSafe for EchoedText {}

/// Asks the sender of a form for a proof, and states why the one that was sent is invalid.
pub fn prove_first(context: &Context, caller: &Caller, path: &str, (refusal, form): (&Refusal, &[u8])) -> Response {
    let fields = form_urlencoded::parse(form).filter(|(name, _)| !OF_PAGE.contains(&&**name));
    let is_by_provider = matches!(refusal, Refusal::ProofNeeded(Prover::Provider));
    let is_first = matches!(refusal, Refusal::ProofNeeded(_));
    let page = ProofPage {
        frame: Frame::new(context, caller, Place::None, "Is it you?").refusing(Some(refusal).filter(|_| !is_first)),
        name: caller.user().unwrap_or_default(),
        path,
        kept: fields.map(|(name, value)| [name, value].map(|text| EchoedText(text.into_owned()))).collect(),
        is_by_provider,
        minutes: PROOF.as_secs() / 60,
    };
    let mut response = render_html(&page).map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| (refusal.status(), text).into_response(),
    );
    add_advice(&mut response, refusal);
    response
}
