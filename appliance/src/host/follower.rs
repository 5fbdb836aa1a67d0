//! Follows the running operation for all browsers together. It also notices first when the host falls silent, and when it is back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{ProgressPage, Running, Site};

/// Between two questions, so that an answer that comes at once makes no busy loop.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure.
const RETRY: Duration = Duration::from_secs(3);

/// Where the follower is.
#[derive(Default)]
struct Place {
    after: u64,
    running: Option<Running>,
}

impl Place {
    /// Takes an answer. Returns whether the same operation's events must be asked for from their beginning.
    fn take(&mut self, page: ProgressPage) -> bool {
        if !page.running {
            // Its last number says nothing of the next operation, which counts from 1.
            self.after = page.events.last().map_or(self.after, |last| last.number);
            self.running = None;
            return false;
        }
        let begins = page.operation.clone().unwrap_or_else(|| "operation".to_owned());
        let is_other = self.running.as_ref().is_none_or(|running| running.operation != begins);
        if is_other && self.after > 0 {
            *self = Self { after: 0, running: Some(Running::begun(page.operation)) };
            return true;
        }
        let running = self.running.get_or_insert_with(|| Running::begun(page.operation));
        for event in page.events {
            self.after = event.number;
            running.take(event.event);
        }
        false
    }
}

/// Follows until the process ends.
pub async fn follow(site: Arc<Site>) {
    let mut place = Place::default();
    loop {
        match site.news(place.after).await {
            Ok(page) => {
                let is_again = place.take(page);
                site.show_running(place.running.clone());
                sleep(if is_again { Duration::ZERO } else { PAUSE }).await;
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use landfall_link::{Event, NumberedEvent};

    use super::*;

    fn page(operation: Option<&str>, numbers: &[u64]) -> ProgressPage {
        let event = |number: &u64| NumberedEvent { number: *number, event: Event::Note(number.to_string()) };
        ProgressPage {
            running: operation.is_some(),
            operation: operation.map(str::to_owned),
            events: numbers.iter().map(event).collect(),
        }
    }

    #[test]
    fn operations_follow_each_other() {
        let mut place = Place::default();
        assert!(!place.take(page(None, &[])));
        assert!(!place.take(page(Some("upgrade"), &[1, 2])));
        assert!(!place.take(page(Some("upgrade"), &[3])));
        assert_eq!((place.after, place.running.as_ref().unwrap().notes.len()), (3, 3));
        assert!(!place.take(page(None, &[4])));
        assert!(place.running.is_none());
        assert!(place.take(page(Some("rollback"), &[])), "its events are asked for from the beginning");
        assert!(!place.take(page(Some("rollback"), &[1])));
        assert!(place.take(page(Some("backup"), &[2])), "another one began in between");
        assert_eq!((place.after, place.running.unwrap().operation.as_str()), (0, "backup"));
    }
}
