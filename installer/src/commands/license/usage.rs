//! `landfall license usage`: shows the usage of this site against its license.

use std::fmt::Write;

use landfall_documents::license::{LimitStatus, UsageStatus};
use landfall_error_codes::cases;
use landfall_license::usage::{ComponentUse, LimitUse, Metric};

use crate::commands::site::operations_of_root;
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

impl Document for UsageStatus {
    const KIND: &'static str = "licenseUsage";
}

/// Prints the usage.
pub(super) fn run(printer: Printer) -> Result<(), Failure> {
    let usage = operations_of_root(printer)?.usage()?;
    let usage = usage.ok_or_else(|| Failure::in_case(cases::USAGE_NO_LICENSE, "this site has no license"))?;
    printer.report(&usage, text)?;
    Ok(())
}

fn text(usage: &UsageStatus) -> String {
    let UsageStatus { license, measured, since, days, unmeasured_days, features, .. } = usage;
    let mut text = format!("license {license}: ");
    match (measured, since) {
        (Some(measured), Some(since)) => {
            let _infallible =
                write!(text, "measured last on {measured}, and on {} since {since}", format_count(*days, "day"));
            if *unmeasured_days > 0 {
                let _infallible = write!(text, "; not on {}", format_count(*unmeasured_days, "day"));
            }
        }
        _ => text.push_str("its use has not been measured yet; the agent does so every hour"),
    }
    text.push_str("\n\n");
    text.push_str(&table(usage.limits.iter().map(|LimitStatus { now, since }| (Some(*now), since))));
    let _infallible = writeln!(text, "\ncomponents  {}", components_text(&usage.components));
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    let _infallible = write!(text, "features    {features}");
    for note in &usage.notes {
        let _infallible = write!(text, "\nnote: {note}");
    }
    text
}

/// Table of limits, with the present use if it is known.
pub(super) fn table<'a>(limits: impl IntoIterator<Item = (Option<Option<u64>>, &'a LimitUse)>) -> String {
    let known = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let limit = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let heading = |now: &str| {
        format!("{:<12}{now}{:<9}{:<12}{:<9}{:<15}{}\n", "", "peak", "on", "limit", "with overage", "days above")
    };
    let mut text = String::new();
    for (now, of) in limits {
        if text.is_empty() {
            text.push_str(&heading(&now.map(|_| format!("{:<9}", "now")).unwrap_or_default()));
        }
        let now = now.map(|now| format!("{:<9}", known(now))).unwrap_or_default();
        let on = of.peak_on.map(|day| day.to_string()).unwrap_or_default();
        let excess =
            if of.excess_days > 0 { format!(" ({} above the overage)", of.excess_days) } else { String::new() };
        let (name, peak, days) = (Metric::name(of.metric), known(of.peak), of.overage_days);
        let (limit, most) = (limit(of.limit), limit(of.most));
        let _infallible = writeln!(text, "{name:<12}{now}{peak:<9}{on:<12}{limit:<9}{most:<15}{days}{excess}");
    }
    text
}

/// Text about the needed entitlements.
pub(super) fn components_text(components: &[ComponentUse]) -> String {
    let of = |ComponentUse { entitlement, days, lacking_days }: &ComponentUse| {
        let lacking = if *lacking_days > 0 { format!(", without a license on {lacking_days}") } else { String::new() };
        format!("{entitlement} (on {}{lacking})", format_count(*days, "day"))
    };
    if components.is_empty() {
        return "none that need a license".to_owned();
    }
    components.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// A sample status for tests.
#[cfg(test)]
pub(super) fn sample() -> UsageStatus {
    let limit = |metric, limit: Option<u64>, peak: Option<u64>, days| LimitUse {
        metric,
        limit,
        most: limit.map(|limit| limit + 1),
        peak,
        peak_on: peak.map(|_| "2026-11-19".parse().expect("a date")),
        overage_days: days,
        excess_days: days / 2,
    };
    let limits = [
        (Some(4), limit(Metric::Nodes, Some(3), Some(5), 2)),
        (Some(9), limit(Metric::Namespaces, None, Some(11), 0)),
        (Some(0), limit(Metric::Gpus, Some(8), Some(0), 0)),
        (None, limit(Metric::Users, Some(50), None, 0)),
    ];
    UsageStatus {
        license: "acme-1".to_owned(),
        measured: Some("2026-11-20T07:40:00Z".to_owned()),
        since: Some("2026-10-31".to_owned()),
        days: 20,
        unmeasured_days: 1,
        limits: limits.map(|(now, since)| LimitStatus { now, since }).into(),
        components: vec![ComponentUse { entitlement: "assistant".to_owned(), days: 20, lacking_days: 3 }],
        features: Vec::new(),
        site_key: None,
        notes: vec!["4 nodes are in use".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_show_peak_and_overage_days() {
        let mut usage = sample();
        insta::assert_snapshot!(text(&usage));
        (usage.measured, usage.components) = (None, Vec::new());
        assert!(text(&usage).starts_with("license acme-1: its use has not been measured yet"));
        assert!(text(&usage).contains("\ncomponents  none that need a license\n"));
    }
}
