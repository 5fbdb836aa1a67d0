//! The license of a site as `status` and `landfall license` report it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landfall_license::{Agreement, Entitlements, Identifier, License, Standing, TrustedTime};
use schemars::JsonSchema;
use serde::Serialize;

/// Report of `landfall license show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseReport {
    /// License and needs of the installed release; null on a host with neither.
    pub license: Option<LicenseStatus>,
    /// Identifiers of this host, its cluster and its site, to which a vendor binds a license: keyed digests, which
    /// reveal no serial number.
    pub identifiers: Vec<String>,
    /// ID of the key with which the site signs its usage reports; null before the first measurement of usage.
    pub site_key: Option<String>,
}

/// Current status of the license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseStatus {
    /// Terms of the license; null if the site has no usable license.
    pub terms: Option<LicenseTerms>,
    /// Entitlements that components of the installed release need.
    pub needs: Vec<NeededEntitlement>,
    /// Trusted date of the site; null on a site that keeps none.
    pub date: Option<TrustedDate>,
    /// Notes for a person, some with a next step.
    pub notes: Vec<String>,
}

/// Terms of a license, and its current standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    pub overage_percent: u64,
    /// Entitlements that it grants.
    pub entitlements: Entitlements,
    /// Standing: `valid`, `ending`, `grace`, `ended`, `not-yet-valid`, `revoked`, `superseded` or `other-site`.
    pub standing: &'static str,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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

impl LicenseTerms {
    /// Returns a license and its standing.
    pub(crate) fn of(license: &License, standing: &Standing) -> Self {
        let terms = license.terms();
        let time = |time: Timestamp| format!("{time:.0}");
        let (days_left, warning_days) = match standing {
            Standing::Ending { days_left, warning } => (Some(*days_left), Some(*warning)),
            Standing::Grace { days_left } => (Some(*days_left), None),
            _ => (None, None),
        };
        Self {
            id: terms.id.clone(),
            vendor: terms.vendor.clone(),
            customer: terms.customer.clone(),
            contact: terms.contact.clone(),
            release: terms.release.clone(),
            issued: time(terms.issued),
            not_before: time(terms.not_before),
            ends: terms.ends.map(time),
            grace_ends: terms.grace_ends().map(time),
            overage_percent: terms.overage_percent,
            entitlements: terms.entitlements.clone(),
            standing: standing.name(),
            permits: standing.permits(),
            days_left,
            warning_days,
            text: standing.text(license),
        }
    }

    /// Returns advice for people; `None` if nothing is to be done.
    pub(crate) fn note(&self) -> Option<String> {
        let Self { id, text, contact, .. } = self;
        let advice = match self.standing {
            "valid" => return None,
            "ending" | "grace" | "ended" => format!("ask {contact} for a new one; what runs is not affected"),
            "not-yet-valid" => "if that day has come, set the clock and run `landfall license confirm-date`".to_owned(),
            _ => format!("ask {contact}; what runs is not affected"),
        };
        Some(format!("license {id} ({text}): {advice}"))
    }
}

impl TrustedDate {
    /// Returns trusted time beside the clock.
    pub(crate) fn of(time: &TrustedTime, clock: Timestamp) -> Self {
        let text = |time: Timestamp| format!("{time:.0}");
        let agrees = time.agreement(clock) == Agreement::Agree;
        Self { now: text(time.now()), least: text(time.least()), clock: text(clock), agrees }
    }

    /// Returns a note about a clock that disagrees.
    pub(crate) fn note(&self) -> Option<String> {
        let Self { now, clock, agrees, .. } = self;
        let advice = "set it if it is wrong (`timedatectl set-time`), then run `landfall license confirm-date`";
        (!agrees).then(|| format!("the clock says {clock}, and licenses are judged by {now}: {advice}"))
    }
}

/// Returns identifiers as sorted text.
pub(crate) fn identifier_texts(identifiers: &BTreeSet<Identifier>) -> Vec<String> {
    identifiers.iter().map(ToString::to_string).collect()
}
