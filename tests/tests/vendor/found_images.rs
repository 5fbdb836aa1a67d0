//! A release with a chart, a known custom resource and a custom resource of its own kind, and a lock without images.
//! `lock` and `build` alone turn it into a bundle, from a real registry and with the real Helm. A field that only
//! resembles an image is reported, until the release declares it.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_test_support::definition as notation;
use landfall_xtask::{images, workspace};
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::starter::starter;

/// Images of a node pack, by role.
const NODE_IMAGES: [(&str, &str); 7] = [
    ("api-server", "registry.k8s.io/kube-apiserver"),
    ("controller-manager", "registry.k8s.io/kube-controller-manager"),
    ("scheduler", "registry.k8s.io/kube-scheduler"),
    ("proxy", "registry.k8s.io/kube-proxy"),
    ("etcd", "registry.k8s.io/etcd"),
    ("pause", "registry.k8s.io/pause"),
    ("registry", "docker.io/library/registry"),
];

/// Images of the chart's operator, of a known custom resource, and of a resource of the chart's own kind.
const BUSYBOX: &str = "docker.io/library/busybox";
const VALKEY: &str = "docker.io/valkey/valkey";
const PGVECTOR: &str = "docker.io/pgvector/pgvector";

/// Definition of a kind that is in the table of known fields.
const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clusters.postgresql.cnpg.io}
spec:
  group: postgresql.cnpg.io
  names: {kind: Cluster, listKind: ClusterList, plural: clusters, singular: cluster}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// The release's declarations of unknown fields.
const IMAGE_FIELDS: &str = "imageFields:
  - {group: database.example.com, kind: Cluster, path: /spec/imageName}
  - {group: apps, kind: Deployment, path: '/spec/template/spec/containers/*/env/[name=OPERATOR_IMAGE_NAME]/value'}
";

/// Returns the lock of assembled images, whose registry has them.
fn assembled_lock() -> Result<String> {
    std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock")).context("no lock")
}

/// Returns that lock without its images.
fn without_images() -> Result<String> {
    let text = assembled_lock()?;
    let (before, rest) = text.split_once("\nimages:\n").context("no images")?;
    let (_, artifacts) = rest.split_once("\nartifacts:\n").context("no artifacts")?;
    Ok(format!("{before}\n# What the release names.\nimages: []\n\n# Written by hand.\nartifacts:\n{artifacts}"))
}

/// Returns the reference of an image, in the version of the assembled parts.
fn versioned_reference(name: &str) -> Result<String> {
    let text = assembled_lock()?;
    let mut references = text.lines().filter_map(|line| line.trim().strip_prefix("- reference: "));
    let begins = |reference: &&str| reference.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    Ok(references.find(begins).with_context(|| format!("no {name}"))?.to_owned())
}

/// Returns the definition of a release with a node pack and these `components`.
pub fn definition(name: &str, version: &str, components: &str) -> Result<String> {
    let roles = NODE_IMAGES.iter().map(|(role, name)| Ok(format!("      {role}: {}\n", versioned_reference(name)?)));
    let roles = roles.collect::<Result<Vec<_>>>()?.concat();
    Ok(format!(
        "name: {name}\nversion: {version}\ncounter: 1\nplatform: linux/amd64\nlock: images.lock\n\
         requirements: {{cores: 2, memory: 4Gi, data: 6Gi}}\n\
         nodePacks:\n  - kubernetes: v1.36\n    artifacts: [kubernetes, containerd, runc, cni, etcd]\n    images:\n\
         {roles}artifacts:\n  - {{name: kubernetes, kind: node, reference: dl.k8s.io/kubernetes/node}}\n  - \
         {{name: containerd, kind: node, reference: github.com/containerd/containerd}}\n  - \
         {{name: runc, kind: node, reference: github.com/opencontainers/runc}}\n  - \
         {{name: cni, kind: node, reference: github.com/containernetworking/plugins}}\n  - \
         {{name: etcd, kind: node, reference: github.com/etcd-io/etcd}}\n{components}"
    ))
}

/// Statement of what the components lack.
const WITHOUT: &str = "without: {probes: a test, limits: a test, proofs: a test}";

/// Writes the release, its manifests and its values into a folder.
fn write_release(folder: &Path) -> Result<()> {
    let chart = workspace::root().join("tests/charts/database-operator");
    let components = format!(
        "components:\n  - name: operator\n    chart: {{folder: '{}', values: [operator.yaml]}}\n    namespace: \
         operator\n    podSecurity: baseline\n    {WITHOUT}\n  - name: rows\n    manifests: rows\n    namespace: rows\n    needs: \
         [operator]\n    {WITHOUT}\n",
        chart.display()
    );
    notation::write(folder, &definition("found", "1.0.0", &components)?);
    let busybox = versioned_reference(BUSYBOX)?;
    let (repository, tag) = busybox.rsplit_once(':').context("no tag")?;
    std::fs::write(folder.join("operator.yaml"), format!("image: {{repository: {repository}, tag: '{tag}'}}\n"))?;
    std::fs::create_dir(folder.join("rows"))?;
    std::fs::write(folder.join("rows/kustomization.yaml"), "resources: [kind.yaml, known.yaml, own.yaml]\n")?;
    std::fs::write(folder.join("rows/kind.yaml"), DEFINITION)?;
    let cluster = |group: &str, name: &str, image: &str| {
        format!("apiVersion: {group}/v1\nkind: Cluster\nmetadata: {{name: {name}}}\nspec: {{imageName: '{image}'}}\n")
    };
    std::fs::write(
        folder.join("rows/known.yaml"),
        cluster("postgresql.cnpg.io", "known", &versioned_reference(VALKEY)?),
    )?;
    std::fs::write(
        folder.join("rows/own.yaml"),
        cluster("database.example.com", "own", &versioned_reference(PGVECTOR)?),
    )?;
    Ok(std::fs::write(folder.join("images.lock"), without_images()?)?)
}

/// Returns a field of each element of a list.
fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|element| element[field].as_str()).collect()
}

#[test]
#[ignore = "needs cargo xtask test"]
fn lock_without_images_is_completed() -> Result<()> {
    let starter = starter()?;
    let helm = images::ensure_helm()?;
    let folder = starter.scratch()?;
    let release = folder.path().join("release");
    std::fs::create_dir(&release)?;
    write_release(&release)?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let lock = || -> Command {
        let mut command = starter.landfall_lock();
        command.arg(&release).arg("--registries").arg(vendor.registries_file()).arg("--store").arg(vendor.store());
        command.arg("--helm").arg(&helm);
        command
    };
    let [busybox, valkey, pgvector] = [BUSYBOX, VALKEY, PGVECTOR].map(versioned_reference);
    let (busybox, valkey, pgvector) = (busybox?, valkey?, pgvector?);

    // Images in known fields are added; a text that only resembles an image is not.
    let dry = Outcome::success(lock().args(["--dry-run", "--json"]))?.json()?;
    let asked = each(&dry["requests"], "entry");
    ensure!(asked.contains(&busybox.as_str()) && asked.contains(&valkey.as_str()), "{asked:?}");
    ensure!(!asked.contains(&pgvector.as_str()), "{asked:?}");
    assert_eq!(dry["unrendered"], json!([]));
    assert_eq!(std::fs::read_to_string(release.join("images.lock"))?, without_images()?, "a dry run wrote something");
    let report = Outcome::success(lock().arg("--json"))?.json()?;
    let added = each(&report["found"]["added"], "reference");
    assert_eq!(added.len(), NODE_IMAGES.len() + 2, "{added:?}");
    assert_eq!(added[NODE_IMAGES.len()..], [busybox.as_str(), valkey.as_str()]);
    let doubts = &report["found"]["inDoubt"];
    let mut texts = each(doubts, "text");
    texts.sort_unstable();
    assert_eq!(texts, [busybox.as_str(), pgvector.as_str()], "{doubts}");
    assert_eq!(each(doubts, "object").len(), 2, "{doubts}");
    assert_eq!((&report["found"]["unlisted"], &report["found"]["unrendered"]), (&json!([]), &json!([])));
    let said = Outcome::success(&mut lock())?;
    ensure!(
        said.text()?.contains(&format!("not added: `{pgvector}` looks like an image, in Cluster/own of rows")),
        "{said:?}"
    );

    // The release declares them to be images, and two commands make a bundle.
    let definition = release.join("release.yaml");
    std::fs::write(&definition, std::fs::read_to_string(&definition)? + IMAGE_FIELDS)?;
    let lacking = Outcome::of(lock().arg("--check"))?;
    assert_eq!((lacking.code, lacking.error()), (4, Some("LF2152")), "{}", lacking.stderr);
    ensure!(lacking.stderr.contains(&pgvector), "{}", lacking.stderr);
    let report = Outcome::success(lock().arg("--json"))?.json()?;
    assert_eq!(each(&report["found"]["added"], "reference"), [pgvector.as_str()]);
    assert_eq!((&report["found"]["inDoubt"], &report["found"]["unused"]), (&json!([]), &json!(unused_artifacts()?)));
    let locked = std::fs::read_to_string(release.join("images.lock"))?;
    for kept in ["\n# What the release names.\nimages:\n  - reference: ", "\n\n# Written by hand.\nartifacts:\n"] {
        ensure!(locked.contains(kept), "{kept:?} is not in\n{locked}");
    }
    ensure!(
        locked.contains(&format!("  - reference: {pgvector}  # found in rows\n    resolved: {pgvector}\n")),
        "{locked}"
    );
    std::fs::copy(release.join("images.lock"), vendor.lock_file())?;
    let stick = folder.path().join("stick");
    let arguments = vendor.build_arguments(&release, &stick, &["--json", "--helm", &helm.display().to_string()]);
    Outcome::success(&mut starter.command(&vendor, &arguments))?;
    let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(&stick))?.json()?;
    let carried = each(&shown["release"]["images"], "reference");
    for image in [&busybox, &valkey, &pgvector] {
        ensure!(carried.contains(&image.as_str()), "{image} is not among {carried:?}");
    }

    // An entry that the release no longer names stays in the lock, and is reported.
    std::fs::write(release.join("rows/kustomization.yaml"), "resources: [kind.yaml, own.yaml]\n")?;
    let report = Outcome::success(lock().arg("--json"))?.json()?;
    ensure!(each(&report["found"]["unused"], "entry").contains(&valkey.as_str()), "{}", report["found"]);
    let checked = Outcome::success(lock().args(["--check", "--json"]))?.json()?;
    ensure!(each(&checked["found"]["unused"], "entry").contains(&valkey.as_str()), "{}", checked["found"]);
    assert_eq!(std::fs::read_to_string(release.join("images.lock"))?, locked);
    Ok(())
}

/// Returns the lock's artifacts that this release does not use: those that the starter's pods mount.
fn unused_artifacts() -> Result<Vec<Value>> {
    let text = without_images()?;
    let references = text.lines().filter_map(|line| line.trim().strip_prefix("- reference: "));
    let of_nodes = ["dl.k8s.io/", "github.com/"];
    let unused = references.filter(|reference| of_nodes.iter().all(|host| !reference.starts_with(host)));
    Ok(unused.map(|reference| json!({ "kind": "artifact", "entry": reference })).collect())
}
