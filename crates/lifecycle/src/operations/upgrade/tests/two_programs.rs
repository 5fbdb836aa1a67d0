//! After a rollback, an older program reads the files of a newer one: every object of a closed journal has an unknown
//! field.

use landfall_documents::status::SiteState;
use landfall_engine::journal::record;
use serde_json::Value;

use super::*;
use crate::operations::DataDisposal;
use landfall_site::pins::Entry;

/// Field that the newer program adds.
const LATER: &str = "later";

/// Collects pointers to all objects of a document, outer ones first.
fn objects(value: &Value, pointer: &str, found: &mut Vec<String>) {
    if value.is_object() {
        found.push(pointer.to_owned());
    }
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(values) => values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in children {
        objects(value, &format!("{pointer}/{name}"), found);
    }
}

/// Adds the field to each object with a type of its own, and returns their number. Maps from names to values are
/// excluded, because another name is another value. Strict parsing distinguishes them.
fn extend<T: serde::de::DeserializeOwned + PartialEq>(document: &mut Value) -> usize {
    let known: T = serde_json::from_value(document.clone()).unwrap();
    let later = serde_json::json!({"of": ["a", {"newer": "program"}]});
    let mut pointers = Vec::new();
    objects(document, "", &mut pointers);
    pointers.retain(|pointer| {
        let mut single = document.clone();
        single.pointer_mut(pointer).unwrap()[LATER] = later.clone();
        match serde_json::from_value::<T>(single) {
            Ok(read) => read == known,
            Err(error) => error.to_string().contains("unknown field"),
        }
    });
    for pointer in &pointers {
        document.pointer_mut(pointer).unwrap()[LATER] = later.clone();
    }
    pointers.len()
}

/// Rewrites a journal in the newer program's form. Returns the number of objects with the field.
fn write_as_newer(path: &std::path::Path) -> usize {
    let decoded = record::decode(&fs_err::read(path).unwrap()).unwrap();
    let (mut bytes, mut tail, mut count) = (Vec::new(), record::Tail::default(), 0);
    for payload in decoded.payloads {
        let mut entry: Value = serde_json::from_slice(&payload).unwrap();
        if let Some(text) = entry.pointer("/pins/plan").and_then(Value::as_str) {
            let mut plan: Value = serde_json::from_str(text).unwrap();
            for list in ["steps", "closing"] {
                for step in plan.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    count += extend::<PlannedStep<Action>>(step);
                }
            }
            plan[LATER] = Value::Bool(true);
            entry["pins"]["plan"] = Value::String(plan.to_string());
        }
        count += extend::<Entry>(&mut entry);
        let (record, next) = record::encode(entry.to_string().as_bytes(), tail);
        bytes.extend(record);
        tail = next;
    }
    durable::write_file(path, &bytes, 0o600).unwrap();
    count
}

/// Returns the answers of all read-only queries.
fn answers(fixture: &Fixture) -> Vec<String> {
    let operations = &fixture.operations;
    let history = operations.history().unwrap();
    let pins = Pins { plan: String::new(), ..operations.changeable(&history).unwrap().clone() };
    let status = operations.status().unwrap();
    vec![
        format!("{:?}", history.deciding().unwrap().position()),
        format!("{:?}", history.kept_releases()),
        format!("{:?}", (history.heads(), history.engines(), history.newest_trust().unwrap())),
        format!("{:?}", history.last_actions().unwrap()),
        format!("{:?}", history.deciding().unwrap().plan().unwrap()),
        format!("{pins:?}"),
        format!("{:?} {:?} {:?}", status.state, status.release.map(|release| release.version), status.notes),
        format!("{:?}", operations.releases().unwrap().len()),
        format!("{:?}", operations.past_operations(10).unwrap()),
        format!("{:?}", operations.latest_operation().unwrap()),
        format!("{:?}", operations.media_of_open_change().unwrap()),
        format!("{:?}", operations.site_name().unwrap()),
        format!("{:?}", operations.back_up_logs().unwrap_err().code()),
        format!("{:?}", operations.back_up(true).unwrap_err().code()),
    ]
}

#[test]
fn newer_journals_are_read_after_rollback() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let before = answers(&fixture);
    let files = operations.journals().list().unwrap();
    assert_eq!(files.len(), 3);
    let counts: Vec<usize> = files.iter().map(|file| write_as_newer(&file.path)).collect();
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    assert_eq!(answers(&fixture), before);
    // This program does not fold what it does not understand, because the newer one may return.
    operations.fold_history(&operations.journals().lock("backup").unwrap());
    assert_eq!(answers(&fixture), before);
    let Err(error) = operations.prepare_rollback(None, None, Edits::Refuse) else { panic!("there is no cluster") };
    assert_ne!(error.code(), codes::JOURNAL_NEWER);
}

/// Adds the field to each document below a folder, except journals and content. Returns the names of the files.
fn extend_documents(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            if !["journal", "registry", "files", "releases"].contains(&name.as_str()) {
                found.extend(extend_documents(&path));
            }
            continue;
        }
        let document = fs_err::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let Some(Value::Object(mut document)) = document else { continue };
        document.insert(LATER.to_owned(), Value::Bool(true));
        durable::write_file(&path, Value::from(document).to_string().as_bytes(), 0o600).unwrap();
        found.push(name);
    }
    found
}

#[test]
fn newer_documents_are_read_after_rollback() {
    let fixture = site_with_changes();
    let before = answers(&fixture);
    let marks = landfall_site::marks::Marks::read(&fixture.operations.paths).unwrap();
    let extended = extend_documents(&fixture.path(""));
    assert!(extended.iter().any(|name| name == "marks.json"), "{extended:?}");
    assert_eq!(answers(&fixture), before);
    assert_eq!(landfall_site::marks::Marks::read(&fixture.operations.paths).unwrap(), marks);
}

/// The daemon of the earlier release starts while the newer program still undoes its own work, and must answer.
#[test]
fn newer_open_journal_is_untouched() {
    let fixture = site_with_changes();
    let operations = &fixture.operations;
    let lock = operations.journals().lock("rollback").unwrap();
    let pins = Pins { operation: Operation::Rollback, ..pins(&fixture) };
    let path = operations.journals().create(&lock, pins).unwrap().path().to_owned();
    drop(lock);
    write_as_newer(&path);
    let before = fs_err::read(&path).unwrap();
    assert_eq!(operations.status().unwrap().state, SiteState::ChangeInterrupted);
    assert!(operations.history().unwrap().deciding().unwrap().plan().unwrap().is_some());
    for (verb, error) in [
        ("resume", operations.resume(None).unwrap_err()),
        ("abort", operations.begin_abort(4).unwrap_err()),
        ("uninstall", operations.uninstall(&DataDisposal::Keep).unwrap_err()),
    ] {
        assert_eq!(error.code(), codes::JOURNAL_NEWER, "{verb}");
        assert!(error.to_string().contains("000004-rollback.journal"), "{error}");
    }
    let Err(error) = operations.prepare_rollback(None, None, Edits::Refuse) else { panic!("a change is open") };
    assert_eq!(error.code(), codes::CHANGE_OPEN);
    assert_eq!(fs_err::read(&path).unwrap(), before);
}

/// Every kind of action in a plan can be read without its unknown fields.
#[test]
fn actions_are_read_without_unknown_fields() {
    let fixture = site_with_changes();
    let files = fixture.operations.journals().list().unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for file in files {
        let replay = fixture.operations.journals().read(&file).unwrap();
        let plan: Plan<Value> = serde_json::from_str(&replay.state.pins.as_ref().unwrap().plan).unwrap();
        for step in plan.all() {
            let mut action = step.action.clone();
            kinds.insert(action["action"].as_str().unwrap().to_owned());
            let known: Action = serde_json::from_value(action.clone()).unwrap();
            assert!(extend::<Action>(&mut action) > 0);
            assert_eq!(landfall_documents::newer::without_unknown::<Action>(action), Some(known));
        }
    }
    assert!(kinds.len() > 4, "{kinds:?}");
}
