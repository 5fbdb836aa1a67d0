//! GPUs in Kubernetes: the resource names by which pods request them, and how a device plugin offers them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Prefix of the names of NVIDIA's resources.
pub const GPU_RESOURCES: &str = "nvidia.com/";

/// Resource of a GPU, or of a MIG device under the strategy `single`.
pub const GPU_RESOURCE: &str = "nvidia.com/gpu";

/// Prefix of the resources for MIG devices of one profile.
pub const MIG_RESOURCES: &str = "nvidia.com/mig-";

/// Kinds of MIG profiles as NVIDIA's device plugin writes them in names, with `.` for `+`.
const MIG_KINDS: [&str; 5] = ["", ".me", ".me.all", ".gfx", "-me"];

/// Maximum number of containers that may share a GPU.
const MOST_REPLICAS: u64 = 1024;

/// Returns true if NVIDIA's device plugin has a resource with this name: `nvidia.com/gpu`, or names such as
/// `nvidia.com/mig-1g.10gb`.
pub fn is_gpu_resource(name: &str) -> bool {
    let is_number = |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_profile = |profile: &str| {
        let parts = profile.split_once("g.").and_then(|(slices, rest)| Some((slices, rest.split_once("gb")?)));
        parts
            .is_some_and(|(slices, (memory, kind))| is_number(slices) && is_number(memory) && MIG_KINDS.contains(&kind))
    };
    name == GPU_RESOURCE || name.strip_prefix(MIG_RESOURCES).is_some_and(is_profile)
}

/// How a device plugin offers divided GPUs (MIG).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigStrategy {
    /// Every GPU is one `nvidia.com/gpu`, divided or not.
    #[default]
    None,
    /// All GPUs are divided alike, and each MIG device is one `nvidia.com/gpu`; or no GPU is divided.
    Single,
    /// Undivided GPUs are `nvidia.com/gpu`, and MIG devices have the name of their profile.
    Mixed,
}

impl MigStrategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::None, Self::Single, Self::Mixed];

    /// Name of the strategy.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Single => "single",
            Self::Mixed => "mixed",
        }
    }
}

/// Values of the site that determine how the release's device plugin offers GPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuPlugin {
    /// Name of the value with the MIG strategy: `none`, `single` or `mixed`. Without it, the strategy is `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig_strategy: Option<String>,
    /// Name of the value with the number of containers that share a `nvidia.com/gpu` in turns (time slicing), as a
    /// number or its text. Without it, a GPU belongs to one container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<String>,
}

impl GpuPlugin {
    /// Names of its values.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.mig_strategy.iter().chain(&self.replicas).map(String::as_str)
    }

    /// Returns the strategy that a value means, or `None` if it is not a strategy.
    pub fn strategy_of(value: &Value) -> Option<MigStrategy> {
        let name = value.as_str()?;
        MigStrategy::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// Returns the number of containers that a value means, or `None` if it is not a valid number.
    pub fn replicas_of(value: &Value) -> Option<u64> {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        (1..=MOST_REPLICAS).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gpu_names_match_device_plugin() {
        let names = [
            "gpu",
            "mig-1g.5gb",
            "mig-1g.10gb",
            "mig-7g.141gb",
            "mig-1g.10gb.me",
            "mig-2g.35gb-me",
            "mig-1g.5gb.me.all",
        ];
        for name in names {
            assert!(is_gpu_resource(&format!("{GPU_RESOURCES}{name}")), "{name}");
        }
        let others = [
            "gpu.shared",
            "gpus",
            "mig-1g",
            "mig-1g.10gb+me",
            "mig-g.10gb",
            "mig-1g.gb",
            "mig-1c.2g.10gb",
            "mig-1g.10GB",
            "",
        ];
        for name in others {
            assert!(!is_gpu_resource(&format!("{GPU_RESOURCES}{name}")), "{name}");
        }
        assert!(!is_gpu_resource("amd.com/gpu") && !is_gpu_resource("gpu"));
    }

    #[test]
    fn plugin_values_are_parsed() {
        for strategy in MigStrategy::ALL {
            assert_eq!(GpuPlugin::strategy_of(&json!(strategy.name())), Some(strategy));
            assert_eq!(serde_json::to_value(strategy).unwrap(), json!(strategy.name()));
        }
        assert_eq!(GpuPlugin::strategy_of(&json!("both")), None);
        assert_eq!([json!(4), json!("4")].map(|value| GpuPlugin::replicas_of(&value)), [Some(4), Some(4)]);
        for other in [json!(0), json!("-1"), json!(1025), json!(1.5), json!(null), json!("four")] {
            assert_eq!(GpuPlugin::replicas_of(&other), None, "{other}");
        }
    }
}
