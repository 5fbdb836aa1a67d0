//! Rejects a host that the launcher's fixed target does not match. Only a build script can do this: it runs on the host
//! before anything is built for the target.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let host = std::env::var("HOST").unwrap_or_default();
    let _ = writeln!(std::io::stdout(), "cargo:rerun-if-changed=build.rs");
    if host.starts_with("x86_64-") && host.contains("-linux-") {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(
        std::io::stderr(),
        "error: Landfall is built and tested on Linux on x86-64 only, and this Rust is for {host}\n  \
         run the command on an x86-64 machine"
    );
    ExitCode::FAILURE
}
