//! Provenance of complete builds of the small release.

use std::collections::BTreeSet;

use landfall_bundle_spec::provenance::{Provenance, Statement, VerifiedProvenance};
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_error_codes::CodedError as _;
use landfall_media::durable;
use landfall_media::parts::SUMS_NAME;
use landfall_media::progress::{Event, Progress};

use super::*;
use crate::executables::program as program_for_tests;
use crate::pack::BuildReport;
use crate::pack::tests::{Bench, composed_lock, head, tools};

const BUILT_AT: &str = "2026-11-20T08:16:00Z";

async fn locked_bench() -> Bench {
    let bench = Bench::new(true, false).await;
    bench.lock().await.expect("locked");
    bench
}

/// Content of the provenance in an output folder, and the head next to it.
fn read_provenance(bench: &Bench, output: &str, report: &BuildReport) -> (Vec<u8>, Verified) {
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).expect("root"));
    let bundle = head(&bench.path(output), report, &anchor);
    let name = bundle.bundle_name().provenance();
    assert!(report.files.iter().any(|file| file.name == name), "{:?}", report.files);
    (fs_err::read(bench.path(output).join(name)).expect("provenance"), bundle)
}

fn verify_provenance(bytes: &[u8], bundle: &Verified) -> VerifiedProvenance {
    Provenance::read("provenance", bytes).and_then(|read| read.verify(bundle)).expect("verified")
}

async fn statement(bench: &Bench, output: &str) -> Statement {
    let report = bench.build_of(BUILT_AT, &bench.path(output)).await.expect("built");
    let (bytes, bundle) = read_provenance(bench, output, &report);
    verify_provenance(&bytes, &bundle).statement().clone()
}

fn materials<'a>(statement: &'a Statement, kind: &str) -> Vec<&'a Material> {
    let all = statement.predicate.build_definition.resolved_dependencies.iter();
    all.filter(|material| material.kind() == Some(kind)).collect()
}

#[tokio::test]
async fn provenance_names_all_inputs() {
    let bench = locked_bench().await;
    let index = Sha256([0xab; 32]);
    let resolved = "resolved: 'ghcr.io/small/database:1', index: ";
    bench.edit("release/images.lock", &format!("{resolved}'none'"), &format!("{resolved}'{index}'"));
    let report = bench.build().await.expect("built");
    let (bytes, bundle) = read_provenance(&bench, "out", &report);
    let provenance = verify_provenance(&bytes, &bundle);
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
    let files = [("components", "component.yaml"), ("manifests", "kustomization.yaml")];
    let sources =
        files.map(|(folder, file)| ["assistant", "database", "network"].map(|it| format!("{folder}/{it}/{file}")));
    assert_eq!(names(kind::SOURCE), sources.concat());
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
async fn notes_file_is_stated() {
    let bench = locked_bench().await;
    bench.write("release/NOTES.md", b"faster", 0o644);
    bench.edit("release/release.yaml", "counter: 7", "counter: 7\nnotes: {file: NOTES.md}");
    let statement = statement(&bench, "out").await;
    let sources = materials(&statement, kind::SOURCE);
    let notes = sources.iter().find(|source| source.name.as_deref() == Some("NOTES.md")).expect("the notes");
    assert_eq!(notes.sha256(), Some(Sha256::of(b"faster")));
}

#[tokio::test]
async fn provenance_is_reproducible() {
    let bench = locked_bench().await;
    let mut files = Vec::new();
    for output in ["one", "two"] {
        let report = bench.build_of(BUILT_AT, &bench.path(output)).await.expect("built");
        files.push(read_provenance(&bench, output, &report).0);
    }
    assert_eq!(files[0], files[1]);
    let text = String::from_utf8(files.remove(0)).expect("text");
    assert!(!text.contains(&bench.path("").display().to_string()), "a path of this machine is stated");
    let first = statement(&bench, "three").await;
    // A comment changes the lock, but not the bundle; the existing bundle is not kept, because its provenance is no
    // longer true.
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
async fn damaged_provenance_forces_rebuild() {
    let bench = locked_bench().await;
    let first = bench.build().await.expect("built");
    let (mut bytes, bundle) = read_provenance(&bench, "out", &first);
    let begin = b"{\"payload\":\"".len();
    bytes[begin + 100] = if bytes[begin + 100] == b'A' { b'B' } else { b'A' };
    let refused = Provenance::read("provenance", &bytes).and_then(|read| read.verify(&bundle)).expect_err("altered");
    assert_eq!(refused.code(), codes::BAD_SIGNATURE, "{refused}");
    let sums = fs_err::read_to_string(bench.path("out").join(SUMS_NAME)).expect("sums");
    assert!(sums.contains(&bundle.bundle_name().provenance()), "{sums}");
    // A bundle without its provenance is built again rather than kept.
    durable::remove_file(&bench.path("out").join(bundle.bundle_name().provenance())).expect("removed");
    let second = bench.build_of("2026-11-21T09:00:00Z", &bench.path("out")).await.expect("built again");
    assert_eq!((second.kept.as_ref(), second.superseded.len()), (None, 1));
    let third = bench.build_of("2026-11-22T09:00:00Z", &bench.path("out")).await.expect("kept");
    assert_eq!(third.kept.as_deref(), Some("2026-11-21T09:00:00Z"));
    // A bundle whose provenance is damaged, or states another lock, is not kept either.
    let path = bench.path("out").join(read_provenance(&bench, "out", &third).1.bundle_name().provenance());
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
    assert_eq!(provenance, [&read_provenance(&bench, "out", &fourth).1.bundle_name().provenance()]);
}

/// Name and digest of each file of the vendor.
fn sources_of(statement: &Statement) -> BTreeMap<String, Sha256> {
    let named = |material: &&Material| (material.name.clone().expect("name"), material.sha256().expect("digest"));
    materials(statement, kind::SOURCE).iter().map(named).collect()
}

#[tokio::test]
async fn kustomization_files_are_stated() {
    let bench = locked_bench().await;
    let network = "configMapGenerator: [{name: a, files: [key=settings.conf]}]\nresources: [../../../base]\n\
                   transformers: ['{apiVersion: builtin, kind: PatchTransformer, path: patch.yaml}']\n";
    let elsewhere = "kind: Kustomization\nsecretGenerator: [{name: b, envs: [secret.env]}]\n";
    for (name, text) in [
        ("release/manifests/network/kustomization.yaml", network),
        ("release/manifests/network/settings.conf", "a=b"),
        ("release/manifests/network/patch.yaml", "[]"),
        ("base/kustomization.yaml", "resources: [one.yaml]\n"),
        ("base/one.yaml", "{}"),
        ("alice/work/kustomization.yaml", elsewhere),
        ("alice/work/secret.env", "A=B"),
        ("alice/work/objects.yaml", ""),
    ] {
        bench.write(name, text.as_bytes(), 0o644);
    }
    let absolute = bench.path("alice/work");
    bench.edit("release/release.yaml", "manifests: manifests/assistant", &format!("manifests: {}", absolute.display()));
    let stated = sources_of(&statement(&bench, "out").await);
    let of_file = |name: &str| Sha256::of(fs_err::read(bench.path(name)).expect("file"));
    let expected = [
        ("../base/kustomization.yaml", "base/kustomization.yaml"),
        ("../base/one.yaml", "base/one.yaml"),
        ("assistant/kustomization.yaml", "alice/work/kustomization.yaml"),
        ("assistant/secret.env", "alice/work/secret.env"),
        ("components/assistant/component.yaml", "release/components/assistant/component.yaml"),
        ("components/database/component.yaml", "release/components/database/component.yaml"),
        ("components/network/component.yaml", "release/components/network/component.yaml"),
        ("manifests/database/kustomization.yaml", "release/manifests/database/kustomization.yaml"),
        ("manifests/network/kustomization.yaml", "release/manifests/network/kustomization.yaml"),
        ("manifests/network/patch.yaml", "release/manifests/network/patch.yaml"),
        ("manifests/network/settings.conf", "release/manifests/network/settings.conf"),
    ];
    assert_eq!(stated, expected.map(|(name, file)| (name.to_owned(), of_file(file))).into());
}

#[tokio::test]
async fn kustomization_is_read_once() {
    let bench = Bench::new(true, false).await;
    // A kubectl that writes another kustomization: if it were read again, it would be refused.
    let kubectl = fs_err::read_to_string(bench.path("kubectl")).expect("script");
    let rendering = "else\n  echo 'resources: [\"https://a.example/b\"]' > \"$2/kustomization.yaml\"\n";
    bench.write("kubectl", kubectl.replacen("else\n", rendering, 1).as_bytes(), 0o755);
    bench.lock().await.expect("locked");
    // Locking has also rendered the manifests.
    for folder in fs_err::read_dir(bench.path("release/manifests")).expect("folders") {
        let name = folder.expect("folder").file_name().into_string().expect("name");
        bench.write(&format!("release/manifests/{name}/kustomization.yaml"), b"resources: []\n", 0o644);
    }
    let stated = sources_of(&statement(&bench, "out").await);
    let kustomizations = stated.into_iter().filter(|(name, _)| name.ends_with("/kustomization.yaml"));
    let digests: BTreeSet<_> = kustomizations.map(|(_, digest)| digest).collect();
    assert_eq!(digests, BTreeSet::from([Sha256::of(b"resources: []\n")]));
}

/// Replaces the installer when fetching starts, long after the build has checked it.
struct ReplacingProgress<'a>(&'a Bench, Vec<u8>);

impl Progress for ReplacingProgress<'_> {
    fn event(&self, event: Event) {
        if matches!(&event, Event::PhaseStarted { phase, .. } if phase == "fetching") {
            self.0.write("landfall", &self.1, 0o755);
        }
    }
}

#[tokio::test]
async fn packed_installer_is_stated() {
    let bench = locked_bench().await;
    let new = program_for_tests(&[(object::elf::PT_LOAD, b"replaced while the build fetched")]);
    let report = bench
        .build_watched(BUILT_AT, &bench.path("out"), &ReplacingProgress(&bench, new.clone()))
        .await
        .expect("built");
    assert_eq!(report.installer_sha256, Sha256::of(&new), "the new one travels");
    let (bytes, bundle) = read_provenance(&bench, "out", &report);
    let provenance = verify_provenance(&bytes, &bundle);
    let programs = materials(provenance.statement(), kind::PROGRAM);
    assert_eq!((programs[0].name.as_deref(), programs[0].sha256()), (Some("landfall"), Some(report.installer_sha256)));
}

#[tokio::test]
async fn stated_addresses_hide_secrets() {
    let bench = Bench::new(false, false).await;
    let text = composed_lock(&bench, &tools());
    bench.write("release/images.lock", text.as_bytes(), 0o644);
    bench.lock().await.expect("locked");
    let stated = statement(&bench, "out").await;
    let uris: Vec<_> = materials(&stated, kind::FILE).iter().map(|file| file.uri.clone().expect("address")).collect();
    assert_eq!(uris, ["https://files/v1/kubelet", "https://files/v1/containerd-2.tar.gz"]);
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    for secret in [
        "https://user:hidden@files/v1/kubelet",
        "https://files/v1/kubelet?token=hidden",
        "https://files/v1/kubelet#hidden",
    ] {
        bench.write("release/images.lock", lock.replace("https://files/v1/kubelet", secret).as_bytes(), 0o644);
        let refused = bench.build_into(&bench.path("other")).await.expect_err(secret);
        assert_eq!(refused.code(), codes::LOCK_UNREADABLE, "{refused}");
        assert!(!refused.to_string().contains("hidden"), "{refused}");
        assert!(!bench.path("other").exists());
    }
}
