//! Running of a program within limits: its time, and the bytes of its output that are kept.
//!
//! Threats: the program may hang, even where no signal reaches it (in a driver's call). It may start children that
//! outlive it or keep its output open, or write without end. So it gets its own process group, which is killed as a
//! whole. Output is read without waiting for its end. A process that does not die is left to a thread, which reaps it
//! when it dies.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The limits of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum running time.
    pub time: Duration,
    /// Maximum bytes on its standard output. For its standard error, [`ERRORS_LIMIT`] bytes are kept.
    pub output_bytes: usize,
}

/// Number of bytes that are kept of a program's standard error.
pub const ERRORS_LIMIT: usize = 4 << 10;

/// Maximum time until the end of a program is noticed while another process keeps its output open.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Time that a killed program may take to end before it is abandoned.
const DEATH_LIMIT: Duration = Duration::from_millis(500);

/// The end of a program's run.
#[derive(Debug)]
pub enum RunEnd {
    /// It ended before it reached a limit.
    ByItself {
        /// Its exit code, or the signal that ended it.
        status: ExitStatus,
        /// Its whole standard output.
        output: Vec<u8>,
        /// The beginning of its standard error.
        errors: String,
    },
    /// It was killed at its time limit.
    TimeOver,
    /// It was killed because it printed more than allowed.
    TooMuchOutput,
}

/// Runs a program within limits. On return, everything that it started in its process group is gone, unless the kernel
/// cannot end it now.
pub fn run(command: &mut Command, limits: Limits) -> io::Result<RunEnd> {
    let deadline = Instant::now() + limits.time;
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let listened = listen(&mut child, deadline, limits.output_bytes);
    // The group is killed before its leader is reaped: until then, the kernel does not reuse its number.
    kill_group(&child);
    let status = collect(child)?;
    Ok(match (listened?, status) {
        (ProgramOutput::All { output, errors }, Some(status)) => RunEnd::ByItself { status, output, errors },
        (ProgramOutput::TooMuch, _) => RunEnd::TooMuchOutput,
        (ProgramOutput::TimeOver | ProgramOutput::All { .. }, _) => RunEnd::TimeOver,
    })
}

/// A program's output until it ended or had to be killed.
enum ProgramOutput {
    All { output: Vec<u8>, errors: String },
    TooMuch,
    TimeOver,
}

/// Reads until the program ends. The end of its output does not indicate its end: it may close its output early, or
/// leave it to a child.
fn listen(child: &mut Child, deadline: Instant, output_limit: usize) -> io::Result<ProgramOutput> {
    let mut output = Ear::new(child.stdout.take(), output_limit)?;
    let mut errors = Ear::new(child.stderr.take(), ERRORS_LIMIT)?;
    loop {
        let has_ended = has_ended(child)?;
        output.hear()?;
        errors.hear()?;
        if output.overflowed {
            return Ok(ProgramOutput::TooMuch);
        }
        if has_ended {
            let errors = String::from_utf8_lossy(&errors.bytes).trim().to_owned();
            return Ok(ProgramOutput::All { output: output.bytes, errors });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(ProgramOutput::TimeOver);
        }
        wait_for_either(&output, &errors, left.min(LOOK_EVERY))?;
    }
}

/// One end of a pipe, read without blocking, up to a limit.
struct Ear<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl<P: Read + AsFd> Ear<P> {
    fn new(pipe: Option<P>, limit: usize) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, bytes: Vec::new(), limit, overflowed: false })
    }

    /// Reads the available bytes. Bytes over the limit are also read, and dropped, so that the program does not block.
    fn hear(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    let kept = length.min(self.limit - self.bytes.len());
                    self.bytes.extend_from_slice(&buffer[..kept]);
                    if kept < length {
                        self.overflowed = true;
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits until something can be read, or until the timeout.
fn wait_for_either<A: AsFd, B: AsFd>(output: &Ear<A>, errors: &Ear<B>, longest: Duration) -> io::Result<()> {
    let pipes = [output.pipe.as_ref().map(AsFd::as_fd), errors.pipe.as_ref().map(AsFd::as_fd)];
    let mut waited: Vec<PollFd<'_>> = pipes.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
    let timeout = Timespec { tv_sec: 0, tv_nsec: longest.subsec_nanos().into() };
    match poll(&mut waited, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns true if the program has ended, without reaping it.
fn has_ended(child: &Child) -> io::Result<bool> {
    let Some(pid) = pid_of(child) else { return Ok(true) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// Kills the program's process group. A group without processes is not an error.
fn kill_group(child: &Child) {
    if let Some(pid) = pid_of(child) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Reaps a program that ended or was killed. Returns `None` for a program that the kernel cannot end now; it is left to
/// a thread.
fn collect(mut child: Child) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + DEATH_LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::spawn(move || child.wait());
    Ok(None)
}

#[cfg(test)]
mod tests;
