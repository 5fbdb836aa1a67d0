//! Licenses: files from a stick, descriptions that a vendor writes, records of usage, and reports of it.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
use landfall_license::usage::{UsageLog, UsageReport, Wanted};
use landfall_license::{Circumstances, SealedLicense, UnsignedLicense, describe};
use libfuzzer_sys::fuzz_target;

static VENDOR: LazyLock<Vendor> = LazyLock::new(|| Vendor::new(KeyKind::Ed25519).expect("a key"));

/// A license file that anyone may have written, and its own roots as first trust.
fn read(bytes: &[u8]) {
    let Ok(sealed) = SealedLicense::read("a.license", bytes) else { return };
    assert_eq!(sealed.bytes(), bytes, "a license has two spellings");
    let _ = sealed.untrusted();
    for root in sealed.roots() {
        let _ = sealed.verify(&TrustAnchor::Fingerprint(root.fingerprint()));
    }
    assert!(sealed.verify(&VENDOR.anchor()).is_err(), "a license of another vendor is verified");
}

/// What can be described can be issued, verified and judged at any time.
fn issue(text: &str) {
    let Ok(terms) = describe("license.yaml", text, Timestamp::UNIX_EPOCH, 0) else { return };
    let mut unsigned = UnsignedLicense::new(&terms).expect("what was described can be issued");
    unsigned.sign(&VENDOR.key).expect("a signature");
    // Terms of many names exceed what a file may have.
    let Ok(sealed) = unsigned.finish(std::slice::from_ref(&VENDOR.root), None) else { return };
    let license = sealed.verify(&VENDOR.anchor()).expect("what was issued is verified");
    assert_eq!(license.terms(), &terms);
    let superseded = BTreeSet::new();
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let circumstances = Circumstances { now, identifiers: None, revocation: None, superseded: &superseded };
        let _ = license.standing(&circumstances).text(&license);
    }
}

/// A record that a disk damaged, and a report that anyone may have written.
fn use_up(bytes: &[u8]) {
    let log = UsageLog::read(bytes);
    assert_eq!(UsageLog::read(&log.bytes()).days().len(), log.days().len(), "what was read is written");
    let Ok(report) = UsageReport::read("report.json", bytes) else { return };
    let wanted = Wanted { terms: None, keys: vec![VENDOR.key.public().id()] };
    assert!(report.verify(&wanted).is_err(), "a report of another site is verified");
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    use_up(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        issue(text);
    }
});
