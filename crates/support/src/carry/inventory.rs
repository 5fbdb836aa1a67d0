//! `inventory.json`: content of a site, for the vendor who creates its next release, delta or license.

use landfall_bundle_spec::{Sha256, read_typed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::CarryError;

/// Value of `type` in the inventory.
const INVENTORY_TYPE: &str = "landfall.dev/site-inventory/1";

/// Maximum size of an inventory, in bytes.
pub const INVENTORY_BYTES: u64 = 1 << 20;

/// Inventory of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SiteInventory {
    /// Always `landfall.dev/site-inventory/1`.
    #[serde(rename = "type")]
    document_type: String,
    /// UUID of the site.
    pub site: String,
    /// Version of the `landfall` that wrote it.
    pub landfall: String,
    /// Releases that the site keeps, the installed one first.
    pub releases: Vec<InstalledRelease>,
    /// Names of the installed release's components.
    pub components: Vec<String>,
    /// Root that the site trusts.
    pub root: Option<PinnedRoot>,
    /// Number of the newest revocation that the site knows; 0 for none.
    pub revocation: u64,
    /// ID of the site's license.
    pub license: Option<String>,
    /// Identifiers of the site, for a license that is bound to it.
    pub identifiers: Vec<String>,
    /// ID of the key with which the site signs.
    pub site_key: String,
}

/// Release that a site keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstalledRelease {
    /// Name of the release.
    pub name: String,
    /// Version of the release.
    pub version: String,
    /// Counter of the release.
    pub counter: u64,
    /// ID of its bundle.
    pub bundle: String,
}

/// Root that a site trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PinnedRoot {
    /// Number of the root document.
    pub number: u64,
    /// Fingerprint of the root document.
    #[schemars(with = "String")]
    pub fingerprint: Sha256,
    /// True if the root is for development only.
    pub development: bool,
}

impl SiteInventory {
    /// Creates an inventory without any facts.
    pub fn of(site: String, landfall: String, site_key: String) -> Self {
        Self {
            document_type: INVENTORY_TYPE.to_owned(),
            site,
            landfall,
            releases: Vec::new(),
            components: Vec::new(),
            root: None,
            revocation: 0,
            license: None,
            identifiers: Vec::new(),
            site_key,
        }
    }

    /// Parses an inventory, in any layout.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, CarryError> {
        let form = |source| CarryError::Form { name: name.to_owned(), source: Box::new(source) };
        if bytes.len() as u64 > INVENTORY_BYTES {
            let what = format!("{name} ({} bytes)", bytes.len());
            return Err(form(landfall_bundle_spec::Error::TooLarge { what, limit: INVENTORY_BYTES }));
        }
        read_typed(name, INVENTORY_TYPE, bytes).map_err(form)
    }
}
