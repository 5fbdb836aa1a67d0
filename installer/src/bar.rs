//! The progress bar on a terminal, of which there is one at a time. Other output is printed around it.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle, WeakProgressBar};

use crate::countdown::Countdown;
use crate::shown;

/// Interval between redraws of a bar.
const TICK: Duration = Duration::from_millis(200);

/// Templates: for a phase with a known total; for one with an unknown total, before and after its first bytes; and for
/// a step between phases. `all` is the remaining time of the whole operation.
const OF_TOTAL: &str = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left{all}";
const WITHOUT_BYTES: &str = "{prefix} {spinner} {elapsed}{all}";
const WITH_BYTES: &str = "{prefix} {spinner} {bytes} {bytes_per_sec}{all}";

/// The latest bar.
static LATEST: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Runs a function that prints to the terminal, with the bar hidden.
pub(crate) fn around<R>(print: impl FnOnce() -> R) -> R {
    let bar = LATEST.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(WeakProgressBar::upgrade);
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Standard error, written with the bar hidden.
pub(crate) struct StderrWriter;

impl Write for StderrWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        around(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A bar that redraws itself until it is dropped.
pub(crate) struct Bar {
    drawn: ProgressBar,
    countdown: Option<Countdown>,
}

impl Bar {
    /// Draws the bar of a phase or a step, with the remaining time of the operation.
    pub(crate) fn draw(name: &str, total_bytes: Option<u64>, countdown: Option<Countdown>) -> Self {
        let (drawn, template) = match total_bytes {
            Some(total) => (ProgressBar::new(total), OF_TOTAL),
            // Without bytes, only time can be counted.
            None => (ProgressBar::new_spinner(), WITHOUT_BYTES),
        };
        let bar = Self { drawn, countdown };
        bar.show(template);
        bar.drawn.set_prefix(shown::line(name));
        bar.drawn.enable_steady_tick(TICK);
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.drawn.downgrade());
        bar
    }

    fn show(&self, template: &str) {
        let countdown = self.countdown;
        if let Ok(style) = ProgressStyle::with_template(template) {
            let all = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
                let left = countdown.map(|countdown| countdown.text(Instant::now()));
                let _infallible = left.map_or(Ok(()), |left| write!(text, "; all in all {left}"));
            };
            self.drawn.set_style(style.with_key("all", all));
        }
    }

    /// Switches to a bar with bytes but without a total.
    pub(crate) fn show_bytes(&self) {
        self.show(WITH_BYTES);
    }

    /// Moves the bar to a position.
    pub(crate) fn advance_to(&self, position: u64) {
        self.drawn.set_position(position);
    }

    /// Moves the bar without counting that as speed.
    ///
    /// The bar must read the position once before its estimate is reset, which one with a steady tick does not do on
    /// request.
    pub(crate) fn skip_to(&self, position: u64) {
        self.drawn.disable_steady_tick();
        self.drawn.update(|state| state.set_pos(position));
        self.drawn.reset_eta();
        self.drawn.enable_steady_tick(TICK);
    }

    /// Prints a text above the bar.
    pub(crate) fn print(&self, text: &str) {
        self.drawn.println(shown::block(text));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn skipped_bytes_do_not_count_as_speed() {
        let bar = Bar::draw("staging", Some(1000 * MIB), None);
        bar.drawn.set_draw_target(ProgressDrawTarget::hidden());
        bar.skip_to(900 * MIB);
        std::thread::sleep(TICK * 2);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let limit = MIB as f64;
        let speed = bar.drawn.per_sec();
        assert!(bar.drawn.position() == 900 * MIB && speed < limit, "{speed} bytes/s");
    }

    #[test]
    fn bar_templates_show_total_remaining() {
        assert!(!WITHOUT_BYTES.contains("bytes") && WITH_BYTES.contains("bytes"));
        assert!([OF_TOTAL, WITHOUT_BYTES, WITH_BYTES].iter().all(|template| template.ends_with("{all}")));
    }
}
