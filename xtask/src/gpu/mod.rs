//! Comparison of `landfall-gpu` on a machine with a real GPU with NVIDIA's own program, field by field.
#![expect(clippy::disallowed_methods, reason = "what a developer keeps of a machine can be printed again")]

mod compared;
pub mod driver;
mod smi;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_gpu_facts::GpuReport;
use landfall_gpu_facts::report::NvmlState;

pub use compared::Field;
use compared::Readings;
use smi::Smi;

use crate::builds;

/// File names of the saved output of a machine.
const FACTS: &str = "facts.json";
const BEFORE: &str = "before.xml";
const AFTER: &str = "after.xml";
const PROFILES: &str = "profiles.txt";

/// NVIDIA's program.
const NVIDIA_SMI: &str = "nvidia-smi";

/// Output of both programs on one machine. It is unmodified, and thus contains the serial number of the GPU.
#[derive(Debug)]
pub struct ProgramOutputs {
    facts: String,
    before: String,
    after: String,
    profiles: String,
}

impl ProgramOutputs {
    /// Runs both programs here: `landfall-gpu` between two runs of `nvidia-smi`, because some fields vary.
    /// `landfall-gpu` is built only on a machine with a GPU.
    pub fn here() -> Result<Self> {
        stdout_text(Command::new(NVIDIA_SMI).arg("-L"))
            .context("this command needs a machine with a GPU and NVIDIA's driver")?;
        let landfall_gpu = builds::landfall_gpu()?;
        let all = || stdout_text(Command::new(NVIDIA_SMI).args(["-q", "-x"]));
        let before = all()?;
        let facts = stdout_text(&mut Command::new(landfall_gpu))?;
        let after = all()?;
        // The command fails for GPUs without MIG support.
        let profiles = stdout_text(Command::new(NVIDIA_SMI).args(["mig", "-lgip"])).unwrap_or_default();
        Ok(Self { facts, before, after, profiles })
    }

    /// Reads saved output.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self { facts: text(FACTS)?, before: text(BEFORE)?, after: text(AFTER)?, profiles: text(PROFILES)? })
    }

    /// Saves the output in a folder, which is created.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let Self { facts, before, after, profiles } = self;
        for (name, text) in [(FACTS, facts), (BEFORE, before), (AFTER, after), (PROFILES, profiles)] {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Returns the fields that both programs report.
    pub fn compare_fields(&self) -> Result<Vec<Field>> {
        let report = GpuReport::read(self.facts.as_bytes())?;
        let NvmlState::Read(nvml) = &report.nvml else { bail!("NVML was not read: {:?}", report.nvml) };
        let (before, after) = (Smi::read(&self.before)?, Smi::read(&self.after)?);
        let readings = Readings { report: &report, nvml, before: &before, after: &after, profiles: &self.profiles };
        Ok(readings.compare_fields())
    }
}

fn stdout_text(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} ended with {}: {}", output.status, errors.trim());
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no text"))
}

#[cfg(test)]
mod tests;
