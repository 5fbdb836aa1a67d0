//! A change as the host API gives it to a child process: one JSON document on standard input. All parts of it are the
//! host's own, except values, which only settings have.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jiff::Timestamp;
use landfall_bundle_spec::Sha256;
use landfall_documents::change::DataChoice;
use landfall_error_codes::codes;
use landfall_site::configuration::ChangedValues;
use rustix::fs::SeekFrom;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Maximum size of the document in bytes: more than the API accepts.
const INPUT_BYTES: u64 = 8 << 20;

/// Change to begin. No `Debug`, because secrets must not reach a log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovedChange {
    /// The change.
    pub(crate) change: ResolvedChange,
    /// Digest of the approved plan.
    pub(crate) approved: Sha256,
}

/// Change whose objects the host has looked up. It has no tag inside, so that reading copies no secret to a buffer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum ResolvedChange {
    /// Upgrade to the release of a bundle.
    Upgrade {
        /// One of the bundle's files.
        bundle: PathBuf,
    },
    /// Rollback to a kept release.
    Rollback {
        /// Version of the release.
        version: String,
        /// Treatment of data that the installed release has changed.
        data: Option<DataChoice>,
    },
    /// Restore of a backup.
    Restore {
        /// ID of the backup.
        backup: Option<String>,
        /// Time as of which data is restored.
        at: Option<Timestamp>,
        /// Components; empty for all components of the backup.
        components: Vec<String>,
    },
    /// Change of settings.
    Configure {
        /// Changed values.
        values: ChangedValues,
        /// New values of secrets, by name.
        secrets: BTreeMap<String, SecretText>,
        /// New time of the daily backup.
        backup_time: Option<String>,
    },
}

impl ResolvedChange {
    /// Returns the verb, which names the log.
    pub(crate) const fn verb(&self) -> &'static str {
        match self {
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Restore { .. } => "restore",
            Self::Configure { .. } => "configure",
        }
    }
}

/// Value of a secret as text. No `Debug`, because it must not reach a log.
#[derive(Clone)]
pub(crate) struct SecretText(pub(crate) Zeroizing<String>);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Reads a document from standard input. The error never quotes it.
///
/// If the program of a bundle takes the place of this one, it reads the same input again: the host API passes a file,
/// and each reader begins at its beginning.
pub(crate) fn read_input<T: DeserializeOwned>() -> Result<T, Failure> {
    let unread = || Failure::new(codes::REQUEST_INVALID, "the change cannot be read");
    let _not_a_pipe = rustix::fs::seek(io::stdin(), SeekFrom::Start(0));
    let mut input = Zeroizing::new(Vec::new());
    io::stdin().lock().take(INPUT_BYTES).read_to_end(&mut input).map_err(|error| unread().because(&error))?;
    serde_json::from_slice(&input).map_err(|_| unread())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_keep_their_form() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for change in [
            json!({ "upgrade": { "bundle": "/media/stick/a.landfall" } }),
            json!({ "rollback": { "version": "1.0.0", "data": "keep" } }),
            json!({ "restore": { "backup": null, "at": "2026-11-22T06:00:00Z", "components": ["db"] } }),
            json!({ "configure": { "values": { "a": null }, "secrets": { "b": "c" }, "backupTime": "03:15" } }),
        ] {
            let document = json!({ "change": change, "approved": digest });
            let read: ApprovedChange = serde_json::from_value(document.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), document);
        }
        let odd = json!({ "change": { "upgrade": { "bundle": "a", "license": "/etc/shadow" } }, "approved": digest });
        assert!(
            serde_json::from_value::<ApprovedChange>(odd).is_err_and(|error| error.to_string().contains("license"))
        );
    }
}
