//! Operations of a site that lost its power and its clock.

use std::fs::{File, FileTimes};

use jiff::Timestamp;

use super::*;
use crate::operations::testing::Notes;
use landfall_site::findings::Finding;

/// Returns a site with an interrupted install of a release that was built at this time.
fn cut(built_at: &str) -> (Fixture, Arc<Notes>) {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut fixture = Fixture::with_bundle(&vendor, &bundle_of(&vendor, &release(3), built_at, Vec::new()));
    fixture.crash_at(|event| matches!(event, Event::StepStarted { index: 2, .. }));
    let notes = Arc::<Notes>::default();
    fixture.operations.progress = notes.clone();
    (fixture, notes)
}

/// Sets the newest time that the site has seen.
pub(in crate::operations) fn see(fixture: &Fixture, time: &str) {
    let clock = fixture.operations.paths.clock();
    durable::create_folder(clock.parent().unwrap()).unwrap();
    durable::write_file(&clock, b"", 0o644).unwrap();
    let times = FileTimes::new().set_modified(time.parse::<Timestamp>().unwrap().into());
    File::options().write(true).open(clock).unwrap().set_times(times).unwrap();
}

#[test]
fn impossible_clock_allows_only_undo() {
    for (built_at, seen, code) in [
        ("2199-01-01T00:00:00Z", "2026-01-01T00:00:00Z", codes::CLOCK_WRONG),
        ("1999-01-01T00:00:00Z", "2000-01-01T00:00:00Z", codes::NODE_CLOCK),
    ] {
        let (fixture, notes) = cut(built_at);
        see(&fixture, seen);
        let before = fixture.contents();
        let refused = fixture.operations.resume(None).unwrap_err();
        assert_eq!(refused.blockers().iter().map(Finding::code_id).collect::<Vec<_>>(), [code.id]);
        assert_eq!(fixture.contents(), before);
        // Undo stays possible, because a wrong clock may have made the site's authorities.
        fixture.operations.uninstall(&DataDisposal::Keep).unwrap();
        let notes = notes.0.lock().unwrap();
        assert!(notes.iter().any(|note| note.contains(code.id) && note.ends_with("is undone anyway")), "{notes:?}");
    }
}

#[test]
fn clock_set_back_is_only_noted() {
    let (fixture, notes) = cut(BUILT);
    see(&fixture, "2199-01-01T00:00:00Z");
    let status = fixture.operations.status().unwrap();
    assert_eq!(status.clock.unwrap().earlier_than.as_deref(), Some("2199-01-01T00:00:00Z"));
    assert!(status.notes.iter().any(|note| note.contains("this site has seen 2199")), "{:?}", status.notes);
    assert!(matches!(fixture.operations.resume(None).unwrap(), ResumeOutcome::Install(_)));
    let notes = notes.0.lock().unwrap();
    assert!(notes.iter().any(|note| note.contains("this site has seen 2199")), "{notes:?}");
}
