//! The walk from the anchor to the effective root, one signed step at a time.

use std::str::FromStr;

use super::root::Root;
use crate::digest::Sha256;
use crate::error::{Error, Result};
use crate::limits;

/// The source of first trust, which does not come from the stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustAnchor {
    /// Bytes of a root document of any number: a file that the vendor handed over, or the root that the site pinned.
    Root(Vec<u8>),
    /// SHA-256 of a root document of any number, typed by a user. The bundle's chain must contain that document.
    Fingerprint(Sha256),
}

impl TrustAnchor {
    /// Parses a typed fingerprint: `sha256:` and 64 lower-case hexadecimal digits.
    pub fn fingerprint(text: &str) -> Result<Self> {
        Sha256::from_str(text.trim())
            .map(Self::Fingerprint)
            .map_err(|_| Error::FingerprintMalformed { text: text.chars().take(200).collect() })
    }
}

/// The effective root, and the start of the chain of trust.
#[derive(Debug, Clone)]
pub struct TrustedRoot {
    root: Root,
    pinned_number: u64,
    pinned_fingerprint: Sha256,
}

impl TrustedRoot {
    /// The newest document reached. Its keys are effective, and a site pins it.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// Number of the document at which the walk began.
    pub const fn pinned_number(&self) -> u64 {
        self.pinned_number
    }

    /// Fingerprint of the document at which the walk began.
    pub const fn pinned_fingerprint(&self) -> Sha256 {
        self.pinned_fingerprint
    }

    /// Returns true if this root is only for development; every output must then say so.
    pub const fn development(&self) -> bool {
        self.root.development()
    }
}

/// Walks from the anchor along a chain without gaps, and returns the newest root. The chain may begin with any number
/// up to the trusted one, so a vendor need not ship every root forever.
///
/// Every step of the chain is checked, including those before the anchor, so that no byte of it can vary. A chain that
/// ends before the anchor's number belongs to an older bundle; in that case, the anchor's own keys are effective.
///
/// Documents with the same number must have the same contents, but may carry other valid signatures. The holder of a
/// stick can omit the signatures above the threshold, and compute a second one from every ECDSA signature. A site that
/// pinned such a document must not refuse the vendor's own afterwards.
pub fn walk(anchor: &TrustAnchor, chain: &[Root]) -> Result<TrustedRoot> {
    if chain.len() > limits::ROOTS {
        let what = format!("the number of root documents ({})", chain.len());
        return Err(Error::TooLarge { what, limit: limits::ROOTS as u64 });
    }
    let pinned = match anchor {
        TrustAnchor::Root(bytes) => {
            let root = Root::read("the trusted root document", bytes)?;
            root.verify_own()?;
            root
        }
        TrustAnchor::Fingerprint(trusted) => with_fingerprint(chain, *trusted)?.clone(),
    };
    // The cheap check that detects an attack comes first: an unknown signer's chain is not worth a thousand signature
    // checks.
    let same = chain.iter().find(|root| root.number() == pinned.number());
    if let Some(other) = same.filter(|other| !other.says_the_same(&pinned)) {
        return Err(Error::RootDiffers { name: other.name().to_owned() });
    }
    if let Some(first) = chain.first().filter(|first| first.number() > pinned.number()) {
        return Err(Error::ChainTooYoung { first: first.number(), trusted: pinned.number() });
    }
    check_steps(chain)?;
    let last = chain.last().filter(|last| last.number() > pinned.number());
    let (pinned_number, pinned_fingerprint) = (pinned.number(), pinned.fingerprint());
    Ok(TrustedRoot { root: last.cloned().unwrap_or(pinned), pinned_number, pinned_fingerprint })
}

fn with_fingerprint(chain: &[Root], trusted: Sha256) -> Result<&Root> {
    chain.iter().find(|root| root.fingerprint() == trusted).ok_or_else(|| {
        // The bundle's own fingerprint is never shown: a user would paste it, and then trust the stick on its own word.
        let found = match chain.first() {
            Some(first) => format!("trust/{}.root.json has another one", first.number()),
            None => "the bundle has none".to_owned(),
        };
        Error::FingerprintWrong { found, trusted: trusted.to_string() }
    })
}

fn check_steps(chain: &[Root]) -> Result<()> {
    let Some(first) = chain.first() else {
        return Ok(());
    };
    first.verify_own()?;
    chain.windows(2).try_for_each(|step| step[0].verify_next(&step[1]))
}
