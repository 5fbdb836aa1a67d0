//! A cut across components: one time as of which the data of several streams is restored.
//!
//! Streams with a log are saved earlier, and recover to that time by the part of their log in the backup. For the
//! others, the writers are held. The time is taken while all of them are held, and each is released when its data is
//! captured. Everything that led to data in the cut is therefore in the cut as well.
//!
//! A failed cut does not fail the backup: each stream is then as good as one that was saved alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::time::Instant;

use jiff::Timestamp;
use landfall_backup::{Backup, BackupId, StreamName, needed_log_facts};
use landfall_documents::backups::{BackupCut, CutStream};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_media::progress::{Event, Progress};
use landfall_release_document::{BackupHold, HoldUntil};

use super::cluster::name as stream_name;
use super::counts::{BegunCount, Counts};
use super::rule_pod::RulePrograms;
use super::singly::FailedStreams;
use super::source::PodStream;

/// Fact with the time of a cut.
const CUT: &str = "cut";

/// Prefix of the numbered facts that name a cut's streams: `cut-1=postgres/database`. Milliseconds follow if writers
/// were held.
const CUT_STREAM: &str = "cut-";

/// Returns the cut of a backup, if it has one.
pub fn cut_of(backup: &Backup) -> Option<BackupCut> {
    let time = backup.facts.get(CUT)?.clone();
    let facts = backup.facts.iter().filter_map(|(key, value)| {
        let number: usize = key.strip_prefix(CUT_STREAM)?.parse().ok()?;
        let (name, held) = value.split_once(' ').map_or((value.as_str(), None), |(name, held)| (name, Some(held)));
        Some((number, CutStream { name: name.to_owned(), held_milliseconds: held.and_then(|held| held.parse().ok()) }))
    });
    let streams: BTreeMap<usize, CutStream> = facts.collect();
    Some(BackupCut { time, streams: streams.into_values().collect() })
}

/// Returns the backup's stream with the part of a log that leads to its cut.
pub(crate) fn log_part(stream: &str) -> Result<StreamName, StepError> {
    stream_name(&format!("LANDFALL/logs/{stream}"))
}

/// A stream whose writers can be held.
pub(super) struct HoldableStream<'a> {
    pub(super) pod: &'a dyn RulePrograms,
    pub(super) hold: &'a BackupHold,
    pub(super) source: PodStream<'a>,
}

/// A stream whose data is counted as of the cut.
pub(super) struct CountedStream<'a> {
    pub(super) pod: &'a dyn RulePrograms,
    /// Counting program, with its arguments.
    pub(super) program: &'a [String],
    /// True if its writers are held; otherwise its log leads to the time.
    pub(super) is_held: bool,
}

/// State of a count.
struct CountState<'a> {
    of: CountedStream<'a>,
    /// Running count of a stream with a log.
    begun: Option<BegunCount>,
    counts: Option<Counts>,
}

/// State of a held stream.
struct HoldState<'a> {
    held: HoldableStream<'a>,
    /// Start of its hold, until the hold ends.
    begun: Option<Instant>,
    milliseconds: u64,
    /// Failure that was found before the stream is read.
    failure: Option<io::Error>,
}

impl HoldState<'_> {
    /// Returns the remaining seconds of its hold; `None` before and after it.
    fn left_seconds(&self) -> Option<u64> {
        Some(self.held.hold.limit_seconds.saturating_sub(self.begun?.elapsed().as_secs()))
    }
}

/// A cut in progress, made while the streams of a backup are read.
pub(super) struct MakingCut<'a> {
    state: RefCell<State<'a>>,
}

struct State<'a> {
    held: Vec<HoldState<'a>>,
    counted: Vec<CountState<'a>>,
    /// Streams whose log leads to the time.
    logged: Vec<String>,
    /// Log backups that the parts of logs follow, each with its stream, oldest first.
    needed_logs: Vec<(String, BackupId)>,
    /// Streams that the backup lacks: the cut covers the others.
    failed: &'a FailedStreams,
    time: Option<Timestamp>,
    /// True if the cut failed, which was reported.
    is_void: bool,
    progress: &'a dyn Progress,
}

impl<'a> MakingCut<'a> {
    /// Creates a cut of these streams, which are read last and in this order, followed by the parts of these logs.
    pub(super) fn new(
        held: Vec<HoldableStream<'a>>,
        logged: Vec<String>,
        failed: &'a FailedStreams,
        progress: &'a dyn Progress,
    ) -> Self {
        let held =
            held.into_iter().map(|held| HoldState { held, begun: None, milliseconds: 0, failure: None }).collect();
        let (counted, needed_logs) = (Vec::new(), Vec::new());
        let state = State { held, counted, logged, needed_logs, failed, time: None, is_void: false, progress };
        Self { state: RefCell::new(state) }
    }

    /// Adds counting of these streams' data.
    pub(super) fn counting(mut self, counted: Vec<CountedStream<'a>>) -> Self {
        let counting = |of| CountState { of, begun: None, counts: None };
        self.state.get_mut().counted = counted.into_iter().map(counting).collect();
        self
    }

    /// Returns true if anything is counted.
    pub(super) fn has_counts(&self) -> bool {
        !self.state.borrow().counted.is_empty()
    }

    /// Returns the stream of the counts, which follows all others.
    pub(super) fn counts_stream(&self) -> CountsStream<'_, 'a> {
        CountsStream { cut: self, text: None }
    }

    /// Returns the streams whose writers are held.
    pub(super) fn held_streams(&self) -> Vec<HeldStream<'_, 'a>> {
        (0..self.state.borrow().held.len()).map(|index| HeldStream { cut: self, index }).collect()
    }

    /// Returns the part of a stream's log that leads to the cut's time: the output of this program.
    pub(super) fn log_stream<'c>(
        &'c self,
        stream: &str,
        open: impl Fn() -> Result<OpenLog, StepError> + 'c,
    ) -> LogPart<'c, 'a> {
        LogPart { cut: self, stream: stream.to_owned(), open: Box::new(open), opened: None, has_ended: false }
    }

    /// Returns the facts for the backup; empty if the cut failed.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let state = self.state.borrow();
        let Some(time) = state.time.filter(|_| !state.is_void) else { return BTreeMap::new() };
        let is_there = |stream: &str| !state.failed.has(stream);
        let held = state.held.iter().filter(|holding| is_there(holding.held.pod.stream()));
        let held = held.map(|holding| format!("{} {}", holding.held.pod.stream(), holding.milliseconds));
        let streams = state.logged.iter().filter(|stream| is_there(stream)).cloned().chain(held);
        let numbered = streams.enumerate().map(|(index, stream)| (format!("{CUT_STREAM}{}", index + 1), stream));
        let needed = state.needed_logs.iter().filter(|(stream, _)| is_there(stream));
        let needed = needed_log_facts(needed.map(|(stream, id)| (stream.as_str(), *id)));
        numbered.chain([(CUT.to_owned(), time.to_string())]).chain(needed).collect()
    }
}

impl State<'_> {
    /// Takes the time once, while all writers are held, if there are any. A stream that cannot be marked or read is not
    /// held, and its own reader reports it.
    fn begin(&mut self) {
        if self.time.is_some() {
            return;
        }
        // No marker can be written while writers are held.
        for holding in &mut self.held {
            holding.failure = holding.held.source.mark().err().map(io::Error::other);
        }
        self.hold_all();
        let begun = self.begin_counts_of_logs();
        self.time = Some(begun.unwrap_or_else(now));
        self.count_held();
        let first_byte = |holding: &HoldState<'_>| holding.held.hold.until == HoldUntil::FirstByte;
        for index in 0..self.held.len() {
            if first_byte(&self.held[index]) && self.held[index].failure.is_none() {
                let read = self.held[index].held.source.read_ahead();
                self.let_go(index);
                self.held[index].failure = read.err();
            }
        }
    }

    fn hold_all(&mut self) {
        for index in 0..self.held.len() {
            let HoldState { held: HoldableStream { pod, hold, .. }, begun, failure, .. } = &mut self.held[index];
            if failure.is_some() {
                continue;
            }
            *begun = Some(Instant::now());
            if let Err(error) = pod.run(&hold.begin(), hold.limit_seconds) {
                let text = format!("writers of {} cannot be held: {}", pod.stream(), with_causes(&error));
                self.fail(&text);
                (0..=index).for_each(|index| self.let_go(index));
                return;
            }
        }
    }

    /// Starts the counts of streams whose log leads to the time. Returns the first time at which all their numbers are
    /// true; `None` if there are none.
    fn begin_counts_of_logs(&mut self) -> Option<Timestamp> {
        if self.is_void {
            return None;
        }
        // All of them start before the first wait, because each states its numbers for one moment.
        let failed = self.failed;
        let is_wanted = |counting: &&mut CountState<'_>| !counting.of.is_held && !failed.has(counting.of.pod.stream());
        let of_logs = self.counted.iter_mut().filter(is_wanted);
        let opened: Vec<_> =
            of_logs.map(|counting| (counting.of.pod.open(counting.of.program, None), counting)).collect();
        let mut failures = Vec::new();
        for (opened, counting) in opened {
            match opened.map_err(io::Error::other).and_then(BegunCount::begin) {
                Ok(begun) => counting.begun = Some(begun),
                Err(error) => failures.push((counting.of.pod.stream().to_owned(), error)),
            }
        }
        self.note_not_counted(&failures);
        self.counted.iter().filter_map(|counting| counting.begun.as_ref()).map(|begun| begun.from).max()
    }

    /// Counts held data during the hold. A hanging count may take half of the shortest hold's remaining time, so it
    /// does not lose the cut.
    fn count_held(&mut self) {
        if self.is_void {
            return;
        }
        let mut failures = Vec::new();
        for counting in self.counted.iter_mut().filter(|counting| counting.of.is_held) {
            let CountedStream { pod, program, .. } = counting.of;
            let limit = self.held.iter().filter_map(HoldState::left_seconds).min().map(|left| (left / 2).max(1));
            match pod.open(program, limit).map_err(io::Error::other).and_then(Counts::read) {
                Ok(counts) => counting.counts = Some(counts),
                Err(error) => failures.push((pod.stream().to_owned(), error)),
            }
        }
        self.note_not_counted(&failures);
    }

    /// Returns all counts by stream, after all programs have ended; empty without a cut.
    fn counts(&mut self) -> BTreeMap<String, Counts> {
        let Some(time) = self.time.filter(|_| !self.is_void) else { return BTreeMap::new() };
        let mut failures = Vec::new();
        for counting in &mut self.counted {
            match counting.begun.take().map(|begun| begun.end(time)) {
                None => {}
                Some(Ok(counts)) => counting.counts = Some(counts),
                Some(Err(error)) => failures.push((counting.of.pod.stream().to_owned(), error)),
            }
        }
        self.note_not_counted(&failures);
        let counted = self.counted.iter();
        counted.filter_map(|one| Some((one.of.pod.stream().to_owned(), one.counts.clone()?))).collect()
    }

    /// Reports streams that were not counted. The backup does not fail; a drill then compares nothing.
    fn note_not_counted(&self, failures: &[(String, io::Error)]) {
        for (stream, error) in failures {
            let text = format!("the data of {stream} is not counted: {}", with_causes(error));
            self.progress.event(Event::Note(text));
        }
    }

    /// Ends a hold that has begun.
    fn let_go(&mut self, index: usize) {
        let HoldState { held: HoldableStream { pod, hold, .. }, begun, milliseconds, .. } = &mut self.held[index];
        let Some(begun) = begun.take() else { return };
        let is_late = begun.elapsed().as_secs() >= hold.limit_seconds;
        let ended = pod.run(&hold.end, hold.limit_seconds);
        *milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (stream, limit) = (pod.stream().to_owned(), hold.limit_seconds);
        if let Err(error) = ended {
            let text = format!("writers of {stream} go on within {limit} s: {}", with_causes(&error));
            self.progress.event(Event::Note(text));
        }
        if is_late {
            self.fail(&format!("the data of {stream} was not captured within the {limit} s of its hold"));
        }
    }

    fn fail(&mut self, why: &str) {
        self.is_void = true;
        self.progress.event(Event::Note(format!("the backup is not of one time across components: {why}")));
    }
}

/// Every hold ends with the backup, whatever its outcome.
impl Drop for State<'_> {
    fn drop(&mut self) {
        (0..self.held.len()).for_each(|index| self.let_go(index));
    }
}

/// Returns the current time in microseconds, which programs of a log understand.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Stream of a rule whose writers are held. Its first read begins the cut.
pub(super) struct HeldStream<'c, 'a> {
    cut: &'c MakingCut<'a>,
    index: usize,
}

impl Read for HeldStream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.cut.state.borrow_mut();
        state.begin();
        let holding = &mut state.held[self.index];
        let read = holding.failure.take().map_or_else(|| holding.held.source.read(buffer), Err);
        if !matches!(read, Ok(1..)) {
            state.let_go(self.index);
        }
        read
    }
}

/// A log that is being read, with its lock.
pub(super) struct OpenLog {
    from: Box<dyn Read>,
    _lock: File,
    /// Log backups that it follows, oldest first.
    after: Vec<BackupId>,
}

impl OpenLog {
    /// Creates the open log that follows these log backups, which were made since the stream's own data was read.
    pub(super) fn new(from: Box<dyn Read>, lock: File, after: Vec<BackupId>) -> Self {
        Self { from, _lock: lock, after }
    }
}

/// Part of a log that leads to a cut's time. It is empty if the cut failed or the stream itself was not saved; the
/// backup does not fail.
pub(super) struct LogPart<'c, 'a> {
    cut: &'c MakingCut<'a>,
    stream: String,
    open: Box<dyn Fn() -> Result<OpenLog, StepError> + 'c>,
    opened: Option<OpenLog>,
    has_ended: bool,
}

impl LogPart<'_, '_> {
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.opened.is_none() {
            let opened = (self.open)().map_err(io::Error::other)?;
            let needed = opened.after.iter().map(|id| (self.stream.clone(), *id));
            self.cut.state.borrow_mut().needed_logs.extend(needed);
            self.opened = Some(opened);
        }
        self.opened.as_mut().map_or(Ok(0), |opened| opened.from.read(buffer))
    }
}

impl Read for LogPart<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cut.state.borrow_mut().begin();
        let is_of_no_use = |state: &State<'_>| state.is_void || state.failed.has(&self.stream);
        if self.has_ended || is_of_no_use(&self.cut.state.borrow()) {
            return Ok(0);
        }
        let read = self.read_on(buffer).unwrap_or_else(|error| {
            self.cut.state.borrow_mut().fail(&with_causes(&error));
            0
        });
        if read == 0 {
            (self.opened, self.has_ended) = (None, true);
        }
        Ok(read)
    }
}

/// Counts of a cut as JSON by stream; an empty object if there are none.
pub(super) struct CountsStream<'c, 'a> {
    cut: &'c MakingCut<'a>,
    text: Option<io::Cursor<Vec<u8>>>,
}

impl Read for CountsStream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.is_none() {
            let mut state = self.cut.state.borrow_mut();
            state.begin();
            self.text = Some(io::Cursor::new(serde_json::to_vec(&state.counts())?));
        }
        self.text.as_mut().map_or(Ok(0), |text| text.read(buffer))
    }
}

#[cfg(test)]
mod tests;
