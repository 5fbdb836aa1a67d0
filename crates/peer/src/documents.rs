//! Documents of the host's API that no command prints.

use std::time::Duration;

use landfall_audit::{Checkpoint, CheckpointRequest};
use landfall_documents::failure::FailureCode;
use landfall_progress::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A one-use token, which `landfall console` printed on the host.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claim {
    /// The token as typed by a person.
    pub token: String,
}

/// Request for a backup, with its requester.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Name of the user.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
}

/// License that a person gave the console, with that person.
#[derive(Clone, Serialize, Deserialize)]
pub struct LicenseRequest {
    /// Name of the user.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
    /// Text of the vendor's file. Its content is valid only by its signatures, which the host verifies.
    pub license: String,
}

/// New value of a site secret, as a person gave it to the console. No `Debug`: the value must not reach a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretRequest {
    /// Name of the user.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
    /// Name of the secret in the release.
    pub name: String,
    /// The value as text: a password, or PEM.
    pub value: String,
}

/// Value that the host keeps in its memory until an approved change uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptSecret {
    /// ID by which a change names the value; it reveals nothing about it.
    pub id: String,
}

/// Maximum size of a secret's value that the console accepts, in bytes. Longer and non-text values are given on the
/// host.
pub const SECRET_BYTES: usize = 64 << 10;

/// Time for which the host keeps a value that no approved change has used.
pub const SECRET_LIFE: Duration = Duration::from_hours(1);

/// Number of the console's users, which a license may limit. The console states it: the host does not know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersWord {
    /// Number of users who can sign in.
    pub users: u64,
}

/// State of the host's signatures on the console's audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The public key, as PEM. The console's copy proves nothing: a verifier of a log must get it from the host.
    pub key: String,
    /// The last checkpoint, if there is one.
    pub last: Option<Checkpoint>,
}

/// Maximum total size of the entries in one request for a checkpoint, in bytes. A longer entry is sent on its own, in
/// pieces.
pub const AUDIT_BYTES: usize = 64 << 10;

/// Number of checkpoints that the console may request at once, after a pause.
pub const AUDIT_BURST: u32 = 60;

/// Time between two further ones after that.
pub const AUDIT_PAUSE: Duration = Duration::from_secs(10);

/// Piece of an entry whose text exceeds [`AUDIT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryPiece {
    /// Number of bytes of the text before it; 0 begins another entry.
    pub offset: usize,
    /// The piece, of at most [`AUDIT_BYTES`].
    pub text: String,
    /// With the last piece, the request for a checkpoint, without entries: its only one is the entry that was sent.
    #[serde(default, rename = "wish", skip_serializing_if = "Option::is_none")]
    pub request: Option<CheckpointRequest>,
}

/// Number of license answers that the console may request at once, after a pause: enough for the pods of a site that
/// all start together.
pub const ANSWER_BURST: u32 = 300;

/// Time between two further ones after that.
pub const ANSWER_PAUSE: Duration = Duration::from_millis(200);

/// Events of the running operation after a given number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressPage {
    /// True if an operation runs.
    pub running: bool,
    /// Operation: `upgrade`, `configure` …
    pub operation: Option<String>,
    /// ID that distinguishes this run of an operation from others: numbers of events belong to it.
    #[serde(default)]
    pub run: u64,
    /// New events, oldest first. A new run begins again with number 1.
    pub events: Vec<NumberedEvent>,
}

/// Event of progress with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NumberedEvent {
    /// Number of the event, from 1.
    pub number: u64,
    /// Event of progress.
    pub event: Event,
}

/// Last log lines of a component's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentLogs {
    /// Name of the component.
    pub component: String,
    /// Lines in the order in which they were written, as far as each container's own order goes.
    pub lines: Vec<LogLine>,
}

/// Line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// True if the container's previous run wrote it, before the container was restarted.
    #[serde(default)]
    pub previous: bool,
    /// Text of the line without its end.
    pub text: String,
}

/// Problem details of a failed request (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status, repeated.
    pub status: u16,
    /// Summary of the failure.
    pub title: String,
    /// Details, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Error code in the registry, such as `LF4607`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
    /// Next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
