//! Addresses that a program executes.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Shell script that waits until it is traced, and then becomes the program.
const WAITING: &str = "kill -STOP $$; exec \"$@\"";

/// Code of a running program in its memory.
struct Code {
    /// Address of the file's first byte.
    start: u64,
    /// Addresses of instructions.
    instructions: Range<u64>,
}

/// Runs a program in single steps. Returns the executed addresses of all its threads, relative to the start of the
/// program's file in memory; those of libraries do not count.
pub fn executed(program: &Path, arguments: &[&str]) -> Result<BTreeSet<u64>> {
    let program = program.canonicalize().with_context(|| format!("cannot find {}", program.display()))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WAITING, "sh"]).arg(&program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    // Waits for threads of the group take no news of other children.
    command.process_group(0);
    let mut child = command.spawn().context("cannot start /bin/sh")?;
    let outcome = step_through(&child, &program);
    if outcome.is_err() {
        // It may already have ended.
        let _ = child.kill();
    }
    outcome.with_context(|| format!("cannot trace {}", program.display()))
}

fn step_through(child: &Child, program: &Path) -> Result<BTreeSet<u64>> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let group = Pid::from_raw(-pid.as_raw());
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(pid, Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL)?;
    kill(pid, Signal::SIGCONT)?;
    while !is_exec(waitpid(pid, Some(WaitPidFlag::__WALL))?)? {
        ptrace::cont(pid, None)?;
    }
    let code = Code::of_process(pid, program)?;
    let mut addresses = BTreeSet::new();
    ptrace::step(pid, None)?;
    loop {
        let (thread, signal) = match waitpid(group, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(ended, status) if ended == pid => {
                ensure!(status == 0, "it exited with {status}");
                return Ok(addresses);
            }
            WaitStatus::Signaled(ended, signal, _) if ended == pid => bail!("it was ended by {signal}"),
            WaitStatus::Stopped(thread, Signal::SIGTRAP | Signal::SIGSTOP) | WaitStatus::PtraceEvent(thread, _, _) => {
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // A thread may end between its stop and these calls.
        match ptrace::getregs(thread) {
            Ok(registers) if code.instructions.contains(&registers.rip) => {
                addresses.insert(registers.rip - code.start);
            }
            Ok(_) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        match ptrace::step(thread, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns true for the stop after the program has replaced the shell. Fails if the process has ended.
fn is_exec(status: WaitStatus) -> Result<bool> {
    match status {
        WaitStatus::PtraceEvent(_, _, event) => Ok(event == ptrace::Event::PTRACE_EVENT_EXEC as i32),
        WaitStatus::Exited(..) | WaitStatus::Signaled(..) => bail!("the shell ended: {status:?}"),
        _ => Ok(false),
    }
}

impl Code {
    /// Reads the mappings of a process.
    fn of_process(pid: Pid, program: &Path) -> Result<Self> {
        let maps = read_to_string(format!("/proc/{pid}/maps")).context("cannot read its mappings")?;
        let (mut start, mut instructions) = (None, None);
        for line in maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())) {
            let mut fields = line.split_whitespace();
            let (range, rights) = fields.next().zip(fields.next()).context("a mapping has no range")?;
            let (low, high) = range.split_once('-').context("a range has no end")?;
            let (low, high) = (u64::from_str_radix(low, 16)?, u64::from_str_radix(high, 16)?);
            start.get_or_insert(low);
            if rights.contains('x') {
                instructions = Some(low..high);
            }
        }
        let (start, instructions) = start.zip(instructions).context("it has no code in memory")?;
        Ok(Self { start, instructions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_executes_some_addresses() {
        let addresses = executed(Path::new("/bin/true"), &[]).unwrap();
        let length = Path::new("/bin/true").metadata().unwrap().len();
        assert!(addresses.len() > 20, "{addresses:?}");
        assert!(addresses.iter().all(|address| *address < length), "{addresses:?}");
    }

    #[test]
    fn failed_program_is_refused() {
        let refused = executed(Path::new("/bin/false"), &[]).unwrap_err();
        assert_eq!(
            format!("{refused:#}"),
            format!("cannot trace {}: it exited with 1", Path::new("/bin/false").canonicalize().unwrap().display())
        );
    }
}
