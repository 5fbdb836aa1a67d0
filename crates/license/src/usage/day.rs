//! A day of usage: the peaks of its samples. The days form a chain, in which each names the previous one by its hash.

use std::collections::BTreeSet;

use jiff::civil::Date;
use landfall_bundle_spec::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Metric};
use crate::terms::Terms;

/// Maximum number of days that are kept: ten years, in about a megabyte.
pub(super) const DAYS: usize = 3660;

/// Predecessor hash of the first link of a chain.
pub(super) const BEGIN: Sha256 = Sha256([0; 32]);

/// Use of a site on a day, under one license. A day on which the license changed is in two records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Day {
    /// Number of the day, from 1, without gaps.
    pub number: u64,
    /// Day in UTC, by the site's trusted date.
    #[schemars(with = "String")]
    pub day: Date,
    /// ID of the site's license.
    pub license: String,
    /// Limits of the license.
    pub limits: Counts,
    /// Tolerated overage of a limit, in percent.
    pub overage_percent: u64,
    /// Peak of each metric.
    pub peaks: Counts,
    /// Entitlements that installed components need.
    pub components: BTreeSet<String>,
    /// Needed entitlements that the license does not include.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lacking: BTreeSet<String>,
    /// Number of measurements.
    pub samples: u64,
    /// Number of measurements that did not follow the one before: the record was edited or cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub breaks: u64,
    /// SHA-256 of the previous record.
    #[schemars(with = "String")]
    pub previous: Sha256,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Day {
    /// SHA-256 of the day's canonical text: compact JSON with the fields in the order of this type.
    pub fn hash(&self) -> Sha256 {
        hash(self)
    }

    /// Maximum of a metric that the license tolerated; `None` if it has no limit.
    pub fn most(&self, metric: Metric) -> Option<u64> {
        self.limits.of(metric).map(|limit| Terms::limit_with_overage(limit, self.overage_percent))
    }
}

/// Computes the SHA-256 of a record's canonical text.
pub(super) fn hash(record: &impl Serialize) -> Sha256 {
    // A tree of strings and integers always has a JSON form.
    Sha256::of(serde_json::to_vec(record).unwrap_or_default())
}

/// Returns the first day that does not follow the previous one as measured, or that contains a sample that did not.
pub fn first_break(days: &[Day]) -> Option<Date> {
    // Days are dropped only by age, so a record without its first days still has at least the full number of days.
    let begins_right = |day: &Day| (day.number == 1 && day.previous == BEGIN) || days.len() >= DAYS;
    let first = days.first().filter(|day| !begins_right(day) || day.breaks > 0).map(|day| day.day);
    let follows = |pair: &[Day]| {
        let [before, day] = pair else { return true };
        day.previous == before.hash() && Some(day.number) == before.number.checked_add(1) && day.breaks == 0
    };
    first.or_else(|| days.windows(2).find(|pair| !follows(pair)).and_then(|pair| pair.last()).map(|day| day.day))
}
