//! The next root document, as a change to the previous one. Data of a later version that this one does not know is
//! kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::keys::PublicKey;
use super::root::{ROOT_DOCUMENT_TYPE, Role, Root, UnsignedRoot};
use crate::error::{Error, Result};
use crate::json as strict;
use crate::key_id::KeyId;

/// A root document in preparation: its keys, roles and thresholds can still change.
#[derive(Debug, Clone)]
pub struct RootChange {
    number: u64,
    signed: Value,
}

impl RootChange {
    /// Begins document 1, in which no role has a key yet.
    pub fn first(development: bool) -> Self {
        Self::empty(1, development)
    }

    pub(super) fn empty(number: u64, development: bool) -> Self {
        let role = json!({ "keys": [], "threshold": 1 });
        let roles: serde_json::Map<_, _> =
            Role::ALL.iter().map(|known| (known.name().to_owned(), role.clone())).collect();
        let signed = json!({
            "type": ROOT_DOCUMENT_TYPE, "number": number, "development": development, "keys": {}, "roles": roles,
        });
        Self { number, signed }
    }

    /// Begins the document after this one, with the same keys, roles and thresholds.
    pub fn following(root: &Root) -> Result<Self> {
        let too_large = || Error::InvalidRoot { name: root.name().to_owned(), reason: "its number is the last".into() };
        let number = root.number().checked_add(1).ok_or_else(too_large)?;
        let mut signed = strict::parse(root.name(), root.message(), strict::Numbers::Integers)?;
        signed["number"] = number.into();
        Ok(Self { number, signed })
    }

    /// Gives a key this role, if it does not have it yet.
    pub fn admit(&mut self, role: Role, key: &PublicKey) {
        let id = key.id().to_string();
        self.signed["keys"][&id] = STANDARD.encode(key.der()).into();
        let mut keys = self.keys(role);
        keys.push(id);
        keys.sort_unstable();
        keys.dedup();
        self.signed["roles"][role.name()]["keys"] = keys.into();
    }

    /// Takes the role from a key. Returns true if the key had it.
    pub fn dismiss(&mut self, role: Role, key: KeyId) -> bool {
        let (id, mut keys) = (key.to_string(), self.keys(role));
        let before = keys.len();
        keys.retain(|other| *other != id);
        let had = keys.len() < before;
        self.signed["roles"][role.name()]["keys"] = keys.into();
        had
    }

    /// Sets the number of the role's keys that must sign.
    pub fn set_threshold(&mut self, role: Role, threshold: u64) {
        self.signed["roles"][role.name()]["threshold"] = threshold.into();
    }

    /// Returns the document to be signed. Keys without a role are left out.
    pub fn finish(mut self) -> Result<UnsignedRoot> {
        let roles = self.signed["roles"].to_string();
        if let Some(keys) = self.signed["keys"].as_object_mut() {
            keys.retain(|id, _| roles.contains(&format!("\"{id}\"")));
        }
        UnsignedRoot::of(self.number, &self.signed)
    }

    fn keys(&self, role: Role) -> Vec<String> {
        let keys = self.signed["roles"][role.name()]["keys"].as_array();
        keys.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    }
}
