//! The terms of a license: the signed part, interpreted.
//!
//! Threats:
//! - terms that are read before their signatures are checked (only [`crate::SealedLicense`] calls [`Terms::read`]);
//! - numbers that overflow;
//! - names that break out of a message;
//! - times that contradict each other.
//!
//! Fields of later versions are signed like all others and ignored; `requires` names what a reader must support.

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::names::is_dns_label;
use landfall_bundle_spec::trust::KeyId;
use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::error::{LicenseError, Result};

/// The `type` of the signed part of a license.
pub(crate) const LICENSE_TYPE: &str = "landfall.dev/license/1";

/// Maximum length of the name of a person, company or contact in characters.
const NAME_CHARACTERS: usize = 200;

/// Maximum grace in days: ten years.
const GRACE_DAYS: u64 = 3650;

/// Maximum overage in percent.
const OVERAGE_PERCENT: u64 = 1000;

/// Maximum number of names in a list.
const NAMES: usize = 1000;

/// Entitlements of a site by its license. An absent limit means that the license does not limit it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entitlements {
    /// Entitlements that components of a release name, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Features that software queries, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Maximum number of namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// Maximum number of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Maximum number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Maximum number of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// Latest build time of included releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub newest_release: Option<Timestamp>,
}

/// The terms of a license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Always [`LICENSE_TYPE`].
    #[serde(rename = "type")]
    pub(crate) document_type: String,
    /// Id of the license, a DNS label; unique among the vendor's licenses.
    pub id: String,
    /// Name of the vendor.
    pub vendor: String,
    /// Name of the customer.
    pub customer: String,
    /// Contact for another license: an address or a telephone number.
    pub contact: String,
    /// Name of the release.
    pub release: String,
    /// Time of issue. A site that sees the license knows that this time has passed.
    pub issued: Timestamp,
    /// Time at which the license begins to apply.
    pub not_before: Timestamp,
    /// Time at which the license ends; never, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Days after the end for which the license is still valid.
    pub grace_days: u64,
    /// Percentage by which a limit may be exceeded.
    pub overage_percent: u64,
    /// The grants.
    pub entitlements: Entitlements,
    /// The site for which the license is valid; any, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Id of the key with which the site signs its reports of usage, if the vendor knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_key: Option<KeyId>,
    /// Ids of the replaced licenses, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// Number of the vendor's revocation at the time of issue, which is in the same file; 0 for none.
    pub revocation: u64,
    /// Features that a reader must know in addition to this form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
}

impl Terms {
    /// Interprets the signed bytes. The caller has verified their signatures, or shows the terms as unverified.
    pub(crate) fn read(name: &str, message: &[u8]) -> Result<Self> {
        let invalid = |source: serde_json::Error| {
            let source = landfall_bundle_spec::Error::InvalidDocument { name: name.to_owned(), source: source.into() };
            LicenseError::Refused { name: name.to_owned(), source: Box::new(source) }
        };
        // Requirements come first, because a later form may have other fields.
        let required: RequirementsPart = serde_json::from_slice(message).map_err(invalid)?;
        if let Some(requirement) = required.requires.into_iter().next() {
            let requirement = requirement.chars().take(100).collect();
            return Err(LicenseError::Requirement { name: name.to_owned(), requirement });
        }
        let terms: Self = serde_json::from_slice(message).map_err(invalid)?;
        terms.check().map_err(|reason| LicenseError::Invalid { name: name.to_owned(), reason })?;
        Ok(terms)
    }

    /// Time at which the grace, and with it the license, ends; `None` if the license has no end.
    pub fn grace_ends(&self) -> Option<Timestamp> {
        let grace = SignedDuration::from_hours(24 * i64::try_from(self.grace_days).unwrap_or_default());
        self.ends.map(|ends| ends.checked_add(grace).unwrap_or(Timestamp::MAX))
    }

    /// Returns a limit plus its overage in percent, rounded down.
    pub const fn limit_with_overage(limit: u64, percent: u64) -> u64 {
        limit.saturating_add(limit.saturating_mul(percent) / 100)
    }

    /// Returns a description of the first defect as an error.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_label("id", &self.id)?;
        check_label("name of a release", &self.release)?;
        for (what, name) in [("vendor", &self.vendor), ("customer", &self.customer), ("contact", &self.contact)] {
            let is_name = (1..=NAME_CHARACTERS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
            if !is_name {
                return Err(format!("its {what} is empty, too long, or has control characters"));
            }
        }
        let lists = [
            ("component entitlement", &self.entitlements.components),
            ("feature", &self.entitlements.features),
            ("superseded id", &self.supersedes),
        ];
        lists.into_iter().try_for_each(|(what, names)| check_list(what, names))?;
        if self.supersedes.contains(&self.id) {
            return Err("it supersedes itself".to_owned());
        }
        if self.ends.is_some_and(|ends| ends <= self.not_before) {
            return Err("it ends before it begins".to_owned());
        }
        if self.grace_days > GRACE_DAYS || self.overage_percent > OVERAGE_PERCENT {
            return Err(format!("it has more than {GRACE_DAYS} days of grace or {OVERAGE_PERCENT} % of overage"));
        }
        self.binding.as_ref().map_or(Ok(()), Binding::check)
    }
}

/// The part that every version can read from every other version.
#[derive(Deserialize)]
struct RequirementsPart {
    #[serde(default)]
    requires: Vec<String>,
}

fn check_label(what: &str, name: &str) -> Result<(), String> {
    if is_dns_label(name) {
        return Ok(());
    }
    let shown: String = name.escape_default().take(100).collect();
    Err(format!("`{shown}` is not a {what}: up to 63 lower-case letters, digits and `-`"))
}

fn check_list(what: &str, names: &[String]) -> Result<(), String> {
    if names.len() > NAMES {
        return Err(format!("it has more than {NAMES} names of the kind {what}"));
    }
    names.iter().try_for_each(|name| check_label(what, name))?;
    if names.is_sorted_by(|one, next| one < next) {
        return Ok(());
    }
    Err(format!("its names of the kind {what} are not sorted, or one is listed twice"))
}
