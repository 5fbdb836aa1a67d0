//! Answers to software that asks about the license, and the key with which it verifies them.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_host::site_time;
use landfall_host::site_time::machine_clocks;
use landfall_license::answer::{Answer, Question, SealedAnswer};
use landfall_license::{License, Standing};

use super::Operations;
use super::error::Result;
use super::license::license_with_status;
use crate::steps::license_key::LicenseKey;
use landfall_site::console::{AuditRecord, ConsoleFiles};
use landfall_site::license::{LicenseRecord, LicensedHost};

/// Status of the site's license at one moment, for all answers of the next seconds.
pub struct JudgedLicense {
    held: Option<(License, Standing)>,
    site: String,
    now: Timestamp,
    since: Instant,
}

impl Operations {
    /// Judges the license of this site. Fails if the license is unusable: the site then gives no answer, and earlier
    /// answers stay valid for their grace.
    pub fn judge_license(&self) -> Result<JudgedLicense> {
        let site = site_of(&self.paths)?;
        let record = LicenseRecord::read(&self.paths)?;
        let clocks = machine_clocks(&self.paths);
        let release = self.release_of_site()?;
        let brought = release.as_ref().and_then(|release| release.verified.revocation());
        let place = LicensedHost::Here { paths: &self.paths, cluster: None };
        let held = record.map(|record| license_with_status(&place, &record, brought)).transpose()?;
        // The date by which the license was judged, because an answer signed after its own end is refused.
        let now = match &held {
            Some((_, found)) => found.date,
            None => site_time::read(&self.paths, &clocks)?.map_or(clocks.wall, |time| time.now()),
        };
        let held = held.map(|(license, found)| (license, found.standing));
        Ok(JudgedLicense { held, site, now, since: Instant::now() })
    }

    /// Signs the answer to a question of software.
    pub fn answer_about_license(&self, judged: &JudgedLicense, question: &Question) -> Result<SealedAnswer> {
        let record = AuditRecord::ensure(&ConsoleFiles::of(&self.paths))?;
        Ok(record.seal(&judged.answer(question))?)
    }

    /// Applies the key that verifies answers in the namespaces with a license check, if they have another one.
    pub fn renew_license_keys(&self) -> Result<()> {
        let Some(release) = self.release_of_site()? else { return Ok(()) };
        let keys = LicenseKey::all(&release.release);
        if keys.is_empty() {
            return Ok(());
        }
        let cluster = self.patient_cluster()?;
        keys.iter().try_for_each(|key| key.apply(&self.paths, &cluster))?;
        Ok(())
    }
}

impl JudgedLicense {
    /// Returns the time since the judgment.
    pub fn age(&self) -> std::time::Duration {
        self.since.elapsed()
    }

    fn answer(&self, question: &Question) -> Answer {
        let passed = SignedDuration::try_from(self.age()).unwrap_or(SignedDuration::MAX);
        let now = self.now.checked_add(passed).unwrap_or(self.now);
        let held = self.held.as_ref().map(|(license, found)| (license, license.standing_since(found, now)));
        let held = held.as_ref().map(|(license, standing)| (*license, standing));
        Answer::new(question, held, &self.site, now)
    }
}

/// Returns the UUID of the site.
pub(super) fn site_of(paths: &SitePaths) -> std::result::Result<String, StepError> {
    let path = paths.data_uuid();
    let text = fs_err::read_to_string(&path).map_err(|error| files::file_error("read", &path, error))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_error_codes::{CodedError as _, codes};
    use landfall_license::answer::{Nonce, Subject};
    use landfall_license::sample;
    use landfall_media::durable;

    use super::super::testing::operations;
    use super::*;

    const SITE: &str = "6f1c6f1e-5b0a-4b57-9a5b-1f0a0b0c0d0e";

    fn question() -> Question {
        Question { subject: Subject::Entitlement("analytics".to_owned()), nonce: Nonce([7; 16]) }
    }

    #[test]
    fn answer_follows_license_and_site_time() {
        let (_root, operations) = operations();
        let paths = &operations.paths;
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), format!("{SITE}\n").as_bytes(), 0o644).unwrap();
        let answer = || {
            let judged = operations.judge_license().unwrap();
            let sealed = operations.answer_about_license(&judged, &question()).unwrap();
            let record = AuditRecord::read(&ConsoleFiles::of(paths)).unwrap().unwrap();
            sealed.open(record.public_key(), &question()).unwrap()
        };
        let without = answer();
        assert_eq!((without.granted, without.standing.as_str(), without.site.as_str()), (false, "none", SITE));
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let terms = sample::terms("acme-1", Timestamp::now()).unwrap();
        let license = sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap();
        LicenseRecord::with(&license, None).unwrap().write(paths).unwrap();
        let with = answer();
        assert_eq!((with.granted, with.standing.as_str(), with.license.as_deref()), (true, "valid", Some("acme-1")));
        assert_eq!((with.ends, with.limits.unwrap().nodes), (terms.ends, Some(3)));
        assert!(with.issued >= terms.issued);
        durable::write_file(&paths.license(), b"{}", 0o600).unwrap();
        durable::write_file(&paths.license_copy(), b"{}", 0o600).unwrap();
        assert_eq!(operations.judge_license().map(drop).unwrap_err().code(), codes::LICENSE_RECORD);
    }

    /// Returns a site with this license and without trusted time, as after the loss of both copies.
    fn site_with(id: &str, issued: Timestamp) -> (tempfile::TempDir, Operations, License) {
        let (root, operations) = operations();
        let paths = &operations.paths;
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), SITE.as_bytes(), 0o644).unwrap();
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let terms = sample::terms(id, issued).unwrap();
        let license = sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap();
        LicenseRecord::with(&license, None).unwrap().write(paths).unwrap();
        (root, operations, license)
    }

    #[test]
    fn missing_trusted_time_falls_back_to_license() {
        // This machine's clock is more than five years ahead of the license, so it is not believed.
        let issued = Timestamp::now() - SignedDuration::from_hours(24 * 365 * 6);
        let (_root, operations, license) = site_with("acme-1", issued);
        for damages in [false, true] {
            if damages {
                durable::write_file(&operations.paths.trusted_time(), b"{", 0o600).unwrap();
            }
            let judged = operations.judge_license().unwrap();
            let sealed = operations.answer_about_license(&judged, &question()).unwrap();
            let record = AuditRecord::read(&ConsoleFiles::of(&operations.paths)).unwrap().unwrap();
            let answer = sealed.open(record.public_key(), &question()).expect("it can be read");
            assert_eq!((answer.granted, answer.standing.as_str()), (true, "valid"), "damaged: {damages}");
            assert!(answer.issued.duration_since(license.terms().issued) < SignedDuration::from_mins(1));
        }
    }

    #[test]
    fn license_ended_since_look_is_denied() {
        let (_root, operations, license) = site_with("acme-1", Timestamp::now());
        let end = license.terms().grace_ends().unwrap();
        let before = end - SignedDuration::from_secs(2);
        for (age, granted, standing) in [(0, true, "grace"), (10, false, "ended")] {
            let since = Instant::now().checked_sub(std::time::Duration::from_secs(age)).unwrap();
            let held = Some((license.clone(), Standing::Grace { days_left: 1 }));
            let judged = JudgedLicense { held, site: SITE.to_owned(), now: before, since };
            let sealed = operations.answer_about_license(&judged, &question()).unwrap();
            let record = AuditRecord::read(&ConsoleFiles::of(&operations.paths)).unwrap().unwrap();
            let answer = sealed.open(record.public_key(), &question()).expect("it can be read");
            assert_eq!((answer.granted, answer.standing.as_str()), (granted, standing));
        }
    }
}
