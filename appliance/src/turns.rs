//! Pages for which the host reads logs, which takes a while. Those of one session wait for each other, so that opening
//! many of them delays no one else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of such pages of one session that are made concurrently.
const AT_ONCE: usize = 2;

/// Semaphores of sessions with such pages, by session ID.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<Semaphore>>>);

/// Turn of a page, until it is dropped.
pub struct Turn(#[expect(dead_code, reason = "it is held")] Option<OwnedSemaphorePermit>);

impl Turns {
    /// Waits for the turn of a page of this session.
    pub async fn wait(&self, session: &str) -> Turn {
        let semaphore = self.semaphore(session);
        Turn(semaphore.acquire_owned().await.ok())
    }

    fn semaphore(&self, session: &str) -> Arc<Semaphore> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(known) = turns.get(session).and_then(Weak::upgrade) {
            return known;
        }
        let semaphore = Arc::new(Semaphore::new(AT_ONCE));
        turns.insert(session.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_own_session_pages_wait() {
        let turns = Turns::default();
        let soon = Duration::from_millis(50);
        let held = (turns.wait("one").await, turns.wait("one").await);
        assert!(timeout(soon, turns.wait("one")).await.is_err(), "the third page does not wait");
        let other = timeout(soon, turns.wait("two")).await;
        assert!(other.is_ok(), "another session waits");
        drop(held);
        assert!(timeout(soon, turns.wait("one")).await.is_ok());
        drop(other);
        turns.semaphore("three");
        assert_eq!(turns.0.lock().unwrap().len(), 1, "an idle session is remembered");
    }
}
