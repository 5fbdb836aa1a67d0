//! The table of faults: each with its upgrade from 1.0.0, its moment, and the expected end.

use std::time::Duration;

use super::strike::Fault;
use super::watch::FaultMoment;
use crate::end_to_end::ballast::RemainingSpace;
use crate::end_to_end::later_releases::{BROKEN, HALF, NEXT, UNPROVED};

/// Less than the space that Landfall leaves free for databases, and more than the threshold at which the kubelet evicts
/// pods.
const BELOW_THE_RESERVE: RemainingSpace = RemainingSpace::ForAll(1150 << 20);

/// A fault and its expected end.
pub(super) struct Row {
    /// Short description for people.
    pub(super) name: &'static str,
    /// Bundle to which the site is upgraded.
    pub(super) bundle: &'static str,
    pub(super) when: FaultMoment,
    pub(super) fault: Fault,
    pub(super) ends: Ends,
    /// Text that must appear on standard error.
    pub(super) says: &'static str,
}

/// Expected end of the command and state of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The upgrade is refused with this error code and exit code before anything begins.
    Refused(&'static str, i32),
    /// The upgrade is undone automatically: LF4032.
    Undone,
    /// The upgrade is undone after clients may have written to the changed data. The replaced data, which is kept, has
    /// at least this number of their rows.
    UndoneInUse(usize),
    /// The upgrade stops, because nothing has changed yet: LF4031. Once the cause is removed, a user takes this action.
    Stopped(Then),
    /// The upgrade is undone, but its undo cannot end: LF4008, and the site is stuck. Once the cause is removed, a user
    /// follows the handbook's page.
    Stuck,
    /// The upgrade succeeds despite the fault.
    Committed,
}

/// A user's action after an upgrade has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// `landfall upgrade --abort`.
    Abort,
    /// `landfall resume`.
    Resume,
}

impl Ends {
    /// Returns the version that is installed in the end.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Refused(..) | Self::Undone | Self::UndoneInUse(_) | Self::Stuck | Self::Stopped(Then::Abort) => {
                "1.0.0"
            }
            Self::Stopped(Then::Resume) | Self::Committed => "1.1.0",
        }
    }
}

/// Rows that fit CI, for the part `site`. All of them leave 1.0.0 and its objects unchanged.
pub(super) static CHEAP: [Row; 3] = [
    Row {
        name: "the stick is pulled while staging begins",
        bundle: NEXT,
        when: FaultMoment::Before,
        fault: Fault::PullStick,
        ends: Ends::Stopped(Then::Abort),
        says: "Connect the stick",
    },
    Row {
        name: "the disk of the backup repository is not mounted",
        bundle: NEXT,
        when: FaultMoment::Before,
        fault: Fault::HideRepository,
        ends: Ends::Refused("LF4602", 2),
        says: "Mount its disk",
    },
    Row {
        name: "the disk becomes full in the backup",
        bundle: NEXT,
        when: FaultMoment::Program("pg_basebackup"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "LF4625",
    },
];

/// All other rows. Those that end as 1.1.0 come last, because the machine starts over after each of them.
pub(super) static OTHERS: [Row; 15] = [
    Row {
        name: "the backup repository becomes read-only in the backup",
        bundle: NEXT,
        when: FaultMoment::Program("pg_basebackup"),
        fault: Fault::SealRepository,
        ends: Ends::Undone,
        says: "Read-only file system",
    },
    Row {
        name: "the disk becomes full in the drill",
        bundle: NEXT,
        when: FaultMoment::PodOf("landfall-drill-postgres"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "LF4625",
    },
    Row {
        name: "the disk is full while data is copied that the migration changes",
        bundle: NEXT,
        when: FaultMoment::Helper("cp"),
        fault: Fault::FillUntilHelperEnds(RemainingSpace::ForRoot(1 << 20)),
        ends: Ends::Undone,
        says: "No space left on device",
    },
    Row {
        name: "the disk is full while the node's programs are placed",
        bundle: NEXT,
        when: FaultMoment::Step("node-files"),
        fault: Fault::FillUntilStepFails(RemainingSpace::Nothing),
        ends: Ends::Undone,
        says: "No space left on device",
    },
    Row {
        name: "a canary fails its proof",
        bundle: UNPROVED,
        when: FaultMoment::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::Undone,
        says: "coredns_of_another_release",
    },
    Row {
        name: "an image never becomes ready",
        bundle: BROKEN,
        when: FaultMoment::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::Undone,
        says: "postgres",
    },
    Row {
        name: "a migration fails half-way, beside the running database",
        bundle: HALF,
        when: FaultMoment::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::UndoneInUse(0),
        says: "migration-1-4-0",
    },
    Row {
        name: "the database is killed while the release is watched",
        bundle: NEXT,
        when: FaultMoment::Into("soak", Duration::from_secs(3)),
        fault: Fault::Kill("postgres"),
        ends: Ends::UndoneInUse(1),
        says: "ended and was started again",
    },
    Row {
        name: "the disk becomes full in the undo",
        bundle: BROKEN,
        when: FaultMoment::Undo,
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "postgres",
    },
    Row {
        name: "a folder is mounted in the data that the undo must replace",
        bundle: BROKEN,
        when: FaultMoment::Undo,
        fault: Fault::MountInVolume,
        ends: Ends::Stuck,
        says: "something is mounted at /var/lib/landfall/storage/pvc-",
    },
    Row {
        name: "the disk becomes full while staging",
        bundle: NEXT,
        when: FaultMoment::Step("stage"),
        fault: Fault::Fill(RemainingSpace::ForRoot(4 << 20)),
        ends: Ends::Stopped(Then::Resume),
        says: "LF1202",
    },
    Row {
        name: "the disk becomes full while the database is migrated",
        bundle: NEXT,
        when: FaultMoment::Migration,
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Committed,
        says: "points in time begin with the next backup",
    },
    Row {
        name: "the disk becomes full while the release is watched",
        bundle: NEXT,
        when: FaultMoment::Step("soak"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Committed,
        says: "points in time begin with the next backup",
    },
    Row {
        name: "the API server is killed while the database changes",
        bundle: NEXT,
        when: FaultMoment::Step("ready/postgres"),
        fault: Fault::Kill("kube-apiserver"),
        ends: Ends::Committed,
        says: "",
    },
    Row {
        name: "the database is killed in the migration",
        bundle: NEXT,
        when: FaultMoment::Migration,
        fault: Fault::Kill("postgres"),
        ends: Ends::Committed,
        says: "",
    },
];

#[test]
fn rows_that_restart_machine_come_last() {
    let versions: Vec<&str> = CHEAP.iter().chain(&OTHERS).map(|row| row.ends.version()).collect();
    assert!(versions.is_sorted() && versions.contains(&"1.1.0"), "{versions:?}");
}
