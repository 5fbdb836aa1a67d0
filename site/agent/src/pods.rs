//! Pods of this host, replaced by deleting them: their controllers make new ones at once.

use landfall_error_codes::codes;
use serde::Deserialize;

use super::programs::Programs;
use landfall_engine::step::StepError;
use landfall_host::command::CommandRunner;
use landfall_host::process::ProcessId;

/// Pods that run on a node.
pub struct Pods<'a> {
    programs: &'a Programs,
    node: &'a str,
    runner: &'a dyn CommandRunner,
}

#[derive(Deserialize)]
struct PodList {
    items: Vec<Pod>,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    namespace: String,
    name: String,
    uid: String,
}

impl<'a> Pods<'a> {
    /// Those of the node with this name.
    pub fn of(node: &'a str, programs: &'a Programs, runner: &'a dyn CommandRunner) -> Self {
        Self { programs, node, runner }
    }

    /// Deletes the pod in which a process runs. It has a second to end.
    pub fn replace(&self, process: ProcessId) -> Result<(), StepError> {
        let uid = process.control_groups().as_deref().and_then(pod_uid);
        self.delete(&uid.ok_or_else(|| failed("the process runs in no pod"))?)
    }

    fn delete(&self, uid: &str) -> Result<(), StepError> {
        let node = format!("spec.nodeName={}", self.node);
        let listed =
            self.kubectl(&["get", "pods", "--all-namespaces", "--field-selector", &node, "--output", "json"])?;
        let listed: PodList =
            serde_json::from_slice(&listed).map_err(|error| failed("the API server listed no pods").because(error))?;
        let pod = listed.items.into_iter().map(|pod| pod.metadata).find(|pod| pod.uid == uid);
        let Some(Metadata { namespace, name, .. }) = pod else { return Err(failed("the API server has no such pod")) };
        let delete = ["delete", "pod", &name, "--namespace", &namespace, "--grace-period", "1", "--wait=false"];
        self.kubectl(&delete).map(drop)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<Vec<u8>, StepError> {
        let command = self.programs.kubectl(arguments);
        command.checked(self.runner.run(&command, None))
    }
}

fn failed(what: &str) -> StepError {
    StepError::new(codes::FILTER_NOT_RESTORED, what)
}

/// The id of the pod that control groups belong to: `/kubepods/burstable/podUID/...` or, if systemd makes the groups,
/// `/kubepods.slice/kubepods-podUID.slice/...` with underscores for hyphens.
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
    use landfall_host::paths::SitePaths;

    use super::*;
    use landfall_host::pack;

    const UID: &str = "6663c80f-9f79-41a4-8713-32a073a8b184";

    /// Answers every command with a list of one pod, and keeps the commands.
    #[derive(Default)]
    struct Recorded(Mutex<Vec<String>>);

    impl CommandRunner for Recorded {
        fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
            self.0.lock().unwrap().push(command.to_string());
            let pod = serde_json::json!({"metadata": {"namespace": "kube-system", "name": "kube-proxy-x", "uid": UID}});
            let stdout = serde_json::to_vec(&serde_json::json!({"items": [pod]}))?;
            Ok(CommandOutput { success: true, stdout, stderr: Vec::new() })
        }
    }

    #[test]
    fn a_pod_is_known_by_its_control_group() {
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
    fn the_pod_of_a_group_is_deleted_by_its_name() {
        let (programs, runner) = (Programs::of(&SitePaths::default(), &pack::sample()), Recorded::default());
        let pods = Pods::of("node-1", &programs, &runner);
        pods.delete(UID).unwrap();
        assert!(pods.delete("another").unwrap_err().to_string().contains("no such pod"));
        let commands = runner.0.into_inner().unwrap();
        assert_eq!(commands.len(), 3, "an unknown pod is not deleted: {commands:?}");
        assert!(commands[0].contains("--field-selector spec.nodeName=node-1"), "{commands:?}");
        assert!(
            commands[1].contains("delete pod kube-proxy-x --namespace kube-system --grace-period 1"),
            "{commands:?}"
        );
    }
}
