//! Progress for a person: a bar with bytes, rate and remaining time on a terminal, plain lines in a pipe.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use landfall_media::progress::{Event, Progress};

use crate::printer::Printer;
use crate::shown;

/// How often a pipe gets a line within a phase: often enough to see life, rare enough to read afterwards.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(200);

/// Draws events on standard error.
pub(crate) struct Drawn {
    printer: Printer,
    phase: Mutex<Option<Phase>>,
}

struct Phase {
    name: String,
    total_bytes: Option<u64>,
    /// There from an earlier run.
    present_bytes: u64,
    /// Done by this run.
    moved_bytes: u64,
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
            Some(bar) => bar.println(shown::block(text)),
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
        Phase { name, total_bytes, present_bytes: 0, moved_bytes: 0, started: now, last_line: now, bar }
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
    bar.set_prefix(shown::line(name));
    bar.enable_steady_tick(TICK);
    bar
}

/// Moves a bar without taking that for speed: it must look at the position once before its estimate is reset, which a
/// bar that ticks by itself does not do when told to.
fn skip_to(bar: &ProgressBar, position: u64) {
    bar.disable_steady_tick();
    bar.update(|state| state.set_pos(position));
    bar.reset_eta();
    bar.enable_steady_tick(TICK);
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
            skip_to(bar, self.done_bytes());
        }
    }

    fn advance(&mut self, bytes: u64) -> Option<String> {
        self.moved_bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done_bytes());
            return None;
        }
        (self.last_line.elapsed() >= LINE_INTERVAL).then(|| {
            self.last_line = Instant::now();
            self.line(self.started.elapsed())
        })
    }

    fn end(self) -> Option<String> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        (self.done_bytes() > 0).then(|| self.last_line(self.started.elapsed()))
    }

    fn last_line(&self, elapsed: Duration) -> String {
        let (moved, rate) = (HumanBytes(self.moved_bytes), HumanBytes(self.rate(elapsed)));
        let present = match self.present_bytes {
            0 => String::new(),
            bytes => format!(", {} were there", HumanBytes(bytes)),
        };
        format!("{}: {moved} in {}, {rate}/s{present}", self.name, HumanDuration(elapsed))
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
            Event::Present { bytes } => {
                if let Some(phase) = phase.as_mut() {
                    phase.skip(bytes);
                }
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
            Event::Unknown => {}
            Event::SafeToRemove => self.say(phase.as_ref(), "You may remove the stick: it is not needed any more."),
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_was_there_before_is_no_speed() {
        let drawn = Drawn::new(Printer::new(true));
        let mut phase = drawn.start("staging".to_owned(), Some(1000 * MIB));
        phase.skip(940 * MIB);
        phase.advance(10 * MIB);
        let elapsed = Duration::from_secs(10);
        assert_eq!(phase.line(elapsed), "staging: 950.00 MiB of 1000.00 MiB, 1.00 MiB/s, 50 seconds left");
        assert_eq!(phase.last_line(elapsed), "staging: 10.00 MiB in 10 seconds, 1.00 MiB/s, 940.00 MiB were there");
        assert_eq!(phase.done_bytes(), 950 * MIB);
    }

    #[test]
    fn a_bar_does_not_take_a_skip_for_speed() {
        let bar = ProgressBar::with_draw_target(Some(1000 * MIB), ProgressDrawTarget::hidden());
        bar.enable_steady_tick(TICK);
        skip_to(&bar, 900 * MIB);
        std::thread::sleep(TICK * 2);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let limit = MIB as f64;
        assert!(bar.position() == 900 * MIB && bar.per_sec() < limit, "{} bytes/s", bar.per_sec());
    }
}
