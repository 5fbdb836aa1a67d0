//! Totals of days: for each license of a site, the usage of each limit, and the times at which it was exceeded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Metric};
use super::day::Day;

/// Use of a site under one license, with unchanged limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Period {
    /// ID of the license.
    pub license: String,
    /// First day on which usage was measured.
    #[schemars(with = "String")]
    pub from: Date,
    /// Last day on which usage was measured.
    #[schemars(with = "String")]
    pub until: Date,
    /// Number of days on which usage was measured.
    pub days: u64,
    /// Number of days between the two without a measurement: the site was off, or its record lost them.
    pub unmeasured_days: u64,
    /// Tolerated overage of a limit, in percent.
    pub overage_percent: u64,
    /// Use of each limit.
    pub limits: Vec<LimitUse>,
    /// Entitlements that installed components needed.
    pub components: Vec<ComponentUse>,
}

/// Use of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitUse {
    /// Limited metric.
    pub metric: Metric,
    /// Limit; null if the license has none.
    pub limit: Option<u64>,
    /// Limit with the overage that the license tolerates.
    pub most: Option<u64>,
    /// Peak; null if it is not known.
    pub peak: Option<u64>,
    /// First day with that peak.
    #[schemars(with = "Option<String>")]
    pub peak_on: Option<Date>,
    /// Number of days on which the limit was exceeded.
    pub overage_days: u64,
    /// Number of these days on which the tolerated overage was also exceeded.
    pub excess_days: u64,
}

/// Use of an entitlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentUse {
    /// Entitlement that an installed component needed.
    pub entitlement: String,
    /// Number of days on which it was needed.
    pub days: u64,
    /// Number of these days on which the license did not include it.
    pub lacking_days: u64,
}

/// Computes the totals of consecutive days.
pub fn periods(days: &[Day]) -> Vec<Period> {
    let terms = |day: &Day| (day.limits, day.overage_percent);
    let is_same = |one: &Day, next: &Day| one.license == next.license && terms(one) == terms(next);
    days.chunk_by(is_same).map(period).collect()
}

fn period(days: &[Day]) -> Period {
    // A date can occur twice if a user set the date back.
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
