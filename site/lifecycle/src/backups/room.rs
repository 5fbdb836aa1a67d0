//! Space that backups, drills and restores need beside everything that is there: the same filesystem has etcd and the databases.

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;

use crate::preflight::EVICTION_BYTES;

/// Refuses what takes so many bytes of the data folder, for `purpose`, if less would then be free than Kubernetes keeps free.
pub(crate) fn refuse_without_room(paths: &SitePaths, bytes: u64, purpose: &str) -> Result<(), StepError> {
    if bytes == 0 {
        return Ok(());
    }
    let data = paths.data();
    let measured = rustix::fs::statvfs(&data).map_err(|error| files::failed("measure", &data, error.into()))?;
    let free = measured.f_bavail * measured.f_frsize;
    let needed = bytes.saturating_add(EVICTION_BYTES);
    if needed <= free {
        return Ok(());
    }
    let what = format!("{purpose} needs {needed} bytes in {}, where {free} are free", data.display());
    Err(StepError::new(codes::BACKUP_NO_ROOM, what))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::Coded;
    use landfall_media::durable;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_beforehand() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        refuse_without_room(&paths, 0, "nothing").unwrap();
        let error = refuse_without_room(&paths, u64::MAX / 2, "a drill").unwrap_err();
        assert_eq!(error.code(), codes::BACKUP_NO_ROOM);
        assert!(error.to_string().starts_with("a drill needs "), "{error}");
    }
}
