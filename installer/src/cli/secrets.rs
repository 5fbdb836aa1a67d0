//! Arguments with the values of secrets: files, or names for typed text.

use clap::Args;
use landfall_site::site_secrets::SecretArgument;

/// Values of the secrets that a release declares.
#[derive(Debug, Args)]
pub(crate) struct SecretArguments {
    /// Give a secret that the release declares, from a file; with only its name, type a password. Repeat it for each
    /// secret, and for the file with the key of a certificate.
    #[arg(long, value_name = "NAME[=FILE]", value_parser = argument)]
    pub(crate) secret: Vec<SecretArgument>,
}

/// Parses `NAME=FILE`, or only a name for typed text.
fn argument(text: &str) -> Result<SecretArgument, String> {
    let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
    if name.is_empty() || file.is_some_and(str::is_empty) {
        return Err("write NAME=FILE, or NAME to type the secret".to_owned());
    }
    Ok(SecretArgument { name: name.to_owned(), file: file.map(Into::into) })
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
            assert!(read(wrong).expect_err(wrong).starts_with("write NAME=FILE"), "{wrong}");
        }
    }
}
