//! Which backups are kept, and the removal of the others with what only they needed.

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
use crate::library::{self, Opened};
use crate::repository::{Backups, Repository, latest_of};
use crate::writers::Writers;

/// How many backups are kept: the newest of each hour, day, week and month (UTC) that has one, counted back from the
/// newest; and the same again of the proven ones. The newest backup is always kept, and so are the newest proven one of each of
/// the newest two versions (the fact `version`), since an upgrade begins with a backup of the version before, and everything that was
/// made after the newest proven one. One that lacks streams ([`Backup::lacking`]) counts for no period, and is never a proven one: it stays
/// until a proven one is made after it. Log backups are kept for a number of days, with the backup that the oldest of these days begins
/// from, and with every one that begins a log (the fact `begins-log`).
///
/// What is newest follows [`Backup::order`]: whatever the clock was, the backup that was made last is the newest one. Times only say
/// which period a backup is of. A clock that was set back begins a new period.
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
    /// Days of 24 hours, counted back from the newest backup of any kind, of which every point in time comes back.
    pub log_days: u16,
}

/// The fact that names the version whose data a backup holds.
const VERSION: &str = "version";

/// The fact of a backup with which a log begins: nothing before it leads to what follows it.
pub const BEGINS_LOG: &str = "begins-log";

/// How many versions have a proven backup that is always kept.
const PROVEN_VERSIONS: usize = 2;

/// How long a reader may take that began before a prune: so long stay the packs that it marked.
const READER_HOURS: i64 = 23;

impl Default for Retention {
    fn default() -> Self {
        Self { hourly: 0, daily: 30, weekly: 0, monthly: 0, log_days: 7 }
    }
}

/// What was removed.
#[derive(Debug)]
pub struct Forgotten {
    /// Backups that no longer exist, oldest first.
    pub dropped: Vec<Backup>,
    /// Bytes of packs that were removed now. Packs that become unneeded are only marked, and removed 23 hours later at the
    /// earliest: a reader that began before may still need them.
    pub freed_bytes: u64,
}

/// What a retention makes of the snapshots that there are.
struct Parting {
    kept: Vec<Backup>,
    dropped: Vec<Backup>,
    /// Snapshots of dropped backups, and unmarked ones of backups that have a marked one: their mark was interrupted.
    removed: Vec<SnapshotId>,
    /// Backups of which the ledger says nothing any longer: their snapshots may be lost.
    forgotten: BTreeSet<BackupId>,
}

/// Number of the hour, day, week or month that a time is in.
type Period = fn(Timestamp) -> i64;

/// What a removal leaves.
#[derive(Debug, Clone, Copy)]
enum Scope {
    /// What the retention keeps.
    Wanted,
    /// Of that, what a site cannot do without.
    Needed,
}

impl Repository {
    /// Drops every backup that the retention does not keep, then removes data that no backup needs.
    pub fn forget(&self, retention: Retention) -> Result<Forgotten> {
        self.forget_beside_readers(retention, Span::new().hours(READER_HOURS))
    }

    /// Drops what [`Repository::forget`] drops, and every unproven backup that is neither the newest nor one that log backups follow,
    /// also those that were made after the newest proven one: a disk that is full takes no newer backup.
    /// It removes at once what no backup needs. Packs of which a part is needed are written again as far as there is room beside the
    /// reserve: half of it at most, since both are there for a while. A reader that began before may
    /// miss data, such as another machine's restic. Returns what was
    /// dropped, oldest first.
    pub fn make_room(&self, retention: Retention) -> Result<Vec<Backup>> {
        let spare = LimitOption::Size(ByteSize(self.reserve().spare_bytes(self.folder()) / 2));
        let options = PruneOptions::default().instant_delete(true).max_repack(spare);
        let options = options.max_unused(LimitOption::Size(ByteSize(0)));
        Ok(self.forget_those(|all| retention.part(all, Scope::Needed), &options)?.dropped)
    }

    /// Drops these backups, each of which has lost data, whatever the retention keeps, and removes data that no other backup needs: while they
    /// are there, nothing is freed. Refused, and nothing is dropped, if one of them has lost nothing.
    pub fn forget_lost(&self, named: &BTreeSet<BackupId>) -> Result<Forgotten> {
        let lost: BTreeSet<BackupId> = self.lost()?.into_iter().map(|taken| taken.backup).collect();
        if let Some(id) = named.difference(&lost).next() {
            return Err(BackupError::NotLost { folder: self.folder().to_owned(), id: *id });
        }
        let options = PruneOptions::default().keep_delete(Span::new().hours(READER_HOURS));
        self.forget_those(|all| part_from(all, named), &options)
    }

    /// Drops what the retention does not keep, where no reader takes longer than this.
    pub(crate) fn forget_beside_readers(&self, retention: Retention, readers: Span) -> Result<Forgotten> {
        let options = PruneOptions::default().keep_delete(readers);
        self.forget_those(|all| retention.part(all, Scope::Wanted), &options)
    }

    fn forget_those(
        &self,
        part: impl FnOnce(Vec<(Backup, SnapshotFile)>) -> Parting,
        options: &PruneOptions,
    ) -> Result<Forgotten> {
        self.settle(self.part_with(part, options))
    }

    fn part_with(
        &self,
        part: impl FnOnce(Vec<(Backup, SnapshotFile)>) -> Parting,
        options: &PruneOptions,
    ) -> Result<Forgotten> {
        let _writers = Writers::alone(self)?;
        self.store().remove_leftovers()?;
        self.mend()?;
        let mut change = Change::begin(self)?;
        let Parting { kept, dropped, removed, forgotten } = part(self.all_snapshots()?);
        // A lost backup is named until every backup from before it is gone, or a person forgets it.
        let is_past = |entry: &Entry| kept.first().is_some_and(|oldest| entry.order() < oldest.order());
        let is_over = |entry: &Entry| is_past(entry) || forgotten.contains(&entry.backup);
        let lost = change.lost()?.into_iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| id);
        change.remove(&removed.iter().copied().chain(lost).collect::<Vec<_>>())?;

        let (folder, opened) = self.session(View::default())?;
        let failure = |doing, error| library::failure(&folder, doing, error);
        let deleted = opened.delete_snapshots(&removed);
        deleted.map_err(|error| failure("remove backups that are no longer kept", error))?;
        let pruned = self
            .mark_packs_of_future_again(&opened, Timestamp::now())
            .and_then(|()| prune(&opened, options).map_err(|error| failure("remove data that no backup needs", error)));
        match pruned {
            Ok(freed_bytes) => change.finish().map(|()| Forgotten { dropped, freed_bytes }),
            // The library frees nothing while it does not know all that is needed. A check names what lacks.
            Err(error) if self.has_lost().unwrap_or(false) => {
                tracing::warn!(%error, "nothing is freed while data of a backup is lost");
                change.finish().map(|()| Forgotten { dropped, freed_bytes: 0 })
            }
            Err(error) => Err(BackupError::NotFreed { dropped, source: Box::new(error) }),
        }
    }
}

/// Every backup is kept but these.
fn part_from(all: Vec<(Backup, SnapshotFile)>, named: &BTreeSet<BackupId>) -> Parting {
    let removed =
        all.iter().filter(|(backup, _)| named.contains(&backup.id)).map(|(_, snapshot)| snapshot.id).collect();
    let backups = latest_of(all).into_iter().map(|(backup, _)| backup);
    let (dropped, kept) = backups.partition(|backup| named.contains(&backup.id));
    Parting { kept, dropped, removed, forgotten: named.clone() }
}

/// Removes packs that were marked long enough ago, marks those that no snapshot needs, and writes packs again that are
/// mostly unneeded. Returns the bytes removed.
fn prune(opened: &Opened, options: &PruneOptions) -> RusticResult<u64> {
    let plan = opened.prune_plan(options)?;
    let freed_bytes = plan.stats.size_to_delete.remove;
    opened.prune(options, plan)?;
    Ok(freed_bytes)
}

impl Retention {
    fn part(self, all: Vec<(Backup, SnapshotFile)>, scope: Scope) -> Parting {
        let every: Vec<(SnapshotId, BackupId)> =
            all.iter().map(|(backup, snapshot)| (snapshot.id, backup.id)).collect();
        let (backups, counting): (Vec<Backup>, Vec<SnapshotId>) =
            latest_of(all).into_iter().map(|(backup, snapshot)| (backup, snapshot.id)).unzip();
        let all = Backups::of(backups.clone());
        let keep = match scope {
            Scope::Wanted => self.kept(&all),
            Scope::Needed => self.needed(&all),
        };
        let is_removed = |(id, backup): &(SnapshotId, BackupId)| !counting.contains(id) || !keep.contains(backup);
        let removed = every.into_iter().filter(is_removed).map(|(id, _)| id).collect();
        let (kept, dropped) = backups.into_iter().partition(|backup| keep.contains(&backup.id));
        Parting { kept, dropped, removed, forgotten: BTreeSet::new() }
    }

    /// The backups that are kept, of these.
    pub fn kept(self, backups: &Backups) -> BTreeSet<BackupId> {
        let mut kept = self.scheduled(backups);
        if let Some(proven) = backups.full.iter().rfind(|backup| backup.is_proven()).map(Backup::order) {
            let logs = backups.logs.iter().filter(|_| self.log_days > 0);
            kept.extend(backups.full.iter().chain(logs).filter(|backup| backup.order() > proven).map(|later| later.id));
        }
        kept
    }

    /// What is kept by its period, by its version, or for points in time.
    fn scheduled(self, backups: &Backups) -> BTreeSet<BackupId> {
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

    /// The same without unproven backups, unless one is the newest or has log backups that follow it.
    fn needed(self, backups: &Backups) -> BTreeSet<BackupId> {
        let (mut kept, logs) = (self.scheduled(backups), self.logs(backups));
        let newest = backups.full.last().map(|newest| newest.id);
        let is_unneeded =
            |backup: &&Backup| !backup.is_proven() && Some(backup.id) != newest && !logs.contains(&backup.id);
        for backup in backups.full.iter().filter(is_unneeded) {
            kept.remove(&backup.id);
        }
        kept
    }

    /// The log backups that are kept, with the backups that they follow.
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

    /// The newest backup of any kind that was made before the days of which every point in time comes back; none where all are of them.
    fn last_before_days(self, backups: &Backups) -> Option<(Option<u64>, Timestamp, BackupId)> {
        let mut all: Vec<&Backup> = backups.full.iter().chain(&backups.logs).collect();
        all.sort_by_key(|backup| backup.order());
        let days = SignedDuration::from_hours(24 * i64::from(self.log_days));
        let mut past = SignedDuration::ZERO;
        for pair in all.windows(2).rev() {
            past += elapsed(pair[0], pair[1]);
            if past >= days {
                return Some(pair[0].order());
            }
        }
        None
    }

    /// The newest of each period, of these, which are sorted oldest first.
    fn of_periods(self, backups: &[&Backup]) -> impl Iterator<Item = BackupId> + use<> {
        let Self { hourly, daily, weekly, monthly, .. } = self;
        let periods: [(u16, Period); 4] = [(hourly, hour), (daily, day), (weekly, week), (monthly, month)];
        let newest: Vec<BackupId> =
            periods.into_iter().flat_map(|(count, period)| newest_of_each(backups, count, period)).collect();
        newest.into_iter()
    }
}

/// How much time passed between two backups that were made one after the other, by clocks that may have been wrong: none where the
/// clock was set back, and an hour where more than a day seems to lie between them, since it was set forward then, or the site was off.
/// So no clock shortens the days of which points in time come back by more than one for each time that it is set.
fn elapsed(earlier: &Backup, later: &Backup) -> SignedDuration {
    let found = later.time.duration_since(earlier.time).max(SignedDuration::ZERO);
    if found > SignedDuration::from_hours(24) { SignedDuration::from_hours(1) } else { found }
}

/// The newest of each of the last periods, and the oldest of all where there are fewer periods.
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

/// Weeks begin on Monday; 1970 began on a Thursday.
fn week(time: Timestamp) -> i64 {
    (day(time) + 3).div_euclid(7)
}

fn month(time: Timestamp) -> i64 {
    let date = time.to_zoned(TimeZone::UTC);
    12 * i64::from(date.year()) + i64::from(date.month())
}

#[cfg(test)]
mod tests;
