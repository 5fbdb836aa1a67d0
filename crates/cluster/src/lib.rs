//! Access to the cluster for steps: server-side apply, readiness read from objects, and an inventory of Landfall's
//! objects.
//!
//! [`Cluster`] is synchronous, like the engine; it owns the runtime that its connections need. Objects are JSON values
//! throughout: a release may contain any kinds, and only the API server knows their schemas.

mod apply;
mod canary;
mod connection;
mod conversation;
mod create;
mod delete;
mod discovery;
pub mod drill;
mod edits;
mod error;
mod execute;
mod fields;
mod interrupts;
mod inventory;
mod kinds;
mod labels;
mod logs;
mod lost_edit;
mod no_answer;
mod object;
mod output;
pub mod probe;
mod program;
mod quota;
mod read;
pub mod ready;
mod request;
mod retry;
mod rights;
mod saved;
mod scale;
mod selector;
mod stale;
mod status;
mod stream;
mod stuck;
mod wait;
mod webhooks;

pub use apply::{Comparison, FieldConflict};
pub use canary::{CANARY_LABEL, Canaries, CanaryForm, PROVED_CONDITION};
pub use connection::Cluster;
pub use edits::{EditableObject, Edits, FieldEdit};
pub use error::ClusterError;
pub use execute::ProgramResult;
pub use fields::pointer_of;
pub use inventory::Inventory;
pub use kinds::Resource;
pub use labels::{COMPONENT_LABEL, FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, Owner, RELEASE_LABEL, is_managed};
pub use logs::{Listener, LogItem, LogSelection, LogSource, PodContainer, PodContainers, RecentLines};
pub use lost_edit::{LostEdit, RestoreOutcome};
pub use no_answer::NoAnswer;
pub use object::ObjectName;
pub use output::Output;
pub use program::{Program, Success};
pub use quota::quota;
pub use request::{Answer, Question, ask};
pub use rights::Right;
pub use saved::{ListedKind, SavedObjects, applicable};
pub use selector::selector;
pub use stale::stale_pods;
pub use status::ObjectStatus;
pub use stream::{OutputStream, StreamError, StreamResult};
pub use wait::AwaitedObjects;
