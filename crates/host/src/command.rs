//! Execution of programs of the host and of the node pack: the process boundary, and the only part that tests may
//! replace.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use landfall_error_codes::codes;

use landfall_engine::step::StepError;

/// Bytes of a failed program's standard error that its error quotes, from the end.
const QUOTED_BYTES: usize = 2000;

/// Program with its arguments. Its environment holds only the variables set here, `PATH` and `HOME`, so that no proxy
/// or locale of the caller's shell changes its behavior.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables.
    pub environment: Vec<(String, OsString)>,
}

impl HostCommand {
    /// Creates a command without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item: Into<OsString>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the standard output, or converts a failed start or exit to an error that names the command.
    pub fn check_output(&self, output: io::Result<CommandOutput>) -> Result<Vec<u8>, StepError> {
        let output = output
            .map_err(|source| StepError::new(codes::NODE_PROGRAM, format!("cannot run `{self}`")).because(source))?;
        if output.success {
            return Ok(output.stdout);
        }
        let start = output.stderr.len().saturating_sub(QUOTED_BYTES);
        let said = String::from_utf8_lossy(&output.stderr[start..]);
        Err(StepError::new(codes::NODE_PROGRAM, format!("`{self}` failed: {}", said.trim())))
    }
}

impl std::fmt::Display for HostCommand {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.program.display())?;
        self.arguments.iter().try_for_each(|argument| write!(formatter, " {}", argument.to_string_lossy()))
    }
}

/// The result of a program.
#[derive(Debug, Clone, Default)]
pub struct CommandOutput {
    /// True if the exit code was 0.
    pub success: bool,
    /// Complete standard output.
    pub stdout: Vec<u8>,
    /// Complete standard error.
    pub stderr: Vec<u8>,
}

/// Writer of a program's standard input.
pub type Input<'a> = &'a mut (dyn FnMut(&mut dyn Write) -> io::Result<()> + Send);

/// Runner of programs, which waits for their end.
pub trait CommandRunner: Send + Sync {
    /// Runs `command` and feeds it `input`. Fails if the program cannot be started or fed; a nonzero exit code is part
    /// of the output.
    fn run(&self, command: &HostCommand, input: Option<Input<'_>>) -> io::Result<CommandOutput>;
}

/// Runner of real programs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subprocesses;

impl CommandRunner for Subprocesses {
    fn run(&self, command: &HostCommand, input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // The program may write more than a pipe holds to either output while it still reads its input.
        let (stdout, stderr, fed) = std::thread::scope(|scope| {
            let stdout = scope.spawn(|| read_all(stdout));
            let stderr = scope.spawn(|| read_all(stderr));
            let fed = match (input, stdin) {
                (Some(input), Some(mut pipe)) => input(&mut pipe),
                _ => Ok(()),
            };
            (stdout.join(), stderr.join(), fed)
        });
        let success = child.wait()?.success();
        let lost = |_| io::Error::other("the reader of its output panicked");
        let output = CommandOutput { success, stdout: stdout.map_err(lost)??, stderr: stderr.map_err(lost)?? };
        match fed {
            // A failed program closes its input early; its message matters more than the broken pipe.
            Err(error) if output.success || error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(output),
        }
    }
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_programs_are_fed_and_read() {
        let shell = |script: &str| HostCommand::new("/bin/sh").argument("-c").argument(script);
        let mut write = |pipe: &mut dyn Write| pipe.write_all(&vec![b'x'; 300_000]);
        let output = Subprocesses.run(&shell("tee /dev/stderr"), Some(&mut write)).unwrap();
        assert_eq!((output.success, output.stdout.len(), output.stderr.len()), (true, 300_000, 300_000));

        let failing = shell("echo no such thing >&2; exit 3");
        let error = failing.check_output(Subprocesses.run(&failing, None)).unwrap_err();
        assert!(error.to_string().ends_with("failed: no such thing"), "{error}");

        let clean = shell("echo \"${HTTPS_PROXY-unset}\"");
        assert_eq!(clean.check_output(Subprocesses.run(&clean, None)).unwrap(), b"unset\n");

        let mut write = |pipe: &mut dyn Write| pipe.write_all(&vec![b'x'; 3_000_000]);
        let refusing = shell("exec 0<&-; echo refused >&2; exit 1");
        let error = refusing.check_output(Subprocesses.run(&refusing, Some(&mut write))).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
