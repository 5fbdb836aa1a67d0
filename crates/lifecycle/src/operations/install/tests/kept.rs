//! Data that an uninstall keeps. It is recorded, named, refused and used again, and deleted only if a person names the
//! site.

use landfall_documents::status::SiteState;
use landfall_engine::journal::UndoCause;

use super::*;
use crate::operations::kept::Adoption;
use landfall_site::findings::Finding;

const FOLDER: &str = "pvc-7f2c5c1e-6f0e-4f6e-9a57-2f8f6d7f2f10_postgres_data-postgres-0";

/// Installs, lets a database write, and uninstalls with the data kept.
fn with_kept_data() -> Fixture {
    let fixture = Fixture::new();
    keep_data(&fixture);
    fixture
}

fn keep_data(fixture: &Fixture) {
    let operations = &fixture.operations;
    fixture.prepared_install().run().unwrap();
    let paths = &operations.paths;
    for file in [paths.storage().join(FOLDER).join("rows"), paths.secrets().join("postgres/credentials.json")] {
        durable::create_folder(file.parent().unwrap()).unwrap();
        durable::write_file(&file, b"kept", 0o600).unwrap();
    }
    let uninstalled = operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(uninstalled.kept, [paths.storage(), paths.secrets()]);
    assert_eq!(uninstalled.volumes[0].claim, "data-postgres-0");
}

fn delete(confirmation: &str) -> DataDisposal {
    DataDisposal::Delete { confirmation: confirmation.to_owned() }
}

fn adoption(fixture: &Fixture, adopt: bool) -> Result<Adoption> {
    Adoption::find(&fixture.operations.paths, &fixture.prepared_install().planned.release, adopt)
}

#[test]
fn kept_data_outlives_plain_uninstalls() {
    let fixture = with_kept_data();
    let operations = &fixture.operations;
    let birth = fixture.contents();
    assert!(!operations.paths.journal().exists() && operations.paths.data().join("kept.json").exists());
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
    let status = operations.status().unwrap();
    assert_eq!(status.state, SiteState::Absent);
    assert!(status.notes[0].starts_with("data of tiny 1.0.0 is kept in "), "{:?}", status.notes);

    // After an install that fails at once or is interrupted, and its uninstall, the data is unchanged.
    fixture.prepared_install().run().unwrap();
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn install_beside_kept_data_is_refused() {
    let fixture = with_kept_data();
    let refused = fixture.operations.prepare_install(&fixture.request()).err().unwrap();
    let blocker = refused.blockers().iter().find(|blocker| blocker.code_id() == "LF4020").unwrap();
    for named in ["data of tiny 1.0.0 on node", "postgres/data-postgres-0", FOLDER, "postgres/credentials.json"] {
        assert!(blocker.measured.contains(named), "{named}: {}", blocker.measured);
    }
    let mut request = fixture.request();
    request.adopt_data = true;
    let others = match fixture.operations.prepare_install(&request) {
        Ok(_) => Vec::new(),
        Err(error) => error.blockers().to_vec(),
    };
    assert!(others.iter().all(|blocker| !blocker.code.starts_with("LF402")), "{others:?}");
    let adoption = adoption(&fixture, true).unwrap();
    assert_eq!(adoption.volumes.len(), 1);
    assert_eq!((adoption.volumes[0].folder.as_str(), adoption.volumes[0].namespace.as_str()), (FOLDER, "postgres"));
}

#[test]
fn missing_or_doubled_volume_blocks_adoption() {
    let fixture = with_kept_data();
    let storage = fixture.operations.paths.storage();
    let codes_of = || {
        let adoption = adoption(&fixture, true).unwrap();
        adoption.blockers.iter().map(Finding::code_id).collect::<Vec<_>>()
    };
    assert_eq!(codes_of(), Vec::<&str>::new());
    durable::rename(&storage.join(FOLDER), &fixture.path("elsewhere")).unwrap();
    assert_eq!(codes_of(), ["LF4022"]);
    durable::rename(&fixture.path("elsewhere"), &storage.join(FOLDER)).unwrap();
    durable::create_folder(&storage.join("pvc-2_postgres_data-postgres-0")).unwrap();
    assert_eq!(codes_of(), ["LF4021"]);
}

/// Returns a stick whose component postgres has a `StatefulSet`, or no volumes at all.
fn stick_with(vendor: &Vendor, namespace: &str, set: Option<&str>) -> Vec<u8> {
    let mut release = release(3);
    release["components"] = json!([{
        "name": "postgres", "namespace": namespace, "needs": [], "objects": "documents/postgres.json",
        "pod_security": "baseline", "ready_seconds": 60,
    }]);
    let set = set.map(|name| {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": namespace},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"]}}]},
        })
    });
    let objects = json!(set.into_iter().collect::<Vec<_>>()).to_string().into_bytes();
    let document = NewDocument { name: "documents/postgres.json".to_owned(), bytes: objects };
    bundle_of(vendor, &release, BUILT, vec![document])
}

#[test]
fn component_never_ignores_kept_volume() {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let fixture = Fixture::with_bundle(&vendor, &stick_with(&vendor, "postgres", Some("postgres")));
    keep_data(&fixture);
    let storage = fixture.operations.paths.storage();
    let next_release = |namespace: &str, set: Option<&str>| {
        let stick = stick_with(&vendor, namespace, set);
        durable::write_file(&fixture.path("stick/tiny.landfall"), &stick, 0o644).unwrap();
        adoption(&fixture, true).unwrap()
    };
    let same = next_release("postgres", Some("postgres"));
    assert!(same.blockers.is_empty() && same.notes.is_empty(), "{same:?}");
    // An operator creates claims that no object declares.
    let operated = next_release("postgres", None);
    assert!(operated.blockers.is_empty() && operated.volumes.len() == 1, "{operated:?}");
    assert!(
        operated.notes[0].contains(FOLDER) && operated.notes[0].contains("postgres/data-postgres-0"),
        "{operated:?}"
    );

    let volume = FOLDER.split('_').next().unwrap();
    for (namespace, set, renamed) in [
        ("postgres", "db", format!("{volume}_postgres_data-db-0")),
        ("data", "postgres", format!("{volume}_data_data-postgres-0")),
    ] {
        let found = next_release(namespace, Some(set));
        assert_eq!(found.blockers.iter().map(Finding::code_id).collect::<Vec<_>>(), ["LF4027"], "{found:?}");
        let [from, to] = [FOLDER, &renamed].map(|name| storage.join(name));
        let command = format!("`mv {} {}`", from.display(), to.display());
        assert!(found.blockers[0].fix.contains(&command), "{command}: {}", found.blockers[0].fix);
        // The suggested command fixes it.
        durable::rename(&from, &to).unwrap();
        let helped = adoption(&fixture, true).unwrap();
        assert!(helped.blockers.is_empty() && helped.notes.is_empty(), "{helped:?}");
        let adopted = &helped.volumes[0];
        assert_eq!((adopted.namespace.as_str(), adopted.component.as_deref()), (namespace, Some("postgres")));
        durable::rename(&to, &from).unwrap();
    }
    // Without a record, the namespace shows the owner.
    durable::remove_file(&fixture.operations.paths.kept_record()).unwrap();
    assert_eq!(next_release("postgres", Some("db")).blockers[0].code_id(), "LF4027");
}

#[test]
fn missing_data_cannot_be_adopted() {
    let fixture = Fixture::new();
    assert_eq!(adoption(&fixture, true).unwrap_err().code(), codes::NOTHING_KEPT);
    assert!(adoption(&fixture, false).unwrap().blockers.is_empty());
    // Without a record, the names of folders suffice. An unreadable record is no reason to ignore the data.
    let fixture = with_kept_data();
    let record = fixture.operations.paths.data().join("kept.json");
    for damaged in ["{", r#"{"schema":2,"site":null,"release":null,"volumes":[],"others":[],"secrets":[]}"#] {
        durable::write_file(&record, damaged.as_bytes(), 0o600).unwrap();
        assert_eq!(adoption(&fixture, true).unwrap_err().code(), codes::KEPT_RECORD);
    }
    durable::remove_file(&record).unwrap();
    assert_eq!(adoption(&fixture, true).unwrap().volumes.len(), 1);
}

#[test]
fn deletion_needs_site_name() {
    let fixture = Fixture::new();
    let birth = fixture.contents();
    keep_data(&fixture);
    let kept = fixture.contents();
    assert_eq!(fixture.operations.site_name().unwrap(), "node");
    for wrong in ["", "Node", "node-2"] {
        let error = fixture.operations.uninstall(&delete(wrong)).unwrap_err();
        assert_eq!(error.code(), codes::DELETION_UNCONFIRMED);
        assert_eq!(fixture.contents(), kept);
    }
    let uninstalled = fixture.operations.uninstall(&delete("node")).unwrap();
    assert_eq!((uninstalled.release, uninstalled.kept.len()), (None, 0));
    assert_eq!(fixture.contents(), birth);

    // An installed site with the earlier data.
    keep_data(&fixture);
    fixture.prepared_install().run().unwrap();
    assert_eq!(fixture.operations.uninstall(&delete("other")).unwrap_err().code(), codes::DELETION_UNCONFIRMED);
    assert_eq!(fixture.operations.status().unwrap().state, SiteState::Installed);
    fixture.operations.uninstall(&delete("node")).unwrap();
    assert_eq!(fixture.contents(), birth);
}

#[test]
fn cut_deletion_can_be_abandoned_early() {
    let fixture = with_kept_data();
    let operations = &fixture.operations;
    let rows = operations.paths.storage().join(FOLDER).join("rows");
    let undo = |keep_data| {
        let latest = operations.journals().latest().unwrap().unwrap();
        operations.take_over("uninstall", &latest, None, UndoScope::site(keep_data)).unwrap()
    };
    fixture.prepared_install().run().unwrap();
    // Requested, but interrupted before any step was undone.
    undo(false).journal.append(Recorded::UndoRequested { keep_data: false, cause: UndoCause::Requested }).unwrap();
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert!(rows.exists());
    // Interrupted after the last step: part of the data may already be deleted.
    fixture.prepared_install().run().unwrap();
    undo(false).back(None).unwrap();
    assert!(rows.exists());
    operations.uninstall(&DataDisposal::Keep).unwrap();
    assert!(!rows.exists() && !operations.paths.data().join("kept.json").exists());
}

#[test]
fn command_link_exists_during_operation() {
    let mut fixture = Fixture::new();
    let link = fixture.operations.paths.host("/usr/local/bin/landfall");
    durable::create_folder(link.parent().unwrap()).unwrap();
    let birth = fixture.contents();
    fixture.crash_at(|event| matches!(event, Event::StepStarted { index: 1, .. }));
    let program = fs_err::read_link(&link).unwrap();
    assert!(program.is_file() && program.starts_with(fixture.operations.paths.data()), "{}", program.display());
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fixture.contents(), birth);
    // Another program of that name stays.
    durable::write_file(&link, b"other", 0o755).unwrap();
    fixture.prepared_install().run().unwrap();
    assert_eq!(fs_err::read(&link).unwrap(), b"other");
    fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
    assert_eq!(fs_err::read(&link).unwrap(), b"other");
}
