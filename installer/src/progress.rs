//! Progress for a person: a bar with bytes, rate and remaining time on a terminal, plain lines in a pipe.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use landfall_media::progress::{Event, Progress};

use crate::printer::Printer;

/// How often a pipe gets a line within a phase: often enough to see life, rare enough to read afterwards.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Draws events on standard error.
pub(crate) struct Drawn {
    printer: Printer,
    phase: Mutex<Option<Phase>>,
}

struct Phase {
    name: String,
    total_bytes: Option<u64>,
    done_bytes: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Drawn {
    /// Draws bars where a person watches, lines elsewhere.
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer, phase: Mutex::new(None) }
    }

    fn say(&self, phase: Option<&Phase>, text: &str) {
        match phase.and_then(|phase| phase.bar.as_ref()) {
            Some(bar) => bar.println(text),
            None => self.printer.note(text),
        }
    }

    fn start(&self, name: String, total_bytes: Option<u64>) -> Phase {
        let bar = self.printer.watched().then(|| draw_bar(&name, total_bytes));
        if bar.is_none() {
            self.printer.note(&match total_bytes {
                Some(total) => format!("{name}: {}", HumanBytes(total)),
                None => format!("{name} …"),
            });
        }
        let now = Instant::now();
        Phase { name, total_bytes, done_bytes: 0, started: now, last_line: now, bar }
    }
}

fn draw_bar(name: &str, total_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_bytes {
        Some(total) => {
            (ProgressBar::new(total), "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{prefix} {spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Phase {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a rate for a person"
    )]
    fn rate(&self) -> u64 {
        (self.done_bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    fn line(&self) -> String {
        let rate = self.rate();
        let done = HumanBytes(self.done_bytes);
        match self.total_bytes {
            Some(total) => {
                let left = total.saturating_sub(self.done_bytes) / rate.max(1);
                let left = HumanDuration(Duration::from_secs(left));
                format!("{}: {done} of {}, {}/s, {left} left", self.name, HumanBytes(total), HumanBytes(rate))
            }
            None => format!("{}: {done}, {}/s", self.name, HumanBytes(rate)),
        }
    }

    fn advance(&mut self, bytes: u64) -> Option<String> {
        self.done_bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done_bytes);
            return None;
        }
        (self.last_line.elapsed() >= LINE_INTERVAL).then(|| {
            self.last_line = Instant::now();
            self.line()
        })
    }

    fn end(self) -> Option<String> {
        let (elapsed, done) = (self.started.elapsed(), HumanBytes(self.done_bytes));
        let line = format!("{}: {done} in {}, {}/s", self.name, HumanDuration(elapsed), HumanBytes(self.rate()));
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        (self.done_bytes > 0).then_some(line)
    }
}

impl Progress for Drawn {
    fn event(&self, event: Event) {
        // A panic while drawing must not take the operation along: draw on with what is there.
        let mut phase = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::PhaseStarted { phase: name, total_bytes } => {
                if let Some(line) = phase.take().and_then(Phase::end) {
                    self.printer.note(&line);
                }
                *phase = Some(self.start(name, total_bytes));
            }
            Event::Advanced { bytes } => {
                if let Some(line) = phase.as_mut().and_then(|phase| phase.advance(bytes)) {
                    self.printer.note(&line);
                }
            }
            Event::PhaseDone => {
                if let Some(line) = phase.take().and_then(Phase::end) {
                    self.printer.note(&line);
                }
            }
            Event::StepStarted { index, count, title, remaining } => {
                let left = remaining.filter(|left| !left.is_zero());
                let left = left.map_or_else(String::new, |left| format!(" (about {} left)", HumanDuration(left)));
                self.say(phase.as_ref(), &format!("[{index}/{count}] {title}{left}"));
            }
            Event::Note(text) => self.say(phase.as_ref(), &text),
            Event::SafeToRemove => self.say(phase.as_ref(), "You may remove the stick: it is not needed any more."),
        }
    }
}
