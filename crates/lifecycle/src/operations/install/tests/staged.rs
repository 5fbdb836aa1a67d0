//! The check of all staged files, and the repair that it suggests.

use super::*;

#[test]
fn staged_damage_is_found_and_repaired() {
    let fixture = Fixture::new();
    let operations = &fixture.operations;
    assert_eq!(operations.verify_site().unwrap_err().code(), codes::NOTHING_STAGED);
    fixture.prepared_install().run().unwrap();
    let verified = operations.verify_site().unwrap();
    assert_eq!((verified.release.as_str(), verified.blobs), ("tiny 1.0.0", 5));
    assert!(verified.store.read_bytes >= verified.bytes, "{verified:?}");

    let blob = |byte: u8, size: usize| operations.paths.blob(&sums(&vec![byte; size]).sha256);
    let (large, small) = (blob(1, 3 << 20), blob(2, 700));
    let mut bytes = fs_err::read(&large).unwrap();
    bytes[1 << 20] ^= 1;
    durable::write_file(&large, &bytes, 0o644).unwrap();
    durable::remove_file(&small).unwrap();
    let error = operations.verify_site().unwrap_err();
    let all = landfall_engine::causes::with_causes(&error);
    for named in [large.display().to_string(), sums(&[2; 700]).sha256.to_hex()] {
        assert!(all.contains(&named), "{named} in {all}");
    }
    let advice = error.hint().unwrap();
    assert!(advice.contains("landfall stage") && advice.contains("landfall verify --installed"), "{advice}");

    let trust = Trust::read(fixture.request().trust.as_deref(), &fixture.path("stick")).unwrap();
    let io = landfall_media::counters::IoCounters::default();
    let (located, release) = crate::operations::open_trusted(&fixture.path("stick"), &trust, &io.media).unwrap();
    let media = located.assemble(release.payload(), io.media.clone()).unwrap();
    let store = ContentStore::at(operations.paths.registry());
    landfall_media::stage::stage(&media, &store, &SilentProgress).unwrap();
    operations.verify_site().unwrap();
}
