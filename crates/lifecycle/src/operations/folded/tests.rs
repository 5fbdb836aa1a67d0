use landfall_documents::operation::Operation;
use landfall_error_codes::{CodedError, codes};
use serde_json::json;

use super::*;
use crate::operations::install::tests::Fixture;
use crate::operations::upgrade::tests::site_with_changes;

fn text(fixture: &Fixture) -> Vec<u8> {
    fs_err::read(file(&fixture.operations.paths)).unwrap()
}

fn write(fixture: &Fixture, document: &Value) {
    let text = document.to_string();
    let bytes = [format!("{}\n", digest_of(text.as_bytes())).as_bytes(), text.as_bytes()].concat();
    durable::write_file(&file(&fixture.operations.paths), &bytes, 0o600).unwrap();
}

fn read_folded(fixture: &Fixture) -> FoldedOperations {
    FoldedOperations::read(&fixture.operations.paths, &fixture.operations.journals().list().unwrap())
}

/// The document gives the same answers as the journals.
#[test]
fn folded_history_answers_like_journals() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    assert_eq!(read_folded(&fixture).operations().len(), operations.journals().list().unwrap().len());
    let answers = || {
        let history = operations.history().unwrap();
        let deciding = history.deciding().map(|past| past.file.clone());
        let sets = (history.heads(), history.with_content(), history.engines());
        let trust = history.newest_trust().unwrap().cloned();
        (
            deciding,
            history.kept_releases(),
            sets,
            trust,
            history.last_actions().unwrap(),
            history.all_accepted(),
            history.step_times(),
        )
    };
    let with = answers();
    durable::remove_file(&file(&operations.paths)).unwrap();
    let without = answers();
    assert_eq!(with, without);
}

#[test]
fn damaged_document_is_rebuilt_from_journals() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let whole = text(&fixture);
    let lock = operations.journals().lock("backup").unwrap();
    for at in [0, 40, 80, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        durable::write_file(&file(&operations.paths), &damaged, 0o600).unwrap();
        assert_eq!(read_folded(&fixture), FoldedOperations::default(), "byte {at}");
        assert_eq!(operations.history().unwrap().kept_releases().len(), 2);
        operations.fold_history(&lock);
        assert_eq!(text(&fixture), whole, "byte {at}");
    }
    for at in [0, 1, 72, whole.len() - 1] {
        assert_eq!(FoldedOperations::parse(&whole[..at]), None);
    }
}

/// Another program may know more fields of each operation, which this program must preserve.
#[test]
fn unknown_fields_are_preserved() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let whole = text(&fixture);
    let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let mut document: Value = serde_json::from_slice(&whole[end + 1..]).unwrap();
    document["later"] = json!({"a": 1});
    document["format"] = json!(2);
    let operation = &mut document["operations"][0];
    operation["later"] = json!(1);
    operation["pins"]["later"] = json!(1);
    operation["pins"]["trust"]["later"] = json!([1]);
    let before = read_folded(&fixture);
    write(&fixture, &document);
    let known = read_folded(&fixture);
    assert_eq!(known.operations(), before.operations());
    assert_eq!(known.last_actions(), before.last_actions());
    assert_eq!(operations.history().unwrap().kept_releases().len(), 2);

    let mut longer = known;
    let closed = ClosedOperation { journal: "000009-configure.journal".to_owned(), ..longer.operations()[1].clone() };
    longer.add(closed, Vec::new()).unwrap();
    longer.store(&operations.paths).unwrap();
    let stored = text(&fixture);
    let stored: Value = serde_json::from_slice(&stored[end + 1..]).unwrap();
    assert_eq!(stored["operations"][0], document["operations"][0]);
}

/// The uninstall continues the journal of the install, which is open again.
#[test]
fn grown_journal_is_read_itself() {
    use landfall_engine::journal::{Phase, UndoCause};
    use landfall_site::pins::Event;
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let lock = operations.journals().lock("uninstall").unwrap();
    let first = operations.journals().list().unwrap().remove(0);
    let mut journal = operations.journals().open(&lock, &first).unwrap();
    journal.append(Event::UndoRequested { keep_data: true, cause: UndoCause::Requested }).unwrap();
    drop(journal);
    let history = operations.history().unwrap();
    let deciding = history.deciding().unwrap();
    assert_eq!(deciding.position(), (Operation::Install, Phase::Undoing { keep_data: true }));
    // The operation is known only from its own journal.
    let mut bytes = fs_err::read(&first.path).unwrap();
    bytes[100] ^= 1;
    durable::write_file(&first.path, &bytes, 0o600).unwrap();
    assert_eq!(operations.history().unwrap_err().code(), codes::JOURNAL_CORRUPT);
}
