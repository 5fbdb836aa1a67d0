//! The part `figures`: the performance table in the release profile, and its limits. It also measures the console: its
//! response times under load, its memory, and its first page.

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;
use serde_json::Value;

use super::invocation::{run_with, turn_on_this_host, xtask};
use super::{bench, pages};
use crate::bench::console::{self, MEASUREMENT};
use crate::bench::limits::{
    BUILD_MEMORY_LIMIT_BYTES, LIMITS, MEMORY_LIMIT_BYTES, REBUILD_LIMIT_SECONDS, RENDERING_LIMIT_SECONDS,
};
use crate::bench::verbs::{self, MEMORY, REBUILD, RENDERING};
use crate::bench::{released_program, startup};
use crate::setup;
use crate::workspace::{self, cargo};

/// Measures while no machines are running, and fails unless every limit is met.
pub(super) fn run() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    pages::ensure_browser()?;
    let _turn = turn_on_this_host()?;
    let rows = bench::rows_of(&verbs::table(), || xtask(&["bench"]))?;
    judge(&rows)?;
    judge_memory(&rows)?;
    judge_builds(&rows)?;
    judge_startup(&rows)?;
    replay_journals()?;
    judge_console(&measured_console()?)
}

/// A part of the name of the test that times the replay of journals.
const REPLAY: &str = "replay_takes_time";

/// Fails if a replay takes longer than its goals, which that test has in the release profile.
fn replay_journals() -> Result<()> {
    workspace::run(cargo().args(["test", "--release", "--package", "landfall-engine", "--lib", REPLAY]))
}

/// Measures the console that ships, with a simulated host and, for some figures, a real PostgreSQL.
fn measured_console() -> Result<Vec<Value>> {
    bench::rows_of(&console::table(), || run_with(&released_program()?, pages::NAME, &[MEASUREMENT]))
}

/// Fails unless every figure of the console was measured, and meets its limit.
fn judge_console(rows: &[Value]) -> Result<()> {
    let row = rows.iter().find(|row| row["name"] == "console").context("the console was not measured")?;
    let mut exceeded = Vec::new();
    for limit in console::LIMITS {
        let value = bench::figure(row, limit.figure)?;
        // Zero is plausible only for an idle processor.
        let is_measured = value > 0.0 || (limit.figure == console::IDLE_PROCESSOR && value >= 0.0);
        ensure!(is_measured, "{} was not measured: {value}", limit.figure);
        if value > limit.at_most {
            exceeded.push(format!("{}: {value}, limit {}", limit.figure, limit.at_most));
        }
    }
    ensure!(exceeded.is_empty(), "the console takes too much: {}", exceeded.join("; "));
    Ok(())
}

/// Fails if a build took longer than allowed before its first write, or when nothing had changed.
fn judge_builds(rows: &[Value]) -> Result<()> {
    for (name, limit) in [(RENDERING, RENDERING_LIMIT_SECONDS), (REBUILD, REBUILD_LIMIT_SECONDS)] {
        let (milliseconds, limit) = (bench::figure(bench::row(rows, "build")?, name)?, limit * 1000.0);
        ensure!(milliseconds > 0.0 && milliseconds <= limit, "build {name}: {milliseconds} ms, limit {limit}");
    }
    Ok(())
}

/// Fails if a verb used more memory than allowed.
fn judge_memory(rows: &[Value]) -> Result<()> {
    let limits = [("build", BUILD_MEMORY_LIMIT_BYTES), ("verify", MEMORY_LIMIT_BYTES), ("stage", MEMORY_LIMIT_BYTES)];
    for (verb, limit) in limits {
        let bytes = bench::figure(bench::row(rows, verb)?, MEMORY).with_context(|| format!("the row of {verb}"))?;
        ensure!(bytes > 0.0 && bytes <= limit, "{verb} took {bytes} bytes of memory");
    }
    Ok(())
}

/// Fails if the program is too large, or if a verb that does next to nothing takes too much time or memory.
fn judge_startup(rows: &[Value]) -> Result<()> {
    let mut exceeded = Vec::new();
    let mut judge = |name: &str, figure: &str, limit: f64| -> Result<()> {
        let value = bench::figure(bench::row(rows, name)?, figure)?;
        ensure!(value > 0.0, "{figure} of {name} was not measured");
        if value > limit {
            exceeded.push(format!("{name}, {figure}: {value}, limit {limit}"));
        }
        Ok(())
    };
    for (name, limits) in startup::LIMITS {
        judge(name, startup::TIME, limits.milliseconds)?;
        judge(name, startup::MEMORY, limits.memory_bytes)?;
    }
    judge("version", startup::SIZE, startup::SIZE_LIMIT_BYTES)?;
    ensure!(exceeded.is_empty(), "the program starts slowly: {}", exceeded.join("; "));
    Ok(())
}

/// Fails unless each limit is met by a ratio that was measured with an empty page cache.
fn judge(rows: &[Value]) -> Result<()> {
    let ratios: Vec<&Value> = rows.iter().filter_map(|row| row["ratios"].as_array()).flatten().collect();
    let mut exceeded = Vec::new();
    for limit in LIMITS {
        let ratio = ratios.iter().find(|ratio| ratio["rival"] == limit.rival);
        let ratio = ratio.with_context(|| format!("nothing was measured against {}", limit.rival))?;
        ensure!(ratio["cold"] == true, "the page cache was not emptied for the runs against {}", limit.rival);
        ensure!(ratio["limit"] == limit.at_most, "the table has another limit than {}: {ratio}", limit.at_most);
        if ratio["met"] != true {
            exceeded.push(format!("{} over {}, limit {}", ratio["median"], limit.rival, limit.at_most));
        }
    }
    ensure!(exceeded.is_empty(), "too slow: {}", exceeded.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows() -> Vec<Value> {
        let ratio = |rival: &str, limit: Option<f64>| match limit {
            Some(limit) => json!({ "rival": rival, "median": 0.5, "cold": true, "limit": limit, "met": true }),
            None => json!({ "rival": rival, "median": 9.5, "cold": true }),
        };
        let row = |verb: &str, ratios: Vec<Value>| json!({ "name": verb, "ratios": ratios });
        let mut rows = vec![row("verify", vec![ratio("cat > /dev/null", None)])];
        rows.extend(LIMITS.map(|limit| row("some", vec![ratio(limit.rival, Some(limit.at_most))])));
        rows
    }

    #[test]
    fn figures_need_met_cold_limits() {
        judge(&rows()).unwrap();
        for index in 1..=LIMITS.len() {
            for (field, said) in [
                ("met", "too slow: "),
                ("cold", "the page cache was not emptied for the runs against "),
                ("limit", "the table has another limit than "),
            ] {
                let mut rows = rows();
                rows[index]["ratios"][0][field] = false.into();
                let error = judge(&rows).unwrap_err().to_string();
                assert!(error.starts_with(said), "{}: {error}", rows[index]);
            }
            let mut rows = rows();
            rows.remove(index);
            assert!(judge(&rows).unwrap_err().to_string().starts_with("nothing was measured against "));
        }
    }

    #[test]
    fn memory_of_each_verb_is_judged() {
        let row = |verb: &str, bytes: u64| json!({ "name": verb, "figures": [{ "name": MEMORY, "value": bytes }] });
        let rows = |stage: u64| [row("build", 40 << 20), row("verify", 20 << 20), row("stage", stage)];
        judge_memory(&rows(64 << 20)).unwrap();
        for bytes in [0, (64 << 20) + 1] {
            assert!(judge_memory(&rows(bytes)).unwrap_err().to_string().starts_with("stage took "));
        }
        assert_eq!(judge_memory(&rows(1)[..2]).unwrap_err().to_string(), "stage was not measured");
    }

    #[test]
    fn startup_limits_are_judged() {
        let row = |name: &str, time: f64, memory: f64, size: f64| {
            let figures = [(startup::TIME, time), (startup::MEMORY, memory), (startup::SIZE, size)];
            json!({ "name": name, "figures": figures.map(|(name, value)| json!({ "name": name, "value": value })) })
        };
        let within = row("version", 5.0, 1e6, 1e6);
        judge_startup(&[row("inspect", 10.0, 1e6, 1e6), within.clone()]).unwrap();
        let refused = |rows: [Value; 2]| judge_startup(&rows).unwrap_err().to_string();
        for (time, memory, figure) in [(10.1, 1e6, startup::TIME), (1.0, 1.1e7, startup::MEMORY)] {
            let said = refused([row("inspect", time, memory, 1e6), within.clone()]);
            assert!(said.starts_with(&format!("the program starts slowly: inspect, {figure}: ")), "{said}");
        }
        let said = refused([row("inspect", 0.0, 1e6, 1e6), within]);
        assert_eq!(said, format!("{} of inspect was not measured", startup::TIME));
        let said = refused([row("inspect", 1.0, 1e6, 1e6), row("version", 1.0, 1e6, 7e7)]);
        assert!(said.starts_with(&format!("the program starts slowly: version, {}: ", startup::SIZE)), "{said}");
    }

    #[test]
    fn console_limits_are_judged() {
        let row = |factor: f64| {
            let figures = console::LIMITS.iter();
            let figures = figures.map(|limit| json!({ "name": limit.figure, "value": limit.at_most * factor }));
            vec![json!({ "name": "console", "figures": figures.collect::<Vec<_>>() })]
        };
        judge_console(&row(1.0)).unwrap();
        let said = judge_console(&row(1.01)).unwrap_err().to_string();
        assert!(console::LIMITS.iter().all(|limit| said.contains(limit.figure)), "{said}");
        assert_eq!(judge_console(&[]).unwrap_err().to_string(), "the console was not measured");
        for index in 0..console::LIMITS.len() {
            let mut rows = row(1.0);
            rows[0]["figures"][index]["name"] = "another".into();
            assert!(judge_console(&rows).unwrap_err().to_string().contains("there is no figure"));
            let mut rows = row(1.0);
            rows[0]["figures"][index]["value"] = 0.into();
            let figure = console::LIMITS[index].figure;
            let said = judge_console(&rows).err().map(|error| error.to_string());
            let expected = (figure != console::IDLE_PROCESSOR).then(|| format!("{figure} was not measured: 0"));
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn exceeded_limits_are_named() {
        let mut rows = rows();
        rows[1..].iter_mut().for_each(|row| row["ratios"][0]["met"] = false.into());
        let said = judge(&rows).unwrap_err().to_string();
        assert!(LIMITS.iter().all(|limit| said.contains(limit.rival)), "{said}");
    }
}
