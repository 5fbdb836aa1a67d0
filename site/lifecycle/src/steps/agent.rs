//! The host's agent as a service of systemd, which brings the site back at every boot. Taking it back takes back all
//! that ever ran under it.

pub mod teardown;
mod traces;

use std::path::{Path, PathBuf};

use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::site::Site;
use landfall_agent::settings::AgentSettings;
use landfall_engine::step::{Observed, Step, StepError};
use landfall_host::command::HostCommand;
use landfall_host::files;
use landfall_host::files::OwnFile;

/// Name of the service.
pub const SERVICE: &str = "landfall-node.service";
/// Where a person finds the command after the stick is gone.
const COMMAND: &str = "/usr/local/bin/landfall";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// What the agent needs to know at boot.
    pub settings: AgentSettings,
}

impl Agent {
    fn program(site: &Site) -> PathBuf {
        site.paths.release(&site.bundle).join("landfall")
    }

    fn files(&self, site: &Site) -> Vec<OwnFile> {
        let unit = site.paths.host("/etc/systemd/system").join(SERVICE);
        vec![
            OwnFile::new(site.paths.agent_settings(), self.settings.to_bytes(), 0o644),
            OwnFile::new(unit, unit_text(&Self::program(site)), 0o644),
        ]
    }

    fn has_command(site: &Site) -> bool {
        fs_err::read_link(site.paths.host(COMMAND)).is_ok_and(|target| target == Self::program(site))
    }
}

fn systemctl(arguments: &[&str]) -> HostCommand {
    HostCommand::new("/bin/systemctl").arguments(arguments.iter().copied())
}

/// `KillMode=process`: stopping or restarting the agent kills no pod. A data folder that is not this site's (exit 6)
/// waits for a person.
fn unit_text(program: &Path) -> String {
    format!(
        "# Written by Landfall; `landfall uninstall` removes it.
[Unit]
Description=Landfall: Kubernetes of this site
After=network.target local-fs.target systemd-modules-load.service systemd-sysctl.service
RequiresMountsFor=/var/lib/landfall /etc/landfall /var/log
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={} node run
UnsetEnvironment=HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
Delegate=yes
KillMode=process
UMask=0022
OOMScoreAdjust=-999
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Restart=always
RestartSec=2
RestartPreventExitStatus=6
TimeoutStartSec=180

[Install]
WantedBy=multi-user.target
",
        program.display()
    )
}

impl Step<Site> for Agent {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        let observed = files::observe(&self.files(site))?;
        if observed != Observed::Done {
            return Ok(observed);
        }
        // `is-active` and `is-enabled` answer by failing.
        let runs = site.run(&systemctl(&["is-active", "--quiet", SERVICE])).is_ok();
        let starts = site.run(&systemctl(&["is-enabled", "--quiet", SERVICE])).is_ok();
        Ok(match (runs, starts) {
            (true, true) => Observed::Done,
            (false, _) => Observed::Partial(format!("{SERVICE} does not run")),
            (true, false) => Observed::Partial(format!("{SERVICE} does not start at boot")),
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        let command = site.paths.host(COMMAND).symlink_metadata().is_ok();
        Ok(json!({ "host": teardown::before(&site.paths)?, "command": command }))
    }

    fn act(&self, site: &mut Site, before: &Value) -> Result<Value, StepError> {
        files::write(&self.files(site))?;
        if before["command"] == json!(false) && !Self::has_command(site) {
            let link = site.paths.host(COMMAND);
            link.parent().map_or(Ok(()), durable::create_folder)?;
            durable::symlink(&Self::program(site), &link)?;
        }
        site.run(&systemctl(&["daemon-reload"]))?;
        site.run(&systemctl(&["enable", SERVICE]))?;
        site.sync_filesystem(&site.paths.host("/etc"))?;
        // Waits until the agent says that containerd answers.
        site.run(&systemctl(&["restart", SERVICE]))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        let host: teardown::Before = serde_json::from_value(before["host"].clone()).unwrap_or_default();
        let unit = &self.files(site)[1];
        if unit.path.exists() {
            site.run(&systemctl(&["disable", "--now", SERVICE]))?;
        }
        teardown::stop_pods(site)?;
        teardown::stop_runtime(&site.paths)?;
        teardown::unmount_all(&site.paths)?;
        teardown::remove_network(&host)?;
        teardown::remove_groups(site)?;
        teardown::remove_traces(&site.paths, &host)?;
        for folder in [site.paths.containerd(), site.paths.kubelet(), site.paths.run()] {
            durable::remove_tree(&folder)?;
        }
        durable::remove_tree(&site.paths.pod_logs())?;
        site.paths.pod_logs().parent().map_or(Ok(()), files::remove_folder_if_empty)?;
        durable::remove_tree(&site.paths.network_configuration())?;
        if before["command"] == json!(false) && Self::has_command(site) {
            durable::remove_file(&site.paths.host(COMMAND))?;
        }
        files::remove(&self.files(site))?;
        site.run(&systemctl(&["daemon-reload"]))?;
        // Nothing to forget where it never failed.
        let _ = site.run(&systemctl(&["reset-failed", SERVICE]));
        Ok(())
    }
}
