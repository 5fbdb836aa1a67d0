//! Kinds of renderers: kubectl for kustomizations, Helm for charts.

use serde_json::Value;

/// Kind of a renderer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Renders kustomizations.
    Kubectl,
    /// Renders charts.
    Helm,
}

impl Tool {
    /// Name of the program, also that of the option with its path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
        }
    }

    /// Field of the lock that records it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Kubectl => "renderer",
            Self::Helm => "helm",
        }
    }

    /// Plural noun for its input, for messages.
    pub fn renders(self) -> &'static str {
        match self {
            Self::Kubectl => "the manifests",
            Self::Helm => "the charts",
        }
    }

    /// Arguments with which the program prints its version.
    pub fn version_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kubectl => &["version", "--client", "--output", "json"],
            Self::Helm => &["version", "--template", "{{.Version}}"],
        }
    }

    /// Parses the version from its output.
    pub fn version(self, output: &[u8]) -> Option<String> {
        match self {
            Self::Kubectl => {
                let said: Value = serde_json::from_slice(output).ok()?;
                said.pointer("/clientVersion/gitVersion")?.as_str().map(str::to_owned)
            }
            Self::Helm => Some(std::str::from_utf8(output).ok()?.trim().to_owned()),
        }
    }
}
