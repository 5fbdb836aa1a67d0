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
mod tests {
    use std::collections::BTreeMap;

    use rustic_core::Id;

    use super::*;
    use crate::backup::{BackupKind, Proof};

    fn backups(times: &[&str], proven: &[usize]) -> Vec<Backup> {
        let one = |(index, time): (usize, &&str)| Backup {
            id: BackupId::of(Id::new([u8::try_from(index).unwrap(); 32])),
            kind: BackupKind::Full,
            sequence: None,
            time: time.parse().unwrap(),
            ended: None,
            facts: BTreeMap::new(),
            streams: Vec::new(),
            proof: proven.contains(&index).then(|| Proof { time: Timestamp::UNIX_EPOCH, report: String::new() }),
            disproof: None,
        };
        times.iter().enumerate().map(one).collect()
    }

    fn kept(retention: Retention, times: &[&str], proven: &[usize]) -> Vec<usize> {
        let backups = Backups { full: backups(times, proven), logs: Vec::new() };
        let kept = retention.kept(&backups);
        (0..times.len()).filter(|index| kept.contains(&backups.full[*index].id)).collect()
    }

    /// Keeps only what is always kept.
    const NONE: Retention = Retention { hourly: 0, daily: 0, weekly: 0, monthly: 0, log_days: 0 };

    /// Two months: several in one hour, in one day, in one week.
    const TIMES: [&str; 8] = [
        "2026-10-05T12:00:00Z",
        "2026-10-30T12:00:00Z",
        "2026-11-16T12:00:00Z",
        "2026-11-17T12:00:00Z",
        "2026-11-20T23:00:00Z",
        "2026-11-21T10:00:00Z",
        "2026-11-21T11:05:00Z",
        "2026-11-21T11:55:00Z",
    ];

    #[test]
    fn the_newest_of_each_hour_day_week_and_month_is_kept() {
        let table = [
            (NONE, vec![7]),
            (Retention { hourly: 2, ..NONE }, vec![5, 7]),
            (Retention { hourly: 3, ..NONE }, vec![4, 5, 7]),
            (Retention { daily: 1, ..NONE }, vec![7]),
            (Retention { daily: 3, ..NONE }, vec![3, 4, 7]),
            (Retention { weekly: 2, ..NONE }, vec![1, 7]),
            (Retention { monthly: 2, ..NONE }, vec![1, 7]),
            (Retention { hourly: 2, daily: 2, weekly: 3, monthly: 1, log_days: 7 }, vec![0, 1, 4, 5, 7]),
            (Retention::default(), vec![0, 1, 2, 3, 4, 7]),
        ];
        for (retention, expected) in table {
            assert_eq!(kept(retention, &TIMES, &[]), expected, "{retention:?}");
        }
        assert_eq!(kept(Retention::default(), &[], &[]), Vec::<usize>::new());
    }

    #[test]
    fn thirty_days_are_kept_by_default() {
        let day = |index: i64| (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * index)).to_string();
        let days: Vec<String> = (0..40).map(day).collect();
        let days: Vec<&str> = days.iter().map(String::as_str).collect();
        assert_eq!(kept(Retention::default(), &days, &[]), (10..40).collect::<Vec<_>>());
    }

    #[test]
    fn an_upgrades_backup_outlives_the_next_night_of_the_same_day() {
        let times = ["2026-11-21T02:00:00Z", "2026-11-22T18:00:00Z", "2026-11-22T23:30:00Z"];
        let mut full = backups(&times, &[0, 1, 2]);
        for (backup, version) in full.iter_mut().zip(["1.0.0", "1.0.0", "1.1.0"]) {
            backup.facts.insert(VERSION.to_owned(), version.to_owned());
        }
        let ids: Vec<_> = full.iter().map(|backup| backup.id).collect();
        let kept = Retention { daily: 1, ..NONE }.kept(&Backups { full, logs: Vec::new() });
        assert_eq!(kept.into_iter().collect::<Vec<_>>(), ids[1..]);
    }

    #[test]
    fn an_unproven_backup_does_not_displace_the_proven_one_of_its_day() {
        let times = ["2026-11-20T02:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z"];
        assert_eq!(kept(Retention { daily: 9, ..NONE }, &times, &[0, 2]), [0, 1, 2]);
    }

    #[test]
    fn backup_that_lacks_a_stream_displaces_no_whole_one() {
        let times = ["2026-11-20T02:00:00Z", "2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"];
        let mut full = backups(&times, &[0, 1, 2, 3]);
        let lacking = crate::lacking_facts(["web/files"].into_iter());
        for index in [1, 2] {
            full[index].facts = lacking.clone();
        }
        assert_eq!(full[1].lacking().collect::<Vec<_>>(), ["web/files"]);
        let kept = |full: &[Backup]| {
            let kept = Retention { daily: 3, ..NONE }.kept(&Backups { full: full.to_vec(), logs: Vec::new() });
            (0..full.len()).filter(|index| kept.contains(&full[*index].id)).collect::<Vec<_>>()
        };
        assert_eq!(kept(&full[..3]), [0, 1, 2], "the newest proven one, and everything after it");
        assert_eq!(kept(&full), [0, 3], "all of it is in a later one");
    }

    #[test]
    fn the_newest_proven_backup_is_kept_whatever_its_age() {
        assert_eq!(kept(NONE, &TIMES, &[0, 2]), [2, 3, 4, 5, 6, 7], "with everything later");
        assert_eq!(kept(Retention { daily: 2, ..NONE }, &TIMES, &[0]), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(kept(NONE, &TIMES, &[0, 6]), [6, 7]);
        assert_eq!(kept(NONE, &TIMES, &[7]), [7]);
    }

    /// A full backup each night at 02:00 from the 10th to the 20th, and a log backup at noon of each day.
    fn nights() -> Backups {
        let times = |hour: u8| (10..=20).map(|day| format!("2026-11-{day}T{hour:02}:00:00Z")).collect::<Vec<_>>();
        let as_str = |times: &[String]| backups(&times.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        let (full, mut logs) = (as_str(&times(2)), as_str(&times(12)));
        for (index, log) in logs.iter_mut().enumerate() {
            log.id = BackupId::of(Id::new([100 + u8::try_from(index).unwrap(); 32]));
            log.kind = BackupKind::Log;
        }
        Backups { full, logs }
    }

    fn kept_days(retention: Retention, backups: &Backups) -> (Vec<i8>, Vec<i8>) {
        let kept = retention.kept(backups);
        let days = |of: &[Backup]| {
            let kept = of.iter().filter(|backup| kept.contains(&backup.id));
            kept.map(|backup| backup.time.to_zoned(TimeZone::UTC).day()).collect()
        };
        (days(&backups.full), days(&backups.logs))
    }

    #[test]
    fn every_point_in_time_of_the_days_comes_back() {
        let nights = nights();
        let two = Retention { daily: 1, log_days: 2, ..NONE };
        // From noon of the 18th on: the backup of that night, and all that follows it.
        assert_eq!(kept_days(two, &nights), (vec![18, 20], vec![17, 18, 19, 20]));
        assert_eq!(kept_days(Retention { log_days: 0, ..two }, &nights), (vec![20], vec![]));
        // A log began again in the evening of the 19th, and another one an hour later.
        let mut again = nights.clone();
        for (hour, id) in [(20, 51), (21, 52)] {
            let mut begun = backups(&[&format!("2026-11-19T{hour}:00:00Z")], &[]).remove(0);
            begun.id = BackupId::of(Id::new([id; 32]));
            begun.facts.insert(BEGINS_LOG.to_owned(), "yes".to_owned());
            again.full.insert(again.full.len() - 1, begun);
        }
        assert_eq!(kept_days(two, &again).0, [18, 19, 19, 20]);
        let all = Retention { daily: 1, log_days: 400, ..NONE };
        assert_eq!(kept_days(all, &nights), (vec![20], (10..=20).collect()));
    }

    #[test]
    fn a_clock_that_is_wrong_drops_no_log_backup() {
        let two = Retention { daily: 9, log_days: 2, ..NONE };
        let right = kept_days(two, &nights()).1;
        for wrong in ["2036-01-01T02:00:00Z", "2020-01-01T02:00:00Z"] {
            let mut all = nights();
            let [backup] = &backups(&[wrong], &[])[..] else { panic!("one") };
            all.full.push(Backup { id: BackupId::of(Id::new([99; 32])), sequence: Some(1), ..backup.clone() });
            let (_, logs) = kept_days(two, &all);
            assert!(right.iter().all(|day| logs.contains(day)), "{wrong}: {logs:?}");
        }
    }

    /// Backups in this order, each with its sequence number.
    fn sequence(times: &[&str], proven: &[usize]) -> Backups {
        let numbered = backups(times, proven).into_iter().zip(1..);
        Backups::of(numbered.map(|(backup, number)| Backup { sequence: Some(number), ..backup }).collect())
    }

    #[test]
    fn backup_just_made_survives_a_dead_clock() {
        let nights: Vec<String> = (0..31).map(|day| format!("2026-10-{:02}T02:00:00Z", day + 1)).collect();
        let mut times: Vec<&str> = nights.iter().map(String::as_str).collect();
        times.push("2020-01-01T00:03:00Z");
        let all = sequence(&times, &(0..31).collect::<Vec<_>>());
        let kept = Retention::default().kept(&all);
        assert!(kept.contains(&all.full[31].id), "the newest");
        assert_eq!(kept.len(), 31);
    }

    #[test]
    fn nights_after_a_clock_that_was_ahead_are_kept() {
        let times = [
            "2026-12-20T02:00:00Z",
            "2026-12-21T02:00:00Z",
            "2026-12-22T02:00:00Z",
            "2026-11-23T02:00:00Z",
            "2026-11-24T02:00:00Z",
        ];
        let all = sequence(&times, &[0, 1, 2, 3, 4]);
        let kept = Retention { daily: 3, ..NONE }.kept(&all);
        let expected: BTreeSet<BackupId> = all.full[2..].iter().map(|backup| backup.id).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn clock_that_is_reset_each_night_ends_no_days() {
        let all = sequence(&["2020-01-01T02:15:09Z", "2020-01-01T02:15:07Z", "2020-01-01T02:15:03Z"], &[0, 1, 2]);
        assert_eq!(Retention { daily: 7, ..NONE }.kept(&all).len(), 3);
    }
}
