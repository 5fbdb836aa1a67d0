//! Reach of a stream's log backups. Pure.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use landfall_backup::{Backup, BackupId};
use landfall_documents::backups::{PointsInTime, ProvenPoints};

use super::{AFTER, IdleLog, LINK, STREAM, SavedStream};

/// Log backups that follow a backup of a stream without a gap, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Chain<'a> {
    logs: Vec<&'a Backup>,
    /// Time until which nothing was logged after the last of them, if known.
    idle: Option<Timestamp>,
}

/// Log backups by stream and by the link that they follow, in the order in which they were made.
pub struct LogIndex<'a> {
    following: HashMap<&'a str, HashMap<&'a str, Vec<&'a Backup>>>,
    idle: Vec<IdleLog>,
}

impl<'a> LogIndex<'a> {
    /// Indexes log backups.
    pub fn of(logs: &'a [Backup]) -> Self {
        let mut found: HashMap<&str, HashMap<&str, Vec<&Backup>>> = HashMap::new();
        for log in logs {
            found.entry(fact(log, STREAM)).or_default().entry(fact(log, AFTER)).or_default().push(log);
        }
        Self { following: found, idle: Vec::new() }
    }

    /// Adds times until which nothing was logged after these links.
    #[must_use]
    pub fn with_idle(self, idle: Vec<IdleLog>) -> Self {
        Self { idle, ..self }
    }

    fn following(&self, stream: &str, link: &str) -> &[&'a Backup] {
        let following = self.following.get(stream).and_then(|links| links.get(link));
        following.map(Vec::as_slice).unwrap_or_default()
    }

    fn idle(&self, stream: &str, link: &str) -> Option<Timestamp> {
        self.idle
            .iter()
            .find(|idle| (idle.stream.as_str(), idle.link.as_str()) == (stream, link))
            .map(|idle| idle.until)
    }
}

/// A span of points in time of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    stream: String,
    from: Timestamp,
    until: Timestamp,
}

impl Span {
    /// Returns the first and last full second of the span.
    fn ends(&self) -> (String, String) {
        (format!("{:.0}", up_to_second(self.from)), format!("{:.0}", self.until))
    }
}

fn fact<'a>(backup: &'a Backup, key: &str) -> &'a str {
    backup.facts.get(key).map(String::as_str).unwrap_or_default()
}

impl<'a> Chain<'a> {
    /// Returns the log backups that follow this stream of a backup. If a power cut prevented the record of a log
    /// backup, two follow the same one, and the later contains the earlier.
    pub fn of(saved: &SavedStream, logs: &LogIndex<'a>) -> Self {
        let (name, Some(begin)) = (saved.name(), &saved.link) else { return Self::default() };
        let (mut chain, mut known, mut link) = (Vec::new(), HashSet::new(), begin.as_str());
        loop {
            let following = logs.following(&name, link);
            let continues = |log: &&&Backup| !logs.following(&name, fact(log, LINK)).is_empty();
            let next = following.iter().rev().find(continues).or(following.last());
            // Each link is followed once, because forged links must not form a cycle.
            match next {
                Some(log) if known.insert(log.id) => {
                    link = fact(log, LINK);
                    chain.push(*log);
                }
                _ => return Self { logs: chain, idle: logs.idle(&name, link) },
            }
        }
    }

    /// Returns the last time that the chain reaches, if any.
    pub fn until(&self) -> Option<Timestamp> {
        self.logs.iter().map(|log| log.time).chain(self.idle).max()
    }

    /// Returns all IDs, oldest first.
    pub(crate) fn ids(&self) -> Vec<BackupId> {
        self.logs.iter().map(|log| log.id).collect()
    }

    /// Returns the IDs up to the log backup with this link, oldest first; `None` if the chain does not have it.
    pub(crate) fn up_to_link(&self, link: &str) -> Option<Vec<BackupId>> {
        let last = self.logs.iter().position(|log| fact(log, LINK) == link)?;
        Some(self.logs[..=last].iter().map(|log| log.id).collect())
    }

    /// Returns the last time to which a drill has recovered by this chain, if any.
    fn proven_until(&self) -> Option<Timestamp> {
        let newest = self.logs.iter().rposition(|log| log.proof.is_some())?;
        self.logs[..=newest].iter().map(|log| log.time).max()
    }

    /// Returns the log backups that lead to a time: the last of them contains everything until then. `None` if the time
    /// is too late.
    pub fn to(&self, at: Timestamp) -> Option<&[&'a Backup]> {
        match self.logs.iter().position(|log| log.time >= at) {
            Some(last) => Some(&self.logs[..=last]),
            None => self.idle.filter(|until| *until >= at).map(|_| self.logs.as_slice()),
        }
    }
}

/// Rounds a time up to a full second.
fn up_to_second(time: Timestamp) -> Timestamp {
    let rest = time.subsec_nanosecond();
    if rest == 0 { time } else { Timestamp::from_second(time.as_second() + 1).unwrap_or(time) }
}

/// Adds a time span, which may continue the stream's previous one. Empty spans are skipped.
fn add(spans: &mut Vec<Span>, new: Span) {
    if new.until <= new.from {
        return;
    }
    match spans.iter_mut().rev().find(|span| span.stream == new.stream) {
        Some(span) if new.from <= span.until => span.until = span.until.max(new.until),
        _ => spans.push(new),
    }
}

/// Returns the points in time of these full backups, each with its streams, by the time labels of backups and logs.
pub fn points_in_time(backups: &[(&Backup, Vec<SavedStream>)], logs: &LogIndex<'_>) -> Vec<PointsInTime> {
    let (mut spans, mut proven) = (Vec::new(), Vec::new());
    let begin = |backup: &Backup| backup.ended.unwrap_or(backup.time);
    let mut backups: Vec<&(&Backup, Vec<SavedStream>)> = backups.iter().collect();
    backups.sort_by_key(|(backup, _)| begin(backup));
    for (backup, streams) in backups {
        for saved in streams {
            let (from, chain) = (begin(backup), Chain::of(saved, logs));
            let span = |until: Option<Timestamp>| Span { stream: saved.name(), from, until: until.unwrap_or(from) };
            add(&mut spans, span(chain.until()));
            add(&mut proven, span(chain.proven_until()));
        }
    }
    spans.iter().map(|span| points_of(span, &proven)).collect()
}

fn points_of(span: &Span, proven: &[Span]) -> PointsInTime {
    let is_part = |part: &&Span| part.stream == span.stream && span.from <= part.from && part.until <= span.until;
    let proven = proven.iter().rev().find(is_part).map(|part| {
        let (from, until) = part.ends();
        ProvenPoints { from, until }
    });
    let (from, until) = span.ends();
    PointsInTime { stream: span.stream.clone(), from, until, proven }
}

#[cfg(test)]
mod tests {

    use landfall_backup::BackupKind;
    use serde_json::json;

    use super::*;
    use crate::testing::{log, minute as time};

    fn sample_stream(link: Option<&str>) -> SavedStream {
        serde_json::from_value(json!({
            "component": "db", "namespace": "db", "readySeconds": 60, "workload": {}, "link": link,
            "rule": {"name": "rows", "workload": {"kind": "StatefulSet", "name": "db"}, "volume": "data",
                "limit_seconds": 60, "save": ["a"], "load": ["b"]},
        }))
        .unwrap()
    }

    fn minutes(logs: &[&Backup]) -> Vec<i64> {
        logs.iter().map(|log| log.time.as_second() / 60).collect()
    }

    #[test]
    fn chain_reaches_every_covered_time() {
        let logs = [log(5, "a", "b"), log(10, "b", "c"), log(15, "c", "d")];
        let chain = Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs));
        assert_eq!(chain.until(), Some(time(15)));
        assert_eq!(minutes(chain.to(time(4)).unwrap()), [5]);
        assert_eq!(minutes(chain.to(time(10)).unwrap()), [5, 10]);
        assert_eq!(minutes(chain.to(time(11)).unwrap()), [5, 10, 15]);
        assert!(chain.to(time(16)).is_none());
        assert!(Chain::of(&sample_stream(Some("c")), &LogIndex::of(&logs)).to(time(15)).is_some());
        assert!(Chain::of(&sample_stream(None), &LogIndex::of(&logs)).until().is_none());
    }

    #[test]
    fn chain_ends_at_requested_link() {
        let logs = [log(5, "a", "b"), log(10, "b", "c"), log(15, "c", "d")];
        let index = LogIndex::of(&logs);
        let chain = Chain::of(&sample_stream(Some("a")), &index);
        assert_eq!(chain.up_to_link("c"), Some(vec![logs[0].id, logs[1].id]));
        assert_eq!(chain.up_to_link("a"), None, "no log backup has the link of the base");
    }

    #[test]
    fn lost_log_backup_ends_chain() {
        let logs = [log(5, "a", "b"), log(15, "c", "d")];
        assert_eq!(Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs)).until(), Some(time(5)));
        // The clock went back, but the chain did not.
        let logs = [log(2, "b", "c"), log(5, "a", "b"), log(20, "c", "d")];
        assert_eq!(
            minutes(Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs)).to(time(6)).unwrap()),
            [5, 2, 20]
        );
    }

    #[test]
    fn chain_prefers_noted_successor() {
        let logs = [log(5, "a", "lost"), log(6, "a", "b"), log(10, "b", "c")];
        assert_eq!(minutes(Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs)).to(time(10)).unwrap()), [6, 10]);
        // The later one was not recorded either.
        assert_eq!(minutes(Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs[..2])).to(time(5)).unwrap()), [6]);
    }

    #[test]
    fn long_chain_is_found_quickly() {
        let logs: Vec<Backup> =
            (0..20_000).map(|minute| log(minute, &minute.to_string(), &(minute + 1).to_string())).collect();
        let begun = std::time::Instant::now();
        let chain = Chain::of(&sample_stream(Some("0")), &LogIndex::of(&logs));
        assert_eq!(chain.ids().len(), logs.len());
        assert!(begun.elapsed() < std::time::Duration::from_secs(3), "{:?}", begun.elapsed());
    }

    #[test]
    fn idle_log_extends_chain() {
        let logs = [log(5, "a", "b")];
        let idle = |link: &str, minute: i64| {
            vec![IdleLog { stream: "db/rows".to_owned(), link: link.to_owned(), until: time(minute) }]
        };
        let after_log = LogIndex::of(&logs).with_idle(idle("b", 30));
        let chain = Chain::of(&sample_stream(Some("a")), &after_log);
        assert_eq!(chain.until(), Some(time(30)));
        assert_eq!(minutes(chain.to(time(4)).unwrap()), [5]);
        assert_eq!(minutes(chain.to(time(30)).unwrap()), [5]);
        assert!(chain.to(time(31)).is_none());
        let after_backup = LogIndex::of(&[]).with_idle(idle("a", 30));
        let chain = Chain::of(&sample_stream(Some("a")), &after_backup);
        assert_eq!((chain.until(), chain.to(time(30)).map(<[_]>::len)), (Some(time(30)), Some(0)));
        // The idle time belongs to another end of the log.
        let elsewhere = LogIndex::of(&logs).with_idle(idle("a", 30));
        assert_eq!(Chain::of(&sample_stream(Some("a")), &elsewhere).until(), Some(time(5)));
    }

    #[test]
    fn circular_links_end() {
        let logs = [log(5, "a", "b"), log(6, "b", "a")];
        assert_eq!(Chain::of(&sample_stream(Some("a")), &LogIndex::of(&logs)).until(), Some(time(6)));
    }

    #[test]
    fn points_are_proven_up_to_drill() {
        let proof = || Some(landfall_backup::Proof { time: time(50), report: String::new() });
        let mut logs = [log(5, "a", "b"), log(10, "b", "c"), log(15, "c", "d"), log(20, "d", "e")];
        let full = |minute: i64| Backup { ended: Some(time(minute)), kind: BackupKind::Full, ..log(minute, "", "") };
        let backups = [full(1), full(12)];
        let proven = |logs: &[Backup]| {
            let with = |index: usize, link: &str| (&backups[index], vec![sample_stream(Some(link))]);
            let [points] = &points_in_time(&[with(0, "a"), with(1, "c")], &LogIndex::of(logs))[..] else {
                panic!("one span")
            };
            assert_eq!((points.from.as_str(), points.until.as_str()), ("1970-01-01T00:01:00Z", "1970-01-01T00:20:00Z"));
            points.proven.as_ref().map(|part| (part.from[11..16].to_owned(), part.until[11..16].to_owned()))
        };
        let part = |from: &str, until: &str| Some((from.to_owned(), until.to_owned()));
        assert_eq!(proven(&logs), None);
        logs[1].proof = proof();
        assert_eq!(proven(&logs), part("00:01", "00:10"));
        logs[2].proof = proof();
        assert_eq!(proven(&logs), part("00:01", "00:15"), "the second night continues the first one");
    }

    #[test]
    fn overlapping_spans_merge() {
        let logs = [log(5, "a", "b"), log(10, "b", "c"), log(35, "x", "y")];
        let full = |minute: i64| Backup { ended: Some(time(minute)), kind: BackupKind::Full, ..log(minute, "", "") };
        let backups = [full(1), full(7), full(30)];
        let with = |index: usize, link: &str| (&backups[index], vec![sample_stream(Some(link))]);
        let points = points_in_time(&[with(0, "a"), with(1, "b"), with(2, "x")], &LogIndex::of(&logs));
        let spans: Vec<_> = points.iter().map(|span| (span.from.as_str(), span.until.as_str())).collect();
        assert_eq!(
            spans,
            [("1970-01-01T00:01:00Z", "1970-01-01T00:10:00Z"), ("1970-01-01T00:30:00Z", "1970-01-01T00:35:00Z")]
        );
    }
}
