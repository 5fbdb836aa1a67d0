use landfall_error_codes::{CodedError, codes};
use serde_json::Value;

use super::simulated::{Disk, UnsyncedFate};
use super::state::tests::pins;
use super::*;
use crate::plan::StepId;

const NAME: &str = "000001-install.journal";

fn sample_journal() -> (Disk, Journal<Outline, simulated::SimulatedStorage>) {
    let disk = Disk::default();
    disk.place(NAME, &first_record(pins(1), Path::new(NAME)).unwrap()).unwrap();
    let journal = load(&disk);
    (disk, journal)
}

fn load(disk: &Disk) -> Journal<Outline, simulated::SimulatedStorage> {
    Journal::load(disk.storage(NAME), NAME).unwrap()
}

fn prepared_event() -> Event<Outline> {
    Event::Prepared { step: StepId("1".to_owned()), before: Value::Null }
}

#[test]
fn append_is_durable_on_return() {
    let (disk, mut journal) = sample_journal();
    assert_eq!(journal.append(prepared_event()).unwrap(), 1);
    disk.boot(UnsyncedFate::Lost);
    let journal = load(&disk);
    assert_eq!((journal.last_sequence(), journal.state().steps[0].status), (1, StepStatus::Prepared));
}

#[test]
fn disallowed_event_is_not_written() {
    let (disk, mut journal) = sample_journal();
    let before = disk.read(NAME);
    assert_eq!(journal.append(Event::Committed).unwrap_err().code(), codes::BUG);
    assert_eq!(disk.read(NAME), before);
    journal.append(prepared_event()).unwrap();
}

#[test]
fn failed_sync_poisons_the_journal() {
    let (disk, mut journal) = sample_journal();
    disk.fail_sync(disk.operations() + 1);
    let error = journal.append(prepared_event()).unwrap_err();
    assert!(matches!(error.kind(), JournalErrorKind::Sync { .. }), "{error:?}");
    let operations = disk.operations();
    let error = journal.append(prepared_event()).unwrap_err();
    assert!(matches!(error.kind(), JournalErrorKind::Poisoned { .. }) && error.is_fatal(), "{error:?}");
    assert_eq!(disk.operations(), operations, "not even a try");
}

#[test]
fn load_syncs_before_trusting_records() {
    let (disk, mut journal) = sample_journal();
    disk.cut_before(disk.operations() + 1);
    let error = journal.append(prepared_event()).unwrap_err();
    assert!(matches!(error.kind(), JournalErrorKind::Sync { .. }), "{error:?}");
    // The process crashes, not the machine: the unsynced append is still in the kernel.
    disk.revive();
    let journal = load(&disk);
    assert_eq!(journal.last_sequence(), 1);
    disk.boot(UnsyncedFate::Lost);
    assert_eq!(load(&disk).last_sequence(), 1);
}
