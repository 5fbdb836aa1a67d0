//! Totals of days: for each license of a site, the usage of each limit, and the times at which it was exceeded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Metric};
use super::day::Day;

/// What a site used under one license, with the same limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Period {
    /// Id of the license.
    pub license: String,
    /// The first day on which usage was measured.
    #[schemars(with = "String")]
    pub from: Date,
    /// The last one.
    #[schemars(with = "String")]
    pub until: Date,
    /// On how many days it was measured.
    pub days: u64,
    /// On how many days between the two it was not: the site was off, or its record lost them.
    pub unmeasured_days: u64,
    /// By how much a limit may be exceeded, in percent.
    pub overage_percent: u64,
    /// What is limited by number.
    pub limits: Vec<LimitUse>,
    /// Entitlements that installed components needed.
    pub components: Vec<ComponentUse>,
}

/// What was used of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitUse {
    /// What is limited.
    pub metric: Metric,
    /// The limit; none if the license has none.
    pub limit: Option<u64>,
    /// The limit with the overage that the license tolerates.
    pub most: Option<u64>,
    /// The greatest number that was counted; none where it is not known.
    pub peak: Option<u64>,
    /// The first day with that number.
    #[schemars(with = "Option<String>")]
    pub peak_on: Option<Date>,
    /// On how many days the limit was exceeded.
    pub overage_days: u64,
    /// On how many of these the tolerated overage was exceeded, too.
    pub excess_days: u64,
}

/// The use of an entitlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentUse {
    /// The entitlement that an installed component needed.
    pub entitlement: String,
    /// On how many days.
    pub days: u64,
    /// On how many of these the license did not include it.
    pub lacking_days: u64,
}

/// Computes the totals of consecutive days.
pub fn periods(days: &[Day]) -> Vec<Period> {
    let terms = |day: &Day| (day.limits, day.overage_percent);
    let is_same = |one: &Day, next: &Day| one.license == next.license && terms(one) == terms(next);
    days.chunk_by(is_same).map(period).collect()
}

fn period(days: &[Day]) -> Period {
    // A date can occur twice if a person set the date back.
    let dates: BTreeSet<Date> = days.iter().map(|day| day.day).collect();
    let (from, until) = (dates.first().copied().unwrap_or_default(), dates.last().copied().unwrap_or_default());
    let span = u64::try_from(until.duration_since(from).as_hours() / 24).unwrap_or_default().saturating_add(1);
    Period {
        license: days[0].license.clone(),
        from,
        until,
        days: dates.len() as u64,
        unmeasured_days: span.saturating_sub(dates.len() as u64),
        overage_percent: days[0].overage_percent,
        limits: Metric::ALL.into_iter().map(|metric| limit_use(metric, days)).collect(),
        components: component_uses(days),
    }
}

fn limit_use(metric: Metric, days: &[Day]) -> LimitUse {
    let (limit, most) = (days[0].limits.of(metric), days[0].most(metric));
    let peak = days.iter().fold(Counts::default(), |peak, day| peak.peak(day.peaks)).of(metric);
    let above = |limit: Option<u64>| {
        let is_above = |day: &&Day| limit.is_some_and(|limit| day.peaks.of(metric).is_some_and(|peak| peak > limit));
        days.iter().filter(is_above).map(|day| day.day).collect::<BTreeSet<_>>().len() as u64
    };
    let peak_on = days.iter().find(|day| peak.is_some() && day.peaks.of(metric) == peak).map(|day| day.day);
    LimitUse { metric, limit, most, peak, peak_on, overage_days: above(limit), excess_days: above(most) }
}

fn component_uses(days: &[Day]) -> Vec<ComponentUse> {
    let mut used: BTreeMap<&str, (BTreeSet<Date>, BTreeSet<Date>)> = BTreeMap::new();
    for day in days {
        for entitlement in &day.components {
            let (needed, lacking) = used.entry(entitlement).or_default();
            needed.insert(day.day);
            if day.lacking.contains(entitlement) {
                lacking.insert(day.day);
            }
        }
    }
    let of_each = used.into_iter().map(|(entitlement, (needed, lacking))| ComponentUse {
        entitlement: entitlement.to_owned(),
        days: needed.len() as u64,
        lacking_days: lacking.len() as u64,
    });
    of_each.collect()
}
