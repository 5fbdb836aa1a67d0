//! Files of a site's secrets. Their values are not settings, because journals contain settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Problem;

/// Key of the section.
const SECTION: &str = "secrets";

/// Files of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// File with the value. For a certificate, it contains the whole chain, and the key if no other file does.
    pub from_file: PathBuf,
    /// File with the key of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_from_file: Option<PathBuf>,
}

impl SecretSource {
    /// Returns all files, in the order in which they are read.
    pub(crate) fn files(&self) -> Vec<&Path> {
        std::iter::once(&self.from_file).chain(&self.key_from_file).map(PathBuf::as_path).collect()
    }
}

/// Parses the section. Problems quote no text of a person, because it may be the secret itself.
pub(super) fn sources(document: &Map<String, Value>, problems: &mut Vec<Problem>) -> BTreeMap<String, SecretSource> {
    let mut problem = |path: String, message: &str| problems.push(Problem { path, message: message.to_owned() });
    let secrets = match document.get(SECTION) {
        None | Some(Value::Null) => return BTreeMap::new(),
        Some(Value::Object(secrets)) => secrets,
        Some(_) => {
            problem(SECTION.to_owned(), "it must be a mapping of names to files");
            return BTreeMap::new();
        }
    };
    let mut sources = BTreeMap::new();
    for (name, value) in secrets {
        let path = format!("{SECTION}.{name}");
        match serde_json::from_value::<SecretSource>(value.clone()) {
            Err(_) => problem(
                path,
                "write `{fromFile: /PATH}`, with `keyFromFile` for the key of a certificate; a value does not belong \
                 here",
            ),
            Ok(source) if source.files().into_iter().any(Path::is_relative) => {
                problem(path, "the path of a file must begin with /");
            }
            Ok(source) => drop(sources.insert(name.clone(), source)),
        }
    }
    sources
}
