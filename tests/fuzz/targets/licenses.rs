//! Licenses: files from a stick, descriptions that a vendor writes, records and reports of usage, and answers about a
//! license. An attacker may have written them.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
use landfall_license::answer::{Answer, AnswerError, Kept, Nonce, Question, SealedAnswer, Subject};
use landfall_license::usage::{UsageLog, UsageReport, Wanted};
use landfall_license::{Circumstances, Clocks, SealedLicense, UnsignedLicense, describe};
use libfuzzer_sys::fuzz_target;

static VENDOR: LazyLock<Vendor> = LazyLock::new(|| Vendor::new(KeyKind::Ed25519).expect("a key"));

/// A license file that anyone may have written, with its own roots as the trust anchor.
fn read(bytes: &[u8]) {
    let Ok(sealed) = SealedLicense::read("a.license", bytes) else { return };
    assert_eq!(sealed.bytes(), bytes, "a license has two spellings");
    let _ = sealed.untrusted();
    for root in sealed.roots() {
        let _ = sealed.verify(&TrustAnchor::Fingerprint(root.fingerprint()));
    }
    assert!(sealed.verify(&VENDOR.anchor()).is_err(), "a license of another vendor is verified");
}

/// Any license that can be described can be issued, verified and judged at any time.
fn issue(text: &str) {
    let Ok(terms) = describe("license.yaml", text, Timestamp::UNIX_EPOCH, 0) else { return };
    let mut unsigned = UnsignedLicense::new(&terms).expect("what was described can be issued");
    unsigned.sign(&VENDOR.key).expect("a signature");
    // Terms with many names exceed the maximum size of a file.
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

/// Bytes in place of an answer, and a kept answer on a disk that anyone may have written.
fn answer(bytes: &[u8]) {
    let question = Question { subject: Subject::Feature("export".to_owned()), nonce: Nonce([7; 16]) };
    let key = VENDOR.key.public();
    if let Ok(sealed) = SealedAnswer::read(bytes) {
        assert_eq!(sealed.bytes(), bytes, "an answer has two spellings");
        let opened = sealed.open(key, &question);
        assert!(matches!(opened, Err(AnswerError::Signature)), "an answer of another site is opened");
    }
    if let Ok(kept) = serde_json::from_slice::<Kept>(bytes) {
        let clocks = Clocks { wall: Timestamp::MAX, boot: "", uptime: std::time::Duration::MAX };
        assert!(kept.report(key, &question.subject, &clocks).is_err(), "an answer of another site is kept");
    }
}

/// Every valid question has an answer that can be opened.
fn ask(text: &str) {
    let Ok(subject) = Subject::named("feature", text) else { return };
    let question = Question { subject, nonce: Nonce([7; 16]) };
    let answer = Answer::new(&question, None, text, Timestamp::UNIX_EPOCH);
    let unsigned = answer.unsigned().expect("what was asked has an answer");
    let signature = VENDOR.key.sign(unsigned.message()).expect("a signature");
    let sealed = unsigned.seal(VENDOR.key.public().id(), signature).expect("an answer");
    assert_eq!(sealed.open(VENDOR.key.public(), &question).expect("opened"), answer);
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    use_up(bytes);
    answer(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        issue(text);
        ask(text);
    }
});
