//! Refusals of a restore, and the content of its approval.

use std::path::PathBuf;

use landfall_documents::backups::{BackupSummary, PointsInTime, StreamSummary};
use landfall_error_codes::{Code, CodedError};
use landfall_media::durable;

use landfall_bundle_spec::Sha256;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;

use super::*;
use crate::operations::OperationError;
use crate::operations::install::tests::{Fixture, release};
use crate::operations::testing::operations;
use crate::plan::restore::tests::plan;

/// Returns a site with an installed release.
fn installed_site() -> Fixture {
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
    fixture.prepared_install().run().unwrap();
    fixture
}

/// Returns a restore prepared on this site with this token.
fn prepared_restore<'a>(fixture: &'a Fixture, token: &str) -> PreparedRestore<'a> {
    let operations = &fixture.operations;
    let pins = operations.changeable(&operations.history().unwrap()).unwrap().clone();
    let release = operations.release_of(&pins).unwrap();
    let text = serde_json::to_string(&plan()).unwrap().replace(r#""token":"0f""#, &format!(r#""token":"{token}""#));
    let plan = serde_json::from_str(&text).unwrap();
    let components = vec!["db".to_owned(), "cache".to_owned()];
    let outlook = Outlook::of_restore(
        &plan,
        &components,
        &Experience { times: &crate::plan::upgrade::StepTimes::new(), copied: &BTreeMap::new() },
    );
    let backup = summary("2026-11-22T12:00:00Z", &[]);
    let token = token.to_owned();
    let (streams, peaks) = (Vec::new(), Vec::new());
    PreparedRestore { operations, pins, release, backup, components, plan, token, streams, outlook, peaks }
}

fn summary(time: &str, streams: &[&str]) -> BackupSummary {
    BackupSummary {
        id: "0f".repeat(32),
        sequence: None,
        time: time.to_owned(),
        of_future: false,
        release: "tiny".to_owned(),
        version: "1.0.0".to_owned(),
        reason: "request".to_owned(),
        proven: None,
        lacking: Vec::new(),
        rest_proven: None,
        disproved: None,
        cut: None,
        size_bytes: 7,
        streams: streams.iter().map(|name| StreamSummary { name: (*name).to_owned(), size_bytes: 7 }).collect(),
    }
}

fn code(operations: &Operations) -> Code {
    operations.prepare_restore(&RestoreRequest::default()).err().unwrap().code()
}

fn journals(fixture: &Fixture) -> Vec<PathBuf> {
    fixture.operations.journals().list().unwrap().into_iter().map(|file| file.path).collect()
}

#[test]
fn unready_site_is_not_restored() {
    assert_eq!(code(&operations().1), codes::NOT_INSTALLED);
    let fixture = installed_site();
    let operations = &fixture.operations;
    assert_eq!(code(operations), codes::BACKUP_UNKNOWN);
    let lock = operations.journals().lock("backup").unwrap();
    assert_eq!(code(operations), codes::SITE_BUSY);
    drop(lock);
    drop(prepared_restore(&fixture, "0a1b2c3d").begin().unwrap());
    assert_eq!(code(operations), codes::CHANGE_OPEN);
}

#[test]
fn approval_fits_one_plan_only() {
    let fixture = installed_site();
    let approved = prepared_restore(&fixture, "0a1b2c3d").approval().unwrap();
    assert_eq!(prepared_restore(&fixture, "ffeeddcc").approval().unwrap(), approved);
    let mut other = prepared_restore(&fixture, "0a1b2c3d");
    other.plan.steps.pop();
    assert_ne!(other.approval().unwrap(), approved, "a step less is another plan");
    let before = journals(&fixture);
    for refused in [other.begin_approved(approved), prepared_restore(&fixture, "1").begin_approved(Sha256([7; 32]))] {
        assert!(matches!(refused, Err(OperationError::PlanDiffers { .. })), "{refused:?}");
    }
    assert_eq!(journals(&fixture), before, "nothing has begun");
    let file = prepared_restore(&fixture, "0a1b2c3d").begin().unwrap();
    assert_eq!(file.operation, Some(landfall_documents::operation::Operation::Restore));
}

#[test]
fn overwritten_data_names_restorable_time() {
    let (points, own) = (
        [PointsInTime {
            stream: "db/rows".to_owned(),
            from: "2026-11-20T12:00:00Z".to_owned(),
            until: "2026-11-22T11:55:00Z".to_owned(),
            proven: None,
        }],
        [summary("2026-11-21T12:00:00Z", &["db/rows", "kv/files"]), summary("2026-11-22T02:00:00Z", &["kv/files"])],
    );
    let backups: Vec<&BackupSummary> = own.iter().collect();
    let until = |stream: &str, as_of: &str| saved_until(stream, as_of, &points, &backups);
    assert_eq!(until("db/rows", "2026-11-21T12:00:00Z").as_deref(), Some("2026-11-22T11:55:00Z"));
    assert_eq!(until("kv/files", "2026-11-21T12:00:00Z").as_deref(), Some("2026-11-22T02:00:00Z"));
    assert_eq!(until("kv/files", "2026-11-22T02:00:00Z"), None, "nothing of it is in a backup");
    assert_eq!(until("other/files", "2026-11-20T12:00:00Z"), None);
}

#[test]
fn present_and_loaded_bytes_are_measured() {
    let fixture = installed_site();
    let operations = &fixture.operations;
    let streams = crate::plan::restore::tests::streams();
    let volume = operations.paths.storage().join(&streams[0].volume.folder);
    durable::create_folder(&volume).unwrap();
    durable::write_file(&volume.join("rows"), &vec![1; 1 << 20], 0o600).unwrap();
    let pins = prepared_restore(&fixture, "0").pins;
    let found = operations.overwrites(&streams, &pins).unwrap();
    let said: Vec<_> = found.iter().map(|one| (one.stream.as_str(), one.loaded_bytes, one.as_of.as_str())).collect();
    let as_of = "2026-11-22T12:00:00Z";
    assert_eq!(said, [("db/files", 7, as_of), ("cache/files", 7, as_of)]);
    assert!(found[0].present_bytes >= Some(1 << 20) && found[1].present_bytes == Some(0), "{found:?}");
    let peaks = operations.restore_peaks(&streams).unwrap();
    assert_eq!(peaks[0].parts[0].bytes, 28, "twice what is loaded");
}

#[test]
fn restore_without_room_is_refused_unchanged() {
    let fixture = installed_site();
    let operations = &fixture.operations;
    let mut streams = crate::plan::restore::tests::streams();
    streams[0].size_bytes = u64::MAX / 4;
    let files = || landfall_host::space::tree(&operations.paths.data()).unwrap().inodes;
    let before = (journals(&fixture), files());
    let refused = operations.restore_peaks(&streams).unwrap_err();
    assert_eq!(refused.code(), codes::BACKUP_NO_ROOM);
    let text = refused.to_string();
    assert!(text.starts_with("the restored data needs ") && text.ends_with(" are free"), "{text}");
    assert!(text.contains("for data of a backup"), "{text}");
    assert_eq!((journals(&fixture), files()), before);
}
