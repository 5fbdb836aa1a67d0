//! Usage as `landfall license usage` reports it, and the notes in `status` about exceeded limits.

use landfall_documents::license::{LicenseTerms, LimitStatus, UsageStatus};
use landfall_license::usage::{Counts, LimitUse, Metric, Period, Sample};
use landfall_license::{License, Terms};

/// Returns the usage under a license: the periods since it arrived, and the newest sample.
pub fn usage_status(
    license: &License,
    periods: Vec<Period>,
    newest: Option<&Sample>,
    site_key: Option<String>,
    notes: Vec<String>,
) -> UsageStatus {
    let (terms, limits) = (license.terms(), Counts::limits(&license.terms().entitlements));
    let is_of_now = |period: &Period| {
        let same = period.limits.iter().all(|of| of.limit == limits.of(of.metric));
        same && period.license == terms.id && period.overage_percent == terms.overage_percent
    };
    let period = periods.into_iter().next_back().filter(is_of_now);
    let newest = newest.filter(|newest| newest.license == terms.id);
    let limit = |metric: Metric| LimitStatus {
        now: newest.and_then(|newest| newest.counts.of(metric)),
        since: period
            .iter()
            .flat_map(|period| &period.limits)
            .find(|of| of.metric == metric)
            .cloned()
            .unwrap_or_else(|| unmeasured_limit(metric, terms)),
    };
    UsageStatus {
        license: terms.id.clone(),
        measured: newest.map(|newest| format!("{:.0}", newest.at)),
        since: period.as_ref().map(|period| period.from.to_string()),
        days: period.as_ref().map_or(0, |period| period.days),
        unmeasured_days: period.as_ref().map_or(0, |period| period.unmeasured_days),
        limits: Metric::ALL.into_iter().map(limit).collect(),
        components: period.map(|period| period.components).unwrap_or_default(),
        features: terms.entitlements.features.clone(),
        site_key,
        notes,
    }
}

/// Returns a limit without measurements.
fn unmeasured_limit(metric: Metric, terms: &Terms) -> LimitUse {
    let limit = Counts::limits(&terms.entitlements).of(metric);
    let most = limit.map(|limit| Terms::limit_with_overage(limit, terms.overage_percent));
    LimitUse { metric, limit, most, peak: None, peak_on: None, overage_days: 0, excess_days: 0 }
}

/// Returns a note for each limit that the newest sample exceeds. Installed components that the license does not include
/// are reported with their needs.
pub fn notes(terms: &LicenseTerms, newest: &Sample) -> Vec<String> {
    let LicenseTerms { id, contact, entitlements, overage_percent, .. } = terms;
    let note = |metric: Metric| {
        let (limit, count) = (Counts::limits(entitlements).of(metric)?, newest.counts.of(metric)?);
        let most = Terms::limit_with_overage(limit, *overage_percent);
        let verb = if count == 1 { "is" } else { "are" };
        let allowed = metric.format_count(limit);
        let advice = if count <= limit {
            return None;
        } else if count <= most {
            format!("tolerates up to {most}: ask {contact} for a larger one before more are needed")
        } else if most > limit {
            format!("tolerates no more than {most}: ask {contact} for a larger one")
        } else {
            format!("tolerates no more: ask {contact} for a larger one")
        };
        let counted = metric.format_count(count);
        Some(format!(
            "{counted} {verb} in use; the license {id} is for {allowed}, and {advice}. What runs is not affected"
        ))
    };
    Metric::ALL.into_iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::license_terms;

    #[test]
    fn exceeded_limit_names_tolerance() {
        let mut terms = license_terms();
        terms.overage_percent = 40;
        let newest = |nodes| Sample {
            at: "2026-11-20T08:00:00Z".parse().unwrap(),
            license: "acme-1".to_owned(),
            limits: Counts::default(),
            overage_percent: 40,
            counts: Counts { nodes: Some(nodes), namespaces: Some(900), ..Counts::default() },
            components: BTreeSet::new(),
            lacking: BTreeSet::new(),
        };
        assert_eq!(notes(&terms, &newest(3)), [""; 0]);
        insta::assert_snapshot!(notes(&terms, &newest(4)).join("\n"), @"4 nodes are in use; the license acme-1 is for 3 nodes, and tolerates up to 4: ask licenses@example.com for a larger one before more are needed. What runs is not affected");
        insta::assert_snapshot!(notes(&terms, &newest(5)).join("\n"), @"5 nodes are in use; the license acme-1 is for 3 nodes, and tolerates no more than 4: ask licenses@example.com for a larger one. What runs is not affected");
        terms.overage_percent = 0;
        insta::assert_snapshot!(notes(&terms, &newest(4)).join("\n"), @"4 nodes are in use; the license acme-1 is for 3 nodes, and tolerates no more: ask licenses@example.com for a larger one. What runs is not affected");
    }
}
