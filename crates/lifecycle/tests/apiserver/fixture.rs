//! The control plane of these tests, and sites whose cluster it is.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_host::command::Subprocesses;
use landfall_host::node::NodeIdentity;
use landfall_host::paths::SitePaths;
use landfall_lifecycle::context::{Site, UndoScope};
use landfall_media::counters::IoCounters;
use landfall_media::durable;
use landfall_media::progress::SilentProgress;
use landfall_release_document::ReleaseDocument;
use landfall_site::place::{HostAccess, Medium, Releases, SiteRelease};
use landfall_test_control_plane::ADVERTISED;
use serde_json::{Value, json};

/// The version that sites of these tests are planned for.
pub const KUBERNETES: &str = "v1.36.3";

/// A control plane without nodes.
pub struct ControlPlane(landfall_test_control_plane::ControlPlane);

impl Deref for ControlPlane {
    type Target = landfall_test_control_plane::ControlPlane;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ControlPlane {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl ControlPlane {
    /// Starts everything and waits until the API server says that it is ready.
    pub fn start() -> Self {
        Self(landfall_test_control_plane::ControlPlane::start())
    }

    /// A folder and free ports for a control plane that does not run yet.
    pub fn without_programs() -> Self {
        Self(landfall_test_control_plane::ControlPlane::without_programs())
    }

    /// Lets steps of a site find kubeadm and kubectl, and the kubeconfig that the latter is called with.
    pub fn place_programs(&self, paths: &SitePaths) {
        let programs = paths.node_programs(&landfall_host::pack::sample());
        durable::create_folder(programs.parent().unwrap()).unwrap();
        durable::symlink(self.binaries(), &programs).unwrap();
        if let Ok(kubeconfig) = std::fs::read(paths.admin_kubeconfig()) {
            durable::write_file(&paths.kubernetes().join("super-admin.conf"), &kubeconfig, 0o600).unwrap();
        }
    }

    /// A site whose cluster this is, about to install a release.
    pub fn site(&self, release: ReleaseDocument, documents: &[(&str, Value)]) -> Site {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let documents = documents.iter().map(|(name, value)| ((*name).to_owned(), value.to_string().into_bytes()));
        let host = HostAccess {
            paths: SitePaths::below(self.root()),
            node: NodeIdentity { name: "node".to_owned(), address: ADVERTISED.parse().unwrap() },
            commands: Arc::new(Subprocesses),
        };
        let own = SiteRelease {
            bundle: "0123456789ab".to_owned(),
            release: Arc::new(release),
            documents: Arc::new(documents.collect()),
            payload: Sample::tiny(&vendor).unwrap().head.into_verified().into(),
        };
        let medium = Medium { path: self.root().join("media"), io: IoCounters::default() };
        let undo = UndoScope { keep_data: false, removing_cluster: false };
        Site::on_host(host, Releases { own, kept: Vec::new() }, medium, Arc::new(SilentProgress), undo)
    }
}

/// A release with nothing in it, to be completed.
pub fn release(components: &Value, values: &Value, artifacts: &Value) -> ReleaseDocument {
    let document = json!({
        "type": "landfall.dev/release/1", "name": "sample", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64", "images": [], "artifacts": artifacts, "components": components, "values": values,
        "node_packs": [{"kubernetes": KUBERNETES, "artifacts": [], "images": {}}],
        "requirements": {"cores": 1, "memory_bytes": 1, "data_bytes": 1},
    });
    serde_json::from_value(document).unwrap()
}
