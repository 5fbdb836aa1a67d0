//! The current contents of a suite in the Debian archive, and the versions of its packages. A point release changes the
//! contents, and thereby the keys of all root filesystems.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::DebianArchive;
use crate::cache::Cache;
use crate::printer;

/// Time for which an answer is valid. Point releases come every two months.
pub const A_DAY: Duration = Duration::from_hours(24);

/// Answer if the real one is unknown.
pub const UNKNOWN: &str = "unknown";

/// Folder of answers in the cache.
const FOLDER: &str = "debian-archive";

/// Name of the list of all packages in a suite's signed index.
const LIST: &str = "main/binary-amd64/Packages.xz";

/// apt's own downloader, which uses the proxies and mirrors of apt's configuration.
const DOWNLOADER: &str = "/usr/lib/apt/apt-helper";

/// Returns the SHA-256 of the suite's list of packages. A cached answer is used if it is at most this old. If the
/// archive cannot be queried, the last answer stays valid, or `unknown` if there is none. A build that needs the
/// archive will then fail.
///
/// The index's signature is not checked here: the digest only names a cache entry, and mmdebstrap checks the packages
/// that it installs.
pub fn digest(cache: &Cache, suite: &str, age: Duration) -> Result<String> {
    answer(cache, suite, age, || {
        let archive = super::debian_archive()?;
        let address = archive.address(&format!("dists/{suite}/InRelease"));
        fetch(cache, &address, "InRelease", read_digest)
    })
}

/// Returns the Debian version of a package in a suite of this archive, cached like [`digest`]. `None` if the suite
/// lacks the package, or was never reached.
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

/// Downloads the current list of all packages of a suite.
pub fn list(cache: &Cache, archive: &DebianArchive, suite: &str) -> Result<String> {
    fetch(cache, &archive.address(&format!("dists/{suite}/{LIST}")), "Packages.xz", unpack_list)
}

/// Returns true if a version is newer than another one by Debian's rules.
pub fn is_newer(version: &str, other: &str) -> Result<bool> {
    let status = Command::new("dpkg").args(["--compare-versions", version, "gt", other]).status();
    Ok(status.context("cannot run dpkg")?.success())
}

/// Returns an answer about the archive by its name. A cached answer is used if it is at most this old. If `ask` fails,
/// the last answer is used, or `unknown` if there is none.
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

/// Downloads a file of the archive under this name, and reads it.
fn fetch(cache: &Cache, address: &str, name: &str, read: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
    let folder = tempfile::tempdir_in(cache.root()).context("cannot create a folder for the index")?;
    let file = folder.path().join(name);
    download(address, &file)?;
    read(&file)
}

/// Downloads a file of the archive to this path. Its bytes are not checked.
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

/// Returns the text of a compressed list. The downloader recognizes the compression by the file's name.
fn unpack_list(file: &Path) -> Result<String> {
    let output = Command::new(DOWNLOADER).arg("cat-file").arg(file).output();
    let output = output.with_context(|| format!("cannot run {DOWNLOADER}"))?;
    ensure!(output.status.success(), "cannot unpack {}", file.display());
    String::from_utf8(output.stdout).with_context(|| format!("{} is no text", file.display()))
}

/// Returns the newest version of a package in a list.
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

/// Returns the digest in the list's SHA-256 line: digest, size, name.
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

    /// Returns a cache with a fresh answer for a suite's digest.
    pub(crate) fn cache_with(folder: &Path, suite: &str, digest: &str) -> Cache {
        std::fs::create_dir(folder.join(FOLDER)).unwrap();
        std::fs::write(folder.join(FOLDER).join(suite), digest).unwrap();
        Cache::at(folder).unwrap()
    }

    const DIGEST: &str = "7778d3e3f303b7ddb8ce0fe7c8d57473a076c6bf2e8f241f75421d2396352498";

    #[test]
    fn digest_matches_list_and_length() {
        let index = format!(
            "Suite: stable\nMD5Sum:\n 2d47057a46b268c5f031facecf74b20a  9678380 {LIST}\nSHA256:\n {0}  1 \
             main/Contents\n {DIGEST}  9678380 {LIST}\n",
            "0".repeat(64)
        );
        assert_eq!(parse(&index).as_deref(), Some(DIGEST));
        assert_eq!(parse("Suite: stable\n"), None);
    }

    #[test]
    fn newest_package_version_counts() {
        let list = "Package: a\nVersion: 9\n\nPackage: b\nSource: a\nVersion: 17.9-0+deb13u1\n\n\
                    Package: b\nVersion: 17.10-0+deb13u1\n\nPackage: b-doc\nVersion: 18\n\n\
                    Package: b\nVersion: 17.10~rc1\n";
        assert_eq!(newest(list, "b").unwrap().as_deref(), Some("17.10-0+deb13u1"));
        assert_eq!(newest(list, "c").unwrap(), None);
        assert!(is_newer("17.12-0+deb13u1", "17.9-0+deb13u1").unwrap() && !is_newer("17.9", "17.9").unwrap());
    }

    #[test]
    fn unanswered_query_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let ask = |said: Option<&str>| {
            answer(&cache, "name", A_DAY, || said.map(str::to_owned).context("no answer")).unwrap()
        };
        assert_eq!([ask(None), ask(Some("17.9")), ask(Some("17.10"))], ["unknown", "17.9", "17.9"]);
    }

    #[test]
    fn recent_answer_is_reused() {
        let folder = tempfile::tempdir().unwrap();
        // No archive has a suite of this name, so the answer must come from the cache.
        let cache = cache_with(folder.path(), "no-such-suite", DIGEST);
        assert_eq!(digest(&cache, "no-such-suite", A_DAY).unwrap(), DIGEST);
    }
}
