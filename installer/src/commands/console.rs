//! `landfall console`: prints the console's address, the fingerprint for a browser, and a token for the first
//! administrator.

use std::fmt::Write as _;

use landfall_lifecycle::operations::ConsoleAddress;
use schemars::JsonSchema;
use serde::Serialize;

use super::site::operations_of_root;
use crate::cli::ConsoleArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Access to the console.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsoleAccess {
    #[serde(flatten)]
    address: ConsoleAddress,
    /// Token that makes one administrator, once; null if it was not requested.
    token: Option<Token>,
}

/// One-use token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// Token as a person types it.
    text: String,
    /// Expiry time of the token, RFC 3339 in UTC.
    ends: String,
}

impl Document for ConsoleAccess {
    const KIND: &'static str = "console";
}

/// Prints the access. If it makes a token, earlier ones become invalid.
pub(crate) fn run(arguments: &ConsoleArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let address = operations.console_address()?;
    let token = if arguments.no_token {
        None
    } else {
        let token = operations.console_token()?;
        Some(Token { text: token.text, ends: format!("{:.0}", token.ends) })
    };
    printer.report(&ConsoleAccess { address, token }, text)?;
    Ok(())
}

fn text(access: &ConsoleAccess) -> String {
    let ConsoleAddress {
        addresses,
        reason,
        fingerprint,
        authority_fingerprint,
        certificate_ends,
        supplied_fingerprint,
    } = &access.address;
    let mut text = String::new();
    for address in addresses {
        let _infallible = writeln!(text, "console      {address}");
    }
    if let Some(reason) = reason {
        let _infallible = writeln!(text, "console      its port is not known: {reason}");
    }
    let _infallible = writeln!(text, "certificate  SHA-256 {fingerprint}, until {certificate_ends}");
    let _infallible = writeln!(text, "authority    SHA-256 {authority_fingerprint}");
    if let Some(supplied) = supplied_fingerprint {
        let _infallible = writeln!(
            text,
            "supplied     SHA-256 {supplied}: browsers see this one, if the console can use the Secret console-tls"
        );
    }
    if let Some(token) = &access.token {
        let _infallible = writeln!(text, "token        {} (counts once, until {})", token.text, token.ends);
    }
    text.push_str("\nCompare the fingerprint with the one that the browser shows before you type anything there.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_with_fingerprints() {
        let address = ConsoleAddress {
            addresses: vec!["https://192.0.2.7:31443/".to_owned()],
            reason: None,
            fingerprint: "AB:CD".to_owned(),
            authority_fingerprint: "EF:01".to_owned(),
            certificate_ends: "2029-02-01".to_owned(),
            supplied_fingerprint: None,
        };
        let supplied = ConsoleAddress { supplied_fingerprint: Some("23:45".to_owned()), ..address.clone() };
        let shown = text(&ConsoleAccess { address: supplied, token: None });
        assert!(shown.contains("supplied     SHA-256 23:45: browsers see this one"), "{shown}");
        let token = Token { text: "K7QF2M-9XRT4B".to_owned(), ends: "2026-11-23T10:00:00Z".to_owned() };
        insta::assert_snapshot!(text(&ConsoleAccess { address, token: Some(token) }), @"
        console      https://192.0.2.7:31443/
        certificate  SHA-256 AB:CD, until 2029-02-01
        authority    SHA-256 EF:01
        token        K7QF2M-9XRT4B (counts once, until 2026-11-23T10:00:00Z)

        Compare the fingerprint with the one that the browser shows before you type anything there.
        ");
    }
}
