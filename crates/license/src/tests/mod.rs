pub(crate) mod mutations;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{
    KeyKind, Revocation, RevokedLicense, Root, RootChange, RootContents, SigningKey, TrustAnchor, UnsignedRoot,
};
use landfall_error_codes::{Code, CodedError, codes};

use super::*;

fn issue_time() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn vendor() -> Vendor {
    Vendor::new(KeyKind::Ed25519).unwrap()
}

/// Returns a license of the vendor with the sample's terms, after a change.
fn license(vendor: &Vendor, change: impl FnOnce(&mut Terms)) -> License {
    let mut terms = sample::terms("acme-1", issue_time()).unwrap();
    change(&mut terms);
    sample::seal_license(vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
}

fn standing(license: &License, now: Timestamp) -> Standing {
    license.standing(&Circumstances { now, identifiers: None, revocation: None, superseded: &BTreeSet::new() })
}

#[test]
fn license_round_trips() {
    let vendor = vendor();
    let sealed = sample::seal_license(&vendor, &sample::terms("acme-1", issue_time()).unwrap(), None).unwrap();
    let read = SealedLicense::read("acme-1.license", sealed.bytes()).unwrap();
    let license = read.verify(&vendor.anchor()).unwrap();
    assert_eq!(license.terms(), &read.untrusted_terms().unwrap());
    assert_eq!(license.signers(), [vendor.key.public().id()]);
    assert!(license.grants("analytics") && !license.grants("billing"));
    // A typed fingerprint is also a valid anchor, because the file carries the root.
    read.verify(&TrustAnchor::Fingerprint(vendor.root.fingerprint())).unwrap();
}

#[test]
fn only_vendor_license_keys_count() {
    let [license_key, other] = [(); 2].map(|()| SigningKey::generate(KeyKind::Ed25519).unwrap());
    let mut contents = RootContents::single(other.public(), true);
    contents.license = (vec![license_key.public().clone()], 1);
    let mut root = UnsignedRoot::new(&contents).unwrap();
    root.sign(&other).unwrap();
    let root = root.finish(None).unwrap();
    let sign = |key: &SigningKey| {
        let mut unsigned = UnsignedLicense::new(&sample::terms("acme-1", issue_time()).unwrap()).unwrap();
        unsigned.sign(key).unwrap();
        unsigned.finish(std::slice::from_ref(&root), None)
    };
    assert_eq!(sign(&other).unwrap_err().code(), codes::LICENSE_SIGNING, "a release key signs no license");
    let sealed = sign(&license_key).unwrap();
    sealed.verify(&TrustAnchor::Root(root.bytes().to_vec())).unwrap();
    // Another vendor's root with the same number.
    assert_eq!(sealed.verify(&vendor().anchor()).unwrap_err().code(), codes::ROOT_DIFFERS);
}

/// Returns the root that follows the vendor's, with another license key.
fn rotate_root(vendor: &Vendor) -> (Root, SigningKey) {
    let key = SigningKey::generate(KeyKind::Ed25519).unwrap();
    let mut change = RootChange::following(&vendor.root).unwrap();
    change.admit(landfall_bundle_spec::trust::Role::License, key.public());
    change.dismiss(landfall_bundle_spec::trust::Role::License, vendor.key.public().id());
    let mut root = change.finish().unwrap();
    root.sign(&vendor.key).unwrap();
    (root.finish(Some(&vendor.root)).unwrap(), key)
}

#[test]
fn license_carries_needed_roots() {
    let vendor = vendor();
    let (second, key) = rotate_root(&vendor);
    let terms = sample::terms("acme-2", issue_time()).unwrap();
    let mut unsigned = UnsignedLicense::new(&terms).unwrap();
    unsigned.sign(&key).unwrap();
    let sealed = unsigned.finish(&[vendor.root.clone(), second.clone()], None).unwrap();
    let license = sealed.verify(&vendor.anchor()).unwrap();
    assert_eq!(license.root().number(), 2);
    // A license that an earlier key signed is no longer valid for a site that knows the later root.
    let earlier = sample::seal_license(&vendor, &terms, None).unwrap();
    let known = TrustAnchor::Root(second.bytes().to_vec());
    assert_eq!(earlier.verify(&known).unwrap_err().code(), codes::UNKNOWN_KEY);
    earlier.verify(&vendor.anchor()).unwrap();
}

#[test]
fn standing_follows_trusted_time() {
    let vendor = vendor();
    let license = license(&vendor, |_| {});
    let ends = license.terms().ends.unwrap();
    let at = |days_left: i64| standing(&license, ends - days(days_left));
    assert_eq!(at(91), Standing::Valid);
    for (days_left, warning) in [(90, 90), (61, 90), (60, 60), (30, 30), (29, 30), (14, 14), (7, 7), (2, 7), (1, 1)] {
        let days_left = i64::from(days_left);
        assert_eq!(at(days_left), Standing::Ending { days_left: days_left.unsigned_abs(), warning }, "{days_left}");
    }
    assert_eq!(standing(&license, ends - SignedDuration::from_secs(1)), Standing::Ending { days_left: 1, warning: 1 });
    assert_eq!(at(0), Standing::Grace { days_left: 30 });
    assert_eq!(at(-29), Standing::Grace { days_left: 1 });
    assert_eq!(at(-30), Standing::Ended);
    assert_eq!(at(366), Standing::NotYetValid);
    assert_eq!(standing(&license, Timestamp::MAX), Standing::Ended);
    let endless = self::license(&vendor, |terms| terms.ends = None);
    assert_eq!(standing(&endless, Timestamp::MAX), Standing::Valid);
    insta::assert_snapshot!(at(0).text(&license), @"ended on 2027-11-22T10:00:00Z; it still counts for 30 days");
}

#[test]
fn revoked_and_superseded_licenses_end() {
    let vendor = vendor();
    let license = license(&vendor, |_| {});
    let revoked = RevokedLicense { id: "acme-1".to_owned(), reason: "the key was lost".to_owned() };
    let revocation = Revocation::with_licenses(1, Vec::new(), vec![revoked]).unwrap();
    let superseded = BTreeSet::from(["acme-1".to_owned()]);
    let none = BTreeSet::new();
    let now = issue_time();
    let by =
        |revocation, superseded| license.standing(&Circumstances { now, identifiers: None, revocation, superseded });
    assert_eq!(by(Some(&revocation), &superseded), Standing::Revoked { reason: "the key was lost".to_owned() });
    assert_eq!(by(None, &superseded), Standing::Superseded);
    assert_eq!(by(None, &none), Standing::Valid);
}

#[test]
fn license_without_its_revocation_is_refused() {
    let vendor = vendor();
    let mut terms = sample::terms("acme-1", issue_time()).unwrap();
    terms.revocation = 2;
    let revocation = |number| {
        let unsigned = Revocation::new(number, Vec::new()).unwrap();
        let signature = vendor.key.sign(unsigned.message()).unwrap();
        unsigned.with_signature(vendor.key.public().id(), &signature).unwrap()
    };
    let verified = |carried: Option<&Revocation>| {
        sample::seal_license(&vendor, &terms, carried).unwrap().verify(&vendor.anchor()).map_err(|error| error.code())
    };
    assert_eq!(verified(None).unwrap_err(), codes::LICENSE_INCOMPLETE);
    assert_eq!(verified(Some(&revocation(1))).unwrap_err(), codes::LICENSE_INCOMPLETE);
    assert_eq!(verified(Some(&revocation(2))).unwrap().revocation().unwrap().number(), 2);
    let unsigned = Revocation::new(2, Vec::new()).unwrap();
    assert_eq!(verified(Some(&unsigned)).unwrap_err(), codes::UNSIGNED);
}

#[test]
fn replaced_node_stays_licensed() {
    let vendor = vendor();
    let of = |kind, value| Identifier::of(kind, value).unwrap();
    let before = BTreeSet::from([
        of(IdentifierKind::Cluster, "uid-1"),
        of(IdentifierKind::Site, "site-1"),
        of(IdentifierKind::Machine, "machine-1"),
        of(IdentifierKind::Disk, "disk-1"),
        of(IdentifierKind::Product, "product-1"),
    ]);
    let binding = Binding { needed: 2, identifiers: before.iter().copied().collect() };
    let license = license(&vendor, |terms| terms.binding = Some(binding));
    let none = BTreeSet::new();
    let at = |identifiers: Option<&BTreeSet<Identifier>>| {
        license.standing(&Circumstances { now: issue_time(), identifiers, revocation: None, superseded: &none })
    };
    let replaced = BTreeSet::from([
        of(IdentifierKind::Cluster, "uid-1"),
        of(IdentifierKind::Site, "site-1"),
        of(IdentifierKind::Machine, "machine-2"),
        of(IdentifierKind::Disk, "disk-2"),
    ]);
    assert_eq!((at(Some(&before)), at(Some(&replaced)), at(None)), (Standing::Valid, Standing::Valid, Standing::Valid));
    let other = BTreeSet::from([of(IdentifierKind::Cluster, "uid-2"), of(IdentifierKind::Disk, "disk-1")]);
    assert_eq!(at(Some(&other)), Standing::OtherSite { matched: 1, needed: 2 });
}

#[test]
fn unknown_requirement_refuses_later_form() {
    let mut terms = serde_json::to_value(sample::terms("acme-1", issue_time()).unwrap()).unwrap();
    terms["laterField"] = 7.into();
    let read = |terms: &serde_json::Value| Terms::read("x", terms.to_string().as_bytes());
    assert!(read(&terms).is_ok(), "a field of a later version is signed, and ignored");
    terms["requires"] = serde_json::json!(["floating-seats"]);
    terms["issued"] = 5.into();
    assert_eq!(read(&terms).unwrap_err().code(), codes::LICENSE_REQUIREMENT);
}

/// Returns the codes of the shortfalls for a release that needs these entitlements and was built at this time.
fn lacking(held: Option<(&License, &Standing)>, needed: &[&str], built_at: Timestamp) -> Vec<Code> {
    let needs: Vec<Need<'_>> = needs(needed);
    shortfalls(&needs, built_at, held).into_iter().map(|shortfall| shortfall.code).collect()
}

fn needs<'a>(needed: &[&'a str]) -> Vec<Need<'a>> {
    needed.iter().map(|entitlement| Need { component: "reports", entitlement }).collect()
}

#[test]
fn gate_names_shortfall_and_contact() {
    let vendor = vendor();
    let license = license(&vendor, |terms| terms.entitlements.newest_release = Some(issue_time() + days(30)));
    let (valid, ended) = (Standing::Valid, Standing::Ended);
    let built = issue_time();
    assert!(lacking(None, &[], built).is_empty(), "what needs no license is never asked for one");
    assert!(lacking(Some((&license, &ended)), &[], built).is_empty());
    assert_eq!(lacking(None, &["analytics"], built), [codes::LICENSE_MISSING]);
    assert!(lacking(Some((&license, &valid)), &["analytics"], built).is_empty());
    assert!(lacking(Some((&license, &Standing::Grace { days_left: 1 })), &["analytics"], built).is_empty());
    assert_eq!(lacking(Some((&license, &ended)), &["analytics", "billing"], built), [codes::LICENSE_ENDED]);
    let late = issue_time() + days(31);
    let both = [codes::LICENSE_RELEASE_TOO_NEW, codes::LICENSE_LACKS];
    assert_eq!(lacking(Some((&license, &valid)), &["analytics", "billing"], late), both);
    let found = shortfalls(&needs(&["billing"]), built, Some((&license, &valid))).remove(0);
    insta::assert_snapshot!(format!("{}\n{}\n{}", found.found, found.needed, found.fix.unwrap()), @r"
    the license acme-1 includes: analytics
    billing (component reports)
    Ask licenses@example.com for a license that includes it, and pass that with `--license FILE`; what runs is not affected.
    ");
}

#[test]
fn refusing_standings_have_codes() {
    let refusing = [
        Standing::Ended,
        Standing::NotYetValid,
        Standing::Revoked { reason: String::new() },
        Standing::Superseded,
        Standing::OtherSite { matched: 0, needed: 1 },
    ];
    let permitting = [Standing::Valid, Standing::Ending { days_left: 1, warning: 1 }, Standing::Grace { days_left: 1 }];
    assert!(refusing.iter().all(|standing| !standing.permits() && standing.code().is_some()));
    assert!(permitting.iter().all(|standing| standing.permits() && standing.code().is_none()));
}
