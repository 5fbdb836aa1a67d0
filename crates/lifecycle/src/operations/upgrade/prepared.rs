//! A prepared upgrade or rollback: what a person sees before it, and its beginning.

use std::path::PathBuf;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::blobs::BlobEntry;
use landfall_cluster::Edits;
use landfall_documents::backups::BackupSummary;
use landfall_documents::warning::AcceptedWarning;
use landfall_engine::journal::JournalFile;
use landfall_engine::plan::Plan;

use super::UpgradeOutcome;
use crate::operations::Operations;
use crate::operations::bundle::TrustedRelease;
use crate::operations::change::ChangeOutcome;
use crate::operations::changing::{ObjectEdit, refuse_edits};
use crate::operations::error::Result;
use crate::operations::trust::Trust;
use crate::plan::configure::SettingChange;
use crate::plan::models::FittedModels;
use crate::plan::upgrade::{ComponentChange, NodeChange, Outlook, UpgradePlan};
use crate::steps::action::Action;
use crate::steps::stage::check_media;
use landfall_site::license::Licensing;
use landfall_site::marks::Marks;
use landfall_site::pins::{KeptRelease, Pins};
use landfall_site::room::FilesystemPeak;
use landfall_site::site_secrets::GivenSecrets;

/// An upgrade or a rollback that is possible. Nothing is changed yet.
pub struct PreparedUpgrade<'a> {
    pub(in crate::operations) operations: &'a Operations,
    /// Pins of the last committed operation.
    pub(in crate::operations) pins: Pins,
    /// Releases that the site keeps, the installed one first.
    pub(super) kept: Vec<KeptRelease>,
    pub(super) target: Target,
    pub(super) planned: UpgradePlan,
    /// Stopping components, the fate of their data, and the point of no return.
    pub(super) outlook: Outlook,
    /// Values of the installed release that change in the target release.
    pub(super) values: Vec<SettingChange>,
    /// Peak demand on each filesystem.
    pub(super) peaks: Vec<FilesystemPeak>,
    /// Changed fields that other managers have edited, and the fate of those edits.
    pub(super) edits: Vec<ObjectEdit>,
    pub(super) policy: Edits,
    /// Token that names the operation in the folder of volumes; it differs in each plan.
    pub(in crate::operations) token: String,
    /// The backup that provides data, if any.
    pub(super) backup: Option<BackupSummary>,
    /// The applicable license of an upgrade; a rollback needs none.
    pub(super) licensing: Option<Licensing>,
    /// Warnings of preflight, which do not block.
    pub(super) warnings: Vec<String>,
    /// Accepted warnings of the operation that brought the target release.
    pub(super) accepted: Vec<AcceptedWarning>,
    /// Figures of the target release's models, fitted to the host in its current state.
    pub(super) fitted: FittedModels,
    /// Values of the target release's secrets.
    pub(super) secrets: GivenSecrets,
}

/// The target release.
pub(super) struct Target {
    pub(super) release: TrustedRelease,
    pub(super) trust: Trust,
    /// Path of its bundle.
    pub(super) media_path: PathBuf,
    /// Blobs that the site lacks.
    pub(super) missing: Vec<BlobEntry>,
}

impl Target {
    /// Returns the bytes to copy from the media.
    pub(super) fn missing_bytes(&self) -> u64 {
        self.missing.iter().map(|blob| blob.size).sum()
    }
}

impl PreparedUpgrade<'_> {
    /// Returns the warnings, which do not block.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the steps.
    pub fn plan(&self) -> &Plan<Action> {
        &self.planned.plan
    }

    /// Returns the change of the node, if any.
    pub fn node(&self) -> Option<&NodeChange> {
        self.planned.node.as_ref()
    }

    /// Returns the changes by component.
    pub fn components(&self) -> &[ComponentChange] {
        &self.planned.components
    }

    /// Returns name and version of the installed release.
    pub fn from(&self) -> String {
        format!("{} {}", self.pins.release, self.pins.version)
    }

    /// Returns name and version of the target release.
    pub fn to(&self) -> String {
        self.target.release.name()
    }

    /// Returns its vendor's release notes.
    pub fn notes(&self) -> Option<&str> {
        self.target.release.notes()
    }

    /// Returns the bytes to copy from the media.
    pub fn missing_bytes(&self) -> u64 {
        self.target.missing_bytes()
    }

    /// Returns the stopping components, the fate of their data, and the point of no return.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Returns values of the installed release whose result changes: to another default, or to none.
    pub fn values(&self) -> &[SettingChange] {
        &self.values
    }

    /// Returns the peak demand on each filesystem, in addition to existing data.
    pub fn peaks(&self) -> &[FilesystemPeak] {
        &self.peaks
    }

    /// Returns the changed fields that were edited, and whether each edit stays.
    pub fn edits(&self) -> &[ObjectEdit] {
        &self.edits
    }

    /// Returns the backup that replaces data, if any. Later writes are lost.
    pub fn backup(&self) -> Option<&BackupSummary> {
        self.backup.as_ref()
    }

    /// Runs the change, if `confirmation` is the name of the site whose data is replaced.
    pub fn run_confirmed(self, confirmation: &str) -> Result<UpgradeOutcome> {
        self.operations.confirm(confirmation)?;
        self.execute()
    }

    /// Runs the change. Fails if data would be lost, or if edits would be lost and the policy does not overwrite them.
    pub fn run(self) -> Result<UpgradeOutcome> {
        if self.backup.is_some() {
            self.operations.confirm("")?;
        }
        self.execute()
    }

    /// Returns the ID of the target release's bundle.
    pub(in crate::operations) fn bundle(&self) -> Sha256 {
        self.target.release.verified.id()
    }

    fn execute(self) -> Result<UpgradeOutcome> {
        let operations = self.operations;
        let file = self.begin_with_media()?;
        match operations.end_change(&file)? {
            ChangeOutcome::Upgrade(upgraded) | ChangeOutcome::Rollback(upgraded) => Ok(upgraded),
            other => Err(other.into_unexpected_error()),
        }
    }

    /// Writes the journal, after a check that the media are complete. Fails if edits would be lost, unless the policy
    /// overwrites them.
    pub(in crate::operations) fn begin_with_media(self) -> Result<JournalFile> {
        refuse_edits(&self.edits, self.policy)?;
        if self.target.missing_bytes() > 0 {
            // A missing part is reported before anything is written.
            let payload = self.target.release.payload();
            let Operations { paths, io, .. } = self.operations;
            check_media(paths, &self.target.media_path, &payload, io.media.clone())?;
        }
        self.begin()
    }

    pub(super) fn begin(self) -> Result<JournalFile> {
        let Self { operations, pins, kept, target, planned, licensing, accepted, fitted, secrets, .. } = self;
        let Target { release, trust, media_path, .. } = target;
        if let Some(revocation) = release.verified.revocation() {
            Marks::learn(&operations.paths, revocation)?;
        }
        if let Some(licensing) = licensing {
            licensing.store(&operations.paths)?;
        }
        let identity = release.verified.identity();
        let (bundle, trust): (Sha256, _) = (release.verified.id(), trust.pin(&release.verified));
        operations.begin_change(&planned.plan, &release, &pins, &secrets.new, |change| Pins {
            bundle,
            release: identity.name,
            version: identity.version,
            counter: identity.counter,
            trust,
            media_path,
            kept,
            accepted,
            fitted: fitted.values,
            ..change
        })
    }
}
