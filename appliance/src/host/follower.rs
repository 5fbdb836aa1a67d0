//! Follower of the running operation, for all browsers together. It is also the first to notice that the host falls
//! silent, and that it is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{KnownPosition, ProgressPage, RunningOperation, Site};

/// Time between two requests, so that immediate answers make no busy loop.
const PAUSE: Duration = Duration::from_millis(500);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(3);

/// Position of the follower.
#[derive(Default)]
struct Place {
    /// Run that the number belongs to.
    run: u64,
    after: u64,
    running: Option<RunningOperation>,
}

impl Place {
    fn known_position(&self) -> KnownPosition {
        KnownPosition { run: self.run, after: self.after, running: self.running.is_some() }
    }

    /// Applies an answer. One of another run has that run's events from the first on.
    fn take(&mut self, page: ProgressPage) {
        if page.run != self.run {
            *self = Self { run: page.run, ..Self::default() };
        }
        let last = page.events.last().map_or(self.after, |last| last.number);
        self.after = last;
        if !page.running {
            self.running = None;
            return;
        }
        let begun = RunningOperation::new(page.operation);
        let running = match &mut self.running {
            Some(running) if running.operation == begun.operation => running,
            other => other.insert(begun),
        };
        page.events.into_iter().for_each(|event| running.take(event.event));
    }
}

/// Follows until the process ends.
pub async fn follow(site: Arc<Site>) {
    let mut place = Place::default();
    loop {
        match site.news(place.known_position()).await {
            Ok(page) => {
                place.take(page.clone());
                // The state is updated before the news, so that listeners find it.
                site.show_running(place.running.clone());
                site.report(&page);
                sleep(PAUSE).await;
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_peer::{Event, NumberedEvent};

    use super::*;

    fn page(run: u64, operation: Option<&str>, numbers: &[u64]) -> ProgressPage {
        let event = |number: &u64| NumberedEvent { number: *number, event: Event::Note(number.to_string()) };
        ProgressPage {
            running: operation.is_some(),
            operation: operation.map(str::to_owned),
            run,
            events: numbers.iter().map(event).collect(),
        }
    }

    #[test]
    fn operations_follow_each_other() {
        let mut place = Place::default();
        let mut take = |run, operation, numbers: &[u64]| {
            place.take(page(run, operation, numbers));
            let running = place.running.as_ref();
            (place.after, running.map(|running| (running.operation.clone(), running.notes.len())))
        };
        let shown = |operation: &str, notes| Some((operation.to_owned(), notes));
        assert_eq!(take(0, None, &[]), (0, None));
        assert_eq!(take(1, Some("upgrade"), &[1, 2]), (2, shown("upgrade", 2)));
        assert_eq!(take(1, Some("upgrade"), &[3]), (3, shown("upgrade", 3)));
        assert_eq!(take(1, None, &[4]), (4, None));
        assert_eq!(take(1, Some("backup"), &[]), (4, shown("backup", 0)), "more than the name is known");
        assert_eq!(
            take(2, Some("upgrade"), &[1, 2, 3, 4, 5, 6]),
            (6, shown("upgrade", 6)),
            "the other run was not noticed"
        );
        assert_eq!(take(3, Some("upgrade"), &[1]), (1, shown("upgrade", 1)));
    }
}
