//! License checks of components, as written in `release.yaml`.

use serde::Deserialize;

/// Forms of a license check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenseCheckForm {
    /// Asks once, before the pod's own containers start.
    Init,
    /// Asks continuously; serves the answer on the loopback interface and in a file.
    Sidecar,
}
