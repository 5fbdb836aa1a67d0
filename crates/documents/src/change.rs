//! Change of a site, as a person plans and approves it. It reaches the host's API in this form.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// JSON Schema pattern for [`is_backup_time`].
pub const BACKUP_TIME_PATTERN: &str = "^(default|([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Returns true if a text can be the time of each day's backup: a time of day such as `03:15`, or `default` for the
/// usual one.
pub fn is_backup_time(text: &str) -> bool {
    let is_below = |digits: &str, limit: u8| {
        let are_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        are_two && digits.parse::<u8>().is_ok_and(|number| number < limit)
    };
    let is_time = |(hour, minute): (&str, &str)| is_below(hour, 24) && is_below(minute, 60);
    text == "default" || text.split_once(':').is_some_and(is_time)
}

/// Treatment, in a rollback, of data that the installed release has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "DataFate")]
pub enum DataChoice {
    /// The data stays as it is.
    Keep,
    /// The newest proven backup of the earlier release replaces the data.
    Restore,
}

/// Change of the site that a person plans and approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The release on a medium takes the place of the installed one.
    Upgrade {
        /// ID of the medium, as the host issued it.
        medium: String,
    },
    /// A release that the site keeps takes the place of the installed one.
    Rollback {
        /// Version of the target release.
        version: String,
        /// Treatment of data that the installed release has changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<DataChoice>,
    },
    /// Data of a backup replaces data of the installed release. The release stays.
    Restore {
        /// ID of the backup, as the host lists it; by default the newest proven one, or the newest from which the time
        /// can be reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<String>,
        /// Point in time to restore, RFC 3339. Data without a log returns as of its backup.
        #[schemars(extend("format" = "date-time"))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// Components whose data to restore; if empty, all components of the backup.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        components: Vec<String>,
    },
    /// Settings of the installed release change. The release stays.
    Configure {
        /// Changed values, by name; null returns to the release's default. Others stay as they are.
        values: BTreeMap<String, Value>,
        /// New values of site secrets: by the secret's name, the ID under which the host keeps the value. A change
        /// contains no values themselves.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        secrets: BTreeMap<String, String>,
        /// New time of the daily backup, in the host's time zone, such as `03:15`; `default` returns to the usual one.
        #[schemars(regex(pattern = BACKUP_TIME_PATTERN))]
        #[serde(default, rename = "backupTime", skip_serializing_if = "Option::is_none")]
        backup_time: Option<String>,
    },
}

impl Change {
    /// Returns the verb.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Upgrade { .. } => "upgrade",
            Self::Rollback { .. } => "rollback",
            Self::Restore { .. } => "restore",
            Self::Configure { .. } => "configure",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn backup_times_have_one_form() {
        assert!(["00:00", "03:15", "23:59", "default"].into_iter().all(is_backup_time));
        let others =
            ["", "3:15", "24:00", "03:60", "03:15:00", "+3:15", "03:15 --dry-run", "Default", "\u{663}\u{663}:15"];
        assert!(!others.into_iter().any(is_backup_time));
    }

    #[test]
    fn change_without_time_keeps_its_form() {
        let earlier = json!({ "change": "configure", "values": { "a.mode": "slow" } });
        let change: Change = serde_json::from_value(earlier.clone()).unwrap();
        assert_eq!(serde_json::to_value(&change).unwrap(), earlier);
        let timed = json!({ "change": "configure", "values": {}, "backupTime": "03:15" });
        let change: Change = serde_json::from_value(timed.clone()).unwrap();
        assert!(matches!(&change, Change::Configure { backup_time: Some(time), .. } if time == "03:15"));
        assert_eq!(serde_json::to_value(&change).unwrap(), timed);
    }
}
