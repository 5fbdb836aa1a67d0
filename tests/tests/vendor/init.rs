//! A bundle from manifests and a chart, as a new vendor would make it: `init`, fill in, `lock`, `build`. The examples
//! of this repository are such manifests.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use landfall_xtask::{images, workspace};
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{Starter, starter};

/// A vendor's service with a volume, its own namespace, and a Secret with a value.
const SHOP: &str = r"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: shop, namespace: shop}
stringData: {password: hunter2hunter2}
---
# Pages.
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shop, namespace: shop}
spec:
  replicas: 1
  serviceName: shop
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: shop
          image: docker.io/library/busybox
          command: [sleep, infinity]
          env:
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: shop, key: password}}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: orders, mountPath: /orders}]
  volumeClaimTemplates:
    - metadata: {name: orders}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

/// Kustomization of the shop, which keeps the objects that Landfall creates itself.
const KUSTOMIZATION: &str = "resources: [shop.yaml]\nnamespace: other\n";

fn init(starter: &Starter, folder: &Path, sources: &[&Path], output: &str) -> Result<Outcome> {
    let mut command = starter.landfall(&["init"]);
    command.args(sources).arg("--output").arg(folder.join(output)).arg("--json");
    command.arg("--lock").arg(workspace::root().join("tests/images/assembled.lock"));
    command.arg("--kubectl").arg(starter.binaries().join("kubectl")).arg("--helm").arg(images::ensure_helm()?);
    Outcome::of(&mut command)
}

/// Fills in the values that a user would.
fn fill_in(path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let filled = text
        .replace("save: [FILL-IN]", "save: [tar, -cf, '-', -C, /orders, .]")
        .replace("load: [FILL-IN]", "load: [tar, -xf, '-', -C, /orders]")
        .replace("shows: FILL-IN, arguments: [FILL-IN]", "shows: The orders can be read, arguments: [ls, /orders]");
    std::fs::write(path, filled).context("cannot write the definition")
}

/// Removes the entry of an image that the release does not use.
fn without(lock: &Path, name: &str) -> Result<()> {
    let text = std::fs::read_to_string(lock)?;
    let (mut left, mut is_within, mut has_entry) = (String::new(), false, false);
    for line in text.split_inclusive('\n') {
        let is_first = line.starts_with(&format!("  - reference: {name}"));
        has_entry |= is_first;
        // The lines of an entry are indented further than its first line.
        is_within = is_first || (is_within && line.starts_with("    "));
        if !is_within {
            left.push_str(line);
        }
    }
    ensure!(has_entry, "the lock has no {name}");
    std::fs::write(lock, left).context("cannot write the lock")
}

#[test]
#[ignore = "needs cargo xtask test"]
fn manifests_and_chart_build() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    for name in ["plain", "kustomized"] {
        std::fs::create_dir(path(name))?;
        std::fs::write(path(name).join("shop.yaml"), SHOP)?;
    }
    std::fs::write(path("kustomized/kustomization.yaml"), KUSTOMIZATION)?;
    let chart = workspace::root().join("tests/charts/metrics");
    let (plain, kustomized) = (path("plain"), path("kustomized"));
    let made = init(starter, folder.path(), &[&plain, &kustomized, &chart], "release")?;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let report = made.json()?;
    assert_eq!(report["fillIn"].as_array().map(Vec::len), Some(6), "{report}");
    for file in walk(&path("release"))? {
        assert!(!std::fs::read_to_string(&file)?.contains("hunter2"), "{}", file.display());
    }

    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let lock = || {
        let mut command = starter.landfall_lock();
        command.arg(path("release")).arg("--registries").arg(vendor.registries_file());
        command.arg("--store").arg(vendor.store());
        command
    };
    let refused = Outcome::of(&mut lock())?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2020")), "{}", refused.stderr);
    assert!(refused.stderr.contains("save: [FILL-IN]"), "{}", refused.stderr);
    for name in ["plain", "kustomized"] {
        fill_in(&path("release/manifests").join(name).join("component.yaml"))?;
    }
    let metrics = path("release/manifests/metrics/component.yaml");
    let with_values = std::fs::read_to_string(&metrics)?;
    let values = workspace::root().join("tests/releases/charts/values/image.yaml");
    let with_values = with_values
        .replace("tests/charts/metrics}", &format!("tests/charts/metrics, values: ['{}']}}", values.display()));
    std::fs::write(&metrics, with_values)?;
    without(&path("release/images.lock"), "registry.example/metrics")?;

    let asked = Outcome::success(lock().args(["--dry-run", "--json"]))?.json()?;
    let asked = asked["requests"].as_array().context("no requests")?;
    assert!(
        asked.iter().all(|request| request["mirror"].as_str().is_some_and(|to| to.starts_with("http://127.0.0.1:"))),
        "{asked:?}"
    );
    let outdated = Outcome::of(lock().arg("--check"))?;
    assert_eq!((outdated.code, outdated.error()), (4, Some("LF2019")), "{}", outdated.stderr);
    let helm = images::ensure_helm()?;
    Outcome::success(lock().arg("--helm").arg(&helm))?;
    Outcome::success(lock().arg("--check"))?;

    std::fs::copy(path("release/images.lock"), vendor.lock_file())?;
    let with_helm = ["--json", "--helm", &helm.display().to_string()];
    let arguments = vendor.build_arguments(&path("release"), &path("stick"), &with_helm);
    Outcome::success(&mut starter.command(&vendor, &arguments))?;
    let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(path("stick")))?.json()?;
    let components = shown["release"]["components"].as_array().context("no components")?;
    let names: Vec<_> = components.iter().filter_map(|component| component["name"].as_str()).collect();
    assert_eq!(names, ["network", "dns", "storage", "console", "plain", "kustomized", "metrics"]);
    let namespaces: Vec<_> = components.iter().skip(4).filter_map(|it| it["namespace"].as_str()).collect();
    assert_eq!(namespaces, ["shop", "other", "metrics"]);
    Ok(())
}

/// Returns every file below a folder.
fn walk(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn the_examples_of_this_repository_are_understood() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let manifests = workspace::root().join("manifests");
    let made = init(starter, folder.path(), &[&manifests], "platform")?;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let report = made.json()?;
    let components = report["components"].as_array().context("no components")?;
    let shown: Vec<String> = components.iter().map(format_component).collect();
    let definition = std::fs::read_to_string(folder.path().join("platform/release.yaml"))?;
    let own = definition.find("components:\n").map_or("", |at| &definition[at..]);
    insta::assert_snapshot!(format!("{}\n\n{own}", shown.join("\n")));

    let charts = workspace::root().join("tests/charts");
    let made = init(starter, folder.path(), &[&charts], "charts")?;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let report = made.json()?;
    let components = report["components"].as_array().context("no components")?;
    assert_eq!(components.len(), 8, "{report}");
    Ok(())
}

/// Formats a component of a report for people.
fn format_component(component: &Value) -> String {
    let images: Vec<_> = component["images"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{} in {}: {}", component["name"], component["namespace"], images.join(", "))
}
