//! `landfall license report` and `check-report`: write the signed usage report at a site, and check it at a vendor.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::trust::{KeyId, PublicKey};
use landfall_error_codes::{cases, codes};
use landfall_host::files;
use landfall_license::usage::{Period, ReportExpectations, UsageError, UsageReport, first_break};
use landfall_license::{License, SealedLicense};
use landfall_lifecycle::operations::Trust;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;

use super::usage::{components_text, table};
use crate::cli::{LicenseCheckReportArguments, LicenseReportArguments};
use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;

/// Maximum size of a report or a license in bytes: a received file may be arbitrarily long.
const MOST_BYTES: u64 = 16 << 20;

impl Document for UsageReport {
    const KIND: &'static str = landfall_license::usage::KIND;
    const SCHEMA: u32 = landfall_license::usage::SCHEMA;
}

/// Usage report that was written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageExport {
    /// File of the report.
    file: PathBuf,
    /// ID of its license.
    license: String,
    /// Customer of that license.
    customer: String,
    /// Number of days on which usage was measured.
    days: u64,
    /// ID of the site's key, which signed.
    site_key: String,
    /// First day that does not follow the day before it: the record was edited or cut, and the report does not pass its
    /// check.
    broken: Option<String>,
    /// Sums of the days.
    periods: Vec<Period>,
}

impl Document for UsageExport {
    const KIND: &'static str = "usageExport";
}

/// Checked report, with a valid signature, chain and sums.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckedReport {
    /// UUID of the site.
    site: String,
    /// ID of the site's license.
    license: String,
    /// Customer of that license.
    customer: String,
    /// True if the report was compared with that license.
    license_compared: bool,
    /// True if the report was compared with an earlier report of the site.
    earlier_compared: bool,
    /// Creation time of the report, RFC 3339 in UTC.
    made: String,
    /// ID of the signing key.
    site_key: String,
    /// Number of days on which usage was measured.
    days: u64,
    /// Sums of the days.
    periods: Vec<Period>,
}

impl Document for CheckedReport {
    const KIND: &'static str = "usageReportCheck";
}

fn exists(file: &Path) -> Failure {
    let what = format!("{} exists already", file.display());
    Failure::new(codes::OUTPUT_EXISTS, what).next("Name a file that does not exist.")
}

/// Writes the report.
pub(super) fn write(arguments: &LicenseReportArguments, printer: Printer) -> Result<(), Failure> {
    let file = &arguments.output;
    if file.exists() {
        return Err(exists(file));
    }
    let operations = operations_of_root(printer)?;
    let report = operations.usage_report()?;
    let Some(report) = report else {
        let unlicensed = operations.usage()?.is_none();
        let case = if unlicensed { cases::USAGE_NO_LICENSE } else { cases::USAGE_NOT_YET };
        return Err(Failure::in_case(case, "there is nothing to report"));
    };
    let key = PublicKey::from_pem("the key of the report", &report.key)?.id();
    // A record with a fault is reported unchanged, so that its reader sees the fault.
    let broken = first_break(&report.days).map(|day| day.to_string());
    durable::write_new_file(file, (document::pretty(&report) + "\n").as_bytes(), 0o644)
        .map_err(|error| if error.kind() == std::io::ErrorKind::AlreadyExists { exists(file) } else { error.into() })?;
    let reported = UsageExport {
        file: file.clone(),
        license: report.license.clone(),
        customer: report.customer.clone(),
        days: days(&report.periods),
        site_key: key.to_string(),
        broken,
        periods: report.periods,
    };
    printer.report(&reported, reported_text)?;
    Ok(())
}

/// Checks a report.
pub(super) fn check(arguments: &LicenseCheckReportArguments, printer: Printer) -> Result<(), Failure> {
    printer.report(&check_report(arguments)?, checked_text)?;
    Ok(())
}

fn check_report(arguments: &LicenseCheckReportArguments) -> Result<CheckedReport, Failure> {
    let (license, keys) =
        license_and_keys(arguments.license.as_deref(), arguments.trust.trust.as_deref(), &arguments.site_key)?;
    checked_report(&arguments.report, license.as_ref(), keys, arguments.earlier.as_deref())
}

/// Checks the report in a file against the license and keys of its site, and against an earlier report.
pub(crate) fn checked_report(
    path: &Path,
    license: Option<&License>,
    keys: Vec<KeyId>,
    earlier: Option<&Path>,
) -> Result<CheckedReport, Failure> {
    let report = UsageReport::read(&path.display().to_string(), &read("report", path)?)?;
    let wanted = ReportExpectations { terms: license.map(License::terms), keys };
    let key = report.verify(&wanted).map_err(|error| to_failure(path, &error))?;
    if let Some(earlier) = earlier {
        let before = UsageReport::read(&earlier.display().to_string(), &read("report", earlier)?)?;
        // The earlier report may refer to an earlier license.
        let by_key = ReportExpectations { terms: None, keys: vec![key.id()] };
        before.verify(&by_key).map_err(|error| to_failure(earlier, &error))?;
        report.continues(&before).map_err(|error| to_failure(path, &error))?;
    }
    Ok(CheckedReport {
        license_compared: license.is_some(),
        earlier_compared: earlier.is_some(),
        made: format!("{:.0}", report.made),
        site_key: key.id().to_string(),
        days: days(&report.periods),
        site: report.site,
        license: report.license,
        customer: report.customer,
        periods: report.periods,
    })
}

fn to_failure(path: &Path, error: &UsageError) -> Failure {
    Failure::not_passed(path, error)
}

/// Reads a document of a site, up to the limit.
pub(super) fn read(what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    files::read_at_most(path, MOST_BYTES).map_err(|error| {
        Failure::new(codes::BAD_ARGUMENT, format!("the {what} {} cannot be read", path.display())).because(&error)
    })
}

/// The license in a file, verified with `--trust`, and the accepted keys of the site: the one in the license, and those
/// given as arguments. Returns an error if there is no key.
pub(crate) fn license_and_keys(
    license: Option<&Path>,
    trust: Option<&str>,
    site_keys: &[String],
) -> Result<(Option<License>, Vec<KeyId>), Failure> {
    let license = license.map(|path| verify_license(path, trust)).transpose()?;
    let keys = keys(site_keys)?;
    if let Some(license) = license.as_ref().filter(|license| keys.is_empty() && license.terms().site_key.is_none()) {
        let what = format!("the license {} does not name the site's key", license.terms().id);
        return Err(Failure::new(codes::BAD_ARGUMENT, what).next("Name the site's key with `--site-key`."));
    }
    Ok((license, keys))
}

fn verify_license(path: &Path, trust: Option<&str>) -> Result<License, Failure> {
    let sealed = SealedLicense::read(&path.display().to_string(), &read("license", path)?)?;
    let anchor = Trust::read(trust, path)?.anchor;
    Ok(sealed.verify(&anchor)?)
}

fn keys(texts: &[String]) -> Result<Vec<KeyId>, Failure> {
    let key = |text: &String| {
        let what = format!("--site-key: {text} is not the id of a key: 64 hexadecimal digits");
        text.parse().map_err(|_| Failure::new(codes::BAD_ARGUMENT, what))
    };
    texts.iter().map(key).collect()
}

fn days(periods: &[Period]) -> u64 {
    periods.iter().map(|period| period.days).sum()
}

fn reported_text(reported: &UsageExport) -> String {
    let UsageExport { file, license, customer, days, site_key, broken, .. } = reported;
    let (days, file) = (format_count(*days, "day"), file.display());
    let mut text = format!("the report on {days} of use of the license {license} for {customer} is in {file}\n");
    let _infallible = write!(text, "signed by the site's key {site_key}");
    if let Some(day) = broken {
        let code = codes::USAGE_BROKEN.id;
        let _infallible = write!(
            text,
            "\nnote: the record was edited or cut before {day} [{code}], and the vendor's check will say so"
        );
    }
    text
}

pub(crate) fn checked_text(checked: &CheckedReport) -> String {
    let CheckedReport { made, site_key, .. } = checked;
    // The signer chose these texts, and there may be no license to compare them with: none of them may create lines of
    // their own.
    let [site, license, customer] = [&checked.site, &checked.license, &checked.customer].map(|said| shown::line(said));
    let compared = if checked.license_compared { "" } else { ", which was not compared with it" };
    let mut text = format!(
        "the report of {made} is as the site signed it, its days follow one another, and its sums are theirs\n\
         site      {site}\nlicense   {license} for {customer}{compared}\nsigned by {site_key}\n"
    );
    if checked.earlier_compared {
        text.push_str("earlier   the days of the earlier report that were over are in it\n");
    }
    for period in &checked.periods {
        let Period { from, until, days, unmeasured_days, .. } = period;
        let license = shown::line(&period.license);
        let _infallible = write!(text, "\n{license}, {from} to {until}: measured on {}", format_count(*days, "day"));
        if *unmeasured_days > 0 {
            let _infallible = write!(text, ", not on {}", format_count(*unmeasured_days, "day"));
        }
        text.push('\n');
        text.push_str(&table(period.limits.iter().map(|of| (None, of))));
        let _infallible = writeln!(text, "components  {}", shown::line(&components_text(&period.components)));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::{SignedDuration, Timestamp};
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_license::sample as license_sample;
    use landfall_license::usage::{Counts, ReportContents, Sample, UsageLog};

    use super::super::usage::sample;
    use super::*;
    use crate::cli::TrustArguments;

    /// A vendor with a customer's license and reports.
    struct Desk {
        folder: tempfile::TempDir,
        vendor: Vendor,
    }

    impl Desk {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn new() -> Self {
            let desk = Self { folder: tempfile::tempdir().unwrap(), vendor: Vendor::new(KeyKind::EcdsaP256).unwrap() };
            durable::write_file(&desk.path("1.root.json"), desk.vendor.root.bytes(), 0o644).unwrap();
            for (id, named) in [("named", true), ("unnamed", false)] {
                let mut terms = license_sample::terms(id, Timestamp::UNIX_EPOCH).unwrap();
                terms.site_key = named.then(|| desk.vendor.key.public().id());
                let sealed = license_sample::seal_license(&desk.vendor, &terms, None).unwrap();
                durable::write_file(&desk.path(&format!("{id}.license")), sealed.bytes(), 0o644).unwrap();
            }
            desk
        }

        /// Writes the customer's report after this many hours on this many nodes.
        fn report(&self, name: &str, hours: i64, nodes: u64) {
            let terms = license_sample::terms("named", Timestamp::UNIX_EPOCH).unwrap();
            let mut log = UsageLog::default();
            for hour in 0..hours {
                log.add(Sample {
                    at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour),
                    license: terms.id.clone(),
                    limits: Counts::limits(&terms.entitlements),
                    overage_percent: terms.overage_percent,
                    counts: Counts { nodes: Some(nodes), ..Counts::default() },
                    components: BTreeSet::new(),
                    lacking: BTreeSet::new(),
                });
            }
            let (site, made) = ("7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b", Timestamp::UNIX_EPOCH);
            let contents = ReportContents { site, identifiers: BTreeSet::new(), terms: &terms, made, days: log.days() };
            let unsigned = UsageReport::new_unsigned(contents, self.vendor.key.public());
            let signature = self.vendor.key.sign(&unsigned.message().unwrap()).unwrap();
            let text = document::pretty(&unsigned.with_signature(&signature));
            durable::write_file(&self.path(name), text.as_bytes(), 0o644).unwrap();
        }

        fn check(&self, report: &str, license: Option<&str>, key: Option<String>, earlier: Option<&str>) -> String {
            let arguments = LicenseCheckReportArguments {
                report: self.path(report),
                license: license.map(|name| self.path(name)),
                site_key: key.into_iter().collect(),
                earlier: earlier.map(|name| self.path(name)),
                trust: TrustArguments { trust: Some(self.path("1.root.json").display().to_string()) },
            };
            let known = |checked: CheckedReport| format!("{} {}", checked.license_compared, checked.periods[0].days);
            check_report(&arguments).map_or_else(|failure| failure.code().id.to_owned(), known)
        }
    }

    #[test]
    fn report_is_checked_by_license_or_key() {
        let desk = Desk::new();
        let key = || Some(desk.vendor.key.public().id().to_string());
        desk.report("first.json", 30, 4);
        desk.report("later.json", 60, 4);
        desk.report("again.json", 60, 2);
        assert_eq!(desk.check("first.json", Some("named.license"), None, None), "true 2");
        assert_eq!(desk.check("later.json", None, key(), Some("first.json")), "false 3");
        assert_eq!(desk.check("again.json", None, key(), Some("first.json")), "LF4735");
        assert_eq!(desk.check("first.json", Some("unnamed.license"), None, None), codes::BAD_ARGUMENT.id);
        assert_eq!(desk.check("first.json", Some("unnamed.license"), key(), None), "LF4737");
        assert_eq!(desk.check("first.json", None, Some("ab".repeat(32)), None), "LF4734");
        assert_eq!(desk.check("1.root.json", None, key(), None), "LF4733");
        assert_eq!(desk.check("none.json", None, key(), None), codes::BAD_ARGUMENT.id);
        let text = fs_err::read_to_string(desk.path("first.json")).unwrap();
        let edited = text.replace("\"overageDays\": 2", "\"overageDays\": 0");
        assert_ne!(text, edited);
        durable::write_file(&desk.path("edited.json"), edited.as_bytes(), 0o644).unwrap();
        assert_eq!(desk.check("edited.json", None, key(), None), "LF4734");
    }

    fn period() -> Period {
        let usage = sample();
        Period {
            license: usage.license,
            from: "2026-10-31".parse().unwrap(),
            until: "2026-11-20".parse().unwrap(),
            days: usage.days,
            unmeasured_days: usage.unmeasured_days,
            overage_percent: 34,
            limits: usage.limits.into_iter().map(|limit| limit.since).collect(),
            components: usage.components,
        }
    }

    fn report_of(customer: &str) -> CheckedReport {
        CheckedReport {
            site: "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b".to_owned(),
            license: "acme-1".to_owned(),
            customer: customer.to_owned(),
            license_compared: false,
            earlier_compared: false,
            made: "2026-11-20T08:00:00Z".to_owned(),
            site_key: "0123".to_owned(),
            days: 20,
            periods: vec![period()],
        }
    }

    #[test]
    fn checked_report_is_summarized() {
        let checked = report_of("Acme");
        insta::assert_snapshot!(checked_text(&checked));
    }

    #[test]
    fn signed_text_forges_no_line() {
        let text = checked_text(&report_of("Acme\nsigned by 9999"));
        assert_eq!(text.lines().filter(|line| line.starts_with("signed by")).count(), 1, "{text}");
    }

    #[test]
    fn written_report_names_key() {
        let reported = UsageExport {
            file: "/root/usage.json".into(),
            license: "acme-1".to_owned(),
            customer: "Acme".to_owned(),
            days: 1,
            site_key: "0123".to_owned(),
            broken: Some("2026-11-19".to_owned()),
            periods: vec![period()],
        };
        insta::assert_snapshot!(reported_text(&reported), @r"
        the report on 1 day of use of the license acme-1 for Acme is in /root/usage.json
        signed by the site's key 0123
        note: the record was edited or cut before 2026-11-19 [LF4731], and the vendor's check will say so
        ");
    }

    #[test]
    fn key_must_be_plain_id() {
        assert!(keys(&["ab".repeat(32)]).is_ok());
        let refused = keys(&["sha256:ab".to_owned()]).unwrap_err();
        assert_eq!(refused.code(), codes::BAD_ARGUMENT);
    }
}
