//! `landfall carry in`: takes in files from a vendor. The code of its own command judges each file. All files are
//! judged before any is taken in, so a bad file changes nothing.
//!
//! Threats: an attacker may have put every file on the stick. Licenses, revocations and a bundle's head count only by
//! the root that the site trusts. A revocation beside a license or a bundle is applied to both before either is taken
//! in. Root documents need no file of their own: they travel in licenses and bundles.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation};
use landfall_documents::license::LicenseStatus;
use landfall_engine::step::StepError;
use landfall_error_codes::{Code, codes};
use landfall_host::files;
use landfall_license::SealedLicense;
use landfall_media::MediaError;
use landfall_media::bundle::{locate, locate_counted};
use landfall_media::stage::check_held;
use landfall_media::store::ContentStore;
use schemars::JsonSchema;
use serde::Serialize;

use crate::operations::error::{OperationError, Result};
use crate::operations::{Operations, TrustedRelease};
use landfall_site::license::{GivenLicense, LicensedHost, Licensing};
use landfall_site::marks::Marks;

/// Extension of a license's file.
const LICENSE_EXTENSION: &str = "license";

/// Maximum size of a file that is read to find its type, in bytes.
const LOOK_BYTES: u64 = 1 << 20;

/// Files that arrived for a site, all untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncomingFiles {
    /// A license.
    pub license: Option<PathBuf>,
    /// A revocation.
    pub revocation: Option<PathBuf>,
    /// A bundle, or the folder that holds it.
    pub bundle: Option<PathBuf>,
}

/// A refused file.
#[derive(Debug)]
pub struct RefusedFile {
    /// The file.
    pub path: PathBuf,
    /// Reason of the refusal.
    pub error: OperationError,
}

/// Files that this site accepts.
pub struct CheckedIncoming {
    revocation: Option<Revocation>,
    licensing: Option<Licensing>,
    bundle: Option<TakenBundle>,
    release: TrustedRelease,
}

/// Result of judging all files together.
pub enum IncomingVerdict {
    /// The site accepts all files.
    Fit(Box<CheckedIncoming>),
    /// The site accepts no file, because these are refused.
    Refused(Vec<RefusedFile>),
}

/// Bundle to which this site can be upgraded. It stays in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenBundle {
    /// File or folder of the bundle.
    pub path: PathBuf,
    /// Name of its release.
    pub name: String,
    /// Version of its release.
    pub version: String,
    /// True if it needs a newer Landfall, which it contains.
    pub newer: bool,
}

/// Content that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenIn {
    /// Current license status of this site; null if no license came.
    pub license: Option<LicenseStatus>,
    /// Number of the revocation that is now valid; null if no revocation came.
    pub revocation: Option<u64>,
    /// Bundle to which the site can be upgraded; null if no bundle came.
    pub bundle: Option<TakenBundle>,
}

impl IncomingFiles {
    /// Finds the files: a single file, or the regular files of a folder without its subfolders. Links in a folder are
    /// not followed, and hidden names are skipped.
    pub fn find(path: &Path) -> Result<Self> {
        let nothing = |what: String| StepError::new(codes::CARRY_NOTHING, what);
        let metadata = fs_err::metadata(path)
            .map_err(|error| nothing(format!("{} cannot be looked at", path.display())).because(error))?;
        let mut found = Self::default();
        if metadata.is_dir() {
            for file in regular_files(path)? {
                found.add(file)?;
            }
        } else {
            found.add_single(path, &metadata)?;
        }
        if metadata.is_dir() || found == Self::default() {
            found.bundle = bundle_at(path)?;
        }
        if found == Self::default() {
            return Err(nothing(format!("{} has no license, revocation or bundle", path.display())).into());
        }
        Ok(found)
    }

    /// Assigns a file by its name.
    fn add(&mut self, file: PathBuf) -> Result<()> {
        let is_license = file.extension().is_some_and(|extension| extension == LICENSE_EXTENSION);
        let is_revocation = file.file_name().is_some_and(|name| name == REVOCATION_FILE_NAME);
        let place = match (is_license, is_revocation) {
            (true, _) => &mut self.license,
            (_, true) => &mut self.revocation,
            _ => return Ok(()),
        };
        if let Some(first) = place {
            let what = format!("{} and {} are both licenses", first.display(), file.display());
            return Err(StepError::new(codes::CARRY_SEVERAL, what).into());
        }
        *place = Some(file);
        Ok(())
    }

    /// Assigns the one file that a person named, by its content if needed.
    fn add_single(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        self.add(path.to_owned())?;
        // A device has no size, so all of a stick would be read.
        let is_small = metadata.is_file() && metadata.len() <= LOOK_BYTES;
        if *self != Self::default() || !is_small {
            return Ok(());
        }
        let bytes = files::read_at_most(path, LOOK_BYTES).map_err(|error| OperationError::io("read", path, error))?;
        let name = path.display().to_string();
        if SealedLicense::read(&name, &bytes).is_ok() {
            self.license = Some(path.to_owned());
        } else if Revocation::read(&name, &bytes).is_ok() {
            self.revocation = Some(path.to_owned());
        }
        Ok(())
    }
}

impl Operations {
    /// Judges all files by the site's trust and state. Changes nothing.
    pub fn check_incoming(&self, incoming: &IncomingFiles) -> Result<IncomingVerdict> {
        let release = self.release_of_site()?.ok_or(OperationError::NotInstalled)?;
        let mut refused = Vec::new();
        let revocation = check_file(incoming.revocation.as_deref(), &mut refused, |path| self.check_revocation(path));
        let licensing = check_file(incoming.license.as_deref(), &mut refused, |path| {
            self.check_license(path, &release, revocation.as_ref())
        });
        let bundle =
            check_file(incoming.bundle.as_deref(), &mut refused, |path| self.check_bundle(path, revocation.as_ref()));
        if refused.is_empty() {
            return Ok(IncomingVerdict::Fit(Box::new(CheckedIncoming { revocation, licensing, bundle, release })));
        }
        Ok(IncomingVerdict::Refused(refused))
    }

    /// Takes in the judged files: the revocation first, then the license. Both are on the disk on return. A bundle
    /// stays where it is.
    pub fn take_in(&self, checked: CheckedIncoming) -> Result<TakenIn> {
        let CheckedIncoming { revocation, licensing, bundle, release } = checked;
        let revocation = revocation.map(|revocation| Marks::learn(&self.paths, &revocation)).transpose()?;
        if let Some(licensing) = &licensing {
            licensing.store(&self.paths)?;
        }
        let license = licensing.and_then(|_| self.license_status(Some(&release)));
        Ok(TakenIn { license, revocation: revocation.map(|known| known.number()), bundle })
    }

    /// Returns the revocation if this site would accept it.
    fn check_revocation(&self, path: &Path) -> Result<Revocation> {
        let given = self.trusted_revocation(path)?;
        let Some(known) = Marks::read(&self.paths)?.revocation()? else { return Ok(given) };
        if known.number() > given.number() {
            let what = format!("this site knows revocation {}, which is newer than {}", known.number(), given.number());
            return Err(StepError::new(codes::REVOCATION_OLDER, what).into());
        }
        known.newest(given).map_err(OperationError::refusal_of(path))
    }

    /// Returns the license if this site would store it, after it has learned the revocation beside it.
    fn check_license(&self, path: &Path, release: &TrustedRelease, beside: Option<&Revocation>) -> Result<Licensing> {
        let place = LicensedHost::Here { paths: &self.paths, cluster: self.cluster_identifier() };
        let licensing = Licensing::look(&place, &release.licensed(), Some(&GivenLicense::read(path)?))?;
        let Some((beside, license)) = beside.zip(licensing.license()) else { return Ok(licensing) };
        let refused = |code: Code, what: String| -> Result<Licensing> { Err(StepError::new(code, what).into()) };
        let id = &license.terms().id;
        if let Some(entry) = beside.license_entry(id) {
            let (number, reason) = (beside.number(), &entry.reason);
            let what = format!("the license {id} is revoked by the revocation {number} beside it: {reason}");
            return refused(codes::LICENSE_REVOKED, what);
        }
        match license.revocation().cloned().map(|own| own.newest(beside.clone())) {
            Some(Err(error)) => {
                let what = format!("the license {id} has another revocation than the one beside it: {error}");
                refused(codes::REVOCATION_DIFFERS, what)
            }
            _ => Ok(licensing),
        }
    }

    /// Returns the bundle if this site trusts its head, can change to its release, and finds all its parts. For a
    /// delta, the site must hold the rest. Its payload is verified when used.
    fn check_bundle(&self, path: &Path, beside: Option<&Revocation>) -> Result<TakenBundle> {
        let judged = self.judge(path)?;
        let found = judged.found;
        if let Some(refusal) = found.refusal {
            return Err(refusal);
        }
        if let Some(beside) = beside {
            beside.check(&found.name, &found.version, judged.bundle).map_err(OperationError::refusal_of(path))?;
        }
        if let Some(payload) = judged.payload {
            let media = locate_counted(path, &self.io.media)?.assemble(payload, self.io.media.clone())?;
            check_held(&media, &ContentStore::at(self.paths.registry()))?;
        }
        Ok(TakenBundle { path: path.to_owned(), name: found.name, version: found.version, newer: found.newer })
    }
}

/// Returns the result of judging a file; a refused file is added to `refused`.
fn check_file<T>(
    path: Option<&Path>,
    refused: &mut Vec<RefusedFile>,
    judge: impl FnOnce(&Path) -> Result<T>,
) -> Option<T> {
    let path = path?;
    match judge(path) {
        Ok(found) => Some(found),
        Err(error) => {
            refused.push(RefusedFile { path: path.to_owned(), error });
            None
        }
    }
}

/// Returns the regular files of a folder, by name. Hidden files are skipped: macOS writes `._NAME` beside each file on
/// a stick.
fn regular_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| OperationError::io("list", folder, error);
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.file_type().map_err(failed)?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the path if it has a bundle.
fn bundle_at(path: &Path) -> Result<Option<PathBuf>> {
    match locate(path) {
        Ok(_) => Ok(Some(path.to_owned())),
        Err(MediaError::BundleNotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
