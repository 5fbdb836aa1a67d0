//! Progress. For a person: a bar with bytes, rate and remaining time on a terminal, or plain lines in a pipe. For a
//! program: lines of JSON. In quiet mode: nothing. On a terminal something always moves: between phases, the remaining
//! time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration};
use landfall_media::progress::{Event, Progress};

use crate::bar::Bar;
use crate::countdown::Countdown;
use crate::printer::Printer;

/// Interval between lines in a pipe within a phase: short enough that no silence reaches five seconds, long enough for
/// a readable log.
const LINE_INTERVAL: Duration = Duration::from_secs(4);

/// Interval between lines of JSON within a phase.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// Printed after everything is synced to disk.
const SAFE_TO_REMOVE: &str = "You may remove the stick: it is no longer needed.";

/// Draws events on standard error.
pub(crate) struct TerminalProgress {
    printer: Printer,
    /// Receives everything that is not drawn as a bar: the printer's notes, or a list in tests.
    note: Box<dyn Fn(&str) + Send + Sync>,
    /// True if bars are drawn.
    bars: bool,
    now: Mutex<Now>,
    gathered: Mutex<PendingBytes>,
}

/// Bytes that were not printed as JSON yet, because events arrive for every chunk.
#[derive(Default)]
struct PendingBytes {
    bytes: u64,
    printed: Option<Instant>,
}

impl PendingBytes {
    /// Events to print after this one, in order.
    fn take(&mut self, event: Event, now: Instant) -> Vec<Event> {
        if let Event::Advanced { bytes } = event {
            self.bytes += bytes;
            let is_due = self.printed.is_none_or(|printed| now.duration_since(printed) >= JSON_INTERVAL);
            return if is_due { self.rest(now).into_iter().collect() } else { Vec::new() };
        }
        self.rest(now).into_iter().chain([event]).collect()
    }

    fn rest(&mut self, now: Instant) -> Option<Event> {
        let bytes = std::mem::take(&mut self.bytes);
        (bytes > 0).then(|| {
            self.printed = Some(now);
            Event::Advanced { bytes }
        })
    }
}

/// The present step and phase.
#[derive(Default)]
struct Now {
    step: Option<Step>,
    phase: Option<Phase>,
}

/// A step that takes noticeable time.
struct Step {
    title: String,
    countdown: Countdown,
    /// The step's bar on a terminal, while no phase has one.
    bar: Option<Bar>,
}

impl Now {
    fn bar(&self) -> Option<&Bar> {
        let of_phase = self.phase.as_ref().and_then(|phase| phase.bar.as_ref());
        of_phase.or_else(|| self.step.as_ref()?.bar.as_ref())
    }

    fn countdown(&self) -> Option<Countdown> {
        self.step.as_ref().map(|step| step.countdown)
    }

    /// Draws the step's bar while no phase has one, and removes it otherwise.
    fn draw_step(&mut self) {
        let is_free = self.phase.is_none();
        if let Some(step) = &mut self.step {
            step.bar = is_free.then(|| Bar::draw(&step.title, None, Some(step.countdown)));
        }
    }
}

struct Phase {
    name: String,
    total_bytes: Option<u64>,
    /// Bytes that an earlier run moved.
    present_bytes: u64,
    /// Bytes that this run moved.
    moved_bytes: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<Bar>,
}

impl TerminalProgress {
    /// Creates a renderer: bars on a watched terminal, otherwise lines.
    pub(crate) fn new(printer: Printer) -> Self {
        let note = Box::new(move |text: &str| printer.note(text));
        Self { printer, note, bars: printer.has_visible_progress(), now: Mutex::default(), gathered: Mutex::default() }
    }

    /// Prints an event, or the sum of several, as JSON.
    fn print(&self, event: Event) {
        let mut gathered = self.gathered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for event in gathered.take(event, Instant::now()) {
            self.printer.event(&event);
        }
    }

    fn say(&self, now: &Now, text: &str) {
        match now.bar() {
            Some(bar) => bar.print(text),
            None => (self.note)(text),
        }
    }

    fn start(&self, name: String, total_bytes: Option<u64>, countdown: Option<Countdown>) -> Phase {
        let bar = self.bars.then(|| Bar::draw(&name, total_bytes, countdown));
        if bar.is_none() {
            (self.note)(&match total_bytes {
                Some(total) => format!("{name}: {}", HumanBytes(total)),
                None => format!("{name} …"),
            });
        }
        let now = Instant::now();
        Phase { name, total_bytes, present_bytes: 0, moved_bytes: 0, started: now, last_line: now, bar }
    }

    fn end_phase(&self, now: &mut Now) {
        if let Some(line) = now.phase.take().and_then(Phase::end) {
            (self.note)(&line);
        }
    }

    fn start_step(&self, now: &mut Now, text: &str, title: String, remaining: Option<Duration>) {
        let at = Instant::now();
        let countdown = remaining.and_then(|left| Countdown::new(left, at));
        let left = countdown.map_or_else(String::new, |left| format!(" ({})", left.text(at)));
        now.step = None;
        self.say(now, &format!("{text}{left}"));
        now.step = countdown.filter(|_| self.bars).map(|countdown| Step { title, countdown, bar: None });
        now.draw_step();
    }
}

impl Phase {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a rate for a person"
    )]
    fn rate(&self, elapsed: Duration) -> u64 {
        (self.moved_bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64
    }

    fn done_bytes(&self) -> u64 {
        self.present_bytes + self.moved_bytes
    }

    fn line(&self, elapsed: Duration) -> String {
        let rate = self.rate(elapsed);
        let done = HumanBytes(self.done_bytes());
        match self.total_bytes {
            Some(total) => {
                let left = total.saturating_sub(self.done_bytes()) / rate.max(1);
                let left = HumanDuration(Duration::from_secs(left));
                format!("{}: {done} of {}, {}/s, {left} left", self.name, HumanBytes(total), HumanBytes(rate))
            }
            None => format!("{}: {done}, {}/s", self.name, HumanBytes(rate)),
        }
    }

    fn skip(&mut self, bytes: u64) {
        self.present_bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.skip_to(self.done_bytes());
        }
    }

    fn advance(&mut self, bytes: u64) -> Option<String> {
        self.moved_bytes += bytes;
        if let Some(bar) = &self.bar {
            if self.total_bytes.is_none() && self.done_bytes() == bytes {
                bar.show_bytes();
            }
            bar.advance_to(self.done_bytes());
            return None;
        }
        (self.last_line.elapsed() >= LINE_INTERVAL).then(|| {
            self.last_line = Instant::now();
            self.line(self.started.elapsed())
        })
    }

    fn end(mut self) -> Option<String> {
        self.bar = None;
        (self.done_bytes() > 0).then(|| self.last_line(self.started.elapsed()))
    }

    fn last_line(&self, elapsed: Duration) -> String {
        let (moved, rate) = (HumanBytes(self.moved_bytes), HumanBytes(self.rate(elapsed)));
        let present = match self.present_bytes {
            0 => String::new(),
            bytes => format!(", {} were present", HumanBytes(bytes)),
        };
        format!("{}: {moved} in {}, {rate}/s{present}", self.name, HumanDuration(elapsed))
    }
}

impl Progress for TerminalProgress {
    fn event(&self, event: Event) {
        if self.printer.is_quiet() {
            return;
        }
        if self.printer.is_json() {
            return self.print(event);
        }
        // A panic while drawing must not end the operation: drawing continues with the present state.
        let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = &mut *now;
        match event {
            Event::PhaseStarted { phase: name, total_bytes } => {
                self.end_phase(now);
                now.phase = Some(self.start(name, total_bytes, now.countdown()));
                now.draw_step();
            }
            Event::Present { bytes } => {
                if let Some(phase) = now.phase.as_mut() {
                    phase.skip(bytes);
                }
            }
            Event::Advanced { bytes } => {
                if let Some(line) = now.phase.as_mut().and_then(|phase| phase.advance(bytes)) {
                    (self.note)(&line);
                }
            }
            Event::PhaseDone => {
                self.end_phase(now);
                now.draw_step();
            }
            Event::StepStarted { index, count, title, remaining } => {
                self.start_step(now, &format!("[{index}/{count}] {title}"), title, remaining);
            }
            Event::Note(text) => self.say(now, &text),
            Event::Unknown => {}
            Event::SafeToRemove => self.say(now, SAFE_TO_REMOVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn present_bytes_do_not_count_as_speed() {
        let drawn = TerminalProgress::new(Printer::new(true).quiet(true));
        let mut phase = drawn.start("staging".to_owned(), Some(1000 * MIB), None);
        phase.skip(940 * MIB);
        phase.advance(10 * MIB);
        let elapsed = Duration::from_secs(10);
        assert_eq!(phase.line(elapsed), "staging: 950.00 MiB of 1000.00 MiB, 1.00 MiB/s, 50 seconds left");
        assert_eq!(phase.last_line(elapsed), "staging: 10.00 MiB in 10 seconds, 1.00 MiB/s, 940.00 MiB were present");
        assert_eq!(phase.done_bytes(), 950 * MIB);
    }

    #[test]
    fn program_events_are_batched() {
        let begun = Instant::now();
        let mut gathered = PendingBytes::default();
        let mut lines = Vec::new();
        let mut take = |event: Event, milliseconds: u64| {
            lines.extend(gathered.take(event, begun + Duration::from_millis(milliseconds)));
        };
        take(Event::PhaseStarted { phase: "staging".to_owned(), total_bytes: None }, 0);
        (0..2500).for_each(|millisecond| take(Event::Advanced { bytes: 1 }, millisecond));
        take(Event::PhaseDone, 2500);
        take(Event::SafeToRemove, 2500);
        let bytes: u64 = lines.iter().map(|event| if let Event::Advanced { bytes } = event { *bytes } else { 0 }).sum();
        assert_eq!((bytes, lines.len()), (2500, 7), "{lines:?}");
        assert_eq!(lines[4..], [Event::Advanced { bytes: 499 }, Event::PhaseDone, Event::SafeToRemove]);
    }

    #[test]
    fn pipe_gets_timely_lines() {
        let drawn = TerminalProgress {
            note: Box::new(|_: &str| ()),
            bars: false,
            ..TerminalProgress::new(Printer::new(false))
        };
        let mut phase = drawn.start("writing".to_owned(), Some(1000 * MIB), None);
        assert_eq!(phase.advance(MIB), None, "a line for each chunk is too much");
        phase.last_line = Instant::now().checked_sub(Duration::from_millis(4500)).unwrap();
        assert!(phase.advance(MIB).unwrap().starts_with("writing: 2.00 MiB of 1000.00 MiB, "));
        assert_eq!(phase.advance(MIB), None);
    }

    /// All lines that these events print into a pipe.
    fn in_a_pipe(events: impl IntoIterator<Item = Event>) -> String {
        let said = std::sync::Arc::new(Mutex::new(String::new()));
        let lines = said.clone();
        let note = move |text: &str| {
            let mut lines = lines.lock().unwrap();
            lines.push_str(text);
            lines.push('\n');
        };
        let drawn =
            TerminalProgress { note: Box::new(note), bars: false, ..TerminalProgress::new(Printer::new(false)) };
        events.into_iter().for_each(|event| drawn.event(event));
        said.lock().unwrap().clone()
    }

    /// Filters for rates and times, which depend on the machine.
    fn speeds() -> Vec<(&'static str, &'static str)> {
        vec![(r"[0-9.]+ [KMGT]?i?B/s", "[rate]"), (r"in \d+ seconds?", "in [time]")]
    }

    /// The events of a real install; a test of landfall-lifecycle compares them with those of another one.
    #[test]
    fn piped_install_matches_snapshot() {
        let kept = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/progress/samples/install.jsonl"));
        let said = in_a_pipe(kept.lines().map(|line| serde_json::from_str(line).unwrap()));
        insta::with_settings!({ filters => speeds() }, {
            insta::assert_snapshot!(said);
        });
    }

    #[test]
    fn piped_notes_and_predictions_match_snapshot() {
        let step = |index, title: &str, seconds| Event::StepStarted {
            index,
            count: 3,
            title: title.to_owned(),
            remaining: Some(Duration::from_secs(seconds)),
        };
        let phase = |phase: &str, total_bytes| Event::PhaseStarted { phase: phase.to_owned(), total_bytes };
        let said = in_a_pipe([
            step(1, "stage the release", 400),
            phase("staging", Some(3 << 30)),
            Event::Present { bytes: 1 << 30 },
            Event::Advanced { bytes: 2 << 30 },
            Event::PhaseDone,
            Event::SafeToRemove,
            step(2, "wait for the control plane", 200),
            phase("control plane", None),
            Event::Note("the API server answers".to_owned()),
            Event::PhaseDone,
            step(3, "make the folder of volumes", 0),
        ]);
        insta::with_settings!({ filters => speeds() }, {
            insta::assert_snapshot!(said);
        });
    }

    #[test]
    fn phase_without_bytes_omits_them() {
        let drawn = TerminalProgress { bars: true, ..TerminalProgress::new(Printer::new(false)) };
        let ended = |bytes: u64| {
            let mut phase = drawn.start("signing".to_owned(), None, None);
            if bytes > 0 {
                phase.advance(bytes);
            }
            phase.end()
        };
        assert_eq!(ended(0), None);
        assert!(ended(MIB).unwrap().starts_with("signing: 1.00 MiB in"));
    }

    /// On a terminal, the step's own bar or the bar of its phase counts down the remaining time.
    #[test]
    fn long_steps_show_movement() {
        let drawn =
            TerminalProgress { note: Box::new(|_: &str| ()), bars: true, ..TerminalProgress::new(Printer::new(false)) };
        let step = |seconds| Event::StepStarted {
            index: 1,
            count: 2,
            title: "wait for the control plane".to_owned(),
            remaining: Some(Duration::from_secs(seconds)),
        };
        let phase = Event::PhaseStarted { phase: "staging".to_owned(), total_bytes: Some(MIB) };
        let bars = || {
            let now = drawn.now.lock().unwrap();
            let of_step = now.step.as_ref().is_some_and(|step| step.bar.is_some());
            (of_step, now.phase.as_ref().is_some_and(|phase| phase.bar.is_some()))
        };
        for (event, expected) in [
            (step(300), (true, false)),
            (Event::Note("the API server answers".to_owned()), (true, false)),
            (phase, (false, true)),
            (Event::Advanced { bytes: MIB }, (false, true)),
            (Event::PhaseDone, (true, false)),
            (step(200), (true, false)),
            (step(0), (false, false)),
        ] {
            drawn.event(event.clone());
            assert_eq!(bars(), expected, "{event:?}");
        }
    }
}
