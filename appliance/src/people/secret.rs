//! Random words that stand for a person, stored only as their hash.

use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

use landfall_error_codes::codes;

use crate::error::{Context as _, Result};

/// 256 random bits in hexadecimal. It is shown to its owner once and never logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new one, from the kernel.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).context(codes::BUG, || "the kernel gives no random bytes".to_owned())?;
        Ok(Self(hex::encode(bytes)))
    }

    /// One that a request brought, if it has the form of one.
    pub fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned()))
    }

    /// For its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored. It has 256 bits, so it needs neither salt nor a slow hash.
    pub fn hash(&self) -> String {
        self.derive("stored")
    }

    /// A word that shows a form came from a page that this secret's owner opened.
    pub fn form_token(&self) -> String {
        self.derive("form")
    }

    /// Another word of the same owner, which does not reveal this one.
    pub fn word(&self, purpose: &'static str) -> String {
        self.derive(purpose)
    }

    /// A word that only this owner's console could have put beside these texts.
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

/// A short public name for a session or a key.
pub fn identifier() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..12].to_owned()
}
