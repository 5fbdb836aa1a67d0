//! `landfall-facts`: prints the facts of this host on which an install depends, like `landfall facts`. It is small and
//! static, so that a vendor can mail it ahead. It changes nothing except the file given by `--output`.
//!
//! A terminal gets text, other outputs get the document. Errors have the codes and exit codes of `landfall`. In the
//! pods of `landfall probe`, it collects the facts of the node, with the node's mounts in place of the container's.

mod arguments;
mod mounts;
mod text;

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use landfall_facts::failure::Failure;
use landfall_facts::printed;
use landfall_host::facts::{self, Facts, ProbedGpus};
use landfall_host::paths::SitePaths;
use landfall_media::durable::{self, DurableError};

use arguments::{Arguments, JSON, Request, USAGE};

/// Readable by everyone: the file contains no secrets.
const FILE_MODE: u32 = 0o644;

fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&given) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let is_json = given.iter().any(|argument| argument == JSON);
            say(&if is_json { failure.json() } else { failure.text() });
            ExitCode::from(failure.code().class.exit_code())
        }
    }
}

fn run(given: &[OsString]) -> Result<(), Failure> {
    match Request::read(given)? {
        Request::Facts(arguments) => report(&arguments),
        Request::Version => print(concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n")),
        Request::Help => print(USAGE),
    }
}

/// Collects the facts once. The file has the same document as the output, and is on the disk before it is printed.
fn report(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(namespace) = &arguments.mounts {
        return report_node(namespace);
    }
    let paths = SitePaths::default();
    let facts = facts::collect_measured(&paths, &ProbedGpus::now(&paths))?;
    let document = document(&facts);
    if let Some(file) = &arguments.output {
        durable::write_file(file, document.as_bytes(), FILE_MODE)?;
    }
    if arguments.json || !io::stdout().is_terminal() {
        return print(&document);
    }
    print(&text::text(&facts))
}

/// Prints the facts of the node on which the container runs. Speeds are not measured, because software runs there.
fn report_node(namespace: &Path) -> Result<(), Failure> {
    let program = mounts::enter(namespace)?;
    let paths = SitePaths::default();
    let gpus = program.map_or_else(|| ProbedGpus::now(&paths), |program| ProbedGpus::by(&paths, &program.path()));
    print(&document(&facts::collect(&paths, &gpus)?))
}

/// Returns the document of `landfall facts`.
fn document(facts: &Facts) -> String {
    printed::pretty(facts::KIND, facts::SCHEMA, facts) + "\n"
}

/// Prints to standard output. A closed pipe is not an error; any other error would leave half a document.
fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(DurableError::Io { operation: "write", path: "standard output".into(), source }.into())
        }
        _ => Ok(()),
    }
}

/// Prints a line for the person who started the program. A failure to print it is ignored.
fn say(line: &str) {
    let _no_one_reads = writeln!(io::stderr(), "{line}");
}
