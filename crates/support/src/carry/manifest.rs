//! `carry.json`: lists the parts in a carried folder, signed by the site's key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::read_typed;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::CarryError;
use super::part::{MissingPart, PartKind, PartRecord};

/// Name of the manifest in the folder. It is written last.
pub const MANIFEST: &str = "carry.json";

/// Maximum size of a manifest, in bytes.
pub const MANIFEST_BYTES: u64 = 1 << 20;

/// Value of `type` in the manifest.
const MANIFEST_TYPE: &str = "landfall.dev/carry/1";

/// Prefix of the signed bytes, so that no other signature is valid for a manifest.
const CONTEXT: &str = "landfall.dev/carry/1\n";

/// Manifest of carried parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarryManifest {
    /// Always `landfall.dev/carry/1`.
    #[serde(rename = "type")]
    document_type: String,
    /// UUID of the site.
    pub site: String,
    /// Creation time by the host's clock, RFC 3339 in UTC.
    pub made: String,
    /// Version of the `landfall` that created it.
    pub landfall: String,
    /// Parts that are present.
    pub parts: Vec<PartRecord>,
    /// Parts that are absent, each with the reason.
    pub missing: Vec<MissingPart>,
    /// Public key of the site, as PEM.
    pub key: String,
    /// Signature of all other fields, in base64.
    signature: String,
}

impl CarryManifest {
    /// Creates a manifest with the public key of its signer, before [`CarryManifest::with_signature`].
    pub fn new_unsigned(
        site: String,
        made: String,
        landfall: String,
        parts: Vec<PartRecord>,
        missing: Vec<MissingPart>,
        key: &PublicKey,
    ) -> Self {
        let document_type = MANIFEST_TYPE.to_owned();
        Self { document_type, site, made, landfall, parts, missing, key: key.to_pem(), signature: String::new() }
    }

    /// Adds the signature of [`CarryManifest::message`].
    #[must_use]
    pub fn with_signature(self, signature: &[u8]) -> Self {
        Self { signature: STANDARD.encode(signature), ..self }
    }

    /// Parses a manifest, in any layout. Its content is untrusted before [`CarryManifest::verify`].
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, CarryError> {
        let form = |source| CarryError::Form { name: name.to_owned(), source: Box::new(source) };
        if bytes.len() as u64 > MANIFEST_BYTES {
            let what = format!("{name} ({} bytes)", bytes.len());
            return Err(form(landfall_bundle_spec::Error::TooLarge { what, limit: MANIFEST_BYTES }));
        }
        read_typed(name, MANIFEST_TYPE, bytes).map_err(form)
    }

    /// Bytes of the manifest's file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CarryError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(CarryError::Unwritable)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Bytes to sign: the manifest without its signature.
    pub fn message(&self) -> Result<Vec<u8>, CarryError> {
        let unsigned = Self { signature: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsigned).map_err(CarryError::Unwritable)?;
        Ok(format!("{CONTEXT}{text}").into_bytes())
    }

    /// Verifies that one of these keys signed it, and that it names each kind of part exactly once. Returns the key
    /// that signed.
    pub fn verify(&self, keys: &[KeyId]) -> Result<PublicKey, CarryError> {
        let key = PublicKey::from_pem("the key of the manifest", &self.key).map_err(|_| CarryError::Signature)?;
        if !keys.contains(&key.id()) {
            let wanted = keys.first().copied().ok_or(CarryError::Signature)?;
            return Err(CarryError::OtherKey { found: key.id(), wanted });
        }
        let signature = STANDARD.decode(&self.signature).unwrap_or_default();
        if !key.verifies(&self.message()?, &signature) {
            return Err(CarryError::Signature);
        }
        self.check_parts()?;
        Ok(key)
    }

    /// The part of a kind, if present.
    pub fn part(&self, kind: PartKind) -> Option<&PartRecord> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    fn check_parts(&self) -> Result<(), CarryError> {
        let mut listed: Vec<PartKind> = self.parts.iter().map(|part| part.kind).collect();
        listed.extend(self.missing.iter().map(|missing| missing.kind));
        listed.sort_unstable();
        if listed == PartKind::ALL {
            return Ok(());
        }
        let names: Vec<&str> = listed.iter().map(|kind| kind.title()).collect();
        Err(CarryError::Parts { what: names.join(", ") })
    }
}
