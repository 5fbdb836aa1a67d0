//! The log is followed from its first entry to its last while the console runs: who looks at the overview learns of a change.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::chain::Chain;
use crate::database::Database;
use crate::error::Result;

/// Between two looks. A hundred thousand entries take a second or two.
const PAUSE: Duration = Duration::from_mins(10);

/// What the latest look found.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Option<String>>);

impl Watch {
    /// Which entry is not as it was written; none while the log is whole.
    pub fn broken(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks once.
    pub async fn look(&self, database: &Database) -> Result<()> {
        // Of one moment: entries that are written meanwhile are not half seen.
        let mut moment = database.read().begin().await?;
        let found = match Chain::of(&mut moment).await? {
            Chain::Whole(_) => None,
            Chain::Broken(error) => Some(error.to_string()),
        };
        if let Some(why) = &found {
            tracing::error!(code = "LF5007", "the audit log is not whole: {why}");
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
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
