//! Releases with charts from all kinds of sources. A script replaces Helm, because these tests concern the builder's
//! handling of charts; the tests crate renders with the real Helm.

use std::collections::BTreeMap;

use landfall_error_codes::CodedError as _;
use landfall_media::store::ContentStore;
use landfall_release_document::ComponentEntry;
use serde_json::{Value, json};

use super::files::tests::archive;
use crate::error::Result;
use crate::fetch::tests::Notes;
use crate::pack::tests::Bench;
use landfall_test_registry::digest;

/// Fake Helm: prints its version, or the templates of a chart unchanged, except that each `RANDOM` is replaced with a
/// new text.
///
/// A template `upgrade-…` is rendered only for upgrades. The look-up trap is hit in the component `assistant` if it has
/// values, and in each rendering for the first look-up.
const HELM: &str = "#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.21.4; exit; fi\ncd \"$3\"\n\
    case \"$2 $*\" in assistant*--values*) echo 'Error: wrong number of args for fail' >&2; exit 1;; esac\n\
    case \"$3\" in */trapped-chart) echo 'Error: chart/templates/a.yaml:2:7: wrong number of args for fail' >&2; exit \
    1;; esac\n\
    served=no; case \"$*\" in *own.example/v1/Own*) served=yes;; esac\n\
    measured=no; case \"$*\" in *metrics.k8s.io/v1beta1*) measured=yes;; esac\n\
    upgrade=no; case \"$*\" in *--is-upgrade*) upgrade=yes;; esac\n\
    for file in crds/*.yaml templates/*.yaml; do\n  [ -f \"$file\" ] || continue\n  case $upgrade$file in \
    notemplates/upgrade-*) continue;; yestemplates/current-*) echo 'PASSWORDS ERROR: no a.b' >&2; exit 1;; esac\n  \
    printf -- '---\\n# Source: chart/%s\\n' \"$file\"\n  sed \"s/RANDOM/kLq3ZtX9vB1mWc7D$(printf %07d $$)/; \
    s/SERVED/$served/; s/MEASURED/$measured/\" \"$file\"\ndone\n";

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: \
    {name: owns.own.example}\nspec:\n  group: own.example\n  names: \
    {kind: Own, listKind: OwnList, plural: owns, singular: own}\n  scope: Namespaced\n  versions: \
    [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n";

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b}\n";

const EARLY_SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: early-key}\nstringData: {key: RANDOM}\n";

const HOOK: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: \
    {name: early, annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}\ndata: {secret: early-key}\n";

const ENTRIES: &str = "charts:\n  - \
    {reference: 'ghcr.io/small/charts/network:1.0.0_b', digest: unresolved, mediaType: unresolved, \
    size: unresolved}\n  - \
    reference: charts.example/stable/assistant:2.0.0\n    repository: https://charts.example/stable/\n    \
    digest: unresolved\n    size: unresolved\n  - \
    reference: charts.example/own/database:3.0.0\n    archive: charts/database.tgz\n    \
    digest: unresolved\n    size: unresolved\n";

/// A Job of a hook that satisfies the Pod Security level `restricted`.
const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: \
    {name: NAME, annotations: {helm.sh/hook: 'EVENTS', helm.sh/hook-weight: 'WEIGHT'}}\n\
    spec: \
    {backoffLimit: 4, template: {spec: {restartPolicy: Never, \
    securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [\
    {name: a, image: ghcr.io/small/database, args: [ARGUMENT], \
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}\n";

/// Archive of a chart with one template.
fn chart(name: &str, template: &str) -> Vec<u8> {
    chart_of(name, &[("templates/a.yaml", template)])
}

/// Archive of a chart with these files, in the version that the lock names.
fn chart_of(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let version = match name {
        "network" => "1.0.0+b",
        "database" => "v3.0.0",
        _ => "2.0.0",
    };
    let metadata = format!("{{name: {name}, version: {version}}}");
    let mut members = vec![(format!("{name}/Chart.yaml"), metadata.as_bytes())];
    members.extend(files.iter().map(|(path, text)| (format!("{name}/{path}"), text.as_bytes())));
    archive(&members.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect::<Vec<_>>())
}

fn map(name: &str) -> String {
    MAP.replace("NAME", name)
}

fn index(archive: &[u8]) -> String {
    let digest = digest(archive).to_hex();
    format!(
        "apiVersion: v1\nentries: {{assistant: [{{version: 2.0.0, urls: [assistant-2.0.0.tgz], digest: {digest}}}]}}\n"
    )
}

/// A release with components from a registry, a repository of charts, and an archive.
async fn bench() -> Bench {
    let bench = Bench::new(false, false).await;
    bench.write("helm", HELM.as_bytes(), 0o755);
    let network = chart("network", &map("network"));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [{
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "digest": digest(&network), "size": network.len(),
        }],
    });
    bench.registry.add_blob(&network);
    bench.push("ghcr.io/small/charts/network:1.0.0_b", &manifest);
    publish(&bench, &chart("assistant", &format!("{HOOK}---\n{EARLY_SECRET}---\n{}", map("assistant"))));
    bench.write("release/charts/database.tgz", &chart("database", &map("database")), 0o644);
    let mirror = format!("  - {{host: charts.example, endpoint: 'http://{}/files'}}\n", bench.registry.address());
    let address = bench.registry.address();
    bench.write(
        "registries.yaml",
        format!("mirrors:\n  - {{host: '*', endpoint: 'http://{address}'}}\n{mirror}").as_bytes(),
        0o644,
    );
    for (component, reference) in [
        ("network", "ghcr.io/small/charts/network"),
        ("assistant", "charts.example/stable/assistant"),
        ("database", "charts.example/own/database"),
    ] {
        let to = format!("chart: {{reference: {reference}}}");
        bench.edit("release/release.yaml", &format!("manifests: manifests/{component}"), &to);
    }
    let release = bench.text("release/release.yaml");
    let (before_values, _) = release.split_once("values:").expect("values");
    bench.write("release/release.yaml", before_values.as_bytes(), 0o644);
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    bench.write("release/images.lock", format!("{lock}{ENTRIES}").as_bytes(), 0o644);
    bench
}

/// Publishes a chart in the repository.
fn publish(bench: &Bench, archive: &[u8]) {
    bench.registry.add_file("stable/assistant-2.0.0.tgz", archive);
    bench.registry.add_file("stable/index.yaml", index(archive).as_bytes());
}

/// Returns true if the content store has an archive.
fn is_kept(bench: &Bench, archive: &[u8]) -> bool {
    ContentStore::at(bench.path("store")).contains(digest(archive))
}

fn refusal_text<T>(bench: &Bench, result: Result<T>) -> String {
    let error = result.map(|_| ()).expect_err("refused");
    let said = format!("{} {error}", error.code().id);
    said.replace(&bench.path("").display().to_string(), "").replace(&bench.registry.address().to_string(), "REGISTRY")
}

/// A document in the head of the built bundle.
fn document(bench: &Bench, name: &str) -> Value {
    let out = fs_err::read_dir(bench.path("out")).expect("output");
    let head = out.filter_map(std::result::Result::ok).map(|entry| entry.path());
    let head =
        head.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "head")).expect("head");
    let bytes = fs_err::read(head).expect("head");
    let anchor = fs_err::read(bench.path("roots/1.root.json")).expect("root");
    let anchor = landfall_bundle_spec::trust::TrustAnchor::Root(anchor);
    let verified = landfall_bundle_spec::Verified::read_file(&bytes, &anchor).expect("verified");
    serde_json::from_slice(verified.small_document(name).expect("document")).expect("JSON")
}

fn objects(bench: &Bench, component: &str) -> Vec<String> {
    let objects = document(bench, &format!("documents/objects/{component}.json"));
    objects.as_array().into_iter().flatten().map(crate::rendered::title).collect()
}

/// Names of the Secrets that a site generates for a component.
fn secrets(bench: &Bench, component: &str) -> Vec<String> {
    let release = document(bench, "documents/release.json");
    let components = release["components"].as_array().into_iter().flatten();
    let secrets = components.filter(|entry| entry["name"] == component).filter_map(|entry| entry["secrets"].as_array());
    secrets.flatten().filter_map(|secret| secret["name"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn charts_from_all_sources_build() {
    let bench = bench().await;
    let report = bench.lock().await.expect("locked");
    assert_eq!(report.helm.map(|helm| helm.version).as_deref(), Some("v3.21.4"));
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    let (_, charts) = lock.split_once("charts:\n").expect("charts");
    insta::with_settings!({ filters => vec![(r"size: '?\d+'?", "size: SIZE"), (r"sha256:[0-9a-f]{64}", "DIGEST")] }, {
        insta::assert_snapshot!(charts);
    });
    bench.build().await.expect("built");
    assert_eq!(objects(&bench, "network"), ["ConfigMap/network"]);
    assert_eq!(objects(&bench, "assistant-before"), ["ConfigMap/early"]);
    assert_eq!(objects(&bench, "assistant"), ["ConfigMap/assistant"]);
    assert_eq!(secrets(&bench, "assistant-before"), ["early-key"]);
    assert!(secrets(&bench, "assistant").is_empty());
    assert_eq!(objects(&bench, "database"), ["ConfigMap/database"]);
    let again = bench.lock().await.expect("holds");
    assert_eq!((again.resolved, again.moved.len()), (0, 0));

    // The repository offers another archive of the same version, but the pinned one is built.
    let other = chart("assistant", &map("other"));
    bench.registry.add_file("stable/index.yaml", index(&other).as_bytes());
    let moved = bench.lock().await.expect("moved").moved;
    assert_eq!(
        (moved[0].reference.as_str(), moved[0].now.clone()),
        ("charts.example/stable/assistant:2.0.0", digest(&other).to_string())
    );
    // A changed archive next to the lock is refused.
    bench.write("release/charts/database.tgz", &chart("database", &map("other")), 0o644);
    let refused = refusal_text(&bench, bench.build().await);
    assert!(
        refused.starts_with("LF2104 release/images.lock:") && refused.contains("charts/database.tgz is sha256:"),
        "{refused}"
    );
}

#[tokio::test]
async fn numbers_parse_as_in_go() {
    let bench = bench().await;
    let schema = "{type: object, properties: {a: \
        {type: number, maximum: 0.5, default: 9007199254740993, enum: [1e+06, 72044e0711, 0o7]}}}";
    let crd = CRD.replace("{type: object}", schema);
    bench.write("release/charts/database.tgz", &chart("database", &crd), 0o644);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    let objects = document(&bench, "documents/objects/database.json");
    let found = objects.pointer("/0/spec/versions/0/schema/openAPIV3Schema/properties/a");
    let expected = json!({ "type": "number", "maximum": 0.5, "default": 9_007_199_254_740_993_u64,
        "enum": [1_000_000, "72044e0711", 7] });
    assert_eq!(found, Some(&expected));
}

#[tokio::test]
async fn lookups_return_empty_when_declared() {
    let bench = bench().await;
    bench.write("release/v.yaml", b"a: '{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}'\n", 0o644);
    let from = "{reference: charts.example/own/database}";
    let to = "{reference: charts.example/own/database, values: [v.yaml], lookups: empty}";
    bench.edit("release/release.yaml", from, to);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: drawn}\nstringData: {key: RANDOM}\n";
    let template = format!("{secret}---\n{}", map("database").replace("a: b", "a: '{{ lookup 1 }}'"));
    bench.write("release/charts/database.tgz", &chart("database", &template), 0o644);
    bench.lock().await.expect("locked");
    let notes = Notes::default();
    bench.build_watched("2026-11-20T08:16:00Z", &bench.path("out"), &notes).await.expect("built");
    let said = "charts.example/own/database:3.0.0: a template calls `lookup`, which queries a cluster: \
        chart/templates/a.yaml:2:7; it finds nothing, as `lookups: empty` says, and the chart renders 1 object; of \
        templates that ask: ConfigMap/database; generated at the site: Secret/drawn";
    assert_eq!(notes.all().first().map(String::as_str), Some(said));
    assert!(secrets(&bench, "database").contains(&"drawn".to_owned()));
    let map = document(&bench, "documents/objects/database.json");
    assert_eq!(map.pointer("/0/data/a"), Some(&json!("{{ lookup 1 }}")));
}

#[tokio::test]
async fn empty_lookups_skip_password_checks() {
    let bench = bench().await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: drawn}\nstringData: {key: RANDOM}\n";
    bench.write("release/charts/database.tgz", &chart_of("database", &[("templates/current-a.yaml", secret)]), 0o644);
    bench.lock().await.expect("locked");
    assert!(refusal_text(&bench, bench.build().await).contains("without current passwords"));
    let from = "{reference: charts.example/own/database}";
    bench.edit("release/release.yaml", from, "{reference: charts.example/own/database, lookups: empty}");
    bench.build().await.expect("built");
    assert!(secrets(&bench, "database").contains(&"drawn".to_owned()));
}

#[tokio::test]
async fn crds_folder_precedes_hooks() {
    let bench = bench().await;
    let template = format!("{HOOK}---\n{}", map("assistant").replace("a: b", "a: 'SERVED'"));
    publish(&bench, &chart_of("assistant", &[("crds/own.yaml", CRD), ("templates/a.yaml", &template)]));
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    assert_eq!(objects(&bench, "assistant-before"), ["CustomResourceDefinition/owns.own.example", "ConfigMap/early"]);
    let own = document(&bench, "documents/objects/assistant.json");
    assert_eq!(own.pointer("/0/data/a"), Some(&json!("yes")));
}

#[tokio::test]
async fn api_services_extend_known_versions() {
    let service = "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1beta1.metrics.k8s.io}\n\
        spec: \
        {group: metrics.k8s.io, version: v1beta1, groupPriorityMinimum: 100, versionPriority: 100, \
        service: {name: a, namespace: database}}\n";
    let bench = bench().await;
    bench.write("release/charts/database.tgz", &chart("database", service), 0o644);
    publish(&bench, &chart("assistant", &map("assistant").replace("a: b", "a: 'MEASURED'")));
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    let objects = document(&bench, "documents/objects/assistant.json");
    assert_eq!(objects.pointer("/0/data/a"), Some(&json!("yes")));
}

#[tokio::test]
async fn mismatched_chart_is_refused() {
    let bench = bench().await;
    publish(&bench, &chart("other", &map("assistant")));
    let refused = refusal_text(&bench, bench.lock().await);
    assert!(
        refused.contains("is the chart `other` 2.0.0, where the lock names charts.example/stable/assistant:2.0.0"),
        "{refused}"
    );
    publish(&bench, &chart("assistant", &map("assistant")));
    bench.write("release/charts/database.tgz", &chart("other", &map("database")), 0o644);
    let refused = refusal_text(&bench, bench.lock().await);
    assert!(
        refused.contains("is the chart `other` 2.0.0, where the lock names charts.example/own/database:3.0.0"),
        "{refused}"
    );
    // While a release is locked, only the manifest is requested from a registry.
    let bench = self::bench().await;
    let again = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [{
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "digest": digest(&chart("other", &map("a"))), "size": chart("other", &map("a")).len(),
        }],
    });
    bench.registry.add_blob(&chart("other", &map("a")));
    bench.push("ghcr.io/small/charts/network:1.0.0_b", &again);
    bench.lock().await.expect("locked");
    let refused = refusal_text(&bench, bench.build().await);
    assert!(
        refused.contains("is the chart `other` 2.0.0, where the lock names ghcr.io/small/charts/network:1.0.0_b"),
        "{refused}"
    );
}

#[tokio::test]
async fn hostile_charts_are_not_kept() {
    let bench = bench().await;
    let good = chart("assistant", &map("assistant"));
    let hostile = archive(&[("assistant/Chart.yaml", b"{name: a, version: 2.0.0}"), ("assistant/../../x", b"x")]);
    let lacking = archive(&[("assistant/Chart.yaml", b"{name: a, version: 2.0.0, dependencies: [{name: b}]}")]);
    for (served, said_by_index, code) in
        [(&hostile, &hostile, "LF2080"), (&lacking, &lacking, "LF2081"), (&good, &hostile, "LF2104")]
    {
        bench.registry.add_file("stable/assistant-2.0.0.tgz", served);
        bench.registry.add_file("stable/index.yaml", index(said_by_index).as_bytes());
        let refused = refusal_text(&bench, bench.lock().await);
        assert!(refused.contains(code) || refused.starts_with(code), "{refused}");
        assert!(!is_kept(&bench, served), "a refused chart was kept");
        let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
        let (_, entry) = lock.split_once("charts.example/stable/assistant").expect("entry");
        assert!(entry.lines().take(4).any(|line| line.trim() == "digest: unresolved"), "{lock}");
    }
    bench.registry.add_file("stable/index.yaml", b"entries: {other: []}");
    let refused = refusal_text(&bench, bench.lock().await);
    assert!(refused.starts_with("LF2087 ") && refused.contains("has no chart `assistant`"), "{refused}");
    let unresolved = refusal_text(&bench, bench.build().await);
    assert!(unresolved.starts_with("LF2006 ") || unresolved.starts_with("LF2032 "), "{unresolved}");
}

#[tokio::test]
async fn refused_charts_are_forgotten_unless_accepted() {
    let with_values = |bench: &Bench| {
        bench.write("release/v.yaml", b"a: b\n", 0o644);
        let from = "{reference: charts.example/stable/assistant}";
        bench.edit("release/release.yaml", from, "{reference: charts.example/stable/assistant, values: [v.yaml]}");
    };
    let (good, unsteady) = (map("assistant"), map("assistant").replace("a: b", "a: RANDOM"));
    let late = HOOK.replace("pre-install,pre-upgrade", "pre-delete");
    for (template, has_values, code) in
        [(unsteady, false, "LF2084 "), (late, false, "LF2085 "), (good, true, "LF2083 ")]
    {
        let bench = bench().await;
        if has_values {
            with_values(&bench);
        }
        let refused = chart("assistant", &template);
        publish(&bench, &refused);
        bench.lock().await.expect("locked");
        assert!(!is_kept(&bench, &refused), "a lock kept what it could not render: {code}");
        let said = refusal_text(&bench, bench.build().await);
        assert!(said.starts_with(code), "{said}");
        assert!(!is_kept(&bench, &refused), "a build kept what it refused: {code}");
        assert!(is_kept(&bench, &chart("network", &map("network"))), "a chart that nothing refuses");
    }

    // An archive that an earlier build accepted stays in the store, even if the release is refused now.
    let bench = bench().await;
    let accepted = chart("assistant", &map("assistant"));
    publish(&bench, &accepted);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    with_values(&bench);
    assert!(refusal_text(&bench, bench.build().await).starts_with("LF2083 "));
    assert!(is_kept(&bench, &accepted));
}

#[tokio::test]
async fn rendered_charts_are_checked() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: drawn}\nstringData: {password: RANDOM, user: app}\n";
    let constant = "apiVersion: v1\nkind: Secret\nmetadata: {name: constant}\nstringData: {password: hunter2}\n";
    let elsewhere = MAP.replace("{name: NAME}", "{name: a, namespace: kube-system}");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAME}\n";
    let mut refusals = Vec::new();
    for template in [
        MAP.replace("a: b", "a: RANDOM"),
        constant.to_owned(),
        elsewhere,
        namespace.replace("NAME", "other"),
        HOOK.replace("pre-install,pre-upgrade", "pre-delete"),
        "a: [\n".to_owned(),
    ] {
        let bench = bench().await;
        bench.write("release/charts/database.tgz", &chart("database", &template), 0o644);
        bench.lock().await.expect("locked");
        refusals.push(refusal_text(&bench, bench.build().await));
    }

    // Settings for the chart in the definition are checked with its rendered objects.
    for (more, values) in [
        ("values: [none.yaml]", ""),
        ("values: [v.yaml]", "a: '{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}'\n"),
        ("values: [v.yaml]", &"a: 1\n".repeat(300_000)),
        ("leaveOut: [ConfigMap/databse]", ""),
        ("repeatable: [Job/a]", ""),
    ] {
        let bench = self::bench().await;
        bench.write("release/v.yaml", values.as_bytes(), 0o644);
        let from = "{reference: charts.example/own/database}";
        bench.edit("release/release.yaml", from, &format!("{{reference: charts.example/own/database, {more}}}"));
        bench.lock().await.expect("locked");
        refusals.push(refusal_text(&bench, bench.build().await));
    }
    insta::assert_snapshot!(refusals.join("\n"));

    let bench = bench().await;
    let template = format!("{secret}---\n{}---\n{constant}", namespace.replace("NAME", "database"));
    bench.write("release/charts/database.tgz", &chart("database", &template), 0o644);
    bench.edit(
        "release/release.yaml",
        "      - name: database-password",
        "      - {name: constant, random: {password: 20}}\n      - name: database-password",
    );
    bench.edit("release/release.yaml", "namespace: database\n", "namespace: database\n    namespaces: [kube-system]\n");
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    assert!(objects(&bench, "database").is_empty(), "Landfall makes the namespace and both Secrets");
    assert_eq!(secrets(&bench, "database"), ["constant", "database-password", "drawn"]);
}

#[tokio::test]
async fn missing_secret_keys_are_all_named() {
    let secret = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: \
             {{password: a, admin-user: root, key: b}}\n"
        )
    };
    let bench = bench().await;
    let template = format!("{}---\n{}---\n{}", secret("one"), secret("two"), secret("three"));
    bench.write("release/charts/database.tgz", &chart("database", &template), 0o644);
    let from = "      - name: database-password";
    let own = |more: &str| format!("      - {{name: one, random: {{key: 20}}}}\n      - {{name: two}}\n{more}{from}");
    bench.edit("release/release.yaml", from, &own(""));
    bench.lock().await.expect("locked");
    let error = bench.build().await.expect_err("keys are missing");
    let expected = "without all keys of the chart's: `one` without `admin-user`, `password`; `two` without \
        `admin-user`, `key`, `password`";
    assert!(error.to_string().contains(expected), "{error}");
    let lines = |error: &crate::BuildError| {
        let hint = error.hint().expect("a hint");
        let lines = hint.lines().filter(|line| line.trim_start().starts_with("- {name: "));
        lines.map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat()
    };
    let pasted = lines(&error);
    assert_eq!(
        pasted.lines().next(),
        Some("      - {name: one, random: {key: 20, password: 32}, fixed: {admin-user: root}}")
    );
    bench.edit("release/release.yaml", "      - {name: one, random: {key: 20}}\n      - {name: two}\n", &pasted);

    // The third Secret is not declared.
    let error = bench.build().await.expect_err("values would travel");
    assert!(error.to_string().contains("Secret/three: its values would travel in the clear: "), "{error}");
    bench.edit("release/release.yaml", from, &format!("{}{from}", lines(&error)));
    bench.build().await.expect("built");
    assert_eq!(secrets(&bench, "database"), ["one", "two", "three", "database-password"]);
}

#[tokio::test]
async fn upgrade_only_objects_must_be_declared() {
    let job = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moves, annotations: {helm.sh/hook: pre-upgrade}}\n";
    let from = "{reference: charts.example/own/database}";
    for (more, expected) in [
        ("", Err("LF2088 ")),
        (", leaveOut: [ConfigMap/moves]", Ok(Vec::new())),
        (", repeatable: [ConfigMap/moves]", Ok(vec!["ConfigMap/moves".to_owned()])),
    ] {
        let bench = bench().await;
        let files = [("templates/a.yaml", map("database")), ("templates/upgrade-a.yaml", job.to_owned())];
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        bench.write("release/charts/database.tgz", &chart_of("database", &files), 0o644);
        bench.edit("release/release.yaml", from, &format!("{{reference: charts.example/own/database{more}}}"));
        bench.lock().await.expect("locked");
        let built = bench.build().await;
        let Ok(before) = expected else {
            let refused = refusal_text(&bench, built);
            assert!(
                refused.starts_with("LF2088 ") && refused.contains("renders ConfigMap/moves for an upgrade alone"),
                "{refused}"
            );
            continue;
        };
        built.expect("built");
        assert_eq!(objects(&bench, "database"), ["ConfigMap/database"]);
        if !before.is_empty() {
            assert_eq!(objects(&bench, "database-before"), before);
        }
    }
}

fn job(name: &str, time: &str, weight: i32, argument: &str) -> String {
    let events = format!("{time}-install,{time}-upgrade");
    let text = JOB.replace("NAME", name).replace("EVENTS", &events).replace("WEIGHT", &weight.to_string());
    text.replace("ARGUMENT", argument)
}

/// Dependencies of the components, by name.
fn needs(bench: &Bench) -> BTreeMap<String, Vec<String>> {
    let release = document(bench, "documents/release.json");
    let components: Vec<ComponentEntry> = serde_json::from_value(release["components"].clone()).expect("components");
    components.into_iter().map(|entry| (entry.name, entry.needs)).collect()
}

#[tokio::test]
async fn hook_jobs_become_ordered_components() {
    let bench = bench().await;
    let jobs = [
        job("second", "pre", 5, "quay.io/a/none:2"),
        job("first", "pre", -5, "a"),
        job("seed", "post", 0, "a"),
        job("index", "post", 1, "docker://ghcr.io/small/database"),
        map("database"),
    ];
    bench.write("release/charts/database.tgz", &chart("database", &jobs.join("---\n")), 0o644);
    let declared = "notImages: ['quay.io/a/none:2']\n    references: \
        [{kind: Job, name: index-1-2-3, path: /spec/template/spec/containers/0/args/0, \
        reference: ghcr.io/small/database, text: ghcr.io/small/database}]\n";
    bench.edit(
        "release/release.yaml",
        "    namespace: database\n",
        &format!("    namespace: database\n    {declared}"),
    );
    let release = bench.text("release/release.yaml");
    let values = "values:\n  - name: database.tries\n    schema: {type: integer}\n    default: 7\n    targets: \
        [{component: database, kind: Job, name: second-1-2-3, path: /spec/backoffLimit}]\n";
    bench.write("release/release.yaml", format!("{release}{values}").as_bytes(), 0o644);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    assert_eq!(objects(&bench, "database-before"), ["Job/first-1-2-3"]);
    assert_eq!(objects(&bench, "database-before-2"), ["Job/second-1-2-3"]);
    assert_eq!(objects(&bench, "database"), ["ConfigMap/database", "Job/seed-1-2-3"]);
    assert_eq!(objects(&bench, "database-after"), ["Job/index-1-2-3"]);
    let target = document(&bench, "documents/release.json").pointer("/values/0/targets/0/component").cloned();
    assert_eq!(target, Some(json!("database-before-2")));
    let needs = needs(&bench);
    assert_eq!(needs["database-before-2"].last().map(String::as_str), Some("database-before"));
    assert_eq!(needs["database"].last().map(String::as_str), Some("database-before-2"));
    assert_eq!(needs["database-after"], ["database"]);
    for component in ["assistant", "assistant-before"] {
        assert!(needs[component].iter().any(|need| need == "database-after"), "{component}: {needs:?}");
    }
    let index = document(&bench, "documents/objects/database-after.json");
    let argument = index.pointer("/0/spec/template/spec/containers/0/args/0").and_then(Value::as_str);
    assert!(argument.is_some_and(|text| text.contains("ghcr.io/small/database:1@sha256:")), "{argument:?}");
}

#[tokio::test]
async fn undeclared_hook_image_names_component() {
    let bench = bench().await;
    let jobs = [job("first", "pre", 0, "a"), job("second", "pre", 5, "quay.io/a/none:2")];
    bench.write("release/charts/database.tgz", &chart("database", &jobs.join("---\n")), 0o644);
    bench.lock().await.expect("locked");
    let refused = refusal_text(&bench, bench.build().await);
    assert!(refused.starts_with("LF2008 ") && refused.contains("under components[1].notImages"), "{refused}");
}

#[tokio::test]
async fn hook_dependencies_must_exist_before_hook() {
    let bench = bench().await;
    let asks = |job: &str| job.replace("args: [a]", "envFrom: [{secretRef: {name: search-license}}]");
    let jobs = [job("first", "pre", 0, "b"), asks(&job("second", "pre", 5, "a"))];
    bench.write("release/charts/database.tgz", &chart("database", &jobs.join("---\n")), 0o644);
    let secret = "    siteSecrets: [{name: search-license, meaning: a, value: {file: {key: license.json}}}]\n    \
        secrets:\n      - name: database-password";
    bench.edit("release/release.yaml", "    secrets:\n      - name: database-password", secret);
    bench.lock().await.expect("locked");
    bench.build().await.expect("built");
    let release = document(&bench, "documents/release.json");
    let components = release["components"].as_array().into_iter().flatten();
    let with: Vec<_> =
        components.filter(|entry| entry.get("site_secrets").is_some()).map(|entry| &entry["name"]).collect();
    assert_eq!(with, ["database-before"]);

    let volume = "restartPolicy: Never, volumes: [{name: m, persistentVolumeClaim: {claimName: model}}],";
    let mounts = job("early", "pre", 0, "a").replace("restartPolicy: Never,", volume);
    publish(&bench, &chart("assistant", &mounts));
    let lock = fs_err::read_to_string(bench.path("release/images.lock")).expect("lock");
    let (before, _) = lock.split_once("charts:\n").expect("charts");
    bench.write("release/images.lock", format!("{before}{ENTRIES}").as_bytes(), 0o644);
    bench.lock().await.expect("locked");
    let refused = refusal_text(&bench, bench.build().await);
    assert!(
        refused.starts_with("LF2085 ") && refused.contains("whose claim `model` does not exist at that time"),
        "{refused}"
    );
}
