//! A thread that kills the console during an upgrade.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use landfall_xtask::proofs::admin_output;
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::site::Machine;

/// Maximum number of kills in each of two upgrades, minimum number in an undone one, and the console's lifetime between
/// kills.
pub(super) const KILLS: u32 = 25;
pub(super) const LEAST_KILLS: u32 = 10;
const LIFE_MILLISECONDS: (u64, u64) = (500, 5000);

/// Kills the console with its pod at seeded instants. If only the container ended, the kubelet would delay its restart
/// for minutes.
pub(super) struct Killer {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u32>>,
}

impl Killer {
    pub(super) fn begin(machine: &Machine, name: &str) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, machine, mut seeded) = (is_over.clone(), machine.clone(), SeededNumbers::with_name(name)?);
        let thread = std::thread::spawn(move || {
            let mut kills = 0;
            while kills < KILLS && !ends.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(seeded.within(LIFE_MILLISECONDS.0, LIFE_MILLISECONDS.1)));
                kills += u32::from(kill(&machine)?);
            }
            Ok(kills)
        });
        Ok(Self { is_over, thread })
    }

    /// Stops killing, and returns the number of kills.
    pub(super) fn end(self) -> Result<u32> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread that kills the console has panicked"))?
    }
}

/// Kills the console's process, but no other process of the same program: a drill runs in a copy of the console.
/// Returns false if no console is running.
pub(super) fn kill(machine: &Machine) -> Result<bool> {
    let uid = "kubectl --namespace landfall-console get pod console-0 --output jsonpath='{.metadata.uid}'";
    // The pod may be missing for a moment.
    let Ok(uid) = admin_output(machine, uid) else { return Ok(false) };
    let pod = uid.trim().replace('-', "[-_]");
    let line = format!(
        "killed=1; for process in $(pgrep --full '^/bin/landfall-appliance serve'); do \
             grep --quiet '{pod}' /proc/$process/cgroup && kill -KILL $process && killed=0; done; exit $killed"
    );
    let is_killed = !pod.is_empty() && machine.try_run(&line)?.status.success();
    let delete = "kubectl --namespace landfall-console delete pod console-0 --force --grace-period=0 --wait=false";
    let _deleted = admin_output(machine, delete);
    Ok(is_killed)
}
