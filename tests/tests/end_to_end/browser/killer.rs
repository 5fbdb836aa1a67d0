//! What kills the console while an upgrade runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use landfall_tests::proofs::administered;
use landfall_tests::seed::Seeded;
use landfall_tests::site::Machine;

/// How often the console is killed in each of two upgrades, how often at least in one that is undone, and how long it lives in between.
pub(super) const KILLS: u32 = 25;
pub(super) const LEAST_KILLS: u32 = 10;
const LIFE_MILLISECONDS: (u64, u64) = (500, 5000);

/// Kills the console at seeded instants, each time with its pod: the kubelet would let a container that ends often wait for minutes.
pub(super) struct Killer {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u32>>,
}

impl Killer {
    pub(super) fn begin(machine: &Machine, name: &str) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, machine, mut seeded) = (is_over.clone(), machine.clone(), Seeded::named(name)?);
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

    /// Kills no more; how often it has.
    pub(super) fn end(self) -> Result<u32> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread that kills the console has panicked"))?
    }
}

/// Ends the console's process at once, and no other one of the same program: a backup is tried in a copy of the console. False where none
/// runs.
pub(super) fn kill(machine: &Machine) -> Result<bool> {
    let uid = "kubectl --namespace landfall-console get pod console-0 --output jsonpath='{.metadata.uid}'";
    // The pod may be gone for a moment.
    let Ok(uid) = administered(machine, uid) else { return Ok(false) };
    let pod = uid.trim().replace('-', "[-_]");
    let line = format!(
        "killed=1; for process in $(pgrep --full '^/bin/landfall-appliance serve'); do \
             grep --quiet '{pod}' /proc/$process/cgroup && kill -KILL $process && killed=0; done; exit $killed"
    );
    let is_killed = !pod.is_empty() && machine.try_run(&line)?.status.success();
    let delete = "kubectl --namespace landfall-console delete pod console-0 --force --grace-period=0 --wait=false";
    let _deleted = administered(machine, delete);
    Ok(is_killed)
}
