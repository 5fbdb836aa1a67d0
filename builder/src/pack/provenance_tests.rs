//! Provenance of whole builds of the small release.

use std::collections::BTreeSet;

use landfall_bundle_spec::provenance::{Provenance, Statement, VerifiedProvenance};
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_error_codes::Coded as _;
use landfall_media::durable;
use landfall_media::parts::SUMS_NAME;

use super::*;
use crate::pack::BuildReport;
use crate::pack::tests::{Bench, head};

const BUILT_AT: &str = "2026-11-20T08:16:00Z";

async fn locked() -> Bench {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench
}

/// The bytes of the provenance in an output folder, and the head beside it.
fn written(bench: &Bench, output: &str, report: &BuildReport) -> (Vec<u8>, Verified) {
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let bundle = head(&bench.path(output), report, &anchor);
    let name = bundle.bundle_name().provenance();
    assert!(report.files.iter().any(|file| file.name == name), "{:?}", report.files);
    (fs_err::read(bench.path(output).join(name)).expect("provenance"), bundle)
}

fn verified(bytes: &[u8], bundle: &Verified) -> VerifiedProvenance {
    Provenance::read("provenance", bytes).and_then(|read| read.verify(bundle)).expect("verified")
}

async fn statement(bench: &Bench, output: &str) -> Statement {
    let report = bench.build_of(BUILT_AT, &bench.path(output)).await.expect("built");
    let (bytes, bundle) = written(bench, output, &report);
    verified(&bytes, &bundle).statement().clone()
}

fn materials<'a>(statement: &'a Statement, kind: &str) -> Vec<&'a Material> {
    let all = statement.predicate.build_definition.resolved_dependencies.iter();
    all.filter(|material| material.kind() == Some(kind)).collect()
}

#[tokio::test]
async fn it_names_every_input_with_its_digest() {
    let bench = locked().await;
    let index = Sha256([0xab; 32]);
    let resolved = "resolved: 'ghcr.io/small/database:1', index: ";
    bench.edit("release/images.lock", &format!("{resolved}'none'"), &format!("{resolved}'{index}'"));
    let report = bench.build().await.expect("built");
    let (bytes, bundle) = written(&bench, "out", &report);
    let provenance = verified(&bytes, &bundle);
    assert_eq!(provenance.signers(), bundle.signers());
    let statement = provenance.statement();
    assert!(statement.is_about(report.id) && statement.names(&bundle.identity()));

    let release: landfall_release_document::ReleaseDocument =
        serde_json::from_slice(bundle.small_document("documents/release.json").expect("release")).expect("read");
    let digests = |kind: &str| -> BTreeSet<Sha256> {
        materials(statement, kind).iter().map(|material| material.sha256().expect("digest")).collect()
    };
    assert_eq!(digests(kind::IMAGE), release.images.iter().map(|image| image.manifest.digest).collect());
    assert_eq!(digests(kind::ARTIFACT), release.artifacts.iter().map(|one| one.manifest.digest).collect());
    let indexes = materials(statement, kind::IMAGE_INDEX);
    assert_eq!((indexes.len(), indexes[0].sha256()), (1, Some(index)));
    assert_eq!(indexes[0].name.as_deref(), Some("ghcr.io/small/database:1"));
    let image = materials(statement, kind::IMAGE).into_iter().find(|image| image.name == indexes[0].name);
    let uri = image.and_then(|image| image.uri.clone()).expect("address");
    assert!(
        uri.starts_with("pkg:oci/database@sha256:") && uri.contains("repository_url=ghcr.io/small/database"),
        "{uri}"
    );

    let names = |kind: &str| -> Vec<_> {
        materials(statement, kind).iter().map(|material| material.name.clone().expect("name")).collect()
    };
    assert_eq!(names(kind::PROGRAM), ["landfall", "kubectl"]);
    let kustomization = |component: &str| format!("manifests/{component}/kustomization.yaml");
    assert_eq!(names(kind::SOURCE), ["assistant", "database", "network"].map(kustomization));
    let given = &statement.predicate.build_definition.external_parameters;
    let of_file = |name: &str| Some(Sha256::of(fs_err::read(bench.path(name)).expect("file")));
    assert_eq!(given.definition.sha256(), of_file("release/release.yaml"));
    assert_eq!(given.lock.sha256(), of_file("release/images.lock"));
    assert_eq!(
        (given.definition.name.as_deref(), given.lock.name.as_deref()),
        (Some("release.yaml"), Some("images.lock"))
    );
}

#[tokio::test]
async fn the_same_inputs_give_the_same_bytes_and_other_inputs_another_statement() {
    let bench = locked().await;
    let mut files = Vec::new();
    for output in ["one", "two"] {
        let report = bench.build_of(BUILT_AT, &bench.path(output)).await.expect("built");
        files.push(written(&bench, output, &report).0);
    }
    assert_eq!(files[0], files[1]);
    let text = String::from_utf8(files.remove(0)).expect("text");
    assert!(!text.contains(&bench.path("").display().to_string()), "a path of this machine is stated");
    let first = statement(&bench, "three").await;
    // A comment changes the lock, and nothing of the bundle; what is there is not kept with a provenance that is no longer true.
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    bench.write("release/images.lock", format!("# reviewed\n{lock}").as_bytes(), 0o644);
    let reviewed = statement(&bench, "four").await;
    assert_eq!(reviewed.subject, first.subject);
    let [of_first, of_reviewed] = [&first, &reviewed].map(|one| &one.predicate.build_definition);
    assert_ne!(of_first.external_parameters.lock, of_reviewed.external_parameters.lock);
    assert_eq!(of_first.resolved_dependencies, of_reviewed.resolved_dependencies);
    let kustomization = "release/manifests/network/kustomization.yaml";
    bench.write(kustomization, b"# reviewed\nresources: []\n", 0o644);
    assert_ne!(statement(&bench, "five").await.predicate, reviewed.predicate);
}

#[tokio::test]
async fn a_file_that_was_altered_or_is_missing_is_not_taken_for_the_bundles_own() {
    let bench = locked().await;
    let first = bench.build().await.expect("built");
    let (mut bytes, bundle) = written(&bench, "out", &first);
    let begin = b"{\"payload\":\"".len();
    bytes[begin + 100] = if bytes[begin + 100] == b'A' { b'B' } else { b'A' };
    let refused = Provenance::read("provenance", &bytes).and_then(|read| read.verify(&bundle)).expect_err("altered");
    assert_eq!(refused.code(), codes::BAD_SIGNATURE, "{refused}");
    let sums = fs_err::read_to_string(bench.path("out").join(SUMS_NAME)).expect("sums");
    assert!(sums.contains(&bundle.bundle_name().provenance()), "{sums}");
    // A bundle without its provenance is built again rather than kept, and takes its former provenance with it.
    durable::remove_file(&bench.path("out").join(bundle.bundle_name().provenance())).expect("removed");
    let second = bench.build_of("2026-11-21T09:00:00Z", &bench.path("out")).await.expect("built again");
    assert_eq!((second.kept.as_ref(), second.superseded.len()), (None, 1));
    let third = bench.build_of("2026-11-22T09:00:00Z", &bench.path("out")).await.expect("kept");
    assert_eq!(third.kept.as_deref(), Some("2026-11-21T09:00:00Z"));
    // One whose provenance is damaged, or states another lock, is not kept either.
    let path = bench.path("out").join(written(&bench, "out", &third).1.bundle_name().provenance());
    durable::write_file(&path, b"", 0o644).expect("emptied");
    assert_eq!(bench.build_of("2026-11-22T10:00:00Z", &bench.path("out")).await.expect("built again").kept, None);
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    bench.write("release/images.lock", format!("# reviewed\n{lock}").as_bytes(), 0o644);
    assert_eq!(bench.build_of("2026-11-22T11:00:00Z", &bench.path("out")).await.expect("built again").kept, None);
    bench.edit("release/release.yaml", "counter: 7", "counter: 8");
    let fourth = bench.build_of("2026-11-23T09:00:00Z", &bench.path("out")).await.expect("another");
    let left = fs_err::read_dir(bench.path("out")).expect("output").filter_map(Result::ok);
    let left: Vec<_> = left.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let provenance: Vec<_> = left.iter().filter(|name| name.ends_with(".provenance.json")).collect();
    assert_eq!(provenance, [&written(&bench, "out", &fourth).1.bundle_name().provenance()]);
}
