//! The libraries of a driver that no test machine has: one in C stands in for them. NVIDIA's own tools load it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The version of the driver that the library plays.
pub const VERSION: &str = "580.159.04";

/// The UUIDs of the two GPUs that it plays.
pub const UUIDS: [&str; 2] = ["GPU-00000000-0000-0000-0000-000000000001", "GPU-00000000-0000-0000-0000-000000000002"];

/// Compiles the library under the name by which programs load it, such as `libnvidia-ml.so.1`. It plays a machine with two GPUs.
pub fn compile(name: &str, to: &Path) -> Result<()> {
    let source = workspace::root().join("gpu/probe/tests/machines/nvml.c");
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-DMACHINE_NAME=\"two-l4\"", &format!("-Wl,-soname,{name}"), "-o"]);
    let status = compiler.arg(to).arg(source).status().context("cannot run gcc")?;
    ensure!(status.success(), "gcc did not compile the library that stands in for a driver's");
    Ok(())
}
