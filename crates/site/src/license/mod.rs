//! The site's license: storage, replacement, judgment before an install or an upgrade, and usage of what it limits.
//! Nothing else needs it: running software, backups, restores, rollbacks and uninstalls continue without one.

mod gate;
mod record;
mod report;
pub mod usage;

pub use gate::{DatedStanding, GivenLicense, LicensedHost, LicensedRelease, Licensing, judge, needs};
pub use record::LicenseRecord;
pub use record::{SAVED, adopt, cluster_identifier, remember_cluster, remove, saved_documents, why};
pub use report::{date_note, identifier_texts, license_terms, terms_note, trusted_date};
