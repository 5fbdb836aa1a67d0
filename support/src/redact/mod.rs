//! Secrets are replaced before anything reaches a support bundle: known values in every form that they usually take, and what looks
//! like a secret, in whatever writing: escaped for a programming language, a URL or HTML, or in base64. Each becomes a token such as `[redacted:3f2a91c07b44]`. Within one bundle the same value has the same token; it is a
//! keyed hash under a key that is in no bundle, so that values cannot be guessed offline.

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

/// Bytes of the key of tokens.
pub const KEY_BYTES: usize = 32;

/// Bytes of a keyed hash that a token shows. Two of a thousand secrets get the same token once in 10^8 bundles.
const TOKEN_BYTES: usize = 6;

/// Replaces secrets.
pub struct Redactor {
    key: [u8; KEY_BYTES],
    known: AhoCorasick,
    canonical: Canonical,
    patterns: Patterns,
    /// Bytes of the longest writing of a secret that is looked for.
    longest: usize,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither key nor values may reach a log.
        formatter.debug_struct("Redactor").field("values", &self.canonical.count()).finish_non_exhaustive()
    }
}

/// The automaton that finds known values cannot be built, because they are too many.
#[derive(Debug, thiserror::Error)]
#[error("the known secrets of the site are too many to look for")]
pub struct TooMany(#[from] aho_corasick::BuildError);

impl Redactor {
    /// A redactor of these values and of what looks like a secret; `key` must be random and is never stored.
    pub fn new(values: KnownValues, key: [u8; KEY_BYTES]) -> Result<Self, TooMany> {
        let patterns = Patterns::new()?;
        let canonical = values.canonical(&patterns);
        let known = AhoCorasick::new(canonical.forms())?;
        let longest = (canonical.longest().max(patterns.longest()) + 1) * views::GROWTH;
        Ok(Self { key, known, canonical, patterns, longest })
    }

    /// How many values are known.
    pub fn known_values(&self) -> usize {
        self.canonical.count()
    }

    /// A stream of bytes that begins; secrets that are split between two pushes are found.
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// All of a text.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        stream.push(bytes);
        stream.finish()
    }

    /// All of a text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The token of a value: that of the known value of which it is a form, if it is one.
    fn token(&self, found: &[u8]) -> String {
        let value = self.canonical.of_form(found).unwrap_or(found);
        let hash = blake3::keyed_hash(&self.key, value);
        format!("[redacted:{}]", hex::encode(&hash.as_bytes()[..TOKEN_BYTES]))
    }
}
