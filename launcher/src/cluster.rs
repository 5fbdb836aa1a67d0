//! Debian's PostgreSQL packages create and start a database cluster when they are installed. The tests start their own
//! servers in their own folders, so the launcher prevents this cluster.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Folder of Debian's settings for new clusters.
const SETTINGS: &str = "/etc/postgresql-common";
/// Subfolder with additional settings. The last file in it takes precedence.
const MORE: &str = "createcluster.d";
/// Name of the file that this program writes.
const FILE: &str = "zz-landfall.conf";
const TEXT: &str = "# By `cargo xtask`, while it installs packages.\ncreate_main_cluster = false\n";

/// Guard that keeps packages from creating a cluster while it exists.
#[derive(Debug)]
pub struct NoCluster {
    file: PathBuf,
    /// Folders that this guard created, outermost first.
    made: Vec<PathBuf>,
}

impl NoCluster {
    /// Returns a guard for the installation of these packages, or None if no database is among them.
    pub fn during<'a>(mut packages: impl Iterator<Item = &'a str>) -> io::Result<Option<Self>> {
        if packages.any(|package| package.starts_with("postgresql")) {
            Self::below(Path::new(SETTINGS)).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Like [`during`](Self::during), for any packages and with an explicit settings folder.
    #[allow(clippy::disallowed_methods)]
    pub fn below(settings: &Path) -> io::Result<Self> {
        let more = settings.join(MORE);
        let mut none = Self { file: more.join(FILE), made: Vec::new() };
        for folder in [settings, &more] {
            if !folder.is_dir() {
                fs::create_dir(folder)?;
                none.made.push(folder.to_owned());
                // The server's account must be able to read these folders.
                fs::set_permissions(folder, Permissions::from_mode(0o755))?;
            }
        }
        fs::write(&none.file, TEXT)?;
        Ok(none)
    }
}

impl Drop for NoCluster {
    /// Keeps folders in which packages have placed files in the meantime.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleanup_keeps_existing_settings() {
        let etc = std::env::temp_dir().join(format!("landfall-no-cluster-{}", std::process::id()));
        let settings = etc.join("postgresql-common");
        fs::create_dir(&etc).unwrap();
        drop(NoCluster::below(&settings).unwrap());
        assert!(!settings.exists());

        let none = NoCluster::below(&settings).unwrap();
        assert_eq!(fs::read_to_string(settings.join("createcluster.d/zz-landfall.conf")).unwrap(), TEXT);
        fs::create_dir(settings.join("of a package")).unwrap();
        drop(none);
        assert!(settings.join("of a package").exists() && !settings.join(MORE).exists());

        fs::create_dir(settings.join(MORE)).unwrap();
        drop(NoCluster::below(&settings).unwrap());
        assert!(settings.join(MORE).exists() && !settings.join(MORE).join(FILE).exists());
        fs::remove_dir_all(&etc).unwrap();
    }

    #[test]
    fn only_database_packages_need_it() {
        assert!(NoCluster::during(["gcc", "openssl"].iter().copied()).unwrap().is_none());
    }
}
