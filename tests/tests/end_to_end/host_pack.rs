//! A host pack on a Debian. Its packages are installed before a release, survive a power cut, and are removed by an
//! uninstall.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::site::Machine;
use landfall_xtask::workspace;

use super::engineer::{Engineer, STICK, Said};
use super::fixture::{files_with, fixture, folder, machine_with_stick};
use super::refusals::NOT_READY;

/// Path of the host pack on the machine.
const PACK: &str = "/root/host-pack";
/// Path of a site configuration with an invalid key, which must keep anything from reaching the host.
const CONFIGURATION: &str = "/root/site.yaml";
/// A file of another Kubernetes. The release is refused only after the packages are installed, because they might have
/// fixed the problem.
const LEFTOVER: &str = "/etc/kubernetes/admin.conf";
/// Path of the package's only file.
const FILE: &str = "/usr/share/harmless/hello";

const CONTROL: &str = "Package: landfall-harmless\nVersion: 1.2-3\nArchitecture: all\n\
                       Maintainer: Test <test@example.com>\nDescription: a file that says hello\n";

const DEFINITION: &str = "name: harmless\nversion: 1.0.0\ncounter: 1\nplatform: linux/amd64\nrecipes:\n\
                          - distribution: debian\n  versions: [\"12\"]\n  packages:\n  \
                          - {name: landfall-harmless, version: 1.2-3, file: debian/harmless.deb}\n";

/// Builds the package and its pack, and returns the pack's folder.
fn build() -> Result<PathBuf> {
    let folder = folder().join("host-pack");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot empty the folder of the host pack")?;
    }
    let (package, definition) = (folder.join("package"), folder.join("definition"));
    for path in [package.join("DEBIAN"), package.join("usr/share/harmless"), definition.join("debian")] {
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    for (path, text) in [
        (package.join("DEBIAN/control"), CONTROL),
        (package.join("usr/share/harmless/hello"), "hello\n"),
        (definition.join("host-pack.yaml"), DEFINITION),
    ] {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut build = Command::new("dpkg-deb");
    build.args(["--build", "--root-owner-group"]).arg(&package).arg(definition.join("debian/harmless.deb"));
    workspace::run(&mut build)?;
    let output = folder.join("pack");
    fixture()?.host_pack(&definition, &output, &folder.join("store"))?;
    Ok(output)
}

/// Copies the pack to the machine.
fn carry(machine: &Machine, pack: &Path) -> Result<()> {
    for file in files_with(pack, |name| name.starts_with("harmless-1.0.0-"))? {
        let name = file.file_name().and_then(|name| name.to_str()).context("a file of the pack has a name")?;
        machine.copy_in(&file, &format!("{PACK}/{name}"), 0o644)?;
    }
    Ok(())
}

fn expect_present(machine: &Machine, is_wanted: bool) -> Result<()> {
    let state = machine.try_run("dpkg-query --show --showformat '${db:Status-Abbrev}${Version}' landfall-harmless")?;
    let is_installed = state.stdout == "ii 1.2-3" && machine.try_run(&format!("cat {FILE}"))?.stdout == "hello\n";
    ensure!(is_installed == is_wanted, "the package: {}{}", state.stdout, state.stderr);
    let listed = machine.try_run("ls /var/lib/landfall-host-pack")?;
    let kept = listed.status.success().then(|| listed.stdout.lines().collect::<Vec<_>>());
    ensure!(kept == is_wanted.then(|| vec!["journal"]), "kept: {kept:?}");
    Ok(())
}

fn expect_note(said: &Said, words: &str) -> Result<()> {
    let notes = said.notes()?;
    ensure!(notes.iter().any(|note| note.contains(words)), "no note says {words:?}: {notes:#?}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn host_pack_is_installed_and_removed() -> Result<()> {
    let pack = build()?;
    let (_site, machine) = machine_with_stick("e2e-host-pack")?;
    let engineer = Engineer::at(&machine);
    carry(&machine, &pack)?;
    machine.write_file(CONFIGURATION, "surprise: true\n", 0o600)?;
    let trust = fixture()?.fingerprint.as_str();
    let verified = engineer.landfall(&["verify", PACK, "--trust", trust])?.report("verify")?;
    ensure!(verified["name"] == "harmless", "{verified:#}");

    let install = ["install", STICK, "--trust", trust, "--host-pack", PACK];
    let unfit = [&install[..], &["--site", CONFIGURATION]].concat();
    engineer.landfall(&unfit)?.expect_refusal("install with an unfit site.yaml", "LF3103", 2)?;
    expect_present(&machine, false)?;
    machine.run(&format!("mkdir /etc/kubernetes && echo foreign > {LEFTOVER}"))?;
    let looked = engineer.landfall(&[&install[..], &["--dry-run"]].concat())?;
    looked.expect_refusal("install --dry-run", "LF3020", NOT_READY)?;
    expect_note(&looked, "would install landfall-harmless 1.2-3")?;
    expect_present(&machine, false)?;
    let first = engineer.landfall(&install)?;
    first.expect_refusal("install", "LF3020", NOT_READY)?;
    expect_note(&first, "of the host pack harmless 1.0.0 are installed")?;
    expect_present(&machine, true)?;
    machine.power_cut()?;
    machine.boot()?;
    expect_present(&machine, true)?;
    let again = engineer.landfall(&install)?;
    again.expect_refusal("install", "LF3020", NOT_READY)?;
    expect_note(&again, "of the host pack harmless 1.0.0 were installed before")?;

    let report = engineer.uninstall(&[])?;
    ensure!(report["hostPack"] == "harmless 1.0.0", "{report:#}");
    expect_present(&machine, false)?;
    machine.run(&format!("rm -r {PACK} {CONFIGURATION} /etc/kubernetes"))?;
    // dpkg keeps a log, locks and the previous package list.
    let own = ["/var/log/landfall", "/var/log/dpkg.log", "/var/lib/dpkg"];
    engineer.expect_unchanged("after an uninstall with a host pack", &own)
}
