//! Verdict of a status: one word, which selects the command's exit code.

use landfall_documents::failure::Failure;
use landfall_engine::journal::{Phase, StepState, StepStatus};
use landfall_error_codes::ExitClass;

/// Returns true if a person must remove the obstacle of a step before it can continue.
pub(in crate::operations) fn is_stuck(phase: Phase, step: &StepState) -> bool {
    match phase {
        Phase::Forward => step.blocked.is_some() || step.failure.as_ref().is_some_and(needs_person),
        Phase::Undoing { .. } => step.status == StepStatus::UndoFailed,
        Phase::Empty | Phase::Committed | Phase::Undone { .. } => false,
    }
}

fn needs_person(failure: &Failure) -> bool {
    failure.code.class() == Some(ExitClass::Stuck)
}

#[cfg(test)]
mod tests {
    use landfall_documents::status::{SiteState, StatusReport, Verdict};

    use super::super::sample::{installed_status, interrupted_status};
    use super::*;

    #[test]
    fn states_map_to_verdicts_and_codes() {
        let judged = |change: fn(&mut StatusReport)| {
            let mut report = installed_status();
            change(&mut report);
            let verdict = report.judge();
            (verdict, verdict.exit_code())
        };
        assert_eq!(judged(|_| {}), (Verdict::Ready, 0));
        assert_eq!(judged(|report| report.nodes.clear()), (Verdict::NotReady, 4));
        assert_eq!(judged(|report| report.state = SiteState::Absent), (Verdict::Absent, 4));
        for state in [
            SiteState::Installing,
            SiteState::InstallInterrupted,
            SiteState::Changing,
            SiteState::ChangeInterrupted,
            SiteState::Uninstalling,
            SiteState::UninstallInterrupted,
        ] {
            let mut report = interrupted_status();
            report.state = state;
            assert_eq!((report.judge(), report.judge().exit_code()), (Verdict::Unfinished, 5), "{state:?}");
            report.operation.as_mut().unwrap().step.as_mut().unwrap().stuck = true;
            let is_running = matches!(state, SiteState::Installing | SiteState::Changing | SiteState::Uninstalling);
            let expected = if is_running { (Verdict::Unfinished, 5) } else { (Verdict::Stuck, 6) };
            assert_eq!((report.judge(), report.judge().exit_code()), expected, "{state:?}");
        }
    }

    #[test]
    fn unready_or_unknown_parts_fail_verdict() {
        let spoilers: [fn(&mut StatusReport); 20] = [
            |report| report.agent = None,
            |report| report.agent.as_mut().unwrap().ready = false,
            |report| report.nodes[0].ready = false,
            |report| report.service_addresses = None,
            |report| report.service_addresses.as_mut().unwrap().ready = false,
            |report| report.components[0].ready = 0,
            |report| report.components[0].reasons.push("it crashes".to_owned()),
            |report| report.registry = None,
            |report| report.registry.as_mut().unwrap().ready = false,
            |report| report.certificates = None,
            |report| report.certificates.as_mut().unwrap().ready = false,
            |report| report.clock = None,
            |report| report.clock.as_mut().unwrap().ready = false,
            |report| report.firewall = None,
            |report| report.firewall.as_mut().unwrap().ready = false,
            |report| report.components[0].total += 1,
            |report| report.disk = None,
            |report| report.disk.as_mut().unwrap().ready = false,
            |report| report.etcd = None,
            |report| report.etcd.as_mut().unwrap().ready = false,
        ];
        for (index, spoil) in spoilers.into_iter().enumerate() {
            let mut report = installed_status();
            spoil(&mut report);
            assert_eq!(report.judge(), Verdict::NotReady, "spoiler {index}");
        }
    }

    #[test]
    fn only_blocked_operations_are_stuck() {
        let failed = |code: &str| StepState {
            status: StepStatus::Failed,
            failure: Some(Failure { code: code.into(), what: String::new(), causes: Vec::new(), hint: String::new() }),
            ..StepState::default()
        };
        let undoing = Phase::Undoing { keep_data: true };
        assert!(is_stuck(Phase::Forward, &failed("LF4207")));
        assert!(!is_stuck(Phase::Forward, &failed("LF4103")), "resumable");
        assert!(!is_stuck(undoing, &failed("LF4207")), "an undo does not depend on it");
        let blocked = StepState { blocked: Some("a file".to_owned()), ..StepState::default() };
        assert!(is_stuck(Phase::Forward, &blocked));
        let not_undone = StepState { status: StepStatus::UndoFailed, ..failed("LF4103") };
        assert!(is_stuck(undoing, &not_undone));
        assert!(!is_stuck(undoing, &StepState { status: StepStatus::UndoStarted, ..StepState::default() }));
    }
}
