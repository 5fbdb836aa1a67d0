//! Bundles that arrive in pieces, at a site with real files and journals. A faulty one gets the same code as an upgrade
//! on the command line.

use std::path::PathBuf;

use landfall_bundle_spec::head::Sealed;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::{Code, codes};
use landfall_media::durable;

use super::*;
use crate::operations::UpgradeRequest;
use crate::operations::install::tests::{BUILT, Fixture, release, signed_bundle};

/// Returns a site with the release of counter 3, its vendor, and the next release.
fn site() -> (Fixture, Vendor, Vec<u8>) {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = Fixture::with(&vendor, &release(3));
    fixture.prepared_install().run().unwrap();
    let next = bundle(&vendor, 4);
    (fixture, vendor, next)
}

fn bundle(vendor: &Vendor, counter: u64) -> Vec<u8> {
    signed_bundle(&vendor.key, std::slice::from_ref(&vendor.root), &release(counter), BUILT, Vec::new())
}

/// Returns the size of a bundle's head.
fn head_bytes(bundle: &[u8]) -> usize {
    let opened = Sealed::read(bundle).unwrap().look().unwrap();
    usize::try_from(opened.untrusted_contents().layout().head_bytes()).unwrap()
}

fn write(fixture: &Fixture, bytes: &[u8]) -> PathBuf {
    let path = fixture.path("arriving/bundle.landfall");
    durable::create_folder(path.parent().unwrap()).unwrap();
    durable::write_file(&path, bytes, 0o600).unwrap();
    path
}

/// Returns the judgment of this part of a bundle of that size.
fn check_of(fixture: &Fixture, arrived: &[u8], size: usize) -> CheckedBundle {
    let path = write(fixture, arrived);
    let arrived = ArrivedBundle { path: &path, checked_bytes: 0, size_bytes: size as u64 };
    fixture.operations.check_upload(&arrived).unwrap()
}

/// Returns the code that refuses a complete bundle.
fn refusal_of(fixture: &Fixture, bundle: &[u8]) -> Code {
    let refusal = check_of(fixture, bundle, bundle.len()).refusal;
    refusal.unwrap_or_else(|| panic!("it is not refused")).code()
}

/// Returns the code with which the command line refuses it.
fn refusal_on_command_line(fixture: &Fixture, bundle: &[u8]) -> Code {
    let path = write(fixture, bundle);
    fixture.operations.prepare_upgrade(&UpgradeRequest::to(&path)).err().unwrap().code()
}

fn flip_bit(bundle: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bundle.to_vec();
    bytes[place] ^= 1;
    bytes
}

#[test]
fn bundle_is_verified_as_it_arrives() {
    let (fixture, _vendor, next) = site();
    let head = head_bytes(&next);
    for arrived in [1, 100, 511, 512, 700, head - 1] {
        let checked = check_of(&fixture, &next[..arrived], next.len());
        assert!(checked.refusal.is_none() && checked.bundle.is_none(), "{arrived} bytes say nothing yet: {checked:?}");
        assert_eq!(checked.checked_bytes, 0);
    }
    for (arrived, least) in [(head, head), (head + (2 << 20), head + (1 << 20)), (next.len(), next.len())] {
        let checked = check_of(&fixture, &next[..arrived], next.len());
        let found = checked.release.unwrap();
        assert!(checked.refusal.is_none() && found.refusal.is_none() && checked.bundle.is_some());
        assert_eq!((found.name.as_str(), found.built_at.as_deref(), found.newer), ("tiny", Some(BUILT), false));
        let range = least as u64..=arrived as u64;
        assert!(range.contains(&checked.checked_bytes), "{} is not in {range:?}", checked.checked_bytes);
    }
}

#[test]
fn hostile_upload_matches_command_line_refusal() {
    let (fixture, vendor, next) = site();
    let stranger = Vendor::new(KeyKind::Ed25519).unwrap();
    let hostile = [
        ("another vendor's", bundle(&stranger, 4)),
        ("nonsense", vec![7; 5000]),
        ("a flipped byte in landfall.json", flip_bit(&next, 600)),
        ("a flipped byte in the signatures and roots", flip_bit(&next, 2000)),
        ("a flipped byte at the end of the head", flip_bit(&next, head_bytes(&next) - 600)),
        ("the installed release", bundle(&vendor, 3)),
        ("an older release", bundle(&vendor, 2)),
        ("cut off in the head", next[..head_bytes(&next) - 1].to_vec()),
    ];
    for (what, bundle) in hostile {
        let expected = refusal_on_command_line(&fixture, &bundle);
        assert_eq!(refusal_of(&fixture, &bundle), expected, "{what}");
        assert_ne!(expected, codes::NOT_READY, "{what} is refused for what it is");
    }
}

#[test]
fn unsigned_upload_is_refused_before_payload() {
    let (fixture, _vendor, next) = site();
    let stranger = bundle(&Vendor::new(KeyKind::Ed25519).unwrap(), 4);
    let area = head_bytes(&stranger) - 1;
    let checked = check_of(&fixture, &stranger[..area], stranger.len());
    assert_eq!(checked.refusal.map(|refusal| refusal.code()), Some(codes::ROOT_DIFFERS));
    assert!(checked.bundle.is_none() && checked.release.is_none(), "nothing of it is said");
    let checked = check_of(&fixture, &flip_bit(&next, 3)[..512], next.len());
    assert_eq!(checked.refusal.map(|refusal| refusal.code()), Some(codes::NOT_A_BUNDLE), "by its first bytes");
}

#[test]
fn flipped_payload_byte_is_refused() {
    let (fixture, _vendor, next) = site();
    let head = head_bytes(&next);
    for place in [head + 9, head + 600, head + (2 << 20), next.len() - 1] {
        let checked = check_of(&fixture, &flip_bit(&next, place), next.len());
        let refusal = checked.refusal.unwrap();
        assert_eq!(refusal.code(), codes::PAYLOAD_DAMAGED, "{place}");
        assert!(refusal.to_string().contains("bundle.landfall is damaged at byte"), "{refusal}");
    }
}

#[test]
fn wrong_bundle_length_is_refused() {
    let (fixture, _vendor, next) = site();
    let head = head_bytes(&next);
    let refusal = check_of(&fixture, &next[..head], next.len() + 1).refusal.unwrap();
    assert_eq!(refusal.code(), codes::SURPLUS_DATA);
    // It may be a delta until all of it has arrived.
    let short = next.len() - 1;
    assert!(check_of(&fixture, &next[..head], short).refusal.is_none());
    let refusal = check_of(&fixture, &next[..short], short).refusal.unwrap();
    assert_eq!(refusal.code(), codes::BUNDLE_SHORT);
    let whole = check_of(&fixture, &next[..next.len() - 1], next.len());
    assert!(whole.refusal.is_none() && whole.checked_bytes < next.len() as u64, "truncated, it is never whole");
}

#[test]
fn upload_of_installed_release_is_over() {
    let (fixture, vendor, next) = site();
    let path = write(&fixture, &next);
    let used = |bundle: &[u8]| {
        let id = Sealed::read(bundle).unwrap().id();
        fixture.operations.upload_use(&path, Some(id)).unwrap()
    };
    assert_eq!((used(&next), used(&bundle(&vendor, 3))), (UploadUse::None, UploadUse::Over));
    assert_eq!(fixture.operations.upload_use(&path, None).unwrap(), UploadUse::None);
}

#[test]
fn empty_machine_cannot_check_upload() {
    let (root, operations) = crate::operations::testing::operations();
    let path = root.path().join("bundle.landfall");
    durable::write_file(&path, b"anything", 0o600).unwrap();
    let arrived = ArrivedBundle { path: &path, checked_bytes: 0, size_bytes: 8 };
    assert_eq!(operations.check_upload(&arrived).unwrap_err().code(), codes::NOT_INSTALLED);
}
