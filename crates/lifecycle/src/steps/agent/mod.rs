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

use crate::site::Site;
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
    pub(super) fn program(site: &Site) -> PathBuf {
        site.paths.release(&site.bundle).join("landfall")
    }

    fn files(&self, site: &Site) -> Vec<OwnFile> {
        let mut files = vec![OwnFile::new(site.paths.agent_settings(), self.settings.to_bytes(), 0o644)];
        files.extend(unit_files::files(site, Self::program(site), &self.settings.pack));
        files
    }

    /// Returns a fault of a unit; `None` if it starts at boot, and runs if required.
    pub(super) fn lack(site: &Site, unit: &str) -> Option<String> {
        // `is-active` and `is-enabled` answer by failing. The kubelet runs only after kubeadm has configured it.
        if unit != KUBELET && site.run(&systemctl(&["is-active", "--quiet", unit])).is_err() {
            return Some(format!("{unit} does not run"));
        }
        let starts = site.run(&systemctl(&["is-enabled", "--quiet", unit])).is_ok();
        (!starts).then(|| format!("{unit} does not start at boot"))
    }

    fn has_command(site: &Site) -> bool {
        fs_err::read_link(site.paths.command()).is_ok_and(|target| target == Self::program(site))
    }
}

impl Step<Site> for Agent {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let observed = files::observe(&self.files(site))?;
        if observed != ObservedState::Done {
            return Ok(observed);
        }
        let lack = SERVICES.iter().find_map(|unit| Self::lack(site, unit));
        Ok(lack.map_or(ObservedState::Done, ObservedState::Partial))
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        let link = site.paths.command();
        // A link into the data folder belongs to this operation.
        let is_own = fs_err::read_link(&link).is_ok_and(|target| target.starts_with(site.paths.data()));
        let command = link.symlink_metadata().is_ok() && !is_own;
        Ok(json!({ "host": teardown::before(&site.paths)?, "command": command }))
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(site))?;
        if before["command"] == json!(false) && !Self::has_command(site) {
            let link = site.paths.command();
            link.parent().map_or(Ok(()), durable::create_folder)?;
            durable::symlink(&Self::program(site), &link)?;
        }
        site.run(&systemctl(&["daemon-reload"]))?;
        site.run(&systemctl(&["enable", CONTAINERD, KUBELET, AGENT]))?;
        site.sync_filesystem(&site.paths.host("/etc"))?;
        // The restart returns once containerd answers.
        site.run(&systemctl(&["restart", CONTAINERD, AGENT]))?;
        // The kubelet waits for kubeadm's files.
        site.run(&systemctl(&["restart", "--no-block", KUBELET]))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let host: teardown::ExistingItems = serde_json::from_value(before["host"].clone()).unwrap_or_default();
        teardown::stop_service(site, AGENT)?;
        teardown::stop_pods(site)?;
        teardown::stop_runtime(site)?;
        teardown::unmount_all(&site.paths)?;
        teardown::remove_network(&host)?;
        legacy_iptables::remove_chains(site, &teardown::IPTABLES, &teardown::IPTABLES_CHAINS)?;
        teardown::remove_groups(site)?;
        teardown::remove_traces(&site.paths, &host)?;
        for folder in [site.paths.containerd(), site.paths.kubelet(), site.paths.run()] {
            mounts::remove_tree(&folder)?;
        }
        durable::remove_tree(&site.paths.renewal())?;
        files::remove(&[OwnFile::new(site.paths.clock(), "", 0o644)])?;
        mounts::remove_tree(&site.paths.pod_logs())?;
        site.paths.pod_logs().parent().map_or(Ok(()), files::remove_folder_if_empty)?;
        mounts::remove_tree(&site.paths.network_configuration())?;
        if before["command"] == json!(false) && Self::has_command(site) {
            durable::remove_file(&site.paths.command())?;
        }
        for unit in SERVICES.into_iter().filter(|unit| unit_files::path(site, unit).exists()) {
            site.run(&systemctl(&["disable", unit]))?;
        }
        // The slice is unknown to systemd if nothing ran in it.
        let _ = site.run(&systemctl(&["stop", SLICE]));
        files::remove(&self.files(site))?;
        site.run(&systemctl(&["daemon-reload"]))?;
        // systemd has nothing to reset if no unit has failed.
        let _ = site.run(&systemctl(&["reset-failed", CONTAINERD, KUBELET, AGENT, OPERATION]));
        Ok(())
    }
}
