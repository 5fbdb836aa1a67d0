//! Record of usage on the site's disk. It is written as a whole, so a power cut leaves the earlier record. Writers read
//! it under [`LicenseLock`].

use jiff::{SignedDuration, Timestamp};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_host::site_time::LicenseLock;
use landfall_license::usage::{Sample, UsageLog, first_break};
use landfall_media::durable;
use serde::{Deserialize, Serialize};

/// Time for which the console's number of users is valid; it reports the number every few minutes.
const KNOWN_USERS: SignedDuration = SignedDuration::from_hours(24);

/// Reads the record; empty if there is none. Damage is not an error: readable lines are used.
pub fn read(paths: &SitePaths) -> Result<UsageLog, StepError> {
    Ok(UsageLog::read(&files::read(&paths.usage())?.unwrap_or_default()))
}

/// Returns the newest sample; `None` if there is none or it cannot be read.
pub fn newest(paths: &SitePaths) -> Option<Sample> {
    UsageLog::newest_of(&files::read(&paths.usage()).ok().flatten()?)
}

/// Writes the record, readable by root. On the disk on return.
pub fn write(paths: &SitePaths, _lock: &LicenseLock, log: &UsageLog) -> Result<(), StepError> {
    Ok(durable::write_file(&paths.usage(), &log.bytes(), 0o600)?)
}

/// Returns a note about a record that was edited or cut; `None` if it is complete.
pub fn break_note(log: &UsageLog) -> Option<String> {
    let day = first_break(&log.days())?;
    let code = codes::USAGE_BROKEN.id;
    Some(format!(
        "the record of usage was edited or cut: what it says of {day} does not follow the line before [{code}]"
    ))
}

/// Returns the record for a backup, if there is one.
pub fn read_usage(paths: &SitePaths) -> Result<Option<Vec<u8>>, StepError> {
    files::read(&paths.usage())
}

/// Adopts the record of a backup, unless this machine has one. On the disk on return.
pub fn adopt(paths: &SitePaths, _lock: &LicenseLock, bytes: &[u8]) -> Result<(), StepError> {
    if paths.usage().exists() {
        return Ok(());
    }
    Ok(durable::write_file(&paths.usage(), bytes, 0o600)?)
}

/// Durably removes the record unless data is kept, and the console's number of users in any case.
pub fn remove(paths: &SitePaths, keep_data: bool) -> Result<(), StepError> {
    durable::remove_file(&paths.known_users())?;
    if keep_data { Ok(()) } else { Ok(durable::remove_file(&paths.usage())?) }
}

/// The console's number of users.
#[derive(Serialize, Deserialize)]
struct Users {
    users: u64,
    at: Timestamp,
}

/// Returns the console's number of users, if it is recent.
pub fn users(paths: &SitePaths, now: Timestamp) -> Option<u64> {
    let bytes = files::read(&paths.known_users()).ok().flatten()?;
    let Users { users, at } = serde_json::from_slice(&bytes).ok()?;
    (now.duration_since(at).abs() <= KNOWN_USERS).then_some(users)
}

/// Stores the console's number of users. On the disk on return.
pub fn write_users(paths: &SitePaths, users: u64, now: Timestamp) -> Result<(), StepError> {
    let bytes = serde_json::to_vec(&Users { users, at: now })
        .map_err(|error| StepError::new(codes::BUG, "cannot write a number of users as JSON").because(error))?;
    Ok(durable::write_file(&paths.known_users(), &bytes, 0o600)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_count_lasts_one_day() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        assert_eq!(users(&paths, now), None);
        durable::create_folder(&paths.data()).unwrap();
        write_users(&paths, 12, now).unwrap();
        let after = |hours| users(&paths, now + SignedDuration::from_hours(hours));
        assert_eq!((after(0), after(24), after(25), after(-25)), (Some(12), Some(12), None, None));
        durable::write_file(&paths.known_users(), b"{", 0o600).unwrap();
        assert_eq!(after(0), None);
        remove(&paths, true).unwrap();
        assert!(!paths.known_users().exists());
    }
}
