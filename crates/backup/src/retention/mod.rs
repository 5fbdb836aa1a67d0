//! Retention of backups, and removal of the others with the data that only they needed.

use std::collections::BTreeSet;
use std::iter;

use bytesize::ByteSize;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use rustic_core::{LimitOption, PruneOptions, RusticResult};

use crate::backup::{Backup, BackupId};
use crate::change::Change;
use crate::error::{BackupError, Result};
use crate::folder::View;
use crate::ledger::Entry;
use crate::library::{self, OpenRepository};
use crate::repository::{Backups, Repository, latest_of};
use crate::writers::Writers;

/// Number of backups to keep: the newest of each hour, day, week and month (UTC) that has one, counted back from the
/// newest. The same applies separately to proven ones. The newest backup, and everything made after the newest proven
/// one, are always kept. So is the newest proven one of each of the newest two versions (the fact `version`): an
/// upgrade begins with the previous version's backup. A backup that lacks streams ([`Backup::lacking`]) counts for no
/// period and never as proven: it stays until a proven one follows. Log backups are kept for a number of days. With
/// them are kept the backup from which the oldest of these days begins, and every backup that begins a log (the fact
/// `begins-log`). A log backup that a kept backup needs ([`Backup::needed_logs`]) stays as long as it does.
///
/// [`Backup::order`] determines which backup is newest: the one made last, whatever the clock was. Times only determine
/// the period of a backup. A clock that was set back begins a new period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Hours with a backup.
    pub hourly: u16,
    /// Days with a backup.
    pub daily: u16,
    /// Weeks (ISO 8601) with a backup.
    pub weekly: u16,
    /// Months with a backup.
    pub monthly: u16,
    /// Days of 24 hours, counted back from the newest backup of any kind, for which every point in time can be
    /// restored.
    pub log_days: u16,
}

/// Fact that names the version whose data a backup holds.
const VERSION: &str = "version";

/// Fact of a backup that begins a log: no earlier backup leads to the data after it.
pub const BEGINS_LOG: &str = "begins-log";

/// Number of versions for which a proven backup is always kept.
const PROVEN_VERSIONS: usize = 2;

/// Maximum duration of a reader that started before a prune. Marked packs are kept this long.
const READER_HOURS: i64 = 23;

impl Default for Retention {
    fn default() -> Self {
        Self { hourly: 0, daily: 30, weekly: 0, monthly: 0, log_days: 7 }
    }
}

/// Result of a removal.
#[derive(Debug)]
pub struct ForgetReport {
    /// Dropped backups, oldest first.
    pub dropped: Vec<Backup>,
    /// Bytes of packs removed now. Packs that become unneeded are only marked, and removed at least 23 hours later,
    /// because a reader that started before may still need them.
    pub freed_bytes: u64,
}

/// Division of the existing snapshots by a retention.
struct SnapshotPartition {
    kept: Vec<Backup>,
    dropped: Vec<Backup>,
    /// Snapshots of dropped backups, and unmarked ones of backups that have a marked one, after an interrupted mark.
    removed: Vec<SnapshotId>,
    /// Backups to remove from the ledger; their snapshots may be lost.
    forgotten: BTreeSet<BackupId>,
}

/// Function that returns the number of a time's hour, day, week or month.
type Period = fn(Timestamp) -> i64;

/// Extent of a removal.
#[derive(Debug, Clone, Copy)]
enum Scope {
    /// Keeps everything that the retention keeps.
    Wanted,
    /// Keeps only what a site needs even on a full disk.
    Needed,
}

impl Repository {
    /// Drops every backup that the retention does not keep, then removes data that no backup needs.
    pub fn forget(&self, retention: Retention) -> Result<ForgetReport> {
        self.forget_beside_readers(retention, Span::new().hours(READER_HOURS))
    }

    /// Makes room on a full disk, which accepts no newer backup. Drops what [`Repository::forget`] drops, and every
    /// unproven backup that is neither the newest nor followed by log backups. This includes backups made after the
    /// newest proven one. Unneeded data is removed immediately. Partly needed packs are rewritten within half of the
    /// space outside the reserve, because old and new packs coexist for a while. A reader that started before, such as
    /// another machine's restic, may miss data. Returns the dropped backups, oldest first.
    pub fn make_room(&self, retention: Retention) -> Result<Vec<Backup>> {
        let spare = LimitOption::Size(ByteSize(self.reserve().spare_bytes(self.folder()) / 2));
        let options = PruneOptions::default().instant_delete(true).max_repack(spare);
        let options = options.max_unused(LimitOption::Size(ByteSize(0)));
        Ok(self.forget_those(|all| retention.part(all, Scope::Needed), &options)?.dropped)
    }

    /// Drops these backups, each of which has lost data, regardless of the retention. Also removes data that no other
    /// backup needs: while they exist, nothing is freed. Fails, without dropping any, if one of them has lost nothing.
    pub fn forget_lost(&self, named: &BTreeSet<BackupId>) -> Result<ForgetReport> {
        let lost: BTreeSet<BackupId> = self.losses()?.into_iter().map(|taken| taken.backup).collect();
        if let Some(id) = named.difference(&lost).next() {
            return Err(BackupError::NotLost { folder: self.folder().to_owned(), id: *id });
        }
        let options = PruneOptions::default().keep_delete(Span::new().hours(READER_HOURS));
        self.forget_those(|all| part_from(all, named), &options)
    }

    /// Drops what the retention does not keep, provided that no reader takes longer than this.
    pub(crate) fn forget_beside_readers(&self, retention: Retention, readers: Span) -> Result<ForgetReport> {
        let options = PruneOptions::default().keep_delete(readers);
        self.forget_those(|all| retention.part(all, Scope::Wanted), &options)
    }

    fn forget_those(
        &self,
        part: impl FnOnce(Vec<(Backup, SnapshotFile)>) -> SnapshotPartition,
        options: &PruneOptions,
    ) -> Result<ForgetReport> {
        self.settle(self.part_with(part, options))
    }

    fn part_with(
        &self,
        part: impl FnOnce(Vec<(Backup, SnapshotFile)>) -> SnapshotPartition,
        options: &PruneOptions,
    ) -> Result<ForgetReport> {
        let _writers = Writers::alone(self)?;
        self.store().remove_leftovers()?;
        self.mend()?;
        let mut change = Change::begin(self)?;
        let SnapshotPartition { kept, dropped, removed, forgotten } = part(self.all_snapshots()?);
        // A lost backup is reported until every older backup is gone, or until a user forgets it.
        let is_past = |entry: &Entry| kept.first().is_some_and(|oldest| entry.order() < oldest.order());
        let is_over = |entry: &Entry| is_past(entry) || forgotten.contains(&entry.backup);
        let lost = change.lost_snapshots()?.into_iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| id);
        change.remove(&removed.iter().copied().chain(lost).collect::<Vec<_>>())?;

        let (folder, opened) = self.session(View::default())?;
        let failure = |doing, error| library::failure(&folder, doing, error);
        let deleted = opened.delete_snapshots(&removed);
        deleted.map_err(|error| failure("remove backups that are no longer kept", error))?;
        let pruned = self
            .mark_packs_of_future_again(&opened, Timestamp::now())
            .and_then(|()| prune(&opened, options).map_err(|error| failure("remove data that no backup needs", error)));
        match pruned {
            Ok(freed_bytes) => change.finish().map(|()| ForgetReport { dropped, freed_bytes }),
            // The library frees nothing while it does not know all needed data. A check reports the missing data.
            Err(error) if self.has_lost().unwrap_or(false) => {
                tracing::warn!(%error, "nothing is freed while data of a backup is lost");
                change.finish().map(|()| ForgetReport { dropped, freed_bytes: 0 })
            }
            Err(error) => Err(BackupError::NotFreed { dropped, source: Box::new(error) }),
        }
    }
}

/// Divides the snapshots so that only the named backups are dropped.
fn part_from(all: Vec<(Backup, SnapshotFile)>, named: &BTreeSet<BackupId>) -> SnapshotPartition {
    let removed =
        all.iter().filter(|(backup, _)| named.contains(&backup.id)).map(|(_, snapshot)| snapshot.id).collect();
    let backups = latest_of(all).into_iter().map(|(backup, _)| backup);
    let (dropped, kept) = backups.partition(|backup| named.contains(&backup.id));
    SnapshotPartition { kept, dropped, removed, forgotten: named.clone() }
}

/// Removes packs that were marked long enough ago, marks those that no snapshot needs, and rewrites packs that are
/// mostly unneeded. Returns the bytes removed.
fn prune(opened: &OpenRepository, options: &PruneOptions) -> RusticResult<u64> {
    let plan = opened.prune_plan(options)?;
    let freed_bytes = plan.stats.size_to_delete.remove;
    opened.prune(options, plan)?;
    Ok(freed_bytes)
}

impl Retention {
    fn part(self, all: Vec<(Backup, SnapshotFile)>, scope: Scope) -> SnapshotPartition {
        let every: Vec<(SnapshotId, BackupId)> =
            all.iter().map(|(backup, snapshot)| (snapshot.id, backup.id)).collect();
        let (backups, counting): (Vec<Backup>, Vec<SnapshotId>) =
            latest_of(all).into_iter().map(|(backup, snapshot)| (backup, snapshot.id)).unzip();
        let all = Backups::of(backups.clone());
        let keep = match scope {
            Scope::Wanted => self.kept_backups(&all),
            Scope::Needed => self.needed_backups(&all),
        };
        let is_removed = |(id, backup): &(SnapshotId, BackupId)| !counting.contains(id) || !keep.contains(backup);
        let removed = every.into_iter().filter(is_removed).map(|(id, _)| id).collect();
        let (kept, dropped) = backups.into_iter().partition(|backup| keep.contains(&backup.id));
        SnapshotPartition { kept, dropped, removed, forgotten: BTreeSet::new() }
    }

    /// Returns the backups to keep.
    pub fn kept_backups(self, backups: &Backups) -> BTreeSet<BackupId> {
        let mut kept = self.scheduled_backups(backups);
        if let Some(proven) = backups.full.iter().rfind(|backup| backup.is_proven()).map(Backup::order) {
            let logs = backups.logs.iter().filter(|_| self.log_days > 0);
            kept.extend(backups.full.iter().chain(logs).filter(|backup| backup.order() > proven).map(|later| later.id));
        }
        with_needed_logs(kept, backups)
    }

    /// Returns the backups kept for their period, their version, or points in time.
    fn scheduled_backups(self, backups: &Backups) -> BTreeSet<BackupId> {
        let all: Vec<&Backup> = backups.full.iter().collect();
        let proven: Vec<&Backup> = all.iter().copied().filter(|backup| backup.is_proven()).collect();
        let whole: Vec<&Backup> = all.iter().copied().filter(|backup| backup.is_whole()).collect();
        let mut kept: BTreeSet<BackupId> = self.of_periods(&whole).chain(self.of_periods(&proven)).collect();
        kept.extend(all.last().map(|newest| newest.id));
        let mut versions: Vec<Option<&String>> = Vec::new();
        for backup in proven.iter().rev() {
            let version = backup.facts.get(VERSION);
            if versions.len() < PROVEN_VERSIONS && !versions.contains(&version) {
                versions.push(version);
                kept.insert(backup.id);
            }
        }
        kept.extend(self.logs(backups));
        kept
    }

    /// Like [`Self::scheduled_backups`], but without unproven backups, unless one is the newest or is followed by log
    /// backups.
    fn needed_backups(self, backups: &Backups) -> BTreeSet<BackupId> {
        let (mut kept, logs) = (self.scheduled_backups(backups), self.logs(backups));
        let newest = backups.full.last().map(|newest| newest.id);
        let is_unneeded =
            |backup: &&Backup| !backup.is_proven() && Some(backup.id) != newest && !logs.contains(&backup.id);
        for backup in backups.full.iter().filter(is_unneeded) {
            kept.remove(&backup.id);
        }
        with_needed_logs(kept, backups)
    }

    /// Returns the log backups to keep, with the backups that they follow.
    fn logs(self, backups: &Backups) -> Vec<BackupId> {
        if self.log_days == 0 || backups.logs.is_empty() {
            return Vec::new();
        }
        let last_before = self.last_before_days(backups);
        let base = backups.full.iter().rposition(|backup| Some(backup.order()) <= last_before);
        let Some(base) = base else {
            let begins = backups.full.iter().filter(|backup| backup.facts.contains_key(BEGINS_LOG));
            return begins.chain(&backups.logs).map(|backup| backup.id).collect();
        };
        let begins = |backup: &&Backup| backup.facts.contains_key(BEGINS_LOG);
        // A log backup may have been made before the backup that it follows was complete.
        let earlier = base.checked_sub(1).map(|earlier| backups.full[earlier].order());
        let logs = backups.logs.iter().filter(|log| earlier.is_none_or(|earlier| log.order() >= earlier));
        let full = iter::once(&backups.full[base]).chain(backups.full[base..].iter().filter(begins));
        full.chain(logs).map(|backup| backup.id).collect()
    }

    /// Returns the newest backup of any kind from before the days of point-in-time recovery; `None` if all are within
    /// them.
    fn last_before_days(self, backups: &Backups) -> Option<(Option<u64>, Timestamp, BackupId)> {
        let mut all: Vec<&Backup> = backups.full.iter().chain(&backups.logs).collect();
        all.sort_by_key(|backup| backup.order());
        let days = SignedDuration::from_hours(24 * i64::from(self.log_days));
        let mut past = SignedDuration::ZERO;
        for pair in all.windows(2).rev() {
            past += time_between(pair[0], pair[1]);
            if past >= days {
                return Some(pair[0].order());
            }
        }
        None
    }

    /// Returns the newest backup of each period; the input is sorted oldest first.
    fn of_periods(self, backups: &[&Backup]) -> impl Iterator<Item = BackupId> + use<> {
        let Self { hourly, daily, weekly, monthly, .. } = self;
        let periods: [(u16, Period); 4] = [(hourly, hour), (daily, day), (weekly, week), (monthly, month)];
        let newest: Vec<BackupId> =
            periods.into_iter().flat_map(|(count, period)| newest_of_each(backups, count, period)).collect();
        newest.into_iter()
    }
}

/// Adds the log backups that the kept backups need.
fn with_needed_logs(mut kept: BTreeSet<BackupId>, backups: &Backups) -> BTreeSet<BackupId> {
    let full = backups.full.iter().filter(|backup| kept.contains(&backup.id));
    let needed: Vec<BackupId> = full.flat_map(Backup::needed_logs).map(|(_, id)| id).collect();
    kept.extend(needed);
    kept
}

/// Returns the time between two consecutive backups, by clocks that may have been wrong. It is zero if the clock was
/// set back. It is one hour if it appears to exceed a day, because the clock was set forward or the site was off.
/// Therefore, each time the clock is set, the days of point-in-time recovery shrink by at most one.
fn time_between(earlier: &Backup, later: &Backup) -> SignedDuration {
    let found = later.time.duration_since(earlier.time).max(SignedDuration::ZERO);
    if found > SignedDuration::from_hours(24) { SignedDuration::from_hours(1) } else { found }
}

/// Returns the newest backup of each of the last periods, and the oldest of all if there are fewer periods.
fn newest_of_each(backups: &[&Backup], count: u16, period: Period) -> Vec<BackupId> {
    let (mut kept, mut later) = (Vec::new(), None::<Timestamp>);
    for (index, backup) in backups.iter().enumerate().rev() {
        if kept.len() >= usize::from(count) {
            break;
        }
        let is_newest = later.is_none_or(|later| later < backup.time || period(later) != period(backup.time));
        if is_newest || index == 0 {
            kept.push(backup.id);
        }
        later = Some(backup.time);
    }
    kept
}

fn hour(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60 * 60)
}

fn day(time: Timestamp) -> i64 {
    hour(time).div_euclid(24)
}

/// Returns the week's number. Weeks begin on Monday; 1970 began on a Thursday.
fn week(time: Timestamp) -> i64 {
    (day(time) + 3).div_euclid(7)
}

fn month(time: Timestamp) -> i64 {
    let date = time.to_zoned(TimeZone::UTC);
    12 * i64::from(date.year()) + i64::from(date.month())
}

#[cfg(test)]
mod tests;
