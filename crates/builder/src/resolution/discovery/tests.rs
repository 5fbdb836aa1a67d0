//! `landfall lock` for a small release, with a fake kubectl that prints a file: images that are added to the lock, and
//! texts that are only reported.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::SilentProgress;

use super::*;
use crate::lock::List;
use crate::pack::tests::{Bench, IMAGES, OBJECTS, lock_text};
use crate::resolution::{ChangedKind, LockReport};
use landfall_test_registry::digest;

const LOCK: &str = "release/images.lock";
const MANIFESTS: &str = "release/manifests/database/objects.yaml";
const POSTGRESQL: &str = "ghcr.io/cloudnative-pg/postgresql:17.6";

/// A custom resource that names an image, and the definition of its kind.
const CLUSTER: &str = "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
    metadata: {name: clusters.postgresql.cnpg.io}\nspec:\n  group: postgresql.cnpg.io\n  scope: Namespaced\n  names: \
    {kind: Cluster, plural: clusters, singular: cluster}\n  versions:\n    - name: v1\n      served: true\n      \
    storage: true\n      schema: {openAPIV3Schema: {type: object}}\n\
    ---\napiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: rows}\nspec: \
    {imageName: 'ghcr.io/cloudnative-pg/postgresql:17.6'}\n";

fn text(bench: &Bench) -> String {
    fs_err::read_to_string(bench.path(LOCK)).expect("lock")
}

/// Manifests of the database, with another image.
fn objects(image: &str) -> String {
    let own = "image: ghcr.io/small/database\n";
    assert!(OBJECTS.contains(own));
    OBJECTS.replace(own, &format!("image: {image}\n"))
}

/// Writes the lock as it is before a discovery: with artifacts, but without images.
fn without_images(bench: &Bench) {
    let whole = lock_text(false);
    let (before, rest) = whole.split_once("images:\n").expect("images");
    let (_, artifacts) = rest.split_once("artifacts:\n").expect("artifacts");
    let text = format!("# kept\n{before}images: []  # what the release names\n# kept, too\nartifacts:\n{artifacts}");
    bench.write(LOCK, text.as_bytes(), 0o644);
}

/// Writes the versions of the node pack's images into the definition.
fn name_versions(bench: &Bench) {
    for reference in &IMAGES[..7] {
        let (name, _) = reference.rsplit_once(':').expect("tag");
        bench.edit("release/release.yaml", &format!(": {name}\n"), &format!(": {reference}\n"));
    }
}

fn added_images(report: &LockReport) -> Vec<(&str, String)> {
    report.found.added.iter().map(|image| (image.reference.as_str(), image.used_by.join(" "))).collect()
}

#[tokio::test]
async fn missing_images_are_locked_and_built() {
    let bench = Bench::new(false, false).await;
    without_images(&bench);
    name_versions(&bench);
    bench.push_image(POSTGRESQL, false);
    bench.write(MANIFESTS, (objects("ghcr.io/small/database:1") + CLUSTER).as_bytes(), 0o644);
    let report = bench.lock().await.expect("locked");
    let found = added_images(&report);
    assert_eq!(found.len(), 9, "{found:?}");
    assert!(found[..7].iter().all(|(_, users)| users == "nodePacks[0]"), "{found:?}");
    let of_database = ["ghcr.io/small/database:1", POSTGRESQL].map(|image| (image, "database".to_owned()));
    assert_eq!(found[7..], of_database);
    let nothing_else = LockFindings { added: report.found.added.clone(), ..LockFindings::default() };
    assert_eq!(report.found, nothing_else);

    let written = text(&bench);
    let entry = format!(
        "  - reference: {POSTGRESQL}  # found in database\n    resolved: {POSTGRESQL}\n    index: none\n    digest: \
         sha256:"
    );
    assert!(written.starts_with("# kept\n") && written.contains(&entry), "{written}");
    assert!(written.contains("\nimages:  # what the release names\n  - reference: "), "{written}");
    assert!(written.contains("\n# kept, too\nartifacts:\n"), "{written}");
    bench.build().await.expect("built");

    let again = bench.lock().await.expect("locked");
    assert_eq!((again.found, text(&bench)), (LockFindings::default(), written));
}

#[tokio::test]
async fn new_image_version_is_added() {
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    let before = text(&bench);
    bench.push_image("ghcr.io/small/database:2", false);
    bench.write(MANIFESTS, objects("ghcr.io/small/database:2").as_bytes(), 0o644);
    let report = bench.lock().await.expect("locked");
    assert_eq!(added_images(&report), [("ghcr.io/small/database:2", "database".to_owned())]);
    let unused = UnusedEntry { kind: ChangedKind::Image, entry: "ghcr.io/small/database:1".to_owned() };
    assert_eq!(report.found.unused, [unused]);
    let after = text(&bench);
    let new: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(new.len(), 6, "{after}");
    assert_eq!(after.replace(&format!("{}\n", new.join("\n")), ""), before);
    bench.build().await.expect("built");
}

#[tokio::test]
async fn index_digest_pins_despite_moved_tag() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let bench = Bench::new(false, false).await;
    let lines = lock_text(false);
    let own = lines.lines().find(|line| line.contains("small/database")).expect("line");
    bench.write(LOCK, lines.replace(&format!("{own}\n"), "").as_bytes(), 0o644);
    let manifest = format!("{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"layers\":[]}}").into_bytes();
    let described = serde_json::json!({
        "mediaType": MANIFEST, "digest": digest(&manifest), "size": manifest.len(),
        "platform": { "os": "linux", "architecture": "amd64" },
    });
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described] });
    let index = index.to_string().into_bytes();
    bench.registry.add_manifest("ghcr.io/small/database", "before", INDEX, &index);
    bench.registry.add_manifest("ghcr.io/small/database", "platform", MANIFEST, &manifest);
    let named = format!("ghcr.io/small/database:1@{}", digest(&index));
    bench.write(MANIFESTS, objects(&named).as_bytes(), 0o644);
    let report = bench.lock().await.expect("locked");
    assert_eq!(added_images(&report), [("ghcr.io/small/database:1", "database".to_owned())]);
    let lock = Lock::parse(&bench.path(LOCK), text(&bench)).expect("lock");
    let entry = lock.list(List::Images).last().expect("entry");
    assert_eq!((entry.index(), entry.digest()), (Some(digest(&index)), Some(digest(&manifest))));
    // The tag now points to another manifest, which is not requested: the object pins this one, and no update changes
    // that.
    let written = text(&bench);
    assert!(written.contains(&format!("    resolved: {named}\n")), "{written}");
    let again = bench.lock().await.expect("locked");
    assert_eq!((again.moved.len(), again.found), (0, LockFindings::default()));
    crate::resolution::check(&bench.lock_options(), &SilentProgress).await.expect("it holds");
    let update = crate::resolution::update(&bench.lock_options(), &["small/database".to_owned()], &SilentProgress)
        .await
        .expect("asked");
    assert_eq!((update.entries, update.changed.len(), text(&bench)), (1, 0, written));
    // Another tag is another image, which is resolved.
    bench.push_image("ghcr.io/small/database:2", false);
    bench.edit(LOCK, "reference: ghcr.io/small/database:1", "reference: ghcr.io/small/database:2");
    bench.write(MANIFESTS, objects("ghcr.io/small/database:2").as_bytes(), 0o644);
    assert_eq!(bench.lock().await.expect("locked").resolved, 1);
    assert!(text(&bench).contains("    resolved: ghcr.io/small/database:2\n"));
}

#[tokio::test]
async fn uncertain_images_are_never_added() {
    let bench = Bench::new(false, false).await;
    let set = objects("ghcr.io/small/unknown").replace(
        "          resources:",
        "          args: ['--reloader=quay.io/a/reloader:v1']\n          env: \
         [{name: SIDECAR, value: 'quay.io/a/sidecar:2'}]\n          resources:",
    );
    let settings =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: pods}\ndata: {pod: 'image: ghcr.io/a/helper:3'}\n";
    bench.write(MANIFESTS, (set + settings).as_bytes(), 0o644);
    fs_err::remove_file(bench.path("release/manifests/network/kustomization.yaml")).expect("removed");
    let LockFindings { added, unused, unlisted, in_doubt, unrendered } = bench.lock().await.expect("locked").found;
    assert_eq!((added, unused), (Vec::new(), Vec::new()), "what the network uses is not known");
    assert_eq!((unlisted.len(), unlisted[0].used_by.as_str()), (1, "database"));
    let problem = &unlisted[0].problem;
    assert!(
        problem.contains("objects.yaml: StatefulSet/database: /spec/template/spec/containers/0/image: "),
        "{problem}"
    );
    assert!(problem.contains("`ghcr.io/small/unknown` is named without a version"), "{problem}");
    let mut doubts: Vec<_> = in_doubt
        .iter()
        .map(|doubt| format!("{} {} {} {}", doubt.component, doubt.object, doubt.path, doubt.text))
        .collect();
    doubts.sort_unstable();
    let container = "database StatefulSet/database /spec/template/spec/containers/0";
    let expected = [
        "database ConfigMap/pods /data/pod ghcr.io/a/helper:3".to_owned(),
        format!("{container}/args/0 quay.io/a/reloader:v1"),
        format!("{container}/env/0/value quay.io/a/sidecar:2"),
    ];
    assert_eq!(doubts, expected);
    assert_eq!((unrendered.len(), unrendered[0].component.as_str()), (1, "network"));
    assert!(unrendered[0].problem.starts_with("LF2009: "), "{unrendered:?}");
    for word in ["unknown", "reloader", "sidecar", "helper"] {
        assert!(!text(&bench).contains(word), "{word}");
    }

    // The release declares that two of them are images, and that the third is not.
    bench.push_image("quay.io/a/reloader:v1", false);
    bench.push_image("ghcr.io/a/helper:3", false);
    let table = "imageFields:\n  - \
        {group: apps, kind: StatefulSet, path: '/spec/template/spec/containers/*/args/*', prefix: --reloader=}\n\
        components:";
    bench.edit("release/release.yaml", "components:", table);
    let declared = "    references: \
        [{kind: ConfigMap, name: pods, path: /data/pod, \
        reference: 'ghcr.io/a/helper:3', text: 'ghcr.io/a/helper:3'}]\n    \
        notImages: ['quay.io/a/sidecar:2']\n    secrets:";
    bench.edit("release/release.yaml", "    secrets:", declared);
    let found = bench.lock().await.expect("locked").found;
    let names: Vec<_> = found.added.iter().map(|image| image.reference.as_str()).collect();
    assert_eq!((names, found.in_doubt), (vec!["quay.io/a/reloader:v1", "ghcr.io/a/helper:3"], Vec::new()));
}

#[tokio::test]
async fn missing_image_names_its_object() {
    let bench = Bench::new(false, false).await;
    bench.push_image("ghcr.io/small/sidecar:1", false);
    let set = objects("ghcr.io/small/database:gone");
    let sidecar = set.replace(
        "      containers:\n",
        "      initContainers: [{name: b, image: 'ghcr.io/small/sidecar:1'}]\n      containers:\n",
    );
    bench.write(MANIFESTS, sidecar.as_bytes(), 0o644);
    let refused = bench.lock().await.expect_err("there is no such tag");
    assert_eq!(refused.code(), codes::IMAGE_MISSING);
    let said = refused.to_string();
    assert!(said.contains("1 image could not be added, though the release names it"), "{said}");
    assert!(said.contains("objects.yaml: StatefulSet/database: /spec/template/spec/containers/0/image: "), "{said}");
    let written = text(&bench);
    assert!(written.contains("small/sidecar:1") && !written.contains("gone"), "{written}");
    let resolved = Lock::parse(&bench.path(LOCK), written).expect("lock");
    let digests: Vec<Option<Sha256>> = resolved.list(List::Images).iter().map(crate::lock::LockEntry::digest).collect();
    assert!(digests.iter().all(Option::is_some), "what could be resolved is written");
}

#[tokio::test]
async fn dry_run_makes_no_requests() {
    let bench = Bench::new(false, false).await;
    without_images(&bench);
    name_versions(&bench);
    bench.write(MANIFESTS, objects("ghcr.io/small/database:1").as_bytes(), 0o644);
    let before = text(&bench);
    let listed = crate::resolution::requests(&bench.lock_options()).expect("listed");
    let entries: Vec<_> = listed.requests.iter().map(|request| request.entry.as_str()).collect();
    assert_eq!((entries[..7].to_vec(), entries[7], entries.len()), (IMAGES[..7].to_vec(), IMAGES[7], 10));
    assert_eq!((listed.unrendered, text(&bench)), (Vec::new(), before));
    assert_eq!(bench.registry.requests(), 0);
}

#[tokio::test]
async fn check_names_missing_and_unused_entries() {
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    let before = text(&bench);
    let options = bench.lock_options();
    let held = crate::resolution::check(&options, &SilentProgress).await.expect("all is there");
    assert_eq!(held.found, LockFindings::default());

    // An image without an entry is not requested: its registry may lack it.
    bench.write(MANIFESTS, objects("ghcr.io/small/database:2").as_bytes(), 0o644);
    let refused = crate::resolution::check(&options, &SilentProgress).await.expect_err("no entry");
    assert_eq!(refused.code(), codes::LOCK_LACKS_IMAGES);
    assert_eq!(refused.code().class, codes::LOCK_OUTDATED.class, "both end alike");
    let said = refused.to_string();
    assert!(said.contains("the release names 1 image for which there is no entry:\n"), "{said}");
    assert!(said.contains("objects.yaml: StatefulSet/database: /spec/template/spec/containers/0/image: "), "{said}");
    assert!(said.ends_with("`ghcr.io/small/database:2` (database)"), "{said}");
    assert_eq!(text(&bench), before);

    bench.push_image("ghcr.io/small/database:2", false);
    bench.lock().await.expect("locked");
    let held = crate::resolution::check(&options, &SilentProgress).await.expect("all is there");
    let unused = UnusedEntry { kind: ChangedKind::Image, entry: "ghcr.io/small/database:1".to_owned() };
    assert_eq!(held.found, LockFindings { unused: vec![unused], ..LockFindings::default() });

    // Without the renderer, the check reports what it did not examine.
    let options = LockOptions { kubectl: bench.path("gone"), ..options };
    let found = crate::resolution::check(&options, &SilentProgress).await.expect("the entries hold").found;
    assert!(found.unused.is_empty() && found.unrendered.len() > 1, "{found:?}");
}

#[tokio::test]
async fn check_combines_moved_and_missing() {
    let bench = Bench::new(false, false).await;
    bench.lock().await.expect("locked");
    bench.push_image_of("registry.k8s.io/pause:3.10.2", false, &[b"another layer".to_vec()]);
    bench.write(MANIFESTS, objects("ghcr.io/small/unknown").as_bytes(), 0o644);
    let refused = crate::resolution::check(&bench.lock_options(), &SilentProgress).await.expect_err("both");
    assert_eq!(refused.code(), codes::LOCK_OUTDATED);
    let said = refused.to_string();
    for part in ["registry.k8s.io/pause:3.10.2 names sha256:", "an image of database: ", "is named without a version"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}
