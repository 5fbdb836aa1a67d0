//! Failures in the audit log: a bounded number each minute, and the number of the others. So no stranger can fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::error::Result;

/// Failures of a minute that have an entry each.
const EACH_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// Counts the failures of the minute.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    begun: Option<Instant>,
    written: u32,
    more: u64,
}

/// What becomes of a failure.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It has an entry.
    Written,
    /// It is the first that is only counted; a minute later the number has an entry.
    FirstCounted,
    Counted,
}

impl Failures {
    fn fate(&self, now: Instant) -> Fate {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = count.begun.is_none_or(|begun| now.duration_since(begun) >= MINUTE);
        if is_new {
            (count.begun, count.written) = (Some(now), 0);
        }
        if count.written < EACH_MINUTE {
            count.written += 1;
            return Fate::Written;
        }
        count.more += 1;
        if count.more == 1 { Fate::FirstCounted } else { Fate::Counted }
    }

    fn take_more(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).more)
    }
}

/// Records a failure of a caller who is not signed in, as far as the bound permits.
pub async fn record_failure(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    match context.failures.fate(Instant::now()) {
        Fate::Written => append(context, author, event).await,
        Fate::FirstCounted => {
            tokio::spawn(record_rest(context.clone()));
            Ok(())
        }
        Fate::Counted => Ok(()),
    }
}

async fn record_rest(context: Context) {
    tokio::time::sleep(MINUTE).await;
    let detail = format!("{} more failures", context.failures.take_more());
    let author = Author::console();
    let event = Event::refused("session.begin", "-", &detail);
    if let Err(error) = append(&context, &author, event).await {
        tracing::error!(%error, detail, "failed sign-ins are not recorded");
    }
}

async fn append(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    let mut write = context.database.write().await?;
    record(&mut write, author, event).await?;
    write.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_entries() {
        let failures = Failures::default();
        let now = Instant::now();
        let fates: Vec<_> = (0..EACH_MINUTE + 3).map(|_| failures.fate(now)).collect();
        assert_eq!(fates.iter().filter(|fate| **fate == Fate::Written).count(), 60);
        assert_eq!(fates[60..], [Fate::FirstCounted, Fate::Counted, Fate::Counted]);
        assert_eq!(failures.take_more(), 3);
        assert_eq!(failures.fate(now + MINUTE), Fate::Written);
    }
}
