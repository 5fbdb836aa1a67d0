//! The bundle that a browser uploads: one at a time, in a folder of its own, durable piece by piece and judged as it arrives (ADR 62).
//!
//! Threats: whoever may upload chooses every byte, the name and the size. The name is text for people: the file's own name is fixed. The size
//! is checked against the room, and the room again before each piece, since databases live on the same disk. What was not judged yet is bounded,
//! and a bundle that is refused leaves nothing behind. The bytes are read by whoever judges them, and not here.

mod arrival;
mod error;
mod folder;
mod judge;
mod slot;
#[cfg(test)]
mod tests;

pub use error::UploadError;
pub use folder::{remove_upload, remove_used_upload};
pub use judge::{UploadJudge, UploadUse, UploadVerdict};
pub use slot::UploadSlot;
