//! Operations of a site for the command line and the host API. Each reports its plan before it acts. An install and
//! later changes of the release, its settings or its data go through the journal.

mod administration;
mod adopt_backups;
mod approval;
mod askers;
mod back_up_logs;
mod backup;
#[cfg(test)]
mod backup_order;
mod backup_schedule;
mod backup_times;
mod bundle;
mod carried;
mod carry;
mod change;
mod changed_data;
mod changing;
mod clock;
mod configure;
mod console;
mod copy_backups;
mod correlation;
mod decision;
mod doctor;
mod engine_file;
mod error;
mod error_codes;
#[cfg(test)]
mod error_tests;
mod events;
mod exchange_key;
mod export_backup;
mod folded;
mod history;
mod host_pack;
mod install;
mod kept;
mod latest;
mod license;
mod license_answer;
mod medium;
mod own_files;
mod past;
mod past_operations;
mod past_steps;
mod planned;
mod preflight;
mod probe;
mod prove;
mod releases;
mod repair_backups;
mod replaced_data;
mod resources;
mod restore;
mod restore_choice;
mod restore_from_copy;
mod resume;
mod revocation;
mod running;
mod secrets;
mod settings;
mod shown_logs;
pub mod status;
mod support;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod uninstall;
mod unit;
mod upgrade;
mod upgrade_room;
mod upload;
mod usage;
mod verify_site;

use std::path::PathBuf;
use std::sync::Arc;

use landfall_media::counters::IoCounters;
use landfall_media::progress::Progress;

pub use adopt_backups::AdoptedBackups;
pub use askers::{ASKED_VARIABLE, asked_variable};
pub use back_up_logs::SavedLogs;
pub use backup::{BackedUp, BackupCheckReport, DrillReports, RecoveryKey};
pub use backup_schedule::{KeptBackups, ScheduledBackups};
pub use bundle::{TrustedRelease, open_trusted, open_verified};
pub use carry::{CarriedOut, CheckedIncoming, IncomingFiles, IncomingVerdict, RefusedFile, TakenBundle, TakenIn};
pub use change::ChangeOutcome;
pub use changing::{AbortOutcome, ObjectEdit};
pub use configure::{ConfigureOutcome, PreparedConfigure};
pub use console::{ConsoleAddress, OperationProgress};
pub use copy_backups::CopiedBackups;
pub use correlation::{CORRELATION_VARIABLE, correlation_of_environment};
pub use doctor::{Diagnosis, Problem, ProblemSeverity};
pub use error::{OperationError, Result};
pub use events::{SiteEvent, SiteEvents};
pub use exchange_key::{KeyExchange, NewKey, ShutOut, WaitingCopy};
pub use export_backup::{ExportedObjects, ExportedStream, ObjectSelection};
pub use host_pack::PreparedHostPack;
pub use install::{InstallOutcome, InstallRequest, PreparedInstall};
pub use kept::{KeptData, KeptVolume};
pub use landfall_cluster::{Edits, FieldEdit};
pub use landfall_cluster::{Listener, LogItem, LogSelection, LogSource, PodContainer, PodContainers, RecentLines};
pub use license::ConfirmedDate;
pub use license_answer::JudgedLicense;
pub use medium::FoundRelease;
pub use past_steps::{OperationDetails, PastStep};
pub use planned::PlannedInstall;
pub use preflight::{PreflightReport, PreflightRequest};
pub use probe::{Absence, ProbeListener, ProbeOutcome, ProbeReport, ProbeRequest, ProbedNode};
pub use prove::ProofReport;
pub use repair_backups::{ForgottenBackups, LostBackup, RepairedBackups};
pub use replaced_data::RemovedReplacedData;
pub use resources::{ComponentUse, NodeUse, SiteUse};
pub use restore::{OverwrittenStream, PreparedRestore, RestoreOutcome, RestoreRequest, RestoredData};
pub use resume::ResumeOutcome;
pub use shown_logs::ShownLogs;
pub use status::ServiceStatus;
pub use support::CollectedSupport;
pub use trust::Trust;
pub use uninstall::{DataDisposal, UninstallOutcome};
pub use unit::EventFile;
pub use upgrade::{PreparedUpgrade, UpgradeOutcome, UpgradeRequest};
pub use upload::CheckedBundle;
pub use verify_site::SiteVerification;

pub use landfall_site::backups::{BackupCopies, CheckResult, DrillReport, DrilledStream, LogOutcome, SavedLog};
pub use landfall_site::proofs::{Mismatch, ProofResult, ProveError};
pub use landfall_site::uploads::ArrivedBundle;

use landfall_host::paths::SitePaths;

use landfall_site::pins::{JournalFolder, Pins};

/// Shared context of all operations.
#[derive(Clone)]
pub struct Operations {
    /// The paths of the host.
    pub paths: SitePaths,
    /// Receiver of progress.
    pub progress: Arc<dyn Progress>,
    /// Counters of moved bytes.
    pub io: IoCounters,
}

impl Operations {
    /// Returns operations on this host.
    pub fn new(progress: Arc<dyn Progress>) -> Self {
        Self { paths: SitePaths::default(), progress, io: IoCounters::default() }
    }

    /// Returns the journals of this host.
    pub fn journals(&self) -> JournalFolder {
        JournalFolder::at(self.paths.journal())
    }

    /// Returns the path of a release's head, which is stored before the first record of its journal.
    fn head_file(&self, bundle: landfall_bundle_spec::Sha256) -> PathBuf {
        self.paths.release(&landfall_bundle_spec::parts::short_id(bundle)).join("bundle.head")
    }

    /// Reads the release of these pins from the stored head, and verifies it by the pinned trust.
    fn release_of(&self, pins: &Pins) -> Result<TrustedRelease> {
        TrustedRelease::read(&self.head_file(pins.bundle), &Trust::from_pinned(&pins.trust))
    }
}
