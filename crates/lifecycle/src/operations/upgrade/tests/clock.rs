//! Changes of a site whose clock cannot be right.

use std::sync::Arc;

use landfall_bundle_spec::sample::Vendor;

use super::*;
use crate::operations::install::tests::bundle_of;
use crate::operations::install::tests::clock::see;
use crate::operations::testing::Notes;

/// Returns the result of the clock's check before this change, and the notes. The release was built long after the
/// current time.
fn look(operation: Operation) -> (Result<()>, Vec<String>) {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let bundle = bundle_of(&vendor, &release(3), "2199-01-01T00:00:00Z", Vec::new());
    let mut fixture = Fixture::with_bundle(&vendor, &bundle);
    fixture.prepared_install().run().unwrap();
    see(&fixture, "2026-01-01T00:00:00Z");
    let notes = Arc::<Notes>::default();
    fixture.operations.progress = notes.clone();
    let trust = Trust::from_pinned(&newest(&fixture));
    let head = fixture.operations.head_file(pins(&fixture).bundle);
    let release = TrustedRelease::read(&head, &trust).unwrap();
    let file = begin(&fixture, Plan::new(operation, "tiny", "1.0.0", Vec::new()), release, trust);
    let running = fixture.operations.take_over(operation.name(), &file, None, UndoScope::STEP).unwrap();
    let looked = running.expect_clock_of_change();
    let notes = notes.0.lock().unwrap().clone();
    (looked, notes)
}

#[test]
fn repairs_only_report_wrong_clock() {
    for operation in [Operation::Restore, Operation::Rollback] {
        let (looked, notes) = look(operation);
        looked.unwrap();
        let end = format!("the {} continues anyway", operation.name());
        let is_reported = |note: &String| note.contains(codes::CLOCK_WRONG.id) && note.ends_with(&end);
        assert!(notes.iter().any(is_reported), "{notes:?}");
    }
}

#[test]
fn wrong_clock_refuses_upgrade() {
    let refused = look(Operation::Upgrade).0.unwrap_err();
    assert_eq!(refused.blockers().iter().map(Finding::code_id).collect::<Vec<_>>(), [codes::CLOCK_WRONG.id]);
}
