//! What tests of several operations need.

use std::sync::Mutex;

use landfall_media::progress::{Event, Progress};

/// Collects notes.
#[derive(Default)]
pub(super) struct Notes(pub(super) Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}
