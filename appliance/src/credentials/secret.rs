//! Random secrets that represent a person, stored only as hashes.

use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

use landfall_error_codes::codes;

use crate::error::{Context as _, Result};

/// 256 random bits in hexadecimal. The secret is shown to its owner once and never logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret with random bits of the kernel.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).context(codes::BUG, || "the kernel gives no random bytes".to_owned())?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Parses a secret from a request, if it is well-formed.
    pub fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned()))
    }

    /// Returns the text for its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the stored hash. A secret of 256 bits needs neither salt nor a slow hash.
    pub fn hash(&self) -> String {
        self.derive("stored")
    }

    /// Returns the token that proves that a form came from a page that this secret's owner opened.
    pub fn form_token(&self) -> String {
        self.derive("form")
    }

    /// Derives another value of the same owner, which does not reveal the secret.
    pub fn word(&self, purpose: &'static str) -> String {
        self.derive(purpose)
    }

    /// Returns a mark that only the console could have created for these texts and this owner.
    pub fn mark(&self, texts: [&str; 2]) -> String {
        self.derive(&format!("mark\0{}\0{}", texts[0], texts[1]))
    }

    fn derive(&self, purpose: &str) -> String {
        hex::encode(Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.0).finalize())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Returns a short public name for a session or a key.
pub fn identifier() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..12].to_owned()
}
