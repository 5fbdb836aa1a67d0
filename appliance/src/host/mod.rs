//! Reports of the host, and requests to it. Its documents are not stored: the console requests them each time.

mod change_request;
mod client;
mod error;
#[cfg(test)]
pub mod fake;
mod follower;
mod reports;
mod running;
mod site;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_license::answer::{Question, SealedAnswer};
use serde_json::Value;

pub use change_request::ChangeRequest;
pub use client::Client;
pub use error::HostError;
pub use follower::follow;
pub use landfall_peer::{
    Amounts, AuditPage, ComponentLogs, ComponentResources, ContainerResources, KeptSecret, MediaPage, Medium,
    MediumRelease, OperationPage, OperationState, PlanPage, PodResources, ProgressPage, RemovalRequest, Request,
    RequestState, SecretRequest, SupportBundle, SupportPage, Upload, UploadRequest, UploadsPage, VolumeKind,
    VolumeResources, is_id,
};
pub use reports::{Listener, NewsListener, ReceivedItem};
pub use running::RunningOperation;
pub use site::{Site, UnavailableDocument};

/// A document that the host prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Output of `landfall status`.
    Status,
    /// Output of `landfall releases`.
    Releases,
    /// Output of `landfall history`.
    History,
    /// Output of `landfall backup list`.
    Backups,
    /// Output of `landfall license show`.
    License,
    /// Output of `landfall settings`.
    Settings,
    /// Output of `landfall license usage`.
    Usage,
    /// Output of `landfall license report`.
    UsageReport,
}

impl Topic {
    /// All documents.
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

    /// Returns its `kind`, which is checked in the answer.
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

/// Returns true if a component can have this name. It becomes part of paths of the host's API.
pub fn is_component(name: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(is_one)
}

/// A client's knowledge of running operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownPosition {
    /// Run that the number belongs to.
    pub run: u64,
    /// Number of the last event.
    pub after: u64,
    /// True if an operation is known to be running, so that its end is news.
    pub running: bool,
}

/// The host's API. The real implementation is [`Client`].
pub trait Host: Send + Sync + 'static {
    /// Returns the current document; `None` if the host has none, such as a license on a site that needs none.
    fn document(&self, topic: Topic) -> BoxFuture<'_, Result<Option<Value>, HostError>>;

    /// Returns what the running operation has reported since. Waits up to 20 seconds for news.
    fn progress(&self, known: KnownPosition) -> BoxFuture<'_, Result<ProgressPage, HostError>>;

    /// Returns the last lines of a component's containers.
    fn logs<'a>(&'a self, component: &'a str, lines: u32) -> BoxFuture<'a, Result<ComponentLogs, HostError>>;

    /// Returns a component's requests and usage.
    fn resources<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<ComponentResources, HostError>>;

    /// Redeems a one-use token. Returns true if it was valid.
    fn claim<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<bool, HostError>>;

    /// Begins a backup.
    fn begin_backup<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>>;

    /// Begins a drill of the newest backup.
    fn begin_drill<'a>(&'a self, by: &'a str, correlation: &'a str) -> BoxFuture<'a, Result<(), HostError>>;

    /// Sends the text of a license to the host, which has verified and stored it on return.
    fn import_license<'a>(
        &'a self,
        by: &'a str,
        correlation: &'a str,
        license: &'a str,
    ) -> BoxFuture<'a, Result<(), HostError>>;

    /// Sends a value of a secret to the host, which keeps it in memory for an approved change.
    fn keep_secret<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<KeptSecret, HostError>>;

    /// Reports the number of the console's users to the host.
    fn note_users(&self, users: u64) -> BoxFuture<'_, Result<(), HostError>>;

    /// Returns the host's answer to a license question from software. The console cannot verify it: the software has
    /// the key.
    fn license_answer<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<SealedAnswer, HostError>>;

    /// Returns the public key of the audit log, and the host's last checkpoint.
    fn audit(&self) -> BoxFuture<'_, Result<AuditPage, HostError>>;

    /// Has the host sign the end of the audit log, durably on the host.
    fn sign_audit<'a>(&'a self, request: &'a CheckpointRequest) -> BoxFuture<'a, Result<Checkpoint, HostError>>;

    /// Returns the result of the host's last look at its media.
    fn media(&self) -> BoxFuture<'_, Result<MediaPage, HostError>>;

    /// Returns the latest operation, if any.
    fn operation(&self) -> BoxFuture<'_, Result<Option<OperationPage>, HostError>>;

    /// Returns a plan that can be approved, if the host keeps it.
    fn plan<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<Option<PlanPage>, HostError>>;

    /// Returns the state of a request, if the host remembers it.
    fn request<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Request>, HostError>>;

    /// Sends a request. The host processes it whether or not its answer arrives.
    fn hand_over<'a>(&'a self, request: &'a ChangeRequest) -> BoxFuture<'a, Result<Request, HostError>>;

    /// Returns the support bundle that the host keeps, if any.
    fn support(&self) -> BoxFuture<'_, Result<SupportPage, HostError>>;

    /// Returns the next bytes of a support bundle from an offset on; none at its end.
    fn support_piece<'a>(&'a self, id: &'a str, offset: u64) -> BoxFuture<'a, Result<Bytes, HostError>>;

    /// Returns the upload of a browser, and the room for one.
    fn uploads(&self) -> BoxFuture<'_, Result<UploadsPage, HostError>>;

    /// Begins an upload.
    fn begin_upload<'a>(&'a self, request: &'a UploadRequest) -> BoxFuture<'a, Result<Upload, HostError>>;

    /// Sends the next piece of an upload, which is durable on the host on return.
    fn add_piece<'a>(&'a self, id: &'a str, offset: u64, piece: Vec<u8>) -> BoxFuture<'a, Result<Upload, HostError>>;

    /// Removes an upload.
    fn remove_upload<'a>(&'a self, id: &'a str, request: &'a RemovalRequest) -> BoxFuture<'a, Result<(), HostError>>;
}

#[cfg(test)]
mod tests;
