//! Questions of the API to the host. Each call may block.

use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::change::Change;
use landfall_license::answer::{Question as LicenseQuestion, SealedAnswer};
use landfall_peer::{
    AuditPage, ComponentLogs, ComponentResources, KeptSecret, Medium, OperationPage, PlanPage, Problem, ProgressPage,
    Refusal, Requester, SecretRequest, SupportBundle, SupportRequest, Upload, UploadRequest, UploadsPage,
};

/// Question whose answer is a document that a command prints.
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
    /// Output of `landfall license report`.
    UsageReport,
}

/// The host, as seen by the API.
pub trait Site: Send + Sync + 'static {
    /// Returns the JSON that answers a question; `None` if its subject does not exist.
    fn document(&self, question: Question) -> Result<Option<String>, Problem>;

    /// Returns the last lines of each container of a component.
    fn logs(&self, component: &str, lines: usize) -> Result<ComponentLogs, Problem>;

    /// Returns a component's requests and usage of CPU, memory and space.
    fn resources(&self, component: &str) -> Result<ComponentResources, Problem>;

    /// Returns the progress of the running or latest operation after this number of this run; all of it if its run is
    /// another one.
    fn progress(&self, run: u64, after: u64) -> ProgressPage;

    /// Redeems a one-use token. Returns true if it was valid; it is not valid again.
    fn claim(&self, token: &str) -> Result<bool, Problem>;

    /// Begins a backup. Returns false if one is already running.
    fn begin_backup(&self) -> Result<bool, Problem>;

    /// Begins a drill of the newest backup. Returns false if one is already running.
    fn begin_drill(&self) -> Result<bool, Problem>;

    /// Stores a license durably, if the vendor's keys signed it and it may replace the site's current one.
    fn import_license(&self, license: &str) -> Result<(), Problem>;

    /// Keeps a value of a secret, only in memory, until an approved change uses it or an hour has passed.
    fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem>;

    /// Records the console's statement of the number of its users.
    fn note_users(&self, users: u64) -> Result<(), Problem>;

    /// Signs the answer to a license question from software.
    fn license_answer(&self, question: &LicenseQuestion) -> Result<SealedAnswer, Problem>;

    /// Returns the public key of the audit log, and the last checkpoint. Creates the key if it does not exist.
    fn audit(&self) -> Result<AuditPage, Problem>;

    /// Signs the end of the console's audit log durably, if its entries continue what was signed last. Calls never
    /// overlap.
    fn checkpoint(&self, request: &CheckpointRequest) -> Result<Checkpoint, Problem>;

    /// Looks for bundles on media. May take a minute.
    fn look(&self) -> Result<Vec<Medium>, Refusal>;

    /// Plans a change, and changes nothing. The medium must be from the last look. May take minutes.
    fn plan(&self, change: &Change) -> Result<PlanPage, Refusal>;

    /// Begins the change of an approved plan, if planning it again gives the same plan. Returns once it has begun, with
    /// messages for people; until then, `note` receives what it waits for.
    fn begin(&self, plan: &PlanPage, asking: &Requester, note: &dyn Fn(String)) -> Result<Vec<String>, Refusal>;

    /// Undoes the operation with this number, if it is open. Returns once the undo has begun.
    fn abort(&self, operation: u64) -> Result<(), Refusal>;

    /// The latest operation, if there was one.
    fn operation(&self) -> Result<Option<OperationPage>, Problem>;

    /// Returns the upload of a bundle from a browser.
    fn uploads(&self) -> &dyn Uploads;

    /// Returns the support bundle that is collected for the console.
    fn support(&self) -> &dyn SupportBundles;
}

/// The one support bundle that a site keeps for the console. Each call may block.
pub trait SupportBundles: Send + Sync {
    /// Returns the bundle, if there is one.
    fn kept_bundle(&self) -> Option<SupportBundle>;

    /// Collects a new bundle, which replaces the kept one. May take minutes. Calls never overlap.
    fn collect(&self, request: &SupportRequest) -> Result<(), Refusal>;

    /// Returns bytes of the bundle with this ID from an offset on, at most [`landfall_peer::SUPPORT_PIECE_BYTES`]; none
    /// at its end.
    fn piece(&self, id: &str, offset: u64) -> Result<Vec<u8>, Problem>;
}

/// The one upload of a site. Each call may block.
pub trait Uploads: Send + Sync {
    /// Returns the upload, and the room for one.
    fn page(&self) -> Result<UploadsPage, Problem>;

    /// Begins an upload, unless there is another one. Repeating a request begins nothing.
    fn begin(&self, request: &UploadRequest) -> Result<Upload, Problem>;

    /// Appends the next piece to the upload with this ID, durably. Calls never overlap.
    fn add(&self, id: &str, offset: u64, piece: &[u8]) -> Result<Upload, Problem>;

    /// Removes the upload with this ID.
    fn remove(&self, id: &str) -> Result<(), Problem>;
}
