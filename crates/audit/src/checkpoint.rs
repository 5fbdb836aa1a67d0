//! Checkpoints: the host's signatures on a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::head::Head;
use crate::key::SiteKey;
use crate::{AuditError, Result};

/// Prefix of the signed bytes, so that no other signature is valid for a checkpoint.
const CONTEXT: &str = "landfall.dev/audit-checkpoint/1\n";

/// A statement that the host has followed the chain up to this entry. The fields are in alphabetical order, like those
/// of the signed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Time of the signature, by the host's clock.
    pub at: Timestamp,
    /// Last entry that it covers.
    pub head: Head,
    /// Id of the signing key.
    pub key: KeyId,
    /// Latest restart before it, or by it; `None` if there never was one.
    pub restart: Option<Restart>,
    /// Number of restarts.
    pub restarts: u64,
    /// Sequence number among the checkpoints of its key, from 1.
    pub sequence: u64,
    /// The signature in base64.
    pub signature: String,
    /// UUID of the site.
    pub site: String,
}

/// A restart: a log was continued from an earlier entry than the last signed one, because a backup was restored or
/// someone removed the newest entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// Head that the host had signed last. The entries after `kept`, up to this one, are no longer part of the log.
    pub abandoned: Head,
    /// Time at which the host learned of the restart, by its clock.
    pub at: Timestamp,
    /// Signed entry after which the log continues, as named by the console; number 0 for the beginning.
    pub kept: Head,
}

impl Checkpoint {
    /// Returns the signed bytes: everything except the signature.
    fn message(&self) -> Result<Vec<u8>> {
        let unsigned = Self { signature: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsigned).map_err(|error| AuditError::broken(error.to_string()))?;
        Ok(format!("{CONTEXT}{text}").into_bytes())
    }

    /// Signs the checkpoint, replacing any existing signature.
    pub(crate) fn sign(self, key: &SiteKey) -> Result<Self> {
        let signature = STANDARD.encode(key.sign(&self.message()?)?);
        Ok(Self { signature, ..self })
    }

    /// Returns true if this key signed the checkpoint exactly as it is.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = STANDARD.decode(&self.signature).unwrap_or_default();
        self.key == key.id() && self.message().is_ok_and(|message| key.verifies(&message, &signature))
    }
}
