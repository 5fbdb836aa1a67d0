//! Errors of a build, before it fetches or writes anything large.

use super::*;

#[tokio::test]
async fn bad_releases_are_refused_before_writing() {
    let unlocked = Bench::new(true, false).await;
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let good = bench.text("release/release.yaml").into_bytes();
    let lock = fs_err::read(bench.path("release/images.lock")).expect("lock");
    let mut refusals = vec![unlocked.refusal().await];
    for (file, from, to) in [
        ("release/release.yaml", "needs: [network]", "needs: [netwrok]"),
        ("release/release.yaml", "needs: []", "needs: [assistant]"),
        ("release/release.yaml", "components:", "components: ]["),
        ("release/release.yaml", "proxy: registry.k8s.io/kube-proxy", "proxy: registry.k8s.io/pause"),
        ("release/release.yaml", "platform: linux/amd64", "platform: linux/arm64"),
        ("release/images.lock", "'ghcr.io/small/database:1'", "'ghcr.io/small/other:1'"),
        ("release/images.lock", "'registry.k8s.io/pause:3.10.2'", "'registry.k8s.io/pauze:3.10.2'"),
        ("release/manifests/database/objects.yaml", "image: ghcr.io/small/database", "image: ghcr.io/small/unknown"),
        ("release/manifests/database/objects.yaml", "metadata: {name: database}", "metadata: {name: other}"),
    ] {
        bench.edit(file, from, to);
        refusals.push(bench.refusal().await);
        bench.write("release/release.yaml", &good, 0o644);
        bench.write("release/images.lock", &lock, 0o644);
        bench.write("release/manifests/database/objects.yaml", OBJECTS.as_bytes(), 0o644);
    }
    // The lock pins a manifest that the registry does not have.
    let pinned = digest(b"never pushed").to_string();
    let text = String::from_utf8(lock).expect("text");
    let images = text.find("\nimages:").expect("images");
    let at = images + text[images..].find("digest: sha256:").expect("digest") + "digest: ".len();
    bench.write(
        "release/images.lock",
        format!("{}{pinned}{}", &text[..at], &text[at + pinned.len()..]).as_bytes(),
        0o644,
    );
    refusals.push(bench.refusal().await);
    insta::assert_snapshot!(refusals.join("\n"));
}

/// All checks of rendered objects and of the installer are part of a build, and precede large fetches.
#[tokio::test]
async fn unrunnable_objects_are_refused_before_fetching() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    let fetched = bench.registry.ranges().len();
    let definition = "\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                      metadata: {name: wheels.small.example}\nspec:\n  group: small.example\n  scope: Namespaced\n  \
                      names: {kind: Wheel, plural: wheels, singular: wheel}\n  versions:\n    - name: v1\n      \
                      served: true\n      storage: true\n      schema: {openAPIV3Schema: {type: object}}\n";
    let custom = format!("{OBJECTS}---\napiVersion: small.example/v1\nkind: Wheel\nmetadata: {{name: wheel}}\n");
    let changed = |from: &str, to: &str| {
        assert!(OBJECTS.contains(from), "{from}");
        OBJECTS.replacen(from, to, 1)
    };
    let objects = "release/manifests/database/objects.yaml";
    let kustomization = "release/manifests/database/kustomization.yaml";
    let named =
        "image: ghcr.io/small/database\n          env: [{name: A, valueFrom: {configMapKeyRef: {name: b, key: c}}}]";
    for (code, file, contents) in [
        (codes::INSTALLER_UNFIT, "landfall", "#!/bin/sh\n".to_owned()),
        (codes::REMOTE_BASE, kustomization, "resources: ['https://example.com/base']\n".to_owned()),
        (codes::OBJECT_UNFIT, objects, changed("replicas: 1", "replcas: 1")),
        (codes::NEED_MISSING, objects, custom),
        (codes::POD_REFUSED, objects, changed("runAsNonRoot: true, ", "")),
        (codes::DANGLING_REFERENCE, objects, changed("image: ghcr.io/small/database", named)),
        (codes::RELEASE_INVALID, objects, with_claims()),
    ] {
        let good = fs_err::read(bench.path(file)).expect("file");
        bench.write("release/manifests/assistant/objects.yaml", definition.as_bytes(), 0o644);
        bench.write(file, contents.as_bytes(), 0o755);
        let refused = bench.refusal().await;
        assert!(refused.starts_with(code.id), "expected {}: {refused}", code.id);
        assert_eq!(bench.registry.ranges().len(), fetched, "{} came after a blob", code.id);
        bench.write(file, &good, 0o755);
    }
}

#[tokio::test]
async fn assembled_release_needs_development_key() {
    let by_lock = Bench::new(false, false).await;
    by_lock.write("release/images.lock", lock_text(true).as_bytes(), 0o644);
    by_lock.lock().await.expect("locked");
    let by_annotation = Bench::new(false, true).await;
    by_annotation.lock().await.expect("locked");
    for bench in [&by_lock, &by_annotation] {
        let refused = bench.refusal().await;
        assert!(refused.starts_with(codes::ASSEMBLED_UNDER_RELEASE_KEY.id), "{refused}");
    }
    let development = Bench::new(true, true).await;
    development.lock().await.expect("locked");
    let report = development.build().await.expect("built");
    assert!(report.development);
}

#[tokio::test]
async fn unknown_signing_key_is_refused() {
    let mut bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench.key = SigningKey::generate(KeyKind::Ed25519).expect("key");
    assert!(bench.refusal().await.starts_with(codes::SIGNING_REFUSED.id));
}

#[tokio::test]
async fn unpinned_kubectl_does_not_render() {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    bench.write("kubectl", format!("{KUBECTL}# another\n").as_bytes(), 0o755);
    let refused = bench.build().await.expect_err("another program");
    assert_eq!(refused.code(), codes::RENDERER_UNPINNED, "{refused}");
    bench.lock().await.expect("locked");
    bench.build().await.expect("built with the new one");
}

#[tokio::test]
async fn unresolved_entry_is_named_by_line() {
    let bench = Bench::new(false, false).await;
    bench.edit("release/images.lock", "small/database:1", "small/database:2");
    let refused = bench.lock().await.expect_err("no such tag").to_string();
    let text = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    let line = 1 + text.lines().position(|line| line.contains("small/database:2")).expect("line");
    assert!(line > 1 + lock_text(false).lines().position(|line| line.contains("small/database:1")).expect("line"));
    assert!(refused.contains(&format!("images.lock:{line}: images[7]: ")), "{refused}");
}

#[tokio::test]
async fn full_store_is_reported_before_fetching() {
    let bench = Bench::new(false, false).await;
    let huge = |number: u8, size: u64| {
        json!({
            "mediaType": "application/x", "digest": digest(&[number]), "size": size,
            "annotations": { "org.opencontainers.image.title": number.to_string() },
        })
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [huge(1, u64::MAX), huge(2, u64::MAX - 1)],
    });
    bench.push(ARTIFACTS[1].0, &manifest);
    bench.lock().await.expect("locked");
    let refused = bench.refusal_of_class(codes::NO_SPACE.class.exit_code()).await;
    assert!(refused.starts_with(codes::NO_SPACE.id) && refused.contains("store"), "{refused}");
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
}

/// The store has space, but the output does not: packing alone would detect that only after hours of fetching.
#[tokio::test]
async fn full_output_is_reported_before_fetching() {
    let test = "pack::tests::refusals::full_output_is_reported_before_fetching";
    let Some(small) = landfall_media::mounted::on_tmpfs(test, "size=1m") else { return };
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    let refused = bench.build_into(&small.join("out")).await.expect_err("refused");
    assert_eq!(refused.code(), codes::NO_SPACE);
    assert!(refused.to_string().contains(&small.display().to_string()), "{refused}");
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
    assert_eq!(fs_err::read_dir(&small).expect("output").count(), 0);
    // The store does have space: a build with another output succeeds.
    bench.build().await.expect("built");
}

/// A file named by mistake is reported immediately, not after an hour of fetching.
#[tokio::test]
async fn unwritable_output_is_refused_first() {
    let bench = Bench::new(false, false).await;
    bench.write("taken", b"another file", 0o644);
    let file = bench.path("taken");
    let below = file.join("out");
    let sealed = Path::new("/proc/sys/out").to_owned();
    for (output, says) in [(&file, "it is no folder"), (&below, "is no folder"), (&sealed, "nothing can be written in")]
    {
        let refused = bench.build_into(output).await.expect_err("refused");
        assert_eq!(refused.code(), codes::OUTPUT_REFUSED, "{refused}");
        let begins = format!("{}: ", output.display());
        assert!(refused.to_string().starts_with(&begins) && refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(fs_err::read_to_string(&file).expect("there"), "another file");
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
}

#[tokio::test]
async fn assembled_images_are_refused_before_fetching() {
    let bench = Bench::new(false, true).await;
    bench.lock().await.expect("locked");
    assert!(bench.refusal().await.starts_with(codes::ASSEMBLED_UNDER_RELEASE_KEY.id));
    assert!(bench.registry.ranges().is_empty(), "no blob was asked for");
}
