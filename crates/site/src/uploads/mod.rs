//! The bundle that a browser uploads: one at a time, in a separate folder, durable piece by piece and judged as it
//! arrives (ADR 62).
//!
//! Threats: an uploader chooses every byte, the name and the size. The name is only text for people, because the file's
//! name is fixed. The size is checked against free space, and the space again before each piece, because databases use
//! the same disk. Data without a judgment is bounded, and a refused bundle leaves nothing behind. Only the judge reads
//! the bytes.

mod arrival;
mod error;
mod folder;
mod judge;
mod slot;
#[cfg(test)]
mod tests;

pub use error::UploadError;
pub use folder::{remove_upload, remove_used_upload};
pub use judge::{ArrivedBundle, UploadJudge, UploadUse, UploadVerdict};
pub use slot::UploadSlot;
