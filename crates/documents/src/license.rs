//! License and usage: output of `landfall license show` and `landfall license usage`.

use landfall_license::Entitlements;
use landfall_license::usage::{ComponentUse, LimitUse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::newer::known_items;

/// Report of `landfall license show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseReport {
    /// License and needs of the installed release; null on a host with neither.
    pub license: Option<LicenseStatus>,
    /// Identifiers of this host, its cluster and its site, to which a vendor binds a license: keyed digests, which
    /// reveal no serial number.
    #[serde(default)]
    #[schemars(!default)]
    pub identifiers: Vec<String>,
    /// ID of the key with which the site signs its usage reports; null before the first measurement of usage.
    pub site_key: Option<String>,
}

/// Current status of the license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseStatus {
    /// Terms of the license; null if the site has no usable license.
    pub terms: Option<LicenseTerms>,
    /// Entitlements that components of the installed release need.
    #[serde(default)]
    #[schemars(!default)]
    pub needs: Vec<NeededEntitlement>,
    /// Trusted date of the site; null on a site that keeps none.
    pub date: Option<TrustedDate>,
    /// Notes for a person, some with a next step.
    #[serde(default)]
    #[schemars(!default)]
    pub notes: Vec<String>,
}

/// Terms of a license, and its current standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseTerms {
    /// ID of the license.
    pub id: String,
    /// Vendor that issued it.
    pub vendor: String,
    /// Customer to whom it was issued.
    pub customer: String,
    /// Contact for another license.
    pub contact: String,
    /// Name of the licensed release.
    pub release: String,
    /// Time of issue, RFC 3339 in UTC.
    pub issued: String,
    /// Start of its validity, RFC 3339 in UTC.
    pub not_before: String,
    /// End of its validity, RFC 3339 in UTC; null if it does not end.
    pub ends: Option<String>,
    /// End of its validity, including grace, RFC 3339 in UTC; null if it does not end.
    pub grace_ends: Option<String>,
    /// Tolerated overage of a limit, in percent.
    #[serde(default)]
    #[schemars(!default)]
    pub overage_percent: u64,
    /// Entitlements that it grants.
    #[serde(default)]
    #[schemars(!default)]
    pub entitlements: Entitlements,
    /// Standing: `valid`, `ending`, `grace`, `ended`, `not-yet-valid`, `revoked`, `superseded` or `other-site`.
    pub standing: String,
    /// True if entitled components may be installed and upgraded. Running software does not depend on it.
    pub permits: bool,
    /// Days until its end, or, in grace, until the end of grace; null if neither is near.
    pub days_left: Option<u64>,
    /// Last passed threshold of 90, 60, 30, 14, 7 and 1 days before the end; null before the first.
    pub warning_days: Option<u64>,
    /// Standing in words.
    pub text: String,
}

/// Entitlement that a component needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NeededEntitlement {
    /// Name of the component.
    pub component: String,
    /// Needed entitlement.
    pub entitlement: String,
    /// True if the license grants it now.
    pub granted: bool,
}

/// Date by which licenses are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedDate {
    /// Trusted date, RFC 3339 in UTC.
    pub now: String,
    /// Time that has certainly passed, RFC 3339 in UTC: from signed times, and the running time of the site since.
    pub least: String,
    /// Time of the machine's clock, RFC 3339 in UTC.
    pub clock: String,
    /// True if trusted date and clock differ by at most a day.
    pub agrees: bool,
}

/// Use of a site's license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageStatus {
    /// ID of the license.
    pub license: String,
    /// Time of the last measurement, by the site's trusted date, RFC 3339 in UTC; null before the first one.
    pub measured: Option<String>,
    /// First day of measurement under this license and its limits; null before the first one.
    pub since: Option<String>,
    /// Number of days with a measurement since then.
    #[serde(default)]
    #[schemars(!default)]
    pub days: u64,
    /// Number of days without a measurement since then.
    #[serde(default)]
    #[schemars(!default)]
    pub unmeasured_days: u64,
    /// Use of each limit.
    #[serde(default, deserialize_with = "known_items")]
    #[schemars(!default)]
    pub limits: Vec<LimitStatus>,
    /// Entitlements that installed components needed since then.
    #[serde(default, deserialize_with = "known_items")]
    #[schemars(!default)]
    pub components: Vec<ComponentUse>,
    /// Features that the license includes. Their use by software is not measured.
    #[serde(default)]
    #[schemars(!default)]
    pub features: Vec<String>,
    /// ID of the key with which the site signs its reports; null before the first one.
    pub site_key: Option<String>,
    /// Notes for a person, some with a next step.
    #[serde(default)]
    #[schemars(!default)]
    pub notes: Vec<String>,
}

/// Use of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// Number at the last measurement; null if it is not known.
    pub now: Option<u64>,
    /// Limit, and its use since then.
    #[serde(flatten)]
    pub since: LimitUse,
}
