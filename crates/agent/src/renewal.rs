//! Work on certificates in a copy. kubeadm rewrites files in place and syncs nothing, so it runs with a copy as its
//! root. Changed files are put into place only when the copy is complete and durable. The next check finishes a renewal
//! that a power cut interrupted: no pair ever stays half renewed.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use landfall_media::durable;

use super::programs::Programs;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Kubeconfigs with certificates that kubeadm renews, by the names of kubeadm's phases.
pub const KUBECONFIGS: [&str; 4] = ["admin", "super-admin", "controller-manager", "scheduler"];
/// kubeadm's configuration in the copy.
const CONFIGURATION: &str = "kubeadm.yaml";
/// Marker of a complete copy.
const COMPLETE: &str = "complete";

/// Copy of the certificates, in which kubeadm may work.
pub struct Renewal<'a> {
    paths: &'a SitePaths,
    programs: &'a Programs,
}

/// Takes the lock that keeps the agent and the kubelet's preparation from working at the same time. The folder itself
/// is locked: a lock file would exist only on sites that have renewed something since their boot.
pub fn lock(paths: &SitePaths) -> Result<File, StepError> {
    let path = paths.run();
    durable::create_folder(&path)?;
    let failed = |error| files::file_error("lock", &path, error);
    let folder = File::open(&path).map_err(failed)?;
    folder.lock().map_err(failed)?;
    Ok(folder)
}

impl<'a> Renewal<'a> {
    /// Copies what kubeadm needs. [`finish`] must have completed any earlier copy.
    pub fn begin(paths: &'a SitePaths, programs: &'a Programs) -> Result<Self, StepError> {
        let renewal = Self { paths, programs };
        durable::remove_tree(&paths.renewal())?;
        // The copy contains keys.
        durable::create_folder_with_mode(&paths.renewal(), 0o700)?;
        copy(&paths.kubeadm_configuration(), &paths.renewal().join(CONFIGURATION))?;
        for name in KUBECONFIGS {
            let name = format!("{name}.conf");
            copy(&paths.kubernetes().join(&name), &renewal.root().join(&name))?;
        }
        for file in files_below(&paths.kubernetes().join("pki"))? {
            copy(&file, &renewal.in_copy(&file))?;
        }
        Ok(renewal)
    }

    fn root(&self) -> PathBuf {
        root(self.paths)
    }

    /// Returns the path in the copy of a file of `/etc/kubernetes`.
    pub fn in_copy(&self, file: &Path) -> PathBuf {
        self.root().join(file.strip_prefix(self.paths.kubernetes()).unwrap_or(file))
    }

    /// Runs kubeadm with the copy as its root.
    pub fn kubeadm(&self, arguments: &[&str]) -> Result<(), StepError> {
        let command = self
            .programs
            .kubeadm(&["--rootfs"])
            .argument(self.paths.renewal())
            .arguments(arguments.iter().copied())
            .argument("--config")
            .argument(Path::new("/").join(CONFIGURATION));
        command.check_output(Subprocesses.run(&command, None)).map(drop)
    }

    /// Puts changed files into place, durably.
    pub fn commit(self) -> Result<(), StepError> {
        durable::sync_filesystem(&self.paths.renewal())?;
        durable::write_file(&self.paths.renewal().join(COMPLETE), b"", 0o600)?;
        finish(self.paths).map(drop)
    }
}

/// Puts a complete copy that a power cut left behind into place, and removes any other. Returns true if it found a
/// complete one.
pub fn finish(paths: &SitePaths) -> Result<bool, StepError> {
    let is_complete = paths.renewal().join(COMPLETE).exists();
    if is_complete {
        for file in files_below(&root(paths))? {
            let Ok(name) = file.strip_prefix(root(paths)) else { continue };
            let place = paths.kubernetes().join(name);
            let bytes = files::read(&file)?.unwrap_or_default();
            if files::read(&place)?.as_ref() != Some(&bytes) {
                durable::write_file(&place, &bytes, mode(&file)?)?;
            }
        }
    }
    durable::remove_tree(&paths.renewal())?;
    Ok(is_complete)
}

fn root(paths: &SitePaths) -> PathBuf {
    paths.renewal().join("etc/kubernetes")
}

/// Copies a file with its permission bits, if it exists.
fn copy(from: &Path, to: &Path) -> Result<(), StepError> {
    let Some(bytes) = files::read(from)? else { return Ok(()) };
    to.parent().map_or(Ok(()), durable::create_folder)?;
    Ok(durable::write_file(to, &bytes, mode(from)?)?)
}

fn mode(path: &Path) -> Result<u32, StepError> {
    let metadata = fs_err::metadata(path).map_err(|error| files::file_error("look at", path, error))?;
    Ok(metadata.permissions().mode() & 0o777)
}

/// Returns all files below a folder, without leftovers of interrupted writes; empty for a missing folder.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, StepError> {
    let failed = |error| files::file_error("list", folder, error);
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(files_below(&entry.path())?);
        } else if !durable::is_temporary(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_host::pack;

    #[test]
    fn only_complete_copy_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let programs = Programs::of(&paths, &pack::sample());
        let write = |path: &Path, text: &str, mode: u32| {
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(path, text.as_bytes(), mode).unwrap();
        };
        let (certificate, key) = (paths.kubernetes().join("pki/etcd/peer.crt"), paths.kubernetes().join("admin.conf"));
        write(&certificate, "old", 0o644);
        write(&key, "old", 0o600);
        let kubelet = paths.kubernetes().join("kubelet.conf");
        write(&kubelet, "the kubelet's own", 0o600);
        let read = |path: &Path| fs_err::read_to_string(path).unwrap();

        // The power is cut before the copy is complete.
        let renewal = Renewal::begin(&paths, &programs).unwrap();
        write(&renewal.in_copy(&certificate), "new", 0o644);
        assert!(!finish(&paths).unwrap() && !paths.renewal().exists());
        assert_eq!(read(&certificate), "old");

        // The power is cut after part of the complete copy was put into place.
        let renewal = Renewal::begin(&paths, &programs).unwrap();
        assert!(!renewal.in_copy(&kubelet).exists(), "it may still change");
        write(&renewal.in_copy(&certificate), "new", 0o644);
        write(&renewal.in_copy(&key), "new", 0o600);
        write(&paths.renewal().join(COMPLETE), "", 0o600);
        write(&certificate, "new", 0o644);
        assert!(finish(&paths).unwrap() && !finish(&paths).unwrap());
        assert_eq!(
            (read(&certificate), read(&key), read(&kubelet).as_str()),
            ("new".into(), "new".into(), "the kubelet's own")
        );
        assert_eq!((mode(&certificate).unwrap(), mode(&key).unwrap()), (0o644, 0o600));
    }
}
