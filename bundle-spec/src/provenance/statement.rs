//! An in-toto Statement v1 with the predicate SLSA Provenance v1, as far as Landfall writes and reads it. As both
//! specifications demand of a reader, unknown fields are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::head::{Identity, LANDFALL_DOCUMENT_NAME};

/// `_type` of the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// `predicateType` of the statement.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// `buildType`: says what the external parameters mean.
pub const BUILD_TYPE: &str = "https://landfall.dev/build/1";

/// `builder.id`: `landfall build` on a machine of the vendor, watched by no other party.
const BUILDER_ID: &str = "https://landfall.dev/builder/local";

/// The algorithm of all digests here, as in-toto names it.
const SHA256: &str = "sha256";

/// The annotation that says what a material is.
const KIND: &str = "kind";

/// What the vendor states about a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What was built: `landfall.json`, whose SHA-256 is the id of the bundle. Every other byte follows from it, apart
    /// from signatures, roots and the revocation.
    pub subject: Vec<Material>,
    /// [`PREDICATE_TYPE`].
    pub predicate_type: String,
    /// How it was built.
    pub predicate: Predicate,
}

/// How a bundle was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// Of what.
    pub build_definition: BuildDefinition,
    /// By what.
    pub run_details: RunDetails,
}

/// What a bundle was built of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// [`BUILD_TYPE`].
    pub build_type: String,
    /// What the vendor gave the build.
    pub external_parameters: ExternalParameters,
    /// Everything that the build took in, in the order of the release.
    #[serde(default)]
    pub resolved_dependencies: Vec<Material>,
}

/// What the vendor gave the build, as far as it decides what comes out. Mirrors, keys, the size of parts and the place of
/// the output do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalParameters {
    /// Name of the release.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its counter.
    pub counter: u64,
    /// Platform of every image, such as `linux/amd64`.
    pub platform: String,
    /// When it was built, RFC 3339: now, or `SOURCE_DATE_EPOCH`.
    pub built_at: String,
    /// The release definition.
    pub definition: Material,
    /// The lock.
    pub lock: Material,
}

/// By what a bundle was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// What ran the build.
    pub builder: Builder,
    /// Of the one run. Nothing in it may differ between two builds of the same inputs.
    #[serde(default)]
    pub metadata: Metadata,
}

/// What ran the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// What is trusted to have run it: a machine of the vendor.
    pub id: String,
    /// Versions by the names of programs.
    #[serde(default)]
    pub version: BTreeMap<String, String>,
}

/// Of one run of the build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// When it began: the time that the bundle states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
}

/// Something that was built, or that a build took in: a `ResourceDescriptor` of in-toto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// What people call it: a reference, the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it comes from, unless it is the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests by the names of algorithms, in hexadecimal digits.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
    /// What else is known, `kind` first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl Statement {
    /// The statement about a bundle, by this version of Landfall.
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

    /// Whether it is about the bundle with this id.
    pub fn is_about(&self, id: Sha256) -> bool {
        self.subject.iter().any(|subject| subject.sha256() == Some(id))
    }

    /// What it says that it is about, for the message that this is not the bundle with this id.
    pub(super) fn subject_text(&self, id: Sha256) -> String {
        let given = &self.predicate.build_definition.external_parameters;
        let subject = self.subject.first().and_then(Material::sha256).filter(|_| !self.is_about(id));
        // The id is that of the bundle: the release is another.
        subject.map_or_else(|| format!("{} {}", given.name, given.version), |subject| subject.to_string())
    }

    /// Whether it and a head name the same release.
    pub fn names(&self, identity: &Identity) -> bool {
        let given = &self.predicate.build_definition.external_parameters;
        (&given.name, &given.version, given.counter, &given.built_at)
            == (&identity.name, &identity.version, identity.counter, &identity.built_at)
    }
}

impl Material {
    /// Something with this name and digest.
    pub fn new(name: impl Into<String>, digest: Sha256) -> Self {
        Self {
            name: Some(name.into()),
            uri: None,
            digest: BTreeMap::from([(SHA256.to_owned(), digest.to_hex())]),
            annotations: BTreeMap::new(),
        }
    }

    /// The same from this place.
    #[must_use]
    pub fn from_uri(self, uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..self }
    }

    /// The same of this kind.
    #[must_use]
    pub fn of_kind(self, kind: &str) -> Self {
        self.with(KIND, kind)
    }

    /// The same with one more annotation.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// Its SHA-256, where it has one.
    pub fn sha256(&self) -> Option<Sha256> {
        Sha256::from_hex(self.digest.get(SHA256)?).ok()
    }

    /// What it is, where that is stated.
    pub fn kind(&self) -> Option<&str> {
        self.annotations.get(KIND)?.as_str()
    }
}
