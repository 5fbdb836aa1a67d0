//! Processes of this site's pods.

use std::collections::BTreeSet;

use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Pods and containers of this site, by the names from its kubelet and its containerd. The host may run pods of another
/// Kubernetes, for example in containers.
#[derive(Debug)]
pub struct SitePods {
    /// UIDs of pods and IDs of containers.
    names: BTreeSet<String>,
}

impl SitePods {
    /// Returns the current pods and containers.
    pub fn of(paths: &SitePaths) -> Result<Self, StepError> {
        let mut names = BTreeSet::new();
        for folder in [paths.kubelet().join("pods"), paths.containers()] {
            let entries = match fs_err::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(files::file_error("list", &folder, error)),
            };
            names.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        Ok(Self { names })
    }

    /// Returns true if a process runs in one of them.
    pub fn has(&self, pid: i32) -> bool {
        fs_err::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| self.has_group(&groups))
    }

    /// Returns true if one of these control groups belongs to a pod or container of the site.
    fn has_group(&self, groups: &str) -> bool {
        let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        paths.flat_map(|path| path.split('/')).any(|group| self.names.contains(&name_of_group(group)))
    }
}

/// Returns the pod's UID or the container's ID in the name of a control group. The kubelet and containerd create these
/// names with and without systemd: `podUID`, `kubepods-burstable-podUID.slice`, `ID` and `cri-containerd-ID.scope`.
fn name_of_group(group: &str) -> String {
    if let Some(slice) = group.strip_suffix(".slice") {
        // systemd treats a dash as a level of the hierarchy, so the kubelet writes underscores.
        return slice.rsplit_once("-pod").map_or(slice, |(_, uid)| uid).replace('_', "-");
    }
    let group = group.strip_suffix(".scope").unwrap_or(group);
    let group = group.strip_prefix("cri-containerd-").unwrap_or(group);
    group.strip_prefix("pod").unwrap_or(group).to_owned()
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn only_own_pods_are_recognized() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (uid, hash, id) =
            ("7f2c5c1e-6f0e-4f6e-9a57-2f8f6d7f2f10", "0123456789abcdef0123456789abcdef", "ab".repeat(32));
        for pod in [uid, hash] {
            durable::create_folder(&paths.kubelet().join("pods").join(pod)).unwrap();
        }
        durable::create_folder(&paths.containers().join(&id)).unwrap();
        let pods = SitePods::of(&paths).unwrap();
        let slice = uid.replace('-', "_");
        for own in [
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-x.scope"
            ),
            format!("0::/kubepods.slice/kubepods-pod{hash}.slice/cri-containerd-x.scope"),
            format!("11:memory:/kubepods/besteffort/pod{uid}/x\n1:name=systemd:/"),
            format!("0::/kubepods/pod-of-another-name/{id}"),
            format!("0::/kubepods.slice/x.slice/cri-containerd-{id}.scope"),
        ] {
            assert!(pods.has_group(&own), "{own}");
        }
        for other in [
            "0::/kubepods.slice/kubepods-pod00000000_6f0e_4f6e_9a57_2f8f6d7f2f10.slice/cri-containerd-cd.scope",
            "0::/docker/cd/kubelet.slice/kubepods/pod11111111-6f0e-4f6e-9a57-2f8f6d7f2f10/cd",
            "0::/kubepods",
            "0::/",
            "",
        ] {
            assert!(!pods.has_group(other), "{other}");
        }
        assert!(!SitePods::of(&SitePaths::below(root.path().join("none"))).unwrap().has_group("0::/kubepods/pod1"));
    }
}
