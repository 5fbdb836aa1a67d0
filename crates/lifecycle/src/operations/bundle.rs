//! A bundle for a site's commands: located, its head read and trusted, and its release document parsed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_bundle_spec::head::{Sealed, Signed};
use landfall_bundle_spec::trust::Revocation;
use landfall_bundle_spec::{Error as FormatError, Sha256, Verified};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::Payload;
use landfall_media::bundle::{UnverifiedBundle, locate_counted};
use landfall_media::counters::Counters;
use landfall_media::progress::Event;
use landfall_release_document::{
    HOST_PACK_DOCUMENT_NAME, HostPackDocument, HostPackage, NOTES_DOCUMENT_NAME, RELEASE_DOCUMENT_NAME,
    ReleaseDocument, SITE_SCHEMA_NAME, check_notes,
};

use super::error::{OperationError, Result};
use super::trust::Trust;
use super::{Operations, carried};
use crate::plan::host_ports::HostPorts;
use crate::plan::objects::ObjectsInputs;
use landfall_site::choice::locate_for_host;
use landfall_site::configuration::{ResolvedValues, SiteConfiguration};
use landfall_site::license::{GivenLicense, LicensedHost, LicensedRelease, Licensing};
use landfall_site::marks::Marks;

/// Locates a bundle, verifies its head and parses its release: the only way from a path to a usable bundle. Reads no
/// payload. Fails if the bundle needs a newer Landfall.
pub fn open_trusted(path: &Path, trust: &Trust, counters: &Counters) -> Result<(UnverifiedBundle, TrustedRelease)> {
    SignedHead::open(path, trust, counters)?.into_release()
}

/// Locates a bundle of a release or a host pack, and verifies its head. Reads no payload.
pub fn open_verified(path: &Path, trust: &Trust, counters: &Counters) -> Result<(UnverifiedBundle, Arc<Verified>)> {
    // Among several bundles, a person must name the one to check. Otherwise, the one for this host would pass for all.
    let (located, verified) = SignedHead::of(locate_counted(path, counters)?, trust)?.into_verified()?;
    let verified = if verified.small_document(HOST_PACK_DOCUMENT_NAME).is_some() {
        TrustedHostPack::understand(verified)?.verified
    } else {
        TrustedRelease::understand(verified)?.verified
    };
    Ok((located, verified))
}

/// A head with verified signatures, and its path.
pub(super) struct SignedHead {
    located: LocatedBundle,
    signed: Signed<Box<dyn Read>>,
}

/// A bundle's path, for errors.
struct LocatedBundle {
    located: UnverifiedBundle,
}

impl LocatedBundle {
    fn refusal(&self, source: FormatError) -> OperationError {
        OperationError::Refused { path: self.located.head_path().to_owned(), source: Box::new(source) }
    }
}

impl SignedHead {
    /// Opens the head of the bundle at `path` for this host.
    pub(super) fn open(path: &Path, trust: &Trust, counters: &Counters) -> Result<Self> {
        Self::of(locate_for_host(path, counters)?, trust)
    }

    fn of(located: UnverifiedBundle, trust: &Trust) -> Result<Self> {
        let located = LocatedBundle { located };
        let source: Box<dyn Read> = Box::new(located.located.head()?);
        let sealed = Sealed::read(source).and_then(|sealed| sealed.trust(&trust.anchor));
        let signed = sealed.map_err(|source| located.refusal(source))?;
        Ok(Self { located, signed })
    }

    /// Fails if a revocation names the bundle.
    pub(super) fn check_revoked(&self, known: &Revocation) -> Result<()> {
        self.signed.check_revoked(known).map_err(|source| self.located.refusal(source))
    }

    /// Fails if the bundle needs a newer Landfall.
    pub(super) fn check_requirements(&self) -> Result<()> {
        self.signed.check_requirements().map_err(|source| self.located.refusal(source))
    }

    /// Returns true if the bundle carries a `landfall` for sites with an older one.
    pub(super) fn carries_program(&self) -> bool {
        self.signed.program().is_some()
    }

    /// Returns the ID of the bundle.
    pub(super) fn id(&self) -> Sha256 {
        self.signed.id()
    }

    /// Returns the signed name and version of the release.
    pub(super) fn announced_release(&self) -> (String, String) {
        let (name, version) = self.signed.announced_release();
        (name.to_owned(), version.to_owned())
    }

    /// Returns true if its root is for development only.
    pub(super) fn is_development(&self) -> bool {
        self.signed.trusted_root().development()
    }

    pub(super) fn into_release(self) -> Result<(UnverifiedBundle, TrustedRelease)> {
        let (located, verified) = self.into_verified()?;
        Ok((located, TrustedRelease::understand(verified)?))
    }

    fn into_verified(self) -> Result<(UnverifiedBundle, Verified)> {
        let verified = self.signed.into_verified().map_err(|source| self.located.refusal(source))?;
        Ok((self.located.located, verified))
    }
}

/// A trusted host pack whose payload was not read yet.
#[derive(Debug, Clone)]
pub(super) struct TrustedHostPack {
    /// The verified head.
    pub(super) verified: Arc<Verified>,
    /// Its document.
    pub(super) document: Arc<HostPackDocument>,
}

impl TrustedHostPack {
    /// Reads and verifies the head of the host pack at `path`: a bundle, a part, a folder or a head. Reads no payload.
    pub(super) fn find(path: &Path, trust: &Trust, operations: &Operations) -> Result<Self> {
        let head = SignedHead::open(path, trust, &operations.io.media)?;
        if let Some(known) = Marks::read(&operations.paths)?.revocation()? {
            head.check_revoked(&known)?;
        }
        head.check_requirements()?;
        Self::understand(head.into_verified()?.1)
    }

    fn understand(verified: Verified) -> Result<Self> {
        let identity = verified.identity();
        let name = format!("{} {}", identity.name, identity.version);
        let missing = |document| OperationError::DocumentMissing { document, release: name.clone() };
        let bytes = verified.small_document(HOST_PACK_DOCUMENT_NAME).ok_or_else(|| missing(HOST_PACK_DOCUMENT_NAME))?;
        let document = HostPackDocument::read(bytes)
            .map_err(|source| OperationError::Document { release: name.clone(), source: Box::new(source) })?;
        let entries = verified.blobs().entries();
        let carries = |package: &HostPackage| {
            entries.iter().any(|blob| blob.sha256 == package.blob.digest && blob.size == package.blob.size)
        };
        let mut packages = document.recipes.iter().flat_map(|recipe| &recipe.packages);
        if let Some(package) = packages.find(|package| !carries(package)) {
            let what = format!("{name} lists {}, and does not carry it", package.file);
            return Err(StepError::new(codes::HOST_PACK_DIFFERS, what).into());
        }
        Ok(Self { document: Arc::new(document), verified: Arc::new(verified) })
    }
}

/// A trusted release whose payload was not read yet.
#[derive(Debug, Clone)]
pub struct TrustedRelease {
    /// The verified head.
    pub verified: Arc<Verified>,
    /// Its release document.
    pub release: Arc<ReleaseDocument>,
    /// Small documents of its head, by name.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
}

impl TrustedRelease {
    /// Returns the ports of the host that the components use on a site with this configuration.
    pub(super) fn host_ports(&self, configuration: &SiteConfiguration, fitted: &ResolvedValues) -> HostPorts {
        let objects = ObjectsInputs { release: &self.release, configuration, fitted };
        HostPorts::of(&objects, |name| self.documents.get(name).map(Vec::as_slice))
    }

    /// Reads and verifies the head of the bundle at `path`: a bundle, a part, a folder or a head. Reads no payload.
    /// Does not return if the bundle is trusted, needs a newer Landfall and carries it: that program then replaces this
    /// process.
    pub fn find(path: &Path, trust: &Trust, operations: &Operations) -> Result<Self> {
        let head = SignedHead::open(path, trust, &operations.io.media)?;
        if let Some(known) = Marks::read(&operations.paths)?.revocation()? {
            head.signed.check_revoked(&known).map_err(|source| head.located.refusal(source))?;
        }
        if let Err(newer) = head.signed.check_requirements() {
            let note = |text: String| operations.progress.event(Event::Note(text));
            note(format!("{newer}: continuing with the landfall that the bundle carries"));
            let Err(reason) = carried::run(&head.located.located, &head.signed);
            note(format!("the landfall that the bundle carries cannot take over: {reason}"));
            return Err(head.located.refusal(newer));
        }
        Ok(head.into_release()?.1)
    }

    /// Reads and verifies a head that the site stores.
    pub fn read(head: &Path, trust: &Trust) -> Result<Self> {
        let bytes = fs_err::read(head).map_err(|error| OperationError::io("read", head, error))?;
        Self::understand(Verified::read_file(&bytes, &trust.anchor).map_err(OperationError::refusal_of(head))?)
    }

    fn understand(verified: Verified) -> Result<Self> {
        let identity = verified.identity();
        let name = format!("{} {}", identity.name, identity.version);
        let missing = |document| OperationError::DocumentMissing { document, release: name.clone() };
        let bytes = verified.small_document(RELEASE_DOCUMENT_NAME).ok_or_else(|| missing(RELEASE_DOCUMENT_NAME))?;
        let release = ReleaseDocument::read(bytes)
            .map_err(|source| OperationError::Document { release: name.clone(), source: Box::new(source) })?;
        verified.small_document(SITE_SCHEMA_NAME).ok_or_else(|| missing(SITE_SCHEMA_NAME))?;
        if release.assembled && !verified.trusted_root().development() {
            return Err(OperationError::Assembled { release: name });
        }
        let documents = verified.small_documents().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        Ok(Self { verified: Arc::new(verified), release: Arc::new(release), documents: Arc::new(documents) })
    }

    /// Returns name and version for people.
    pub fn name(&self) -> String {
        format!("{} {}", self.release.name, self.release.version)
    }

    /// Returns the vendor's release notes as Markdown; `None` if there are none or they cannot be shown.
    pub fn notes(&self) -> Option<&str> {
        check_notes(self.documents.get(NOTES_DOCUMENT_NAME)?).ok()
    }

    /// Returns the build time from the signed head, RFC 3339. An invalid time counts as the oldest possible.
    pub fn built_at(&self) -> Timestamp {
        self.verified.identity().built_at.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Returns the values by which a license for this release is judged.
    pub(super) fn licensed(&self) -> LicensedRelease<'_> {
        LicensedRelease { verified: &self.verified, name: &self.release.name, built_at: self.built_at() }
    }

    /// Returns the license for this release: the one in this file, or the site's.
    pub(super) fn licensing(&self, place: &LicensedHost<'_>, given: Option<&Path>) -> Result<Licensing> {
        let given = given.map(GivenLicense::read).transpose()?;
        Ok(Licensing::look(place, &self.licensed(), given.as_ref())?)
    }

    /// Returns the payload description for copying and checking.
    pub fn payload(&self) -> Payload {
        Payload::from(self.verified.clone())
    }

    /// Returns the JSON Schema of the site configuration.
    pub fn site_schema(&self) -> &[u8] {
        self.documents.get(SITE_SCHEMA_NAME).map(Vec::as_slice).unwrap_or_default()
    }
}
