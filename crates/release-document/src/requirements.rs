//! Quantities that a node must have.

use serde::{Deserialize, Serialize};

use crate::fields::{CheckResult, escape_shortened, require};
use crate::gpu_resource::GpuPlugin;

/// Maximum requirement in bytes: a pebibyte.
const REQUIRED_BYTES: u64 = 1 << 50;

/// Maximum number of GPUs that a release may require of a node.
const GPUS: u32 = 1024;

/// Requirements for a node, checked before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Number of processor cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes that running software will write in addition to those of the bundle (databases, logs).
    pub data_bytes: u64,
    /// NVIDIA GPUs; `None` if the release needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuRequirements>,
}

/// Requirements for the GPUs of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuRequirements {
    /// Number of GPUs, or of MIG devices if `mig` is `divided`.
    pub count: u32,
    /// Minimum memory of each GPU in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Minimum compute capability of each GPU, such as `8.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Oldest acceptable version of the driver, such as `570.86.15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whole or divided GPUs; without it, either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<MigRequirement>,
    /// How the release's device plugin offers GPUs to pods; `None` without a plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<GpuPlugin>,
}

/// The required division of GPUs into MIG devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigRequirement {
    /// Whole GPUs: MIG is off.
    Whole,
    /// MIG devices.
    Divided,
}

impl Requirements {
    /// Returns how the release's device plugin offers GPUs to pods; `None` without a plugin.
    pub fn gpu_plugin(&self) -> Option<&GpuPlugin> {
        self.gpus.as_ref()?.plugin.as_ref()
    }

    /// Checks the figures against their limits. A fault is a noun phrase, for a message that begins with "it has".
    pub(crate) fn check(&self) -> CheckResult {
        let bytes = self.memory_bytes.max(self.data_bytes);
        require(bytes <= REQUIRED_BYTES, || format!("a requirement of {bytes} bytes"))?;
        self.gpus.as_ref().map_or(Ok(()), GpuRequirements::check)
    }
}

impl GpuRequirements {
    /// Checks the figures against their limits. A fault is a noun phrase, for a message that begins with "it has".
    pub fn check(&self) -> Result<(), String> {
        require((1..=GPUS).contains(&self.count), || format!("a requirement of {} GPUs", self.count))?;
        let bytes = self.memory_bytes.unwrap_or_default();
        require(bytes <= REQUIRED_BYTES, || format!("a requirement of {bytes} bytes for each GPU"))?;
        if let Some(capability) = &self.compute_capability {
            require(numbers(capability) == Some(2), || {
                format!("`{}`, which is not a compute capability such as 8.0", escape_shortened(capability))
            })?;
        }
        if let Some(driver) = &self.driver {
            let right = matches!(numbers(driver), Some(2 | 3));
            require(right, || {
                format!("`{}`, which is not a version of a driver such as 570.86.15", escape_shortened(driver))
            })?;
        }
        Ok(())
    }
}

/// Returns how many numbers a text has between its periods; `None` if it contains anything else.
pub(crate) fn numbers(text: &str) -> Option<usize> {
    let is_number = |part: &str| (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_number).then(|| text.split('.').count())
}
