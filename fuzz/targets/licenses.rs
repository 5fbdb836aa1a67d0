//! Licenses: files from a stick, and descriptions that a vendor writes.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
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

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        issue(text);
    }
});
