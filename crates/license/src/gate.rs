//! The gate before an install or an upgrade: finds what a release needs and no license grants. Only this gate refuses
//! anything because of a license.

use jiff::Timestamp;
use landfall_error_codes::{Code, codes};

use crate::document::License;
use crate::standing::Standing;

/// A component that needs an entitlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// Name of the component.
    pub component: &'a str,
    /// The entitlement that it needs.
    pub entitlement: &'a str,
}

/// A reason why a release may not be installed under a site's license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Error code of the reason.
    pub code: Code,
    /// The site's value.
    pub found: String,
    /// The required value.
    pub needed: String,
    /// Whom to ask and how, if the license names a contact.
    pub fix: Option<String>,
}

/// Returns everything that a site's license, if any, lacks for a release that was built at this time. Returns nothing
/// for a release whose components need no entitlement, whatever the license.
pub fn shortfalls(needs: &[Need<'_>], built_at: Timestamp, held: Option<(&License, &Standing)>) -> Vec<Shortfall> {
    if needs.is_empty() {
        return Vec::new();
    }
    let Some((license, standing)) = held else {
        let (found, needed) = ("none".to_owned(), list(needs));
        return vec![Shortfall { code: codes::LICENSE_MISSING, found, needed, fix: None }];
    };
    if let Some(code) = standing.code() {
        let found = format!("{} is {}", license_name(license), standing.text(license));
        let needed = format!("a license that counts now, for {}", list(needs));
        return vec![shortfall(code, found, needed, license)];
    }
    let mut found = Vec::new();
    if let Some(newest) = license.terms().entitlements.newest_release.filter(|newest| built_at > *newest) {
        let has = format!("{} includes releases until {newest:.0}", license_name(license));
        found.push(shortfall(codes::LICENSE_RELEASE_TOO_NEW, has, format!("{built_at:.0}"), license));
    }
    let lacking: Vec<Need<'_>> = needs.iter().filter(|need| !license.grants(need.entitlement)).copied().collect();
    if !lacking.is_empty() {
        let granted = &license.terms().entitlements.components;
        let granted = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
        let has = format!("{} includes: {granted}", license_name(license));
        found.push(shortfall(codes::LICENSE_LACKS, has, list(&lacking), license));
    }
    found
}

fn shortfall(code: Code, found: String, needed: String, license: &License) -> Shortfall {
    let fix = code.fix.replace("the license's contact", &license.terms().contact);
    Shortfall { code, found, needed, fix: Some(fix).filter(|fix| fix != code.fix) }
}

fn license_name(license: &License) -> String {
    format!("the license {}", license.terms().id)
}

/// Lists entitlements, each with the components that need it.
fn list(needs: &[Need<'_>]) -> String {
    let mut entitlements: Vec<&str> = needs.iter().map(|need| need.entitlement).collect();
    entitlements.sort_unstable();
    entitlements.dedup();
    let line = |entitlement: &&str| {
        let components = needs.iter().filter(|need| need.entitlement == *entitlement).map(|need| need.component);
        format!("{entitlement} (component {})", components.collect::<Vec<_>>().join(", "))
    };
    entitlements.iter().map(line).collect::<Vec<_>>().join("; ")
}
