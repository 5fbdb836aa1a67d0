//! The part "release": tests of `cargo xtask dist`. Two runs give the same files, even in another folder, time zone and
//! environment. The files are complete, match the checksums, the bill and the signature, and work in an empty folder.
//! It packs the programs of the other parts, which saves a full compilation.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::commands::dist::{self, SUMS, read, write};
use crate::cosign::Publisher;
use crate::help::commands;
use crate::site::tool;
use crate::{builds, workspace};

/// Password of the signing key.
const PASSWORD: &str = "of a test";

/// Environment variable of a password.
const PASSWORD_VARIABLE: &str = "LANDFALL_KEY_PASSWORD";

/// Creates two distributions, and uses one as a vendor would.
pub(super) fn run() -> Result<()> {
    let landfall = builds::landfall()?;
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    let keys = folder.path().join("keys");
    tool::output(Command::new(&landfall).args(["key", "new", "--output"]).arg(&keys).env(PASSWORD_VARIABLE, PASSWORD))?;
    let programs = landfall.parent().context("the program is in no folder")?;
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let copies = copies(programs, &folder.path().join("copies"))?;
    for (mut dist, programs, output) in [
        (Command::new(workspace::THIS_PROGRAM), programs, &first),
        (elsewhere(folder.path()), copies.as_path(), &second),
    ] {
        dist.args(["dist", "--programs"]).arg(programs).arg("--output").arg(output);
        workspace::run(dist.arg("--key").arg(keys.join("cosign.key")).env(PASSWORD_VARIABLE, PASSWORD))?;
    }
    expect_same(&first, &second, 2)?;
    expect_signed(&first, &keys.join("cosign.pub"))?;
    expect_summed(&first)?;
    expect_billed(&first)?;
    let root = unpack(&first, "linux-amd64", folder.path())?;
    expect_readable(&root)?;
    expect_usable(&root)
}

/// Copies the programs to another folder, with other times and permissions and an unrelated file next to them.
#[expect(clippy::disallowed_methods, reason = "throw-away copies of a test")]
fn copies(programs: &Path, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir(folder).context("cannot create a folder for programs")?;
    for name in dist::names() {
        let (from, to) = (programs.join(name), folder.join(name));
        if from.is_file() {
            std::fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            std::fs::set_permissions(&to, Permissions::from_mode(0o700))?;
        }
    }
    write(&folder.join("notes"), b"of someone else")?;
    Ok(folder.to_owned())
}

/// Returns a command for this program in another folder, with another umask, time zone and language, and with
/// `landfall` settings in its environment.
fn elsewhere(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    // By process ID: in the shell, `/proc/self/exe` would be the shell.
    let this = format!("/proc/{}/exe", std::process::id());
    command.args(["-c", "umask 077 && exec \"$0\" \"$@\"", &this]).current_dir(folder);
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("COLUMNS", "40");
    command.env("LANDFALL_STORE", "/elsewhere/store").env("LANDFALL_LOG", "trace");
    command
}

/// Returns the names of the files in the checksums, in their order.
fn checksum_names(folder: &Path) -> Result<Vec<String>> {
    let sums = String::from_utf8(read(&folder.join(SUMS))?).context("the checksums are no text")?;
    Ok(sums.lines().filter_map(|line| Some(line.split_once("  ")?.1.to_owned())).collect())
}

fn archive(folder: &Path) -> Result<PathBuf> {
    archive_for(folder, "linux-amd64")
}

fn archive_for(folder: &Path, platform: &str) -> Result<PathBuf> {
    let name = checksum_names(folder)?.into_iter().find(|name| name.ends_with(&format!("-{platform}.tar.gz")));
    Ok(folder.join(name.context("the checksums name no archive")?))
}

pub(super) fn expect_same(first: &Path, second: &Path, count: usize) -> Result<()> {
    let names = checksum_names(first)?;
    ensure!(names.len() == count, "the checksums are of {names:?}");
    for name in names.iter().map(String::as_str).chain([SUMS]) {
        ensure!(read(&first.join(name))? == read(&second.join(name))?, "{name} differs from run to run");
    }
    Ok(())
}

/// Fails unless OpenSSL and cosign accept the signature of the checksums, and of nothing else.
fn expect_signed(folder: &Path, key: &Path) -> Result<()> {
    let bundle: Value = serde_json::from_slice(&read(&folder.join(format!("{SUMS}.sigstore.json")))?)?;
    let signature = bundle["messageSignature"]["signature"].as_str().context("the bundle has no signature")?;
    let file = folder.join("signature");
    write(&file, &STANDARD.decode(signature).context("the signature is no base64")?)?;
    let verified = |signed: &Path| -> Result<Output> {
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify"]).arg(key).arg("-signature").arg(&file).arg(signed);
        openssl.output().context("cannot start openssl")
    };
    let of_sums = verified(&folder.join(SUMS))?;
    ensure!(of_sums.status.success(), "the signature is refused: {}", String::from_utf8_lossy(&of_sums.stderr));
    let publisher = Publisher::open()?;
    let by_cosign = |signed: &Path| -> Result<bool> {
        let bundle = folder.join(format!("{SUMS}.sigstore.json"));
        let judged = publisher.verify_blob(key, &bundle, signed).output().context("cannot start cosign")?;
        Ok(judged.status.success())
    };
    ensure!(by_cosign(&folder.join(SUMS))? && !by_cosign(&archive(folder)?)?, "cosign does not judge as OpenSSL does");
    ensure!(!verified(&archive(folder)?)?.status.success(), "the signature is of any file");
    Ok(())
}

/// Fails unless the checksums match the files, and one flipped bit is detected.
fn expect_summed(folder: &Path) -> Result<()> {
    let check =
        || Command::new("sha256sum").args(["--check", "--strict", "--quiet", SUMS]).current_dir(folder).output();
    let passed = check().context("cannot start sha256sum")?;
    ensure!(passed.status.success(), "the checksums do not fit: {}", String::from_utf8_lossy(&passed.stdout));
    let path = archive(folder)?;
    let whole = read(&path)?;
    let mut damaged = whole.clone();
    *damaged.get_mut(whole.len() / 2).context("the archive is empty")? ^= 1;
    write(&path, &damaged)?;
    let found = !check()?.status.success();
    write(&path, &whole)?;
    ensure!(found, "a flipped bit is not found");
    Ok(())
}

/// Fails unless the bill names the programs of the archive by digest, and no others.
fn expect_billed(folder: &Path) -> Result<()> {
    let name = checksum_names(folder)?.into_iter().find(|name| name.ends_with(".spdx.json"));
    let bill: Value = serde_json::from_slice(&read(&folder.join(name.context("the checksums name no bill")?))?)?;
    let packages = bill["packages"].as_array().context("the bill has no packages")?;
    let billed = packages.iter().filter_map(|package| {
        let sum = package["checksums"][0]["checksumValue"].as_str()?;
        Some((package["packageFileName"].as_str()?.to_owned(), sum.to_owned()))
    });
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(archive(folder)?)?));
    let mut packed = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().mode()? & 0o111 != 0 {
            let name = entry.path()?.display().to_string();
            let mut hash = Sha256::new();
            std::io::copy(&mut entry, &mut hash)?;
            packed.insert(name, hex::encode(hash.finalize()));
        }
    }
    let billed: BTreeMap<_, _> = billed.collect();
    ensure!(!packed.is_empty() && billed == packed, "the bill has {billed:?}, and the archive {packed:?}");
    Ok(())
}

/// Unpacks an archive into an empty folder, and returns the archive's one folder.
pub(super) fn unpack(distribution: &Path, platform: &str, folder: &Path) -> Result<PathBuf> {
    let place = folder.join(format!("unpacked-{platform}"));
    std::fs::create_dir(&place).context("cannot create a folder")?;
    tool::output(
        Command::new("tar")
            .args(["--extract", "--gzip", "--file"])
            .arg(archive_for(distribution, platform)?)
            .current_dir(&place),
    )?;
    let entries: Vec<_> = place.read_dir()?.collect::<std::io::Result<_>>()?;
    let [root] = entries.as_slice() else { anyhow::bail!("the archive has {} folders", entries.len()) };
    Ok(root.path())
}

/// Fails unless every page of the handbook exists with all its link targets, and so does everything that its guide
/// copies.
fn expect_readable(root: &Path) -> Result<()> {
    let pages = documents(root)?;
    ensure!(pages.len() > 100, "the archive has {} documents", pages.len());
    for page in &pages {
        let text = String::from_utf8(read(page)?).with_context(|| format!("{} is no text", page.display()))?;
        let folder = page.parent().context("a page is in a folder")?;
        // A link to a file of the tree. The fragment after `#` is checked where the handbook is written.
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            // The vectors, which prove the format in another language, are not in the archive.
            let is_there = folder.join(target).exists() || target.ends_with("bundle-spec/vectors");
            ensure!(is_there, "{} leads to {target}, which the archive lacks", page.display());
        }
    }
    for file in
        ["docs/vendor/release.md", "docs/examples/charts/release.yaml", "releases/starter/release.yaml", "images.lock"]
    {
        ensure!(root.join(file).is_file(), "the archive lacks {file}");
    }
    Ok(())
}

/// Returns every Markdown file below a folder.
fn documents(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = tool::output(Command::new("find").arg(folder).args(["-type", "f", "-name", "*.md"]))?;
    Ok(found.lines().map(PathBuf::from).collect())
}

/// Fails unless the program runs, has completions, and has manual pages for itself and for each of its commands.
fn expect_usable(root: &Path) -> Result<()> {
    let landfall = root.join("landfall");
    let version = tool::output(Command::new(&landfall).arg("--version"))?;
    ensure!(version.contains(env!("CARGO_PKG_VERSION")), "it is {version}");
    for program in ["landfall-appliance", "landfall-facts", "landfall-validator"] {
        let version = tool::output(Command::new(root.join(program)).arg("--version"))?;
        ensure!(version.contains(env!("CARGO_PKG_VERSION")), "{program} is {version}");
    }
    for (shell, file) in [("bash", "bash/landfall"), ("zsh", "zsh/_landfall"), ("fish", "fish/landfall.fish")] {
        let completions = String::from_utf8(read(&root.join("completions").join(file))?)?;
        ensure!(
            completions == tool::output(Command::new(&landfall).args(["completions", shell]))?,
            "{file} is of another program"
        );
    }
    let help = tool::output(Command::new(&landfall).arg("--help"))?;
    let commands = commands(&help);
    ensure!(commands.len() > 20, "the help lists {commands:?}");
    for command in commands {
        let page = root.join(format!("man/man1/landfall-{command}.1"));
        ensure!(read(&page)?.starts_with(b".ie"), "{} is no manual page", page.display());
    }
    Ok(())
}
