//! The agent's loop: maintains the host, renews certificates, and reports the node's state on one line. systemd runs
//! containerd and the kubelet; neither needs the agent to continue.

use std::time::{Duration, Instant};

use super::concerns::Concerns;
use super::due::{CheckSchedule, Clocks};
use super::frozen::FrozenGroups;
use super::gpu_specification::GpuSpecification;
use super::kubelet;
use super::measuring::Measurement;
use super::notify::Systemd;
use super::overdue::OverdueBackups;
use super::packet_filter::PacketFilter;
use super::pods::Pods;
use super::programs::Programs;
use super::settings::AgentSettings;
use super::units;
use super::units::UnitState;
use super::{boot, bridge, certificates, nameservers, open_operation};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::command::Subprocesses;
use landfall_host::paths::SitePaths;
use landfall_host::site_time;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two checks of routes, names and units: ten seconds.
const SLOW_TICKS: u64 = 10;
/// Ticks between two checks of the packet filter without a deletion notification: two seconds.
const FILTER_TICKS: u64 = 2;
/// Ticks between two checks for an open operation: ten minutes, so that one that cannot end immediately is retried.
const OPERATION_TICKS: u64 = 600;
/// Like [`OPERATION_TICKS`], for the first ten minutes after a boot: a machine that is still starting may be too slow
/// for a step.
const EARLY_OPERATION_TICKS: u64 = 60;
/// Ticks between two updates of trusted time: ten minutes. A reboot under a dead clock loses no more than that.
const TIME_TICKS: u64 = 600;
/// Interval of checks of a data folder that is not this site's.
const IDENTITY_POLL: Duration = Duration::from_secs(5);

/// Runs the agent; returns only with an error, which is also in its log.
pub fn run(paths: &SitePaths) -> Result<(), StepError> {
    let ended = Agent::begin(paths).and_then(|mut agent| {
        (0u64..).try_for_each(|tick| {
            agent.tick(tick)?;
            agent.pause()
        })
    });
    ended.inspect_err(|error| tracing::error!(error = with_causes(error), "the agent ends"))
}

struct Agent<'a> {
    paths: &'a SitePaths,
    settings: AgentSettings,
    programs: Programs,
    packet_filter: PacketFilter,
    /// Schedule of certificate checks.
    certificates: CheckSchedule,
    overdue: OverdueBackups,
    measuring: Measurement,
    frozen: FrozenGroups,
    gpu_specification: GpuSpecification,
    concerns: Concerns,
    systemd: Systemd,
}

impl<'a> Agent<'a> {
    fn begin(paths: &'a SitePaths) -> Result<Self, StepError> {
        let mut systemd = Systemd::of_this_process();
        // The agent's waiting must not delay a boot.
        systemd.ready();
        while let Err(error) = boot::check_identity(paths) {
            systemd.status(error.to_string());
            std::thread::sleep(IDENTITY_POLL);
        }
        let settings = AgentSettings::read(paths)?;
        Ok(Self {
            paths,
            programs: Programs::of(paths, &settings.pack),
            settings,
            packet_filter: PacketFilter::watch(),
            certificates: CheckSchedule::default(),
            overdue: OverdueBackups::begin(),
            measuring: Measurement::begin(),
            frozen: FrozenGroups::default(),
            gpu_specification: GpuSpecification::default(),
            concerns: Concerns::default(),
            systemd,
        })
    }

    fn tick(&mut self, tick: u64) -> Result<(), StepError> {
        self.concerns.unless_fatal(bridge::keep(self.paths), "the bridge network's configuration cannot be written")?;
        if tick.is_multiple_of(SLOW_TICKS) {
            self.restore_host()?;
            let thawed = self.frozen.tend(self.paths, Instant::now());
            self.concerns.unless_fatal(thawed, "a container is frozen and cannot be thawed")?;
            if let Some(written) = self.gpu_specification.tend(self.paths, Instant::now()) {
                self.concerns.note(written, "containers do not get the GPUs of this host");
            }
            // Like trusted time, this is not needed by anything that runs.
            if let Some(measured) = self.measuring.tend(self.paths, Instant::now()) {
                self.concerns.note(measured, "the use of the license is not measured");
            }
            let line = self.status_line();
            self.systemd.status(line);
        }
        if tick.is_multiple_of(FILTER_TICKS) {
            self.tend_packet_filter()?;
        }
        let between = if tick < OPERATION_TICKS { EARLY_OPERATION_TICKS } else { OPERATION_TICKS };
        if tick.is_multiple_of(between) {
            let continued = open_operation::continue_it(self.paths, &Subprocesses);
            self.concerns.unless_fatal(continued, "the open operation is not continued")?;
        }
        if tick.is_multiple_of(TIME_TICKS) {
            let started = self.overdue.tend(self.paths, &Subprocesses);
            self.concerns.unless_fatal(started, "the overdue backup is not started")?;
            // Nothing that runs depends on it: not even a failed sync ends the agent.
            self.concerns.note(site_time::observe(self.paths), "trusted time cannot be stored");
        }
        let clocks = Clocks::read();
        if self.certificates.is_now(&clocks) {
            let renewed = certificates::renew(self.paths, &self.settings.pack, clocks.now);
            self.certificates.record_check(clocks, renewed.is_ok());
            self.concerns.unless_fatal(renewed, "certificates cannot be renewed")?;
        }
        Ok(())
    }

    fn tend_packet_filter(&mut self) -> Result<(), StepError> {
        let pods = Pods::of(self.paths, &self.programs, &Subprocesses);
        self.concerns.unless_fatal(self.packet_filter.tend(&pods), "the packet filter cannot be maintained").map(drop)
    }

    /// Waits for the next tick. At most once per tick, it checks the packet filter as soon as something is deleted
    /// there: kube-proxy itself deletes rules all the time.
    fn pause(&mut self) -> Result<(), StepError> {
        let begun = Instant::now();
        if self.packet_filter.wait(TICK) {
            self.tend_packet_filter()?;
        }
        std::thread::sleep(TICK.saturating_sub(begun.elapsed()));
        Ok(())
    }

    /// Restores what a boot or another program has undone.
    fn restore_host(&mut self) -> Result<(), StepError> {
        let named = self.settings.hosts_entry.restore(self.paths);
        self.concerns.unless_fatal(named, "the API server's name is not what the cluster needs")?;
        // Until the node's address is up, the route has no source address.
        self.concerns.unless_fatal(self.settings.service_route.add(), "the route to services is missing")?;
        let kept = nameservers::keep(self.paths, &self.settings);
        self.concerns.unless_fatal(kept, "the cluster's nameserver does not get the host's nameservers")?;
        Ok(())
    }

    fn status_line(&self) -> String {
        let [containerd, kubelet] = [units::CONTAINERD, units::KUBELET].map(|unit| UnitState::of(unit, &Subprocesses));
        let lack = kubelet::lacks(self.paths, &self.settings, containerd.is_active());
        kubelet::status_line(&containerd, &kubelet, lack.as_ref(), || units::last_kubelet_error(&Subprocesses))
    }
}
