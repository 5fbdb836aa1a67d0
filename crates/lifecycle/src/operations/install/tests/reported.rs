//! Events of a real install, stored for the tests of the command line's output.

use std::sync::Mutex;

use super::*;

/// Events of the install below, one per line. `installer` shows how a person sees them.
const KEPT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../progress/samples/install.jsonl"));

/// Progress that keeps events. Consecutive bytes are one event, because their sizes depend on the disk.
#[derive(Default)]
struct Keeper(Mutex<Vec<Event>>);

impl Progress for Keeper {
    fn event(&self, event: Event) {
        let mut events = self.0.lock().unwrap();
        match (events.last_mut(), event) {
            (Some(Event::Advanced { bytes }), Event::Advanced { bytes: more }) => *bytes += more,
            (_, event) => events.push(event),
        }
    }
}

#[test]
fn install_events_match_sample() {
    let mut fixture = Fixture::new();
    let keeper = Arc::new(Keeper::default());
    fixture.operations.progress = keeper.clone();
    fixture.prepared_install().run().unwrap();
    let events = keeper.0.lock().unwrap();
    let lines: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    assert_eq!(lines, KEPT, "crates/progress/samples/install.jsonl must be:\n{lines}");
}
