//! Documents of the host's API that no command prints.

use std::time::Duration;

use landfall_audit::{Checkpoint, CheckpointWish};
use landfall_progress::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A one-use token, which `landfall console` printed on the host.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claim {
    /// The token as a person typed it.
    pub token: String,
}

/// A wish for a backup, with who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// The user's name.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
}

/// A license that a person gave the console, with who it was.
#[derive(Clone, Serialize, Deserialize)]
pub struct LicenseWish {
    /// The user's name.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
    /// The text of the vendor's file. What it says counts only by its signatures, which the host verifies.
    pub license: String,
}

/// Another value of a secret that the site gives, as a person gave it the console. No `Debug`: the value must not reach a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretWish {
    /// The user's name.
    pub by: String,
    /// Id that leads to the request in the appliance's log.
    pub correlation: String,
    /// The secret's name, as the release has it.
    pub name: String,
    /// The value as text: a password, or PEM.
    pub value: String,
}

/// A value that the host keeps in its memory until an approved change uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptSecret {
    /// What a change names it by; it says nothing about the value.
    pub id: String,
}

/// Longest value of a secret that the console takes, in bytes. Longer ones, and those that are no text, are given on the host.
pub const SECRET_BYTES: usize = 64 << 10;

/// How long the host keeps a value that no approved change has used.
pub const SECRET_LIFE: Duration = Duration::from_hours(1);

/// How many users the console has, which a license may limit. It is the console's word: the host does not know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersWord {
    /// Those who can sign in.
    pub users: u64,
}

/// What the host has signed of the console's audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The public key, as PEM. What the console holds of it proves nothing: who verifies a log gets it from the host.
    pub key: String,
    /// The last checkpoint, if there is one.
    pub last: Option<Checkpoint>,
}

/// Longest texts of entries in one request for a checkpoint, in bytes together. A longer entry is sent alone, in pieces.
pub const AUDIT_BYTES: usize = 64 << 10;

/// Checkpoints that the console may ask for at once, after it has not asked for a while.
pub const AUDIT_BURST: u32 = 60;

/// Between two more, once it has asked for that many.
pub const AUDIT_PAUSE: Duration = Duration::from_secs(10);

/// A piece of an entry whose text is longer than [`AUDIT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryPiece {
    /// Bytes of the text before it; 0 begins another entry.
    pub offset: usize,
    /// The piece, of at most [`AUDIT_BYTES`].
    pub text: String,
    /// With the last piece: the wish for a checkpoint, without entries. The one that was sent is its only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<CheckpointWish>,
}

/// Answers about the license that the console may ask for at once, after it has not asked for a while: the pods of a site that
/// all start together.
pub const ANSWER_BURST: u32 = 300;

/// Between two more, once it has asked for that many.
pub const ANSWER_PAUSE: Duration = Duration::from_millis(200);

/// What the running operation reported after a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgressPage {
    /// Whether an operation runs.
    pub running: bool,
    /// What it does: `upgrade`, `configure` …
    pub operation: Option<String>,
    /// What distinguishes this run of an operation from others: numbers of events belong to it.
    #[serde(default)]
    pub run: u64,
    /// Its news, oldest first. A run that begins starts again with number 1.
    pub events: Vec<NumberedEvent>,
}

/// An event of progress with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NumberedEvent {
    /// From 1.
    pub number: u64,
    /// The event.
    pub event: Event,
}

/// The last lines that a component's containers wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentLogs {
    /// The component.
    pub component: String,
    /// Lines in the order in which they were written, as far as each container's own order goes.
    pub lines: Vec<LogLine>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Its pod.
    pub pod: String,
    /// Its container.
    pub container: String,
    /// Whether the container's previous run wrote it, before the container was restarted.
    #[serde(default)]
    pub previous: bool,
    /// The line without its end.
    pub text: String,
}

/// Why a request failed (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status again.
    pub status: u16,
    /// What failed.
    pub title: String,
    /// Why, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Its code in the one registry: `LF4607`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
