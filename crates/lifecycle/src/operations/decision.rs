//! Decision table of all verbs in each phase of a site. Pure.

use landfall_documents::operation::Operation;
use landfall_documents::status::SiteState;
use landfall_engine::journal::Phase;

/// A person's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Install a release on this host.
    Install,
    /// Change the installed release: its settings, or the release itself.
    Change,
    /// Undo the open change.
    Abort,
    /// Finish the interrupted operation.
    Resume,
    /// Remove everything except data, or everything.
    Uninstall {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Report the state of the site.
    Status {
        /// True if an operation is in progress.
        running: bool,
    },
}

/// Effect of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Begins a new operation.
    Begin,
    /// Does the remaining steps of the install.
    Forward,
    /// Ends a change: does its remaining steps, or undoes it.
    Change,
    /// Undoes the finished steps, then removes everything else.
    Back {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Removes the operations' own files, because all steps are undone or there were none.
    Clear {
        /// True if volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Does nothing, because nothing is left to do.
    Nothing,
    /// Reports the state.
    Report(SiteState),
    /// Refuses the verb.
    Refuse(Refusal),
}

/// Reason for refusing a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A release is installed.
    AlreadyInstalled,
    /// No release is installed.
    NotInstalled,
    /// An install is unfinished.
    InstallOpen,
    /// A change is unfinished.
    ChangeOpen,
    /// An uninstall is unfinished.
    UninstallOpen,
    /// No change is unfinished.
    NothingToAbort,
}

/// The operation that decides the state of a site, and its phase; `None` for a site without a journal.
pub(super) type Position = Option<(Operation, Phase)>;

/// Returns the effect of a verb on a site in this position.
pub(super) fn decide(verb: Verb, position: Position) -> Decision {
    match verb {
        Verb::Install => refusal(position).map_or(Decision::Begin, Decision::Refuse),
        Verb::Change => match refusal(position) {
            Some(Refusal::AlreadyInstalled) => Decision::Begin,
            Some(refusal) => Decision::Refuse(refusal),
            None => Decision::Refuse(Refusal::NotInstalled),
        },
        Verb::Abort => match position {
            None | Some((Operation::Install, _) | (_, Phase::Committed | Phase::Undone { .. })) => {
                Decision::Refuse(Refusal::NothingToAbort)
            }
            Some((_, Phase::Empty | Phase::Forward | Phase::Undoing { .. })) => Decision::Change,
        },
        Verb::Resume => resume(position),
        Verb::Uninstall { keep_data } => uninstall(keep_data, position),
        Verb::Status { running } => Decision::Report(state(running, position)),
    }
}

/// Returns the reason why nothing can be installed.
fn refusal(position: Position) -> Option<Refusal> {
    Some(match position? {
        (_, Phase::Committed) => Refusal::AlreadyInstalled,
        (Operation::Install, Phase::Empty | Phase::Forward) => Refusal::InstallOpen,
        (Operation::Install, Phase::Undoing { .. } | Phase::Undone { .. }) => Refusal::UninstallOpen,
        (Operation::Configure | Operation::Upgrade | Operation::Rollback | Operation::Restore, _) => {
            Refusal::ChangeOpen
        }
    })
}

fn resume(position: Position) -> Decision {
    match position {
        None => Decision::Refuse(Refusal::NotInstalled),
        Some((_, Phase::Committed)) => Decision::Nothing,
        Some((Operation::Install, Phase::Empty | Phase::Forward)) => Decision::Forward,
        Some((Operation::Install, Phase::Undoing { keep_data })) => Decision::Back { keep_data },
        Some((Operation::Install, Phase::Undone { keep_data })) => Decision::Clear { keep_data },
        Some((Operation::Configure | Operation::Upgrade | Operation::Rollback | Operation::Restore, _)) => {
            Decision::Change
        }
    }
}

fn uninstall(keep_data: bool, position: Position) -> Decision {
    match position {
        None | Some((Operation::Install, Phase::Undone { keep_data: true })) => Decision::Clear { keep_data },
        // Part of the data may already be deleted, so the rest is not worth keeping.
        Some((Operation::Install, Phase::Undone { keep_data: false })) => Decision::Clear { keep_data: false },
        // Data is deleted only after the last step, so a person may still decide to keep it. An open change need not
        // end first: undoing the install also undoes the leftovers of the change.
        Some(_) => Decision::Back { keep_data },
    }
}

fn state(running: bool, position: Position) -> SiteState {
    let Some((operation, phase)) = position else { return SiteState::Absent };
    match (operation, phase, running) {
        (_, Phase::Committed, _) => SiteState::Installed,
        (Operation::Install, Phase::Empty | Phase::Forward, true) => SiteState::Installing,
        (Operation::Install, Phase::Empty | Phase::Forward, false) => SiteState::InstallInterrupted,
        (Operation::Install, Phase::Undoing { .. } | Phase::Undone { .. }, true) => SiteState::Uninstalling,
        (Operation::Install, Phase::Undoing { .. } | Phase::Undone { .. }, false) => SiteState::UninstallInterrupted,
        (Operation::Configure | Operation::Upgrade | Operation::Rollback | Operation::Restore, _, running) => {
            if running { SiteState::Changing } else { SiteState::ChangeInterrupted }
        }
    }
}

#[cfg(test)]
mod tests {
    use Decision::{Back, Begin, Change, Clear, Forward, Nothing, Refuse, Report};
    use Refusal::{AlreadyInstalled, ChangeOpen, InstallOpen, NotInstalled, NothingToAbort, UninstallOpen};
    use SiteState::{
        Absent, ChangeInterrupted, Changing, InstallInterrupted, Installed, Installing, UninstallInterrupted,
        Uninstalling,
    };

    use super::*;

    const KEEP: bool = true;
    const DELETE: bool = false;

    /// One row: install, change, abort, resume, uninstall, uninstall with deletion, status, status while an operation
    /// runs.
    type Row = [Decision; 8];

    fn row(position: Position) -> Row {
        [
            Verb::Install,
            Verb::Change,
            Verb::Abort,
            Verb::Resume,
            Verb::Uninstall { keep_data: KEEP },
            Verb::Uninstall { keep_data: DELETE },
            Verb::Status { running: false },
            Verb::Status { running: true },
        ]
        .map(|verb| decide(verb, position))
    }

    /// Returns the row of a refusal, with the decisions of resume and both uninstalls, and the states without and with
    /// a running operation.
    fn refusing(refusal: Refusal, verbs: [Decision; 3], states: [SiteState; 2]) -> Row {
        let [resume, uninstall, deleting] = verbs;
        let [interrupted, running] = states.map(Report);
        let abort = Refuse(NothingToAbort);
        [Refuse(refusal), Refuse(refusal), abort, resume, uninstall, deleting, interrupted, running]
    }

    #[test]
    fn decision_table_covers_every_position() {
        let back = |keep_data| Back { keep_data };
        let clear = |keep_data| Clear { keep_data };
        let install = |phase| Some((Operation::Install, phase));
        let change = |phase| Some((Operation::Configure, phase));
        let abortable = |row: Row| {
            let [install, change, _, resume, rest @ ..] = row;
            let [keeping, deleting, interrupted, running] = rest;
            [install, change, Change, resume, keeping, deleting, interrupted, running]
        };
        let undoing = |keep_data| Phase::Undoing { keep_data };
        let undone = |keep_data| Phase::Undone { keep_data };
        let leaving = [UninstallInterrupted, Uninstalling];
        let unfinished = refusing(InstallOpen, [Forward, back(KEEP), back(DELETE)], [InstallInterrupted, Installing]);
        let installed: Row = [
            Refuse(AlreadyInstalled),
            Begin,
            Refuse(NothingToAbort),
            Nothing,
            back(KEEP),
            back(DELETE),
            Report(Installed),
            Report(Installed),
        ];
        let changing = refusing(ChangeOpen, [Change, back(KEEP), back(DELETE)], [ChangeInterrupted, Changing]);
        let absent: Row = [
            Begin,
            Refuse(NotInstalled),
            Refuse(NothingToAbort),
            Refuse(NotInstalled),
            clear(KEEP),
            clear(DELETE),
            Report(Absent),
            Report(Absent),
        ];
        let table: [(Position, Row); 13] = [
            (None, absent),
            (install(Phase::Empty), unfinished),
            (install(Phase::Forward), unfinished),
            (install(Phase::Committed), installed),
            (install(undoing(KEEP)), refusing(UninstallOpen, [back(KEEP), back(KEEP), back(DELETE)], leaving)),
            (install(undoing(DELETE)), refusing(UninstallOpen, [back(DELETE), back(KEEP), back(DELETE)], leaving)),
            (install(undone(KEEP)), refusing(UninstallOpen, [clear(KEEP), clear(KEEP), clear(DELETE)], leaving)),
            (install(undone(DELETE)), refusing(UninstallOpen, [clear(DELETE); 3], leaving)),
            (change(Phase::Empty), abortable(changing)),
            (change(Phase::Forward), abortable(changing)),
            (change(Phase::Committed), installed),
            (change(undoing(KEEP)), abortable(changing)),
            (change(undone(KEEP)), changing),
        ];
        for (position, decisions) in table {
            assert_eq!(row(position), decisions, "{position:?}");
            let Some((Operation::Configure, phase)) = position else { continue };
            for operation in [Operation::Upgrade, Operation::Rollback, Operation::Restore] {
                assert_eq!(row(Some((operation, phase))), decisions, "{operation:?} {phase:?}");
            }
        }
    }
}
