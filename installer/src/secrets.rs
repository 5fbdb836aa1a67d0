//! Secrets from a person: files named on the command line, or typed text.

use std::io::{Error, IsTerminal as _};

use landfall_site::site_secrets::{AskSecret, BroughtSecrets, SecretQuestion};
use zeroize::Zeroizing;

use crate::cli::SecretArguments;
use crate::shown;

/// Secrets for a command that makes changes: missing passwords are requested at a terminal.
pub(crate) fn interactive_secrets(arguments: SecretArguments) -> BroughtSecrets {
    let ask: AskSecret = ask_secret;
    BroughtSecrets {
        arguments: arguments.secret,
        ask: std::io::stdin().is_terminal().then_some(ask),
        ..BroughtSecrets::default()
    }
}

/// Secrets for a command that changes nothing: nothing is requested.
pub(crate) fn noninteractive_secrets(arguments: SecretArguments) -> BroughtSecrets {
    BroughtSecrets { arguments: arguments.secret, ask: None, ..BroughtSecrets::default() }
}

/// Asks twice, because typed text is not shown.
fn ask_secret(question: &SecretQuestion<'_>) -> std::io::Result<Zeroizing<String>> {
    let SecretQuestion { name, component, meaning, needed } = question;
    let prompt = shown::line(&format!("{meaning}: {name} of {component}, {needed}"));
    let first = Zeroizing::new(rpassword::prompt_password(format!("{prompt}: "))?);
    let second = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    if *first == *second { Ok(first) } else { Err(Error::other("the two entries differ")) }
}
