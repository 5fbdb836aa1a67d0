//! The moment of a fault: the observed events of an upgrade, and the processes that are paused at that moment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_site::pins::Event;
use landfall_xtask::proofs::psql;
use landfall_xtask::site::{Machine, ProcessId};
use rustix::process::{Pid, Signal, kill_process};

use crate::end_to_end::journal::Follow;
use crate::end_to_end::process::pod_logs;

/// Time between two checks of the journal and of the operation's processes.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Time between two queries to the database.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Step in which the job of 1.1.0 migrates the database.
const MIGRATING: &str = "ready/postgres";

/// Query for the number of sessions that wait in the migration, which [`super::strike::slow_migration`] makes slow.
const SLEEPING: &str = "-c \"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'\"";

/// Moment of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultMoment {
    /// Before the command is typed.
    Before,
    /// Once the journal records that this step begins.
    Step(&'static str),
    /// This long after the journal records that this step begins.
    Into(&'static str, Duration),
    /// Once the journal records that the undo begins.
    Undo,
    /// Once a program of this name runs on the machine.
    Program(&'static str),
    /// Once the operation itself runs a program of this name.
    Helper(&'static str),
    /// Once a new pod begins in this namespace.
    PodOf(&'static str),
    /// While the database's schema is changed.
    Migration,
}

/// The processes found at the moment.
pub(super) struct FoundProcesses {
    /// The operation, which is paused until [`FoundProcesses::release`].
    pub(super) paused: PausedProcess,
    /// The program of [`FaultMoment::Helper`].
    pub(super) helper: Option<ProcessId>,
}

/// Watches for one moment.
pub(super) struct Watch<'a> {
    machine: &'a Machine,
    when: FaultMoment,
    journal: Follow,
    operation: Option<ProcessId>,
    known_pods: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    /// Starts watching from now on.
    pub(super) fn begin(machine: &'a Machine, when: FaultMoment) -> Result<Self> {
        let known_pods = match when {
            FaultMoment::PodOf(namespace) => pod_logs(machine, namespace)?,
            _ => BTreeSet::new(),
        };
        Ok(Self { machine, when, journal: Follow::of(machine)?, operation: None, known_pods })
    }

    /// Returns at the moment, while the operation is paused; None if the command ended before.
    pub(super) fn wait(&mut self, ended: &AtomicBool) -> Result<Option<FoundProcesses>> {
        let (mut is_migrating, mut begun) = (false, None);
        loop {
            let is_last_look = ended.load(Ordering::Acquire);
            self.find_operation()?;
            let mut helper = None;
            let is_it = match self.when {
                FaultMoment::Before => true,
                FaultMoment::Step(wanted) => self.begins(wanted)?,
                FaultMoment::Into(wanted, after) => {
                    begun = begun.or(self.begins(wanted)?.then(Instant::now));
                    begun.is_some_and(|begun| begun.elapsed() >= after)
                }
                FaultMoment::Undo => {
                    self.journal.news()?.iter().any(|event| matches!(event, Event::UndoRequested { .. }))
                }
                FaultMoment::Program(name) => program(self.machine, name)?.is_some(),
                FaultMoment::Helper(name) => {
                    helper = self.operation.iter().flat_map(ProcessId::descendants).find(|one| is_named(one, name));
                    helper.is_some()
                }
                FaultMoment::PodOf(namespace) => self.has_new_pod(namespace)?,
                FaultMoment::Migration => {
                    is_migrating |= self.begins(MIGRATING)?;
                    is_migrating && self.database_sleeps()?
                }
            };
            if is_it {
                return Ok(Some(FoundProcesses { paused: self.pause_operation()?, helper }));
            }
            if is_last_look {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Pauses the operation once the journal shows that a step has failed.
    pub(super) fn wait_for_failure(&mut self, ended: &AtomicBool) -> Result<PausedProcess> {
        loop {
            let is_last_look = ended.load(Ordering::Acquire);
            if self.journal.news()?.iter().any(|event| matches!(event, Event::Failed { .. })) {
                return self.pause_operation();
            }
            ensure!(!is_last_look, "no step has failed");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Pauses the operation if one is running.
    fn pause_operation(&mut self) -> Result<PausedProcess> {
        // It may have started since the last check.
        self.find_operation()?;
        Ok(self.operation.as_ref().map(PausedProcess::of).transpose()?.unwrap_or_default())
    }

    fn begins(&mut self, wanted: &str) -> Result<bool> {
        let is_begin = |event: &Event| matches!(event, Event::Started { step } if step.to_string() == wanted);
        Ok(self.journal.news()?.iter().any(is_begin))
    }

    /// Finds the process that runs the operation. The search is slow, so a known one that runs is kept.
    fn find_operation(&mut self) -> Result<()> {
        if !self.operation.as_ref().is_some_and(ProcessId::is_alive) {
            self.operation = self.machine.first()?.descendants().into_iter().find(is_operation);
        }
        Ok(())
    }

    fn has_new_pod(&self, namespace: &str) -> Result<bool> {
        Ok(!pod_logs(self.machine, namespace)?.is_subset(&self.known_pods))
    }

    /// Returns true if a session of the database waits in the migration. A database that does not answer counts as
    /// false.
    fn database_sleeps(&self) -> Result<bool> {
        std::thread::sleep(ASK_EVERY);
        let asked = psql(self.machine, SLEEPING)?;
        Ok(asked.status.success() && asked.stdout.trim().parse::<u32>().is_ok_and(|count| count > 0))
    }
}

/// Returns the first process of this name on a machine, including its pods.
pub(super) fn program(machine: &Machine, name: &str) -> Result<Option<ProcessId>> {
    Ok(machine.first()?.descendants().into_iter().find(|process| is_named(process, name)))
}

fn is_named(process: &ProcessId, name: &str) -> bool {
    std::fs::read_to_string(process.proc("comm")).is_ok_and(|found| found.trim_end() == name)
}

fn is_operation(process: &ProcessId) -> bool {
    let line = std::fs::read(process.proc("cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    words.windows(2).any(|pair| pair == [&b"node"[..], b"operate"])
}

/// Processes that are paused until this value is dropped.
#[derive(Default)]
pub(super) struct PausedProcess(Vec<ProcessId>);

impl PausedProcess {
    /// Pauses a process, and then its helper processes.
    fn of(process: &ProcessId) -> Result<Self> {
        let mut paused = Self::default();
        signal(process, Signal::STOP).context("cannot stop the operation")?;
        paused.0.push(process.clone());
        for helper in process.descendants() {
            // It may have ended by now.
            let _ = signal(&helper, Signal::STOP);
            paused.0.push(helper);
        }
        Ok(paused)
    }

    /// Lets one of the processes continue.
    pub(super) fn release(&mut self, process: &ProcessId) {
        let _ = signal(process, Signal::CONT);
        self.0.retain(|paused| paused != process);
    }
}

impl Drop for PausedProcess {
    fn drop(&mut self) {
        for process in self.0.iter().rev() {
            let _ = signal(process, Signal::CONT);
        }
    }
}

fn signal(process: &ProcessId, signal: Signal) -> Result<()> {
    let number = Pid::from_raw(process.number).context("0 is no process")?;
    kill_process(number, signal).with_context(|| format!("cannot send a signal to process {}", process.number))
}
