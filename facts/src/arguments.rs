//! The arguments: few enough to be read without a library.

use std::ffi::OsString;
use std::path::PathBuf;

use landfall_error_codes::codes;
use landfall_facts::failure::Failure;

/// The argument for JSON, of which errors take notice, too.
pub(crate) const JSON: &str = "--json";

/// What is printed for `--help`.
pub(crate) const USAGE: &str = "\
Usage: landfall-facts [--json] [--output FILE]

Prints what an install depends on at this host: as text on a terminal, and otherwise as the
JSON document of `landfall facts`. Run it as root, who alone sees the packet filter. It takes a
few seconds, and changes nothing on the host.

  --json             print JSON on a terminal, too, and errors as JSON
  --output FILE      write the JSON document to this file, too
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

/// Where the facts go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Whether a terminal gets JSON, too.
    pub(crate) json: bool,
    /// The file that receives the document, too.
    pub(crate) output: Option<PathBuf>,
}

impl Request {
    /// Reads the arguments, without the program's name.
    pub(crate) fn read(given: &[OsString]) -> Result<Self, Failure> {
        let mut read = Arguments::default();
        let mut given = given.iter();
        while let Some(argument) = given.next() {
            match argument.to_str() {
                Some(JSON) => read.json = true,
                Some("--output") => match given.next() {
                    Some(file) if !file.is_empty() => read.output = Some(file.into()),
                    _ => return Err(wrong("--output needs a file".to_owned())),
                },
                Some("--version") => return Ok(Self::Version),
                Some("--help") => return Ok(Self::Help),
                _ => return Err(wrong(format!("there is no argument {}", argument.display()))),
            }
        }
        Ok(Self::Facts(read))
    }
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
    fn every_argument_is_read() {
        assert_eq!(read(&[]), Ok(Request::Facts(Arguments::default())));
        let both = Arguments { json: true, output: Some("facts.json".into()) };
        assert_eq!(read(&["--output", "facts.json", "--json"]), Ok(Request::Facts(both)));
        assert_eq!(read(&["--json", "--version"]), Ok(Request::Version));
        assert_eq!(read(&["--help", "--what"]), Ok(Request::Help));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [&["--what"][..], &["facts.json"], &["--output"], &["--output", ""], &["--jso"]] {
            assert_eq!(read(wrong), Err("LF9003"), "{wrong:?}");
        }
    }
}
