//! The console, which runs as a pod, and its host, which serves an API on the node's address, as peers. Each side knows
//! the other's exact certificate: no authority, name or date decides who may connect.

mod authority;
mod bounded;
mod changes;
mod documents;
mod identity;
mod one_host;
mod pace;
mod pinned;
mod resources;
pub mod routes;
mod support;
mod text;
mod unread;
mod uploads;

pub use authority::{Authority, Day, Terms};
pub use bounded::{BoundedAcceptor, HeldConnection};
pub use changes::{
    AbortRequest, ApprovedRequest, ID_PATTERN, LookRequest, MediaPage, Medium, MediumRelease, OperationPage,
    OperationState, PlanPage, PlanRequest, Refusal, Request, RequestState, Requester, is_id,
};
pub use documents::{
    ANSWER_BURST, ANSWER_PAUSE, AUDIT_BURST, AUDIT_BYTES, AUDIT_PAUSE, AuditPage, BackupRequest, Claim, ComponentLogs,
    EntryPiece, KeptSecret, LicenseRequest, LogLine, NumberedEvent, Problem, ProgressPage, SECRET_BYTES, SECRET_LIFE,
    SecretRequest, UsersWord,
};
pub use identity::{Certificate, Identity, IdentityError};
pub use landfall_progress::Event;
pub use one_host::one_host;
pub use pace::{Rate, SLOWEST};
pub use pinned::{client, server};
pub use resources::{Amounts, ComponentResources, ContainerResources, PodResources, VolumeKind, VolumeResources};
pub use support::{SUPPORT_HOURS, SUPPORT_PIECE_BYTES, SupportBundle, SupportPage, SupportRequest};
pub use text::{is_hidden, spelled_out};
pub use unread::read_rest;
pub use uploads::{PIECE_BYTES, RefusedUpload, RemovalRequest, UPLOAD_BYTES, Upload, UploadRequest, UploadsPage};
