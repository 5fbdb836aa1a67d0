//! A bundle as site verbs see it: found, its head read and trusted, its release document understood.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use landfall_bundle_spec::{Opened, Verified};
use landfall_media::Payload;
use landfall_media::bundle::locate_counted;
use landfall_media::progress::Event;
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument, SITE_SCHEMA_NAME};

use super::error::{OperationError, Result};
use super::trust::Trust;
use super::{Operations, carried};

/// A trusted release, before its payload was read.
#[derive(Debug, Clone)]
pub struct TrustedRelease {
    /// The verified head.
    pub verified: Arc<Verified>,
    /// Its release document.
    pub release: Arc<ReleaseDocument>,
    /// Its small documents, by name.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
}

impl TrustedRelease {
    /// Reads and verifies the head of the bundle at `path`: a bundle, a part, a folder or a head. Reads no payload. Does
    /// not return if the bundle is trusted, needs a newer Landfall and carries it: the process becomes that one.
    pub fn find(path: &Path, trust: &Trust, operations: &Operations) -> Result<Self> {
        let located = locate_counted(path, &operations.io.media)?;
        let refused =
            |source| OperationError::Refused { path: located.head_path().to_owned(), source: Box::new(source) };
        let opened = Opened::read(located.head()?).map_err(refused)?;
        let signed = opened.trust(&trust.anchor).map_err(refused)?;
        if let Err(newer) = signed.check_requirements() {
            let note = |text: String| operations.progress.event(Event::Note(text));
            note(format!("{newer}: going on with the landfall that the bundle carries"));
            let Err(reason) = carried::run(&located, &signed);
            note(format!("the landfall that the bundle carries cannot take over: {reason}"));
            return Err(refused(newer));
        }
        Self::understand(signed.understood().map_err(refused)?)
    }

    /// Reads and verifies a head that the site keeps.
    pub fn read(head: &Path, trust: &Trust) -> Result<Self> {
        let bytes = fs_err::read(head).map_err(|error| OperationError::io("read", head, error))?;
        let refused = |source| OperationError::Refused { path: head.to_owned(), source: Box::new(source) };
        let opened = Opened::read_file(&bytes).map_err(refused)?;
        Self::understand(opened.verify(&trust.anchor).map_err(refused)?)
    }

    fn understand(verified: Verified) -> Result<Self> {
        let identity = verified.identity();
        let name = format!("{} {}", identity.name, identity.version);
        let missing = |document| OperationError::DocumentMissing { document, release: name.clone() };
        let bytes = verified.small_document(RELEASE_DOCUMENT_NAME).ok_or_else(|| missing(RELEASE_DOCUMENT_NAME))?;
        let release = ReleaseDocument::read(bytes)
            .map_err(|source| OperationError::Document { release: name.clone(), source: Box::new(source) })?;
        verified.small_document(SITE_SCHEMA_NAME).ok_or_else(|| missing(SITE_SCHEMA_NAME))?;
        if release.assembled && !verified.trusted().development() {
            return Err(OperationError::Assembled { release: name });
        }
        let documents = verified.small_documents().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        Ok(Self { verified: Arc::new(verified), release: Arc::new(release), documents: Arc::new(documents) })
    }

    /// Name and version, as a person reads them.
    pub fn name(&self) -> String {
        format!("{} {}", self.release.name, self.release.version)
    }

    /// What copying and checking of the payload need.
    pub fn payload(&self) -> Payload {
        Payload::from(self.verified.clone())
    }

    /// JSON Schema of the site configuration.
    pub fn site_schema(&self) -> &[u8] {
        self.documents.get(SITE_SCHEMA_NAME).map(Vec::as_slice).unwrap_or_default()
    }
}
