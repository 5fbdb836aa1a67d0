//! An in-toto Statement v1 with the predicate SLSA Provenance v1, as far as Landfall writes and reads it. Unknown
//! fields are ignored, as both specifications require of a reader.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::head::{Identity, LANDFALL_DOCUMENT_NAME};

/// Value of `_type` in the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Value of `predicateType` in the statement.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// Value of `buildType`, which defines the external parameters.
pub const BUILD_TYPE: &str = "https://landfall.dev/build/1";

/// Value of `builder.id`: `landfall build` on a machine of the vendor, without an independent observer.
const BUILDER_ID: &str = "https://landfall.dev/builder/local";

/// Algorithm of all digests here, by in-toto's name.
const SHA256: &str = "sha256";

/// Annotation with the kind of a material.
const KIND: &str = "kind";

/// The vendor's statement about a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The product: `landfall.json`, whose SHA-256 is the id of the bundle. It determines every other byte, except
    /// signatures, roots and the revocation.
    pub subject: Vec<Material>,
    /// Always [`PREDICATE_TYPE`].
    pub predicate_type: String,
    /// Description of the build.
    pub predicate: Predicate,
}

/// The description of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// Inputs of the build.
    pub build_definition: BuildDefinition,
    /// The run of the build.
    pub run_details: RunDetails,
}

/// The inputs of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// Always [`BUILD_TYPE`].
    pub build_type: String,
    /// Parameters that the vendor gave the build.
    pub external_parameters: ExternalParameters,
    /// All materials of the build, in the order of the release.
    #[serde(default)]
    pub resolved_dependencies: Vec<Material>,
}

/// The vendor's parameters that determine the result. Mirrors, keys, part sizes and the output's location do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalParameters {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// Platform of every image, such as `linux/amd64`.
    pub platform: String,
    /// Build time in RFC 3339: the current time, or `SOURCE_DATE_EPOCH`.
    pub built_at: String,
    /// Digest of the release definition.
    pub definition: Material,
    /// Digest of the lock.
    pub lock: Material,
}

/// The run of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// Program that ran the build.
    pub builder: Builder,
    /// Metadata of this run. It must not differ between two builds of the same inputs.
    #[serde(default)]
    pub metadata: Metadata,
}

/// The program that ran a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// The trusted builder: a machine of the vendor.
    pub id: String,
    /// Versions by program name.
    #[serde(default)]
    pub version: BTreeMap<String, String>,
}

/// Metadata of one run of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Start time: the time that the bundle states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
}

/// A product or a material of a build: a `ResourceDescriptor` of in-toto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// Name for people, such as a reference or a file's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Origin, unless the material is the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests in hexadecimal digits, by the name of the algorithm.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
    /// Other known facts, `kind` first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl Statement {
    /// Creates the statement about a bundle that this version of Landfall built.
    pub fn new(id: Sha256, landfall: &str, given: ExternalParameters, materials: Vec<Material>) -> Self {
        let started_on = Some(given.built_at.clone());
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject: vec![Material::new(LANDFALL_DOCUMENT_NAME, id)],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                build_definition: BuildDefinition {
                    build_type: BUILD_TYPE.to_owned(),
                    external_parameters: given,
                    resolved_dependencies: materials,
                },
                run_details: RunDetails {
                    builder: Builder {
                        id: BUILDER_ID.to_owned(),
                        version: BTreeMap::from([("landfall".to_owned(), landfall.to_owned())]),
                    },
                    metadata: Metadata { started_on },
                },
            },
        }
    }

    /// Returns true if the statement is about the bundle with this id.
    pub fn is_about(&self, id: Sha256) -> bool {
        self.subject.iter().any(|subject| subject.sha256() == Some(id))
    }

    /// Returns the statement's subject as text, for the error about a statement that concerns another bundle.
    pub(super) fn subject_text(&self, id: Sha256) -> String {
        let given = &self.predicate.build_definition.external_parameters;
        let subject = self.subject.first().and_then(Material::sha256).filter(|_| !self.is_about(id));
        // The id is that of the bundle, so the release differs.
        subject.map_or_else(|| format!("{} {}", given.name, given.version), |subject| subject.to_string())
    }

    /// Returns true if the statement and a head name the same release.
    pub fn names(&self, identity: &Identity) -> bool {
        let given = &self.predicate.build_definition.external_parameters;
        (&given.name, &given.version, given.counter, &given.built_at)
            == (&identity.name, &identity.version, identity.counter, &identity.built_at)
    }
}

impl Material {
    /// Creates a material with this name and digest.
    pub fn new(name: impl Into<String>, digest: Sha256) -> Self {
        Self {
            name: Some(name.into()),
            uri: None,
            digest: BTreeMap::from([(SHA256.to_owned(), digest.to_hex())]),
            annotations: BTreeMap::new(),
        }
    }

    /// Returns the material with this origin.
    #[must_use]
    pub fn from_uri(self, uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..self }
    }

    /// Returns the material with this kind.
    #[must_use]
    pub fn of_kind(self, kind: &str) -> Self {
        self.with(KIND, kind)
    }

    /// Returns the material with one more annotation.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// SHA-256 of the material, if stated.
    pub fn sha256(&self) -> Option<Sha256> {
        Sha256::from_hex(self.digest.get(SHA256)?).ok()
    }

    /// Kind of the material, if stated.
    pub fn kind(&self) -> Option<&str> {
        self.annotations.get(KIND)?.as_str()
    }
}
