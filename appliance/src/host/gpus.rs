//! GPUs and models of the host's status, as far as pages show them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// GPUs of the host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpus {
    pub driver: Option<String>,
    pub reason: Option<String>,
    #[serde(default)]
    pub devices: Vec<Gpu>,
    #[serde(default)]
    pub offered: BTreeMap<String, u64>,
    #[serde(default)]
    pub differences: Vec<String>,
    pub as_of: String,
}

/// A GPU.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    pub index: u32,
    pub model: Option<String>,
    pub total_bytes: Option<u64>,
    pub used_bytes: Option<u64>,
    #[serde(default)]
    pub parts: Vec<String>,
    #[serde(default)]
    pub holders: Vec<GpuHolder>,
    #[serde(default)]
    pub problems: Vec<String>,
}

/// A process that holds memory of a GPU.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuHolder {
    pub pid: u32,
    pub program: Option<String>,
    pub used_bytes: Option<u64>,
    pub pod: Option<String>,
}

/// A model of the release.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    pub name: String,
    #[serde(default)]
    pub quantization: String,
    pub weights_bytes: u64,
    #[serde(default)]
    pub figures: Vec<ModelFigure>,
    pub profile: Option<String>,
    pub reason: Option<String>,
}

/// A figure passed to its software.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFigure {
    pub name: String,
    pub value: u64,
    #[serde(default)]
    pub set_by_site: bool,
}
