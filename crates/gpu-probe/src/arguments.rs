//! The command-line arguments: few enough to be read without a library.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Default time limit of NVML. Including the termination of a hanging library, the program takes less than five
/// seconds.
pub const TIME_LIMIT: Duration = Duration::from_millis(4500);

/// Maximum time limit in seconds.
const LONGEST_SECONDS: u64 = 600;

/// Word that makes this program the process that loads NVML.
pub const NVML_WORD: &str = "nvml";

/// Text printed for `--help`, and after wrong arguments.
pub const USAGE: &str = "\
Usage: landfall-gpu [--root FOLDER] [--nvml FILE] [--time-limit SECONDS]

Prints the facts of this host's GPUs as JSON.

  --root FOLDER         read sys, proc and dev below this folder instead of /; NVML is
                        then asked only where --nvml names it
  --nvml FILE           load this library instead of libnvidia-ml.so.1
  --time-limit SECONDS  how long NVML may take [default: 4.5]
  --version, --help     print version or usage
";

/// The work to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Print the facts.
    Facts(Arguments),
    /// Load NVML and print its answers.
    Nvml(Arguments),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// The options of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Tree with the kernel's files.
    pub root: PathBuf,
    /// Library to load instead of the system's.
    pub library: Option<PathBuf>,
    /// Maximum time for NVML.
    pub time_limit: Duration,
}

/// An argument is unknown, lacks its value or has a wrong one.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongArgument(String);

impl fmt::Display for WrongArgument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Arguments {
    /// Reads the arguments, without the program's name.
    pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Request, WrongArgument> {
        let mut arguments = arguments.peekable();
        let is_inner = arguments.next_if(|first| first == NVML_WORD).is_some();
        let mut read = Self { root: PathBuf::from("/"), library: None, time_limit: TIME_LIMIT };
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| WrongArgument(format!("{} needs a value", argument.display())));
            match argument.to_str() {
                Some("--root") => read.root = value()?.into(),
                Some("--nvml") => read.library = Some(value()?.into()),
                Some("--time-limit") => read.time_limit = seconds(&value()?)?,
                Some("--version") => return Ok(Request::Version),
                Some("--help") => return Ok(Request::Help),
                _ => return Err(WrongArgument(format!("there is no argument {}", argument.display()))),
            }
        }
        Ok(if is_inner { Request::Nvml(read) } else { Request::Facts(read) })
    }
}

fn seconds(value: &OsString) -> Result<Duration, WrongArgument> {
    let number = value.to_str().and_then(|text| text.parse::<u64>().ok());
    number.filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds)).map(Duration::from_secs).ok_or_else(|| {
        WrongArgument(format!("--time-limit is 1 to {LONGEST_SECONDS} seconds, not {}", value.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Request, WrongArgument> {
        Arguments::read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn defaults_describe_this_machine() {
        let arguments = Arguments { root: "/".into(), library: None, time_limit: TIME_LIMIT };
        assert_eq!(read(&[]), Ok(Request::Facts(arguments)));
    }

    #[test]
    fn arguments_are_parsed() {
        let given = ["nvml", "--root", "/tree", "--nvml", "/stub.so", "--time-limit", "61"];
        let arguments =
            Arguments { root: "/tree".into(), library: Some("/stub.so".into()), time_limit: Duration::from_secs(61) };
        assert_eq!(read(&given), Ok(Request::Nvml(arguments)));
        assert_eq!(read(&["--help", "--what"]), Ok(Request::Help));
        assert_eq!(read(&["--version"]), Ok(Request::Version));
    }

    #[test]
    fn invalid_arguments_are_refused() {
        for (wrong, said) in [
            (&["--what"][..], "there is no argument --what"),
            (&["--root"][..], "--root needs a value"),
            (&["--time-limit", "0"][..], "--time-limit is 1 to 600 seconds, not 0"),
            (&["--time-limit", "601"][..], "--time-limit is 1 to 600 seconds, not 601"),
            (&["x"][..], "there is no argument x"),
            (&["--nvml"][..], "--nvml needs a value"),
        ] {
            assert_eq!(read(wrong), Err(WrongArgument(said.to_owned())));
        }
    }
}
