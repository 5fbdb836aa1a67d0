//! Sources of values: files named on the command line or in the site configuration, a terminal, and the console.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_release_document::SiteSecret;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::configuration::SecretSource;

/// A secret that a person gives on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArgument {
    /// Name of the secret.
    pub name: String,
    /// File with the value; without one, a person types it.
    pub file: Option<PathBuf>,
}

/// Prompt for a person at a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretQuestion<'a> {
    /// Name of the secret.
    pub name: &'a str,
    /// Name of the component.
    pub component: &'a str,
    /// Description of the secret.
    pub meaning: &'a str,
    /// Required form of the value.
    pub needed: String,
}

/// Prompts a person at a terminal; fails if nothing was typed.
pub type AskSecret = fn(&SecretQuestion<'_>) -> std::io::Result<Zeroizing<String>>;

/// Secrets that a person supplies to an operation.
#[derive(Debug, Clone, Default)]
pub struct BroughtSecrets {
    /// Secrets of the command line, in their order. For a certificate, a second file of the same name contains the key.
    pub arguments: Vec<SecretArgument>,
    /// Function that prompts for a password; `None` if no person is at a terminal.
    pub ask: Option<AskSecret>,
    /// Secrets that a person gave the console, by name.
    pub sent: BTreeMap<String, SentSecret>,
}

/// A value that exists only in this process's memory. `Debug` does not show it.
#[derive(Clone)]
pub struct SentSecret(Zeroizing<Vec<u8>>);

impl SentSecret {
    /// Returns the value of a text.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// Returns the bytes of the value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a random name for a stored value.
    pub fn new_id() -> String {
        Uuid::new_v4().to_string()
    }
}

impl fmt::Debug for SentSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SentSecret")
    }
}

/// Nothing is supplied, and nothing is prompted for.
pub static NO_SECRETS: BroughtSecrets = BroughtSecrets { arguments: Vec::new(), ask: None, sent: BTreeMap::new() };

/// Source of one secret's value.
pub(super) enum Source<'a> {
    /// These files, one after another.
    Files(Vec<&'a Path>),
    /// A person at the terminal.
    Terminal,
    /// A value in memory.
    Sent(&'a SentSecret),
}

/// Reason why a value cannot be read. It never quotes the value.
pub(super) enum ValueReadError {
    /// The file does not exist.
    Missing(PathBuf),
    /// Any other reason.
    Other(String),
}

impl fmt::Display for ValueReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(formatter, "there is no file {}", path_text(path)),
            Self::Other(what) => formatter.write_str(what),
        }
    }
}

impl BroughtSecrets {
    /// Returns the source of this secret's value, if any. The command line takes precedence over the configuration.
    pub(super) fn source<'a>(&'a self, name: &str, configured: Option<&'a SecretSource>) -> Option<Source<'a>> {
        if let Some(sent) = self.sent.get(name) {
            return Some(Source::Sent(sent));
        }
        if !self.names(name) {
            return configured.map(|source| Source::Files(source.files()));
        }
        let named = self.arguments.iter().filter(|argument| argument.name == name);
        let files: Vec<&Path> = named.filter_map(|argument| argument.file.as_deref()).collect();
        Some(if files.is_empty() { Source::Terminal } else { Source::Files(files) })
    }

    /// Returns true if a person supplies a secret of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.sent.contains_key(name) || self.arguments.iter().any(|argument| argument.name == name)
    }
}

/// Reads files one after another, each to its end and up to the size limit of a secret. Pipes are allowed.
pub fn read(files: &[&Path]) -> Result<Zeroizing<Vec<u8>>, ValueReadError> {
    let mut value = Zeroizing::new(Vec::new());
    for path in files {
        // The end of one PEM file may lack its line end.
        if !value.is_empty() {
            value.push(b'\n');
        }
        read_into(path, &mut value).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ValueReadError::Missing((*path).to_owned()),
            _ => ValueReadError::Other(format!("the file {} cannot be read: {error}", path_text(path))),
        })?;
        if u64::try_from(value.len()).is_ok_and(|length| length > SiteSecret::LARGEST_BYTES) {
            let most = SiteSecret::LARGEST_BYTES;
            return Err(ValueReadError::Other(format!("the file {} has more than {most} bytes", path_text(path))));
        }
    }
    Ok(value)
}

/// Formats a path for a message. A text that does not begin with / may be the secret itself, typed instead of its file.
fn path_text(path: &Path) -> String {
    if path.is_absolute() {
        path.display().to_string()
    } else {
        "of the given name (`--secret NAME=FILE` takes a file, and no value)".to_owned()
    }
}

fn read_into(path: &Path, value: &mut Vec<u8>) -> std::io::Result<()> {
    let file = std::fs::File::open(path)?;
    file.take(SiteSecret::LARGEST_BYTES + 1).read_to_end(value).map(drop)
}
