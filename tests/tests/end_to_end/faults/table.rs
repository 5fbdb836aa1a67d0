//! The table of faults: what strikes when during which upgrade from 1.0.0, and how that must end.

use std::time::Duration;

use super::strike::Fault;
use super::watch::When;
use crate::end_to_end::ballast::Left;
use crate::end_to_end::later_releases::{BROKEN, HALF, NEXT, UNPROVED};

/// Less than Landfall leaves free for databases, and more than the kubelet does, which would remove pods.
const BELOW_THE_RESERVE: Left = Left::ForAll(1150 << 20);

/// One fault.
pub(super) struct Row {
    /// What a person would call it.
    pub(super) name: &'static str,
    /// The bundle that the site is upgraded to.
    pub(super) bundle: &'static str,
    pub(super) when: When,
    pub(super) fault: Fault,
    pub(super) ends: Ends,
    /// What is said to the person, somewhere on standard error.
    pub(super) says: &'static str,
}

/// How the command ends, and the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The upgrade is refused with this code and exit code before anything begins.
    Refused(&'static str, i32),
    /// The upgrade goes back by itself: LF4032.
    Undone,
    /// The same after clients may have written to the changed data: at least this number of their rows is in the data that the undo
    /// replaced, and kept.
    UndoneInUse(usize),
    /// The upgrade stops, since nothing has changed yet: LF4031. Once the cause is gone, a person does this.
    Stopped(Then),
    /// The upgrade goes back, and its undo cannot end: LF4008, and the site is stuck. Once the cause is gone, a person follows the
    /// handbook's page.
    Stuck,
    /// The upgrade succeeds all the same.
    Committed,
}

/// What a person does with an upgrade that has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// `landfall upgrade --abort`.
    Abort,
    /// `landfall resume`.
    Resume,
}

impl Ends {
    /// The version that is installed in the end.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Refused(..) | Self::Undone | Self::UndoneInUse(_) | Self::Stuck | Self::Stopped(Then::Abort) => {
                "1.0.0"
            }
            Self::Stopped(Then::Resume) | Self::Committed => "1.1.0",
        }
    }
}

/// The rows that fit CI, for the part `site`. All of them leave 1.0.0 and its objects alone.
pub(super) static CHEAP: [Row; 3] = [
    Row {
        name: "the stick is pulled while staging begins",
        bundle: NEXT,
        when: When::Before,
        fault: Fault::PullStick,
        ends: Ends::Stopped(Then::Abort),
        says: "Connect the stick",
    },
    Row {
        name: "the disk of the backup repository is not mounted",
        bundle: NEXT,
        when: When::Before,
        fault: Fault::HideRepository,
        ends: Ends::Refused("LF4602", 2),
        says: "Mount its disk",
    },
    Row {
        name: "the disk becomes full in the backup",
        bundle: NEXT,
        when: When::Program("pg_basebackup"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "LF4625",
    },
];

/// The others, of which those that end as 1.1.0 come last: the machine starts over after each of these.
pub(super) static OTHERS: [Row; 15] = [
    Row {
        name: "the backup repository becomes read-only in the backup",
        bundle: NEXT,
        when: When::Program("pg_basebackup"),
        fault: Fault::SealRepository,
        ends: Ends::Undone,
        says: "Read-only file system",
    },
    Row {
        name: "the disk becomes full in the drill",
        bundle: NEXT,
        when: When::PodOf("landfall-drill-postgres"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "LF4625",
    },
    Row {
        name: "the disk is full while data is copied that the migration changes",
        bundle: NEXT,
        when: When::Helper("cp"),
        fault: Fault::FillUntilHelperEnds(Left::ForRoot(1 << 20)),
        ends: Ends::Undone,
        says: "No space left on device",
    },
    Row {
        name: "the disk is full while the node's programs are placed",
        bundle: NEXT,
        when: When::Step("node-files"),
        fault: Fault::FillUntilStepFails(Left::Nothing),
        ends: Ends::Undone,
        says: "No space left on device",
    },
    Row {
        name: "a canary fails its proof",
        bundle: UNPROVED,
        when: When::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::Undone,
        says: "coredns_of_another_release",
    },
    Row {
        name: "an image never becomes ready",
        bundle: BROKEN,
        when: When::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::Undone,
        says: "postgres",
    },
    Row {
        name: "a migration fails half-way, beside the running database",
        bundle: HALF,
        when: When::Before,
        fault: Fault::OfTheRelease,
        ends: Ends::UndoneInUse(0),
        says: "migration-1-4-0",
    },
    Row {
        name: "the database is killed while the release is watched",
        bundle: NEXT,
        when: When::Into("soak", Duration::from_secs(3)),
        fault: Fault::Kill("postgres"),
        ends: Ends::UndoneInUse(1),
        says: "ended and was started again",
    },
    Row {
        name: "the disk becomes full in the undo",
        bundle: BROKEN,
        when: When::Undo,
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Undone,
        says: "postgres",
    },
    Row {
        name: "a folder is mounted in the data that the undo must replace",
        bundle: BROKEN,
        when: When::Undo,
        fault: Fault::MountInVolume,
        ends: Ends::Stuck,
        says: "something is mounted at /var/lib/landfall/storage/pvc-",
    },
    Row {
        name: "the disk becomes full while staging",
        bundle: NEXT,
        when: When::Step("stage"),
        fault: Fault::Fill(Left::ForRoot(4 << 20)),
        ends: Ends::Stopped(Then::Resume),
        says: "LF1202",
    },
    Row {
        name: "the disk becomes full while the database is migrated",
        bundle: NEXT,
        when: When::Migration,
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Committed,
        says: "points in time begin with the next backup",
    },
    Row {
        name: "the disk becomes full while the release is watched",
        bundle: NEXT,
        when: When::Step("soak"),
        fault: Fault::Fill(BELOW_THE_RESERVE),
        ends: Ends::Committed,
        says: "points in time begin with the next backup",
    },
    Row {
        name: "the API server is killed while the database changes",
        bundle: NEXT,
        when: When::Step("ready/postgres"),
        fault: Fault::Kill("kube-apiserver"),
        ends: Ends::Committed,
        says: "",
    },
    Row {
        name: "the database is killed in the migration",
        bundle: NEXT,
        when: When::Migration,
        fault: Fault::Kill("postgres"),
        ends: Ends::Committed,
        says: "",
    },
];

#[test]
fn rows_after_which_the_machine_starts_over_come_last() {
    let versions: Vec<&str> = CHEAP.iter().chain(&OTHERS).map(|row| row.ends.version()).collect();
    assert!(versions.is_sorted() && versions.contains(&"1.1.0"), "{versions:?}");
}
