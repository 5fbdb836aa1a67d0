//! What the host reports, and what it is asked to do. Its documents are not stored: the console asks each time.

mod client;
mod documents;
mod error;
#[cfg(test)]
pub mod fake;
mod follower;
mod gpus;
mod history;
mod releases;
mod reports;
mod running;
mod schedule;
mod settings;
mod site;
mod wish;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use landfall_audit::{Checkpoint, CheckpointWish};
use landfall_license::answer::{Question, SealedAnswer};
use serde_json::Value;

pub use client::Client;
pub use documents::{
    Backup, BackupTry, Backups, BackupsStatus, ComponentStatus, CopyRecord, Cut, License, LicenseDocument, Operation,
    Part, PointsInTime, Release, Status, Terms, Usage, Verdict,
};
pub use error::HostError;
pub use follower::follow;
pub use gpus::{Gpu, GpuHolder, Gpus, Model, ModelFigure};
pub use history::{Account, AskedBy, History, OperationOutcome, PastOperation};
pub use landfall_peer::{
    Amounts, AuditPage, Change, ComponentLogs, ComponentResources, ContainerResources, DataFate, KeptSecret, MediaPage,
    Medium, MediumRelease, OperationPage, OperationState, PlanPage, PodResources, ProgressPage, RemovalWish, Request,
    RequestState, SecretWish, SupportBundle, SupportPage, Upload, UploadWish, UploadsPage, VolumeKind, VolumeResources,
    is_id,
};
pub use releases::Releases;
pub use reports::{Heard, Listener, NewsListener};
pub use running::Running;
pub use schedule::BackupTimes;
pub use settings::{SecretSetting, SecretState, Setting, Settings};
pub use site::{Site, Unavailable};
pub use wish::Wish;

/// A document that the host prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `landfall status`.
    Status,
    /// `landfall releases`.
    Releases,
    /// `landfall history`.
    History,
    /// `landfall backup list`.
    Backups,
    /// `landfall license show`.
    License,
    /// `landfall settings`.
    Settings,
    /// `landfall license usage`.
    Usage,
    /// What `landfall license report` writes.
    UsageReport,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Releases,
        Self::History,
        Self::Backups,
        Self::License,
        Self::Settings,
        Self::Usage,
        Self::UsageReport,
    ];

    /// Its `kind`, which is checked in the answer.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Releases => "releases",
            Self::History => "history",
            Self::Backups => "backups",
            Self::License => "licenseStatus",
            Self::Settings => "settings",
            Self::Usage => "licenseUsage",
            Self::UsageReport => "usageReport",
        }
    }
}

/// Whether a component can have this name. It goes into paths of the host's API.
pub fn is_component(name: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(is_one)
}

/// What someone knows of the operations that run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// The run that the number belongs to.
    pub run: u64,
    /// The number of the last event.
    pub after: u64,
    /// Whether one runs, of all that is known: its end is news then.
    pub running: bool,
}

/// The host's API. The real one is [`Client`].
pub trait Host: Send + Sync + 'static {
    /// The present document; none where the host has none, such as a license on a site that needs none.
    fn document(&self, topic: Topic) -> BoxFuture<'_, Result<Option<Value>, HostError>>;

    /// What the running operation reported since then. Waits up to 20 seconds for news.
    fn progress(&self, known: Known) -> BoxFuture<'_, Result<ProgressPage, HostError>>;

    /// The last lines of a component's containers.
    fn logs<'a>(&'a self, component: &'a str, lines: u32) -> BoxFuture<'a, Result<ComponentLogs, HostError>>;

    /// What a component asks for and uses.
    fn resources<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<ComponentResources, HostError>>;

    /// Whether the one-use token counts. It is then consumed.
    fn claim<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<bool, HostError>>;

    /// Begins a backup.
    fn begin_backup<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>>;

    /// Begins a drill of the newest backup.
    fn begin_drill<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>>;

    /// Hands the text of a license to the host. It is verified and stored there when this answers.
    fn import_license<'a>(
        &'a self,
        by: &'a str,
        correlation: &'a str,
        license: &'a str,
    ) -> BoxFuture<'a, Result<(), HostError>>;

    /// Hands a value of a secret to the host, which keeps it in memory for an approved change.
    fn keep_secret<'a>(&'a self, wish: &'a SecretWish) -> BoxFuture<'a, Result<KeptSecret, HostError>>;

    /// Reports to the host how many users the console has.
    fn note_users(&self, users: u64) -> BoxFuture<'_, Result<(), HostError>>;

    /// The host's answer to a question of software about the license. The console cannot check it: the software has the key.
    fn license_answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<SealedAnswer, HostError>>;

    /// The public key of the audit log, and what the host has signed last.
    fn audit(&self) -> BoxFuture<'_, Result<AuditPage, HostError>>;

    /// Has the host sign the end of the audit log. It is on the host's disk when this answers.
    fn sign_audit<'a>(&'a self, wish: &'a CheckpointWish) -> BoxFuture<'a, Result<Checkpoint, HostError>>;

    /// What the host's last look at its media found.
    fn media(&self) -> BoxFuture<'_, Result<MediaPage, HostError>>;

    /// The latest operation, if there was one.
    fn operation(&self) -> BoxFuture<'_, Result<Option<OperationPage>, HostError>>;

    /// A plan that can be approved, if the host keeps it.
    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<PlanPage>, HostError>>;

    /// What became of a request, if the host remembers it.
    fn request<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Request>, HostError>>;

    /// Hands a wish over. The host works on it whether or not the answer arrives.
    fn hand_over<'a>(&'a self, wish: &'a Wish) -> BoxFuture<'a, Result<Request, HostError>>;

    /// The support bundle that the host keeps, if there is one.
    fn support(&self) -> BoxFuture<'_, Result<SupportPage, HostError>>;

    /// The next bytes of a support bundle from an offset on; none at its end.
    fn support_piece<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Bytes, HostError>>;

    /// The upload of a browser, and the room for one.
    fn uploads(&self) -> BoxFuture<'_, Result<UploadsPage, HostError>>;

    /// Begins an upload.
    fn begin_upload<'a>(&'a self, wish: &'a UploadWish) -> BoxFuture<'a, Result<Upload, HostError>>;

    /// Hands over the next piece of an upload. It is on the host's disk when this answers.
    fn add_piece<'a>(&'a self, id: &'a str, offset: u64, piece: Vec<u8>) -> BoxFuture<'a, Result<Upload, HostError>>;

    /// Removes an upload.
    fn remove_upload<'a>(&'a self, id: &'a str, wish: &'a RemovalWish) -> BoxFuture<'a, Result<(), HostError>>;
}

#[cfg(test)]
mod tests;
