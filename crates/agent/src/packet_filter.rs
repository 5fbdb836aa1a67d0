//! kube-proxy's and flannel's tables of the packet filter. `flush ruleset`, which a restart of the host's own firewall
//! runs, deletes them along with all other tables. Neither program checks: kube-proxy writes when services change,
//! flannel once. A restarted program rewrites its table.
//!
//! The agent ends the process, and the kubelet restarts it in the same pod, which needs no controller, scheduler or new
//! network. The kubelet waits longer before each restart; if it would wait, the pod is deleted instead, and its
//! controller immediately creates another.

use std::time::Duration;

use landfall_error_codes::codes;

use super::deletions::Deletions;
use super::pods::Pods;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::netlink::{self, Chain};
use landfall_host::process::{self, ProcessId};

/// Tables, each with the pod's program that writes it.
const TABLES: [(&str, &str); 2] = [("kube-proxy", "kube-proxy"), ("flannel-ipv4", "flanneld")];

/// Time that a program older than the agent may lack its table: the agent cannot know whether the program has written
/// it. On a slow machine, each needless restart doubles the time for the next program.
const FIRST_WRITE: Duration = Duration::from_mins(1);
const LONGEST_FIRST_WRITE: Duration = Duration::from_mins(16);

/// Time that a program may take to end on its own.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time that the kubelet may take to end a program whose pod was deleted. Deleting the pod again earlier would only
/// waste time.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

/// State of one watched table.
#[derive(Debug)]
struct WatchedTable {
    table: &'static str,
    program: &'static str,
    /// Process that ran while the table existed: it assumes that the table still exists.
    writer: Option<ProcessId>,
    /// Time that the next process may take to write the table.
    first_write: Duration,
    /// Process whose pod was deleted, and the time of deletion on the scale of [`process::time_since_boot`].
    leaving: Option<(ProcessId, Duration)>,
}

/// State of the watched tables.
#[derive(Debug)]
pub struct PacketFilter {
    tables: Vec<WatchedTable>,
    deletions: Deletions,
    /// Number of deletion notifications before the last check.
    notices: u64,
}

/// Result of one check of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The table is in use.
    InUse,
    /// The table is missing or has no rules; it is unknown whether its program has ever written it.
    Missing,
    /// The table is not in use. Nothing in it was deleted since its program started, so the program has yet to write
    /// it.
    Unwritten,
    /// The table is not in use. Something in it was deleted while its program ran, or the agent may have missed a
    /// deletion.
    Deleted,
}

/// Decision after one check of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The table exists, or the program still has time.
    Fine,
    /// The program must restart.
    Restart,
}

impl PacketFilter {
    /// Starts to watch the tables.
    pub fn watch() -> Self {
        let tables = TABLES.map(|(table, program)| WatchedTable::new(table, program)).into();
        Self { tables, deletions: Deletions::listen(), notices: 0 }
    }

    /// Waits until something was deleted since the last check, or until the time limit. Returns true if something was.
    pub fn wait(&self, limit: Duration) -> bool {
        self.deletions.wait(self.notices, limit)
    }

    /// Checks the tables, and restarts the program of each that is missing.
    pub fn tend(&mut self, pods: &Pods<'_>) -> Result<(), StepError> {
        // This precedes the check, so that no later deletion is missed.
        self.notices = self.deletions.notices();
        let failed = |error: std::io::Error| {
            StepError::new(codes::FILTER_UNREADABLE, "cannot read the packet filter's tables").because(error)
        };
        let chains = netlink::chains().map_err(failed)?;
        let deletions = &self.deletions;
        let tended = self.tables.iter_mut().map(|watched| watched.tend(&chains, deletions, pods));
        // Every table is maintained, even if another one fails.
        tended.collect::<Vec<_>>().into_iter().collect()
    }
}

impl WatchedTable {
    fn new(table: &'static str, program: &'static str) -> Self {
        Self { table, program, writer: None, first_write: FIRST_WRITE, leaving: None }
    }

    fn tend(&mut self, chains: &[Chain], deletions: &Deletions, pods: &Pods<'_>) -> Result<(), StepError> {
        let running = self.running_program(pods)?.filter(|program| !self.is_leaving(*program));
        let Some(program) = running else { return Ok(()) };
        let look = if holds_rules(chains, self.table) {
            Look::InUse
        } else if deletions.any_after(self.table, program.start_time()) {
            Look::Deleted
        } else if deletions.are_known_after(program.start_time()) {
            Look::Unwritten
        } else {
            Look::Missing
        };
        match self.judge(look, program, program.age().unwrap_or_default()) {
            Verdict::Fine => Ok(()),
            Verdict::Restart => self.restart(program, pods),
        }
    }

    /// Returns true while the kubelet still has time to end this process.
    fn is_leaving(&self, program: ProcessId) -> bool {
        self.leaving.is_some_and(|(leaving, since)| {
            leaving == program && process::time_since_boot() < since.saturating_add(LEAVES_WITHIN)
        })
    }

    /// Returns the program in a pod on this host's network.
    fn running_program(&self, pods: &Pods<'_>) -> Result<Option<ProcessId>, StepError> {
        match self.writer.filter(|writer| writer.is_alive()) {
            Some(writer) => Ok(Some(writer)),
            None => pods.on_host_network(self.program),
        }
    }

    /// Restarts a program, in the same pod or in a new one. If the API server does not answer, the kubelet does it
    /// later.
    fn restart(&mut self, program: ProcessId, pods: &Pods<'_>) -> Result<(), StepError> {
        let (table, name) = (self.table, self.program);
        if pods.restarts_at_once(program) {
            tracing::warn!(
                table,
                program = name,
                "the packet filter lost a table; the program that writes it is restarted"
            );
            return self.end(program);
        }
        tracing::warn!(table, program = name, "the packet filter lost a table; the pod that writes it is replaced");
        if let Err(error) = pods.replace(program) {
            tracing::warn!(
                error = with_causes(&error),
                program = name,
                "the pod cannot be deleted; its program is ended"
            );
            return self.end(program);
        }
        self.leaving = Some((program, process::time_since_boot()));
        Ok(())
    }

    fn end(&self, program: ProcessId) -> Result<(), StepError> {
        let left = process::end(&[program], PATIENCE);
        if left.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{}, which must write the table {} again, does not exit",
            process::describe(&left).join(", "),
            self.table
        );
        Err(StepError::new(codes::FILTER_NOT_RESTORED, what))
    }

    fn judge(&mut self, look: Look, program: ProcessId, age: Duration) -> Verdict {
        if look == Look::InUse {
            self.writer = Some(program);
            self.first_write = FIRST_WRITE;
            return Verdict::Fine;
        }
        if look == Look::Deleted || self.writer == Some(program) {
            self.writer = None;
            return Verdict::Restart;
        }
        // The first write may take arbitrarily long: after a boot, a slow machine needs minutes, and a restart would
        // begin again.
        if look == Look::Unwritten {
            return Verdict::Fine;
        }
        if age > self.first_write {
            self.first_write = (self.first_write * 2).min(LONGEST_FIRST_WRITE);
            return Verdict::Restart;
        }
        Verdict::Fine
    }
}

/// Returns true if the packet filter has a table in use: one whose rules were flushed counts as missing.
pub fn holds_rules(chains: &[Chain], table: &str) -> bool {
    chains.iter().any(|chain| chain.table == table && chain.hook.is_some() && chain.uses > 0)
}

#[cfg(test)]
mod tests {
    use landfall_host::netlink::Hook;

    use super::*;

    fn this() -> ProcessId {
        ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap()
    }

    #[test]
    fn lost_table_restarts_program() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        let young = Duration::from_secs(3);
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Fine, "it has just begun");
        assert_eq!(watched.judge(Look::InUse, this(), young), Verdict::Fine);
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Restart, "it had written its table");
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Fine, "the next one has its time");
    }

    #[test]
    fn deleted_table_restarts_program() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Deleted, this(), Duration::ZERO), Verdict::Restart);
        assert_eq!(watched.judge(Look::Missing, this(), Duration::ZERO), Verdict::Fine, "the next one has its time");
    }

    #[test]
    fn deleted_pod_gets_time_to_end() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        assert!(!watched.is_leaving(this()));
        let now = process::time_since_boot();
        watched.leaving = Some((this(), now));
        assert!(watched.is_leaving(this()));
        watched.leaving = Some((this(), now.saturating_sub(LEAVES_WITHIN)));
        assert!(!watched.is_leaving(this()), "a kubelet that did nothing is asked once more");
    }

    #[test]
    fn first_table_write_has_a_minute() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Missing, this(), FIRST_WRITE), Verdict::Fine);
        assert_eq!(watched.judge(Look::Missing, this(), FIRST_WRITE + Duration::from_secs(1)), Verdict::Restart);
    }

    #[test]
    fn unwritten_table_has_no_limit() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Unwritten, this(), Duration::from_hours(1)), Verdict::Fine);
    }

    #[test]
    fn limit_doubles_for_slow_machine() {
        let mut watched = WatchedTable::new("kube-proxy", "kube-proxy");
        let second = Duration::from_secs(1);
        for minutes in [1, 2, 4, 8, 16, 16] {
            let limit = Duration::from_mins(minutes);
            assert_eq!(watched.judge(Look::Missing, this(), limit), Verdict::Fine, "{minutes} minutes are not over");
            assert_eq!(
                watched.judge(Look::Missing, this(), limit + second),
                Verdict::Restart,
                "after {minutes} minutes"
            );
        }
        assert_eq!(watched.judge(Look::InUse, this(), second), Verdict::Fine);
        assert_eq!(watched.first_write, FIRST_WRITE, "a written table ends it");
    }

    #[test]
    fn table_without_rules_is_lost() {
        let chain = |table: &str, hook, uses| Chain {
            family: 2,
            table: table.to_owned(),
            name: "input".to_owned(),
            hook,
            drops: false,
            uses,
        };
        let hook = Some((Hook::Input, 0));
        assert!(holds_rules(&[chain("kube-proxy", hook, 1)], "kube-proxy"));
        for lost in [chain("kube-proxy", hook, 0), chain("kube-proxy", None, 4), chain("filter", hook, 4)] {
            assert!(!holds_rules(&[lost], "kube-proxy"));
        }
    }
}
