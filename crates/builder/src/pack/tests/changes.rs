//! A second build of a release, with and without changes.

use super::*;

/// Sorted names of files in the output.
fn output(bench: &Bench) -> Vec<String> {
    let entries = fs_err::read_dir(bench.path("out")).expect("output").map(|entry| entry.expect("entry"));
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn unchanged_rebuild_keeps_bundle() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let first = bench.build().await.expect("built");
    let (before, sums) = (output(&bench), fs_err::read(bench.path("out/SHA256SUMS")).expect("sums"));
    let second = bench.build_at("2026-11-21T09:00:00Z").await.expect("built again");
    assert_eq!(second.kept.as_deref(), Some("2026-11-20T08:16:00Z"));
    assert_eq!((second.id, second.total_bytes), (first.id, first.total_bytes));
    assert_eq!((second.store_bytes.read_bytes, second.media_bytes.written_bytes), (0, 0), "nothing is read or written");
    assert_eq!(output(&bench), before);
    assert_eq!(fs_err::read(bench.path("out/SHA256SUMS")).expect("sums"), sums);
    let named = |report: &BuildReport| {
        report.files.iter().map(|file| (file.name.clone(), file.size, file.sha256)).collect::<Vec<_>>()
    };
    assert_eq!(named(&second).len(), 5, "the bundle, its head, the sheet, the provenance and the handbook");
    assert!(named(&second).iter().all(|file| named(&first).contains(file)), "{:?}", named(&second));
    landfall_media::bundle::locate(&bench.path("out")).expect("one bundle");
}

#[tokio::test]
async fn changed_release_supersedes_bundle() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let first = bench.build().await.expect("built");
    bench.write("out/letter.txt", b"of a customer", 0o644);
    bench.edit("release/manifests/database/objects.yaml", "replicas: 1", "replicas: 2");
    let second = bench.build_at("2026-11-21T09:00:00Z").await.expect("built again");
    assert_ne!(second.id, first.id);
    assert_eq!((second.kept, second.superseded.len()), (None, 1));
    let mut expected: Vec<_> = second.files.iter().map(|file| file.name.clone()).collect();
    expected.extend(["SHA256SUMS".to_owned(), "letter.txt".to_owned()]);
    expected.sort();
    assert_eq!(output(&bench), expected);
    let sums = fs_err::read_to_string(bench.path("out/SHA256SUMS")).expect("sums");
    assert!(!sums.contains(&first.files[0].name), "{sums}");
    landfall_media::bundle::locate(&bench.path("out")).expect("one bundle");

    // A truncated bundle is not kept, and one of another version is left unchanged.
    let whole = bench.path("out").join(&second.files[0].name);
    let bytes = fs_err::read(&whole).expect("bundle");
    durable::write_file(&whole, &bytes[1..], 0o644).expect("cut");
    let third = bench.build_at("2026-11-22T09:00:00Z").await.expect("built again");
    assert_eq!((third.kept, third.superseded.len()), (None, 1));
    bench.edit("release/release.yaml", "version: 1.2.3", "version: 1.2.4");
    let fourth = bench.build_at("2026-11-23T09:00:00Z").await.expect("another version");
    assert!(fourth.superseded.is_empty());
    assert!(output(&bench).contains(&third.files[0].name));
}

#[tokio::test]
async fn notes_reach_head() {
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    bench.write("release/NOTES.md", b"# 1.2.3\r\n- faster\r\n", 0o644);
    bench.edit("release/release.yaml", "counter: 7", "counter: 7\nnotes: {file: NOTES.md}");
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    let notes = verified.small_document(landfall_release_document::NOTES_DOCUMENT_NAME);
    assert_eq!(notes, Some(&b"# 1.2.3\n- faster\n"[..]));
}
