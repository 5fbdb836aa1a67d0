//! Releases that must not be installed although their signatures are valid.

use landfall_bundle_spec::trust::{REVOCATION_FILE_NAME, Revocation, RevokedRelease};

use super::*;

#[test]
fn assembled_release_needs_development_key() {
    let mut assembled = release(3);
    assembled["assembled"] = true.into();
    let production = Fixture::with(&Vendor::production(KeyKind::Ed25519).unwrap(), &assembled);
    let birth = production.contents();
    assert_eq!(production.code_of_prepare(|_| ()), codes::ASSEMBLED_REFUSED);
    let trust = Trust::read(production.request().trust.as_deref(), &production.path("stick")).unwrap();
    let (stick, media) = (production.path("stick"), &production.operations.io.media);
    let opened = crate::operations::open_trusted(&stick, &trust, media);
    assert_eq!(opened.err().unwrap().code(), codes::ASSEMBLED_REFUSED);
    let verified = crate::operations::open_verified(&stick, &trust, media);
    assert_eq!(verified.err().unwrap().code(), codes::ASSEMBLED_REFUSED, "`verify` refuses what `install` does");
    assert_eq!(production.contents(), birth);

    Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &assembled).prepared_install().run().unwrap();
    Fixture::with(&Vendor::production(KeyKind::Ed25519).unwrap(), &release(3)).prepared_install().run().unwrap();
}

#[test]
fn revoked_install_can_only_be_undone() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = Fixture::with(&vendor, &release(3));
    let birth = fixture.contents();
    fixture.crash_at(|event| matches!(event, Event::StepStarted { index: 2, .. }));
    let revoked = RevokedRelease {
        name: "tiny".to_owned(),
        version: "1.0.0".to_owned(),
        bundle: None,
        reason: "it loses data".to_owned(),
    };
    let revocation = Revocation::new(1, vec![revoked]).unwrap();
    let signature = vendor.key.sign(revocation.message()).unwrap();
    let revocation = revocation.with_signature(vendor.key.public().id(), &signature).unwrap();
    let path = fixture.path(REVOCATION_FILE_NAME);
    durable::write_file(&path, revocation.bytes(), 0o644).unwrap();
    fixture.operations.import_revocation(&path).unwrap();

    let before = fixture.contents();
    assert_eq!(fixture.operations.resume(None).unwrap_err().code(), codes::REVOKED);
    assert_eq!(fixture.contents(), before, "nothing more is done");
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
}
