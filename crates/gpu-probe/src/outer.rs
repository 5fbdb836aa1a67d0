//! The whole report: this process reads the bus and the driver, and another process reads NVML.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use landfall_gpu_facts::child::{self, Limits, RunEnd};
use landfall_gpu_facts::driver::DriverState;
use landfall_gpu_facts::look::Root;
use landfall_gpu_facts::report::NotAsked;
use landfall_gpu_facts::schema::SIZE_LIMIT;
use landfall_gpu_facts::{GpuReport, NvmlState, SCHEMA};

use crate::arguments::{Arguments, NVML_WORD};

/// Path of this program that works even if its original path leads nowhere: a probe's pod starts it with the node's
/// mounts.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Collects and prints the facts.
pub fn report(arguments: &Arguments) -> io::Result<String> {
    let root = Root::new(&arguments.root);
    let (hardware, driver) = (root.hardware(), root.driver());
    let nvml = reason_not_to_ask(arguments, root, &driver).map_or_else(|| ask(arguments), NvmlState::NotAsked);
    GpuReport { schema: SCHEMA, hardware, driver, nvml }.to_json().map_err(io::Error::other)
}

/// Returns the reason why NVML must not be queried, if any: the library must not be started without the driver, and it
/// knows only this machine.
fn reason_not_to_ask(arguments: &Arguments, root: Root<'_>, driver: &DriverState) -> Option<NotAsked> {
    if !root.is_machine() && arguments.library.is_none() {
        Some(NotAsked::OtherRoot)
    } else if !driver.can_be_queried() {
        Some(NotAsked::DriverNotLoaded)
    } else {
        None
    }
}

/// Runs this program again to load NVML, within limits.
fn ask(arguments: &Arguments) -> NvmlState {
    let limits = Limits { time: arguments.time_limit, output_bytes: SIZE_LIMIT };
    let mut command = Command::new(THIS_PROGRAM);
    command.arg(NVML_WORD).arg("--root").arg(&arguments.root);
    if let Some(library) = &arguments.library {
        command.arg("--nvml").arg(library);
    }
    match child::run(&mut command, limits) {
        Err(error) => NvmlState::Crashed(format!("the process that asks NVML could not be run: {error}")),
        Ok(RunEnd::TimeOver) => {
            NvmlState::TimedOut(u64::try_from(arguments.time_limit.as_millis()).unwrap_or(u64::MAX))
        }
        Ok(RunEnd::TooMuchOutput) => NvmlState::Crashed(format!("NVML printed more than {SIZE_LIMIT} bytes")),
        Ok(RunEnd::ByItself { status, output, errors }) => match serde_json::from_slice(&output) {
            Ok(state) if status.success() => state,
            Ok(_) | Err(_) => NvmlState::Crashed(how_it_crashed(status, &errors)),
        },
    }
}

fn how_it_crashed(status: ExitStatus, errors: &str) -> String {
    let end = match (status.success(), status.signal()) {
        (true, _) => "the process that asked NVML ended without facts".to_owned(),
        (false, Some(signal)) => format!("signal {signal} ended the process that asked NVML"),
        (false, None) => format!("the process that asked NVML ended with {status}"),
    };
    if errors.is_empty() { end } else { format!("{end}; it said: {errors}") }
}
