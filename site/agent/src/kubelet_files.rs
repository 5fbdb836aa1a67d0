//! What a power cut leaves of the kubelet's own certificates. The kubelet writes them without a sync and does not start
//! with an empty one, nor with half a pair; it makes new ones where there are none.

use landfall_media::durable;

use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;

/// The pair by which the kubelet serves.
const PAIR: [&str; 2] = ["kubelet.crt", "kubelet.key"];
/// Links to the certificate by which the kubelet speaks to the API server.
const CLIENT: &str = "kubelet-client-current.pem";

/// Removes certificates that the kubelet would stumble over. To be called while it does not run.
pub fn remove_torn(paths: &SitePaths) -> Result<(), StepError> {
    let folder = paths.kubelet_mount().join("pki");
    let size = |name: &str| fs_err::metadata(folder.join(name)).map_or(0, |found| found.len());
    let is_there = |name: &&str| folder.join(name).symlink_metadata().is_ok();
    if PAIR.iter().any(is_there) && PAIR.iter().any(|name| size(name) == 0) {
        tracing::warn!("the kubelet's serving certificate did not reach the disk: it will make a new one");
        for name in PAIR {
            durable::remove_file(&folder.join(name))?;
        }
    }
    let client = folder.join(CLIENT);
    if is_there(&CLIENT) && size(CLIENT) == 0 {
        tracing::warn!("the kubelet's client certificate did not reach the disk: it will ask for a new one");
        if let Ok(target) = fs_err::read_link(&client) {
            durable::remove_file(&folder.join(target.file_name().unwrap_or_default()))?;
        }
        durable::remove_file(&client)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_empty_goes_and_what_is_whole_stays() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        remove_torn(&paths).unwrap();
        let folder = paths.kubelet_mount().join("pki");
        durable::create_folder(&folder).unwrap();
        let write = |name: &str, text: &str| durable::write_file(&folder.join(name), text.as_bytes(), 0o600).unwrap();
        write("kubelet.crt", "certificate");
        write("kubelet.key", "key");
        write("kubelet-client-1.pem", "both");
        std::os::unix::fs::symlink(folder.join("kubelet-client-1.pem"), folder.join(CLIENT)).unwrap();
        remove_torn(&paths).unwrap();
        assert_eq!(names(&folder), ["kubelet-client-1.pem", CLIENT, "kubelet.crt", "kubelet.key"]);

        write("kubelet.key", "");
        remove_torn(&paths).unwrap();
        assert_eq!(names(&folder), ["kubelet-client-1.pem", CLIENT]);

        write("kubelet.crt", "half a pair");
        write("kubelet-client-1.pem", "");
        remove_torn(&paths).unwrap();
        assert!(names(&folder).is_empty());
    }
}
