//! Hourly measurement of the license's usage by a separate process, because it queries the cluster, for which the agent
//! never waits. The agent's log reports what could not be measured.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::paths::SitePaths;

/// Time between two samples.
const HOUR: Duration = Duration::from_hours(1);
/// Time between two failed attempts: the cluster may still be starting.
const AGAIN: Duration = Duration::from_mins(5);
/// Delay after the agent's start, because a boot has other work first.
const SETTLED: Duration = Duration::from_mins(2);
/// Time limit of one measurement.
const PATIENCE: Duration = Duration::from_mins(5);

/// The running measurement, and the time of the next one.
#[derive(Debug)]
pub(crate) struct Measurement {
    next: Instant,
    running: Option<(Child, Instant)>,
}

impl Measurement {
    /// Starts the schedule at the agent's start.
    pub(crate) fn begin() -> Self {
        Self { next: Instant::now() + SETTLED, running: None }
    }

    /// Checks the running measurement, and starts the next one when it is due on a site with a license. Returns the
    /// result of a finished one, if any.
    pub(crate) fn tend(&mut self, paths: &SitePaths, now: Instant) -> Option<Result<(), StepError>> {
        let news = self.running.take().and_then(|(child, begun)| self.look(paths, child, begun, now));
        let has_license = || paths.license().exists() || paths.license_copy().exists();
        if news.is_some() || self.running.is_some() || now < self.next || !has_license() {
            return news;
        }
        self.next = now + AGAIN;
        match start(paths) {
            Ok(child) => {
                self.running = Some((child, now));
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Checks a running measurement; `None` if it is still running.
    fn look(
        &mut self,
        paths: &SitePaths,
        mut child: Child,
        begun: Instant,
        now: Instant,
    ) -> Option<Result<(), StepError>> {
        let what = match child.try_wait() {
            Ok(Some(ended)) if ended.success() => {
                self.next = now + HOUR;
                return Some(Ok(()));
            }
            Ok(Some(ended)) => format!("failed ({ended}); its message is in the agent's log"),
            Ok(None) if now.saturating_duration_since(begun) < PATIENCE => {
                self.running = Some((child, begun));
                return None;
            }
            Ok(None) => {
                // A process in an uninterruptible disk wait does not end even now, so it is not awaited: a later look
                // reaps it.
                let killed = child.kill();
                let how = killed.map_or_else(|error| format!(", and cannot be killed: {error}"), |()| String::new());
                self.running = Some((child, begun));
                format!("did not end in {} seconds{how}", PATIENCE.as_secs())
            }
            Err(error) => return Some(Err(measure_error(paths, "cannot be followed").because(error))),
        };
        Some(Err(measure_error(paths, &what)))
    }
}

fn start(paths: &SitePaths) -> Result<Child, StepError> {
    let started = Command::new(paths.command())
        .args(["node", "measure"])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    started.map_err(|error| measure_error(paths, "cannot be started").because(error))
}

fn measure_error(paths: &SitePaths, what: &str) -> StepError {
    StepError::new(codes::NODE_PROGRAM, format!("`{} node measure` {what}", paths.command().display()))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;
    use landfall_test_support::runnable::write_program;

    use super::*;

    /// Returns a machine whose command is this script.
    fn machine(script: &str) -> (tempfile::TempDir, SitePaths) {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(paths.command().parent().unwrap()).unwrap();
        write_program(&paths.command(), format!("#!/bin/sh\n{script}\n"));
        durable::create_folder(&paths.data()).unwrap();
        (root, paths)
    }

    /// Tends until the running process has a result.
    fn settle(measuring: &mut Measurement, paths: &SitePaths, now: Instant) -> Option<Result<(), StepError>> {
        loop {
            match measuring.tend(paths, now) {
                None if measuring.running.is_some() => std::thread::sleep(Duration::from_millis(5)),
                news => return news,
            }
        }
    }

    #[test]
    fn only_licensed_site_is_measured_hourly() {
        let (root, paths) = machine("echo \"$@\" >> \"$(dirname \"$0\")/calls\"");
        let calls = || fs_err::read_to_string(paths.command().with_file_name("calls")).unwrap_or_default();
        let (mut measuring, begin) = (Measurement::begin(), Instant::now());
        let mut at = |after: Duration| {
            settle(&mut measuring, &paths, begin + after).transpose().unwrap();
            calls().lines().count()
        };
        assert_eq!(at(HOUR), 0, "there is no license");
        durable::write_file(&paths.license(), b"{}", 0o600).unwrap();
        assert_eq!((at(HOUR), at(HOUR + AGAIN), at(HOUR + 11 * AGAIN), at(2 * HOUR)), (1, 1, 1, 2));
        assert_eq!(calls(), "node measure\nnode measure\n");
        drop(root);
    }

    #[test]
    fn failed_measurement_is_retried() {
        let (_root, paths) = machine("exit 4");
        durable::write_file(&paths.license(), b"{}", 0o600).unwrap();
        let (mut measuring, begin) = (Measurement::begin(), Instant::now() + HOUR);
        let error = settle(&mut measuring, &paths, begin).unwrap().unwrap_err();
        assert!(error.code() == codes::NODE_PROGRAM && error.to_string().contains("exit status: 4"), "{error}");
        assert_eq!(measuring.next, begin + AGAIN);

        let (_root, paths) = machine("exec sleep 600");
        durable::write_file(&paths.license(), b"{}", 0o600).unwrap();
        assert!(measuring.tend(&paths, begin + AGAIN).is_none());
        assert!(measuring.tend(&paths, begin + AGAIN + PATIENCE / 2).is_none() && measuring.running.is_some());
        let error = measuring.tend(&paths, begin + AGAIN + PATIENCE).unwrap().unwrap_err();
        assert!(error.to_string().contains("did not end in 300 seconds"), "{error}");
        // The process was killed, and ends as soon as the kernel handles that.
        let mut ended = None;
        while measuring.running.is_some() {
            std::thread::sleep(Duration::from_millis(5));
            ended = measuring.tend(&paths, begin + AGAIN + PATIENCE);
        }
        let error = ended.unwrap().unwrap_err();
        assert!(error.to_string().contains("failed (signal: 9"), "{error}");
    }

    #[test]
    fn missing_command_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.license(), b"{}", 0o600).unwrap();
        let error = Measurement::begin().tend(&paths, Instant::now() + HOUR).unwrap().unwrap_err();
        assert!(error.to_string().ends_with("cannot be started"), "{error}");
    }
}
