//! Measurement of the time in which a working program prints nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::printer;

/// Longest time in which `landfall build` may print nothing, with its output to a pipe or as JSON.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Runs a command, and returns the longest time in which it wrote no line to standard error. Fails if the command
/// fails.
pub fn longest(what: &str, command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let (mut last, mut silence, mut end) = (begun, Duration::ZERO, String::new());
    for line in BufReader::new(child.stderr.take().context("no pipe")?).lines() {
        end = line?;
        silence = silence.max(last.elapsed());
        last = Instant::now();
    }
    ensure!(child.wait()?.success(), "{what} failed: {end}");
    let silence = silence.max(last.elapsed());
    let took = begun.elapsed().as_secs_f64();
    printer::note(format!("{what} took {took:.0} s, silent for {:.1} s at most", silence.as_secs_f64()));
    Ok(silence)
}

/// Fails if a command fails, or prints nothing for longer than [`LIMIT`].
pub fn expect_none(what: &str, command: &mut Command) -> Result<()> {
    let silence = longest(what, command)?;
    ensure!(silence <= LIMIT, "{what} printed nothing for {:.1} s", silence.as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn silence_includes_start_and_end() {
        // A line is read shortly after it was written, so the silence after it appears shorter than the sleep.
        for script in ["sleep 1.2; echo a >&2", "echo a >&2; sleep 1.2", "echo a >&2; sleep 1.2; echo b >&2"] {
            let silence = longest(script, &mut shell(script)).unwrap();
            assert!(silence >= Duration::from_millis(400), "{script}: {silence:?}");
        }
        let talking = longest("talk", &mut shell("for i in 1 2 3 4; do sleep 0.1; echo a >&2; done")).unwrap();
        assert!(talking < Duration::from_secs(4), "lines between count: {talking:?}");
        assert!(longest("fail", &mut shell("echo why >&2; exit 3")).unwrap_err().to_string().contains("why"));
    }
}
