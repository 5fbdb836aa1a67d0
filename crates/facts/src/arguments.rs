//! The command-line arguments: few enough to be read without a library.

use std::ffi::OsString;
use std::path::PathBuf;

use landfall_error_codes::codes;
use landfall_facts::failure::Failure;

/// Argument for JSON output, which also applies to errors.
pub(crate) const JSON: &str = "--json";

/// Text printed for `--help`.
pub(crate) const USAGE: &str = "\
Usage: landfall-facts [--json] [--output FILE]
       landfall-facts --mounts FILE

Prints what an install depends on at this host: as text on a terminal, and otherwise as the
JSON document of `landfall facts`. Run it as root, who alone sees the packet filter. It takes a
few seconds, and changes nothing on the host.

  --json             print JSON even on a terminal, and errors as JSON
  --output FILE      also write the JSON document to this file
  --mounts FILE      print the JSON document of the node of this container, with the mounts that
                     FILE names; /proc/1/ns/mnt where the node's processes are seen
  --version, --help  print version or usage
";

/// The work to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Report the facts.
    Facts(Arguments),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// The destinations of the facts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// True if even a terminal gets JSON.
    pub(crate) json: bool,
    /// File to which the document is also written.
    pub(crate) output: Option<PathBuf>,
    /// File that names the mounts of the node, for use in a container on it.
    pub(crate) mounts: Option<PathBuf>,
}

impl Request {
    /// Reads the arguments, without the program's name.
    pub(crate) fn read(given: &[OsString]) -> Result<Self, Failure> {
        let mut read = Arguments::default();
        let mut given = given.iter();
        while let Some(argument) = given.next() {
            match argument.to_str() {
                Some(JSON) => read.json = true,
                Some("--output") => read.output = Some(file("--output", given.next())?),
                Some("--mounts") => read.mounts = Some(file("--mounts", given.next())?),
                Some("--version") => return Ok(Self::Version),
                Some("--help") => return Ok(Self::Help),
                _ => return Err(wrong(format!("there is no argument {}", argument.display()))),
            }
        }
        if read.mounts.is_some() && read.output.is_some() {
            return Err(wrong("--mounts and --output exclude each other".to_owned()));
        }
        Ok(Self::Facts(read))
    }
}

fn file(option: &str, given: Option<&OsString>) -> Result<PathBuf, Failure> {
    let given = given.filter(|file| !file.is_empty());
    given.map(PathBuf::from).ok_or_else(|| wrong(format!("{option} needs a file")))
}

fn wrong(what: String) -> Failure {
    Failure::new(codes::BAD_ARGUMENT, what).next("See `landfall-facts --help`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Request, &'static str> {
        let given: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Request::read(&given).map_err(|failure| failure.code().id)
    }

    #[test]
    fn arguments_are_parsed() {
        assert_eq!(read(&[]), Ok(Request::Facts(Arguments::default())));
        let both = Arguments { json: true, output: Some("facts.json".into()), mounts: None };
        assert_eq!(read(&["--output", "facts.json", "--json"]), Ok(Request::Facts(both)));
        let mounts = Arguments { mounts: Some("/proc/1/ns/mnt".into()), ..Arguments::default() };
        assert_eq!(read(&["--mounts", "/proc/1/ns/mnt"]), Ok(Request::Facts(mounts)));
        assert_eq!(read(&["--json", "--version"]), Ok(Request::Version));
        assert_eq!(read(&["--help", "--what"]), Ok(Request::Help));
    }

    #[test]
    fn invalid_arguments_are_refused() {
        for wrong in [&["--what"][..], &["facts.json"], &["--output"], &["--output", ""], &["--jso"], &["--mounts"]] {
            assert_eq!(read(wrong), Err("LF9003"), "{wrong:?}");
        }
        assert_eq!(read(&["--mounts", "a", "--output", "b"]), Err("LF9003"), "the file would be the node's");
    }
}
