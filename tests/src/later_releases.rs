//! Later releases of the starter, written from its definition and from `tests/releases`: one that works, one whose database
//! destroys its data and never starts, and one whose canary does not pass its proof.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::images::registry_tree::Reference;
use crate::images::{RegistryTree, Workshop, postgres, python};
use crate::vendor::Vendor;
use crate::workspace;

/// Seconds after which the broken database counts as failed.
const BROKEN_SECONDS: u32 = 40;

/// The same of the database whose migration fails: time for it to start, and to be written to.
const HALF_SECONDS: u32 = 75;

/// A component that only the later releases have. It writes to a volume of its own without pause.
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

/// What shows that it can be used.
const PROOF: &str = "
  - name: bulletin
    component: bulletin
    shows: The bulletin answers at its service address
    request: {service: bulletin, port: 80, path: /, expect: {status: 200}}
";

/// How 1.1.0 tries the cluster's nameserver: its pods serve two at a time there, and the new form is asked for its figures.
const CANARY: &str = "
    canary: {workload: Deployment/coredns, proofs: [nameserver], soakSeconds: 6}
";

/// What the canary must pass.
const CANARY_PROOF: &str = "
  - name: nameserver
    component: dns
    shows: The nameserver serves the cluster's names
    request: {service: kube-dns, port: 9153, path: /metrics, expect: {body: {contains: 'coredns_build_info'}}}
";

/// Writes the definitions below a folder; returns the folder of each with its name: `next`, `broken` and `unproved`.
pub fn define(folder: &Path) -> Result<[(&'static str, PathBuf); 3]> {
    let releases = [("next", next()?), ("broken", broken()?), ("unproved", unproved()?)];
    let [next, broken, unproved] =
        releases.map(|(name, text)| written(folder, name, &text).map(|folder| (name, folder)));
    Ok([next?, broken?, unproved?])
}

/// Writes the definition of 1.1.0 below a folder; returns its folder.
pub fn define_next(folder: &Path) -> Result<PathBuf> {
    written(folder, "next", &next()?)
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

/// Writes the definition of 1.0.1 below a folder, which differs from 1.0.0 by its node pack alone, with later parts and with NVIDIA's tools;
/// returns its folder.
pub fn define_node(folder: &Path) -> Result<PathBuf> {
    let text = replaced(&starter()?, "version: 1.0.0\ncounter: 1\n", "version: 1.0.1\ncounter: 2\n")?;
    let text = GPU_TOOLS.iter().try_fold(text, |text, (from, to)| replaced(&text, from, to))?;
    written(folder, "node", &located(&text))
}

/// Writes the definition of 1.4.0 below a folder, whose migration fails half-way; returns its folder.
pub fn define_half(folder: &Path) -> Result<PathBuf> {
    written(folder, "half", &half()?)
}

/// What makes the component ask what the license allows.
const LICENSED: &str = "    needs: [dns, storage, console]
    entitlement: bulletin
    licenseCheck: [init, sidecar]
";

/// Writes the definitions of two releases below a folder that have one component more, whose pods ask what the license allows; returns the
/// folder of each with its name. The second one is 1.1.0, and differs by nothing else.
pub fn define_licensed(folder: &Path) -> Result<[(&'static str, PathBuf); 2]> {
    let asking = replaced(BULLETIN, "    needs: [dns, storage, postgres]\n", LICENSED)?;
    let text = with_component(&starter()?, &asking)?;
    let later = replaced(&text, "version: 1.0.0\ncounter: 1\n", "version: 1.1.0\ncounter: 2\n")?;
    let [first, later] = [("licensed", text), ("licensed-later", later)]
        .map(|(name, text)| written(folder, name, &located(&text)).map(|folder| (name, folder)));
    Ok([first?, later?])
}

/// What makes the component ask a site for a password and for a certificate with its key. It counts as failed after two minutes: a slow
/// host needs a part of that, and the test waits for one failure.
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

/// Writes the definition of a release below a folder that has one component more, which asks the site for secrets; returns its folder.
pub fn define_given(folder: &Path) -> Result<PathBuf> {
    let asking = replaced(BULLETIN, "    needs: [dns, storage, postgres]\n", GIVEN)?;
    let asking = replaced(&asking, "BASE/bulletin\n", "BASE/bulletin-given\n")?;
    let text = with_component(&starter()?, &asking)?;
    written(folder, "given", &located(&text))
}

/// The beginnings of references: what later releases have in another version.
const RUNTIME: &str = "github.com/containerd/containerd:";
const DATABASE: &str = "docker.io/pgvector/pgvector:";
const MODEL: &str = "huggingface.co/sentence-transformers/all-minilm-l6-v2:";

/// Resolves the lock of 1.1.0 or a later release, which has a later containerd, a later minor version of the database and a later model.
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

/// The minor version of the database in 1.0.0 and in 1.1.0, such as `17.11`. They are equal where Debian's archive has only one.
pub fn server_versions() -> Result<[String; 2]> {
    postgres::server_versions(&Workshop::open()?)
}

/// The digest of the model's weights in 1.0.0 and in 1.1.0, such as `sha256:53aa…`.
pub fn model_weights() -> Result<[String; 2]> {
    python::weights(&Workshop::open()?)
}

/// Each part of the starter that 1.1.0 lacks, from its first line to the line that follows it: the cache, its settings and its proof.
const REMOVED: [(&str, &str); 3] = [
    ("  - name: valkey\n", "  - name: assistant\n"),
    ("  - name: valkey.storage\n", "  # Computed at the site from facts and ranges; a site cannot set them.\n"),
    ("  - name: key\n", "  - name: names\n"),
];

/// The memory that the database may use where the site sets nothing, in 1.0.0 and in 1.1.0.
pub const DEFAULT_MEMORY: [&str; 2] = ["1Gi", "1280Mi"];

/// 1.1.0: another database, of a later minor version, whose schema a job changes and which may use more memory; a later model, whose new pod
/// answers before the one before ends; one component more, and one less.
fn next() -> Result<String> {
    let text = replaced(&starter()?, "version: 1.0.0\ncounter: 1\n", "version: 1.1.0\ncounter: 2\nsoakSeconds: 6\n")?;
    let text = replaced(&text, "manifests: ../../manifests/postgres\n", "manifests: BASE/postgres-next\n")?;
    let data = "    data: kept\n    backup:\n      - name: database\n";
    let text = replaced(&text, data, &data.replace("kept", "migrated"))?;
    let text = replaced(&text, "manifests: ../../manifests/assistant\n", "manifests: BASE/assistant-next\n")?;
    let dns = "  - name: dns\n    manifests: ../../manifests/dns\n";
    let later = format!("  - name: dns\n    manifests: BASE/dns-next\n{}", CANARY.trim_start_matches('\n'));
    let text = replaced(&text, dns, &later)?;
    let text = REMOVED.iter().try_fold(text, |text, (first, next)| without(&text, first, next))?;
    let text = replaced(&text, ", (6379, \"valkey\")", "")?;
    let [before, after] = DEFAULT_MEMORY.map(|memory| format!("    default: {memory}\n"));
    let text = replaced(&text, &before, &after)?;
    let text = with_component(&text, BULLETIN)?;
    let text = format!("{}\n{PROOF}{CANARY_PROOF}", text.trim_end());
    Ok(located(&text))
}

/// 1.2.0: its migration destroys the database, which never starts then; that is known after less than a minute.
fn broken() -> Result<String> {
    failing("version: 1.2.0\ncounter: 3\n", "postgres-broken", BROKEN_SECONDS)
}

/// 1.4.0: a job changes a part of the schema beside the running database, and then fails.
fn half() -> Result<String> {
    failing("version: 1.4.0\ncounter: 5\n", "postgres-half", HALF_SECONDS)
}

/// 1.1.0 under another version, whose database is that of a folder, and counts as failed after so many seconds.
fn failing(version: &str, folder: &str, seconds: u32) -> Result<String> {
    let text = replaced(&next()?, "version: 1.1.0\ncounter: 2\n", version)?;
    let database = format!("/{folder}\n    readySeconds: {seconds}\n    namespace: postgres\n");
    replaced(&text, "/postgres-next\n    namespace: postgres\n", &database)
}

/// 1.3.0: another form of the nameserver, of which the canary finds that it answers otherwise than the release promises.
fn unproved() -> Result<String> {
    let text = replaced(&next()?, "version: 1.1.0\ncounter: 2\n", "version: 1.3.0\ncounter: 4\n")?;
    let text = replaced(&text, "/dns-next\n", "/dns-unproved\n")?;
    replaced(&text, "contains: 'coredns_build_info'", "contains: 'coredns_of_another_release'")
}

/// The definition of 1.0.0.
fn starter() -> Result<String> {
    Ok(std::fs::read_to_string(workspace::root().join("releases/starter/release.yaml"))?)
}

/// A definition with one component more, the last one.
fn with_component(text: &str, component: &str) -> Result<String> {
    replaced(text, "\nvalues:\n", &format!("{component}\nvalues:\n"))
}

fn located(text: &str) -> String {
    let root = workspace::root();
    text.replace("BASE/", &format!("{}/tests/releases/", root.display()))
        .replace("../../", &format!("{}/", root.display()))
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "the starter release has {from:?} not once");
    Ok(text.replacen(from, to, 1))
}

/// Without what begins with the line `first` and ends before the line `next`.
fn without(text: &str, first: &str, next: &str) -> Result<String> {
    let (before, rest) = text.split_once(first).with_context(|| format!("the starter release lacks {first:?}"))?;
    let (_, after) = rest.split_once(next).with_context(|| format!("{next:?} does not follow {first:?}"))?;
    Ok(format!("{before}{next}{after}"))
}

/// Writes a definition into a folder of this name; returns that folder.
fn written(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
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
        assert!(without(text, "x\n", "d\n").is_err() && without(text, "c\n", "b\n").is_err());
    }
}
