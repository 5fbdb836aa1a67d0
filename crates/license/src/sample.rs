//! A vendor's complete, genuinely signed license for tests.

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::Revocation;

use crate::description::describe;
use crate::document::{SealedLicense, UnsignedLicense};
use crate::error::Result;
use crate::terms::Terms;

/// Returns terms for the release `tiny` with the entitlement `analytics`: valid for a year from `issued`, then 30 days
/// of grace.
pub fn terms(id: &str, issued: Timestamp) -> Result<Terms> {
    let ends = issued + SignedDuration::from_hours(365 * 24);
    let text = format!(
        "id: {id}\nvendor: Example\ncustomer: Acme\ncontact: licenses@example.com\nrelease: tiny\nends: {ends:.0}\n\
         entitlements: {{components: [analytics], nodes: 3}}\n"
    );
    describe("sample.yaml", &text, issued, 0)
}

/// Returns a vendor's license with these terms.
pub fn seal_license(vendor: &Vendor, terms: &Terms, revocation: Option<&Revocation>) -> Result<SealedLicense> {
    let mut unsigned = UnsignedLicense::new(terms)?;
    unsigned.sign(&vendor.key)?;
    unsigned.finish(std::slice::from_ref(&vendor.root), revocation)
}
