//! The files of an image that record packages.

use super::copyright::package_of;
use crate::limits;

/// The kind of a file that records packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `/var/lib/dpkg/status`, or a file of `/var/lib/dpkg/status.d`, which images without a package manager have.
    Dpkg,
    /// apk's `installed`.
    Apk,
    /// `METADATA` or `PKG-INFO` of a Python package.
    Python,
    /// `package.json` of a package in `node_modules`.
    Npm,
    /// `os-release`.
    OsRelease,
    /// `/usr/share/doc/NAME/copyright` of a Debian package. It lists no packages, so skipping one that is too large
    /// leaves no list incomplete.
    Copyright,
    /// RPM's `rpmdb.sqlite`.
    Rpm,
    /// Data that SQLite has not yet written to `rpmdb.sqlite`; usually an empty file.
    RpmLog,
    /// RPM's database before version 4.16, in Berkeley DB.
    RpmBerkeley,
    /// RPM's database in its own format.
    RpmNdb,
}

impl Source {
    /// Returns the kind of the file at an absolute path; `None` if it is not of interest.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/var/lib/dpkg/status" => return Some(Self::Dpkg),
            "/lib/apk/db/installed" | "/usr/lib/apk/db/installed" => return Some(Self::Apk),
            "/etc/os-release" | "/usr/lib/os-release" => return Some(Self::OsRelease),
            _ => {}
        }
        if let Some(name) = path.strip_prefix("/var/lib/dpkg/status.d/") {
            return (!name.contains('/') && !name.ends_with(".md5sums")).then_some(Self::Dpkg);
        }
        if package_of(path).is_some() {
            return Some(Self::Copyright);
        }
        let (folder, name) = path.rsplit_once('/')?;
        let parent = folder.rsplit('/').next()?;
        match name {
            "rpmdb.sqlite" => is_of_rpm(folder).then_some(Self::Rpm),
            "rpmdb.sqlite-wal" => is_of_rpm(folder).then_some(Self::RpmLog),
            "Packages" => is_of_rpm(folder).then_some(Self::RpmBerkeley),
            "Packages.db" => is_of_rpm(folder).then_some(Self::RpmNdb),
            "METADATA" => parent.ends_with(".dist-info").then_some(Self::Python),
            "PKG-INFO" => parent.ends_with(".egg-info").then_some(Self::Python),
            "package.json" => is_in_node_modules(folder).then_some(Self::Npm),
            _ => name.ends_with(".egg-info").then_some(Self::Python),
        }
    }

    /// Maximum size of a file to read in bytes.
    pub(super) fn limit(self) -> u64 {
        match self {
            Self::Dpkg | Self::Apk | Self::Rpm => limits::DATABASE_BYTES,
            // These are refused for another reason, whatever their size.
            Self::RpmLog | Self::RpmBerkeley | Self::RpmNdb => u64::MAX,
            Self::Python | Self::Npm | Self::OsRelease | Self::Copyright => limits::METADATA_BYTES,
        }
    }
}

/// Returns true if the folder is one of those in which RPM has its database.
fn is_of_rpm(folder: &str) -> bool {
    matches!(folder, "/var/lib/rpm" | "/usr/lib/sysimage/rpm" | "/usr/share/rpm")
}

/// Returns true if the folder is `node_modules/NAME` or `node_modules/@SCOPE/NAME`.
fn is_in_node_modules(folder: &str) -> bool {
    let mut parts = folder.rsplit('/');
    let (_, above) = (parts.next(), parts.next());
    match above {
        Some("node_modules") => true,
        Some(scope) if scope.starts_with('@') => parts.next() == Some("node_modules"),
        _ => false,
    }
}
