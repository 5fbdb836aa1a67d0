//! Settings that the agent needs at boot, written by the agent's step.

use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};

use landfall_documents::newer;
use landfall_engine::step::StepError;
use landfall_host::hosts_entry::HostsEntry;
use landfall_host::node::NodeIdentity;
use landfall_host::pack::PackId;
use landfall_host::paths::SitePaths;
use landfall_host::service_route::ServiceRoute;

/// Settings of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// Node pack whose programs run.
    pub pack: PackId,
    /// The host's name and address in its cluster.
    pub node: NodeIdentity,
    /// The API server's name.
    pub hosts_entry: HostsEntry,
    /// The route to services.
    pub service_route: ServiceRoute,
}

impl AgentSettings {
    /// Reads the settings.
    pub fn read(paths: &SitePaths) -> Result<Self, StepError> {
        let path = paths.agent_settings();
        let failed = || StepError::new(codes::NODE_SETTINGS, format!("cannot read {}", path.display()));
        let bytes = fs_err::read(&path).map_err(|error| failed().because(error))?;
        newer::known_part(&bytes).map_err(|error| failed().because(error))
    }

    /// Encodes the settings as written to the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// Settings of a node with this address, for tests.
///
/// # Panics
///
/// Never: its range is valid.
#[cfg(any(test, feature = "testing"))]
pub fn sample(address: std::net::IpAddr) -> AgentSettings {
    AgentSettings {
        pack: landfall_host::pack::sample(),
        node: NodeIdentity { name: "node-1".to_owned(), address },
        hosts_entry: HostsEntry { name: "api.landfall.internal".to_owned(), address },
        service_route: ServiceRoute { ranges: vec!["10.96.0.0/16".parse().expect("a range")], source: address },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let settings = sample([10, 99, 0, 11].into());
        landfall_media::durable::create_folder(&paths.settings()).unwrap();
        landfall_media::durable::write_file(&paths.agent_settings(), &settings.to_bytes(), 0o644).unwrap();
        assert_eq!(AgentSettings::read(&paths).unwrap(), settings);
        let mut newer: serde_json::Value = serde_json::from_slice(&settings.to_bytes()).unwrap();
        newer["later"] = true.into();
        newer["node"]["later"] = true.into();
        landfall_media::durable::write_file(&paths.agent_settings(), newer.to_string().as_bytes(), 0o644).unwrap();
        assert_eq!(AgentSettings::read(&paths).unwrap(), settings, "fields of a newer program");
    }
}
