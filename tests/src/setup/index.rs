//! The current contents of a suite of the Debian archive: a point release changes them, and with them the keys of all
//! roots.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use crate::cache::Cache;
use crate::printer;

/// How long an answer is valid: point releases come every two months.
pub const A_DAY: Duration = Duration::from_hours(24);

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
    let _lock = cache.lock(FOLDER)?;
    let path = cache.root().join(FOLDER).join(suite);
    let last = std::fs::read_to_string(&path).ok();
    let asked = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_recent = SystemTime::now().duration_since(asked).is_ok_and(|since| since < age);
    if let Some(last) = last.as_ref().filter(|_| is_recent) {
        return Ok(last.clone());
    }
    match ask(cache, suite) {
        Ok(digest) => {
            std::fs::create_dir_all(cache.root().join(FOLDER))?;
            let next = path.with_extension("next");
            std::fs::write(&next, &digest).with_context(|| format!("cannot write {}", next.display()))?;
            std::fs::rename(&next, &path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(digest)
        }
        Err(error) => {
            printer::note(format!("the Debian archive cannot be queried for {suite}: {error:#}"));
            Ok(last.unwrap_or_else(|| "unknown".to_owned()))
        }
    }
}

fn ask(cache: &Cache, suite: &str) -> Result<String> {
    let archive = super::debian_archive()?;
    let address = format!("{}/dists/{suite}/InRelease", archive.mirror.trim_end_matches('/'));
    let folder = tempfile::tempdir_in(cache.root()).context("cannot make a folder for the index")?;
    let file = folder.path().join("InRelease");
    let output = Command::new(DOWNLOADER)
        .args(["-oAcquire::Retries=1", "-oAcquire::http::Timeout=20", "-oAcquire::https::Timeout=20"])
        .args(["download-file", &address])
        .arg(&file)
        .output()
        .with_context(|| format!("cannot run {DOWNLOADER}"))?;
    ensure!(output.status.success(), "no answer for {address}");
    read_digest(&file)
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
    fn a_recent_answer_is_not_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        // No archive has a suite of this name, so only the cache can know it.
        let cache = cache_with(folder.path(), "no-such-suite", DIGEST);
        assert_eq!(digest(&cache, "no-such-suite", A_DAY).unwrap(), DIGEST);
    }
}
