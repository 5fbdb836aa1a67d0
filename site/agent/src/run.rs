//! The agent's life: set the host right, keep containerd and kubelet running, look after what changes slowly.
//!
//! It ends by any signal that ends a process, and leaves containerd and kubelet running: the next agent adopts them.

use std::time::{Duration, Instant};

use super::concerns::Concerns;
use super::notify::Systemd;
use super::programs::Programs;
use super::settings::AgentSettings;
use super::supervisor::Service;
use super::{boot, bridge, certificates, kubelet, logs};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::paths::SitePaths;

const TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at logs, routes and names: ten seconds.
const SLOW_TICKS: u64 = 40;
/// Ticks between two looks at certificates: an hour.
const HOURLY_TICKS: u64 = 14_400;

/// Runs the agent; returns only with an error, which its log tells as well.
pub fn run(paths: &SitePaths) -> Result<(), StepError> {
    // First, since one that cannot begin is started every few seconds and tells of it each time.
    let rotated = logs::rotate_all(paths);
    let ended = Agent::begin(paths).and_then(|mut agent| {
        agent.concerns.unless_fatal(rotated, LOG_CONCERN)?;
        (0u64..).try_for_each(|tick| {
            agent.tick(tick)?;
            std::thread::sleep(TICK);
            Ok(())
        })
    });
    ended.inspect_err(|error| tracing::error!(error = with_causes(error), "the agent ends"))
}

const LOG_CONCERN: &str = "a log cannot be moved aside";

struct Agent<'a> {
    paths: &'a SitePaths,
    settings: AgentSettings,
    programs: Programs,
    containerd: Service,
    kubelet: Service,
    /// Whether containerd has answered.
    is_ready: bool,
    concerns: Concerns,
    systemd: Systemd,
}

impl<'a> Agent<'a> {
    fn begin(paths: &'a SitePaths) -> Result<Self, StepError> {
        boot::check_identity(paths)?;
        let settings = AgentSettings::read(paths)?;
        boot::bind(paths)?;
        Ok(Self {
            paths,
            programs: Programs::at(paths, &settings.kubernetes),
            settings,
            containerd: Service::adopt("containerd", paths),
            kubelet: Service::adopt("kubelet", paths),
            is_ready: false,
            concerns: Concerns::default(),
            systemd: Systemd::of_this_process(),
        })
    }

    fn tick(&mut self, tick: u64) -> Result<(), StepError> {
        let now = Instant::now();
        if tick.is_multiple_of(SLOW_TICKS) {
            self.restore_host()?;
        }
        if tick.is_multiple_of(HOURLY_TICKS) {
            let renewed = certificates::renew(self.paths, &self.settings.kubernetes, jiff::Timestamp::now());
            self.concerns.unless_fatal(renewed, "certificates cannot be renewed")?;
        }
        self.concerns.unless_fatal(bridge::keep(self.paths), "the bridge network's configuration cannot be written")?;
        // It finds its shim by PATH.
        let containerd = self.programs.with_path("containerd");
        let configuration = self.paths.runtime_configuration();
        self.containerd.tend(now, true, || Ok(containerd.argument("--config").argument(configuration)))?;
        if !self.is_ready && runtime_answers(&self.programs) {
            self.is_ready = true;
            self.systemd.ready();
        }
        let lack = kubelet::lacks(self.paths, &self.settings, self.is_ready);
        self.kubelet.tend(now, lack.is_none(), || kubelet::command(self.paths, &self.programs))?;
        let runs = (self.containerd.is_running(), self.kubelet.is_running());
        self.systemd.status(kubelet::standing(runs.0, runs.1, lack.as_ref()));
        Ok(())
    }

    /// Sets right what a boot or another program undid. The name comes before the kubelet, which gives pods on the host's
    /// network a copy of the file.
    fn restore_host(&mut self) -> Result<(), StepError> {
        let named = self.settings.hosts_entry.restore(self.paths);
        self.concerns.unless_fatal(named, "the API server's name is not what the cluster needs")?;
        // Before the node's address is up there is none to come from yet.
        self.concerns.unless_fatal(self.settings.service_route.add(), "the route to services is missing")?;
        self.concerns.unless_fatal(logs::rotate_all(self.paths), LOG_CONCERN)?;
        Ok(())
    }
}

fn runtime_answers(programs: &Programs) -> bool {
    Subprocesses.run(&programs.runtime_version(), None).is_ok_and(|output| output.success)
}
