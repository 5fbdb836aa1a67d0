//! Images that the real cosign has signed in a real registry. The tests cover the signatures that the lock accepts, and
//! those that go into the bundle for a site.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_xtask::cache;
use landfall_xtask::cosign::Publisher;
use landfall_xtask::registry::Registry;
use landfall_xtask::vendor::{KEY_PASSWORD, VENDOR_STORE};
use serde_json::Value;

use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

/// Repository of the signed image. It is the only one of its host, so that its mirror can be another registry.
const REPOSITORY: &str = "ghcr.io/flannel-io/flannel";

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A vendor whose release has an image from a registry that accepts signatures.
struct Case {
    starter: &'static Starter,
    folder: tempfile::TempDir,
    /// Registry of all other images.
    _others: Registry,
    /// Registry of the signed image.
    registry: Registry,
    cosign: Publisher,
    tag: String,
    digest: String,
}

impl Case {
    fn open(rule: &str) -> Result<Self> {
        let starter = starter()?;
        let folder = starter.scratch()?;
        let others = starter.registry()?;
        let registry = Registry::start_writable(&folder.path().join("signed"))?;
        let lock = std::fs::read_to_string(starter.lock_file())?;
        let (_, entry) = lock.split_once(&format!("reference: {REPOSITORY}:")).context("the lock lacks the image")?;
        let tag = entry.lines().next().context("no tag")?.to_owned();
        let digest =
            entry.lines().find_map(|line| line.trim().strip_prefix("digest: ")).context("no digest")?.to_owned();
        let image = |registry: &Registry| format!("docker://{}/{REPOSITORY}:{tag}", registry.address());
        copy(&image(&others), &image(&registry), &folder)?;
        let mirrors = format!(
            "mirrors:\n  - {{host: '*', endpoint: 'http://{}', plainHttp: true}}\n  - \
             {{host: ghcr.io, endpoint: 'http://{}/ghcr.io', plainHttp: true}}\n",
            others.address(),
            registry.address()
        );
        std::fs::write(folder.path().join("registries.yaml"), mirrors)?;
        std::fs::write(folder.path().join("images.lock"), format!("{lock}signatures:\n{rule}"))?;
        let case = Self { starter, folder, _others: others, registry, cosign: Publisher::open()?, tag, digest };
        for name in ["publisher", "stranger"] {
            let mut key = case.starter.landfall(&["key", "new", "--development", "--output"]);
            Outcome::success(key.arg(case.path(name)).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD))?;
        }
        Ok(case)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the image's reference for cosign.
    fn image(&self) -> String {
        format!("{}/{REPOSITORY}@{}", self.registry.address(), self.digest)
    }

    fn sign(&self, verb: &str, by: &str, as_bundle: bool, more: &[&str]) -> Result<()> {
        let key = self.path(by).join("cosign.key");
        Outcome::success(&mut self.cosign.sign(verb, &key, as_bundle, more, &self.image()))?;
        Ok(())
    }

    fn with_sources(&self, mut command: Command) -> Result<Command> {
        command.arg(release()).arg("--lock").arg(self.path("images.lock"));
        command.arg("--registries").arg(self.path("registries.yaml"));
        command.arg("--store").arg(cache::cache_root()?.join(VENDOR_STORE));
        Ok(command)
    }

    fn lock(&self) -> Result<Outcome> {
        Outcome::of(&mut self.with_sources(self.starter.landfall_lock())?)
    }

    /// Fails unless the lock is refused with this code.
    fn assert_refused(&self, code: &str) -> Result<()> {
        let refused = self.lock()?;
        assert_eq!((refused.code, refused.error()), (2, Some(code)), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("{REPOSITORY}:{}", self.tag)), "{}", refused.stderr);
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.path("images.lock"))?)
    }

    fn build(&self, output: &Path) -> Result<Outcome> {
        let mut build = self.with_sources(self.starter.landfall(&["build", "--json"]))?;
        build.arg("--key").arg(self.starter.keys().join("cosign.key")).arg("--roots").arg(self.starter.keys());
        build.arg("--kubectl").arg(self.starter.binaries().join("kubectl")).arg("--output").arg(output);
        Outcome::of(build.env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD))
    }
}

fn copy(from: &str, to: &str, folder: &tempfile::TempDir) -> Result<()> {
    let mut skopeo = Command::new("skopeo");
    skopeo.args([
        "copy",
        "--insecure-policy",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ]);
    Outcome::success(skopeo.args([from, to]).env("TMPDIR", folder.path()))?;
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn cosign_signatures_reach_site() -> Result<()> {
    let rule = format!(
        "  - images: 'ghcr.io/*'\n    keys: [publisher/cosign.pub]\n    attestations: ['{PROVENANCE}']\n    pinned: \
         unresolved\n"
    );
    let case = Case::open(&rule)?;
    case.assert_refused("LF2118")?;
    let unchecked = case.build(&case.path("stick"))?;
    assert!(
        unchecked.code == 2 && unchecked.stderr.contains("LF2147"),
        "a build needs what the lock found: {unchecked:?}"
    );
    case.sign("sign", "stranger", false, &["--sign-container-identity", REPOSITORY])?;
    case.assert_refused("LF2119")?;
    // The name of the mirror is not that of the image.
    case.sign("sign", "publisher", false, &[])?;
    case.assert_refused("LF2144")?;
    case.sign("sign", "publisher", false, &["--sign-container-identity", REPOSITORY])?;
    case.assert_refused("LF2145")?;
    let predicate = case.path("predicate.json");
    std::fs::write(
        &predicate,
        r#"{"buildDefinition": {"buildType": "https://example.org/b", "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://example.org"}}}"#,
    )?;
    let predicate = predicate.display().to_string();
    case.sign("attest", "publisher", false, &["--type", "slsaprovenance1", "--predicate", &predicate])?;
    let locked = case.lock()?;
    assert_eq!(locked.code, 0, "{}", locked.stderr);
    assert!(locked.text()?.contains("verified the signatures of 1 image"), "{}", locked.text()?);

    let stick = case.path("stick");
    let built = case.build(&stick)?;
    assert_eq!(built.code, 0, "{}", built.stderr);
    let inspection = Outcome::success(case.starter.landfall(&["inspect", "--json"]).arg(&stick))?.json()?;
    let signatures = inspection["release"]["signatures"].as_array().context("no signatures")?;
    let tags: Vec<_> = signatures.iter().filter_map(|signature| signature["tag"].as_str()).collect();
    let tag = |suffix: &str| format!("{}{suffix}", case.digest.replace(':', "-"));
    assert_eq!(tags, [tag(".sig"), tag(".att")]);
    assert_eq!(
        (&signatures[0]["kind"], &signatures[1]["predicates"][0]),
        (&"signature".into(), &Value::from(PROVENANCE))
    );

    // A site that has nothing but the bundle.
    let name = built.json()?["files"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|file| file["name"].as_str().filter(|name| name.contains(".landfall")).map(str::to_owned));
    let layout = case.path("layout");
    std::fs::create_dir_all(&layout)?;
    let bundle = stick.join(name.context("no bundle")?);
    Outcome::success(Command::new("tar").arg("--extract").arg("--file").arg(bundle).arg("--directory").arg(&layout))?;
    let site = Registry::start_writable(&case.path("site"))?;
    for tag in [&case.tag, &tag(".sig"), &tag(".att")] {
        let from = format!("oci:{}:{REPOSITORY}:{tag}", layout.display());
        copy(&from, &format!("docker://{}/{REPOSITORY}:{tag}", site.address()), &case.folder)?;
    }
    let image = format!("{}/{REPOSITORY}@{}", site.address(), case.digest);
    let key = |by: &str| case.path(by).join("cosign.pub");
    let types = ["--type", "slsaprovenance1"];
    Outcome::success(&mut case.cosign.verify("verify", &key("publisher"), &[], &image))?;
    Outcome::success(&mut case.cosign.verify("verify-attestation", &key("publisher"), &types, &image))?;
    let stranger = Outcome::of(&mut case.cosign.verify("verify-attestation", &key("stranger"), &types, &image))?;
    assert_ne!(stranger.code, 0, "the other key attested nothing");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn attached_cosign_bundles_are_found() -> Result<()> {
    let rule = "  - images: 'ghcr.io/flannel-io/*'\n    keys: [publisher/cosign.pub]\n    pinned: unresolved\n";
    let case = Case::open(rule)?;
    case.sign("sign", "stranger", true, &[])?;
    case.assert_refused("LF2119")?;
    case.sign("sign", "publisher", true, &[])?;
    let locked = case.lock()?;
    assert_eq!(locked.code, 0, "{}", locked.stderr);
    let text = case.text()?;
    let found = text.lines().find(|line| line.contains("kind: signature")).context("nothing was recorded")?;
    assert!(found.contains(REPOSITORY) && !found.contains("tag: "), "{found}");
    // A second lock requests no signatures, because the store has them.
    let again = case.lock()?;
    assert_eq!((again.code, case.text()?), (0, text), "{}", again.stderr);
    Ok(())
}
