//! An artifact that upstream publishes as files: locked, downloaded and packed, from a file server on loopback.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use landfall_xtask::file_server::FileServer;
use landfall_xtask::workspace;
use sha2::{Digest, Sha256};

use super::outcome::Outcome;
use super::starter::{release, starter};

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn digest(path: &Path) -> Result<String> {
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(std::fs::read(path)?))))
}

/// Returns the checked-in lock with one artifact as upstream publishes it: a program in an archive, and a file next to
/// it.
fn lock_with_files() -> Result<String> {
    let lock = std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock"))?;
    let (before, rest) = lock.split_once("  - reference: github.com/opencontainers/runc:").context("no runc")?;
    let (version, rest) = rest.split_once('\n').context("no version")?;
    let after = rest.find("  - reference: ").map_or("", |next| &rest[next..]);
    Ok(format!(
        "{before}  - reference: github.com/opencontainers/runc:{version}\n    license: Apache-2.0\n    files:\n      - \
         url: https://files.example/runc.tar.gz\n        sums: https://files.example/SHA256SUMS\n        digest: \
         unresolved\n        size: unresolved\n        members: {{bin/runc: runc}}\n      - url: \
         https://files.example/NOTICE\n        digest: unresolved\n        size: unresolved\n        path: NOTICE\n\
         {after}"
    ))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn artifact_of_upstream_files_builds() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("served/bin"))?;
    std::fs::copy(starter.binaries().join("runc"), path("served/bin/runc"))?;
    write(&path("served/NOTICE"), "as upstream says\n")?;
    Outcome::success(Command::new("tar").args(["-czf", "runc.tar.gz", "bin"]).current_dir(path("served")))?;
    let sums = Outcome::success(Command::new("sha256sum").args(["NOTICE", "runc.tar.gz"]).current_dir(path("served")))?;
    write(&path("served/SHA256SUMS"), sums.text()?)?;
    let server = FileServer::start(&path("served"))?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mirrors = std::fs::read_to_string(vendor.registries_file())?;
    write(
        &vendor.registries_file(),
        &format!("{mirrors}  - {{host: files.example, endpoint: '{}'}}\n", server.endpoint),
    )?;
    write(&path("images.lock"), &lock_with_files()?)?;

    let lock = || {
        let mut lock = starter.landfall_lock();
        lock.arg(release()).arg("--lock").arg(path("images.lock")).arg("--registries").arg(vendor.registries_file());
        lock
    };
    Outcome::success(lock().arg("--output").arg(vendor.lock_file()))?;
    let locked = std::fs::read_to_string(vendor.lock_file())?;
    for served in ["served/runc.tar.gz", "served/NOTICE"] {
        let (digest, size) = (digest(&path(served))?, std::fs::metadata(path(served))?.len());
        assert!(locked.contains(&format!("digest: {digest}\n        size: {size}\n")), "{served}:\n{locked}");
    }
    let sums = "https://files.example/SHA256SUMS";
    assert!(locked.contains(&format!("        sums: {sums}\n        confirmed: {sums}\n")), "{locked}");

    // The project publishes a digest that differs from the served file's.
    write(&path("served/SHA256SUMS"), &format!("{}  runc.tar.gz\n", "0".repeat(64)))?;
    let refused = Outcome::of(lock().arg("--output").arg(path("other.lock")))?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2150")), "{}", refused.stderr);
    let own = digest(&path("served/runc.tar.gz"))?;
    assert!(refused.stderr.contains(&own) && refused.stderr.contains(sums), "{}", refused.stderr);

    let arguments = vendor.build_arguments(&release(), &path("stick"), &["--json"]);
    let report = Outcome::success(&mut starter.command(&vendor, &arguments))?.json()?;
    let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(path("stick")))?.json()?;
    let artifacts = shown["release"]["artifacts"].as_array().context("no artifacts")?;
    let runc = artifacts.iter().find(|artifact| artifact["name"] == "runc").context("no runc")?;
    let files = runc["files"].as_array().context("no files")?.iter();
    let found: Vec<_> = files.map(|file| (file["path"].as_str(), file["blob"]["digest"].as_str())).collect();
    let (program, notice) = (digest(&path("served/bin/runc"))?, digest(&path("served/NOTICE"))?);
    assert_eq!(found, [(Some("runc"), Some(program.as_str())), (Some("NOTICE"), Some(notice.as_str()))]);

    // The bundle contains the member, not the archive, and names its source.
    let blobs = shown["blobs"].as_array().context("no blobs")?;
    let has = |digest: &str| blobs.iter().any(|blob| blob["digest"] == digest);
    assert!(has(&program) && has(&notice) && !has(&digest(&path("served/runc.tar.gz"))?));
    let manifest = runc["manifest"]["digest"].as_str().context("no manifest")?;
    let name = manifest.replace(':', "/");
    let whole = report["files"][0]["name"].as_str().context("no file")?;
    let bytes =
        Outcome::success(Command::new("tar").arg("-xOf").arg(path("stick").join(whole)).arg(format!("blobs/{name}")))?;
    let manifest = bytes.value()?;
    let annotations = &manifest["layers"][0]["annotations"];
    assert_eq!(annotations["dev.landfall.source"], "https://files.example/runc.tar.gz");
    assert_eq!(annotations["dev.landfall.source.member"], "bin/runc");
    assert_eq!(annotations["dev.landfall.source.digest"], digest(&path("served/runc.tar.gz"))?);
    Ok(())
}
