//! First trust: the argument of `--trust`, which a person obtained over a channel other than the stick.

use std::path::Path;

use landfall_bundle_spec::trust::{Root, TrustAnchor};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_media::bundle::locate;

use super::error::{OperationError, Result};
use landfall_site::pins::PinnedTrust;

/// Anchor of trust, and its source.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Beginning of the chain of roots.
    pub anchor: TrustAnchor,
    /// Source of the anchor, for the journal and for reports.
    pub source: String,
}

impl Trust {
    /// Parses `--trust`: the file of a root document, or a fingerprint. `bundle` is the bundle to trust.
    pub fn read(argument: Option<&str>, bundle: &Path) -> Result<Self> {
        let Some(argument) = argument else {
            // A path without a bundle would be the next error.
            locate(bundle)?;
            return Err(OperationError::TrustMissing { bundle: bundle.to_owned() });
        };
        let path = Path::new(argument);
        // Text in the form of a path counts as one, even if the file does not exist.
        let like_a_path = !has_prefix(argument) && (argument.contains('/') || path.extension().is_some());
        if !path.is_file() && !like_a_path {
            let anchor = TrustAnchor::Fingerprint(typed_fingerprint(argument)?);
            return Ok(Self { anchor, source: "fingerprint on the command line".to_owned() });
        }
        let bytes =
            fs_err::read(path).map_err(|source| OperationError::TrustUnreadable { path: path.to_owned(), source })?;
        Ok(Self { anchor: TrustAnchor::Root(bytes), source: format!("file {}", path.display()) })
    }

    /// Returns the trust that an earlier operation pinned.
    pub fn from_pinned(pinned: &PinnedTrust) -> Self {
        Self { anchor: TrustAnchor::Root(pinned.root.clone().into_bytes()), source: pinned.source.clone() }
    }

    /// Returns the pinned form of the root that verified a head.
    pub fn pin(&self, verified: &Verified) -> PinnedTrust {
        let trusted = verified.trusted_root();
        let root: &Root = trusted.root();
        PinnedTrust {
            fingerprint: root.fingerprint(),
            number: root.number(),
            development: trusted.development(),
            source: self.source.clone(),
            // Root documents are canonical JSON, so they are text.
            root: String::from_utf8_lossy(root.bytes()).into_owned(),
        }
    }
}

/// Number of hexadecimal digits of a fingerprint.
const DIGITS: usize = 64;

fn has_prefix(text: &str) -> bool {
    text.trim_start().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

const PREFIX: &str = "sha256:";

/// Parses a fingerprint that a person typed or pasted: in either case, with spaces, with or without `sha256:`.
/// Documents use only the strict form ([`TrustAnchor::fingerprint`]).
fn typed_fingerprint(text: &str) -> Result<Sha256> {
    let malformed = |found: String| OperationError::FingerprintMalformed { found };
    let joined: String = text.split_whitespace().collect::<String>().to_ascii_lowercase();
    let digits = joined.strip_prefix(PREFIX).unwrap_or(&joined);
    if let Some(other) = digits.chars().find(|character| !character.is_ascii_hexdigit()) {
        return Err(malformed(format!("it contains `{}`, which is no hexadecimal digit", other.escape_default())));
    }
    Sha256::from_hex(digits).map_err(|_| malformed(format!("it has {} of {DIGITS} digits", digits.len())))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;

    #[test]
    fn typed_fingerprints_accept_any_form() {
        let digits = "ab".repeat(32);
        let grouped = format!("{} {}", &digits[..32], &digits[32..]);
        let expected = Sha256([0xab; 32]);
        for text in [&format!("sha256:{digits}"), &format!("SHA256:{}", digits.to_uppercase()), &digits, &grouped] {
            let trust = Trust::read(Some(text), Path::new("stick")).unwrap();
            assert!(matches!(trust.anchor, TrustAnchor::Fingerprint(found) if found == expected), "{text}");
        }
    }

    #[test]
    fn malformed_fingerprints_explain_the_fault() {
        let short = "ab".repeat(31);
        for (text, said) in [
            (format!("sha256:{short}"), "62 of 64 digits"),
            (short, "62 of 64 digits"),
            ("ab".repeat(33), "66 of 64 digits"),
            (format!("sha512:{}", "ab".repeat(32)), "`s`"),
        ] {
            let error = Trust::read(Some(&text), Path::new("stick")).unwrap_err();
            assert_eq!((error.code().id, error.code().class.exit_code()), ("LF1102", 2), "{text}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
