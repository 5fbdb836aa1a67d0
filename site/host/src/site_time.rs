//! Trusted time on the disk of a site: read, moved forward, and written in two places. Only a site with a license keeps it.

use std::fs::File;
use std::time::Duration;

use jiff::Timestamp;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_license::{Clocks, Confirmation, TrustedTime};
use landfall_media::durable;
use rustix::fs::FlockOperation;

use crate::files;
use crate::paths::SitePaths;
use crate::twin::Twin;

/// The clocks of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineClocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// What names this boot.
    pub boot: String,
    /// How long the machine has run since this boot, suspended time included.
    pub uptime: Duration,
}

impl MachineClocks {
    /// All of them, now. Without a kernel's word on boot and uptime, no time has run.
    pub fn read(paths: &SitePaths) -> Self {
        let text = |path: &str| files::read_text(&paths.host(path)).ok().flatten().unwrap_or_default();
        let uptime = text("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok());
        Self {
            wall: Timestamp::now(),
            boot: text("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            uptime: Duration::from_secs(uptime.unwrap_or_default()),
        }
    }

    /// As trusted time takes them.
    pub fn clocks(&self) -> Clocks<'_> {
        Clocks { wall: self.wall, boot: &self.boot, uptime: self.uptime }
    }
}

fn twin(paths: &SitePaths) -> Twin {
    Twin::new(paths.trusted_time(), paths.trusted_time_copy())
}

/// Trusted time now; none on a site that keeps none. Changes nothing on the disk.
pub fn read(paths: &SitePaths, clocks: &MachineClocks) -> Result<Option<TrustedTime>, StepError> {
    let mut time = stored(paths)?;
    if let Some(time) = &mut time {
        time.observe(&clocks.clocks());
    }
    Ok(time)
}

fn stored(paths: &SitePaths) -> Result<Option<TrustedTime>, StepError> {
    Ok(twin(paths).read::<TrustedTime>()?.into_iter().reduce(TrustedTime::merged))
}

/// Adds the time that the site has run, where it keeps trusted time; on the disk when it returns.
pub fn observe(paths: &SitePaths, clocks: &MachineClocks) -> Result<(), StepError> {
    if !paths.trusted_time().exists() && !paths.trusted_time_copy().exists() {
        return Ok(());
    }
    let _held = lock(paths)?;
    let Some(time) = read(paths, clocks)? else { return Ok(()) };
    twin(paths).write(&time)
}

/// Stores that a signed timestamp has passed, and begins to keep trusted time where none is kept, or where it was damaged; on
/// the disk when it returns.
pub fn learn(paths: &SitePaths, clocks: &MachineClocks, signed: Timestamp) -> Result<TrustedTime, StepError> {
    durable::create_own_folder(&paths.data())?;
    let _held = lock(paths)?;
    // A damaged one is like none: a license must never be kept out by it.
    let time = after_learning(read(paths, clocks).ok().flatten(), clocks, signed);
    twin(paths).write(&time)?;
    Ok(time)
}

/// What trusted time would be after [`learn`]. Changes nothing on the disk.
pub fn would_learn(paths: &SitePaths, clocks: &MachineClocks, signed: Timestamp) -> TrustedTime {
    after_learning(read(paths, clocks).ok().flatten(), clocks, signed)
}

fn after_learning(time: Option<TrustedTime>, clocks: &MachineClocks, signed: Timestamp) -> TrustedTime {
    match time {
        Some(mut time) => {
            time.learn(signed);
            time
        }
        None => TrustedTime::begin(signed, &clocks.clocks()),
    }
}

/// Takes over the wall clock, which a person has confirmed; on the disk when it returns. None on a site that keeps no trusted
/// time.
pub fn confirm(paths: &SitePaths, clocks: &MachineClocks) -> Result<Option<Confirmation>, StepError> {
    let _held = lock(paths)?;
    let Some(mut time) = stored(paths)? else { return Ok(None) };
    let confirmed = time.confirm(&clocks.clocks());
    let confirmation = confirmed.map_err(|error| StepError::new(codes::DATE_UNCONFIRMABLE, error.to_string()))?;
    twin(paths).write(&time)?;
    tracing::warn!(before = %confirmation.before, after = %confirmation.after, "a person has confirmed the date");
    Ok(Some(confirmation))
}

/// Takes over what a backup says of trusted time: what was certain then has passed. On the disk when it returns.
pub fn adopt(paths: &SitePaths, clocks: &MachineClocks, bytes: &[u8]) -> Result<(), StepError> {
    match serde_json::from_slice::<TrustedTime>(bytes) {
        Ok(time) => learn(paths, clocks, time.least()).map(drop),
        // A backup is of use without it.
        Err(error) => {
            tracing::warn!(%error, "the trusted time of a backup cannot be read");
            Ok(())
        }
    }
}

/// Removes it from the operating system's disk, or from both, durably.
pub fn remove(paths: &SitePaths, keep_data: bool) -> Result<(), StepError> {
    twin(paths).remove(keep_data)
}

/// The agent and commands change it one after the other. The lock ends with the file.
fn lock(paths: &SitePaths) -> Result<Option<File>, StepError> {
    let folder = paths.data();
    if !folder.exists() {
        return Ok(None);
    }
    let file = File::open(&folder).map_err(|error| files::failed("open", &folder, error))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)
        .map_err(|errno| files::failed("lock", &folder, errno.into()))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use landfall_error_codes::Coded;

    use super::*;

    fn clocks(wall: &str, uptime: u64) -> MachineClocks {
        MachineClocks { wall: wall.parse().unwrap(), boot: "a".to_owned(), uptime: Duration::from_secs(uptime) }
    }

    #[test]
    fn trusted_time_is_kept_only_once_something_signed_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let right = clocks("2026-11-22T10:00:00Z", 100);
        observe(&paths, &right).unwrap();
        assert!(!paths.data().exists() && !paths.settings().exists(), "nothing is made");
        assert_eq!((read(&paths, &right).unwrap(), confirm(&paths, &right).unwrap()), (None, None));
        let signed = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!(learn(&paths, &right, signed).unwrap().now(), right.wall);
        // The clock dies; an hour runs.
        let dead = clocks("1970-01-01T00:00:00Z", 3700);
        observe(&paths, &dead).unwrap();
        let hour = right.wall + SignedDuration::from_hours(1);
        assert_eq!(read(&paths, &dead).unwrap().unwrap().now(), hour);
        assert_eq!(confirm(&paths, &dead).unwrap_err().code(), codes::DATE_UNCONFIRMABLE);
        // Either disk is lost.
        for lost in [paths.trusted_time(), paths.trusted_time_copy()] {
            durable::remove_file(&lost).unwrap();
            assert_eq!(read(&paths, &dead).unwrap().unwrap().now(), hour);
            observe(&paths, &dead).unwrap();
            assert!(lost.exists());
        }
        let later = clocks("2027-03-01T00:00:00Z", 3700);
        assert_eq!(confirm(&paths, &later).unwrap().unwrap().after, later.wall);
        assert_eq!(read(&paths, &later).unwrap().unwrap().now(), later.wall);
        remove(&paths, false).unwrap();
        assert_eq!(read(&paths, &later).unwrap(), None);
    }

    #[test]
    fn a_backup_brings_what_was_certain_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let ahead = clocks("2031-01-01T00:00:00Z", 100);
        let signed = "2026-11-01T00:00:00Z".parse().unwrap();
        let saved = serde_json::to_vec(&TrustedTime::begin(signed, &ahead.clocks())).unwrap();
        let right = clocks("2026-12-01T00:00:00Z", 5);
        adopt(&paths, &right, &saved).unwrap();
        adopt(&paths, &right, b"{").unwrap();
        assert_eq!(read(&paths, &right).unwrap().unwrap().now(), right.wall, "the clock that was ahead is left behind");
    }

    #[test]
    fn this_machine_names_its_boot() {
        let clocks = MachineClocks::read(&SitePaths::default());
        assert!(!clocks.boot.is_empty() && clocks.uptime > Duration::ZERO);
    }
}
