//! Headers for file servers and hubs, named in the registries file. A value is a secret from elsewhere: it is in no
//! lock, log, error or bundle.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::error::{BuildError, Place, Result};

/// The written form of an entry in `headers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderEntry {
    /// Server that gets it: host, with the port unless it is the default.
    host: Spanned<String>,
    /// Name of the header, such as `Authorization`.
    name: String,
    /// Prefix of the value, such as `Bearer `.
    #[serde(default)]
    prefix: String,
    /// Environment variable with the value.
    #[serde(default)]
    env: Option<String>,
    /// Path of a file with the value, relative to the registries file; in place of `env`.
    #[serde(default)]
    file: Option<PathBuf>,
}

/// A header for one host.
#[derive(Debug, Clone)]
pub(super) struct HostHeader {
    pub host: String,
    pub name: HeaderName,
    /// Value, marked as sensitive so that it is never shown.
    pub value: HeaderValue,
}

/// Reads the value of a header. No error quotes it.
pub(super) fn read(path: &Path, index: usize, entry: &HeaderEntry) -> Result<HostHeader> {
    let field = format!("headers[{index}]");
    let line = entry.host.referenced.line();
    let invalid =
        |what: String| BuildError::at(codes::REGISTRIES_INVALID, Place::field(path, line, field.as_str()), what);
    let name = HeaderName::try_from(&entry.name)
        .map_err(|_| invalid(format!("`{}` is not the name of a header", entry.name.escape_default())))?;
    let text = match (&entry.env, &entry.file) {
        (Some(variable), None) => std::env::var(variable)
            .map_err(|_| invalid(format!("the environment has no {}", variable.escape_default())))?,
        (None, Some(file)) => {
            let from = path.parent().unwrap_or(Path::new("")).join(file);
            let text = fs_err::read_to_string(from);
            text.map_err(|error| invalid("the value cannot be read".to_owned()).because(error))?
        }
        _ => return Err(invalid("the value comes from `env` or from `file`".to_owned())),
    };
    let mut value = HeaderValue::try_from(format!("{}{}", entry.prefix, text.trim()))
        .map_err(|_| invalid("the value contains characters that no header may have".to_owned()))?;
    value.set_sensitive(true);
    Ok(HostHeader { host: entry.host.value.clone(), name, value })
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;

    use super::super::registries::Registries;

    #[test]
    fn header_values_stay_hidden() {
        let folder = tempfile::tempdir().expect("folder");
        let read = |text: &str| {
            let path = folder.path().join("registries.yaml");
            durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
            Registries::read(&path)
        };
        durable::write_file(&folder.path().join("token"), b"hf_secret\n", 0o600).expect("token");
        let found =
            read("headers: [{host: 'hub.example:8443', name: Authorization, prefix: 'Bearer ', file: token}]\n");
        let found = found.expect("good");
        let headers = found.headers("hub.example:8443");
        assert_eq!(
            headers.get("authorization").map(reqwest::header::HeaderValue::as_bytes),
            Some(&b"Bearer hf_secret"[..])
        );
        assert!(found.headers("hub.example").is_empty() && found.headers("other.example:8443").is_empty());
        assert!(!format!("{found:?}").contains("hf_secret"), "{found:?}");
        for bad in [
            "headers: [{host: a, name: 'a b', file: token}]\n",
            "headers: [{host: a, name: X}]\n",
            "headers: [{host: a, name: X, file: token, env: HOME}]\n",
            "headers: [{host: a, name: X, env: LANDFALL_NO_SUCH_VARIABLE}]\n",
            "headers: [{host: a, name: X, file: nothing}]\n",
            "headers: [{host: a, name: X, value: hf_secret}]\n",
        ] {
            let error = read(bad).expect_err(bad);
            assert_eq!(error.code().id, "LF2101", "{bad}");
        }
    }
}
