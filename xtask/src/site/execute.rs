//! Execution of programs inside a machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result, bail, ensure};

use super::machine::Machine;
use super::tool;

/// Shell code that joins a cgroup below the machine's, so that processes count as the machine's and not as the host's.
const JOIN: &str = "groups=/sys/fs/cgroup; [ -e $groups/cgroup.procs ] || groups=$(echo $groups/*); \
    for group in $groups; do mkdir -p $group/session && echo $$ > $group/session/cgroup.procs; done 2> /dev/null; \
    exec \"$@\"";

/// Result of a program that ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit status, without an exit code if a signal or the end of the machine ended it.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Output stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Machine {
    /// Returns a command that runs a program inside. The caller connects its standard streams. It has a fresh
    /// environment and the working folder `/`, and ends when the machine ends.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first()?.number));
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--wdns=/", "--"]);
        command.args(["/bin/bash", "-c", JOIN, "run", program]).args(arguments);
        command.env_clear().env("PATH", tool::PATH).env("HOME", "/root").env("LANG", "C.UTF-8").env("TERM", "dumb");
        Ok(command)
    }

    /// Runs a line of bash until it ends, and returns its result even if it fails.
    pub fn try_run(&self, line: &str) -> Result<Output> {
        let mut command = self.command("/bin/bash", &["-c", line])?;
        let output = command.stdin(Stdio::null()).output().context("cannot run nsenter")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Runs a line of bash. Fails if the line fails.
    pub fn run(&self, line: &str) -> Result<Output> {
        let output = self.try_run(line)?;
        if !output.status.success() {
            let (name, status) = (self.name(), output.status);
            bail!("on {name}, `{line}` failed ({status}): {}{}", output.stdout, output.stderr);
        }
        Ok(output)
    }

    /// Runs a program and passes on its output line by line while it runs. The callback may do anything to the machine,
    /// including a power cut; the program then ends by a signal.
    pub fn run_streaming(
        &self,
        program: &str,
        arguments: &[&str],
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<ExitStatus> {
        let mut command = self.command(program, arguments)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run nsenter")?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            send_lines(stdout, Stream::Stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            send_lines(stderr, Stream::Stderr, sender);
        }
        for (stream, line) in lines {
            on_line(stream, &line);
        }
        child.wait().context("cannot wait for nsenter")
    }

    /// Writes a file inside, following links as the machine does, without syncing it. Missing folders are created.
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        self.feed(path, mode, &mut content.as_ref())
    }

    /// Copies a file of the host into the machine, without syncing it.
    pub fn copy_in(&self, source: &Path, path: &str, mode: u32) -> Result<()> {
        let mut file = std::fs::File::open(source).with_context(|| format!("cannot open {}", source.display()))?;
        self.feed(path, mode, &mut file)
    }

    fn feed(&self, path: &str, mode: u32, content: &mut dyn Read) -> Result<()> {
        let line = "mkdir -p \"$(dirname \"$1\")\" && cat > \"$1\" && chmod \"$2\" \"$1\"";
        let mut command = self.command("/bin/bash", &["-c", line, "write", path, &format!("{mode:o}")])?;
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run nsenter")?;
        let mut stdin = child.stdin.take().context("nsenter was started with a pipe")?;
        let copied = std::io::copy(content, &mut stdin).and_then(|_| stdin.flush());
        drop(stdin);
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cannot write {path} on {}: {}", self.name(), text.trim());
        copied.with_context(|| format!("cannot write {path} on {}", self.name()))
    }

    /// Reads a file inside the machine.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let output = self.command("cat", &["--", path])?.stdin(Stdio::null()).output().context("cannot run nsenter")?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cannot read {path} on {}: {}", self.name(), text.trim());
        Ok(output.stdout)
    }

    /// Returns the number of packets that the machine refused since its boot because it had no route: its own, and
    /// those of its pods. Without a default route, a packet for a foreign address ends here and never reaches the
    /// switch.
    pub fn unroutable_packets(&self) -> Result<u64> {
        let own = self.count_of_kernel("/proc/net/snmp", "Ip: ", "OutNoRoutes")?;
        Ok(own + self.count_of_kernel("/proc/net/netstat", "IpExt: ", "InNoRoutes")?)
    }

    /// Returns a counter from a file that has a line of names above a line of values.
    fn count_of_kernel(&self, path: &str, group: &str, counter: &str) -> Result<u64> {
        let text = String::from_utf8(self.read_file(path)?)?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
        let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let at = names.split(' ').position(|name| name == counter);
        let at = at.with_context(|| format!("the kernel counts no {counter}"))?;
        values.split(' ').nth(at).context("the kernel's counters are short")?.parse().context("no number of packets")
    }
}

fn send_lines(source: impl Read + Send + 'static, stream: Stream, lines: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(source);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
            let text = String::from_utf8_lossy(&line);
            if lines.send((stream, text.trim_end_matches(['\n', '\r']).to_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}
