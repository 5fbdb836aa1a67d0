//! Root filesystems made of Debian packages, and the layers cut from them: one base for all, and differences above it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::chosen::{self, Choice, ChosenPackages, OWN_FILES};
use super::layer::{Entry, FileTree, Kind, Layer, ensure_layer, put};
use super::{SOURCE_DATE_EPOCH, Workshop, last_lines};
use crate::cache::Key;
use crate::setup;

/// Debian release from which the images are made.
pub const SUITE: &str = "trixie";

/// Version of [`clean`], which is raised when it changes.
const CLEANING_VERSION: &str = "1";

/// Base of every image made of Debian packages.
pub const BASE: Root =
    Root { name: "base", packages: &["ca-certificates"], accounts: &[], removed: &[], chosen: chosen::none };

/// A directory server, which only tests use.
pub const SLAPD: Root = Root { name: "slapd", packages: &["slapd"], accounts: &[], removed: &[], chosen: chosen::none };

/// A proxy, which only tests use.
pub const NGINX: Root =
    Root { name: "nginx", packages: &["nginx-light"], accounts: &[], removed: &[], chosen: chosen::none };

/// Redis, for which a preset is tested.
pub const REDIS: Root =
    Root { name: "redis", packages: &["redis-server"], accounts: &[], removed: &[], chosen: chosen::none };

/// A Debian root filesystem: packages on top of Debian's required ones.
pub struct Root {
    /// Name in messages.
    pub name: &'static str,
    /// Packages to install, without recommended ones.
    pub packages: &'static [&'static str],
    /// Accounts that are created before packages create their own, so that their numbers are stable.
    pub accounts: &'static [Account],
    /// Path prefixes that the image omits.
    pub removed: &'static [&'static str],
    /// Function that chooses packages in a version other than the suite's.
    pub chosen: Choice,
}

/// A system account with a fixed number.
pub struct Account {
    /// Name of user and group.
    pub name: &'static str,
    /// Number of user and group.
    pub id: u32,
    /// Home folder.
    pub home: &'static str,
}

impl Root {
    /// Returns the key of the root filesystem and of layers cut from it. It covers the contents and the archive's
    /// state.
    pub fn key(&self, workshop: &Workshop) -> Result<Key> {
        let mut key = workshop.key().with("suite", SUITE).with("cleaning", CLEANING_VERSION);
        key = key.with("archive", workshop.archive_digest(SUITE)?);
        for package in BASE.packages.iter().chain(self.packages) {
            key = key.with("package", package);
        }
        for account in self.accounts {
            key = key.with("account", account.line());
        }
        for prefix in self.removed {
            key = key.with("removed", prefix);
        }
        Ok(match (self.chosen)(workshop)? {
            Some(chosen) => chosen.key(key),
            None => key,
        })
    }

    /// Builds the root filesystem if it is missing: `root.tar` as written by mmdebstrap, and `status`, the package
    /// manager's list.
    fn ensure_folder(&self, workshop: &Workshop) -> Result<PathBuf> {
        workshop.entry("debian", self.name, &self.key(workshop)?.with("status", "1"), |folder| {
            setup::ensure_packages(packages::ROOTS)?;
            let root = folder.join("root.tar");
            self.bootstrap(workshop, &root)?;
            put(&folder.join("status"), &FileTree::read_tar(&root)?.read("var/lib/dpkg/status")?)
        })
    }

    /// Unpacks the root filesystem if necessary; returns its folder. Its programs run from there, with its own loader,
    /// and nothing is installed on this machine.
    pub fn ensure_unpacked(&self, workshop: &Workshop) -> Result<PathBuf> {
        let root = self.ensure_folder(workshop)?.join("root.tar");
        workshop.entry("unpacked", self.name, &self.key(workshop)?, |folder| {
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--no-same-owner", "--exclude=./dev/*", "--file"]).arg(&root);
            let result = tar.arg("--directory").arg(folder).output().context("cannot run tar")?;
            ensure!(result.status.success(), "tar failed:\n{}", last_lines(&result.stderr));
            Ok(())
        })
    }

    fn bootstrap(&self, workshop: &Workshop, output: &std::path::Path) -> Result<()> {
        let chosen = (self.chosen)(workshop)?;
        let source = chosen.as_ref().map(|chosen| chosen.source(SUITE)).transpose()?;
        let is_chosen = |package: &str| chosen.as_ref().is_some_and(|chosen| chosen.packages.contains(&package));
        let packages = BASE.packages.iter().chain(self.packages).filter(|package| !is_chosen(package));
        let mut packages: Vec<String> = packages.map(|package| (*package).to_owned()).collect();
        packages.extend(chosen.iter().flat_map(ChosenPackages::names));
        let mut command = mmdebstrap(&packages);
        for account in self.accounts {
            command.arg(format!("--essential-hook={}", account.hook()));
        }
        command.args(source.iter().flat_map(|source| &source.hooks));
        command.args([SUITE]).arg(output).arg(workshop.archive()?.source_line(SUITE));
        run(command.args(source.iter().map(|source| &source.line)))
    }

    /// Builds the root filesystem if it is missing; returns its files without those that no image may contain.
    pub fn ensure_tree(&self, workshop: &Workshop) -> Result<FileTree> {
        let mut tree = FileTree::read_tar(&self.ensure_folder(workshop)?.join("root.tar"))?;
        clean(&mut tree);
        let own: &[&str] = if (self.chosen)(workshop)?.is_some() { &OWN_FILES } else { &[] };
        tree.retain(|path, _| !self.removed.iter().chain(own).any(|prefix| path.starts_with(prefix)));
        Ok(tree)
    }

    /// Returns the layer that turns the base into this root filesystem.
    pub fn ensure_difference(&self, workshop: &Workshop) -> Result<Layer> {
        let key = self.key(workshop)?.with("above", BASE.key(workshop)?.digest());
        ensure_layer(workshop, self.name, &key, || self.ensure_tree(workshop)?.above(&BASE.ensure_tree(workshop)?))
    }

    /// Returns the upstream version of an installed package: Debian's version without epoch, revision and repacking
    /// suffix.
    pub fn version(&self, workshop: &Workshop, package: &str) -> Result<String> {
        let versions = self.versions(workshop)?;
        let version = versions.get(package).with_context(|| format!("{package} is not installed in {}", self.name))?;
        Ok(upstream_version(version).to_owned())
    }

    /// Returns every installed package with its Debian version.
    pub fn versions(&self, workshop: &Workshop) -> Result<BTreeMap<String, String>> {
        let path = self.ensure_folder(workshop)?.join("status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(installed_versions(&status))
    }
}

impl Account {
    fn line(&self) -> String {
        format!("{0}:x:{1}:{1}::{2}:/bin/sh", self.name, self.id, self.home)
    }

    /// Returns a shell command that adds the account to the unfinished root filesystem, whose folder is `$1`.
    fn hook(&self) -> String {
        format!("echo {} >> \"$1/etc/passwd\" && echo {}:x:{}: >> \"$1/etc/group\"", self.line(), self.name, self.id)
    }
}

/// Returns an mmdebstrap command with these packages on top of the required ones. The caller adds the suite, the file
/// and the sources.
pub(super) fn mmdebstrap(packages: &[String]) -> Command {
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", "--format=tar"]);
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
    command.arg(format!("--include={}", packages.join(",")));
    command.env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH.to_string()).env("LC_ALL", "C.UTF-8");
    command
}

pub(super) fn run(mmdebstrap: &mut Command) -> Result<()> {
    let result = mmdebstrap.output().context("cannot run mmdebstrap")?;
    ensure!(result.status.success(), "mmdebstrap failed:\n{}", last_lines(&result.stderr));
    Ok(())
}

/// Returns the complete base layer.
pub fn ensure_base(workshop: &Workshop) -> Result<Layer> {
    ensure_layer(workshop, BASE.name, &BASE.key(workshop)?.with("above", "nothing"), || BASE.ensure_tree(workshop))
}

/// Folders that are emptied: they belong to a running machine, to documentation or to the package manager's caches.
const EMPTIED: &[&str] = &[
    "boot/",
    "dev/",
    "proc/",
    "run/",
    "sys/",
    "tmp/",
    "var/cache/",
    "var/tmp/",
    "var/log/",
    "var/lib/apt/lists/",
    "var/lib/systemd/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    // On installation, PostgreSQL creates a database cluster with its own keys and numbers, which is never used.
    "var/lib/postgresql/",
    "etc/postgresql/",
];

/// Files that are removed: files of the machine that built the root filesystem, secrets made at installation, backups
/// of the package manager.
const REMOVED: &[&str] = &[
    "etc/.pwd.lock",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "var/lib/dbus/machine-id",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/statoverride-old",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
];

/// Removes files that belong to the build machine or differ between builds.
pub(super) fn clean(tree: &mut FileTree) {
    tree.retain(|path, entry| {
        let snakeoil = matches!(&entry.kind, Kind::Link(target) if target.contains("ssl-cert-snakeoil"));
        let documentation = path.starts_with("usr/share/doc/") && !is_copyright(path, entry);
        // Compiled Python differs between builds, and Python does not need it.
        let compiled = path.ends_with("/__pycache__") || path.contains("/__pycache__/");
        !snakeoil
            && !documentation
            && !compiled
            && !REMOVED.contains(&path)
            && !EMPTIED.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| !rest.is_empty()))
    });
}

fn is_copyright(path: &str, entry: &Entry) -> bool {
    entry.kind == Kind::Folder || path.ends_with("/copyright") || matches!(entry.kind, Kind::Link(_))
}

/// Returns every installed package in the package manager's list, with its Debian version.
pub(super) fn installed_versions(status: &str) -> BTreeMap<String, String> {
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    status
        .split("\n\n")
        .filter(|stanza| field(stanza, "Status:").as_deref() == Some("install ok installed"))
        .filter_map(|stanza| Some((field(stanza, "Package:")?, field(stanza, "Version:")?)))
        .collect()
}

fn upstream_version(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    version.split(['+', '~']).next().unwrap_or(version)
}

/// Fails unless two builds of a root filesystem installed the same packages. They differ if the mirror has changed in
/// between.
pub fn same_packages(name: &str, one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> Result<()> {
    let changed: Vec<String> = one
        .iter()
        .filter(|(package, version)| two.get(*package) != Some(*version))
        .map(|(package, version)| {
            format!("{package} {version} became {}", two.get(package).map_or("absent", String::as_str))
        })
        .collect();
    ensure!(
        changed.is_empty() && one.len() == two.len(),
        "the archive changed between two builds of {name}, so they cannot be compared: {}",
        changed.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_release_changes_root_key() {
        let keys = ["first", "second"].map(|digest| {
            let folder = tempfile::tempdir().unwrap();
            let cache = crate::setup::index::tests::cache_with(folder.path(), SUITE, digest);
            BASE.key(&Workshop::over(cache)).unwrap().digest()
        });
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn upstream_versions_are_extracted() {
        let cases = [
            ("1:1.37.0-6+b3", "1.37.0"),
            ("8.1.1+dfsg1-3", "8.1.1"),
            ("17.6-0+deb13u1", "17.6"),
            ("3.13.5-1", "3.13.5"),
        ];
        for (debian, upstream) in cases {
            assert_eq!(upstream_version(debian), upstream);
        }
    }

    #[test]
    fn only_installed_packages_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1-1\n\n\
                      Package: b\nStatus: deinstall ok config-files\nVersion: 2-1\n";
        assert_eq!(installed_versions(status), BTreeMap::from([("a".to_owned(), "1-1".to_owned())]));
    }

    #[test]
    fn builder_traces_are_removed() {
        let mut tree = FileTree::default();
        let text = || Kind::Text(Vec::new());
        for path in REMOVED {
            tree.add(path, 0o644, text());
        }
        for folder in EMPTIED {
            tree.add(&format!("{folder}below"), 0o644, text());
        }
        tree.add("usr/share/doc/bash/README", 0o644, text());
        tree.add("usr/share/doc/bash/copyright", 0o644, text());
        tree.add_link("etc/ssl/certs/0a775a30.0", "ssl-cert-snakeoil.pem");
        clean(&mut tree);
        let files: Vec<&str> =
            tree.iter().filter(|(_, entry)| entry.kind != Kind::Folder).map(|(path, _)| path).collect();
        assert_eq!(files, ["usr/share/doc/bash/copyright"]);
    }
}
