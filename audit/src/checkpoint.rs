//! What the host signs about a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::head::Head;
use crate::key::SiteKey;
use crate::{AuditError, Result};

/// What the signed bytes begin with, so that a signature of anything else is none of a checkpoint.
const CONTEXT: &str = "landfall.dev/audit-checkpoint/1\n";

/// The host has followed the chain up to this entry. The fields are in the order of the alphabet, which is that of the signed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// When it was signed, by the host's clock.
    pub at: Timestamp,
    /// The last entry that it covers.
    pub head: Head,
    /// Id of the key that signed.
    pub key: KeyId,
    /// The latest restart before it, or by it; none where there never was one.
    pub restart: Option<Restart>,
    /// How many restarts there were.
    pub restarts: u64,
    /// Its number among those of its key, from 1.
    pub sequence: u64,
    /// The signature in base64.
    pub signature: String,
    /// The site's UUID.
    pub site: String,
}

/// A log was continued from an earlier entry than the last signed one: a backup was restored, or someone removed the newest entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// What the host had signed last; the entries after `kept` up to it are no longer part of the log.
    pub abandoned: Head,
    /// When the host learned of it, by its clock.
    pub at: Timestamp,
    /// The signed entry behind which the log continues, as the console named it; number 0 for the beginning.
    pub kept: Head,
}

impl Checkpoint {
    /// The bytes that are signed: everything but the signature.
    fn message(&self) -> Result<Vec<u8>> {
        let unsigned = Self { signature: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsigned).map_err(|error| AuditError::broken(error.to_string()))?;
        Ok(format!("{CONTEXT}{text}").into_bytes())
    }

    /// Signs it, whatever its signature was.
    pub(crate) fn signed(self, key: &SiteKey) -> Result<Self> {
        let signature = STANDARD.encode(key.sign(&self.message()?)?);
        Ok(Self { signature, ..self })
    }

    /// Whether this key signed it as it is.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = STANDARD.decode(&self.signature).unwrap_or_default();
        self.key == key.id() && self.message().is_ok_and(|message| key.verifies(&message, &signature))
    }
}
