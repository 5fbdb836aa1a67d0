//! Built dependencies in the cache, so that a fresh clone on the same machine compiles only the project itself.
//!
//! Their content depends on the lock file, the settings of dependencies and profiles, and the compiler. These make up
//! the key. The launcher copies them into the build folder before anything else of the project is compiled. An empty
//! build folder without an exact match gets those of a relative. That is a clone with the same external dependencies,
//! whose own crates use them differently. Cargo then compiles only the few whose features differ.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lock::Lock;
use crate::{cache, TARGET};

/// Target of programs that load a library of the host.
pub const GLIBC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// A kind of cache entries: its name, and the folders of the build that it holds.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Name of its folder in the cache.
    pub name: &'static str,
    /// The build's folders, each of which is also a folder of an entry.
    pub builds: &'static [&'static str],
}

/// Dependencies of tests and lints, for the host (build scripts, macros) and for the target.
pub const WITH_TESTS: Kind = Kind { name: "dependencies-with-tests", builds: &["debug", "target"] };

/// Dependencies of only the programs.
pub const PROGRAMS_ONLY: Kind = Kind { name: "dependencies", builds: &["debug", "target"] };

/// Dependencies of the program that loads a library of the host. They are built for the host's own target.
pub const FOR_GLIBC: Kind = Kind { name: "dependencies-for-glibc", builds: &["glibc"] };

/// File of an entry that holds the digest of its family.
pub const FAMILY: &str = "family";

/// File of a build folder that is locked while dependencies are copied into it.
const LOCK: &str = ".dependencies-lock";

/// Folder in which cargo records what is fresh.
const FINGERPRINTS: &str = ".fingerprint";

/// Sections of Cargo.toml that do not affect how dependencies are built for development.
const INDIFFERENT: [&str; 3] = ["[workspace.lints", "[workspace.package]", "[profile.release"];

/// Start of a line about one of the project's own crates in a profile.
const OWN_CRATE: &str = "landfall";

/// Returns the folder in which cargo builds this clone.
pub fn target_folder(clone: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| clone.join("target"), PathBuf::from)
}

/// A build folder, with the digests of the inputs of its dependencies.
#[derive(Clone, Debug)]
pub struct Build {
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The key of the cache entries: 32 hexadecimal digits.
    pub digest: String,
    /// Digest of the inputs that relatives share: 32 hexadecimal digits.
    pub family: String,
}

impl Build {
    /// Copies cached dependencies into the build folder, once. Everything else in the folder was built against other
    /// builds of them and is rebuilt. Otherwise, cargo would consider it fresh, but the compiler would not find its
    /// dependencies.
    pub fn bring(&self, cache: &Path) -> Result<(), String> {
        // A second command of this clone waits, then finds them copied.
        let _lock = Lock::acquire(&self.target.join(LOCK))?;
        let find = |kind: Kind| self.find(&cache.join(kind.name), kind).map(|entry| (kind, entry));
        let common = find(WITH_TESTS).or_else(|| find(PROGRAMS_ONLY));
        let found = common.into_iter().chain(find(FOR_GLIBC));
        found.into_iter().try_for_each(|(kind, entry)| self.bring_kind(&entry, kind))
    }

    /// Returns the entry for this clone or, for an empty build folder, that of the newest relative.
    fn find(&self, entries: &Path, kind: Kind) -> Option<PathBuf> {
        let exact = entries.join(&self.digest);
        if exact.is_dir() {
            return Some(exact);
        }
        if kind.builds.iter().any(|build| *build != "debug" && self.folder_of(build).join(FINGERPRINTS).exists()) {
            return None;
        }
        let is_relative = |entry: &PathBuf| {
            let family = fs::read_to_string(entry.join(FAMILY));
            family.map_or(false, |family| family == self.family)
        };
        let entries = fs::read_dir(entries).ok()?.flatten().map(|entry| entry.path());
        entries.filter(is_relative).max_by_key(|entry| fs::metadata(entry).and_then(|found| found.modified()).ok())
    }

    fn bring_kind(&self, entry: &Path, kind: Kind) -> Result<(), String> {
        if self.marker(kind).exists() {
            return Ok(());
        }
        // Entries that go unused for long are removed. Another user's entries cannot be marked as used, but are still
        // valid.
        let _ = run(Command::new("touch").arg("--no-create").arg(entry));
        let brought = kind.builds.iter().try_for_each(|build| bring_folder(&entry.join(build), &self.folder_of(build)));
        if brought.is_err() {
            // A partly copied file is new, so cargo would consider it fresh.
            for build in kind.builds {
                let _ = fs::remove_dir_all(self.folder_of(build).join(FINGERPRINTS));
            }
        }
        brought.and_then(|()| self.mark(kind))
    }

    /// Records that the build folder has the dependencies from the cache.
    pub fn mark(&self, kind: Kind) -> Result<(), String> {
        let marker = self.marker(kind);
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&marker)
            .map(drop)
            .map_err(|error| format!("cannot mark {}: {error}", marker.display()))
    }

    fn marker(&self, kind: Kind) -> PathBuf {
        self.target.join(format!(".{}-{}", kind.name, self.digest))
    }

    /// Returns the build's folder that has this name in an entry.
    pub fn folder_of(&self, build: &str) -> PathBuf {
        match build {
            "target" => self.target.join(TARGET).join("debug"),
            "glibc" => self.target.join(GLIBC_TARGET).join("debug"),
            _ => self.target.join("debug"),
        }
    }
}

/// Copies a folder. Files are replaced, not overwritten, because a compiler may be reading them.
fn bring_folder(kept: &Path, local: &Path) -> Result<(), String> {
    fs::create_dir_all(local).map_err(|error| format!("cannot create {}: {error}", local.display()))?;
    run(Command::new("cp").args(["--archive", "--remove-destination"]).arg(kept.join(".")).arg(local))?;
    forget_others(&local.join(FINGERPRINTS), &kept.join(FINGERPRINTS))
}

/// Copies cached dependencies for this clone, if there are any, into its build folder.
pub fn bring(clone: &Path) -> Result<(), String> {
    let cache = match cache::root() {
        Some(root) if [WITH_TESTS, PROGRAMS_ONLY, FOR_GLIBC].iter().any(|kind| root.join(kind.name).is_dir()) => root,
        _ => return Ok(()),
    };
    let Material { exact, of_family } = material(clone)?;
    Build { target: target_folder(clone), digest: digest(&exact)?, family: digest(&of_family)? }.bring(&cache)
}

/// The inputs from which a clone's dependencies are built. Each part has its length as a prefix, so that no two
/// sequences collide.
#[derive(Debug)]
pub struct Material {
    /// All inputs.
    pub exact: Vec<u8>,
    /// The inputs without the project's own crates in the lock file, whose entries list what each crate uses.
    pub of_family: Vec<u8>,
}

/// Reads the inputs from which this clone's dependencies are built.
pub fn material(clone: &Path) -> Result<Material, String> {
    let mut rustc = Command::new("rustc");
    let compiler = rustc.current_dir(clone).arg("-vV").stderr(Stdio::null()).output();
    let compiler = compiler.map_err(|error| format!("rustc cannot be started: {error}"))?.stdout;
    let read = |name: &str| {
        let path = clone.join(name);
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let lock = read("Cargo.lock")?;
    let others = [
        compiler,
        settings(&read("Cargo.toml")?).into_bytes(),
        read(".cargo/config.toml")?.into_bytes(),
        flags.into_bytes(),
    ];
    let with = |lock: &str| {
        let parts = others.iter().map(Vec::as_slice).chain([lock.as_bytes()]);
        parts.flat_map(|part| (part.len() as u64).to_le_bytes().into_iter().chain(part.iter().copied())).collect()
    };
    Ok(Material { exact: with(&lock), of_family: with(&from_outside(&lock)) })
}

/// Returns the packages of a lock file that have a source. The project's own packages have none.
fn from_outside(lock: &str) -> String {
    lock.split("[[package]]").filter(|package| package.contains("\nsource = ")).collect()
}

/// Returns the lines of Cargo.toml that affect how dependencies are built: not lints, profiles of the project's own
/// crates, or comments.
fn settings(manifest: &str) -> String {
    let (mut is_meant, mut is_profile) = (true, false);
    let mut kept = String::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            is_meant = !INDIFFERENT.iter().any(|section| line.starts_with(section));
            is_profile = line.starts_with("[profile.");
        }
        if is_meant && !(is_profile && line.starts_with(OWN_CRATE)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Returns the first 32 hexadecimal digits of a SHA-256. The launcher has no dependencies, but every Debian has
/// `sha256sum`.
pub fn digest(material: &[u8]) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("sha256sum failed: {error}");
    let mut command = Command::new("sha256sum");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    // The pipe closes at the end of this statement, which ends the input.
    child.stdin.take().map_or(Ok(()), |mut input| input.write_all(material)).map_err(failed)?;
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.get(..32) {
        Some(digest) if output.status.success() => Ok(digest.to_owned()),
        _ => Err(format!("sha256sum ended with {}", output.status)),
    }
}

/// Makes cargo rebuild everything that is not in the cached build.
fn forget_others(local: &Path, kept: &Path) -> Result<(), String> {
    let names = |folder: &Path| -> BTreeSet<OsString> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
    };
    for name in names(local).difference(&names(kept)) {
        let path = local.join(name);
        fs::remove_dir_all(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_and_comments_change_no_dependency() {
        let manifest = "[workspace]\nresolver = \"3\"\n# a word\n[workspace.dependencies]\na = \"1\"\n";
        let more = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[profile.release]\nlto = true\n";
        let own = "[profile.dev.package]\nlandfall-media.opt-level = 1\n";
        assert_eq!(settings(&format!("{manifest}{own}")), format!("{}[profile.dev.package]\n", settings(manifest)));
        assert_eq!(settings(&format!("{manifest}{more}")), settings(manifest));
        for change in ["b = \"1\"\n", "[profile.dev]\nopt-level = 1\n", "[patch.crates-io]\n"] {
            assert_ne!(settings(&format!("{manifest}{change}")), settings(manifest), "{change}");
        }
    }

    #[test]
    fn digest_matches_sha256() {
        assert_eq!(digest(b"abc").as_deref(), Ok("ba7816bf8f01cfea414140de5dae2223"));
    }

    #[test]
    fn material_of_clone_is_complete() {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let Material { exact, of_family } = material(clone).unwrap();
        for text in [&exact, &of_family].map(|material| String::from_utf8_lossy(material)) {
            for part in ["rustc ", "checksum = ", "[profile.dev]", "[alias]"] {
                assert!(text.contains(part), "{part}");
            }
        }
        let own = |material: &[u8]| String::from_utf8_lossy(material).contains("name = \"landfall-peer\"");
        assert!(own(&exact) && !own(&of_family), "the project's own crates belong to this clone only");
    }
}
