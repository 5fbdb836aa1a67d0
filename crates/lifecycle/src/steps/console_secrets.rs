//! Keys and a certificate for the console's pods, generated on the site, and the Secrets that hold them. The pods use
//! them to contact the host and to serve browsers.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use landfall_release_document::ComponentEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::Site;
use landfall_cluster::{Cluster, ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_site::console::{ConsoleCertificate, ConsoleFiles, HOST_PORT, PeerKeys, secrets};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSecrets {
    /// Namespace of the Secrets.
    pub namespace: String,
    /// Owner of the Secrets.
    pub owner: Owner,
}

/// Returns the names and addresses by which browsers and other pods reach the console.
fn names(node: &NodeIdentity, namespace: &str) -> Vec<String> {
    vec![node.address.to_string(), node.name.clone(), format!("console.{namespace}.svc"), "localhost".to_owned()]
}

impl ConsoleSecrets {
    /// Returns the Secrets from the existing files; `None` if a file is missing.
    fn existing_secrets(&self, site: &Site) -> Result<Option<Vec<RequiredObject>>, StepError> {
        let files = ConsoleFiles::of(&site.peer.paths);
        let (keys, certificate) = (PeerKeys::read(&files)?, ConsoleCertificate::read(&files)?);
        Ok(keys.zip(certificate).map(|(keys, certificate)| self.required_secrets(&keys, &certificate, &site.peer.node)))
    }

    fn required_secrets(
        &self,
        keys: &PeerKeys,
        certificate: &ConsoleCertificate,
        node: &NodeIdentity,
    ) -> Vec<RequiredObject> {
        let host = SocketAddr::new(node.address, HOST_PORT);
        secrets(&self.namespace, &self.owner, keys, certificate, host).map(RequiredObject::new).into()
    }

    fn names(&self) -> [ObjectName; 2] {
        ComponentEntry::CONSOLE_SECRETS.map(|name| ObjectName::new("v1", "Secret", &self.namespace, name))
    }

    /// Creates missing files, reissues a certificate that is no longer valid, and applies the Secrets.
    pub(crate) fn apply(
        &self,
        paths: &SitePaths,
        node: &NodeIdentity,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let files = ConsoleFiles::of(paths);
        let keys = PeerKeys::ensure(&files)?;
        let certificate = ConsoleCertificate::ensure(&files, &names(node, &self.namespace), now)?;
        Ok(objects::apply(cluster, &self.required_secrets(&keys, &certificate, node))?)
    }
}

impl Step<Site> for ConsoleSecrets {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        match self.existing_secrets(site)? {
            Some(wanted) => objects::observe(&site.cluster.connect()?, &wanted),
            None => Ok(ObservedState::Absent),
        }
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({ "files_existed": site.peer.folder().exists() }))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        self.apply(&site.peer.paths, &site.peer.node, &site.cluster.connect()?, Timestamp::now())?;
        Ok(json!({ "secrets": self.names().map(|name| name.to_string()) }))
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        if !site.undo.removing_cluster {
            let cluster = site.cluster.connect()?;
            for name in self.names() {
                cluster.delete(&name, Duration::from_secs(DELETION_SECONDS))?;
            }
        }
        // Files of another component's console stay, because it may run again.
        if before["files_existed"] == json!(false) { ConsoleFiles::of(&site.peer.paths).remove() } else { Ok(()) }
    }
}
