//! One program kept running: started, adopted when it outlived an earlier agent, restarted with growing pauses.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_error_codes::codes;
use landfall_media::durable;

use super::logs;
use landfall_engine::step::StepError;
use landfall_host::command::HostCommand;
use landfall_host::paths::SitePaths;
use landfall_host::process::ProcessId;

/// First pause before a restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// A program that ran so long is restarted after the first pause again.
const STEADY: Duration = Duration::from_mins(1);

/// What the supervisor knows of its program.
#[derive(Debug)]
enum State {
    /// It does not run and is not wanted.
    Idle,
    /// It runs; the child where this agent started it.
    Running { process: ProcessId, child: Option<Child>, since: Instant },
    /// It ended and is started again at this time.
    Pausing { until: Instant },
}

/// A supervised program.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    paths: SitePaths,
    state: State,
    pause: Duration,
}

impl Service {
    /// Adopts the program if it runs since an earlier agent.
    pub fn adopt(name: &'static str, paths: &SitePaths) -> Self {
        let state = match running(paths, name) {
            Some(process) => {
                tracing::info!(name, ?process, "adopted");
                State::Running { process, child: None, since: Instant::now() }
            }
            None => State::Idle,
        };
        Self { name, paths: paths.clone(), state, pause: FIRST_PAUSE }
    }

    /// Looks after the program: notices its end, starts it when it is wanted and its pause is over. `command` is asked
    /// only when it starts.
    pub fn tend(
        &mut self,
        now: Instant,
        wanted: bool,
        command: impl FnOnce() -> Result<HostCommand, StepError>,
    ) -> Result<(), StepError> {
        if let State::Running { process, child, since } = &mut self.state {
            // Asking the child also frees its entry in the kernel's table.
            let exit = child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if exit.is_none() && process.is_alive() {
                return Ok(());
            }
            tracing::warn!(name = self.name, exit = ?exit.map(|status| status.to_string()), "ended");
            if now.duration_since(*since) > STEADY {
                self.pause = FIRST_PAUSE;
            }
            self.state = State::Pausing { until: now + self.pause };
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        let due = match self.state {
            State::Pausing { until } => now >= until,
            State::Idle => true,
            State::Running { .. } => false,
        };
        if due && wanted {
            self.start(now, &command()?)?;
        }
        Ok(())
    }

    /// Whether it ran when it was last looked after.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    fn start(&mut self, now: Instant, command: &HostCommand) -> Result<(), StepError> {
        use std::os::unix::process::CommandExt;
        let failed = |error: std::io::Error| {
            StepError::new(codes::NODE_PROGRAM, format!("cannot start `{command}`")).because(error)
        };
        let log: File = logs::open(&self.paths, self.name)?.into();
        let child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            // Signals that a terminal sends the agent are not for it.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        // A child that has ended already is a zombie until it is asked, so it has an entry.
        let process = ProcessId::of(pid)
            .ok_or_else(|| StepError::new(codes::BUG, format!("`{command}` has no entry in /proc")))?;
        tracing::info!(name = self.name, pid, "started");
        self.state = State::Running { process, child: Some(child), since: now };
        remember(&self.paths, self.name, process)
    }
}

fn mark(paths: &SitePaths, name: &str) -> PathBuf {
    paths.run().join(format!("{name}.process"))
}

fn remember(paths: &SitePaths, name: &str, process: ProcessId) -> Result<(), StepError> {
    let bytes = serde_json::to_vec(&process).unwrap_or_default();
    durable::create_folder(&paths.run())?;
    Ok(durable::write_file(&mark(paths, name), &bytes, 0o644)?)
}

/// A supervised program that runs now, whichever agent started it.
pub fn running(paths: &SitePaths, name: &str) -> Option<ProcessId> {
    let bytes = fs_err::read(mark(paths, name)).ok()?;
    serde_json::from_slice::<ProcessId>(&bytes).ok().filter(|process| process.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_host::process;

    fn sleep() -> HostCommand {
        HostCommand::new("/bin/sleep").argument("60")
    }

    #[test]
    fn keeps_running_adopts_and_pauses_longer_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let mut service = Service::adopt("sleep", &paths);
        let mut now = Instant::now();
        service.tend(now, false, || Ok(sleep())).unwrap();
        assert!(running(&paths, "sleep").is_none() && !service.is_running(), "not wanted");

        service.tend(now, true, || Ok(sleep())).unwrap();
        let first = running(&paths, "sleep").unwrap();
        service.tend(now, true, || panic!("it runs")).unwrap();

        // Another agent finds it by its mark and starts nothing.
        let mut heir = Service::adopt("sleep", &paths);
        heir.tend(now, true, || panic!("it runs")).unwrap();

        for pause in [FIRST_PAUSE, FIRST_PAUSE * 2] {
            let before = running(&paths, "sleep").unwrap();
            assert!(process::end(&[before], Duration::from_secs(2)).is_empty());
            service.tend(now, true, || panic!("it pauses first")).unwrap();
            assert!(!service.is_running());
            let almost = now + pause / 2;
            service.tend(almost, true, || panic!("the pause is not over")).unwrap();
            now += pause;
            service.tend(now, true, || Ok(sleep())).unwrap();
            assert_ne!(running(&paths, "sleep").unwrap(), before);
        }
        assert!(!first.is_alive());
        process::end(&[running(&paths, "sleep").unwrap()], Duration::from_secs(2));
    }
}
