//! Errors of operations that did not begin or did not complete.

use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_documents::failure::Failure;
use landfall_documents::replaced_data::ReplacedData;
use landfall_media::MediaError;
use landfall_media::durable::DurableError;

use landfall_engine::engine::EngineError;
use landfall_engine::journal::JournalError;
use landfall_engine::step::StepError;

use super::changing::ObjectEdit;
use super::error_codes::only_license;
use crate::replaced_data;
use landfall_site::configuration::ConfigurationError;
use landfall_site::findings::Finding;
use landfall_site::marks::MarksError;

/// A result of this module.
pub type Result<T, E = OperationError> = std::result::Result<T, E>;

/// Reason why an operation did not begin or did not complete.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// No root of trust was given.
    #[error("{} cannot be trusted without a root", .bundle.display())]
    TrustMissing {
        /// The bundle.
        bundle: PathBuf,
    },
    /// The root document cannot be read.
    #[error("cannot read the root document {}", .path.display())]
    TrustUnreadable {
        /// The file.
        path: PathBuf,
        /// Underlying error.
        source: std::io::Error,
    },
    /// The given fingerprint is malformed.
    #[error("--trust is not a fingerprint: {found}")]
    FingerprintMalformed {
        /// Difference from a valid fingerprint.
        found: String,
    },
    /// The head was refused: format or trust.
    #[error("{} is refused", .path.display())]
    Refused {
        /// The path of the head.
        path: PathBuf,
        /// Underlying error.
        source: Box<landfall_bundle_spec::Error>,
    },
    /// The bundle was not found, or is incomplete.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The release document of a trusted head is invalid.
    #[error("the release document of {release} cannot be read")]
    Document {
        /// The release.
        release: String,
        /// Underlying error.
        source: Box<landfall_bundle_spec::Error>,
    },
    /// A trusted head lacks a document.
    #[error("release {release} lacks {document}")]
    DocumentMissing {
        /// Name of the document.
        document: &'static str,
        /// The release.
        release: String,
    },
    /// Images were assembled for tests, but the root is not for development.
    #[error("release {release} has images assembled for tests, which only a development root may sign")]
    Assembled {
        /// The release.
        release: String,
    },
    /// The site's marks are unusable, or refuse the release.
    #[error(transparent)]
    Marks(#[from] MarksError),
    /// The staged files differ from the signed ones.
    #[error("what is staged in {} is not the whole release", .store.display())]
    Staged {
        /// The store.
        store: PathBuf,
        /// Every file that is missing or damaged.
        #[source]
        source: Box<landfall_media::MediaError>,
    },
    /// The site configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An examination of the host failed.
    #[error(transparent)]
    Look(#[from] StepError),
    /// The site is not ready; every blocker is reported.
    #[error("{}; nothing was changed", if only_license(.blockers) {
        "this site has no license for this release"
    } else {
        "this machine is not ready"
    })]
    NotReady {
        /// The blockers, each with its fix.
        blockers: Vec<Finding>,
    },
    /// A release is already installed.
    #[error("release {release} is installed on this machine")]
    AlreadyInstalled {
        /// The release.
        release: String,
    },
    /// An install is unfinished.
    #[error("the install of release {release} is unfinished")]
    InstallOpen {
        /// The release.
        release: String,
    },
    /// No release is installed.
    #[error("no release is installed on this machine")]
    NotInstalled,
    /// A change is unfinished.
    #[error("a change of release {release} is unfinished")]
    ChangeOpen {
        /// The release.
        release: String,
    },
    /// A change could not be undone, because undo of a step failed.
    #[error("the change of release {release} could not be undone")]
    ChangeNotUndone {
        /// The release.
        release: String,
        /// Underlying error.
        source: Box<Failure>,
    },
    /// A change was undone automatically.
    #[error("the change was undone: {} is as it was before{}", .release, replaced_data_text(.replaced))]
    ChangeUndone {
        /// The release.
        release: String,
        /// Data that the undo replaced in changed volumes, and kept beside them.
        replaced: Vec<ReplacedData>,
        /// Underlying error.
        source: Option<Box<Failure>>,
    },
    /// An uninstall cannot keep data that an open change has moved.
    #[error("an open change has moved data that is to be kept: {}", .folders.join(", "))]
    DataDisplaced {
        /// The folders, in the folder of volumes.
        folders: Vec<String>,
    },
    /// The cluster would reject the objects of a change.
    #[error("the cluster would refuse this change; nothing was changed")]
    ChangeUnfit(#[source] Box<StepError>),
    /// Edits would be lost.
    #[error("this change would set fields that were edited: {}; nothing was changed",
        lost.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Edited {
        /// Edited fields that would be lost.
        lost: Vec<ObjectEdit>,
    },
    /// Settings that are fixed at install time would change.
    #[error("{} cannot change once a site is installed", .fields.join(", "))]
    SettingsFixed {
        /// The settings by their names in `site.yaml`.
        fields: Vec<String>,
    },
    /// The submitted values change nothing.
    #[error("nothing would change: the site has these settings already")]
    SettingsSame,
    /// An uninstall is unfinished.
    #[error("the uninstall of release {release} is unfinished")]
    UninstallOpen {
        /// The release.
        release: String,
    },
    /// No release is staged.
    #[error("no release is staged on this machine")]
    NothingStaged,
    /// No data of an earlier installation exists to adopt.
    #[error("no data of an earlier installation is kept in {}", .data.display())]
    NothingKept {
        /// The data folder.
        data: PathBuf,
    },
    /// The record of kept data cannot be read.
    #[error("the record of kept data {} cannot be read", .path.display())]
    KeptRecord {
        /// The file.
        path: PathBuf,
        /// Underlying error.
        source: serde_json::Error,
    },
    /// The given name is not the site's, so no data was deleted.
    #[error("this site is named {site}, not {given}; nothing was deleted")]
    Unconfirmed {
        /// Name of the site.
        site: String,
        /// The given name.
        given: String,
    },
    /// There is no cluster on this machine.
    #[error("there is no cluster on this machine: {} is missing", .missing.display())]
    NoCluster {
        /// Missing file that every cluster of Landfall has.
        missing: PathBuf,
    },
    /// The release has no component of the given name.
    #[error("the release has no component {component}: {}", instead(.nearest.as_deref(), .known))]
    UnknownComponent {
        /// The given name.
        component: String,
        /// The most similar name.
        nearest: Option<String>,
        /// The known components.
        known: Vec<String>,
    },
    /// No pod of the component has a container of the given name.
    #[error("no pod of {component} has a container {container}: {}", instead(.nearest.as_deref(), .known))]
    UnknownContainer {
        /// The component.
        component: String,
        /// The given container.
        container: String,
        /// The most similar name.
        nearest: Option<String>,
        /// The known containers.
        known: Vec<String>,
    },
    /// The site never had an operation of the given number.
    #[error("this site has no operation {number}: {}", match .latest {
        Some(latest) => format!("its operations are 1 to {latest}"),
        None => "nothing is installed on this machine".to_owned(),
    })]
    UnknownOperation {
        /// The given number.
        number: u64,
        /// The number of the latest operation.
        latest: Option<u64>,
    },
    /// There is no open change.
    #[error("no change of this machine is open")]
    NothingToAbort,
    /// The open operation is not the named one.
    #[error("the open change of release {release} is not the one that was to be undone; nothing was changed")]
    OtherOperation {
        /// The release of the open operation.
        release: String,
    },
    /// The current plan is not the approved one.
    #[error(
        "the plan is no longer the approved one: its digest is {found}, \
        and {approved} was approved; nothing was changed"
    )]
    PlanDiffers {
        /// Digest of the plan now.
        found: Sha256,
        /// The approved digest.
        approved: Sha256,
    },
    /// The bundle contains another release than the site's.
    #[error("{bundle} is not a release of {installed}, which is installed here")]
    OtherRelease {
        /// Name and version of the bundle's release.
        bundle: String,
        /// Name of the installed release.
        installed: String,
    },
    /// The bundle's release is already installed.
    #[error("release {release} is installed already")]
    SameRelease {
        /// Its name and version.
        release: String,
    },
    /// The release does not allow an upgrade from the installed one.
    #[error("{bundle} cannot replace {installed}{}", match through {
        Some(version) => format!(" directly: {version} must be installed in between"),
        None => ": it lists the versions that it can replace, and this is not one of them".to_owned(),
    })]
    NoUpgradePath {
        /// Name and version of the bundle's release.
        bundle: String,
        /// Name and version of the installed release.
        installed: String,
        /// The version in between, if there is one.
        through: Option<String>,
    },
    /// The bundle's release is older than the installed one.
    #[error("release {bundle} is older than {installed}, which is installed here")]
    OlderRelease {
        /// Name and version of the bundle's release.
        bundle: String,
        /// Name and version of the installed release.
        installed: String,
    },
    /// The site keeps no such release.
    #[error("this site cannot go back to {}", .wanted.as_deref().unwrap_or("an earlier release"))]
    NoEarlierRelease {
        /// The requested version.
        wanted: Option<String>,
        /// The kept versions besides the installed one.
        kept: Vec<String>,
    },
    /// The installed release has changed data, and the rollback's treatment of it is undecided.
    #[error("{from} has changed the data of {}, and {to} may not be able to read it", .components.join(", "))]
    DataUndecided {
        /// Components with changed data.
        components: Vec<String>,
        /// Name and version of the installed release.
        from: String,
        /// Name and version of the earlier release.
        to: String,
        /// Time when the data of the earlier release's newest proven backup was read, or the reason why there is none.
        backup: std::result::Result<jiff::Timestamp, String>,
    },
    /// Data was to be restored, but nothing has changed it.
    #[error("{from} has changed no data that {to} has backups of")]
    DataUnchanged {
        /// Name and version of the installed release.
        from: String,
        /// Name and version of the earlier release.
        to: String,
    },
    /// The operation is pinned to another program, which is missing or damaged.
    #[error("the operation is pinned to the landfall with digest {digest}, but {} is a different one or missing",
        .path.display())]
    EngineMissing {
        /// The pinned digest.
        digest: Sha256,
        /// Its expected path.
        path: PathBuf,
    },
    /// A file of the site cannot be read or written.
    #[error("cannot {act} {}", .path.display())]
    Io {
        /// Attempted action, as a verb.
        act: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Underlying error.
        source: std::io::Error,
    },
    /// A durable change failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A step failed, either going forward or on undo.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Proofs could not run.
    #[error(transparent)]
    Prove(#[from] landfall_site::proofs::ProveError),
    /// The result depends on an old journal that cannot be read.
    #[error("the old journal {} cannot be read: {reason}", .path.display())]
    Archive {
        /// The journal.
        path: PathBuf,
        /// Reason, with all causes.
        reason: String,
    },
    /// The program that wrote the journal cannot read its plan.
    #[error("the plan in {} cannot be read", .path.display())]
    Plan {
        /// The journal.
        path: PathBuf,
        /// Underlying error.
        source: serde_json::Error,
    },
}

/// Lists the data that an undo kept, for the end of a message.
fn replaced_data_text(replaced: &[ReplacedData]) -> String {
    replaced.iter().fold(String::new(), |text, replaced| text + "; " + &replaced_data::text(replaced))
}

fn instead(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None if known.is_empty() => "it has none yet".to_owned(),
        None => format!("it has {}", known.join(", ")),
    }
}

/// Fails if some of these findings stop the operation, and returns all of those.
pub(super) fn refuse_blocked(findings: impl IntoIterator<Item = Finding>) -> Result<()> {
    let blockers: Vec<Finding> = findings.into_iter().filter(Finding::stops).collect();
    if blockers.is_empty() { Ok(()) } else { Err(OperationError::NotReady { blockers }) }
}

impl OperationError {
    /// Returns the blockers of a site that is not ready, each with a code, the measured and needed values, and a fix.
    pub fn blockers(&self) -> &[Finding] {
        match self {
            Self::NotReady { blockers } => blockers,
            _ => &[],
        }
    }

    pub(super) fn io(act: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { act, path: path.into(), source }
    }

    /// Returns a function that maps an error of the format to one about the file at this path.
    pub(super) fn refusal_of(path: &Path) -> impl Fn(landfall_bundle_spec::Error) -> Self {
        move |source| Self::Refused { path: path.to_owned(), source: Box::new(source) }
    }
}
