//! Support bundles, which a site sends to its vendor when something is wrong. This crate contains redaction, archive
//! and analysis as functions of bytes; `landfall-lifecycle` collects the content at a site.
//!
//! Content that a site sends on a stick, such as a support bundle, has a manifest ([`carry`]).
//!
//! All content passes through the [`Redactor`] on its way into the archive: [`archive::Writer`] is the only way in.

pub mod analyze;
pub mod archive;
pub mod carry;
mod index;
pub mod redact;

pub use index::{CollectorRecord, FileRecord, INDEX, Index, KIND, Redaction, SCHEMA, Truncation};
pub use redact::{KnownValues, Redactor};
