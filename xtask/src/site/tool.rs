//! Runs tools of the host and turns their failures into errors.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::printer;

/// Search path of tools, on the host and inside machines.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The maximum number of runs of a read-only command.
const LOOKS: usize = 4;

/// Runs a command of the host and returns its stdout. A failure is an error with its stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    good(command, output).map(text)
}

fn text(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Like [`output`], for a read-only command, which is retried if it crashes: nft occasionally does while it lists
/// rules.
pub fn output_of_a_look(command: &mut Command) -> Result<String> {
    for _ in 1..LOOKS {
        let output = run(command)?;
        if output.status.signal().is_none() {
            return good(command, output).map(text);
        }
        printer::note(format!("{} crashed ({}) and is run again", describe(command), output.status));
    }
    output(command)
}

fn run(command: &mut Command) -> Result<Output> {
    command.env("PATH", PATH).output().with_context(|| format!("cannot run {}", describe(command)))
}

fn good(command: &Command, output: Output) -> Result<Output> {
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", describe(command), output.status, text.trim());
    }
    Ok(output)
}

/// Describes a command by program and arguments, shortened to the first line.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashed_look_is_retried() {
        let folder = tempfile::tempdir().unwrap();
        let look = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.current_dir(&folder).args(["-c", &format!("echo >> tries; {script}")]);
            let outcome = output_of_a_look(&mut command);
            let tries = std::fs::read(folder.path().join("tries")).unwrap().len();
            std::fs::remove_file(folder.path().join("tries")).unwrap();
            (outcome.map_err(|error| error.to_string()), tries)
        };
        let crash = "kill -SEGV $$";
        assert_eq!(look("echo seen"), (Ok("seen\n".to_owned()), 1));
        assert_eq!(
            look(&format!("[ -e once ] || {{ touch once; {crash}; }}; echo seen")),
            (Ok("seen\n".to_owned()), 2)
        );
        let (outcome, tries) = look(crash);
        assert_eq!((outcome.unwrap_err().contains("signal: 11"), tries), (true, LOOKS));
        let (outcome, tries) = look("echo why >&2; exit 3");
        assert_eq!((outcome.unwrap_err().ends_with(": why"), tries), (true, 1));
    }
}
