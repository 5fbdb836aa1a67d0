//! Containers whose control group was left frozen. runc freezes a group while it changes the group's settings. If it is
//! killed in that moment, as when containerd is replaced while a container starts, the group stays frozen. With control
//! groups of version 1, its processes cannot even be killed, and their pod never ends. Nothing in Kubernetes pauses a
//! container, so a group frozen for half a minute is such a leftover.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err::OpenOptions;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Maximum time that a group may be frozen: runc needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Folders of pods' groups, for each version of control groups and each driver.
const PLACES: [&str; 4] = [
    "/sys/fs/cgroup/freezer/kubepods.slice",
    "/sys/fs/cgroup/freezer/kubepods",
    "/sys/fs/cgroup/kubepods.slice",
    "/sys/fs/cgroup/kubepods",
];
/// Levels of groups below these folders: quality of service, pod, container.
const LEVELS: usize = 3;

/// Switch that freezes a group: its file, the file's content when frozen, and the content that thaws it.
struct Switch {
    file: &'static str,
    frozen: &'static str,
    thaw: &'static str,
}

/// Switches of version 1 and version 2.
const SWITCHES: [Switch; 2] = [
    Switch { file: "freezer.state", frozen: "FROZEN", thaw: "THAWED" },
    Switch { file: "cgroup.freeze", frozen: "1", thaw: "0" },
];

/// Frozen groups, with the time when each was first seen frozen.
#[derive(Debug, Default)]
pub(crate) struct FrozenGroups(BTreeMap<PathBuf, Instant>);

impl FrozenGroups {
    /// Thaws groups of containers that have been frozen for too long.
    pub(crate) fn tend(&mut self, paths: &SitePaths, now: Instant) -> Result<(), StepError> {
        let found: Vec<_> = PLACES.iter().flat_map(|place| frozen_below(&paths.host(place), LEVELS)).collect();
        self.0.retain(|group, _| found.iter().any(|(known, _)| known == group));
        for (group, switch) in found {
            let since = *self.0.entry(group.clone()).or_insert(now);
            if now.duration_since(since) < PATIENCE {
                continue;
            }
            tracing::warn!(group = %group.display(), "thawing a container that was left frozen");
            let file = OpenOptions::new().write(true).truncate(true).open(group.join(switch.file));
            let thawed = file.and_then(|mut file| file.write_all(switch.thaw.as_bytes()));
            thawed.map_err(|error| files::file_error("thaw", &group, error))?;
        }
        Ok(())
    }
}

/// Returns the frozen groups at or below a group, down to this many levels. Groups that have disappeared are ignored.
fn frozen_below(group: &Path, levels: usize) -> Vec<(PathBuf, &'static Switch)> {
    let mut found: Vec<_> = SWITCHES
        .iter()
        .filter(|switch| fs_err::read_to_string(group.join(switch.file)).is_ok_and(|text| text.trim() == switch.frozen))
        .map(|switch| (group.to_owned(), switch))
        .collect();
    if levels > 0 {
        let entries = group.read_dir().into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(folders.flat_map(|folder| frozen_below(&folder.path(), levels - 1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn only_lasting_freezes_are_thawed() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let file = |place: &str, file: &str, text: &str| {
            let group = paths.host(format!("/sys/fs/cgroup/{place}"));
            durable::create_folder(&group).unwrap();
            durable::write_file(&group.join(file), text.as_bytes(), 0o644).unwrap();
            group.join(file)
        };
        let one = file("freezer/kubepods.slice/kubepods-burstable.slice/pod-1/container", "freezer.state", "FROZEN\n");
        let two = file("kubepods/pod-2/container", "cgroup.freeze", "1\n");
        let running = file("kubepods/pod-2/other", "cgroup.freeze", "0\n");
        let foreign = file("system.slice/paused", "cgroup.freeze", "1\n");
        let (mut frozen, begun) = (FrozenGroups::default(), Instant::now());
        let read = |file: &Path| fs_err::read_to_string(file).unwrap();
        frozen.tend(&paths, begun).unwrap();
        frozen.tend(&paths, begun + Duration::from_secs(20)).unwrap();
        assert_eq!((read(&one).as_str(), read(&two).as_str()), ("FROZEN\n", "1\n"), "runc may be at work");
        frozen.tend(&paths, begun + Duration::from_secs(31)).unwrap();
        assert_eq!((read(&one).as_str(), read(&two).as_str()), ("THAWED", "0"));
        assert_eq!((read(&running).as_str(), read(&foreign).as_str()), ("0\n", "1\n"));
        // A group that thawed in between is timed from zero again.
        frozen.tend(&paths, begun + Duration::from_secs(40)).unwrap();
        durable::write_file(&two, b"1\n", 0o644).unwrap();
        frozen.tend(&paths, begun + Duration::from_secs(50)).unwrap();
        assert_eq!(read(&two), "1\n");
    }
}
