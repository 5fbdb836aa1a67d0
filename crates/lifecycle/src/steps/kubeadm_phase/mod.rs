//! kubeadm's phases, each as a separate step. A rerun of all phases fails on their own leftovers; a rerun of one does
//! not.
//!
//! A phase that writes files is Done if the files exist, because kubeadm keeps valid keys and certificates. A phase
//! that writes objects is Done if the objects exist; undo of the etcd phase removes them with etcd's data.

pub mod control_plane_ready;
mod phase;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use phase::AUTHORITIES;
pub use phase::Phase;

use crate::context::NodeContext;
use crate::steps::agent::teardown;
use landfall_agent::programs::Programs;
use landfall_agent::units::{KUBELET, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::command::HostCommand;
use landfall_host::files;
use landfall_host::pack::PackId;
use landfall_site::place::CONTROL_PLANE_LIMIT;

/// Time for which a query about objects is repeated.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// Time between two attempts.
const ANSWER_POLL: Duration = Duration::from_secs(1);

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeadmPhase {
    /// The node pack whose kubeadm runs.
    pub pack: PackId,
    /// The phase to run.
    pub phase: Phase,
}

impl KubeadmPhase {
    fn observe_files(&self, context: &NodeContext) -> ObservedState {
        let wanted = self.phase.files();
        let missing: Vec<_> = wanted.iter().filter(|path| !is_whole(&context.host.paths.host(path))).collect();
        match missing.first() {
            None => ObservedState::Done,
            Some(_) if missing.len() == wanted.len() => ObservedState::Absent,
            Some(path) => ObservedState::Partial(format!(
                "{} of {} files are missing, such as {path}",
                missing.len(),
                wanted.len()
            )),
        }
    }

    fn observe_objects(&self, context: &NodeContext) -> Result<ObservedState, StepError> {
        let programs = Programs::of(&context.host.paths, &self.pack);
        if !context.cluster.kubeconfig().exists() {
            return Ok(ObservedState::Absent);
        }
        if self.phase == Phase::KubeletFinalize && !is_whole(&kubelet_kubeconfig(context)) {
            return Ok(ObservedState::Partial("the kubelet's kubeconfig is missing".to_owned()));
        }
        // After a power cut, the control plane may still be starting.
        control_plane_ready::wait(context, &programs, CONTROL_PLANE_LIMIT)?;
        match self.phase {
            Phase::MarkControlPlane => {
                let get =
                    programs.kubectl(&["get", "node", &context.host.node.name, "-o", "jsonpath={.metadata.labels}"]);
                let labels = answer(context, &programs, &get)?;
                let marked = String::from_utf8_lossy(&labels).contains("node-role.kubernetes.io/control-plane");
                Ok(if marked { ObservedState::Done } else { ObservedState::Absent })
            }
            // `kubelet.conf` then names a file with the kubelet's newest certificate instead of containing one.
            Phase::KubeletFinalize => {
                let text = files::read_text(&kubelet_kubeconfig(context))?.unwrap_or_default();
                Ok(if text.contains("kubelet-client-current.pem") {
                    ObservedState::Done
                } else {
                    ObservedState::Absent
                })
            }
            _ => {
                let Some(objects) = self.phase.objects() else { return Ok(ObservedState::Absent) };
                let get = programs
                    .kubectl(&["get", "--ignore-not-found", "-o", "name", "-n", objects.namespace])
                    .arguments(objects.names.iter().copied());
                let (found, wanted) =
                    (String::from_utf8_lossy(&answer(context, &programs, &get)?).lines().count(), objects.names.len());
                Ok(match found {
                    0 => ObservedState::Absent,
                    found if found < wanted => ObservedState::Partial(format!("{found} of {wanted} objects exist")),
                    _ => ObservedState::Done,
                })
            }
        }
    }

    /// Removes partial results of an interrupted phase that kubeadm would keep: empty files, and halves of pairs.
    /// kubeadm never creates the certificate of an existing key. A certificate without its key means an external
    /// authority to it. If an authority is incomplete, all files that it signed must go, because kubeadm would reject
    /// them. All files are then removed, because none was used yet.
    fn remove_halves(&self, context: &NodeContext) -> Result<(), StepError> {
        let files = self.phase.files();
        let lost: Vec<&str> = files.iter().copied().filter(|path| !is_whole(&context.host.paths.host(path))).collect();
        let starts_over = lost.iter().any(|lost| AUTHORITIES.contains(&stem(lost)));
        for path in files.iter().filter(|path| starts_over || lost.iter().any(|lost| stem(lost) == stem(path))) {
            durable::remove_file(&context.host.paths.host(path))?;
        }
        Ok(())
    }

    /// Restores the one file that kubeadm rewrites in place, so an interruption leaves it empty. Without it, neither
    /// the kubelet nor the control plane runs, and kubeadm continues only with both.
    fn restore_kubelet_kubeconfig(&self, context: &NodeContext) -> Result<(), StepError> {
        let path = kubelet_kubeconfig(context);
        if is_whole(&path) {
            return Ok(());
        }
        durable::remove_file(&path)?;
        self.run(context, &["kubeconfig", "kubelet"])?;
        control_plane_ready::wait(context, &Programs::of(&context.host.paths, &self.pack), CONTROL_PLANE_LIMIT)?;
        Ok(())
    }

    /// Runs the named phase of kubeadm. Its effects are on the disk on return.
    fn run(&self, context: &NodeContext, phase: &[&str]) -> Result<(), StepError> {
        let command = Programs::of(&context.host.paths, &self.pack)
            .kubeadm(&["init", "phase"])
            .arguments(phase.iter().copied())
            .argument("--config")
            .argument(context.host.paths.kubeadm_configuration());
        context.host.run(&command)?;
        context.host.sync_filesystem(&context.host.paths.kubernetes())?;
        context.host.sync_filesystem(&context.host.paths.data())
    }

    fn undo_files(&self, context: &NodeContext) -> Result<(), StepError> {
        for path in self.phase.files() {
            durable::remove_file(&context.host.paths.host(path))?;
        }
        Ok(())
    }
}

/// Returns kubectl's answer to a query about objects, with retries. The control plane was ready, but a newly started
/// API server may end once more. Otherwise, only a malformed query gets no answer.
fn answer(context: &NodeContext, programs: &Programs, question: &HostCommand) -> Result<Vec<u8>, StepError> {
    let begin = Instant::now();
    loop {
        match context.host.run(question) {
            Err(error) if begin.elapsed() < ANSWER_LIMIT => {
                tracing::debug!(%error, "no answer, asking again");
                std::thread::sleep(ANSWER_POLL);
                control_plane_ready::wait(context, programs, CONTROL_PLANE_LIMIT)?;
            }
            answer => return answer,
        }
    }
}

/// Returns a path without its extension, which a key and its certificate share.
fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

/// Returns the path of the kubelet's kubeconfig.
fn kubelet_kubeconfig(context: &NodeContext) -> PathBuf {
    context.host.paths.kubernetes().join("kubelet.conf")
}

/// Returns true if a file exists and is not empty. A power cut may leave an empty one.
fn is_whole(path: &PathBuf) -> bool {
    fs_err::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

impl Step<NodeContext> for KubeadmPhase {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        if self.phase.files().is_empty() { self.observe_objects(context) } else { Ok(self.observe_files(context)) }
    }

    fn act(&self, context: &mut NodeContext, _before: &Value) -> Result<Value, StepError> {
        self.remove_halves(context)?;
        if self.phase == Phase::KubeletFinalize {
            self.restore_kubelet_kubeconfig(context)?;
        }
        self.run(context, self.phase.arguments())?;
        if self.phase == Phase::KubeletStart {
            // The kubelet already waits for these files; a restart makes it check at once.
            context.host.run(&systemctl(&["restart", "--no-block", KUBELET]))?;
        }
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, _before: &Value) -> Result<(), StepError> {
        self.undo_files(context)?;
        match self.phase {
            Phase::Certificates => {
                landfall_host::mounts::remove_tree(&context.host.paths.kubernetes().join("pki"))?;
                files::remove_folder_if_empty(&context.host.paths.kubernetes())
            }
            // Without its configuration, the kubelet does not restart. Nothing may write to etcd's data or the packet
            // filter during their removal.
            Phase::KubeletStart => teardown::stop_pods(context),
            Phase::Etcd => {
                landfall_host::mounts::remove_tree(&context.host.paths.etcd())?;
                files::remove_folder_if_empty(&context.host.paths.static_pods())
            }
            _ => Ok(()),
        }
    }
}
