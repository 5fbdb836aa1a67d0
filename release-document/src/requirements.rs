//! What a node must have, in figures.

use serde::{Deserialize, Serialize};

use crate::fields::{Checked, require, shown};
use crate::gpu_resource::GpuPlugin;

/// Most that a node may be asked to have, in bytes: a pebibyte.
const REQUIRED_BYTES: u64 = 1 << 50;

/// Most GPUs of a node that a release may ask for.
const GPUS: u32 = 1024;

/// What a node must have before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Processor cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes that running software will write beyond what the bundle itself takes (databases, logs).
    pub data_bytes: u64,
    /// NVIDIA GPUs; none where the release needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuRequirements>,
}

/// What the GPUs of a node must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuRequirements {
    /// How many there must be; of MIG devices where `mig` is `divided`.
    pub count: u32,
    /// Bytes of memory that each must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Compute capability that each must have at least, such as `8.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Oldest version of the driver, such as `570.86.15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether they must be whole or divided; either without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<MigRequirement>,
    /// How the release's device plugin offers them to pods; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<GpuPlugin>,
}

/// Whether GPUs must be divided into MIG devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigRequirement {
    /// Whole GPUs: MIG is off.
    Whole,
    /// MIG devices.
    Divided,
}

impl Requirements {
    /// How the release's device plugin offers GPUs to pods; none where it has none.
    pub fn gpu_plugin(&self) -> Option<&GpuPlugin> {
        self.gpus.as_ref()?.plugin.as_ref()
    }

    /// Whether the figures are within their bounds; the fault is a noun, for a message that begins with "it has".
    pub(crate) fn check(&self) -> Checked {
        let bytes = self.memory_bytes.max(self.data_bytes);
        require(bytes <= REQUIRED_BYTES, || format!("a requirement of {bytes} bytes"))?;
        self.gpus.as_ref().map_or(Ok(()), GpuRequirements::check)
    }
}

impl GpuRequirements {
    /// Whether the figures are within their bounds; the fault is a noun, for a message that begins with "it has".
    pub fn check(&self) -> Result<(), String> {
        require((1..=GPUS).contains(&self.count), || format!("a requirement of {} GPUs", self.count))?;
        let bytes = self.memory_bytes.unwrap_or_default();
        require(bytes <= REQUIRED_BYTES, || format!("a requirement of {bytes} bytes for each GPU"))?;
        if let Some(capability) = &self.compute_capability {
            require(numbers(capability) == Some(2), || {
                format!("`{}`, which is not a compute capability such as 8.0", shown(capability))
            })?;
        }
        if let Some(driver) = &self.driver {
            let right = matches!(numbers(driver), Some(2 | 3));
            require(right, || format!("`{}`, which is not a version of a driver such as 570.86.15", shown(driver)))?;
        }
        Ok(())
    }
}

/// How many numbers a text has between its periods; none if it has anything else.
pub(crate) fn numbers(text: &str) -> Option<usize> {
    let is_number = |part: &str| (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_number).then(|| text.split('.').count())
}
