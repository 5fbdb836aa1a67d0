//! The site's license: storage, replacement, and judgment before an install or an upgrade. Nothing else needs it:
//! running software, backups, restores, rollbacks and uninstalls continue without one.

mod gate;
mod record;
mod report;

pub(crate) use gate::{GivenLicense, Judged, LicensedHost, Licensing, judge, needs};
pub use record::LicenseRecord;
pub(crate) use record::{SAVED, adopt, cluster_identifier, remember_cluster, remove, saved_documents, why};
pub(crate) use report::shown;
pub use report::{LicenseReport, LicenseStatus, LicenseTerms, NeededEntitlement, TrustedDate};
