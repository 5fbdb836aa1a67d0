//! First trust: what a person passes as `--trust`, obtained over a channel other than the stick.

use std::path::Path;

use landfall_bundle_spec::Verified;
use landfall_bundle_spec::trust::{Root, TrustAnchor};

use super::error::{OperationError, Result};
use crate::pins::PinnedTrust;

/// Where trust begins, and its source.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Where the chain of roots begins.
    pub anchor: TrustAnchor,
    /// Where it came from, for the journal and for reports.
    pub source: String,
}

impl Trust {
    /// Reads `--trust`: a root document's file, or a typed fingerprint. `bundle` is the bundle to trust.
    pub fn read(argument: Option<&str>, bundle: &Path) -> Result<Self> {
        let argument = argument.ok_or_else(|| OperationError::TrustMissing { bundle: bundle.to_owned() })?;
        let path = Path::new(argument);
        // Text written as a path is one, even if no file is there.
        let like_a_path = !argument.starts_with("sha256:") && (argument.contains('/') || path.extension().is_some());
        if !path.is_file() && !like_a_path {
            let anchor = TrustAnchor::fingerprint(argument)
                .map_err(|source| OperationError::Refused { path: bundle.to_owned(), source: source.into() })?;
            return Ok(Self { anchor, source: "fingerprint on the command line".to_owned() });
        }
        let bytes =
            fs_err::read(path).map_err(|source| OperationError::TrustUnreadable { path: path.to_owned(), source })?;
        Ok(Self { anchor: TrustAnchor::Root(bytes), source: format!("file {}", path.display()) })
    }

    /// The trust that an earlier operation pinned.
    pub fn pinned(pinned: &PinnedTrust) -> Self {
        Self { anchor: TrustAnchor::Root(pinned.root.clone().into_bytes()), source: pinned.source.clone() }
    }

    /// What a journal pins of the root that a head was verified with.
    pub fn pin(&self, verified: &Verified) -> PinnedTrust {
        let trusted = verified.trusted();
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
