//! containerd, the kubelet and the agent as systemd services, which start the site at every boot. Undo also undoes
//! everything that ever ran under them.

mod legacy_iptables;
pub mod teardown;
mod traces;
pub(crate) mod unit_files;

use std::path::PathBuf;

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::NodeContext;
use landfall_agent::settings::AgentSettings;
use landfall_agent::units::{AGENT, CONTAINERD, KUBELET, OPERATION, SERVICES, SLICE, systemctl};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files::OwnFile;
use landfall_host::{files, mounts};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Settings that the agent needs at boot.
    pub settings: AgentSettings,
}

impl Agent {
    /// Returns the path of the release's `landfall`.
    pub(super) fn program(context: &NodeContext) -> PathBuf {
        context.host.paths.release(&context.releases.own.bundle).join("landfall")
    }

    fn files(&self, context: &NodeContext) -> Vec<OwnFile> {
        let mut files = vec![OwnFile::new(context.host.paths.agent_settings(), self.settings.to_bytes(), 0o644)];
        files.extend(unit_files::files(context, Self::program(context), &self.settings.pack));
        files
    }

    /// Returns a fault of a unit; `None` if it starts at boot, and runs if required.
    pub(super) fn lack(context: &NodeContext, unit: &str) -> Option<String> {
        // `is-active` and `is-enabled` answer by failing. The kubelet runs only after kubeadm has configured it.
        if unit != KUBELET && context.host.run(&systemctl(&["is-active", "--quiet", unit])).is_err() {
            return Some(format!("{unit} does not run"));
        }
        let starts = context.host.run(&systemctl(&["is-enabled", "--quiet", unit])).is_ok();
        (!starts).then(|| format!("{unit} does not start at boot"))
    }

    fn has_command(context: &NodeContext) -> bool {
        fs_err::read_link(context.host.paths.command()).is_ok_and(|target| target == Self::program(context))
    }
}

impl Step<NodeContext> for Agent {
    fn observe(&self, context: &mut NodeContext) -> Result<ObservedState, StepError> {
        let observed = files::observe(&self.files(context))?;
        if observed != ObservedState::Done {
            return Ok(observed);
        }
        let lack = SERVICES.iter().find_map(|unit| Self::lack(context, unit));
        Ok(lack.map_or(ObservedState::Done, ObservedState::Partial))
    }

    fn prepare(&self, context: &mut NodeContext) -> Result<Value, StepError> {
        let link = context.host.paths.command();
        // A link into the data folder belongs to this operation.
        let is_own = fs_err::read_link(&link).is_ok_and(|target| target.starts_with(context.host.paths.data()));
        let command = link.symlink_metadata().is_ok() && !is_own;
        Ok(json!({ "host": teardown::before(&context.host.paths)?, "command": command }))
    }

    fn act(&self, context: &mut NodeContext, before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(context))?;
        if before["command"] == json!(false) && !Self::has_command(context) {
            let link = context.host.paths.command();
            link.parent().map_or(Ok(()), durable::create_folder)?;
            durable::symlink(&Self::program(context), &link)?;
        }
        context.host.run(&systemctl(&["daemon-reload"]))?;
        context.host.run(&systemctl(&["enable", CONTAINERD, KUBELET, AGENT]))?;
        context.host.sync_filesystem(&context.host.paths.host("/etc"))?;
        // The restart returns once containerd answers.
        context.host.run(&systemctl(&["restart", CONTAINERD, AGENT]))?;
        // The kubelet waits for kubeadm's files.
        context.host.run(&systemctl(&["restart", "--no-block", KUBELET]))?;
        Ok(Value::Null)
    }

    fn undo(&self, context: &mut NodeContext, before: &Value) -> Result<(), StepError> {
        let host: teardown::ExistingItems = serde_json::from_value(before["host"].clone()).unwrap_or_default();
        teardown::stop_service(context, AGENT)?;
        teardown::stop_pods(context)?;
        teardown::stop_runtime(context)?;
        teardown::unmount_all(&context.host.paths)?;
        teardown::remove_network(&host)?;
        legacy_iptables::remove_chains(context, &teardown::IPTABLES, &teardown::IPTABLES_CHAINS)?;
        teardown::remove_groups(context)?;
        teardown::remove_traces(&context.host.paths, &host)?;
        for folder in [context.host.paths.containerd(), context.host.paths.kubelet(), context.host.paths.run()] {
            mounts::remove_tree(&folder)?;
        }
        durable::remove_tree(&context.host.paths.renewal())?;
        files::remove(&[OwnFile::new(context.host.paths.clock(), "", 0o644)])?;
        mounts::remove_tree(&context.host.paths.pod_logs())?;
        context.host.paths.pod_logs().parent().map_or(Ok(()), files::remove_folder_if_empty)?;
        mounts::remove_tree(&context.host.paths.network_configuration())?;
        if before["command"] == json!(false) && Self::has_command(context) {
            durable::remove_file(&context.host.paths.command())?;
        }
        for unit in SERVICES.into_iter().filter(|unit| unit_files::path(context, unit).exists()) {
            context.host.run(&systemctl(&["disable", unit]))?;
        }
        // The slice is unknown to systemd if nothing ran in it.
        let _ = context.host.run(&systemctl(&["stop", SLICE]));
        files::remove(&self.files(context))?;
        context.host.run(&systemctl(&["daemon-reload"]))?;
        // systemd has nothing to reset if no unit has failed.
        let _ = context.host.run(&systemctl(&["reset-failed", CONTAINERD, KUBELET, AGENT, OPERATION]));
        Ok(())
    }
}
