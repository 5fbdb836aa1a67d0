//! Versions of a release that may be upgraded to it.

use std::collections::BTreeMap;

use landfall_bundle_spec::names::is_version;
use serde::{Deserialize, Serialize};

use crate::ReleaseDocument;
use crate::fields::escape_shortened;

/// Maximum number of versions that a release names.
const UPGRADES: usize = 256;

/// A version that may be upgraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradePath {
    /// Version of the installed release.
    pub from: String,
    /// Version that must be installed in between, if any. It is another `from` in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

/// The way in which a version may be upgraded to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeRoute<'a> {
    /// Directly.
    Direct,
    /// Only after an upgrade to this version.
    Through(&'a str),
    /// Never.
    NotAllowed,
}

impl ReleaseDocument {
    /// Returns the way from a version of the same release to this one. Without a list, every version is allowed: the
    /// caller checks that its counter is lower and its name is the same.
    pub fn upgrade_path(&self, from_version: &str) -> UpgradeRoute<'_> {
        let Some(paths) = &self.upgrades else { return UpgradeRoute::Direct };
        match paths.iter().find(|path| path.from == from_version) {
            None => UpgradeRoute::NotAllowed,
            Some(UpgradePath { through: None, .. }) => UpgradeRoute::Direct,
            Some(UpgradePath { through: Some(through), .. }) => UpgradeRoute::Through(through),
        }
    }
}

/// An invalid entry in a list of upgrades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeFault {
    /// Index of the entry.
    pub index: usize,
    /// Field of the entry.
    pub field: UpgradeField,
    /// Description of the invalid value: `the version …`.
    pub what: String,
}

/// A field of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeField {
    /// `from`.
    From,
    /// `through`.
    Through,
}

/// Returns an error for the first invalid entry in the list of a release with this version.
pub fn check_upgrades(version: &str, paths: &[UpgradePath]) -> Result<(), UpgradeFault> {
    let mut throughs = BTreeMap::new();
    for (index, UpgradePath { from, through }) in paths.iter().enumerate() {
        let fault = |what| Err(UpgradeFault { index, field: UpgradeField::From, what });
        if index >= UPGRADES {
            return fault(format!("more than {UPGRADES} versions"));
        }
        if !is_version(from) {
            return fault(format!("`{}`, which is not a version", escape_shortened(from)));
        }
        if from == version {
            return fault(format!("the version `{from}`, which is the release itself"));
        }
        if throughs.insert(from.as_str(), through.as_deref()).is_some() {
            return fault(format!("the version `{from}` twice"));
        }
    }
    for (index, path) in paths.iter().enumerate() {
        check_way(path, &throughs).map_err(|what| UpgradeFault { index, field: UpgradeField::Through, what })?;
    }
    Ok(())
}

/// Follows `through` from version to version, up to the release itself.
fn check_way(path: &UpgradePath, throughs: &BTreeMap<&str, Option<&str>>) -> Result<(), String> {
    let mut next = path.through.as_deref();
    for _ in 0..=throughs.len() {
        let Some(version) = next else { return Ok(()) };
        let listed = throughs.get(version);
        next = *listed
            .ok_or_else(|| format!("the version `{}`, which is not a `from` of the list", escape_shortened(version)))?;
    }
    Err(format!("the version `{}`, from which `through` leads in a cycle", escape_shortened(&path.from)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn release(upgrades: &Value) -> ReleaseDocument {
        let mut document = json!({
            "type": "landfall.dev/release/1", "name": "shop", "version": "3.0.0", "counter": 9, "assembled": false,
            "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [], "values": [],
            "requirements": { "cores": 1, "memory_bytes": 1, "data_bytes": 1 },
        });
        if !upgrades.is_null() {
            document["upgrades"] = upgrades.clone();
        }
        let read = ReleaseDocument::read(document.to_string().as_bytes()).expect("good");
        assert_eq!(serde_json::to_value(&read).expect("written"), document);
        read
    }

    #[test]
    fn missing_list_allows_direct_upgrades() {
        assert_eq!(release(&Value::Null).upgrade_path("1.0.0"), UpgradeRoute::Direct);
    }

    #[test]
    fn upgrade_list_restricts_paths() {
        let release = release(&json!([{ "from": "2.0.0" }, { "from": "1.0.0", "through": "2.0.0" }]));
        let routes = ["2.0.0", "1.0.0", "1.0", "2.0.1", ""].map(|from| release.upgrade_path(from));
        let none = UpgradeRoute::NotAllowed;
        assert_eq!(routes, [UpgradeRoute::Direct, UpgradeRoute::Through("2.0.0"), none, none, none]);
    }

    #[test]
    fn empty_list_allows_no_upgrades() {
        assert_eq!(release(&json!([])).upgrade_path("1.0.0"), UpgradeRoute::NotAllowed);
    }

    #[test]
    fn upgrade_faults_name_entry() {
        let many = (0..=UPGRADES).map(|number| json!({ "from": format!("1.{number}") })).collect();
        for (list, index, field, what) in [
            (json!([{ "from": "a b" }]), 0, UpgradeField::From, "`a b`, which is not a version"),
            (json!([{ "from": "1" }, { "from": "3.0.0" }]), 1, UpgradeField::From, "the release itself"),
            (json!([{ "from": "1" }, { "from": "1" }]), 1, UpgradeField::From, "the version `1` twice"),
            (json!([{ "from": "1", "through": "2" }]), 0, UpgradeField::Through, "not a `from` of the list"),
            (json!([{ "from": "1", "through": "3.0.0" }]), 0, UpgradeField::Through, "`3.0.0`, which is not a `from`"),
            (json!([{ "from": "1", "through": "1" }]), 0, UpgradeField::Through, "in a cycle"),
            (
                json!([{ "from": "0" }, { "from": "1", "through": "2" }, { "from": "2", "through": "1" }]),
                1,
                UpgradeField::Through,
                "the version `1`, from which `through` leads in a cycle",
            ),
            (Value::Array(many), UPGRADES, UpgradeField::From, "more than 256 versions"),
        ] {
            let paths: Vec<UpgradePath> = serde_json::from_value(list).expect("paths");
            let fault = check_upgrades("3.0.0", &paths).expect_err(what);
            assert_eq!((fault.index, fault.field), (index, field), "{what}");
            assert!(fault.what.contains(what), "{}", fault.what);
        }
    }
}
