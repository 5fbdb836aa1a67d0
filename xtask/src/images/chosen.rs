//! Packages of a root filesystem in a version other than its suite's. They come from the suite of security updates, or
//! are files of the archive's pool that suites no longer list.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::layer::put;
use super::{Workshop, last_lines};
use crate::cache::Key;
use crate::printer;
use crate::setup::{self, DebianArchive, index};

/// Function that chooses such packages for a root filesystem, if it has any.
pub type Choice = fn(&Workshop) -> Result<Option<ChosenPackages>>;

/// Chooses none: all packages are those of the suite.
pub fn none(_workshop: &Workshop) -> Result<Option<ChosenPackages>> {
    Ok(None)
}

/// Path prefixes of files that a choice changes while the root filesystem is built. No image contains them.
pub const OWN_FILES: [&str; 2] = ["etc/apt/sources.list", PREFERENCES];

/// File by which apt installs only chosen packages from the suite of security updates.
const PREFERENCES: &str = "etc/apt/preferences.d/landfall";

/// Packages in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenPackages {
    /// Names of the packages, as in [`super::debian::Root::packages`].
    pub packages: &'static [&'static str],
    /// Debian version of all of them.
    pub version: String,
    /// Location of the packages.
    pub place: Place,
}

/// Location of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The security updates archive.
    Security(DebianArchive),
    /// A folder with the package files.
    Folder(PathBuf),
}

/// Arguments of mmdebstrap: a package source, and hooks. A temporary folder that it names exists as long as this value.
pub struct Source {
    /// The source in apt's one-line format.
    pub line: String,
    /// Options with hooks.
    pub hooks: Vec<String>,
    _folder: Option<TempDir>,
}

impl ChosenPackages {
    /// Adds the choice to a key.
    pub fn key(&self, key: Key) -> Key {
        let place = match self.place {
            Place::Security(_) => "security",
            Place::Folder(_) => "pool",
        };
        self.packages.iter().fold(key.with("chosen", &self.version).with("place", place), |key, package| {
            key.with("chosen package", package)
        })
    }

    /// Returns the packages in apt's notation.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.packages.iter().map(|package| format!("{package}={}", self.version))
    }

    /// Returns the source in which mmdebstrap finds the packages.
    pub fn source(&self, suite: &str) -> Result<Source> {
        match &self.place {
            Place::Security(archive) => {
                // Packages that are not selected keep the suite's version.
                let pin = format!(
                    "--setup-hook=mkdir -p \"$1/etc/apt/preferences.d\" && printf 'Package: *\\nPin: release \
                     l=Debian-Security\\nPin-Priority: 50\\n' > \"$1/{PREFERENCES}\""
                );
                let line = archive.source_line(&setup::security_suite(suite));
                Ok(Source { line, hooks: vec![pin], _folder: None })
            }
            Place::Folder(files) => {
                let folder = local_archive(files)?;
                let line = format!("deb [trusted=yes] copy:{} ./", folder.path().display());
                Ok(Source { line, hooks: Vec::new(), _folder: Some(folder) })
            }
        }
    }
}

/// Creates an archive for apt, which may run as an unprivileged user here. It has no signature, because the files'
/// digests were checked on download.
fn local_archive(files: &Path) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("landfall-packages-").tempdir().context("cannot create a folder")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let mut list = String::new();
    for entry in files.read_dir().with_context(|| format!("cannot list {}", files.display()))? {
        let path = entry?.path();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        list.push_str(&stanza(&control(&path)?, &name, &bytes));
        put(&folder.path().join(&name), &bytes)?;
    }
    put(&folder.path().join("Packages"), list.as_bytes())?;
    Ok(folder)
}

/// Returns the control fields of a package.
fn control(package: &Path) -> Result<String> {
    let output = Command::new("dpkg-deb").arg("--field").arg(package).output().context("cannot run dpkg-deb")?;
    ensure!(output.status.success(), "{} is no package:\n{}", package.display(), last_lines(&output.stderr));
    String::from_utf8(output.stdout).with_context(|| format!("{} has no text", package.display()))
}

/// Returns a package's entry in the archive's list.
fn stanza(control: &str, name: &str, bytes: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(bytes));
    format!("{}\nFilename: ./{name}\nSize: {}\nSHA256: {digest}\n\n", control.trim_end(), bytes.len())
}

/// A version that suites may no longer list, although the archive's pool still has its files.
pub struct PoolVersion {
    /// Name of the source package, which determines the pool folder.
    pub source: &'static str,
    /// Debian version.
    pub version: &'static str,
    /// Packages, each with the SHA-256 of its file.
    pub packages: &'static [(&'static str, &'static str)],
}

impl PoolVersion {
    /// Downloads the files into the cache, and returns their folder. Returns `None` if no archive of this machine has
    /// them; it retries after a day.
    pub fn ensure(&self, workshop: &Workshop) -> Result<Option<PathBuf>> {
        const KIND: &str = "debian-packages";
        let start = Key::new().with("version", self.version);
        let key = self.packages.iter().fold(start, |key, (package, digest)| key.with(package, digest));
        if let Some(folder) = workshop.cache().find(KIND, &key) {
            return Ok(Some(folder));
        }
        let name = format!("{}-{}", self.source, self.version);
        index::answer(workshop.cache(), &name, workshop.answers_age, || {
            let brought = workshop.entry(KIND, &name, &key, |folder| self.download(workshop, folder));
            Ok(match brought {
                Ok(_) => "found".to_owned(),
                Err(error) => {
                    printer::note(format!("{name} is not used: {error:#}"));
                    "gone".to_owned()
                }
            })
        })?;
        Ok(workshop.cache().find(KIND, &key))
    }

    fn download(&self, workshop: &Workshop, folder: &Path) -> Result<()> {
        let mut pools = vec![workshop.archive()?.address("pool/main")];
        pools.extend(setup::security_archive()?.map(|archive| archive.address("pool/updates/main")));
        for (package, digest) in self.packages {
            let name = format!("{package}_{}_amd64.deb", self.version);
            let file = folder.join(&name);
            let letter = self.source.get(..1).unwrap_or_default();
            let is_here =
                |pool: &String| index::download(&format!("{pool}/{letter}/{}/{name}", self.source), &file).is_ok();
            ensure!(pools.iter().any(is_here), "no archive has {name}");
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let found = hex::encode(Sha256::digest(&bytes));
            ensure!(found == *digest, "{name} has the digest {found}, not {digest}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_packages(version: &str, place: Place) -> ChosenPackages {
        ChosenPackages { packages: &["a", "b"], version: version.to_owned(), place }
    }

    fn archive() -> DebianArchive {
        DebianArchive {
            mirror: "http://mirror.example/security".into(),
            keyring: "/k.gpg".into(),
            codename: "x".into(),
        }
    }

    #[test]
    fn choice_changes_key() {
        let folder = || Place::Folder("/a".into());
        let digest = |chosen: ChosenPackages| chosen.key(Key::new()).digest();
        let digests = [
            digest(sample_packages("1", folder())),
            digest(sample_packages("2", folder())),
            digest(sample_packages("1", Place::Security(archive()))),
            Key::new().digest(),
        ];
        assert_eq!(digests.iter().collect::<std::collections::BTreeSet<_>>().len(), digests.len());
        assert_eq!(digest(sample_packages("1", Place::Folder("/b".into()))), digests[0]);
    }

    #[test]
    fn chosen_packages_come_from_security_suite() {
        let chosen = sample_packages("17.13-0+deb13u1", Place::Security(archive()));
        assert_eq!(chosen.names().collect::<Vec<_>>(), ["a=17.13-0+deb13u1", "b=17.13-0+deb13u1"]);
        let source = chosen.source("trixie").unwrap();
        assert_eq!(source.line, "deb [signed-by=/k.gpg] http://mirror.example/security trixie-security main");
        assert!(source.hooks[0].contains(PREFERENCES) && source.hooks[0].contains("l=Debian-Security"));
    }

    #[test]
    fn package_folder_becomes_readable_archive() {
        let files = tempfile::tempdir().unwrap();
        let source = sample_packages("1", Place::Folder(files.path().into())).source("trixie").unwrap();
        let path =
            source.line.strip_prefix("deb [trusted=yes] copy:").and_then(|rest| rest.strip_suffix(" ./")).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read(Path::new(path).join("Packages")).unwrap(), b"");
        let stanza = stanza("Package: a\nVersion: 1\n", "a_1_amd64.deb", b"bytes");
        let digest = hex::encode(Sha256::digest(b"bytes"));
        assert_eq!(stanza, format!("Package: a\nVersion: 1\nFilename: ./a_1_amd64.deb\nSize: 5\nSHA256: {digest}\n\n"));
    }
}
