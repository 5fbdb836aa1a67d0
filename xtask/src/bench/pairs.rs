//! Interleaved pairs of runs (A B B A …), each after emptying the page cache, and the ratio of each pair.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::limits;
use crate::printer;

/// Ratios of paired runs, `landfall` over its rival. Below 1 means that `landfall` is faster.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// Name of the rival.
    pub rival: String,
    /// Smallest ratio.
    pub minimum: f64,
    /// Median ratio: the figure to quote.
    pub median: f64,
    /// Largest ratio.
    pub maximum: f64,
    /// Number of pairs.
    pub pairs: usize,
    /// True if the page cache was emptied before each run.
    pub cold: bool,
    /// Largest allowed median, if there is a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// True if the median is within the limit; None if there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
}

/// Runs `landfall` and `rival` in turn, `count` times, and compares each pair. Each side goes first in every other
/// pair. Only data is read cold: the `programs` of both sides are in memory, as in a new installation. The part of its
/// time that `landfall` returns is subtracted.
pub fn pairs(
    rival_name: &str,
    programs: &[PathBuf],
    count: usize,
    mut landfall: impl FnMut() -> Result<Duration>,
    mut rival: impl FnMut() -> Result<()>,
) -> Result<Ratio> {
    let mut pairs = Vec::with_capacity(count);
    let mut cold = true;
    for index in 0..count {
        let mut aside = Duration::ZERO;
        let mut counted = || {
            aside = landfall()?;
            Ok(())
        };
        // The second reader may benefit from what the first one left in a cache below this machine.
        let ((one, one_cold), (other, other_cold)) = if index % 2 == 0 {
            (time_run(programs, &mut counted)?, time_run(programs, &mut rival)?)
        } else {
            let rival = time_run(programs, &mut rival)?;
            (time_run(programs, &mut counted)?, rival)
        };
        cold &= one_cold && other_cold;
        pairs.push((one.saturating_sub(aside), other));
    }
    let ratio = Ratio::of(rival_name, &pairs, cold).context("a ratio needs at least one pair")?;
    printer::note(format!("  over {rival_name}: {:.2}", ratio.median));
    Ok(ratio)
}

impl Ratio {
    /// Computes the ratios of pairs of durations; None without a pair.
    pub(super) fn of(rival: &str, pairs: &[(Duration, Duration)], cold: bool) -> Option<Self> {
        let ratio =
            |(landfall, rival): &(Duration, Duration)| landfall.as_secs_f64() / rival.as_secs_f64().max(f64::EPSILON);
        let mut ratios: Vec<f64> = pairs.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let median = *ratios.get(ratios.len() / 2)?;
        let limit = limits::over(rival);
        Some(Self {
            rival: rival.to_owned(),
            minimum: *ratios.first()?,
            median,
            maximum: *ratios.last()?,
            pairs: ratios.len(),
            cold,
            limit,
            met: limit.map(|limit| median <= limit),
        })
    }
}

/// Returns the time of a run, and true if the page cache was emptied before it. The `programs` are in memory.
pub(super) fn time_run(programs: &[PathBuf], run: &mut impl FnMut() -> Result<()>) -> Result<(Duration, bool)> {
    let cold = empty_page_cache();
    for program in programs {
        std::fs::read(program).with_context(|| format!("cannot read the program {}", program.display()))?;
    }
    let started = Instant::now();
    run()?;
    Ok((started.elapsed(), cold))
}

/// Syncs and drops clean pages. Returns false if the kernel does not allow it; then both sides run with a warm cache.
fn empty_page_cache() -> bool {
    rustix::fs::sync();
    drop_page_cache()
}

/// Drops pages that are already on the disk. Returns false if the kernel does not allow it.
pub(super) fn drop_page_cache() -> bool {
    let Ok(mut file) = File::options().write(true).open("/proc/sys/vm/drop_caches") else { return false };
    std::io::Write::write_all(&mut file, b"1").is_ok()
}

#[cfg(test)]
mod tests {
    use super::limits::Limit;
    use super::*;

    #[test]
    fn median_of_pair_ratios_counts() {
        let second = Duration::from_secs;
        let pairs = [(second(30), second(10)), (second(2), second(1)), (second(1), second(2))];
        let ratio = Ratio::of("cp", &pairs, true).unwrap();
        assert_eq!((ratio.minimum, ratio.median, ratio.maximum, ratio.pairs), (0.5, 2.0, 3.0, 3));
        assert!(Ratio::of("cp", &[], true).is_none());
    }

    #[test]
    fn median_is_judged_against_limit() {
        let of = |rival, milliseconds: [u64; 3]| {
            let pairs = milliseconds.map(|spent| (Duration::from_millis(spent), Duration::from_secs(1)));
            let ratio = Ratio::of(rival, &pairs, true).unwrap();
            (ratio.limit, ratio.met)
        };
        for Limit { rival, at_most } in limits::LIMITS {
            assert_eq!(of(rival, [1, 900, 5000]), (Some(at_most), Some(true)), "one slow pair does not count");
            assert_eq!(of(rival, [1, 1200, 1300]), (Some(at_most), Some(false)), "one fast pair does not count");
        }
        assert_eq!(
            of(limits::VERIFY.rival, [1, 1000, 5000]),
            (Some(1.0), Some(true)),
            "the limit itself is sufficient"
        );
        assert_eq!(of("cat > /dev/null", [5000; 3]), (None, None));
    }
}
