//! Later releases of the starter, written from its definition and from `tests/releases`. One works, one has a database
//! that destroys its data and never starts, and one has a canary that fails its proof.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

mod definition;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use definition::LaterDefinition;

use crate::images::registry_tree::Reference;
use crate::images::{RegistryTree, Workshop, postgres, python};
use crate::starter::BUILD_OPTIONS;
use crate::vendor::Vendor;

/// Seconds after which the broken database counts as failed.
const BROKEN_SECONDS: u32 = 40;

/// Seconds after which the database with the failing migration counts as failed: time to start, and for writes.
const HALF_SECONDS: u32 = 75;

/// Canary of the cluster's nameserver in 1.1.0, with the proof that it must pass: two of its pods serve at a time, and
/// the new one is queried for metrics.
const CANARY: &str = "canary: {workload: Deployment/coredns, proofs: [nameserver], soakSeconds: 6}
proofs:
  - name: nameserver
    shows: The nameserver serves the cluster's names
    request: {service: kube-dns, port: 9153, path: /metrics, expect: {body: {contains: 'coredns_build_info'}}}
";

/// Writes the definitions below a folder; returns each one's folder with its name: `next`, `broken` and `unproved`.
pub fn define(folder: &Path) -> Result<[(&'static str, PathBuf); 3]> {
    let releases = [("next", next()?), ("broken", broken_release()?), ("unproved", unproved_release()?)];
    let [next, broken, unproved] =
        releases.map(|(name, definition)| definition.write(folder, name).map(|folder| (name, folder)));
    Ok([next?, broken?, unproved?])
}

/// Writes the definition of 1.1.0 below a folder; returns its folder.
pub fn define_next(folder: &Path) -> Result<PathBuf> {
    next()?.write(folder, "next")
}

/// NVIDIA's tools as a part of the node pack, and as an artifact.
const GPU_TOOLS: [(&str, &str); 2] = [
    (
        "artifacts: [kubernetes, containerd, runc, cni, etcd]",
        "artifacts: [kubernetes, containerd, runc, cni, etcd, gpu-tools]",
    ),
    (
        "\nartifacts:\n",
        "\nartifacts:\n  - {name: gpu-tools, kind: node, reference: example.internal/nvidia-container-toolkit}\n",
    ),
];

/// Writes the definition of 1.0.1 below a folder, and returns its folder. It differs from 1.0.0 only in its node pack,
/// with later parts and NVIDIA's tools.
pub fn define_node(folder: &Path) -> Result<PathBuf> {
    let mut node = LaterDefinition::starter()?;
    node.number("1.0.1", 2)?;
    GPU_TOOLS.iter().try_for_each(|(from, to)| node.edit(from, to))?;
    node.write(folder, "node")
}

/// Writes the definition of 1.4.0, whose migration fails halfway, below a folder; returns its folder.
pub fn define_half(folder: &Path) -> Result<PathBuf> {
    half()?.write(folder, "half")
}

/// First line of the bulletin's file.
const BULLETIN_NEEDS: &str = "needs: [dns, storage, postgres]\n";

/// Its copy of the database's password. Variants of the bulletin do not need the database.
const BULLETIN_COPY: &str = "secrets: [{name: database, copies: {login: {component: postgres, secret: postgres-credentials, key: password}}}]\n";

/// Fields that make the component ask for the limits of the license.
const LICENSED: &str = "needs: [dns, storage, console]
entitlement: bulletin
licenseCheck: [init, sidecar]
";

/// Writes the definitions of two releases below a folder, and returns each folder with its name. They have an
/// additional component, whose pods ask for the limits of the license. The second release is 1.1.0, and is otherwise
/// identical.
pub fn define_licensed(folder: &Path) -> Result<[(&'static str, PathBuf); 2]> {
    let mut licensed = LaterDefinition::starter()?;
    licensed.add("bulletin")?;
    licensed.edit_component("bulletin", BULLETIN_NEEDS, LICENSED)?;
    licensed.edit_component("bulletin", BULLETIN_COPY, "")?;
    let first = ("licensed", licensed.write(folder, "licensed")?);
    licensed.number("1.1.0", 2)?;
    Ok([first, ("licensed-later", licensed.write(folder, "licensed-later")?)])
}

/// Fields that make the component ask a site for a password, and for a certificate with its key. The component counts
/// as failed after two minutes: a slow host needs part of that, and the test waits for one failure.
const GIVEN: &str = "needs: [dns, storage]
readySeconds: 120
siteSecrets:
  - name: directory
    meaning: Password of the account that reads the directory
    value: {password: {minimum: 12}}
  - name: front
    meaning: Certificate of the bulletin, and its key
    value: {tls: {}}
";

/// Writes the definition of a release below a folder, and returns its folder. It has an additional component, which
/// asks the site for secrets.
pub fn define_given(folder: &Path) -> Result<PathBuf> {
    let mut given = LaterDefinition::starter()?;
    given.add("bulletin")?;
    given.edit_component("bulletin", BULLETIN_NEEDS, GIVEN)?;
    given.edit_component("bulletin", BULLETIN_COPY, "")?;
    given.take_manifests("bulletin", "bulletin-given")?;
    given.write(folder, "given")
}

/// Prefixes of the references that later releases have in another version.
const RUNTIME: &str = "github.com/containerd/containerd:";
const DATABASE: &str = "docker.io/pgvector/pgvector:";
const MODEL: &str = "huggingface.co/sentence-transformers/all-minilm-l6-v2:";

/// Resolves the lock of 1.1.0 or a later release, with a later containerd, minor version of the database, and model.
pub fn lock(vendor: &Vendor, release: &Path) -> Result<()> {
    vendor.lock_with_later(
        release,
        |reference| [RUNTIME, DATABASE, MODEL].iter().any(|later| reference.starts_with(later)),
        "",
    )
}

/// Resolves the lock of 1.0.1, which has a later node pack, with NVIDIA's tools from these parts.
pub fn lock_node(vendor: &Vendor, release: &Path, parts: &RegistryTree) -> Result<()> {
    let tools = parts.references.iter().find(|part| !part.image).context("NVIDIA's parts have no artifact")?;
    let unresolved = ["digest", "mediaType", "size"].map(|field| format!("    {field}: unresolved\n")).concat();
    let Reference { reference, recipe, .. } = tools;
    let entry = format!("  - reference: {reference}\n    recipe: {recipe}\n    license: Apache-2.0\n{unresolved}");
    let is_of_the_node = |reference: &str| ![DATABASE, MODEL].iter().any(|other| reference.starts_with(other));
    vendor.lock_with_later(release, is_of_the_node, &entry)
}

/// Returns the minor versions of the database in 1.0.0 and 1.1.0, such as `17.11`. They are equal if Debian's archive
/// has only one.
pub fn server_versions() -> Result<[String; 2]> {
    postgres::server_versions(&Workshop::open()?)
}

/// The digest of the model's weights in 1.0.0 and in 1.1.0, such as `sha256:53aa…`.
pub fn model_weights() -> Result<[String; 2]> {
    python::weights(&Workshop::open()?)
}

/// The memory that the database may use if the site sets nothing, in 1.0.0 and in 1.1.0.
pub const DEFAULT_MEMORY: [&str; 2] = ["1Gi", "1280Mi"];

/// Returns the definition of 1.1.0. Its database has a later minor version, more memory, and a job that changes the
/// schema. Its later model has a new pod that answers before the previous one ends. One component is added, and one
/// removed.
fn next() -> Result<LaterDefinition> {
    let mut next = LaterDefinition::starter()?;
    next.number("1.1.0", 2)?;
    next.edit("counter: 2\n", "counter: 2\nsoakSeconds: 6\n")?;
    next.take_manifests("postgres", "postgres-next")?;
    next.edit_component("postgres", "data: kept\n", "data: migrated\n")?;
    let [before, after] = DEFAULT_MEMORY.map(|memory| format!("    default: {memory}\n"));
    next.edit_component("postgres", &before, &after)?;
    next.take_manifests("assistant", "assistant-next")?;
    next.take_manifests("dns", "dns-next")?;
    next.extend_component("dns", CANARY)?;
    next.remove("valkey")?;
    next.edit(", (6379, \"valkey\")", "")?;
    next.add("bulletin")?;
    Ok(next)
}

/// Returns the definition of 1.2.0, whose migration destroys the database. The database never starts then, which is
/// known in less than a minute.
fn broken_release() -> Result<LaterDefinition> {
    failing(("1.2.0", 3), "postgres-broken", BROKEN_SECONDS)
}

/// Returns the definition of 1.4.0, whose job changes a part of the schema of the running database, and then fails.
fn half() -> Result<LaterDefinition> {
    failing(("1.4.0", 5), "postgres-half", HALF_SECONDS)
}

/// Returns 1.1.0 under another version, with the database from a folder, which counts as failed after this many
/// seconds.
fn failing((version, counter): (&str, u64), folder: &str, seconds: u32) -> Result<LaterDefinition> {
    let mut failing = next()?;
    failing.number(version, counter)?;
    failing.take_manifests("postgres", folder)?;
    failing.extend_component("postgres", &format!("readySeconds: {seconds}\n"))?;
    Ok(failing)
}

/// Builds the later releases in a folder that already has the starter's, next to the starter on the stick.
pub fn build(vendor: &Vendor, folder: &Path) -> Result<()> {
    let defined = define(&folder.join("later-releases"))?;
    for (name, release) in defined.into_iter().filter(|(name, _)| *name != "unproved") {
        lock(vendor, &release)?;
        vendor.build(&release, &folder.join("stick").join(name), &BUILD_OPTIONS)?;
    }
    Ok(())
}

/// Returns the definition of 1.3.0, whose nameserver violates the release's promise, as its canary finds.
fn unproved_release() -> Result<LaterDefinition> {
    let mut unproved = next()?;
    unproved.number("1.3.0", 4)?;
    unproved.take_manifests("dns", "dns-unproved")?;
    unproved.edit_component("dns", "contains: 'coredns_build_info'", "contains: 'coredns_of_another_release'")?;
    Ok(unproved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All files of a written definition, release.yaml first.
    fn texts(definition: &LaterDefinition) -> String {
        let folder = tempfile::tempdir().unwrap();
        let written = definition.write(folder.path(), "written").unwrap();
        let mut files = vec![written.join("release.yaml")];
        let components = written.join("components").read_dir().into_iter().flatten();
        files.extend(components.map(|folder| folder.unwrap().path().join("component.yaml")));
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    #[test]
    fn next_release_has_expected_differences() {
        let next = texts(&next().unwrap());
        for part in [
            "version: 1.1.0\ncounter: 2\nsoakSeconds: 6\n",
            "  - {name: bulletin, from: /",
            "  - {name: postgres, from: components/postgres, ",
            "/tests/releases/postgres-next\n",
            "data: migrated\n",
            "    default: 1280Mi\n",
            "for port, name in [(5432, \"postgres\")]:",
            "  - {name: assistant, from: components/assistant, ",
            "  - name: names\n    component: assistant\n",
            "canary: {workload: Deployment/coredns, ",
        ] {
            assert_eq!(next.matches(part).count(), 1, "{part:?} in {next}");
        }
        assert!(!next.contains("valkey") && !next.contains("../"), "{next}");
    }

    #[test]
    fn failing_releases_have_their_own_manifests() {
        let broken = texts(&broken_release().unwrap());
        for part in ["version: 1.2.0\ncounter: 3\n", "/tests/releases/postgres-broken\n", "\nreadySeconds: 40\n"] {
            assert_eq!(broken.matches(part).count(), 1, "{part:?} in {broken}");
        }
        let unproved = texts(&unproved_release().unwrap());
        assert!(unproved.contains("/tests/releases/dns-unproved\n"), "{unproved}");
        assert!(unproved.contains("contains: 'coredns_of_another_release'"), "{unproved}");
    }

    #[test]
    fn added_component_takes_other_manifests() {
        let folder = tempfile::tempdir().unwrap();
        let [(_, first), (_, later)] = define_licensed(folder.path()).unwrap();
        let read = |folder: &Path, file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        for (folder, version) in [(first, "version: 1.0.0\ncounter: 1\n"), (later, "version: 1.1.0\ncounter: 2\n")] {
            let release = read(&folder, "release.yaml");
            assert!(release.contains(version), "{release}");
            assert!(release.contains("  - {name: bulletin, from: components/bulletin, namespace: bulletin}\n"));
            assert!(read(&folder, "components/bulletin/component.yaml").contains("\nentitlement: bulletin\n"));
        }
        let given = define_given(folder.path()).unwrap();
        let own = read(&given, "components/bulletin/component.yaml");
        assert!(own.contains("/tests/releases/bulletin-given\n") && own.contains("\nsiteSecrets:\n"), "{own}");
    }
}
