//! Releases that are refused with exit code 2, an error code of their own, and the file and field in the message.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::registry::Registry;
use landfall_xtask::workspace;

use super::outcome::Outcome;
use super::starter::{Starter, starter};

/// Definition that tests make invalid.
const RELEASE: &str = "releases/starter/release.yaml";

/// Own files of components that tests make invalid.
const NETWORK: &str = "manifests/network/component.yaml";
const STORAGE: &str = "manifests/storage/component.yaml";
const VALKEY: &str = "manifests/valkey/component.yaml";
const ASSISTANT: &str = "manifests/assistant/component.yaml";

/// A copy of the starter release that a test makes invalid in one place, with an empty store.
struct BadRelease {
    starter: &'static Starter,
    folder: tempfile::TempDir,
    keys: PathBuf,
    registry: Option<Registry>,
}

impl BadRelease {
    fn new() -> Result<Self> {
        let starter = starter()?;
        let folder = starter.scratch()?;
        let release = folder.path().join("releases/starter");
        std::fs::create_dir_all(&release)?;
        std::fs::copy(workspace::root().join(RELEASE), folder.path().join(RELEASE))?;
        Outcome::success(
            Command::new("cp").arg("--recursive").arg(workspace::root().join("manifests")).arg(folder.path()),
        )?;
        std::fs::copy(starter.lock_file(), folder.path().join("images.lock"))?;
        Ok(Self { starter, folder, keys: starter.keys(), registry: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces text of a file. Fails unless it occurs exactly once.
    fn replace(self, name: &str, from: &str, to: &str) -> Result<Self> {
        let text = std::fs::read_to_string(self.path(name))?;
        ensure!(text.matches(from).count() == 1, "{name} holds {} of {from:?}", text.matches(from).count());
        write(&self.path(name), &text.replace(from, to))?;
        Ok(self)
    }

    /// Adds a registry on loopback that has all other content.
    fn with_registry(mut self) -> Result<Self> {
        let registry = self.starter.registry()?;
        let address = registry.address();
        write(
            &self.path("registries.yaml"),
            &format!("mirrors:\n  - {{host: \"*\", endpoint: \"http://{address}\"}}\n"),
        )?;
        self.registry = Some(registry);
        Ok(self)
    }

    fn landfall(&self, arguments: &[&str]) -> Command {
        let mut command = self.starter.landfall(arguments);
        command.arg(self.path("releases/starter")).arg("--lock").arg(self.path("images.lock"));
        if self.registry.is_some() {
            command.arg("--registries").arg(self.path("registries.yaml"));
        }
        command
    }

    /// Builds it, and returns the error message. Fails unless it is refused with this code before anything is written.
    fn refusal_text(&self, code: &str) -> Result<String> {
        self.error_text(&self.refusal(code)?)
    }

    fn refusal(&self, code: &str) -> Result<Outcome> {
        let output = self.path("output");
        let mut command = self.landfall(&["build"]);
        for (option, value) in [
            ("--key", self.keys.join("cosign.key")),
            ("--roots", self.keys.clone()),
            ("--output", output.clone()),
            ("--store", self.path("store")),
            ("--kubectl", self.starter.binaries().join("kubectl")),
        ] {
            command.arg(option).arg(value);
        }
        let outcome = Outcome::of(command.env("LANDFALL_KEY_PASSWORD", landfall_xtask::vendor::KEY_PASSWORD))?;
        assert_eq!((outcome.code, outcome.error()), (2, Some(code)), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "standard output is for data");
        assert!(!output.exists(), "a refused build wrote something");
        Ok(outcome)
    }

    /// Returns the error as a user reads it, without parts that differ between runs. A line number is replaced by the
    /// line's text, so that the snapshot shows that it is the right one.
    fn error_text(&self, outcome: &Outcome) -> Result<String> {
        let start = outcome.stderr.find("error[").context("no error")?;
        let mut said = outcome.stderr[start..].replace(&self.folder.path().display().to_string(), "FOLDER");
        if let Some(registry) = &self.registry {
            said = said.replace(&registry.address().to_string(), "REGISTRY");
        }
        for name in [RELEASE, NETWORK, STORAGE, VALKEY, ASSISTANT, "images.lock"] {
            let text = std::fs::read_to_string(self.path(name))?;
            for (number, line) in text.lines().enumerate() {
                let place = format!("FOLDER/{name}:{}: ", number + 1);
                said = said.replace(&place, &format!("FOLDER/{name}:<{}>: ", line.trim()));
            }
        }
        // Versions change with the lock.
        let lock = std::fs::read_to_string(self.path("images.lock"))?;
        for reference in lock.lines().filter_map(|line| line.trim().strip_prefix("- reference: ")) {
            let (name, _) = reference.rsplit_once(':').context("a reference has a tag")?;
            said = said.replace(reference, &format!("{name}:TAG"));
        }
        Ok(said)
    }
}

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_component_that_is_not_there_is_needed() -> Result<()> {
    let release = BadRelease::new()?.replace(VALKEY, "needs: [dns, storage]", "needs: [dns, stroage]")?;
    insta::assert_snapshot!(release.refusal_text("LF2003")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn components_need_one_another_in_a_cycle() -> Result<()> {
    let release = BadRelease::new()?.replace(NETWORK, "readySeconds: 180\n", "readySeconds: 180\nneeds: [dns]\n")?;
    insta::assert_snapshot!(release.refusal_text("LF2004")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn an_image_is_missing_from_the_lock() -> Result<()> {
    let release = BadRelease::new()?.replace(
        "images.lock",
        "reference: docker.io/valkey/valkey:8.1.1",
        "reference: docker.io/valkey/other:8.1.1",
    )?;
    insta::assert_snapshot!(release.refusal_text("LF2007")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn image_missing_from_registry_is_refused() -> Result<()> {
    let release = BadRelease::new()?.with_registry()?;
    let lock = std::fs::read_to_string(release.path("images.lock"))?;
    let (_, entry) = lock.split_once("reference: registry.k8s.io/pause:").context("no pause")?;
    let digest = entry.lines().find_map(|line| line.trim().strip_prefix("digest: ")).context("no digest")?;
    let release =
        release.replace("images.lock", &format!(" {digest}"), &format!(" sha256:{}", "0123456789abcdef".repeat(4)))?;
    insta::assert_snapshot!("missing_digest", release.refusal_text("LF2103")?);

    // A tag that was never pushed is detected when it is locked.
    let release = BadRelease::new()?.with_registry()?;
    std::fs::copy(workspace::root().join("tests/images/assembled.lock"), release.path("images.lock"))?;
    let release = release.replace("images.lock", "registry.k8s.io/pause:", "registry.k8s.io/pause:0.0.0-")?;
    let outcome =
        Outcome::of(release.landfall(&["lock"]).arg("--kubectl").arg(release.starter.binaries().join("kubectl")))?;
    assert_eq!((outcome.code, outcome.error()), (2, Some("LF2103")), "{}", outcome.stderr);
    insta::assert_snapshot!("missing_tag", release.error_text(&outcome)?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_configmap_names_an_image_that_is_not_declared() -> Result<()> {
    let declared = "  - kind: ConfigMap\n    name: local-path-config\n    \
                    path: /data/helperPod.yaml\n    reference: docker.io/library/busybox\n    \
                    text: docker.io/library/busybox\n";
    let release = BadRelease::new()?.replace(STORAGE, declared, "")?;
    insta::assert_snapshot!(release.refusal_text("LF2008")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn malformed_definition_is_refused() -> Result<()> {
    let release = BadRelease::new()?.replace(
        STORAGE,
        "needs: [network]\npodSecurity: privileged\n# The provisioner",
        "needs: [network\npodSecurity: privileged\n# The provisioner",
    )?;
    insta::assert_snapshot!("invalid_yaml", release.refusal_text("LF2001")?);
    let release = BadRelease::new()?.replace(RELEASE, "namespace: valkey}\n", "namespace: valkey, replicas: 3}\n")?;
    insta::assert_snapshot!("unknown_key", release.refusal_text("LF2001")?);
    let release = BadRelease::new()?.replace("manifests/valkey/kustomization.yaml", "resources:", "resources: {")?;
    insta::assert_snapshot!("invalid_manifest", release.refusal_text("LF2009")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn release_key_signs_no_assembled_image() -> Result<()> {
    let mut release = BadRelease::new()?.with_registry()?;
    let keys = release.path("release-keys");
    let mut new = release.starter.landfall(&["key", "new", "--output"]);
    Outcome::success(new.arg(&keys).env("LANDFALL_KEY_PASSWORD", landfall_xtask::vendor::KEY_PASSWORD))?;
    release.keys = keys;
    insta::assert_snapshot!("lock_says_so", release.refusal_text("LF2011")?);
    // Removing the mark from the lock does not help, because the manifests contain it as well.
    let release = release.replace("images.lock", "assembled: true", "assembled: false")?;
    insta::assert_snapshot!("manifests_say_so", release.refusal_text("LF2011")?);
    Ok(())
}

/// Returns the entries and files of a lock with an `unresolved` field: references and URLs, in order.
fn unresolved_inputs(lock: &str) -> Vec<&str> {
    let pieces = lock.split("- reference: ").skip(1).flat_map(|entry| entry.split("- url: "));
    let open = pieces.filter(|piece| piece.contains(": unresolved"));
    open.filter_map(|piece| piece.split_whitespace().next()).collect()
}

/// Checks the lock that vendors get, the checked-in lock of upstream's own parts. The starter release uses every entry,
/// and needs no other.
#[test]
#[ignore = "needs cargo xtask test"]
fn starter_release_matches_its_lock() -> Result<()> {
    let release = BadRelease::new()?;
    std::fs::copy(workspace::root().join("images.lock"), release.path("images.lock"))?;
    let lock = std::fs::read_to_string(release.path("images.lock"))?;
    assert_eq!(lock.lines().find(|line| line.starts_with("assembled:")), Some("assembled: false"));
    let refused = release.refusal("LF2006")?;
    let lines = refused.stderr.lines().filter_map(|line| line.strip_prefix("    |   line ")?.split_once(": "));
    let mut named: Vec<_> = lines.filter_map(|(_, entry)| entry.split_whitespace().next()).collect();
    named.sort_unstable();
    let mut expected = unresolved_inputs(&lock);
    expected.sort_unstable();
    assert!(expected.len() > 15, "{expected:?}");
    assert_eq!(named, expected, "{}", refused.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn entries_of_the_lock_are_unresolved() -> Result<()> {
    let release = BadRelease::new()?;
    std::fs::copy(workspace::root().join("tests/images/assembled.lock"), release.path("images.lock"))?;
    let said = release.refusal_text("LF2006")?;
    let lock = std::fs::read_to_string(release.path("images.lock"))?;
    let entries = lock.matches("- reference: ").count();
    assert!(entries > 15 && said.contains(&format!(": {entries} entries are unresolved:\n")), "{said}");
    // Each is named with its line and all its fields.
    let mut named = 0;
    for line in said.lines().filter_map(|line| line.strip_prefix("    |   line ")) {
        let (number, rest) = line.split_once(": ").context("no number")?;
        let (reference, fields) = rest.split_once(' ').context("no fields")?;
        let at = lock.lines().nth(number.parse::<usize>()? - 1).unwrap_or_default();
        let name = reference.strip_suffix("TAG").context("no tag")?;
        assert!(at.trim().starts_with(&format!("- reference: {name}")), "line {number} is {at}, not {reference}");
        assert_eq!(fields, "(digest, mediaType, size)");
        named += 1;
    }
    assert_eq!(named, entries);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_proof_is_declared_wrongly() -> Result<()> {
    let release = BadRelease::new()?.replace(ASSISTANT, "path: /health", "path: health")?;
    insta::assert_snapshot!(release.refusal_text("LF2040")?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn a_proof_uses_what_its_component_does_not_have() -> Result<()> {
    let proof = |name: &str| format!("    command:\n      workload: StatefulSet/{name}\n");
    let release = BadRelease::new()?.replace(VALKEY, &proof("valkey"), &proof("valky"))?;
    insta::assert_snapshot!(release.refusal_text("LF2041")?);
    Ok(())
}
