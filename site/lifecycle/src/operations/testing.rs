//! What tests of several operations need.

use std::sync::{Arc, Mutex};

use landfall_host::paths::SitePaths;
use landfall_media::counters::IoCounters;
use landfall_media::durable;
use landfall_media::progress::{Event, Progress, Silent};

use super::Operations;

/// Collects notes.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

/// Operations below a temporary folder, on which nothing is installed.
pub(super) fn operations() -> (tempfile::TempDir, Operations) {
    let root = tempfile::tempdir().unwrap();
    let operations =
        Operations { paths: SitePaths::below(root.path()), progress: Arc::new(Silent), io: IoCounters::default() };
    durable::create_folder(operations.paths.data().parent().unwrap()).unwrap();
    (root, operations)
}
