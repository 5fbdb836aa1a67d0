//! Checks of the log while the console runs, and of every database page, so that readers of the overview learn of a
//! change. Once a day the log is followed from its first entry, and in between from the last known one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landfall_audit::Head;
use landfall_error_codes::codes;

use super::retention::{KEPT, retain};
use crate::database::{Database, damage_of};
use crate::entries::Chain;
use crate::error::Result;

/// Time between two checks.
const PAUSE: Duration = Duration::from_mins(10);
/// Time between two checks of the whole log. A hundred thousand entries take a second or two.
const DAY: Duration = Duration::from_hours(24);

/// Result of the latest check.
#[derive(Debug, Default)]
pub struct Watch(Mutex<LogState>);

#[derive(Debug, Default, Clone)]
struct LogState {
    broken: Option<String>,
    damage: Option<String>,
    /// The last known entry, if the log is intact.
    seen: Option<Head>,
}

impl Watch {
    fn log_state(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the error that names a changed entry; `None` if the log is intact.
    pub fn broken_entry(&self) -> Option<String> {
        self.log_state().broken.clone()
    }

    /// Returns the damage of the database; `None` if all of it can be read.
    pub fn damage(&self) -> Option<String> {
        self.log_state().damage.clone()
    }

    /// Checks the whole log once.
    pub async fn look(&self, database: &Database) -> Result<()> {
        self.look_behind(database, None).await
    }

    /// Checks new entries once; the whole log if the last check did not find it intact.
    pub async fn look_again(&self, database: &Database) -> Result<()> {
        let seen = self.log_state().seen;
        self.look_behind(database, seen).await
    }

    async fn look_behind(&self, database: &Database, seen: Option<Head>) -> Result<()> {
        // One transaction sees one moment: entries written in the meantime are not seen partly.
        let mut moment = database.read().begin().await?;
        let damage = damage_of(&mut moment).await?;
        self.log_state().damage.clone_from(&damage);
        if let Some(why) = damage {
            // A damaged database proves nothing about its log.
            tracing::error!(code = codes::APPLIANCE_DATABASE_DAMAGED.id, "the database is damaged: {why}");
            return Ok(());
        }
        let chain = match seen {
            Some(seen) => Chain::behind(&mut moment, seen).await?,
            None => Chain::read(&mut moment).await?,
        };
        let (seen, broken) = match chain {
            Chain::Whole(head) => (Some(head), None),
            Chain::Broken(error) => (None, Some(error.to_string())),
        };
        if let Some(why) = &broken {
            tracing::error!(code = codes::AUDIT_BROKEN.id, "the audit log is not whole: {why}");
        }
        let mut found = self.log_state();
        (found.seen, found.broken) = (seen, broken);
        Ok(())
    }

    /// Checks the whole log, and drops entries that are too old if it is intact: in a changed log, everything is
    /// evidence.
    async fn look_whole(&self, database: &Database) -> Result<()> {
        self.look(database).await?;
        let is_whole = self.log_state().seen.is_some();
        while is_whole && retain(database, KEPT, Timestamp::now()).await?.is_some() {}
        Ok(())
    }

    /// Checks repeatedly, until the process ends.
    pub async fn watch(&self, database: &Database) {
        let mut whole: Option<Instant> = None;
        loop {
            let is_due = whole.is_none_or(|last| last.elapsed() >= DAY);
            let looked = if is_due { self.look_whole(database).await } else { self.look_again(database).await };
            match looked {
                Ok(()) if is_due => whole = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => tracing::warn!("the audit log cannot be read: {error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
