//! `landfall license usage` and `report`, and the measurement that the agent starts each hour. Without a journal:
//! running software does not change, and nothing waits for it.

use std::time::Duration;

use jiff::Timestamp;
use landfall_cluster::Cluster;
use landfall_documents::license::UsageStatus;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use landfall_license::License;
use landfall_license::usage::{Counts, ReportContents, Sample, UsageReport, periods};

use super::Operations;
use super::error::Result;
use landfall_site::console::{AuditRecord, ConsoleFiles};
use landfall_site::license::usage::usage_status;
use landfall_site::license::{LicenseRecord, usage};

/// Time for which a measurement waits for the API server; the agent tries again.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(30);

impl Operations {
    /// Measures the site's usage of its license. The sample is on the disk on return. Returns false if there is nothing
    /// to measure: no site, license or cluster, or a sample that is less than half an hour old.
    pub fn measure_usage(&self) -> Result<bool> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !self.paths.data_uuid().exists() || !kubeconfig.exists() || LicenseRecord::read(&self.paths)?.is_none() {
            return Ok(false);
        }
        let cluster = Cluster::connect(&kubeconfig).map_err(StepError::from)?.with_patience(CLUSTER_PATIENCE);
        let counts = usage::cluster_counts(&cluster).map_err(StepError::from)?;
        let gpus = Some(usage::host_gpus(&self.paths));
        self.keep_usage(Counts { gpus, ..counts })
    }

    /// Adds a sample with these counts to the record. The site's key exists from the first sample on, because a license
    /// may name it.
    pub(super) fn keep_usage(&self, counts: Counts) -> Result<bool> {
        let (Some(license), Some(release)) = (self.usable_license()?, self.release_of_site()?) else {
            return Ok(false);
        };
        let lock = LicenseLock::take(&self.paths)?;
        let Some(now) = self.trusted_now()? else { return Ok(false) };
        let terms = license.terms();
        let (components, lacking) = usage::needed_entitlements(&release.release, terms);
        let sample = Sample {
            at: now,
            license: terms.id.clone(),
            limits: Counts::limits(&terms.entitlements),
            overage_percent: terms.overage_percent,
            counts: Counts { users: usage::users(&self.paths, Timestamp::now()), ..counts },
            components,
            lacking,
        };
        let mut log = usage::read(&self.paths)?;
        if !log.add(sample) {
            return Ok(false);
        }
        usage::write(&self.paths, &lock, &log)?;
        AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?;
        Ok(true)
    }

    /// Returns the site's usage of its license; `None` on a site without one.
    pub fn usage(&self) -> Result<Option<UsageStatus>> {
        let Some(license) = self.usable_license()? else { return Ok(None) };
        let log = usage::read(&self.paths)?;
        let status = self.license_status(self.release_of_site()?.as_ref());
        let terms = status.and_then(|status| status.terms);
        let mut notes: Vec<String> =
            terms.iter().zip(log.newest()).flat_map(|(terms, newest)| usage::notes(terms, newest)).collect();
        notes.extend(usage::break_note(&log));
        let site_key = self.audit_record()?.map(|record| record.public_key().id().to_string());
        let newest = log.newest();
        Ok(Some(usage_status(&license, periods(&log.days()), newest, site_key, notes)))
    }

    /// Returns the report of the site's usage, signed by the site's key, which is created if needed. Returns `None`
    /// without a license, or before the first sample.
    pub fn usage_report(&self) -> Result<Option<UsageReport>> {
        let Some(license) = self.usable_license()? else { return Ok(None) };
        let days = usage::read(&self.paths)?.days();
        let Some(made) = self.trusted_now()?.filter(|_| !days.is_empty()) else { return Ok(None) };
        let record = LicenseRecord::read(&self.paths)?;
        let identifiers = record.map(|record| record.identifiers(&self.paths)).unwrap_or_default();
        let path = self.paths.data_uuid();
        let site = fs_err::read_to_string(&path).map_err(|error| files::file_error("read", &path, error))?;
        let contents = ReportContents { site: site.trim(), identifiers, terms: license.terms(), made, days };
        Ok(Some(AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?.sign_usage(contents)?))
    }

    /// Stores the console's number of users for the next samples. On the disk on return. Without a license, stores
    /// nothing.
    pub fn note_users(&self, users: u64) -> Result<()> {
        if LicenseRecord::read(&self.paths)?.is_none() {
            return Ok(());
        }
        Ok(usage::write_users(&self.paths, users, Timestamp::now())?)
    }

    /// Returns the license of the site in any standing, because usage is measured even after its end.
    fn usable_license(&self) -> Result<Option<License>> {
        Ok(LicenseRecord::read(&self.paths)?.map(|record| record.license()).transpose()?)
    }

    /// Returns the site's trusted date in whole seconds.
    fn trusted_now(&self) -> Result<Option<Timestamp>> {
        let time = site_time::read(&self.paths, &machine_clocks(&self.paths))?;
        Ok(time.and_then(|time| Timestamp::from_second(time.now().as_second()).ok()))
    }
}
