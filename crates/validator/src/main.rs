//! `landfall-validator`: asks the site what the license allows, next to software that needs to know.
//!
//! As an init container (`wait`) it asks once before the software starts. As a sidecar (`serve`) it asks every few
//! minutes, and answers the software on the loopback interface. The results are also in files that the software can
//! read. Each answer is verified with the site's public key, kept with its time of arrival, and stays valid for its
//! grace if the site no longer answers.
//!
//! It never stops the software: `wait` always exits successfully within thirty seconds, and nothing waits for `serve`.

mod ask;
mod clocks;
mod folder;
mod serve;
mod settings;
mod validator;
mod wait;

use std::io::Write as _;
use std::process::ExitCode;

use landfall_error_codes::{CodedError as _, codes};
use landfall_license::answer::Watch;

use self::settings::{Settings, SettingsError};
use self::validator::Validator;

const USAGE: &str = "\
usage: landfall-validator wait     ask what the license allows, write it to the folder, and end with success
       landfall-validator serve    answer software on loopback, and keep the folder up to date
       landfall-validator --version

environment: LANDFALL_LICENSE_CONSOLE      host and port of the console's answers
             LANDFALL_LICENSE_KEY          file with the site's public key, PEM
             LANDFALL_LICENSE_FOLDER       folder that is written to
             LANDFALL_LICENSE_ENTITLEMENT  name of the entitlement
             LANDFALL_LICENSE_LISTEN       where `serve` answers; 127.0.0.1:8445 by default
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match (command.as_str(), arguments.next()) {
        ("wait" | "serve", None) => run(command == "serve"),
        ("--version", None) => {
            let version = concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n");
            let _no_one_reads = std::io::stdout().write_all(version.as_bytes());
            ExitCode::SUCCESS
        }
        _ => {
            let _no_one_reads = std::io::stderr().write_all(USAGE.as_bytes());
            ExitCode::from(codes::BAD_ARGUMENT.class.exit_code())
        }
    }
}

fn run(serves: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("no runtime can be made: {error}"));
            return ExitCode::SUCCESS;
        }
    };
    let settings = Settings::from(|name| std::env::var(name).ok());
    runtime.block_on(async {
        match settings {
            Ok(settings) if serves => serve::run(Validator::new(settings, Watch::Steady)).await,
            Ok(settings) => wait::run(&Validator::new(settings, Watch::Once)).await,
            Err(error) => {
                unusable(&error);
                // A sidecar that exits would be restarted repeatedly.
                if serves {
                    serve::until_ended().await;
                }
            }
        }
    });
    ExitCode::SUCCESS
}

fn unusable(error: &SettingsError) {
    say(&format!("error[{}]: {error}; software learns nothing about the license", error.code().id));
}

/// Prints a line to the container's log. A failure is ignored, because no one could read it.
pub(crate) fn say(text: &str) {
    let _no_one_reads = writeln!(std::io::stderr(), "{text}");
}
