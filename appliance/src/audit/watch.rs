//! The log is followed from its first entry to its last while the console runs, after every page of the database was read: who looks at
//! the overview learns of a change.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_error_codes::codes;

use super::chain::Chain;
use crate::database::{Database, damage_of};
use crate::error::Result;

/// Between two looks. A hundred thousand entries take a second or two.
const PAUSE: Duration = Duration::from_mins(10);

/// What the latest look found.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Found>);

#[derive(Debug, Default, Clone)]
struct Found {
    broken: Option<String>,
    damage: Option<String>,
}

impl Watch {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which entry is not as it was written; none while the log is whole.
    pub fn broken(&self) -> Option<String> {
        self.found().broken.clone()
    }

    /// What is damaged in the database; none while all of it can be read.
    pub fn damage(&self) -> Option<String> {
        self.found().damage.clone()
    }

    /// Looks once.
    pub async fn look(&self, database: &Database) -> Result<()> {
        // Of one moment: entries that are written meanwhile are not half seen.
        let mut moment = database.read().begin().await?;
        let damage = damage_of(&mut moment).await?;
        self.found().damage.clone_from(&damage);
        if let Some(why) = damage {
            // What a damaged database says of its log is no news of the log.
            tracing::error!(code = codes::APPLIANCE_DATABASE_DAMAGED.id, "the database is damaged: {why}");
            return Ok(());
        }
        let broken = match Chain::of(&mut moment).await? {
            Chain::Whole(_) => None,
            Chain::Broken(error) => Some(error.to_string()),
        };
        if let Some(why) = &broken {
            tracing::error!(code = codes::AUDIT_BROKEN.id, "the audit log is not whole: {why}");
        }
        self.found().broken = broken;
        Ok(())
    }

    /// Looks again and again, until the process ends.
    pub async fn watch(&self, database: &Database) {
        loop {
            if let Err(error) = self.look(database).await {
                tracing::warn!("the audit log cannot be read: {error}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
