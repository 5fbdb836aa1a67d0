//! What a node must have, as a vendor writes it, and the release's own rules.

use std::path::Path;

use landfall_error_codes::codes;
use landfall_release_document::{GpuRequirements, MigRequirement, Requirements as Figures, Rule};
use landfall_rules::{Inputs, ReleaseView};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Quantity, Release};
use crate::error::{BuildError, Place, Result};

/// What a node must have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Processor cores.
    pub cores: u32,
    /// Memory.
    pub memory: Quantity,
    /// Room for what running software writes: volumes, logs, the cluster's own data. Landfall itself counts
    /// what the bundle brings, packed and unpacked: do not include it.
    pub data: Quantity,
    /// NVIDIA GPUs; none where the release needs none.
    #[serde(default)]
    pub gpus: Option<Spanned<GpuDefinition>>,
}

/// What the GPUs of a node must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuDefinition {
    /// How many there must be; of MIG devices where `mig` is `divided`.
    pub count: u32,
    /// Memory of each, as it is sold: Landfall allows for what a GPU reserves.
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// Compute capability of each at least, such as `"8.0"`.
    #[serde(default)]
    pub compute_capability: Option<String>,
    /// Oldest version of the driver, such as `"570.86.15"`.
    #[serde(default)]
    pub driver: Option<String>,
    /// Whether they must be whole or divided (MIG); either without it.
    #[serde(default)]
    pub mig: Option<MigRequirement>,
}

impl Requirements {
    /// The same, as the release document has it.
    pub fn figures(&self) -> Figures {
        Figures {
            cores: self.cores,
            memory_bytes: self.memory.0,
            data_bytes: self.data.0,
            gpus: self.gpus.as_ref().map(|gpus| gpus.value.requirements()),
        }
    }
}

impl GpuDefinition {
    /// The same, as the release document has it.
    pub fn requirements(&self) -> GpuRequirements {
        GpuRequirements {
            count: self.count,
            memory_bytes: self.memory.map(|memory| memory.0),
            compute_capability: self.compute_capability.clone(),
            driver: self.driver.clone(),
            mig: self.mig,
        }
    }
}

/// Refuses requirements and rules that are not what they claim to be; expressions are tried on sample hosts.
pub(super) fn check(path: &Path, release: &Release) -> Result<()> {
    if let Some(gpus) = &release.requirements.gpus {
        let place = || Place::field(path, gpus.referenced.line(), "requirements.gpus".to_owned());
        let checked = gpus.value.requirements().check();
        checked.map_err(|fault| BuildError::at(codes::RELEASE_INVALID, place(), format!("it has {fault}")))?;
    }
    if let Some(excess) = release.rules.get(Rule::PER_RELEASE) {
        let what = format!("a release has up to {} rules, and this has {}", Rule::PER_RELEASE, release.rules.len());
        return Err(refused(path, excess, Rule::PER_RELEASE, what));
    }
    for (index, rule) in release.rules.iter().enumerate() {
        rule.value.check().map_err(|fault| refused(path, rule, index, format!("it has {fault}")))?;
        if release.rules[..index].iter().any(|other| other.value.name == rule.value.name) {
            return Err(refused(path, rule, index, format!("the name `{}` occurs twice", rule.value.name)));
        }
    }
    try_rules(path, release)
}

/// Tries each expression on sample hosts.
fn try_rules(path: &Path, release: &Release) -> Result<()> {
    let figures = release.requirements.figures();
    let default =
        |value: &'_ super::ValueDefinition| Some((value.name.value.clone(), value.default.as_ref()?.value.clone()));
    let view = ReleaseView {
        name: &release.name.value,
        version: &release.version.value,
        counter: release.counter.value,
        platform: &release.platform.value,
        components: release.components.iter().map(|component| component.name.value.as_str()).collect(),
        requirements: &figures,
        defaults: release.values.iter().filter_map(default).collect(),
    };
    let rules: Vec<Rule> = release.rules.iter().map(|rule| rule.value.clone()).collect();
    landfall_rules::check(&rules, &Inputs::samples(&view)).map_err(|fault| {
        let rule = &release.rules[fault.index];
        refused(path, rule, fault.index, fault.to_string())
    })
}

fn refused(path: &Path, rule: &Spanned<Rule>, index: usize, what: String) -> BuildError {
    BuildError::at(codes::RELEASE_RULE, Place::field(path, rule.referenced.line(), format!("rules[{index}]")), what)
}
