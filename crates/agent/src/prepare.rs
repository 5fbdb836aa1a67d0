//! Preparations before systemd starts containerd and the kubelet. Each one waits a while for missing prerequisites,
//! which its unit's status names. Then it ends, so that a boot does not wait for it, and systemd retries.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_error_codes::codes;

use super::boot;
use super::clock;
use super::gpu_specification;
use super::kubelet;
use super::kubelet_files;
use super::notify::Systemd;
use super::programs::Programs;
use super::settings::AgentSettings;
use landfall_engine::step::StepError;
use landfall_host::command::{CommandRunner, Subprocesses};
use landfall_host::paths::SitePaths;

/// Time that a unit's preparation waits before it leaves the retry to systemd.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(500);

/// Prepares the host for containerd. Checks that the data folder is this site's, binds it to the paths that Kubernetes
/// expects, and creates the folder of GPU specifications.
pub fn containerd(paths: &SitePaths) -> Result<(), StepError> {
    wait(PATIENCE, || boot::check_identity(paths))?;
    boot::bind(paths)?;
    gpu_specification::make_folder(paths)
}

/// Prepares the host for the kubelet: its prerequisites are met, the API server's name resolves, its certificates are
/// usable, and containers get the GPUs.
pub fn kubelet(paths: &SitePaths) -> Result<(), StepError> {
    wait(PATIENCE, || boot::check_identity(paths))?;
    boot::bind(paths)?;
    let settings = AgentSettings::read(paths)?;
    let programs = Programs::of(paths, &settings.pack);
    // Pods on the host's network get a copy of the file. The agent may be restoring it at this moment.
    wait(PATIENCE, || settings.hosts_entry.restore(paths).map(drop))?;
    wait(PATIENCE, || match kubelet::lacks(paths, &settings, runtime_answers(&programs)) {
        Some(lack) => Err(StepError::new(codes::NODE_WAITS, format!("the kubelet waits: {lack}"))),
        None => Ok(()),
    })?;
    let now = Timestamp::now();
    match clock::clock_plausibility(paths, now).error(now, paths) {
        // It may be able to run anyway; its own errors are reported with the rest.
        Some(error) => tracing::warn!("the kubelet's certificates are left as they are: {error}"),
        None => kubelet_files::prepare(paths, &programs, now)?,
    }
    // Pods without GPUs do not need it. The agent retries, and logs why it fails.
    if let Err(error) = gpu_specification::before_pods(paths) {
        tracing::warn!("containers get no GPUs yet: {error}");
    }
    Ok(())
}

fn runtime_answers(programs: &Programs) -> bool {
    Subprocesses.run(&programs.runtime_version(), None).is_ok_and(|output| output.success)
}

/// Retries until success or until patience runs out; in between, the unit's status shows the reason.
fn wait(patience: Duration, mut attempt: impl FnMut() -> Result<(), StepError>) -> Result<(), StepError> {
    let begin = Instant::now();
    let mut systemd = Systemd::of_this_process();
    loop {
        match attempt() {
            Err(error) if begin.elapsed() < patience => systemd.status(error.to_string()),
            outcome => {
                systemd.status(String::new());
                return outcome;
            }
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_ends_at_limit() {
        let mut attempts = 0;
        let lacking = || Err(StepError::new(codes::NODE_WAITS, "the kubelet waits"));
        wait(PATIENCE, || {
            attempts += 1;
            if attempts < 3 { lacking() } else { Ok(()) }
        })
        .unwrap();
        assert_eq!(attempts, 3);
        assert_eq!(wait(Duration::ZERO, lacking).unwrap_err().to_string(), "the kubelet waits");
    }
}
