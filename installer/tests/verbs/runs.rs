//! Runs of the real program, each with one injected fault.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::inputs::{Inputs, Outputs, PASSWORD};
use crate::table::{Does, Row};

/// Time for a verb to exit after an interrupt.
const LIMIT: Duration = Duration::from_secs(20);

/// Time after which a person interrupts again.
const INTERRUPT_AGAIN: Duration = Duration::from_secs(2);

/// User ID without any rights on the host.
const NOBODY: u32 = 65_534;

/// One run of a verb.
pub(crate) struct Run {
    program: File,
    arguments: Vec<OsString>,
    needs_site: bool,
}

impl Run {
    pub(crate) fn of(inputs: &Inputs, outputs: &Outputs, row: &Row) -> Self {
        let place = |word: &str| {
            let folder = |name: &str| outputs.path(name).display().to_string();
            word.replace("{in}", &inputs.folder()).replace("{out}", &folder("out")).replace("{roots}", &folder("roots"))
        };
        let arguments =
            row.0.split(' ').map(OsString::from).chain(row.1.split_whitespace().map(|word| place(word).into()));
        let program = File::open(env!("CARGO_BIN_EXE_landfall")).expect("the program");
        Self { program, arguments: arguments.collect(), needs_site: row.2 == Does::NeedsSite }
    }

    /// Creates the command. If root runs a verb that needs a site, it runs as nobody, because it must not find a site
    /// on this machine. The program is then started through its open file.
    pub(crate) fn command(&self) -> Command {
        let mut command = if self.needs_site && rustix::process::geteuid().is_root() {
            let mut command = Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
            command.uid(NOBODY).gid(NOBODY);
            command
        } else {
            Command::new(env!("CARGO_BIN_EXE_landfall"))
        };
        command.args(&self.arguments).env(PASSWORD.0, PASSWORD.1).stdin(Stdio::null());
        command
    }

    /// Creates the command with a limit of the file size, in blocks of the shell. The signal is ignored, so that a
    /// write fails as on a full disk.
    pub(crate) fn with_largest_file(&self, blocks: u64) -> Command {
        let mut command = Command::new("/bin/sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_landfall")).args(&self.arguments);
        command.env(PASSWORD.0, PASSWORD.1).stdin(Stdio::null());
        command
    }
}

/// Output of the command with its standard output on a full disk.
pub(crate) fn on_a_full_disk(command: &mut Command) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    command.stdout(full).stderr(Stdio::piped()).output().expect("landfall")
}

/// Output of the command with a reader that closed the pipe before the first byte.
pub(crate) fn without_a_reader(command: &mut Command) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped()).output().expect("landfall")
}

/// Output of the command after an interrupt before or during its output: nothing is read, so the verb cannot finish.
pub(crate) fn run_interrupted(command: &mut Command) -> Output {
    let (_reader, writer) = full_pipe();
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("landfall");
    wait_for_handler(&child);
    let (pid, begun) = (Pid::from_child(&child), Instant::now());
    let mut interrupted = 0;
    while !has_ended(&child) {
        assert!(begun.elapsed() < LIMIT, "{command:?} goes on after an interrupt");
        // In the instant between the installation of the handler and its use, an interrupt is lost: a person presses
        // the keys again.
        if begun.elapsed() >= INTERRUPT_AGAIN * interrupted {
            kill_process(pid, Signal::INT).expect("an interrupt");
            interrupted += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("landfall")
}

/// A full pipe.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("a pipe");
    for size in [4096, 1] {
        while rustix::io::write(&writer, &vec![b'x'; size]).is_ok() {}
    }
    fcntl_setfl(&writer, OFlags::empty()).expect("a pipe");
    (reader, writer)
}

/// Waits until a process has a handler for interrupts.
fn wait_for_handler(child: &Child) {
    let interrupt = 1_u64 << (Signal::INT.as_raw() - 1);
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        let status = fs_err::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        if caught & interrupt != 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("it never catches interrupts");
}

fn has_ended(child: &Child) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}
