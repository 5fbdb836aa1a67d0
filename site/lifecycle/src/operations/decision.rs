//! What a verb does in each phase of a site: the one table, pure, for every verb.

use super::status::SiteState;
use landfall_engine::journal::Phase;

/// What a person requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A release is installed on this host.
    Install,
    /// The interrupted operation is finished.
    Resume,
    /// Everything but data, or everything, is removed.
    Uninstall {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// The state of the site is reported.
    Status {
        /// Whether an operation is in progress.
        running: bool,
    },
}

/// What a verb does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// A new operation begins.
    Begin,
    /// The remaining steps are done.
    Forward,
    /// The finished steps are undone, then everything else is removed.
    Back {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// All steps are undone, or there never were any: the operations' own files are removed.
    Clear {
        /// Whether volumes and generated secrets are kept.
        keep_data: bool,
    },
    /// Nothing is left to do.
    Nothing,
    /// The state is reported.
    Report(SiteState),
    /// The verb is refused.
    Refuse(Refusal),
}

/// Why a verb is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A release is installed.
    AlreadyInstalled,
    /// An install is unfinished.
    InstallOpen,
    /// An uninstall is unfinished.
    UninstallOpen,
    /// Nothing is unfinished.
    NothingToResume,
}

/// What a verb does on a site in this phase; no phase is a site without a journal.
pub(super) fn decide(verb: Verb, phase: Option<Phase>) -> Decision {
    match verb {
        Verb::Install => install(phase),
        Verb::Resume => resume(phase),
        Verb::Uninstall { keep_data } => uninstall(keep_data, phase),
        Verb::Status { running } => Decision::Report(state(running, phase)),
    }
}

fn install(phase: Option<Phase>) -> Decision {
    match phase {
        None => Decision::Begin,
        Some(Phase::Empty | Phase::Forward) => Decision::Refuse(Refusal::InstallOpen),
        Some(Phase::Committed) => Decision::Refuse(Refusal::AlreadyInstalled),
        Some(Phase::Undoing { .. } | Phase::Undone { .. }) => Decision::Refuse(Refusal::UninstallOpen),
    }
}

fn resume(phase: Option<Phase>) -> Decision {
    match phase {
        None => Decision::Refuse(Refusal::NothingToResume),
        Some(Phase::Empty | Phase::Forward) => Decision::Forward,
        Some(Phase::Committed) => Decision::Nothing,
        Some(Phase::Undoing { keep_data }) => Decision::Back { keep_data },
        Some(Phase::Undone { keep_data }) => Decision::Clear { keep_data },
    }
}

fn uninstall(keep_data: bool, phase: Option<Phase>) -> Decision {
    match phase {
        None | Some(Phase::Undone { keep_data: true }) => Decision::Clear { keep_data },
        // Data is deleted after the last step only, so until then a person may still decide to keep it.
        Some(Phase::Empty | Phase::Forward | Phase::Committed | Phase::Undoing { .. }) => Decision::Back { keep_data },
        // A part of the data may already be deleted: the rest is not worth keeping.
        Some(Phase::Undone { keep_data: false }) => Decision::Clear { keep_data: false },
    }
}

fn state(running: bool, phase: Option<Phase>) -> SiteState {
    match (phase, running) {
        (None, _) => SiteState::Absent,
        (Some(Phase::Committed), _) => SiteState::Installed,
        (Some(Phase::Empty | Phase::Forward), true) => SiteState::Installing,
        (Some(Phase::Empty | Phase::Forward), false) => SiteState::InstallInterrupted,
        (Some(Phase::Undoing { .. } | Phase::Undone { .. }), true) => SiteState::Uninstalling,
        (Some(Phase::Undoing { .. } | Phase::Undone { .. }), false) => SiteState::UninstallInterrupted,
    }
}

#[cfg(test)]
mod tests {
    use Decision::{Back, Begin, Clear, Forward, Nothing, Refuse, Report};
    use Refusal::{AlreadyInstalled, InstallOpen, NothingToResume, UninstallOpen};
    use SiteState::{Absent, InstallInterrupted, Installed, Installing, UninstallInterrupted, Uninstalling};

    use super::*;

    const KEEP: bool = true;
    const DELETE: bool = false;

    /// One row: install, resume, uninstall, uninstall with deletion, status, status while an operation runs.
    type Row = [Decision; 6];

    fn row(phase: Option<Phase>) -> Row {
        [
            Verb::Install,
            Verb::Resume,
            Verb::Uninstall { keep_data: KEEP },
            Verb::Uninstall { keep_data: DELETE },
            Verb::Status { running: false },
            Verb::Status { running: true },
        ]
        .map(|verb| decide(verb, phase))
    }

    #[test]
    fn every_verb_in_every_phase() {
        let back = |keep_data| Back { keep_data };
        let clear = |keep_data| Clear { keep_data };
        let undoing = |keep_data| Some(Phase::Undoing { keep_data });
        let undone = |keep_data| Some(Phase::Undone { keep_data });
        let (interrupted, uninstalling) = (Report(UninstallInterrupted), Report(Uninstalling));
        let unfinished: Row =
            [Refuse(InstallOpen), Forward, back(KEEP), back(DELETE), Report(InstallInterrupted), Report(Installing)];
        let table: [(Option<Phase>, Row); 8] = [
            (None, [Begin, Refuse(NothingToResume), clear(KEEP), clear(DELETE), Report(Absent), Report(Absent)]),
            (Some(Phase::Empty), unfinished),
            (Some(Phase::Forward), unfinished),
            (
                Some(Phase::Committed),
                [Refuse(AlreadyInstalled), Nothing, back(KEEP), back(DELETE), Report(Installed), Report(Installed)],
            ),
            (undoing(KEEP), [Refuse(UninstallOpen), back(KEEP), back(KEEP), back(DELETE), interrupted, uninstalling]),
            (
                undoing(DELETE),
                [Refuse(UninstallOpen), back(DELETE), back(KEEP), back(DELETE), interrupted, uninstalling],
            ),
            (undone(KEEP), [Refuse(UninstallOpen), clear(KEEP), clear(KEEP), clear(DELETE), interrupted, uninstalling]),
            (
                undone(DELETE),
                [Refuse(UninstallOpen), clear(DELETE), clear(DELETE), clear(DELETE), interrupted, uninstalling],
            ),
        ];
        for (phase, decisions) in table {
            assert_eq!(row(phase), decisions, "{phase:?}");
        }
    }
}
