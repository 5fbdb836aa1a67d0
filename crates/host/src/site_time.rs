//! Trusted time on the disk of a site: read, moved forward, and written to two places. Only a site with a license keeps
//! it.

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_license::{Confirmation, MachineClocks, SealedLicense, TrustedTime};
use landfall_media::durable;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::Deserialize;

use crate::files;
use crate::paths::SitePaths;
use crate::twin::Twin;

/// Reads the clocks of this machine.
pub fn machine_clocks(paths: &SitePaths) -> MachineClocks {
    let text = |path: &str| files::read_text(&paths.host(path)).ok().flatten().unwrap_or_default();
    MachineClocks::of(Timestamp::now(), text)
}

fn twin(paths: &SitePaths) -> Twin {
    Twin::new(paths.trusted_time(), paths.trusted_time_copy())
}

/// Lock that keeps other processes from changing the license or trusted time. Clocks are read after it is taken.
#[derive(Debug)]
pub struct LicenseLock {
    _file: File,
}

impl LicenseLock {
    /// Waits for the lock. Only root can open the file, so no user of the host can make a command wait.
    pub fn take(paths: &SitePaths) -> Result<Self, StepError> {
        let path = paths.license_lock();
        let file = lock_file(paths)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| files::file_error("lock", &path, errno.into()))?;
        Ok(Self { _file: file })
    }

    /// Takes the lock unless another process holds it.
    pub fn try_take(paths: &SitePaths) -> Result<Option<Self>, StepError> {
        let path = paths.license_lock();
        let file = lock_file(paths)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(files::file_error("lock", &path, errno.into())),
        }
    }
}

fn lock_file(paths: &SitePaths) -> Result<File, StepError> {
    durable::create_own_folder(&paths.data())?;
    let path = paths.license_lock();
    let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.map_err(|error| files::file_error("open", &path, error))
}

/// Returns the current trusted time; `None` on a site that keeps none. Changes nothing on the disk.
pub fn read(paths: &SitePaths, clocks: &MachineClocks) -> Result<Option<TrustedTime>, StepError> {
    let mut time = stored_time(paths)?;
    if let Some(time) = &mut time {
        time.observe(&clocks.clocks());
    }
    Ok(time)
}

/// Returns trusted time as stored, merged from both copies.
pub fn stored_time(paths: &SitePaths) -> Result<Option<TrustedTime>, StepError> {
    Ok(twin(paths).read::<TrustedTime>()?.into_iter().reduce(TrustedTime::merge))
}

/// Returns the current trusted time. Damaged copies count as missing: they must never block a license. A disk that
/// cannot be read is an error, because its copy may be valid.
fn usable(paths: &SitePaths, clocks: &MachineClocks) -> Result<Option<TrustedTime>, StepError> {
    match read(paths, clocks) {
        Err(error) if error.code() == codes::LICENSE_RECORD => Ok(None),
        time => time,
    }
}

/// Adds the time that the site has run, durably. Also starts to keep trusted time if a licensed site has lost it. Does
/// nothing while another process changes it: the next call adds the same time.
pub fn observe(paths: &SitePaths) -> Result<(), StepError> {
    let kept = [paths.trusted_time(), paths.trusted_time_copy(), paths.license(), paths.license_copy()];
    if !kept.iter().any(|file| file.exists()) {
        return Ok(());
    }
    match LicenseLock::try_take(paths)? {
        Some(lock) => add_running_time(paths, &lock, &machine_clocks(paths)),
        None => Ok(()),
    }
}

fn add_running_time(paths: &SitePaths, _lock: &LicenseLock, clocks: &MachineClocks) -> Result<(), StepError> {
    let begun = || Some(TrustedTime::begin(license_issued(paths)?, &clocks.clocks()));
    let Some(time) = usable(paths, clocks)?.or_else(begun) else { return Ok(()) };
    twin(paths).write(&time)
}

/// Returns the issue time of the license that this site keeps; `None` without a usable license.
fn license_issued(paths: &SitePaths) -> Option<Timestamp> {
    let issued = |record: LicenseFields| {
        let sealed = SealedLicense::read("that this site keeps", record.document.as_bytes()).ok()?;
        Some(sealed.verify(&TrustAnchor::Root(record.root.into_bytes())).ok()?.terms().issued)
    };
    let license = Twin::new(paths.license(), paths.license_copy());
    license.read::<LicenseFields>().ok()?.into_iter().filter_map(issued).max()
}

/// Fields read from a site's record of its license.
#[derive(Deserialize)]
struct LicenseFields {
    document: String,
    root: String,
}

/// Records, durably, that a signed timestamp has passed. Also starts to keep trusted time if none is kept or if it was
/// damaged.
pub fn learn(
    paths: &SitePaths,
    _lock: &LicenseLock,
    clocks: &MachineClocks,
    signed: Timestamp,
) -> Result<TrustedTime, StepError> {
    let time = would_learn(paths, clocks, signed)?;
    twin(paths).write(&time)?;
    Ok(time)
}

/// Returns trusted time as it would be after [`learn`]. Changes nothing on the disk.
pub fn would_learn(paths: &SitePaths, clocks: &MachineClocks, signed: Timestamp) -> Result<TrustedTime, StepError> {
    Ok(match usable(paths, clocks)? {
        Some(mut time) => {
            time.learn(signed);
            time
        }
        None => TrustedTime::begin(signed, &clocks.clocks()),
    })
}

/// Adopts the wall clock, which a user has confirmed, durably. `None` on a site that keeps no trusted time.
pub fn confirm(
    paths: &SitePaths,
    _lock: &LicenseLock,
    clocks: &MachineClocks,
) -> Result<Option<Confirmation>, StepError> {
    let Some(mut time) = stored_time(paths)? else { return Ok(None) };
    let confirmed = time.confirm(&clocks.clocks());
    let confirmation = confirmed.map_err(|error| StepError::new(codes::DATE_UNCONFIRMABLE, error.to_string()))?;
    twin(paths).write(&time)?;
    tracing::warn!(before = %confirmation.before, after = %confirmation.after, "a person has confirmed the date");
    Ok(Some(confirmation))
}

/// Adopts the trusted time of a backup, durably: what was certain then has passed.
pub fn adopt(paths: &SitePaths, lock: &LicenseLock, clocks: &MachineClocks, bytes: &[u8]) -> Result<(), StepError> {
    match serde_json::from_slice::<TrustedTime>(bytes) {
        Ok(time) => learn(paths, lock, clocks, time.least()).map(drop),
        // A backup is useful without it.
        Err(error) => {
            tracing::warn!(%error, "the trusted time of a backup cannot be read");
            Ok(())
        }
    }
}

/// Removes it from the operating system's disk, or from both, durably; always removes the lock.
pub fn remove(paths: &SitePaths, keep_data: bool) -> Result<(), StepError> {
    twin(paths).remove(keep_data)?;
    Ok(durable::remove_file(&paths.license_lock())?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_license::sample;

    use super::*;

    fn clocks(wall: &str, uptime: u64) -> MachineClocks {
        MachineClocks { wall: wall.parse().unwrap(), boot: "a".to_owned(), uptime: Duration::from_secs(uptime) }
    }

    #[test]
    fn trusted_time_needs_signed_time() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let right = clocks("2026-11-22T10:00:00Z", 100);
        observe(&paths).unwrap();
        assert!(!paths.data().exists() && !paths.settings().exists(), "nothing is made");
        let lock = LicenseLock::take(&paths).unwrap();
        assert_eq!((read(&paths, &right).unwrap(), confirm(&paths, &lock, &right).unwrap()), (None, None));
        let signed = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!(learn(&paths, &lock, &right, signed).unwrap().now(), right.wall);
        // The clock fails, and an hour passes.
        let dead = clocks("1970-01-01T00:00:00Z", 3700);
        add_running_time(&paths, &lock, &dead).unwrap();
        let hour = right.wall + SignedDuration::from_hours(1);
        assert_eq!(read(&paths, &dead).unwrap().unwrap().now(), hour);
        assert_eq!(confirm(&paths, &lock, &dead).unwrap_err().code(), codes::DATE_UNCONFIRMABLE);
        // Either disk is lost.
        for lost in [paths.trusted_time(), paths.trusted_time_copy()] {
            durable::remove_file(&lost).unwrap();
            assert_eq!(read(&paths, &dead).unwrap().unwrap().now(), hour);
            add_running_time(&paths, &lock, &dead).unwrap();
            assert!(lost.exists());
        }
        let later = clocks("2027-03-01T00:00:00Z", 3700);
        assert_eq!(confirm(&paths, &lock, &later).unwrap().unwrap().after, later.wall);
        assert_eq!(read(&paths, &later).unwrap().unwrap().now(), later.wall);
        remove(&paths, false).unwrap();
        assert_eq!(read(&paths, &later).unwrap(), None);
    }

    /// Returns the clocks at look number `count`, an hour after the previous one, with a boot before every hundredth.
    /// They are correct, at the end of their range, in the past, frozen, or dead.
    fn wild(count: u64) -> MachineClocks {
        let (boot, uptime) = (count / 100, Duration::from_hours(count % 100));
        let right: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let wall = match count * 7 % 6 {
            0 => right + SignedDuration::from_hours(i64::try_from(count).unwrap()),
            1 => Timestamp::UNIX_EPOCH,
            2 => Timestamp::UNIX_EPOCH + SignedDuration::try_from(uptime).unwrap(),
            3 => "2038-01-19T03:14:07Z".parse().unwrap(),
            4 => Timestamp::MAX,
            _ => right,
        };
        MachineClocks { wall, boot: boot.to_string(), uptime }
    }

    #[test]
    fn trusted_time_survives_clocks_and_losses() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let lock = LicenseLock::take(&paths).unwrap();
        let mut before = learn(&paths, &lock, &wild(0), "2026-11-22T10:00:00Z".parse().unwrap()).unwrap();
        for count in 1..=200 {
            let copy = if count % 2 == 0 { paths.trusted_time() } else { paths.trusted_time_copy() };
            match count % 5 {
                0 => durable::remove_file(&copy).unwrap(),
                1 => durable::write_file(&copy, b"{", 0o600).unwrap(),
                _ => {}
            }
            add_running_time(&paths, &lock, &wild(count)).unwrap_or_else(|error| panic!("look {count}: {error}"));
            let now = stored_time(&paths).unwrap().expect("it is kept");
            assert!(now.now() >= before.now() && now.least() >= before.least(), "look {count}");
            before = now;
        }
        let ran = before.least().duration_since("2026-11-22T10:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(ran, SignedDuration::from_hours(99 + 99), "all running time since an observation in the same boot");
    }

    #[test]
    fn backup_restores_only_certain_time() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let ahead = clocks("2031-01-01T00:00:00Z", 100);
        let signed = "2026-11-01T00:00:00Z".parse().unwrap();
        let saved = serde_json::to_vec(&TrustedTime::begin(signed, &ahead.clocks())).unwrap();
        let right = clocks("2026-12-01T00:00:00Z", 5);
        let lock = LicenseLock::take(&paths).unwrap();
        adopt(&paths, &lock, &right, &saved).unwrap();
        adopt(&paths, &lock, &right, b"{").unwrap();
        assert_eq!(
            read(&paths, &right).unwrap().unwrap().now(),
            right.wall,
            "the running time overtakes the clock that was ahead"
        );
    }

    #[test]
    fn agent_skips_held_license_lock() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let clocks = machine_clocks(&SitePaths::default());
        let lock = LicenseLock::take(&paths).unwrap();
        learn(&paths, &lock, &clocks, "2026-11-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(paths.license_lock().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let before = stored_time(&paths).unwrap();
        assert!(LicenseLock::try_take(&paths).unwrap().is_none());
        observe(&paths).unwrap();
        assert_eq!(stored_time(&paths).unwrap(), before, "it is skipped");
        drop(lock);
        observe(&paths).unwrap();
        assert_ne!(stored_time(&paths).unwrap(), before);
    }

    #[test]
    fn damaged_time_restarts_from_license() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let (vendor, issued) = (Vendor::new(KeyKind::Ed25519).unwrap(), "2026-11-01T00:00:00Z".parse().unwrap());
        let sealed = sample::seal_license(&vendor, &sample::terms("acme-1", issued).unwrap(), None).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let record = serde_json::json!({"document": text(sealed.bytes()), "root": text(vendor.root.bytes())});
        Twin::new(paths.license(), paths.license_copy()).write(&record).unwrap();
        observe(&paths).unwrap();
        assert_eq!(stored_time(&paths).unwrap().unwrap().least(), issued);
        for place in [paths.trusted_time(), paths.trusted_time_copy()] {
            durable::write_file(&place, b"{", 0o600).unwrap();
        }
        observe(&paths).unwrap();
        assert_eq!(stored_time(&paths).unwrap().unwrap().least(), issued);
        // A folder in place of the file: reading it fails.
        durable::remove_file(&paths.trusted_time()).unwrap();
        durable::create_folder(&paths.trusted_time()).unwrap();
        assert_eq!(observe(&paths).unwrap_err().code(), codes::NODE_FILE);
        let clocks = machine_clocks(&paths);
        assert_eq!(would_learn(&paths, &clocks, issued).unwrap_err().code(), codes::NODE_FILE);
    }

    #[test]
    fn own_boot_is_named() {
        let clocks = machine_clocks(&SitePaths::default());
        assert!(!clocks.boot.is_empty() && clocks.uptime > Duration::ZERO);
    }
}
