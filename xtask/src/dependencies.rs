//! Stores built dependencies in the cache, from which the launcher copies them ([`landfall_launcher::dependencies`]).
//!
//! The project's own crates are left out. Cargo distinguishes clones only by file times, and would confuse crates of
//! different clones.
#![expect(clippy::disallowed_methods, reason = "a file of the cache, which syncs its entries")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result};
use landfall_launcher::dependencies::{self as kept, Build, FAMILY, FOR_GLIBC, Kind, PROGRAMS_ONLY, WITH_TESTS};
use serde_json::Value;

use crate::cache::{Cache, Key};
use crate::printer;
use crate::workspace::{self, cargo};

/// Folders that cargo needs to consider a dependency fresh.
const PARTS: [&str; 3] = [".fingerprint", "build", "deps"];

/// Number of names per `cp`, far below the limit of a command line.
const NAMES_PER_COPY: usize = 400;

/// Copies cached dependencies into this clone's build folder, once. Without cached ones, they are compiled.
pub fn bring() {
    if let Err(error) = kept::bring(&workspace::root()) {
        printer::note(format!("dependencies are compiled, since the cache could not be used: {error}"));
    }
}

/// Stores the dependencies that were built for the programs, unless those of tests, which include them, are stored.
pub fn keep_for_programs() -> Result<()> {
    Keeper::of_this_clone()?.keep_for_programs()
}

/// Stores the dependencies that were built for programs, tests and lints, in place of those of the programs alone.
pub fn keep_for_tests() -> Result<()> {
    Keeper::of_this_clone()?.keep_for_tests()
}

/// Stores the dependencies that were built for the host's own target.
pub fn keep_for_glibc() -> Result<()> {
    Keeper::of_this_clone()?.keep(FOR_GLIBC)
}

/// A build folder, its cache, and the project's own targets, which are not stored.
struct Keeper {
    build: Build,
    cache: Cache,
    key: Key,
    own: fn() -> Result<Vec<String>>,
}

impl Keeper {
    fn of_this_clone() -> Result<Self> {
        let material = kept::material(&workspace::root()).map_err(Error::msg)?;
        let (key, family) = (Key::of(&material.exact), Key::of(&material.of_family).digest());
        let build = Build { target: workspace::target_folder(), digest: key.digest(), family };
        Ok(Self { build, cache: Cache::open()?, key, own: own_targets })
    }

    fn keep_for_programs(&self) -> Result<()> {
        if self.cache.contains(WITH_TESTS.name, &self.key) {
            return Ok(());
        }
        self.keep(PROGRAMS_ONLY)
    }

    fn keep_for_tests(&self) -> Result<()> {
        self.keep(WITH_TESTS)?;
        self.cache.remove(PROGRAMS_ONLY.name, &self.key)
    }

    fn keep(&self, kind: Kind) -> Result<()> {
        if self.cache.contains(kind.name, &self.key) {
            return Ok(());
        }
        let own = (self.own)()?;
        self.cache.entry(kind.name, &self.key, |folder| {
            for build in kind.builds {
                for part in PARTS {
                    copy(&self.build.folder_of(build).join(part), &folder.join(build).join(part), &own)?;
                }
            }
            std::fs::write(folder.join(FAMILY), &self.build.family).context("cannot write the family of the entry")
        })?;
        // Dependencies from the cache need not be copied again.
        self.build.mark(kind).map_err(Error::msg)
    }
}

/// Copies a folder's entries, with their times, except those of the project's own targets.
fn copy(from: &Path, to: &Path, own: &[String]) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let Ok(entries) = from.read_dir() else { return Ok(()) };
    let foreign = |path: &PathBuf| path.file_name().is_some_and(|name| !is_own(&name.to_string_lossy(), own));
    let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(foreign).collect();
    for paths in paths.chunks(NAMES_PER_COPY) {
        workspace::run(Command::new("cp").args(["--archive", "--target-directory"]).arg(to).args(paths))?;
    }
    Ok(())
}

/// Returns true if a name of cargo's, `NAME-HASH…` or `libNAME-HASH…`, belongs to one of these targets.
fn is_own(name: &str, own: &[String]) -> bool {
    let name = name.replace('_', "-");
    let begins = |name: &str| own.iter().any(|own| name.strip_prefix(own.as_str()).is_some_and(is_hash));
    begins(&name) || name.strip_prefix("lib").is_some_and(begins)
}

fn is_hash(rest: &str) -> bool {
    let hash = rest.strip_prefix('-').and_then(|rest| rest.split('.').next());
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the names of the project's own packages and targets, with hyphens.
fn own_targets() -> Result<Vec<String>> {
    let output = cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let names = packages.iter().chain(targets).filter_map(|named| named["name"].as_str());
    // The launcher is a separate workspace, but belongs to this clone like the other crates.
    Ok(names.chain(["landfall-launcher"]).map(|name| name.replace('_', "-")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a build folder with one file of each kind in each of the build's folders.
    fn create_build(target: &Path, cache: &Path) -> Keeper {
        let key = Key::of(b"1");
        let keeper = Keeper {
            build: Build { target: target.to_owned(), digest: key.digest(), family: "of both".to_owned() },
            cache: Cache::at(cache).unwrap(),
            key,
            own: || Ok(vec!["landfall".to_owned()]),
        };
        for name in ["debug", "target", "glibc"] {
            for part in PARTS {
                let folder = keeper.build.folder_of(name).join(part);
                for file in ["landfall-0123456789abcdef", "serde-0123456789abcdef"] {
                    std::fs::create_dir_all(folder.join(file)).unwrap();
                }
            }
        }
        keeper
    }

    #[test]
    fn kept_dependencies_are_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (first, cache) = (folder.path().join("first"), folder.path().join("cache"));
        let first = create_build(&first, &cache);
        first.keep(WITH_TESTS).unwrap();
        first.keep(FOR_GLIBC).unwrap();
        let second = Build { target: folder.path().join("second"), ..first.build };
        // Older artifacts were built against other dependencies.
        let (earlier, own) = (second.folder_of("target"), ".fingerprint/landfall-fedcba9876543210");
        std::fs::create_dir_all(earlier.join(own)).unwrap();
        second.bring(&cache).unwrap();
        assert!(!earlier.join(own).exists());
        for name in ["debug", "target", "glibc"] {
            let deps = second.folder_of(name).join("deps");
            assert!(deps.join("serde-0123456789abcdef").exists(), "{}", deps.display());
            assert!(!deps.join("landfall-0123456789abcdef").exists(), "{}", deps.display());
        }
        std::fs::remove_dir_all(second.folder_of("glibc")).unwrap();
        second.bring(&cache).unwrap();
        assert!(!second.folder_of("glibc").exists(), "once is enough");
    }

    #[test]
    fn dependencies_of_tests_replace_others() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = create_build(&folder.path().join("first"), &folder.path().join("cache"));
        let kept = |kind: Kind| keeper.cache.contains(kind.name, &keeper.key);
        keeper.keep_for_programs().unwrap();
        assert_eq!([kept(PROGRAMS_ONLY), kept(WITH_TESTS)], [true, false]);
        keeper.keep_for_tests().unwrap();
        assert_eq!([kept(PROGRAMS_ONLY), kept(WITH_TESTS)], [false, true]);
        keeper.keep_for_programs().unwrap();
        assert_eq!([kept(PROGRAMS_ONLY), kept(WITH_TESTS)], [false, true]);
    }

    #[test]
    fn related_build_fills_only_new_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (first, cache) = (folder.path().join("first"), folder.path().join("cache"));
        let first = create_build(&first, &cache);
        first.keep(WITH_TESTS).unwrap();
        let second = |name: &str, family: &str| {
            let build = Build { target: folder.path().join(name), digest: "2".repeat(32), family: family.to_owned() };
            let found = build.folder_of("target").join("deps/serde-0123456789abcdef");
            (build, found)
        };
        let (stranger, found) = second("stranger", "of another");
        stranger.bring(&cache).unwrap();
        assert!(!found.exists());
        let (relative, found) = second("relative", "of both");
        relative.bring(&cache).unwrap();
        assert!(found.exists());
        let (used, found) = second("used", "of both");
        std::fs::create_dir_all(used.folder_of("target").join(".fingerprint")).unwrap();
        used.bring(&cache).unwrap();
        assert!(!found.exists(), "a clone's build is not repeated for another clone");
    }

    #[test]
    fn launcher_digest_matches_cache_key() {
        assert_eq!(kept::digest(b"some material").unwrap(), Key::of(b"some material").digest());
    }

    #[test]
    fn own_files_differ_from_dependencies() {
        let own = ["landfall".to_owned(), "landfall-media".to_owned(), "end-to-end".to_owned()];
        for name in
            ["landfall-0123456789abcdef", "liblandfall_media-0123456789abcdef.rmeta", "end_to_end-0123456789abcdef.d"]
        {
            assert!(is_own(name, &own), "{name}");
        }
        for name in ["libserde-0123456789abcdef.rlib", "landfall-other-0123456789abcdef", "serde-0123456789abcdef"] {
            assert!(!is_own(name, &own), "{name}");
        }
    }
}
