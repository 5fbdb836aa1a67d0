//! The current contents of a suite of the Debian archive: a point release changes them, and with them the keys of all
//! roots. And the version of a package there.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::DebianArchive;
use crate::cache::Cache;
use crate::printer;

/// How long an answer is valid: point releases come every two months.
pub const A_DAY: Duration = Duration::from_hours(24);

/// The answer where there is none.
pub const UNKNOWN: &str = "unknown";

/// The folder of answers in the cache.
const FOLDER: &str = "debian-archive";

/// The list of all packages, by its name in a suite's signed index.
const LIST: &str = "main/binary-amd64/Packages.xz";

/// apt's own downloader, so that proxies and mirrors are those of apt's configuration.
const DOWNLOADER: &str = "/usr/lib/apt/apt-helper";

/// SHA-256 of the suite's list of packages. A cached answer suffices while it is no older than this. If the archive
/// cannot be queried, the last answer stays valid, or `unknown` if there is none: a build that needs the archive will
/// fail.
///
/// The index's signature is not checked here: this names what is cached, and mmdebstrap checks what it installs.
pub fn digest(cache: &Cache, suite: &str, age: Duration) -> Result<String> {
    answer(cache, suite, age, || {
        let archive = super::debian_archive()?;
        let address = archive.address(&format!("dists/{suite}/InRelease"));
        fetch(cache, &address, "InRelease", read_digest)
    })
}

/// Debian's own version of a package in a suite of this archive, by the same rules. `None` if the suite lacks the package, or was never
/// reached.
pub fn version(
    cache: &Cache,
    archive: &DebianArchive,
    suite: &str,
    package: &str,
    age: Duration,
) -> Result<Option<String>> {
    let found = answer(cache, &format!("{suite}-{package}"), age, || {
        let list = list(cache, archive, suite)?;
        Ok(newest(&list, package)?.unwrap_or_else(|| UNKNOWN.to_owned()))
    })?;
    Ok((found != UNKNOWN).then_some(found))
}

/// The list of all packages of a suite, as the archive has it now.
pub fn list(cache: &Cache, archive: &DebianArchive, suite: &str) -> Result<String> {
    fetch(cache, &archive.address(&format!("dists/{suite}/{LIST}")), "Packages.xz", unpacked)
}

/// Whether a version is newer than another one, as Debian compares them.
pub fn is_newer(version: &str, other: &str) -> Result<bool> {
    let status = Command::new("dpkg").args(["--compare-versions", version, "gt", other]).status();
    Ok(status.context("cannot run dpkg")?.success())
}

/// An answer about the archive by its name. A cached one suffices while it is no older than this; without one, and where `ask` fails, it is
/// `unknown`.
pub fn answer(cache: &Cache, name: &str, age: Duration, ask: impl FnOnce() -> Result<String>) -> Result<String> {
    let _lock = cache.lock(FOLDER)?;
    let path = cache.root().join(FOLDER).join(name);
    let last = std::fs::read_to_string(&path).ok();
    let asked = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_recent = SystemTime::now().duration_since(asked).is_ok_and(|since| since < age);
    if let Some(last) = last.as_ref().filter(|_| is_recent) {
        return Ok(last.clone());
    }
    match ask() {
        Ok(answer) => {
            std::fs::create_dir_all(cache.root().join(FOLDER))?;
            let next = path.with_extension("next");
            std::fs::write(&next, &answer).with_context(|| format!("cannot write {}", next.display()))?;
            std::fs::rename(&next, &path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(answer)
        }
        Err(error) => {
            printer::note(format!("the Debian archive cannot be queried for {name}: {error:#}"));
            Ok(last.unwrap_or_else(|| UNKNOWN.to_owned()))
        }
    }
}

/// Reads a file of the archive, which gets this name meanwhile.
fn fetch(cache: &Cache, address: &str, name: &str, read: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
    let folder = tempfile::tempdir_in(cache.root()).context("cannot make a folder for the index")?;
    let file = folder.path().join(name);
    download(address, &file)?;
    read(&file)
}

/// Copies a file of the archive to this path. Its bytes are not checked.
pub fn download(address: &str, file: &Path) -> Result<()> {
    let output = Command::new(DOWNLOADER)
        .args(["-oAcquire::Retries=1", "-oAcquire::http::Timeout=20", "-oAcquire::https::Timeout=20"])
        .args(["download-file", address])
        .arg(file)
        .output()
        .with_context(|| format!("cannot run {DOWNLOADER}"))?;
    ensure!(output.status.success(), "no answer for {address}");
    Ok(())
}

/// The text of a compressed list, which the downloader unpacks by its name.
fn unpacked(file: &Path) -> Result<String> {
    let output = Command::new(DOWNLOADER).arg("cat-file").arg(file).output();
    let output = output.with_context(|| format!("cannot run {DOWNLOADER}"))?;
    ensure!(output.status.success(), "cannot unpack {}", file.display());
    String::from_utf8(output.stdout).with_context(|| format!("{} is no text", file.display()))
}

/// The newest version of a package in a list.
pub fn newest(list: &str, package: &str) -> Result<Option<String>> {
    let mut newest: Option<&str> = None;
    for stanza in list.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("Package:") != Some(package) {
            continue;
        }
        let version = field("Version:").with_context(|| format!("{package} has no version"))?;
        if newest.is_none_or(|known| is_newer(version, known).unwrap_or(false)) {
            newest = Some(version);
        }
    }
    Ok(newest.map(str::to_owned))
}

fn read_digest(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| format!("the index names no {LIST}"))
}

/// The SHA-256 line of the list: digest, size, name.
fn parse(index: &str) -> Option<String> {
    index.lines().find_map(|line| {
        let mut words = line.strip_prefix(' ')?.split_whitespace();
        let digest = words.next().filter(|digest| digest.len() == 64)?;
        (words.nth(1) == Some(LIST)).then(|| digest.to_owned())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A cache that knows this digest of a suite since just now.
    pub(crate) fn cache_with(folder: &Path, suite: &str, digest: &str) -> Cache {
        std::fs::create_dir(folder.join(FOLDER)).unwrap();
        std::fs::write(folder.join(FOLDER).join(suite), digest).unwrap();
        Cache::at(folder).unwrap()
    }

    const DIGEST: &str = "7778d3e3f303b7ddb8ce0fe7c8d57473a076c6bf2e8f241f75421d2396352498";

    #[test]
    fn the_digest_is_the_one_of_the_right_list_and_length() {
        let index = format!(
            "Suite: stable\nMD5Sum:\n 2d47057a46b268c5f031facecf74b20a  9678380 {LIST}\nSHA256:\n {0}  1 main/Contents\n \
             {DIGEST}  9678380 {LIST}\n",
            "0".repeat(64)
        );
        assert_eq!(parse(&index).as_deref(), Some(DIGEST));
        assert_eq!(parse("Suite: stable\n"), None);
    }

    #[test]
    fn the_newest_version_of_a_package_counts() {
        let list = "Package: a\nVersion: 9\n\nPackage: b\nSource: a\nVersion: 17.9-0+deb13u1\n\n\
                    Package: b\nVersion: 17.10-0+deb13u1\n\nPackage: b-doc\nVersion: 18\n\n\
                    Package: b\nVersion: 17.10~rc1\n";
        assert_eq!(newest(list, "b").unwrap().as_deref(), Some("17.10-0+deb13u1"));
        assert_eq!(newest(list, "c").unwrap(), None);
        assert!(is_newer("17.12-0+deb13u1", "17.9-0+deb13u1").unwrap() && !is_newer("17.9", "17.9").unwrap());
    }

    #[test]
    fn what_is_not_answered_is_unknown_and_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let ask = |said: Option<&str>| {
            answer(&cache, "name", A_DAY, || said.map(str::to_owned).context("no answer")).unwrap()
        };
        assert_eq!([ask(None), ask(Some("17.9")), ask(Some("17.10"))], ["unknown", "17.9", "17.9"]);
    }

    #[test]
    fn a_recent_answer_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        // No archive has a suite of this name, so only the cache can know it.
        let cache = cache_with(folder.path(), "no-such-suite", DIGEST);
        assert_eq!(digest(&cache, "no-such-suite", A_DAY).unwrap(), DIGEST);
    }
}
