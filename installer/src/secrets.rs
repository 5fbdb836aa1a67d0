//! Secrets from a person: files named on the command line, or typed text.

use std::io::{Error, IsTerminal as _};

use landfall_lifecycle::site_secrets::{AskSecret, BroughtSecrets, SecretArgument, SecretQuestion};
use zeroize::Zeroizing;

use crate::cli::SecretArguments;
use crate::shown;

/// Secrets for a command that makes changes: missing passwords are requested at a terminal.
pub(crate) fn brought(arguments: SecretArguments) -> BroughtSecrets {
    let ask: AskSecret = typed;
    BroughtSecrets {
        arguments: arguments.secret,
        ask: std::io::stdin().is_terminal().then_some(ask),
        ..BroughtSecrets::default()
    }
}

/// Secrets for a command that changes nothing: nothing is requested.
pub(crate) fn named(arguments: SecretArguments) -> BroughtSecrets {
    BroughtSecrets { arguments: arguments.secret, ask: None, ..BroughtSecrets::default() }
}

/// Parses `NAME=FILE`, or only a name for typed text.
pub(crate) fn argument(text: &str) -> Result<SecretArgument, String> {
    let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
    if name.is_empty() || file.is_some_and(str::is_empty) {
        return Err("write NAME=FILE, or NAME to type the secret".to_owned());
    }
    Ok(SecretArgument { name: name.to_owned(), file: file.map(Into::into) })
}

/// Asks twice, because typed text is not shown.
fn typed(question: &SecretQuestion<'_>) -> std::io::Result<Zeroizing<String>> {
    let SecretQuestion { name, component, meaning, needed } = question;
    let prompt = shown::line(&format!("{meaning}: {name} of {component}, {needed}"));
    let first = Zeroizing::new(rpassword::prompt_password(format!("{prompt}: "))?);
    let second = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    if *first == *second { Ok(first) } else { Err(Error::other("the two entries differ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_argument_has_optional_file() {
        let read = |text: &str| argument(text).map(|read| (read.name, read.file));
        assert_eq!(read("a=/b=c"), Ok(("a".to_owned(), Some("/b=c".into()))));
        assert_eq!(read("a"), Ok(("a".to_owned(), None)));
        for wrong in ["", "=", "=/b", "a="] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
