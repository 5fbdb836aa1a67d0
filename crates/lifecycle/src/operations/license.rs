//! `landfall license` at a site: imports and shows a license, and confirms the date by which it is judged. Without a
//! journal, because running software does not change.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use landfall_bundle_spec::trust::Revocation;
use landfall_cluster::Cluster;
use landfall_documents::license::{LicenseReport, LicenseStatus, NeededEntitlement, TrustedDate};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::identifiers::host_identifiers;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use landfall_license::{Identifier, License};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operations;
use super::bundle::TrustedRelease;
use super::error::Result;
use landfall_site::license::usage;
use landfall_site::license::{
    DatedStanding, GivenLicense, LicenseRecord, LicensedHost, Licensing, cluster_identifier, identifier_texts, judge,
    needs, why,
};
use landfall_site::license::{date_note, license_terms, terms_note, trusted_date};

/// Time for which a license waits for the API server, whose answer only adds an identifier.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(5);

/// Time limit for an API server that accepts connections but does not answer.
const CLUSTER_LIMIT: Duration = Duration::from_secs(3);

/// Result of `confirm-date`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmedDate {
    /// Earlier date by which licenses were judged, RFC 3339 in UTC; null on a site that keeps none.
    pub before: Option<String>,
    /// Current date by which licenses are judged, RFC 3339 in UTC.
    pub after: Option<String>,
}

impl Operations {
    /// Imports the file of a license that the site's vendor has signed, and reports its status. The license, trusted
    /// time and the revocation in the file are on the disk on return.
    pub fn import_license(&self, path: &Path) -> Result<LicenseStatus> {
        self.import(&GivenLicense::read(path)?)
    }

    /// Like [`Self::import_license`], for the text of a file that a person gave the console.
    pub fn import_sent_license(&self, text: &str) -> Result<LicenseStatus> {
        self.import(&GivenLicense::from_console(text))
    }

    fn import(&self, given: &GivenLicense) -> Result<LicenseStatus> {
        let Some(release) = self.release_of_site()? else {
            let what = "a license cannot be checked before a release is installed";
            return Err(StepError::new(codes::LICENSE_NO_ROOT, what).into());
        };
        let place = LicensedHost::Here { paths: &self.paths, cluster: self.cluster_identifier() };
        Licensing::look(&place, &release.licensed(), Some(given))?.store(&self.paths)?;
        let missing = || StepError::new(codes::BUG, "the license that was stored is missing");
        Ok(self.license_status(Some(&release)).ok_or_else(missing)?)
    }

    /// Returns the site's license, the needs of the installed release, and the site's identifiers. Changes nothing but
    /// trusted time.
    pub fn license_report(&self) -> Result<LicenseReport> {
        let release = self.release_of_site()?;
        let license = self.license_status(release.as_ref());
        let mut identifiers = host_identifiers(&self.paths);
        if let Ok(Some(record)) = LicenseRecord::read(&self.paths) {
            identifiers.extend(record.identifiers(&self.paths));
        }
        identifiers.extend(self.cluster_identifier());
        let site_key = self.audit_record()?.map(|record| record.public_key().id().to_string());
        Ok(LicenseReport { license, identifiers: identifier_texts(&identifiers), site_key })
    }

    /// Sets the date by which licenses are judged to the machine's clock, which a person has verified. On the disk on
    /// return. Fails if a later time has certainly passed.
    pub fn confirm_date(&self) -> Result<ConfirmedDate> {
        let confirmed = if self.paths.data().exists() {
            let lock = LicenseLock::take(&self.paths)?;
            site_time::confirm(&self.paths, &lock, &machine_clocks(&self.paths))?
        } else {
            None
        };
        let text = |time: Timestamp| format!("{time:.0}");
        let (before, after) = confirmed.map(|date| (text(date.before), text(date.after))).unzip();
        Ok(ConfirmedDate { before, after })
    }

    /// Returns the license's status for a release; `None` if there is no license and none is needed. Unreadable data
    /// becomes a note, not an error.
    pub(super) fn license_status(&self, release: Option<&TrustedRelease>) -> Option<LicenseStatus> {
        let mut notes = Vec::new();
        let record = LicenseRecord::read(&self.paths).unwrap_or_else(|error| {
            notes.push(why(&error));
            None
        });
        let needed = release.map(|release| needs(&release.release)).unwrap_or_default();
        if record.is_none() && notes.is_empty() && needed.is_empty() {
            return None;
        }
        let place = LicensedHost::Here { paths: &self.paths, cluster: None };
        let brought = release.and_then(|release| release.verified.revocation());
        if record.is_some()
            && let Err(error) = site_time::observe(&self.paths)
        {
            tracing::warn!(error = why(&error), "trusted time cannot be stored");
        }
        let judged = record.map(|record| license_with_status(&place, &record, brought));
        let judged = judged.transpose().unwrap_or_else(|error| {
            notes.push(why(&error));
            None
        });
        let terms = judged.as_ref().map(|(license, found)| license_terms(license, &found.standing));
        notes.extend(terms.as_ref().and_then(terms_note));
        let newest = usage::newest(&self.paths);
        notes.extend(terms.iter().zip(&newest).flat_map(|(terms, newest)| usage::notes(terms, newest)));
        let date = self.trusted_date(&mut notes);
        notes.extend(date.as_ref().and_then(date_note));
        let grants = |entitlement: &str| {
            judged.as_ref().is_some_and(|(held, found)| found.standing.permits() && held.grants(entitlement))
        };
        let needs = needed.iter().map(|need| NeededEntitlement {
            component: need.component.to_owned(),
            entitlement: need.entitlement.to_owned(),
            granted: grants(need.entitlement),
        });
        Some(LicenseStatus { terms, needs: needs.collect(), date, notes })
    }

    fn trusted_date(&self, notes: &mut Vec<String>) -> Option<TrustedDate> {
        let clocks = machine_clocks(&self.paths);
        match site_time::read(&self.paths, &clocks) {
            Ok(time) => time.map(|time| trusted_date(&time, clocks.wall)),
            Err(error) => {
                notes.push(why(&error));
                None
            }
        }
    }

    /// Returns the head of the site's release, or of the release that an operation brings.
    pub(super) fn release_of_site(&self) -> Result<Option<TrustedRelease>> {
        let Some(past) = self.deciding()? else { return Ok(None) };
        let Some(pins) = past.pins() else { return Ok(None) };
        Ok(Some(self.release_of(pins)?))
    }

    /// Returns the cluster's identifier; `None` if there is no cluster or it does not answer soon.
    pub(super) fn cluster_identifier(&self) -> Option<Identifier> {
        let kubeconfig = self.paths.admin_kubeconfig();
        if !kubeconfig.exists() {
            return None;
        }
        let cluster = Cluster::connect(&kubeconfig).ok()?.with_patience(CLUSTER_PATIENCE);
        cluster_identifier(&cluster.within(CLUSTER_LIMIT))
    }
}

/// Returns a stored license and its status, under the revocation that the installed release brings.
pub(super) fn license_with_status(
    place: &LicensedHost<'_>,
    record: &LicenseRecord,
    brought: Option<&Revocation>,
) -> std::result::Result<(License, DatedStanding), StepError> {
    let license = record.license()?;
    let found = judge(place, record, &license, (license.terms().issued, brought))?;
    Ok((license, found))
}
