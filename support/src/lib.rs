//! Support bundles: what a site hands to its vendor when something is wrong. Redaction, the archive, and its analysis, as functions
//! of bytes; what is collected is the site's business (`landfall-lifecycle`).
//!
//! What a site sends out on a stick, a support bundle among it, has a manifest ([`carry`]).
//!
//! Everything passes the [`Redactor`] on its way into the archive: [`archive::Writer`] is the only way in.

pub mod analyze;
pub mod archive;
pub mod carry;
mod index;
pub mod redact;

pub use index::{CollectorRecord, FileRecord, INDEX, Index, KIND, Redaction, SCHEMA, Truncation};
pub use redact::{KnownValues, Redactor};
