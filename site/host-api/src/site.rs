//! What the API asks the host. Each call may block.

use landfall_audit::{Checkpoint, CheckpointWish};
use landfall_license::answer::{Question as LicenseQuestion, SealedAnswer};
use landfall_peer::{
    Asking, AuditPage, Change, ComponentLogs, ComponentResources, KeptSecret, Medium, OperationPage, PlanPage, Problem,
    ProgressPage, Refusal, SecretWish, SupportBundle, SupportWish, Upload, UploadWish, UploadsPage,
};

/// A question whose answer is a document that a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
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

/// The host, as the API knows it.
pub trait Site: Send + Sync + 'static {
    /// The JSON that answers a question; none where there is nothing to ask about.
    fn document(&self, question: Question) -> Result<Option<String>, Problem>;

    /// The last lines of each container of a component.
    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem>;

    /// What a component asks for and uses of CPU, memory and space.
    fn resources(&self, component: &str) -> Result<ComponentResources, Problem>;

    /// What the operation that runs, or ran last, reported after a number of this run; all of it if its run is another one.
    fn progress(&self, run: u64, after: u64) -> ProgressPage;

    /// Whether a one-use token counts; from then on it does not.
    fn claim(&self, token: &str) -> Result<bool, Problem>;

    /// Begins a backup; false where one runs already.
    fn begin_backup(&self) -> Result<bool, Problem>;

    /// Begins a drill of the newest backup; false where one runs already.
    fn begin_drill(&self) -> Result<bool, Problem>;

    /// Stores a license, if the vendor's keys signed it and it may take the place of the one that the site has. On the disk when
    /// this returns.
    fn import_license(&self, license: &str) -> Result<(), Problem>;

    /// Keeps a value of a secret, in memory alone, until an approved change uses it, or an hour is over.
    fn keep_secret(&self, wish: SecretWish) -> Result<KeptSecret, Problem>;

    /// Takes the console's word on how many users it has.
    fn note_users(&self, users: u64) -> Result<(), Problem>;

    /// Signs the answer to a question of software about the license.
    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem>;

    /// The public key of the audit log, and what was signed last. The key is made where there is none.
    fn audit(&self) -> Result<AuditPage, Problem>;

    /// Signs the end of the console's audit log, if its entries continue what was signed last. On the disk when this returns. Calls
    /// never overlap.
    fn checkpoint(&self, wish: &CheckpointWish) -> Result<Checkpoint, Problem>;

    /// Looks for bundles on media. May take a minute.
    fn look(&self) -> Result<Vec<Medium>, Refusal>;

    /// Plans a change; changes nothing. The medium is one of the last look. May take minutes.
    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal>;

    /// Begins the change of a plan that was approved, if planning it once more gives the same. Returns when it has begun, with what a person
    /// should read; until then, `note` takes what it waits for.
    fn begin(&self, plan: &PlanPage, asking: &Asking, note: &dyn Fn(String)) -> Result<Vec<String>, Refusal>;

    /// Makes the operation of this number go back, if it is open. Returns when it does.
    fn abort(&self, operation: u64) -> Result<(), Refusal>;

    /// The latest operation, if there was one.
    fn operation(&self) -> Result<Option<OperationPage>, Problem>;

    /// The bundle that a browser uploads.
    fn uploads(&self) -> &dyn Uploads;

    /// The support bundle that is collected for the console.
    fn support(&self) -> &dyn SupportBundles;
}

/// The one support bundle that a site keeps for the console. Each call may block.
pub trait SupportBundles: Send + Sync {
    /// The bundle, if there is one.
    fn kept(&self) -> Option<SupportBundle>;

    /// Collects another one, which takes the place of the one that is kept. May take minutes. Calls never overlap.
    fn collect(&self, wish: &SupportWish) -> Result<(), Refusal>;

    /// Bytes of the bundle of this id from an offset on, at most [`landfall_peer::SUPPORT_PIECE_BYTES`]; none at its end.
    fn piece(&self, id: &str, offset: u64) -> Result<Vec<u8>, Problem>;
}

/// The one upload of a site. Each call may block.
pub trait Uploads: Send + Sync {
    /// The upload, and the room for one.
    fn page(&self) -> Result<UploadsPage, Problem>;

    /// Begins an upload, unless there is another one. A wish that is sent again begins nothing again.
    fn begin(&self, wish: &UploadWish) -> Result<Upload, Problem>;

    /// Takes the next piece of the upload of this id. It is on the disk when this returns. Calls never overlap.
    fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, Problem>;

    /// Removes the upload of this id.
    fn remove(&self, id: &str) -> Result<(), Problem>;
}
