//! Stand-in for driver libraries, which no test machine has: a library in C that NVIDIA's own tools can load.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Driver version that the library reports.
pub const VERSION: &str = "580.159.04";

/// UUIDs of the two GPUs that it reports.
pub const UUIDS: [&str; 2] = ["GPU-00000000-0000-0000-0000-000000000001", "GPU-00000000-0000-0000-0000-000000000002"];

/// Compiles the library under the name by which programs load it, such as `libnvidia-ml.so.1`. It simulates a machine
/// with two GPUs.
pub fn compile(name: &str, to: &Path) -> Result<()> {
    let source = workspace::root().join("crates/gpu-probe/tests/machines/nvml.c");
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-DMACHINE_NAME=\"two-l4\"", &format!("-Wl,-soname,{name}"), "-o"]);
    let status = compiler.arg(to).arg(source).status().context("cannot run gcc")?;
    ensure!(status.success(), "gcc did not compile the library that stands in for a driver's");
    Ok(())
}
