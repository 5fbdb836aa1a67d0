//! GPU facts with the time of the probe. NVIDIA's library may hang, and it wakes idle GPUs. Therefore a site keeps the
//! latest result until the next boot, and a status read soon after uses it, with its age.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use landfall_gpu_facts::driver::{DriverGpu, DriverState};
use landfall_gpu_facts::version::DriverVersion;
use landfall_gpu_facts::{GpuReport, NvmlState, SCHEMA};
use landfall_media::durable;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::gpus::{self, KernelFacts, Look, TIME_LIMIT};
use super::host::boot_id;
use crate::paths::SitePaths;

/// Validity of a result.
const LASTS: Duration = Duration::from_mins(1);

/// Validity after the library hung: each attempt may leave a process that the kernel cannot end.
const LASTS_AFTER_A_HANG: Duration = Duration::from_mins(10);

/// Interval of checks for the end of another process.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Maximum size of the file with the latest result.
const FILE_BYTES: u64 = 8 << 20;

/// Facts about a host's GPUs, with the time of the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedGpus {
    /// The facts.
    pub report: GpuReport,
    /// Time of the probe, RFC 3339.
    pub at: String,
    /// Age of the facts, by a clock that cannot be set.
    pub age: Duration,
}

impl ProbedGpus {
    /// Probes now. If NVIDIA's driver is loaded, queries its library, for at most seven seconds. Changes nothing.
    pub fn now(paths: &SitePaths) -> Self {
        Self::new(match gpus::look(paths) {
            Look::Complete(report) => report,
            Look::Queryable(kernel) => kernel.query(&gpus::program(paths), TIME_LIMIT),
        })
    }

    /// Like [`Self::now`], with a program that the caller holds open, such as one of another mount namespace.
    pub fn by(paths: &SitePaths, program: &Path) -> Self {
        Self::new(match gpus::look(paths) {
            Look::Complete(report) => report,
            Look::Queryable(kernel) => kernel.query_held(program),
        })
    }

    /// Returns a result of the last minute (ten minutes after a hang of the library), or else a new one, which an
    /// installed site then keeps. Takes at most seven seconds, even if another process is querying.
    pub fn recent(paths: &SitePaths) -> Self {
        match gpus::look(paths) {
            Look::Complete(report) => Self::new(report),
            Look::Queryable(kernel) => {
                let program = gpus::program(paths);
                recent(paths, kernel, TIME_LIMIT, |kernel, limit| kernel.query(&program, limit))
            }
        }
    }

    /// Wraps a new result.
    fn new(report: GpuReport) -> Self {
        let at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self { report, at, age: Duration::ZERO }
    }
}

/// Returns the kept result if it is still valid, or else the answer to a query, which is then kept.
fn recent(
    paths: &SitePaths,
    kernel: KernelFacts,
    limit: Duration,
    query: impl FnOnce(KernelFacts, Duration) -> GpuReport,
) -> ProbedGpus {
    let driver = Driver::of(&kernel.driver);
    let counting = || StoredProbe::read(paths)?.counting(paths, &driver);
    if let Some(kept) = counting() {
        return kept;
    }
    let deadline = Instant::now() + limit;
    let turn = Turn::take(paths, deadline);
    // Another process may have queried in the meantime.
    if let Some(kept) = counting() {
        return kept;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let probed = ProbedGpus::new(query(kernel, left));
    if let Some(_held) = turn
        && !is_cut_short(&probed.report.nvml, left, limit)
    {
        keep(paths, driver, &probed);
    }
    probed
}

/// Returns true if the library did not answer only because waiting for another process had used up most of the time.
/// That is not a hang.
fn is_cut_short(answer: &NvmlState, left: Duration, limit: Duration) -> bool {
    matches!(answer, NvmlState::TimedOut(_)) && left < limit / 2
}

/// Keeps a result. If that fails, the next caller queries again.
fn keep(paths: &SitePaths, driver: Driver, probed: &ProbedGpus) {
    let Some(since_boot) = SinceBoot::now(paths) else { return };
    let kept = StoredProbe { since_boot, at: probed.at.clone(), driver, report: probed.report.clone() };
    // It has a JSON form, because its keys are names.
    let bytes = serde_json::to_vec(&kept).unwrap_or_default();
    if let Err(error) = durable::write_file(&paths.probed_gpus(), &bytes, 0o600) {
        tracing::debug!(%error, "what was found about GPUs is not kept");
    }
}

/// Parts of a driver's state that determine whether an earlier answer of its library is still valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Driver {
    version: Option<DriverVersion>,
    gpus: Vec<DriverGpu>,
}

impl Driver {
    fn of(state: &DriverState) -> Self {
        Self { version: state.version.clone(), gpus: state.gpus.clone() }
    }
}

/// Time since the boot of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SinceBoot {
    /// The kernel's ID of the boot.
    boot: String,
    milliseconds: u64,
}

impl SinceBoot {
    /// Returns the current time; `None` if the kernel does not report it.
    fn now(paths: &SitePaths) -> Option<Self> {
        let boot = boot_id(paths)?;
        let uptime = fs_err::read_to_string(paths.host("/proc/uptime")).ok()?;
        let seconds: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
        let milliseconds = Duration::try_from_secs_f64(seconds).ok()?.as_millis();
        Some(Self { boot, milliseconds: u64::try_from(milliseconds).ok()? })
    }

    /// Returns how long before the other time it was; `None` if it was later, or in another boot.
    fn before(&self, later: &Self) -> Option<Duration> {
        let milliseconds = later.milliseconds.checked_sub(self.milliseconds)?;
        (self.boot == later.boot).then(|| Duration::from_millis(milliseconds))
    }
}

/// File with the latest result.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredProbe {
    since_boot: SinceBoot,
    at: String,
    driver: Driver,
    report: GpuReport,
}

impl StoredProbe {
    /// Reads the file; `None` if it is unreadable, or if another version of Landfall wrote it.
    fn read(paths: &SitePaths) -> Option<Self> {
        let mut bytes = Vec::new();
        File::open(paths.probed_gpus()).ok()?.take(FILE_BYTES).read_to_end(&mut bytes).ok()?;
        let kept: Self = serde_json::from_slice(&bytes).ok()?;
        (kept.report.schema == SCHEMA).then_some(kept)
    }

    /// Returns the result if it is still valid: from this boot and this driver, and recent enough.
    fn counting(self, paths: &SitePaths, driver: &Driver) -> Option<ProbedGpus> {
        let Self { since_boot, at, driver: former, report } = self;
        let age = since_boot.before(&SinceBoot::now(paths)?)?;
        let lasts = match report.nvml {
            NvmlState::TimedOut(_) => LASTS_AFTER_A_HANG,
            _ => LASTS,
        };
        (age < lasts && former == *driver).then_some(ProbedGpus { report, at, age })
    }
}

/// Exclusive turn: while this value lives, no other process queries the library in order to keep the answer.
struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for the turn until the deadline. `None` after that, or if nothing can be kept: without an installed site,
    /// and for users other than root.
    fn take(paths: &SitePaths, deadline: Instant) -> Option<Self> {
        let path = paths.gpu_probe_lock();
        let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = opened.ok()?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
