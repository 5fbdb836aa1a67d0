//! Redaction of secrets before anything reaches a support bundle.
//!
//! Known values in all their usual forms, and texts that resemble secrets, are replaced. Encodings for programming
//! languages, URLs, HTML and base64 are decoded for the search. Each secret becomes a token such as
//! `[redacted:3f2a91c07b44]`. Within one bundle, the same value has the same token. A token is a keyed hash with a key
//! that is in no bundle, so that values cannot be guessed offline.

#[cfg(test)]
mod corpus;
mod known;
mod named;
mod names;
mod parts;
mod patterns;
mod shapes;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod views;

use aho_corasick::AhoCorasick;

pub use known::KnownValues;
pub use names::is_secret_name;
pub use stream::Stream;

use known::Canonical;
use patterns::Patterns;

/// Length of the token key, in bytes.
pub const KEY_BYTES: usize = 32;

/// Bytes of the keyed hash in a token. Among a thousand secrets, the chance that any two share a token is about 1 in
/// 10^8.
const TOKEN_BYTES: usize = 6;

/// Replaces secrets.
pub struct Redactor {
    key: [u8; KEY_BYTES],
    known: AhoCorasick,
    canonical: Canonical,
    patterns: Patterns,
    /// Maximum length in bytes of an encoded secret that is searched for.
    longest: usize,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the key nor the values may reach a log.
        formatter.debug_struct("Redactor").field("values", &self.canonical.count()).finish_non_exhaustive()
    }
}

/// Error if there are too many known values to build an automaton for them.
#[derive(Debug, thiserror::Error)]
#[error("the known secrets of the site are too many to look for")]
pub struct TooMany(#[from] aho_corasick::BuildError);

impl Redactor {
    /// Creates a redactor for these values and for texts that resemble secrets; `key` must be random and is never
    /// stored.
    pub fn new(values: KnownValues, key: [u8; KEY_BYTES]) -> Result<Self, TooMany> {
        let patterns = Patterns::new()?;
        let canonical = values.canonical(&patterns);
        let known = AhoCorasick::new(canonical.forms())?;
        let longest = (canonical.longest().max(patterns.longest()) + 1) * views::GROWTH;
        Ok(Self { key, known, canonical, patterns, longest })
    }

    /// Number of known values.
    pub fn known_values(&self) -> usize {
        self.canonical.count()
    }

    /// Starts a stream of bytes; secrets that are split between two pushes are found.
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// Redacts complete bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        stream.push(bytes);
        stream.finish()
    }

    /// Redacts a complete text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Token of a value; for a form of a known value, the token of that value.
    fn token(&self, found: &[u8]) -> String {
        let value = self.canonical.of_form(found).unwrap_or(found);
        let hash = blake3::keyed_hash(&self.key, value);
        format!("[redacted:{}]", hex::encode(&hash.as_bytes()[..TOKEN_BYTES]))
    }
}
