//! The site's record of its usage as JSON lines: first days, oldest first, then the samples of the newest days. Each
//! line names the previous one by its hash.
//!
//! Threats:
//! - a line that was edited or cut out to hide usage (the next line no longer follows, which is recorded permanently);
//! - a torn end, or lines that are no longer text (only they are lost);
//! - a clock that jumps back (no sample is dated before the last one, unless a user has confirmed an earlier date);
//! - a record that grows without end (samples become days, and the oldest days are dropped).
//!
//! Reading never fails: a damaged record still gives all other lines.
//!
//! The form is fixed: hashes cover every field, and an earlier `landfall` may read the record after a rollback. A later
//! form uses another file.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::Sha256;
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::day::{BEGIN, DAYS, Day, hash};

/// Number of days of which each sample is kept.
const DAYS_OF_SAMPLES: i64 = 7;

/// Minimum time between two samples. They are taken hourly, and a user may take one in between.
const PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// Maximum time by which a sample may be earlier than the last one and is simply left out. Trusted time moves back by
/// more than this only if a user has confirmed an earlier date.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The usage of a site at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Time of the sample in whole seconds, by the site's trusted date.
    pub at: Timestamp,
    /// Id of the site's license.
    pub license: String,
    /// Limits of the license.
    pub limits: Counts,
    /// Percentage by which a limit may be exceeded.
    pub overage_percent: u64,
    /// The measured numbers.
    pub counts: Counts,
    /// Entitlements that installed components need.
    pub components: BTreeSet<String>,
    /// The needed entitlements that the license does not include.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lacking: BTreeSet<String>,
}

impl Sample {
    fn day(&self) -> Date {
        TimeZone::UTC.to_datetime(self.at).date()
    }

    /// Returns true if the other sample belongs to the same record of a day.
    fn is_of_same_day(&self, other: &Self) -> bool {
        let terms = |sample: &Self| (sample.day(), sample.limits, sample.overage_percent);
        terms(self) == terms(other) && self.license == other.license
    }
}

/// A sample in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LinkedSample {
    sample: Sample,
    /// True if it did not follow the previous line when the chain was last rebuilt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    broken: bool,
    previous: Sha256,
}

/// A line of the record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Day(Day),
    Sample(LinkedSample),
}

/// The record of usage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageLog {
    days: Vec<Day>,
    /// Samples, with `broken` set if one does not follow the previous line.
    samples: Vec<LinkedSample>,
    /// True if a sample was found not to follow, but its line does not yet state that.
    found: bool,
}

impl UsageLog {
    /// Reads every readable line.
    pub fn read(bytes: &[u8]) -> Self {
        let mut log = Self::default();
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let mut head = None;
        for line in lines {
            match line {
                Line::Day(day) => {
                    head = Some(day.hash());
                    log.days.push(day);
                }
                Line::Sample(linked) => {
                    let next = hash(&linked);
                    let breaks = linked.previous != head.unwrap_or(BEGIN);
                    head = Some(next);
                    log.found |= breaks && !linked.broken;
                    log.samples.push(LinkedSample { broken: linked.broken || breaks, ..linked });
                }
            }
        }
        log
    }

    /// Returns the newest sample of a record without reading the rest.
    pub fn newest_of(bytes: &[u8]) -> Option<Sample> {
        let mut lines = bytes.rsplit(|byte| *byte == b'\n');
        match lines.find_map(|line| serde_json::from_slice::<Line>(line).ok())? {
            Line::Sample(linked) => Some(linked.sample),
            Line::Day(_) => None,
        }
    }

    /// The newest sample.
    pub fn newest(&self) -> Option<&Sample> {
        self.samples.last().map(|linked| &linked.sample)
    }

    /// Adds a sample, and turns old samples into days. Returns true if it was added. A sample is left out if it comes
    /// too soon after the newest one, or is dated less than a day before it.
    pub fn add(&mut self, sample: Sample) -> bool {
        let since = self.newest().map(|newest| sample.at.duration_since(newest.at));
        if since.is_some_and(|since| since < PAUSE && since > -DAY) {
            return false;
        }
        let newest = sample.day();
        self.samples.push(LinkedSample { sample, broken: false, previous: self.head() });
        let open = |day: Date| (0..=DAYS_OF_SAMPLES).contains(&newest.duration_since(day).as_hours().div_euclid(24));
        let mut closed = 0;
        for run in runs(&self.samples) {
            // The last run may still grow.
            let end = closed + run.len();
            if end == self.samples.len() || open(run[0].sample.day()) {
                break;
            }
            self.days.push(next_day(self.days.last(), run));
            closed = end;
        }
        if closed > 0 || self.found {
            self.samples.drain(..closed);
            self.link_samples();
        }
        self.days.drain(..self.days.len().saturating_sub(DAYS));
        true
    }

    /// Every day: those of which only the peaks are kept, and those computed from the samples. The last day may still
    /// be in progress.
    pub fn days(&self) -> Vec<Day> {
        let mut days = self.days.clone();
        for run in runs(&self.samples) {
            let next = next_day(days.last(), run);
            days.push(next);
        }
        days
    }

    /// The stored form of the record: a line for each day and sample.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut write = |line: serde_json::Result<Vec<u8>>| {
            // A tree of strings and integers always has a JSON form.
            bytes.extend(line.unwrap_or_default());
            bytes.push(b'\n');
        };
        self.days.iter().for_each(|day| write(serde_json::to_vec(day)));
        self.samples.iter().for_each(|linked| write(serde_json::to_vec(linked)));
        bytes
    }

    /// Hash of the last line.
    fn head(&self) -> Sha256 {
        let of_days = || self.days.last().map_or(BEGIN, Day::hash);
        self.samples.last().map_or_else(of_days, hash)
    }

    /// Links the samples to one another and to the preceding days. A sample that did not follow when it was read stays
    /// marked.
    fn link_samples(&mut self) {
        let mut head = self.days.last().map_or(BEGIN, Day::hash);
        for linked in &mut self.samples {
            linked.previous = head;
            head = hash(linked);
        }
        self.found = false;
    }
}

/// Groups consecutive samples of the same day and license.
fn runs(samples: &[LinkedSample]) -> impl Iterator<Item = &[LinkedSample]> {
    samples.chunk_by(|one, next| one.sample.is_of_same_day(&next.sample))
}

/// Computes the day of a run of samples that follows another day.
fn next_day(before: Option<&Day>, run: &[LinkedSample]) -> Day {
    let Sample { license, limits, overage_percent, .. } = &run[0].sample;
    let samples = || run.iter().map(|linked| &linked.sample);
    let all = |of: fn(&Sample) -> &BTreeSet<String>| samples().flat_map(of).cloned().collect();
    Day {
        number: before.map_or(1, |day| day.number.saturating_add(1)),
        day: run[0].sample.day(),
        license: license.clone(),
        limits: *limits,
        overage_percent: *overage_percent,
        peaks: samples().fold(Counts::default(), |peak, sample| peak.peak(sample.counts)),
        components: all(|sample| &sample.components),
        lacking: all(|sample| &sample.lacking),
        samples: run.len() as u64,
        breaks: run.iter().filter(|linked| linked.broken).count() as u64,
        previous: before.map_or(BEGIN, Day::hash),
    }
}
