//! A site's usage of its license: measured, reported, kept with the data, and never a reason to stop.

use jiff::SignedDuration;
use landfall_bundle_spec::trust::KeyId;
use landfall_license::usage::{Counts, ReportExpectations, Sample, UsageLog, first_break};

use super::licensed::{license, machine};
use super::*;

const COUNTS: Counts = Counts { nodes: Some(4), namespaces: Some(9), gpus: Some(0), users: None };

/// Returns an installed machine with a license for three nodes.
fn licensed_machine(vendor: &Vendor) -> Fixture {
    let mut fixture = machine(vendor);
    fixture.license = Some(license(&fixture, vendor, "acme-1", |_| {}));
    fixture.prepared_install().run().unwrap();
    fixture.license = None;
    fixture
}

fn key(fixture: &Fixture) -> KeyId {
    fixture.operations.license_report().unwrap().site_key.unwrap().parse().unwrap()
}

#[test]
fn unlicensed_site_measures_nothing() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = machine(&vendor);
    let (operations, birth) = (&fixture.operations, fixture.contents());
    assert!(!operations.keep_usage(COUNTS).unwrap() && !operations.measure_usage().unwrap());
    operations.note_users(3).unwrap();
    assert_eq!((operations.usage().unwrap(), operations.usage_report().unwrap()), (None, None));
    assert_eq!(fixture.contents(), birth, "nothing is written");
}

#[test]
fn excess_use_is_only_reported() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = licensed_machine(&vendor);
    let operations = &fixture.operations;
    assert_eq!(operations.usage_report().unwrap(), None, "nothing is measured yet");
    assert_eq!(operations.usage().unwrap().unwrap().measured, None);
    operations.note_users(12).unwrap();
    assert!(operations.keep_usage(COUNTS).unwrap());
    assert!(!operations.keep_usage(COUNTS).unwrap(), "the last sample is a moment old");
    let usage = operations.usage().unwrap().unwrap();
    let of = |index: usize| (usage.limits[index].now, usage.limits[index].since.overage_days);
    assert_eq!([of(0), of(1), of(3)], [(Some(4), 1), (Some(9), 0), (Some(12), 0)]);
    assert_eq!((usage.components[0].entitlement.as_str(), usage.components[0].lacking_days), ("analytics", 0));
    let status = operations.status().unwrap();
    let is_named =
        |notes: &[String]| notes.iter().any(|note| note.starts_with("4 nodes are in use; the license acme-1"));
    assert!(is_named(&usage.notes) && is_named(&status.notes), "{:?}", status.notes);
    assert!(status.license.unwrap().terms.unwrap().permits);
    let report = operations.usage_report().unwrap().unwrap();
    let key = key(&fixture);
    report.verify(&ReportExpectations { terms: None, keys: vec![key] }).unwrap();
    // A renewal may name the site's key, which the vendor knows by now.
    let renewed = license(&fixture, &vendor, "acme-2", |terms| {
        terms.site_key = Some(key);
        terms.entitlements.nodes = Some(8);
    });
    operations.import_license(&renewed).unwrap();
    let renewed = operations.usage().unwrap().unwrap();
    assert_eq!((renewed.license.as_str(), renewed.since, renewed.limits[0].now), ("acme-2", None, None));
    assert!(!is_named(&operations.status().unwrap().notes), "it is for as many");
}

#[test]
fn edited_usage_record_is_detected() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = licensed_machine(&vendor);
    let (operations, paths) = (&fixture.operations, &fixture.operations.paths);
    assert!(operations.keep_usage(COUNTS).unwrap());
    let newest = UsageLog::newest_of(&fs_err::read(paths.usage()).unwrap()).unwrap();
    let mut log = UsageLog::default();
    for hours in [3, 2, 1] {
        assert!(log.add(Sample { at: newest.at - SignedDuration::from_hours(hours), ..newest.clone() }));
    }
    let text = String::from_utf8(log.bytes()).unwrap().replacen("\"nodes\":4", "\"nodes\":3", 1);
    durable::write_file(&paths.usage(), text.as_bytes(), 0o600).unwrap();
    assert!(operations.keep_usage(COUNTS).unwrap(), "measuring continues");
    let usage = operations.usage().unwrap().unwrap();
    assert!(usage.notes.iter().any(|note| note.contains("[LF4731]")), "{:?}", usage.notes);
    let report = operations.usage_report().unwrap().unwrap();
    assert!(first_break(&report.days).is_some());
    let refused = report.verify(&ReportExpectations { terms: None, keys: vec![key(&fixture)] }).unwrap_err();
    assert_eq!(refused.code(), codes::USAGE_REPORT_CHAIN);
    // Damage to the whole file loses only its content.
    durable::write_file(&paths.usage(), b"\0\0\0", 0o600).unwrap();
    assert!(operations.status().is_ok() && operations.keep_usage(COUNTS).unwrap());
}

#[test]
fn usage_record_follows_the_data() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = machine(&vendor);
    let birth = fixture.contents();
    fixture.license = Some(license(&fixture, &vendor, "acme-1", |_| {}));
    fixture.prepared_install().run().unwrap();
    let (operations, paths) = (&fixture.operations, &fixture.operations.paths);
    operations.note_users(12).unwrap();
    assert!(operations.keep_usage(COUNTS).unwrap());
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert!(paths.usage().exists() && !paths.known_users().exists() && !paths.console().exists());
    fixture.prepared_install().run().unwrap();
    assert_eq!(operations.usage().unwrap().unwrap().days, 1);
    let site = operations.site_name().unwrap();
    operations.uninstall(&DataDisposal::Delete { confirmation: site }).unwrap();
    assert_eq!(fixture.contents(), birth);
}
