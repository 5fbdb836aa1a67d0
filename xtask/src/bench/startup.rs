//! Startup of the program: time and memory of verbs that do little else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Figure, Row, Unit};

/// Median of the time from the start of the process to its end.
pub const TIME: &str = "from start to end, median";
/// Median of the largest resident memory.
pub const MEMORY: &str = "memory at its peak, median";
/// Size of the program's file.
pub const SIZE: &str = "the program's file";

/// Debian package of the program that measures memory.
pub const PACKAGE: &str = "time";

/// Rows, with their limits in the release profile.
pub const LIMITS: [(&str, Limits); 2] = [
    ("inspect", Limits { milliseconds: 10.0, memory_bytes: 10.0 * MIB }),
    ("version", Limits { milliseconds: 5.0, memory_bytes: 10.0 * MIB }),
];

/// Size limit of a released program, in bytes.
pub const SIZE_LIMIT_BYTES: f64 = 64.0 * MIB;

const MIB: f64 = 1_048_576.0;

/// Number of runs of each verb. A process lasts milliseconds, so other activity of the machine affects some runs.
const RUNS: usize = 41;

/// Limits of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Limit of [`TIME`].
    pub milliseconds: f64,
    /// Limit of [`MEMORY`].
    pub memory_bytes: f64,
}

/// Measures both verbs with a warm page cache.
pub(super) fn measure(program: &Path, bundle: &Path) -> Result<Vec<Row>> {
    let bundle = bundle.to_string_lossy();
    let arguments: [&[&str]; 2] = [&["inspect", &bundle], &["--version"]];
    let mut rows = Vec::new();
    for ((name, limits), arguments) in LIMITS.into_iter().zip(arguments) {
        let mut times = (0..RUNS).map(|_| time(program, arguments)).collect::<Result<Vec<_>>>()?;
        let mut memory = (0..RUNS).map(|_| memory_bytes(program, arguments)).collect::<Result<Vec<_>>>()?;
        let milliseconds = median(&mut times).as_secs_f64() * 1000.0;
        rows.push(Row {
            name,
            figures: vec![
                Figure::new(TIME, milliseconds, Unit::Milliseconds).at_most(limits.milliseconds),
                Figure::bytes(MEMORY, median(&mut memory)).at_most(limits.memory_bytes),
            ],
            ratios: Vec::new(),
        });
    }
    let size = std::fs::metadata(program).with_context(|| format!("cannot look at {}", program.display()))?.len();
    let version = rows.last_mut().context("there are no rows")?;
    version.figures.push(Figure::bytes(SIZE, size).at_most(SIZE_LIMIT_BYTES));
    Ok(rows)
}

fn median<T: Copy + Ord>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Returns the time of one run.
fn time(program: &Path, arguments: &[&str]) -> Result<Duration> {
    let begun = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let elapsed = begun.elapsed();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(status.success(), "{} {arguments:?} ended with {status}", program.display());
    Ok(elapsed)
}

/// Returns the largest resident memory of one run. The kernel counts a child's memory from before its exec, so a small
/// program shows its parent's.
fn memory_bytes(program: &Path, arguments: &[&str]) -> Result<u64> {
    let mut measured = Command::new("time");
    measured.args(["--quiet", "--format", "%M"]).arg(program).args(arguments).stdout(Stdio::null());
    let output = measured.output().context("cannot start `time`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} {arguments:?} ended with {}: {said}", program.display(), output.status);
    let kilobytes = said.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("`time` names no memory: {said}"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_excludes_parent_process() {
        let ballast = std::hint::black_box(vec![1_u8; 64 << 20]);
        let bytes = memory_bytes(Path::new("/bin/true"), &[]).unwrap();
        assert!((100_000..16 << 20).contains(&bytes), "{bytes} bytes beside {}", ballast.len());
    }

    #[test]
    fn failed_program_has_no_figures() {
        assert!(time(Path::new("/bin/false"), &[]).unwrap_err().to_string().contains("ended with"));
        assert!(memory_bytes(Path::new("/bin/false"), &[]).unwrap_err().to_string().contains("ended with"));
    }
}
