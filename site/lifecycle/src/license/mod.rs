//! The site's license: how it is stored, which one takes the place of which, and what it comes to before an install or an
//! upgrade. Nothing else asks for it: what runs, backups, restores, rollbacks and uninstalls go on without one.

mod gate;
mod record;
mod report;

pub(crate) use gate::{GivenLicense, Judged, LicensedHost, Licensing, judge, needs};
pub use record::LicenseRecord;
pub(crate) use record::{SAVED, adopt, cluster_identifier, remember_cluster, remove, saved_documents, why};
pub(crate) use report::shown;
pub use report::{LicenseReport, LicenseStatus, LicenseTerms, NeededEntitlement, TrustedDate};
