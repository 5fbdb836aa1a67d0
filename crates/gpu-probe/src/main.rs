//! `landfall-gpu`: prints the facts of this host's GPUs as JSON.
//!
//! Inputs: the kernel's files in `/sys`, `/proc` and `/dev` (below `--root`), and NVIDIA's library NVML. A separate
//! process loads the library: this program again, with the word `nvml`. Even if the library hangs, crashes or floods,
//! the facts about the bus and the driver are printed, with the outcome for the library.
//!
//! The program is built for glibc, because a static program cannot load a library. It prints only the document on
//! standard output. It exits with 0, even without a GPU; 2 means wrong arguments, 1 means that it could not print.

mod arguments;
mod ask;
mod gpu;
mod inner;
mod mig;
mod outer;

use std::io::Write;
use std::process::ExitCode;

use arguments::{Arguments, Request, USAGE};

fn main() -> ExitCode {
    let printed = match Arguments::read(std::env::args_os().skip(1)) {
        Ok(Request::Facts(arguments)) => outer::report(&arguments),
        Ok(Request::Nvml(arguments)) => inner::report(&arguments),
        Ok(Request::Version) => Ok(concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n").to_owned()),
        Ok(Request::Help) => Ok(USAGE.to_owned()),
        Err(wrong) => {
            say(&format!("landfall-gpu: {wrong}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let printed = printed.and_then(|text| {
        let mut output = std::io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("landfall-gpu: the facts could not be printed: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a message for the user who started the program. A failure to print it is ignored.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
