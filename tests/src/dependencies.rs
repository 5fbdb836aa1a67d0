//! Built dependencies, kept in the cache, so that a fresh clone on the same machine compiles only the project itself.
//!
//! Their content depends on the lock file, the profiles and the compiler, which are the key. The project's own crates
//! are left out: cargo distinguishes clones only by file times, and would take one clone's crates for another's.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, which are recreated when they are lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cache::{Cache, Key};
use crate::workspace::{self, GLIBC_TARGET, TARGET, cargo};

/// A kind of cache entries: its name, and the folders of the build that it holds.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    builds: &'static [&'static str],
}

/// Dependencies of tests and lints, for the host (build scripts, macros) and for the target.
const WITH_TESTS: Kind = Kind { name: "dependencies-with-tests", builds: &["debug", "target"] };

/// Those of the programs alone.
const PROGRAMS_ONLY: Kind = Kind { name: "dependencies", builds: &["debug", "target"] };

/// Those of the program that loads a library of the host, which is built for the host's own target.
const FOR_GLIBC: Kind = Kind { name: "dependencies-for-glibc", builds: &["glibc"] };

/// The files that cargo needs to find a dependency fresh.
const PARTS: [&str; 3] = [".fingerprint", "build", "deps"];

/// Names per `cp`, far below the limit of a command line.
const NAMES_PER_COPY: usize = 400;

/// A build folder, what the cache keeps for it, and whose targets it does not keep.
struct Build {
    target: PathBuf,
    cache: Cache,
    key: Key,
    own: fn() -> Result<Vec<String>>,
}

/// Puts kept dependencies into this clone's build folder, once. The project's own crates that were built against other
/// builds of them are removed: cargo would take them for fresh, but the compiler would miss their dependencies.
pub fn bring() -> Result<()> {
    Build::of_this_clone()?.bring()
}

/// Stores the dependencies that were built for the programs.
pub fn keep_for_programs() -> Result<()> {
    Build::of_this_clone()?.keep(PROGRAMS_ONLY)
}

/// Stores the dependencies that were built for tests and lints, too.
pub fn keep_for_tests() -> Result<()> {
    Build::of_this_clone()?.keep(WITH_TESTS)
}

/// Stores the dependencies that were built for the host's own target.
pub fn keep_for_glibc() -> Result<()> {
    Build::of_this_clone()?.keep(FOR_GLIBC)
}

impl Build {
    fn of_this_clone() -> Result<Self> {
        Ok(Self { target: workspace::target_folder(), cache: Cache::open()?, key: key()?, own: own_targets })
    }

    fn bring(&self) -> Result<()> {
        let is_kept = |kind: &Kind| self.cache.contains(kind.name, &self.key);
        let common = [WITH_TESTS, PROGRAMS_ONLY].into_iter().find(is_kept);
        let of_the_host = Some(FOR_GLIBC).filter(is_kept);
        common.into_iter().chain(of_the_host).try_for_each(|kind| self.bring_kind(kind))
    }

    fn bring_kind(&self, kind: Kind) -> Result<()> {
        let marker = self.marker(kind);
        if marker.exists() {
            return Ok(());
        }
        let own = (self.own)()?;
        for build in kind.builds {
            let (kept, local) = (self.cache.path(kind.name, &self.key).join(build), self.folder_of(build));
            std::fs::create_dir_all(&local).with_context(|| format!("cannot create {}", local.display()))?;
            workspace::run(Command::new("cp").arg("--archive").arg(kept.join(".")).arg(&local))?;
            forget(&local.join(PARTS[0]), &own)?;
        }
        mark(&marker)
    }

    fn keep(&self, kind: Kind) -> Result<()> {
        if self.cache.contains(kind.name, &self.key) {
            return Ok(());
        }
        let own = (self.own)()?;
        self.cache.entry(kind.name, &self.key, |folder| {
            for build in kind.builds {
                for part in PARTS {
                    copy(&self.folder_of(build).join(part), &folder.join(build).join(part), &own)?;
                }
            }
            Ok(())
        })?;
        // What came from the cache need not be brought again.
        mark(&self.marker(kind))
    }

    /// Marks the build folder as having the dependencies of the cache.
    fn marker(&self, kind: Kind) -> PathBuf {
        self.target.join(format!(".{}-{}", kind.name, self.key.digest()))
    }

    fn folder_of(&self, build: &str) -> PathBuf {
        match build {
            "target" => self.target.join(TARGET).join("debug"),
            "glibc" => self.target.join(GLIBC_TARGET).join("debug"),
            _ => self.target.join("debug"),
        }
    }
}

fn mark(marker: &Path) -> Result<()> {
    std::fs::File::create(marker).with_context(|| format!("cannot mark {}", marker.display()))?;
    Ok(())
}

/// Makes cargo build the project's own targets again.
fn forget(fingerprints: &Path, own: &[String]) -> Result<()> {
    let Ok(entries) = fingerprints.read_dir() else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", fingerprints.display()))?;
        if is_own(&entry.file_name().to_string_lossy(), own) {
            let path = entry.path();
            std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Copies the entries of a folder that are not of the project's own targets, times included.
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

/// Whether a name of cargo's, `NAME-HASH…` or `libNAME-HASH…`, belongs to one of these targets.
fn is_own(name: &str, own: &[String]) -> bool {
    let name = name.replace('_', "-");
    let begins = |name: &str| own.iter().any(|own| name.strip_prefix(own.as_str()).is_some_and(is_hash));
    begins(&name) || name.strip_prefix("lib").is_some_and(begins)
}

fn is_hash(rest: &str) -> bool {
    let hash = rest.strip_prefix('-').and_then(|rest| rest.split('.').next());
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Names of the project's own packages and targets, with hyphens.
fn own_targets() -> Result<Vec<String>> {
    let output = cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let names = packages.iter().chain(targets).filter_map(|named| named["name"].as_str());
    // The launcher is a workspace of its own, and belongs to this clone as much as the other crates do.
    Ok(names.chain(["landfall-launcher"]).map(|name| name.replace('_', "-")).collect())
}

fn key() -> Result<Key> {
    let compiler = Command::new("rustc").current_dir(workspace::root()).arg("-vV").output();
    let compiler = compiler.context("cannot start rustc")?.stdout;
    let mut key = Key::new().with("compiler", compiler);
    for file in ["Cargo.lock", "Cargo.toml", ".cargo/config.toml"] {
        key = key.with_file(file, &workspace::root().join(file))?;
    }
    Ok(key.with("flags", std::env::var("RUSTFLAGS").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build folder with one file of each kind in each folder of the build.
    fn built(target: &Path, cache: &Path) -> Build {
        let build = Build {
            target: target.to_owned(),
            cache: Cache::at(cache).unwrap(),
            key: Key::new().with("compiler", "1"),
            own: || Ok(vec!["landfall".to_owned()]),
        };
        for name in ["debug", "target", "glibc"] {
            for part in PARTS {
                let folder = build.folder_of(name).join(part);
                for file in ["landfall-0123456789abcdef", "serde-0123456789abcdef"] {
                    std::fs::create_dir_all(folder.join(file)).unwrap();
                }
            }
        }
        build
    }

    #[test]
    fn what_is_built_for_the_host_comes_back_beside_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (first, cache) = (folder.path().join("first"), folder.path().join("cache"));
        let first = built(&first, &cache);
        first.keep(WITH_TESTS).unwrap();
        first.keep(FOR_GLIBC).unwrap();
        let second = Build { target: folder.path().join("second"), ..built(&folder.path().join("third"), &cache) };
        second.bring().unwrap();
        for name in ["debug", "target", "glibc"] {
            let deps = second.folder_of(name).join("deps");
            assert!(deps.join("serde-0123456789abcdef").exists(), "{}", deps.display());
            assert!(!deps.join("landfall-0123456789abcdef").exists(), "{}", deps.display());
        }
        std::fs::remove_dir_all(second.folder_of("glibc")).unwrap();
        second.bring().unwrap();
        assert!(!second.folder_of("glibc").exists(), "once is enough");
    }

    #[test]
    fn only_the_projects_own_targets_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (project, dependency) = ("landfall-0123456789abcdef", "serde-0123456789abcdef");
        for name in [project, dependency] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        forget(folder.path(), &["landfall".to_owned()]).unwrap();
        assert!(!folder.path().join(project).exists() && folder.path().join(dependency).exists());
        forget(&folder.path().join("nowhere"), &[]).unwrap();
    }

    #[test]
    fn the_projects_own_files_are_distinguished_from_dependencies() {
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
