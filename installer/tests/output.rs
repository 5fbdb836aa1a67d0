//! Failing standard output of the real program: a failed write is an error of every command.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Output, Stdio};

/// Complete commands that print without a site.
const PRINTED: [&str; 11] = [
    "facts",
    "completions bash",
    "errors",
    "errors --markdown",
    "errors --json",
    "explain LF4408",
    "handbook",
    "handbook ERRORS",
    "handbook --json",
    "version",
    "--version",
];

/// Headings in a help text that follow the commands.
const BELOW_COMMANDS: [&str; 3] = ["Options:", "Global options:", "Examples:"];

fn landfall(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(words.split_whitespace());
    command
}

/// All commands of the program, as listed in its own help.
fn commands() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![String::new()];
    while let Some(words) = open.pop() {
        let help = landfall(&format!("{words} --help")).output().expect("help");
        let help = String::from_utf8(help.stdout).expect("text");
        let listed = help.lines().skip_while(|line| !line.starts_with("Usage:"));
        let listed = listed.take_while(|line| !BELOW_COMMANDS.contains(line));
        let is_command = |line: &&str| line.strip_prefix("  ").is_some_and(|line| line.starts_with(char::is_lowercase));
        for line in listed.filter(is_command) {
            let name = line.split_whitespace().next().unwrap_or_default();
            let words = format!("{words} {name}").trim().to_owned();
            // kubectl's arguments are not Landfall's.
            if name != "help" && name != "kubectl" && found.insert(words.clone()) {
                open.push(words);
            }
        }
    }
    found
}

/// Output of a command that writes to a full disk.
fn on_a_full_disk(words: &str) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    landfall(words).stdout(full).stderr(Stdio::piped()).output().expect("landfall")
}

/// Output of a command whose reader closed the pipe before the first byte.
fn without_a_reader(words: &str) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    landfall(words).stdout(writer).stderr(Stdio::piped()).output().expect("landfall")
}

fn all() -> Vec<String> {
    let commands = commands();
    assert!(commands.len() > 80, "only {} commands were found", commands.len());
    let helps = commands.iter().map(|words| format!("{words} --help"));
    helps.chain(PRINTED.map(str::to_owned)).collect()
}

#[test]
fn a_full_disk_fails_every_command() {
    for words in all() {
        let output = on_a_full_disk(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{words}: {said}");
        assert!(said.contains("LF1202"), "{words}: {said}");
    }
}

#[test]
fn a_closed_pipe_fails_no_command() {
    for words in all() {
        let output = without_a_reader(&words);
        assert_eq!(output.status.code(), Some(0), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_half_read_pipe_ends_quietly() {
    let mut child = landfall("errors").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("landfall");
    let mut first = [0; 10];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("bytes");
    let output = child.wait_with_output().expect("landfall");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
