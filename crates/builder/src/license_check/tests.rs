//! License checks from the release definition to the head of a bundle.

use landfall_bundle_spec::trust::TrustAnchor;
use landfall_error_codes::CodedError as _;
use landfall_release_document::ReleaseDocument;
use landfall_test_support::definition as notation;
use serde_json::{Value, json};

use crate::pack::tests::{Bench, head};

const CONSOLE: &str = "  - {name: console, console: true, manifests: manifests/console, namespace: landfall-console, \
    without: {probes: a test, limits: a test, proofs: a test}}\n";
const CHECKED: &str = "  - \
    {name: reports, manifests: manifests/reports, namespace: reports, needs: [console], \
    entitlement: reports, licenseCheck: [sidecar, init], \
    without: {probes: a test, limits: a test, proofs: a test}}\n";

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: license}\nspec:\n  selector: {app: console}\n  \
    ports: [{name: answers, port: 8444, targetPort: 8444}]\n";

/// Two kinds of pods: one with an init container and its own environment, and one that completes.
const REPORTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: reports}
spec:
  selector: {matchLabels: {app: reports}}
  template:
    metadata: {labels: {app: reports}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      initContainers:
        - name: migrate
          image: ghcr.io/small/database
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      containers:
        - name: reports
          image: ghcr.io/small/database
          env: [{name: COLOR, value: red}]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 1 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
            - name: nightly
              image: ghcr.io/small/database
              securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
";

/// A vendor whose release has these additional components, with these manifests.
async fn bench(components: &str, console: &str, reports: &str) -> Bench {
    let bench = Bench::new(true, false).await;
    bench.edit("release/release.yaml", "components:\n", &format!("components:\n{components}"));
    for (component, objects) in [("console", console), ("reports", reports)] {
        bench.write(&format!("release/manifests/{component}/kustomization.yaml"), b"resources: []\n", 0o644);
        bench.write(&format!("release/manifests/{component}/objects.yaml"), objects.as_bytes(), 0o644);
    }
    bench.lock().await.expect("locked");
    bench
}

/// Error for the definition with these additional components.
fn refusal(components: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let good = include_str!("../definition/good.yaml");
    let text = good.replacen("components:\n", &format!("components:\n{components}"), 1);
    notation::write(folder.path(), &text);
    let error = crate::release::read(folder.path()).expect_err(components);
    format!("{} {}", error.code().id, error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn unanswerable_license_checks_are_refused() {
    let changed = |from: &str, to: &str| {
        assert!(CHECKED.contains(from), "{from}");
        format!("{CONSOLE}{}", CHECKED.replacen(from, to, 1))
    };
    let refusals = [
        changed("[sidecar, init]", "[]"),
        changed("[sidecar, init]", "[init, init]"),
        changed("[sidecar, init]", "[daemon]"),
        changed("entitlement: reports, ", ""),
        changed("needs: [console]", "needs: [database]"),
        CHECKED.replacen("needs: [console]", "needs: []", 1),
        CONSOLE.replacen("console: true", "console: true, entitlement: a, licenseCheck: [init]", 1),
    ];
    insta::assert_snapshot!(refusals.map(|components| refusal(&components)).join("\n"));
}

#[tokio::test]
async fn license_check_adds_containers_and_image() {
    let bench = bench(&format!("{CONSOLE}{CHECKED}"), SERVICE, REPORTS).await;
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).unwrap());
    let head = head(&bench.path("out"), &report, &anchor);
    let release = ReleaseDocument::read(head.small_document("documents/release.json").unwrap()).unwrap();
    let component = release.components.iter().find(|component| component.name == "reports").unwrap();
    assert!(component.license_check);
    assert_eq!(release.components.iter().filter(|component| component.license_check).count(), 1);
    let image =
        release.images.iter().find(|image| image.reference.starts_with("landfall.internal/validator:")).unwrap();
    assert_eq!(image.layers.len(), 1);
    assert!(!release.images.iter().any(|image| image.reference.starts_with("landfall.internal/appliance:")));

    let objects: Vec<Value> = serde_json::from_slice(head.small_document(&component.objects).unwrap()).unwrap();
    let mut text = serde_json::to_string_pretty(&objects).unwrap();
    for image in &release.images {
        let name = image.reference.split(':').next().unwrap();
        text = text.replace(&image.reference, name).replace(&image.manifest.digest.to_string(), "DIGEST");
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn unsuitable_pods_are_refused() {
    let bench = bench(&format!("{CONSOLE}{CHECKED}"), "", REPORTS).await;
    let mut refusals = vec![bench.refusal().await];
    bench.write("release/manifests/console/objects.yaml", SERVICE.as_bytes(), 0o644);
    let mount = "volumeMounts: [{name: a, mountPath: /run/landfall-license}]\n          env: [";
    for reports in [
        REPORTS.replacen("name: migrate", "name: landfall-license-wait", 1),
        REPORTS.replacen("env: [", mount, 1),
        REPORTS.replacen("metadata: {name: reports}", "metadata: {name: reports, namespace: kube-system}", 1),
        String::new(),
    ] {
        bench.write("release/manifests/reports/objects.yaml", reports.as_bytes(), 0o644);
        refusals.push(bench.refusal().await);
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

/// The variables are those that the validator reads.
#[tokio::test]
async fn init_container_alone_has_no_port() {
    let bench = bench(&format!("{CONSOLE}{}", CHECKED.replace("[sidecar, init]", "[init]")), SERVICE, REPORTS).await;
    let report = bench.build().await.expect("built");
    let anchor = TrustAnchor::Root(fs_err::read(bench.path("roots/1.root.json")).unwrap());
    let head = head(&bench.path("out"), &report, &anchor);
    let bytes = head.small_document("documents/objects/reports.json").unwrap();
    let objects: Vec<Value> = serde_json::from_slice(bytes).unwrap();
    let pod = &objects.iter().find(|object| object["kind"] == "Deployment").unwrap()["spec"]["template"]["spec"];
    let names: Vec<_> = pod["initContainers"].as_array().unwrap().iter().map(|container| &container["name"]).collect();
    assert_eq!(names, [&json!("migrate"), &json!("landfall-license-wait")]);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(!text.contains("LANDFALL_LICENSE_URL") && !text.contains("LANDFALL_LICENSE_LISTEN"));
}
