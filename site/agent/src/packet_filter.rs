//! kube-proxy's and flannel's tables of the packet filter. `flush ruleset`, which a restart of the host's own firewall
//! runs, deletes them with all tables. Neither program checks: kube-proxy writes when services change, flannel once. A
//! program that starts again writes its table again.
//!
//! Its process is ended, and the kubelet starts it again in the same pod, which no controller, scheduler or new network has to
//! prepare. The kubelet waits longer each time before it does so; where it would, the pod is deleted, and its controller makes
//! another at once.

use std::time::Duration;

use landfall_error_codes::codes;

use super::deletions::Deletions;
use super::pods::Pods;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_host::netlink::{self, Chain};
use landfall_host::process::{self, ProcessId};

/// Tables, each with the program of a pod that writes it.
const TABLES: [(&str, &str); 2] = [("kube-proxy", "kube-proxy"), ("flannel-ipv4", "flanneld")];

/// How long a program that is older than the agent may lack its table: the agent cannot know whether it has written it. On a
/// slow machine, each program that was restarted for nothing gives the next one twice as long.
const FIRST_WRITE: Duration = Duration::from_mins(1);
const LONGEST_FIRST_WRITE: Duration = Duration::from_mins(16);

/// How long a program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the kubelet may take to end a program whose pod was deleted. To delete the pod again before would only cost time.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

/// What is known about one table.
#[derive(Debug)]
struct Watched {
    table: &'static str,
    program: &'static str,
    /// The process that ran while the table existed: it assumes that the table still exists.
    writer: Option<ProcessId>,
    /// How long the next process may take to write the table.
    first_write: Duration,
    /// A process whose pod was deleted, and when, as [`process::time_since_boot`] counts.
    leaving: Option<(ProcessId, Duration)>,
}

/// What is known about the tables.
#[derive(Debug)]
pub struct PacketFilter {
    tables: Vec<Watched>,
    deletions: Deletions,
    /// How many notices of deletions there were before the last look.
    notices: u64,
}

/// What one look at a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is in use.
    InUse,
    /// It is missing, or has no rules; whether its program has ever written it is unknown.
    Missing,
    /// It is not in use, and nothing of it was deleted since its program began: that one is still to write it.
    Unwritten,
    /// Neither is it in use, and something of it was deleted while its program ran: the agent may not have seen it.
    Deleted,
}

/// What follows from one look at a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It exists, or the program still has time.
    Fine,
    /// The program must restart.
    Restart,
}

impl PacketFilter {
    /// Begins to watch.
    pub fn watch() -> Self {
        let tables = TABLES.map(|(table, program)| Watched::new(table, program)).into();
        Self { tables, deletions: Deletions::listen(), notices: 0 }
    }

    /// Waits until something was deleted since the last look, or until the time is up. Returns whether something was.
    pub fn wait(&self, limit: Duration) -> bool {
        self.deletions.wait(self.notices, limit)
    }

    /// Checks the tables, and restarts the program of each that is missing.
    pub fn tend(&mut self, pods: &Pods<'_>) -> Result<(), StepError> {
        // Before the look, so that no deletion is missed that follows it.
        self.notices = self.deletions.notices();
        let failed = |error: std::io::Error| {
            StepError::new(codes::FILTER_UNREADABLE, "cannot read the packet filter's tables").because(error)
        };
        let chains = netlink::chains().map_err(failed)?;
        let deletions = &self.deletions;
        let tended = self.tables.iter_mut().map(|watched| watched.tend(&chains, deletions, pods));
        // Each, whatever becomes of the others.
        tended.collect::<Vec<_>>().into_iter().collect()
    }
}

impl Watched {
    fn new(table: &'static str, program: &'static str) -> Self {
        Self { table, program, writer: None, first_write: FIRST_WRITE, leaving: None }
    }

    fn tend(&mut self, chains: &[Chain], deletions: &Deletions, pods: &Pods<'_>) -> Result<(), StepError> {
        let running = self.running_program(pods)?.filter(|program| !self.is_leaving(*program));
        let Some(program) = running else { return Ok(()) };
        let look = if holds_rules(chains, self.table) {
            Look::InUse
        } else if deletions.any_after(self.table, program.started()) {
            Look::Deleted
        } else if deletions.are_known_after(program.started()) {
            Look::Unwritten
        } else {
            Look::Missing
        };
        match self.judge(look, program, program.age().unwrap_or_default()) {
            Verdict::Fine => Ok(()),
            Verdict::Restart => self.restart(program, pods),
        }
    }

    /// Whether the kubelet ends this process, and has not yet had its time for that.
    fn is_leaving(&self, program: ProcessId) -> bool {
        self.leaving.is_some_and(|(leaving, since)| {
            leaving == program && process::time_since_boot() < since.saturating_add(LEAVES_WITHIN)
        })
    }

    /// The program of a pod on this host's network.
    fn running_program(&self, pods: &Pods<'_>) -> Result<Option<ProcessId>, StepError> {
        match self.writer.filter(|writer| writer.is_alive()) {
            Some(writer) => Ok(Some(writer)),
            None => pods.on_host_network(self.program),
        }
    }

    /// Restarts a program, in its pod or in another one. If the API server does not answer, the kubelet does it later.
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
        // However long it takes: after a boot, a slow machine needs minutes, and a restart would begin them anew.
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

/// Whether the packet filter has a table in use: one whose rules were flushed counts as missing.
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
    fn a_program_is_restarted_when_its_written_table_is_lost() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
        let young = Duration::from_secs(3);
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Fine, "it has just begun");
        assert_eq!(watched.judge(Look::InUse, this(), young), Verdict::Fine);
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Restart, "it had written its table");
        assert_eq!(watched.judge(Look::Missing, this(), young), Verdict::Fine, "the next one has its time");
    }

    #[test]
    fn a_program_is_restarted_when_a_table_was_deleted_between_two_looks() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Deleted, this(), Duration::ZERO), Verdict::Restart);
        assert_eq!(watched.judge(Look::Missing, this(), Duration::ZERO), Verdict::Fine, "the next one has its time");
    }

    #[test]
    fn a_program_whose_pod_was_deleted_is_given_time_to_end() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
        assert!(!watched.is_leaving(this()));
        let now = process::time_since_boot();
        watched.leaving = Some((this(), now));
        assert!(watched.is_leaving(this()));
        watched.leaving = Some((this(), now.saturating_sub(LEAVES_WITHIN)));
        assert!(!watched.is_leaving(this()), "a kubelet that did nothing is asked once more");
    }

    #[test]
    fn a_program_that_never_wrote_its_table_has_a_minute() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Missing, this(), FIRST_WRITE), Verdict::Fine);
        assert_eq!(watched.judge(Look::Missing, this(), FIRST_WRITE + Duration::from_secs(1)), Verdict::Restart);
    }

    #[test]
    fn a_program_that_is_still_to_write_its_table_has_all_the_time() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
        assert_eq!(watched.judge(Look::Unwritten, this(), Duration::from_hours(1)), Verdict::Fine);
    }

    #[test]
    fn a_slow_machine_is_given_longer_each_time() {
        let mut watched = Watched::new("kube-proxy", "kube-proxy");
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
    fn a_table_without_rules_counts_as_lost() {
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
