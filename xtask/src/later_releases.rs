//! Later releases of the starter, written from its definition and from `tests/releases`. One works, one has a database
//! that destroys its data and never starts, and one has a canary that fails its proof.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::images::registry_tree::Reference;
use crate::images::{RegistryTree, Workshop, postgres, python};
use crate::starter::BUILD_OPTIONS;
use crate::vendor::Vendor;
use crate::workspace;

/// Seconds after which the broken database counts as failed.
const BROKEN_SECONDS: u32 = 40;

/// Seconds after which the database with the failing migration counts as failed: time to start, and for writes.
const HALF_SECONDS: u32 = 75;

/// A component that only the later releases have. It continuously writes to its own volume.
const BULLETIN: &str = "
  - name: bulletin
    manifests: BASE/bulletin
    namespace: bulletin
    needs: [dns, storage, postgres]
    podSecurity: restricted
    quota: {pods: \"4\", requests.cpu: \"1\", requests.memory: 1Gi, limits.memory: 1Gi, persistentvolumeclaims: \"2\"}
    data: kept
    backup:
      - name: lines
        workload: StatefulSet/bulletin
        volume: data
        preset: files
        with: {path: /data}
        # It writes without pause, and files that change while they are saved fail the backup.
        hold:
          begin: [python3, /program/server.py, hold, '%{seconds}']
          end: [python3, /program/server.py, free]
        checks:
          - shows: The restored file has every line up to its last one
            arguments: [python3, /program/server.py, check]
";

/// Proof that the component can be used.
const PROOF: &str = "
  - name: bulletin
    component: bulletin
    shows: The bulletin answers at its service address
    request: {service: bulletin, port: 80, path: /, expect: {status: 200}}
";

/// Canary of the cluster's nameserver in 1.1.0: two of its pods serve at a time, and the new one is queried for
/// metrics.
const CANARY: &str = "
    canary: {workload: Deployment/coredns, proofs: [nameserver], soakSeconds: 6}
";

/// Proof that the canary must pass.
const CANARY_PROOF: &str = "
  - name: nameserver
    component: dns
    shows: The nameserver serves the cluster's names
    request: {service: kube-dns, port: 9153, path: /metrics, expect: {body: {contains: 'coredns_build_info'}}}
";

/// Writes the definitions below a folder; returns each one's folder with its name: `next`, `broken` and `unproved`.
pub fn define(folder: &Path) -> Result<[(&'static str, PathBuf); 3]> {
    let releases = [("next", next()?), ("broken", broken_release()?), ("unproved", unproved_release()?)];
    let [next, broken, unproved] =
        releases.map(|(name, text)| write_definition(folder, name, &text).map(|folder| (name, folder)));
    Ok([next?, broken?, unproved?])
}

/// Writes the definition of 1.1.0 below a folder; returns its folder.
pub fn define_next(folder: &Path) -> Result<PathBuf> {
    write_definition(folder, "next", &next()?)
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
    let text = replace_once(&starter()?, "version: 1.0.0\ncounter: 1\n", "version: 1.0.1\ncounter: 2\n")?;
    let text = GPU_TOOLS.iter().try_fold(text, |text, (from, to)| replace_once(&text, from, to))?;
    write_definition(folder, "node", &resolve_paths(&text))
}

/// Writes the definition of 1.4.0, whose migration fails halfway, below a folder; returns its folder.
pub fn define_half(folder: &Path) -> Result<PathBuf> {
    write_definition(folder, "half", &half()?)
}

/// Fields that make the component ask for the limits of the license.
const LICENSED: &str = "    needs: [dns, storage, console]
    entitlement: bulletin
    licenseCheck: [init, sidecar]
";

/// Writes the definitions of two releases below a folder, and returns each folder with its name. They have an
/// additional component, whose pods ask for the limits of the license. The second release is 1.1.0, and is otherwise
/// identical.
pub fn define_licensed(folder: &Path) -> Result<[(&'static str, PathBuf); 2]> {
    let asking = replace_once(BULLETIN, "    needs: [dns, storage, postgres]\n", LICENSED)?;
    let text = with_component(&starter()?, &asking)?;
    let later = replace_once(&text, "version: 1.0.0\ncounter: 1\n", "version: 1.1.0\ncounter: 2\n")?;
    let [first, later] = [("licensed", text), ("licensed-later", later)]
        .map(|(name, text)| write_definition(folder, name, &resolve_paths(&text)).map(|folder| (name, folder)));
    Ok([first?, later?])
}

/// Fields that make the component ask a site for a password, and for a certificate with its key. The component counts
/// as failed after two minutes: a slow host needs part of that, and the test waits for one failure.
const GIVEN: &str = "    needs: [dns, storage]
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
    let asking = replace_once(BULLETIN, "    needs: [dns, storage, postgres]\n", GIVEN)?;
    let asking = replace_once(&asking, "BASE/bulletin\n", "BASE/bulletin-given\n")?;
    let text = with_component(&starter()?, &asking)?;
    write_definition(folder, "given", &resolve_paths(&text))
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

/// Parts of the starter that 1.1.0 lacks, each with its first line and the line after it: the cache, its settings, its
/// proof.
const REMOVED: [(&str, &str); 3] = [
    ("  - name: valkey\n", "  - name: assistant\n"),
    ("  - name: valkey.storage\n", "  # Computed at the site from facts and ranges; a site cannot set them.\n"),
    ("  - name: key\n", "  - name: names\n"),
];

/// The memory that the database may use if the site sets nothing, in 1.0.0 and in 1.1.0.
pub const DEFAULT_MEMORY: [&str; 2] = ["1Gi", "1280Mi"];

/// Returns the definition of 1.1.0. Its database has a later minor version, more memory, and a job that changes the
/// schema. Its later model has a new pod that answers before the previous one ends. One component is added, and one
/// removed.
fn next() -> Result<String> {
    let text =
        replace_once(&starter()?, "version: 1.0.0\ncounter: 1\n", "version: 1.1.0\ncounter: 2\nsoakSeconds: 6\n")?;
    let text = replace_once(&text, "manifests: ../../manifests/postgres\n", "manifests: BASE/postgres-next\n")?;
    let data = "    data: kept\n    backup:\n      - name: database\n";
    let text = replace_once(&text, data, &data.replace("kept", "migrated"))?;
    let text = replace_once(&text, "manifests: ../../manifests/assistant\n", "manifests: BASE/assistant-next\n")?;
    let dns = "  - name: dns\n    manifests: ../../manifests/dns\n";
    let later = format!("  - name: dns\n    manifests: BASE/dns-next\n{}", CANARY.trim_start_matches('\n'));
    let text = replace_once(&text, dns, &later)?;
    let text = REMOVED.iter().try_fold(text, |text, (first, next)| without(&text, first, next))?;
    let text = replace_once(&text, ", (6379, \"valkey\")", "")?;
    let [before, after] = DEFAULT_MEMORY.map(|memory| format!("    default: {memory}\n"));
    let text = replace_once(&text, &before, &after)?;
    let text = with_component(&text, BULLETIN)?;
    let text = format!("{}\n{PROOF}{CANARY_PROOF}", text.trim_end());
    Ok(resolve_paths(&text))
}

/// Returns the definition of 1.2.0, whose migration destroys the database. The database never starts then, which is
/// known in less than a minute.
fn broken_release() -> Result<String> {
    failing("version: 1.2.0\ncounter: 3\n", "postgres-broken", BROKEN_SECONDS)
}

/// Returns the definition of 1.4.0, whose job changes a part of the schema of the running database, and then fails.
fn half() -> Result<String> {
    failing("version: 1.4.0\ncounter: 5\n", "postgres-half", HALF_SECONDS)
}

/// Returns 1.1.0 under another version, with the database from a folder, which counts as failed after this many
/// seconds.
fn failing(version: &str, folder: &str, seconds: u32) -> Result<String> {
    let text = replace_once(&next()?, "version: 1.1.0\ncounter: 2\n", version)?;
    let database = format!("/{folder}\n    readySeconds: {seconds}\n    namespace: postgres\n");
    replace_once(&text, "/postgres-next\n    namespace: postgres\n", &database)
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
fn unproved_release() -> Result<String> {
    let text = replace_once(&next()?, "version: 1.1.0\ncounter: 2\n", "version: 1.3.0\ncounter: 4\n")?;
    let text = replace_once(&text, "/dns-next\n", "/dns-unproved\n")?;
    replace_once(&text, "contains: 'coredns_build_info'", "contains: 'coredns_of_another_release'")
}

/// The definition of 1.0.0.
fn starter() -> Result<String> {
    Ok(std::fs::read_to_string(workspace::root().join("releases/starter/release.yaml"))?)
}

/// A definition with an additional component at the end.
fn with_component(text: &str, component: &str) -> Result<String> {
    replace_once(text, "\nvalues:\n", &format!("{component}\nvalues:\n"))
}

fn resolve_paths(text: &str) -> String {
    let root = workspace::root();
    text.replace("BASE/", &format!("{}/tests/releases/", root.display()))
        .replace("../../", &format!("{}/", root.display()))
}

fn replace_once(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "the starter release does not have {from:?} exactly once");
    Ok(text.replacen(from, to, 1))
}

/// Removes the text that begins with the line `first` and ends before the line `next`.
fn without(text: &str, first: &str, next: &str) -> Result<String> {
    let (before, rest) = text.split_once(first).with_context(|| format!("the starter release lacks {first:?}"))?;
    let (_, after) = rest.split_once(next).with_context(|| format!("{next:?} does not follow {first:?}"))?;
    Ok(format!("{before}{next}{after}"))
}

/// Writes a definition into a folder of this name; returns that folder.
fn write_definition(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("release.yaml");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_release_has_expected_differences() {
        let next = next().unwrap();
        for part in [
            "version: 1.1.0\n",
            "  - name: bulletin\n    manifests: ",
            "    data: migrated\n",
            "    default: 1280Mi\n",
            "for port, name in [(5432, \"postgres\")]:",
            "  - name: assistant\n    manifests: ",
            "  - name: cluster.network.flannel\n",
            "  - name: names\n    component: assistant\n",
        ] {
            assert_eq!(next.matches(part).count(), 1, "{part:?} in {next}");
        }
        assert!(!next.contains("valkey"), "{next}");
    }

    #[test]
    fn removal_ends_before_next_line() {
        let text = "a\nb\nc\nd\n";
        assert_eq!(without(text, "b\n", "d\n").unwrap(), "a\nd\n");
        let refused = |first: &str, next: &str| without(text, first, next).unwrap_err().to_string();
        assert_eq!(refused("x\n", "d\n"), "the starter release lacks \"x\\n\"");
        assert_eq!(refused("c\n", "b\n"), "\"b\\n\" does not follow \"c\\n\"");
    }
}
