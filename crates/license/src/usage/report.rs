//! The report of a site's usage: days and their totals, signed by the site's key. A user reads the totals, and a
//! program recomputes them.
//!
//! Threats:
//! - a report that was edited (the signature covers every field);
//! - a report that another host signed (its key is not the site's);
//! - a report whose record was cut before it was signed (the days form a chain);
//! - a report with wrong totals (they are recomputed);
//! - a report about another site or license (both are compared with the license).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_bundle_spec::read_typed;
use landfall_bundle_spec::trust::{KeyId, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::counts::Counts;
use super::day::{Day, first_break};
use super::error::UsageError;
use super::period::{Period, periods};
use crate::binding::Identifier;
use crate::terms::Terms;

/// Value of the field `kind` in the document.
pub const KIND: &str = "usageReport";

/// Schema of the document.
pub const SCHEMA: u32 = 1;

/// The `type` of the report.
const REPORT_TYPE: &str = "landfall.dev/usage-report/1";

/// Prefix of the signed bytes, so that no other signature is valid for a report.
const CONTEXT: &str = "landfall.dev/usage-report/1\n";

/// Maximum size of a report in bytes: ten years, with separate lines for each day.
const REPORT_BYTES: usize = 16 << 20;

/// The contents of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportContents<'a> {
    /// The site's UUID.
    pub site: &'a str,
    /// Identifiers by which the vendor knows the site.
    pub identifiers: BTreeSet<Identifier>,
    /// Terms of the site's license.
    pub terms: &'a Terms,
    /// The site's trusted date.
    pub made: Timestamp,
    /// The days, oldest first.
    pub days: Vec<Day>,
}

/// Report of usage. Its file is the document that `landfall license report` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageReport {
    /// Always `landfall.dev/usage-report/1`.
    #[serde(rename = "type")]
    document_type: String,
    /// UUID of the site.
    pub site: String,
    /// Identifiers of the site, as `landfall license show` prints them.
    #[schemars(with = "Vec<String>")]
    pub identifiers: BTreeSet<Identifier>,
    /// ID of the site's license.
    pub license: String,
    /// Vendor that issued the license.
    pub vendor: String,
    /// Customer to whom the license was issued.
    pub customer: String,
    /// Name of the licensed release.
    pub release: String,
    /// Creation time of the report, by the site's trusted date, RFC 3339 in UTC.
    #[schemars(with = "String")]
    pub made: Timestamp,
    /// Sums of the days: one for each license of the site, and for each change of its limits.
    pub periods: Vec<Period>,
    /// Days, oldest first, each with the hash of the previous one. The last day may be incomplete.
    pub days: Vec<Day>,
    /// Public key of the site, as PEM.
    pub key: String,
    /// Signature of all other fields, in base64.
    signature: String,
}

/// The reader's expectations of a report.
#[derive(Debug, Clone, Default)]
pub struct ReportExpectations<'a> {
    /// The license that the report must be about, and the site to which it is bound; any, if missing.
    pub terms: Option<&'a Terms>,
    /// Ids of keys, one of which must have signed the report. If empty, the key that the license names.
    pub keys: Vec<KeyId>,
}

impl UsageReport {
    /// Creates the report with the signer's public key, before [`UsageReport::with_signature`].
    pub fn new_unsigned(contents: ReportContents<'_>, key: &PublicKey) -> Self {
        let ReportContents { site, identifiers, terms, made, days } = contents;
        Self {
            document_type: REPORT_TYPE.to_owned(),
            site: site.to_owned(),
            identifiers,
            license: terms.id.clone(),
            vendor: terms.vendor.clone(),
            customer: terms.customer.clone(),
            release: terms.release.clone(),
            made,
            periods: periods(&days),
            days,
            key: key.to_pem(),
            signature: String::new(),
        }
    }

    /// Returns the report with the signature of [`UsageReport::message`].
    #[must_use]
    pub fn with_signature(self, signature: &[u8]) -> Self {
        Self { signature: STANDARD.encode(signature), ..self }
    }

    /// Reads the file of a report, in any layout. Nothing in it is trusted before [`UsageReport::verify`].
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, UsageError> {
        let form = |source| UsageError::Form { name: name.to_owned(), source: Box::new(source) };
        if bytes.len() > REPORT_BYTES {
            let what = format!("{name} ({} bytes)", bytes.len());
            return Err(form(landfall_bundle_spec::Error::TooLarge { what, limit: REPORT_BYTES as u64 }));
        }
        let mut document: Value = read_typed(name, REPORT_TYPE, bytes).map_err(form)?;
        if let Some(fields) = document.as_object_mut() {
            // Fields of every document; the type contains the same.
            fields.remove("kind");
            fields.remove("schema");
        }
        serde_json::from_value(document).map_err(|source| {
            form(landfall_bundle_spec::Error::InvalidDocument { name: name.to_owned(), source: source.into() })
        })
    }

    /// Returns the signed bytes: everything except the signature.
    pub fn message(&self) -> Result<Vec<u8>, UsageError> {
        let unsigned = Self { signature: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsigned).map_err(UsageError::Unwritable)?;
        Ok(format!("{CONTEXT}{text}").into_bytes())
    }

    /// Checks the signature, then the chain of the days, then the totals, and last the expected license and site.
    /// Returns the key that signed.
    pub fn verify(&self, wanted: &ReportExpectations<'_>) -> Result<PublicKey, UsageError> {
        let key = PublicKey::from_pem("the key of the report", &self.key).map_err(|_| UsageError::Signature)?;
        let keys = match wanted.terms.and_then(|terms| terms.site_key) {
            Some(named) if wanted.keys.is_empty() => vec![named],
            _ => wanted.keys.clone(),
        };
        if !keys.contains(&key.id()) {
            let wanted = keys.first().copied().ok_or(UsageError::Signature)?;
            return Err(UsageError::OtherKey { found: key.id(), wanted });
        }
        let signature = STANDARD.decode(&self.signature).unwrap_or_default();
        if !key.verifies(&self.message()?, &signature) {
            return Err(UsageError::Signature);
        }
        if let Some(day) = first_break(&self.days) {
            return Err(UsageError::Chain { day });
        }
        if self.periods != periods(&self.days) {
            return Err(UsageError::Totals);
        }
        wanted.terms.map_or(Ok(()), |terms| self.is_about(terms))?;
        Ok(key)
    }

    /// Returns an error unless the report's days continue those of an earlier report of the same site. The last day of
    /// that report was still in progress.
    pub fn continues(&self, earlier: &Self) -> Result<(), UsageError> {
        if self.site != earlier.site {
            return Err(UsageError::Other { reason: format!("the earlier one is of the site {}", earlier.site) });
        }
        let first = self.days.first().map_or(u64::MAX, |day| day.number);
        let over = earlier.days.split_last().map(|(_, over)| over).unwrap_or_default();
        let differs = |day: &&Day| day.number >= first && !self.days.contains(day);
        over.iter().find(differs).map_or(Ok(()), |day| Err(UsageError::Chain { day: day.day }))
    }

    /// Returns an error for a report about another license, other limits of it, or a site to which it is not bound.
    fn is_about(&self, terms: &Terms) -> Result<(), UsageError> {
        let other = |reason: String| Err(UsageError::Other { reason });
        if self.license != terms.id {
            return other(format!("the license there is {}, not {}", self.license, terms.id));
        }
        let of_terms = (Counts::limits(&terms.entitlements), terms.overage_percent);
        let newest = self.days.iter().rev().find(|day| day.license == terms.id);
        if newest.is_some_and(|day| (day.limits, day.overage_percent) != of_terms) {
            return other(format!("its limits are not those of {}", terms.id));
        }
        let Some(binding) = &terms.binding else { return Ok(()) };
        let (matched, needed) = (binding.matching_count(&self.identifiers), binding.needed);
        if matched >= needed {
            return Ok(());
        }
        other(format!("{matched} of the identifiers of {} are that site's, and {needed} must be", terms.id))
    }
}
