//! Pods of this host, replaced by deletion: their controllers immediately create new ones. The name of a pod and the
//! restarts of its containers are in the names of its log folders and files. Therefore only the deletion needs the API
//! server.

use std::path::PathBuf;
use std::time::Duration;

use landfall_error_codes::codes;

use super::programs::Programs;
use super::site_pods::SitePods;
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::paths::SitePaths;
use landfall_host::process::{self, ProcessId};

/// Running time after which the kubelet again restarts a container immediately: twice its longest delay.
const DELAY_FORGOTTEN: Duration = Duration::from_mins(10);

/// Pods that run on this host.
pub struct Pods<'a> {
    programs: &'a Programs,
    paths: &'a SitePaths,
    runner: &'a dyn CommandRunner,
}

/// Folder of a pod's logs, `NAMESPACE_NAME_UID`: none of the three contains an underscore.
#[derive(Debug, PartialEq, Eq)]
struct LogFolder {
    path: PathBuf,
    namespace: String,
    name: String,
}

impl<'a> Pods<'a> {
    /// Returns the pods of the host with these paths.
    pub fn of(paths: &'a SitePaths, programs: &'a Programs, runner: &'a dyn CommandRunner) -> Self {
        Self { programs, paths, runner }
    }

    /// Returns the program with this name in a pod of the site on the host's network.
    pub fn on_host_network(&self, program: &str) -> Result<Option<ProcessId>, StepError> {
        let pods = SitePods::of(self.paths)?;
        let network = |pid: &str| fs_err::read_link(format!("/proc/{pid}/ns/net")).ok();
        let is_it = |pid: i32| {
            fs_err::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == program)
                && pods.has(pid)
                && network(&pid.to_string()).is_some_and(|seen| Some(seen) == network("self"))
        };
        Ok(process::find(is_it).first().copied())
    }

    /// Deletes the pod in which a process runs. It has a second to end.
    pub fn replace(&self, process: ProcessId) -> Result<(), StepError> {
        let uid = process.control_groups().as_deref().and_then(pod_uid);
        self.delete(&uid.ok_or_else(|| filter_error("the process runs in no pod"))?)
    }

    /// Returns true if the kubelet immediately restarts the program of a pod when its process ends. It waits longer
    /// before each later restart, until the container has run for long enough.
    pub fn restarts_at_once(&self, process: ProcessId) -> bool {
        let is_old = process.age().is_some_and(|age| age > DELAY_FORGOTTEN);
        is_old
            || process.control_groups().as_deref().and_then(pod_uid).is_some_and(|uid| self.restarts(&uid) == Some(0))
    }

    fn delete(&self, uid: &str) -> Result<(), StepError> {
        let Some(LogFolder { namespace, name, .. }) = self.log_folder(uid) else {
            return Err(filter_error("the pod has no folder of logs, which would name it"));
        };
        let delete = ["delete", "pod", &name, "--namespace", &namespace, "--grace-period", "1", "--wait=false"];
        let command = self.programs.kubectl(&delete);
        command.check_output(self.runner.run(&command, None)).map(drop)
    }

    /// Returns the highest restart count among a pod's containers; `None` if unknown.
    fn restarts(&self, uid: &str) -> Option<u64> {
        let containers = fs_err::read_dir(self.log_folder(uid)?.path).ok()?.flatten();
        let logs = containers.filter_map(|container| fs_err::read_dir(container.path()).ok()).flatten().flatten();
        // `0.log`, `1.log`, and rotated ones followed by a time.
        logs.filter_map(|log| log.file_name().to_string_lossy().split_once(".log")?.0.parse().ok()).max()
    }

    fn log_folder(&self, uid: &str) -> Option<LogFolder> {
        let folders = fs_err::read_dir(self.paths.pod_logs()).ok()?.flatten();
        folders.map(|folder| folder.path()).find_map(|path| {
            let mut parts = path.file_name()?.to_str()?.split('_').map(str::to_owned);
            let (namespace, name, found) = (parts.next()?, parts.next()?, parts.next()?);
            (found == uid).then(|| LogFolder { path: path.clone(), namespace, name })
        })
    }
}

fn filter_error(what: &str) -> StepError {
    StepError::new(codes::FILTER_NOT_RESTORED, what)
}

/// Returns the UID of the pod of these control groups: `/kubepods/burstable/podUID/...` or, if systemd creates the
/// groups, `/kubepods.slice/kubepods-podUID.slice/...` with underscores for hyphens.
fn pod_uid(groups: &str) -> Option<String> {
    const LENGTH: usize = 36;
    groups.split(['/', '\n']).find_map(|part| {
        let (front, rest) = part.rsplit_once("pod")?;
        let uid = rest.get(..LENGTH).filter(|_| front.is_empty() || front.starts_with("kubepods"))?;
        uid.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-_".contains(&byte)).then(|| uid.replace('_', "-"))
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use landfall_host::command::{CommandOutput, HostCommand, Input};
    use landfall_host::pack;
    use landfall_media::durable;

    use super::*;

    const UID: &str = "6663c80f-9f79-41a4-8713-32a073a8b184";

    /// Runner that reports success for every command, and records the commands.
    #[derive(Default)]
    struct RecordingRunner(Mutex<Vec<String>>);

    impl CommandRunner for RecordingRunner {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            self.0.lock().unwrap().push(command.to_string());
            Ok(CommandOutput { success: true, ..CommandOutput::default() })
        }
    }

    /// Creates logs of a pod, each given by container and file name.
    fn logs(paths: &SitePaths, files: &[&str]) {
        for file in files {
            let path = paths.pod_logs().join(format!("kube-system_kube-proxy-x_{UID}")).join(file);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, b"", 0o640).unwrap();
        }
    }

    #[test]
    fn pod_is_known_by_control_group() {
        let own = UID.replace('-', "_");
        for group in [
            format!("0::/landfall.slice/kubepods/burstable/pod{UID}/0123\n"),
            format!("9:memory:/kubepods/pod{UID}\n0::/\n"),
            format!(
                "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{own}.slice/cri-containerd-1.scope"
            ),
            format!("0::/kubepods.slice/kubepods-pod{own}.slice"),
        ] {
            assert_eq!(pod_uid(&group).as_deref(), Some(UID), "{group}");
        }
        for group in ["0::/", "0::/system.slice/podman.service", "0::/kubepods/burstable", "0::/kubepods/podshort"] {
            assert_eq!(pod_uid(group), None, "{group}");
        }
    }

    #[test]
    fn program_outside_pods_is_not_found() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (programs, runner) = (Programs::of(&paths, &pack::sample()), RecordingRunner::default());
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let found = Pods::of(&paths, &programs, &runner).on_host_network("sleep");
        process::end(&[ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap()], Duration::ZERO);
        child.wait().unwrap();
        assert_eq!(found.unwrap(), None);
    }

    #[test]
    fn pod_is_deleted_by_name() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (programs, runner) = (Programs::of(&paths, &pack::sample()), RecordingRunner::default());
        let pods = Pods::of(&paths, &programs, &runner);
        assert!(pods.delete(UID).unwrap_err().to_string().contains("no folder of logs"));
        logs(&paths, &["kube-proxy/0.log"]);
        pods.delete(UID).unwrap();
        assert!(pods.delete("another").unwrap_err().to_string().contains("no folder of logs"));
        let commands = runner.0.into_inner().unwrap();
        assert_eq!(commands.len(), 1, "one request to the API server is enough: {commands:?}");
        assert!(
            commands[0].contains("delete pod kube-proxy-x --namespace kube-system --grace-period 1"),
            "{commands:?}"
        );
    }

    #[test]
    fn restarts_are_counted_from_logs() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        let (programs, runner) = (Programs::of(&paths, &pack::sample()), RecordingRunner::default());
        let pods = Pods::of(&paths, &programs, &runner);
        assert_eq!(pods.restarts(UID), None);
        logs(&paths, &["prepare/0.log", "kube-proxy/0.log", "kube-proxy/0.log.20261121-090000"]);
        assert_eq!(pods.restarts(UID), Some(0));
        logs(&paths, &["kube-proxy/11.log", "kube-proxy/2.log"]);
        assert_eq!(pods.restarts(UID), Some(11));
        // This test has just started, and runs outside any pod.
        let this = ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(!pods.restarts_at_once(this));
    }
}
