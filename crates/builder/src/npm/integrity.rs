//! Integrity of a tarball in the form of Subresource Integrity; only SHA-512 is used.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Length of a SHA-512 in bytes.
const BYTES: usize = 64;

/// Accepted SHA-512 digests of a tarball; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity(Vec<[u8; BYTES]>);

impl Integrity {
    /// Parses `sha512-…`, possibly among other hashes. Returns an error text otherwise.
    pub fn read(text: &str) -> Result<Self, String> {
        let hashes: Vec<_> = text.split_whitespace().filter_map(|hash| hash.split_once('-')).collect();
        let strong = hashes.iter().filter(|(algorithm, _)| *algorithm == "sha512");
        let digests = strong.map(|(_, digest)| {
            // Options follow a question mark, but none are defined.
            let digits = digest.split('?').next().unwrap_or_default();
            let bytes = STANDARD.decode(digits).ok().and_then(|bytes| <[u8; BYTES]>::try_from(bytes).ok());
            bytes.ok_or_else(|| format!("`{}` is not a SHA-512", digest.escape_default()))
        });
        let digests: Vec<_> = digests.collect::<Result<_, _>>()?;
        if !digests.is_empty() {
            return Ok(Self(digests));
        }
        let known: Vec<_> = hashes.iter().map(|(algorithm, _)| algorithm.escape_default().to_string()).collect();
        Err(if known.is_empty() {
            "states no hash".to_owned()
        } else {
            format!("states only {}, which does not prove what it is", known.join(", "))
        })
    }

    /// Returns true if the integrity allows a tarball with this SHA-512.
    pub fn is_of(&self, digest: &[u8; BYTES]) -> bool {
        self.0.contains(digest)
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hashes: Vec<_> = self.0.iter().map(|digest| format!("sha512-{}", STANDARD.encode(digest))).collect();
        formatter.write_str(&hashes.join(" or "))
    }
}
