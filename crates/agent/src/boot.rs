//! Checks and restores before anything starts: the site's identity and mounts.

use landfall_error_codes::codes;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::{files, mounts};

/// Returns an error if the data folder is not this site's: an unmounted disk must never look like a fresh site.
pub fn check_identity(paths: &SitePaths) -> Result<(), StepError> {
    let refused = |what: String| Err(StepError::new(codes::NODE_IDENTITY, what));
    let (settings, data) = (paths.settings_uuid(), paths.data_uuid());
    match (files::read(&settings)?, files::read(&data)?) {
        (Some(one), Some(other)) if one == other => Ok(()),
        (Some(_), Some(_)) => refused(format!("{} and {} name different sites", settings.display(), data.display())),
        (None, _) => refused(format!("{} is missing", settings.display())),
        (_, None) => refused(format!("{} is missing: its disk is not mounted", data.display())),
    }
}

/// Binds folders of the data folder to the paths that Kubernetes and log collectors expect.
pub fn bind(paths: &SitePaths) -> Result<(), StepError> {
    for (from, to) in [(paths.kubelet(), paths.kubelet_mount()), (paths.pod_logs(), paths.pod_logs_mount())] {
        for folder in [&from, &to] {
            fs_err::create_dir_all(folder).map_err(|error| files::file_error("create the folder", folder, error))?;
        }
        if !mounts::is_mounted(&to)? {
            let failed =
                |errno: rustix::io::Errno| files::file_error("mount the data folder's part at", &to, errno.into());
            mount_bind(&from, &to).map_err(failed)?;
            // The kubelet's mounts must propagate into pods, and mounts made in pods must propagate back. Neither may
            // appear in the source folder: first private, then shared.
            mount_change(&to, MountPropagationFlags::PRIVATE).map_err(failed)?;
            mount_change(&to, MountPropagationFlags::SHARED).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn unmounted_disk_is_not_fresh_site() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let write = |path: &Path, text: &str| {
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            landfall_media::durable::write_file(path, text.as_bytes(), 0o644).unwrap();
        };
        write(&paths.settings_uuid(), "one\n");
        let error = check_identity(&paths).unwrap_err().to_string();
        assert!(error.ends_with("site.uuid is missing: its disk is not mounted"), "{error}");
        write(&paths.data_uuid(), "other\n");
        assert!(check_identity(&paths).unwrap_err().to_string().contains("different sites"));
        write(&paths.data_uuid(), "one\n");
        check_identity(&paths).unwrap();
    }
}
