//! `landfall carry out`: writes a folder for the vendor to a stick, with a manifest that the site's key signs.
//!
//! A missing part is named with its reason and does not stop the others: a site without a license has no report of
//! usage. A failed write stops everything and leaves nothing on the stick.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError as _, codes};
use landfall_host::facts::{self, ProbedGpus};
use landfall_license::usage;
use landfall_media::FileDigest;
use landfall_media::progress::Event;
use landfall_support::carry::{
    CarryError, CarryManifest, InstalledRelease, MANIFEST, MissingPart, PartKind, PartRecord, PinnedRoot, SiteInventory,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::audit_log::AUDIT_BYTES;
use super::folder::OutFolder;
use crate::operations::error::{OperationError, Result};
use crate::operations::license_answer::site_of;
use crate::operations::{Operations, TrustedRelease};
use landfall_site::console::{AuditRecord, ConsoleFiles};
use landfall_site::marks::Marks;

/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Content that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedOut {
    /// Folder on the stick.
    pub folder: PathBuf,
    /// UUID of the site.
    pub site: String,
    /// Creation time, RFC 3339 in UTC.
    pub made: String,
    /// ID of the site's key, which signed.
    pub site_key: String,
    /// Parts that are present.
    pub parts: Vec<PartRecord>,
    /// Parts that are absent, each with the reason.
    pub missing: Vec<MissingPart>,
}

/// A part, or the reason why it is missing.
type PartResult<T> = std::result::Result<T, String>;

/// Sources of all parts.
struct Source<'a> {
    release: &'a TrustedRelease,
    site: &'a str,
    record: &'a AuditRecord,
    since: Duration,
}

impl Operations {
    /// Writes the vendor's files into a new folder in `directory`: synced, read back, and signed by the site's key. The
    /// key is created if needed; nothing else changes at the site. The support bundle has logs of the time `since`
    /// before now.
    pub fn carry_out(&self, directory: &Path, since: Duration) -> Result<CarriedOut> {
        let release = self.release_of_site()?.ok_or(OperationError::NotInstalled)?;
        let site = site_of(&self.paths)?;
        let record = AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?;
        let made = Timestamp::now();
        let folder = OutFolder::create(directory, &site, made)?;
        let source = Source { release: &release, site: &site, record: &record, since };
        let written = self.fill(&folder, &source, made);
        if written.is_err() {
            folder.remove();
        }
        written
    }

    fn fill(&self, folder: &OutFolder, source: &Source<'_>, made: Timestamp) -> Result<CarriedOut> {
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for kind in PartKind::ALL {
            self.progress.event(Event::Note(format!("writing the {}", kind.title())));
            match self.write_part(kind, folder, source)? {
                Ok(FileDigest { size_bytes, sha256 }) => parts.push(PartRecord { kind, size_bytes, sha256 }),
                Err(reason) => missing.push(MissingPart { kind, reason }),
            }
        }
        let (site, made) = (source.site.to_owned(), format!("{made:.0}"));
        let manifest =
            CarryManifest::new_unsigned(site, made, VERSION.to_owned(), parts, missing, source.record.public_key());
        let manifest = sign_carried(source.record, manifest)?;
        // The manifest is written last, so a folder without it is incomplete.
        folder.write(MANIFEST, &manifest.to_bytes().map_err(unwritable)?)?;
        let CarryManifest { site, made, parts, missing, .. } = manifest;
        let site_key = source.record.public_key().id().to_string();
        Ok(CarriedOut { folder: folder.path.clone(), site, made, site_key, parts, missing })
    }

    fn write_part(&self, kind: PartKind, folder: &OutFolder, source: &Source<'_>) -> Result<PartResult<FileDigest>> {
        let name = kind.file_name();
        let document = match kind {
            PartKind::Support => {
                self.collect_support(&folder.file(name), source.since)?;
                return folder.check_written(name).map(Ok);
            }
            PartKind::Audit => {
                return match self.export_audit(source.release) {
                    Ok(mut stream) => folder.write_stream(name, &mut *stream, AUDIT_BYTES),
                    Err(error) => Ok(Err(with_causes(&error))),
                };
            }
            PartKind::Inventory => self.inventory(source).map_err(reason).and_then(|found| document(None, &found)),
            PartKind::Facts => facts::collect(&self.paths, &ProbedGpus::recent(&self.paths))
                .map_err(reason)
                .and_then(|found| document(Some((facts::KIND, facts::SCHEMA)), &found)),
            PartKind::Usage => self.usage_document(),
        };
        match document {
            Ok(bytes) => folder.write(name, &bytes).map(Ok),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Returns the report of usage as `landfall license report` writes it.
    fn usage_document(&self) -> PartResult<Vec<u8>> {
        let report = self.usage_report().map_err(reason)?;
        let report = report.ok_or_else(|| codes::USAGE_NONE.title.to_owned())?;
        document(Some((usage::KIND, usage::SCHEMA)), &report)
    }

    fn inventory(&self, source: &Source<'_>) -> Result<SiteInventory> {
        let license = self.license_report()?;
        let key = source.record.public_key().id().to_string();
        let kept = self.releases()?.into_iter().map(|kept| InstalledRelease {
            name: kept.name,
            version: kept.version,
            counter: kept.counter,
            bundle: kept.bundle,
        });
        let root = self.pinned_trust()?.map(|pinned| PinnedRoot {
            number: pinned.number,
            fingerprint: pinned.fingerprint,
            development: pinned.development,
        });
        let components = source.release.release.components.iter().map(|component| component.name.clone());
        let mut inventory = SiteInventory::of(source.site.to_owned(), VERSION.to_owned(), key);
        inventory.releases = kept.collect();
        inventory.components = components.collect();
        inventory.root = root;
        inventory.revocation = Marks::read(&self.paths)?.revocation()?.map_or(0, |known| known.number());
        inventory.license = license.license.and_then(|status| status.terms).map(|terms| terms.id);
        inventory.identifiers = license.identifiers;
        Ok(inventory)
    }
}

/// Signs the manifest with the key of the audit record. No other signed text begins in the same way.
fn sign_carried(record: &AuditRecord, unsigned: CarryManifest) -> Result<CarryManifest> {
    let message = unsigned.message().map_err(unwritable)?;
    Ok(unsigned.with_signature(&record.sign_message(&message)?))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn unwritable(error: CarryError) -> StepError {
    StepError::new(error.code(), error.to_string())
}

fn reason<E: std::error::Error + 'static>(error: E) -> String {
    let error: Box<dyn std::error::Error> = Box::new(error);
    with_causes(&*error)
}

/// Returns a document as a command prints it with `--json`; `kind` adds its kind and schema.
fn document(kind: Option<(&str, u32)>, document: &impl Serialize) -> PartResult<Vec<u8>> {
    let mut value = serde_json::to_value(document).map_err(reason)?;
    if let Some((kind, schema)) = kind {
        value["kind"] = kind.into();
        value["schema"] = schema.into();
    }
    let mut bytes = serde_json::to_vec_pretty(&value).map_err(reason)?;
    bytes.push(b'\n');
    Ok(bytes)
}
