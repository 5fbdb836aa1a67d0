//! Upstream files, node programs and models: facts from their content appear in the head.

use super::*;

#[tokio::test]
async fn upstream_files_become_artifact() {
    let bench = Bench::new(false, false).await;
    let archive = tools();
    bench.write("release/images.lock", composed_lock(&bench, &archive).as_bytes(), 0o644);
    let report = bench.lock().await.expect("locked");
    assert_eq!((report.resolved, report.entries), (11, 11));
    let report = bench.build().await.expect("built");
    let (release, files) = read_as_a_site(&bench);
    let names: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.len())).collect();
    assert_eq!(names, [("kubelet", 19), ("containerd", 2_500_000), ("ctr", 8)]);
    assert_eq!(files[0].1, b"the program kubelet");
    let node = &release.artifacts[0];
    assert_eq!(node.reference, ARTIFACTS[0].0);
    let total: u64 = node.files.iter().map(|file| file.blob.size).sum();
    assert!(report.store_bytes.read_bytes > total);
    let sheet =
        fs_err::read_to_string(bench.path("out").join(&file_with_extension(&report, "html").name)).expect("page");
    assert!(sheet.contains("registry.example/node/kubernetes:1</td><td>Apache-2.0"), "{sheet}");
    let head = head(&bench.path("out"), &report, &TrustAnchor::Fingerprint(report.fingerprint));
    let travels = |bytes: &[u8]| head.blobs().entries().iter().any(|entry| entry.sha256 == digest(bytes));
    assert!(travels(b"the tool") && !travels(&archive), "members travel, their archive does not");
}

#[tokio::test]
async fn dynamic_node_program_is_refused() {
    let dynamic = crate::executables::program(&[(object::elf::PT_INTERP, b"/lib64/ld-linux-x86-64.so.2\0")]);
    let bench = Bench::new(true, false).await;
    bench.write("release/images.lock", composed_of(&bench, &dynamic, &tools()).as_bytes(), 0o644);
    bench.lock().await.expect("locked");
    let mut refusals = vec![bench.refusal().await];

    // As an artifact of a registry, which the lock pins as a whole.
    let bench = Bench::new(true, false).await;
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &dynamic);
    bench.lock().await.expect("locked");
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));

    // A library that is not part of glibc.
    let bench = Bench::new(true, false).await;
    let versions = ["GLIBC_2.34"];
    let foreign =
        crate::executables::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6", "libseccomp.so.2"], &versions);
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &foreign);
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(
        refusal
            .ends_with("kubelet of registry.example/node/kubernetes:1 needs the library libseccomp.so.2 of the host"),
        "{refusal}"
    );

    // Files that are not node programs may have any content.
    let bench = Bench::new(true, false).await;
    bench.push_artifact_of(ARTIFACTS[1].0, "model.bin", &dynamic);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
}

/// Upstream's kubelet is dynamically linked. The glibc of a host is checked at the site.
#[tokio::test]
async fn required_glibc_is_in_head() {
    let bench = Bench::new(true, false).await;
    let versions = ["GLIBC_2.2.5", "GLIBC_2.34"];
    let kubelet = crate::executables::linked_program("/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], &versions);
    bench.push_artifact_of(ARTIFACTS[0].0, "kubelet", &kubelet);
    bench.lock().await.expect("locked");
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    let document = verified.small_document("documents/release.json").expect("release");
    let release = landfall_release_document::ReleaseDocument::read(document).expect("read");
    assert_eq!(release.node_packs[0].glibc.as_deref(), Some("2.34"));
}

#[tokio::test]
async fn model_headers_reach_head() {
    let bench = Bench::new(true, false).await;
    let (mut weights, file_bytes) = landfall_models::sample::safetensors(&[("a", "BF16", &[1000, 8], 16_000)]);
    weights.resize(usize::try_from(file_bytes).expect("small"), 7);
    bench.push_artifact_of(ARTIFACTS[1].0, "model.safetensors", &weights);
    bench.lock().await.expect("locked");
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let verified = head(&bench.path("out"), &report, &anchor);
    let document = verified.small_document(landfall_models::MODELS_DOCUMENT_NAME).expect("models");
    let document = landfall_models::ModelsDocument::read(document).expect("read");
    assert_eq!((document.models.len(), document.models[0].name.as_str()), (1, "model"));
    assert_eq!(document.models[0].weights.bytes_of("BF16"), 16_000);
    assert!(document.images.is_empty());

    let bench = Bench::new(true, false).await;
    weights.pop();
    bench.push_artifact_of(ARTIFACTS[1].0, "model.safetensors", &weights);
    bench.lock().await.expect("locked");
    let refusal = bench.refusal().await;
    assert!(refusal.starts_with("LF2071 "), "{refusal}");
    assert!(refusal.ends_with("the models of registry.example/models/small:1 cannot be read"), "{refusal}");
}

#[tokio::test]
async fn mismatched_files_are_refused_before_writing() {
    let bench = Bench::new(true, false).await;
    bench.write("release/images.lock", composed_lock(&bench, &tools()).as_bytes(), 0o644);
    let mut refusals = vec![bench.refusal().await];
    bench.lock().await.expect("locked");
    bench.edit("release/images.lock", "bin/ctr: ctr", "bin/crt: ctr");
    refusals.push(bench.refusal().await);
    bench.edit("release/images.lock", "bin/crt: ctr", "bin/ctr: ctr");
    bench.registry.add_file("v1/kubelet", b"the program kubelet, changed");
    fs_err::remove_dir_all(bench.path("store")).expect("forgotten");
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));
}
