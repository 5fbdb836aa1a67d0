//! Settings of backups: their time, their retention, and the places of copies.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::civil::Time;
use landfall_backup::Retention;
use landfall_error_codes::codes;
use serde::{Deserialize, Serialize};

use super::{BucketSettings, ConfigurationError, SiteConfiguration};

/// Word for an unset time.
const DEFAULT_TIME: &str = "default";

/// Settings of backups. They have no effect for a release without backup rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSettings {
    /// Time of the daily backup; by default between 01:30 and 02:30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeOfDay>,
    /// Number of backups to keep; by default the newest of each of 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeepSettings>,
    /// Days of which every point in time can be restored, for components with a log; by default 7, and none with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_in_time_days: Option<u16>,
    /// Folders on other disks that get a copy of each proven backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<PathBuf>,
    /// Buckets of S3 servers that also get a copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<BucketSettings>,
}

impl SiteConfiguration {
    /// Returns the settings with the daily backup at this time, such as `02:30`, or at the usual one (`default`).
    pub fn with_backup_time(&self, time: &str) -> Result<Self, ConfigurationError> {
        let time = if time == DEFAULT_TIME { None } else { Some(own_time(time)?) };
        Ok(Self { backups: BackupSettings { time, ..self.backups.clone() }, ..self.clone() })
    }
}

/// Parses a time that a person gives outside of a file.
fn own_time(text: &str) -> Result<TimeOfDay, ConfigurationError> {
    text.parse::<TimeOfDay>().map_err(|message| {
        let message = format!("{message}; `{DEFAULT_TIME}` returns to the usual one");
        ConfigurationError::one(codes::SITE_VALUE, "the schedule of backups", "backups.time", message)
    })
}

/// Retention of backups: the newest of each hour, day, week and month (UTC) with a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepSettings {
    /// Hours with a backup.
    #[serde(default)]
    pub hourly: u16,
    /// Days with a backup.
    #[serde(default)]
    pub daily: u16,
    /// Weeks (ISO 8601) with a backup.
    #[serde(default)]
    pub weekly: u16,
    /// Months with a backup.
    #[serde(default)]
    pub monthly: u16,
}

impl BackupSettings {
    /// Returns true if nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the retention of backups, here and in each copy.
    pub fn retention(&self) -> Retention {
        let default = Retention::default();
        let log_days = self.point_in_time_days.unwrap_or(default.log_days);
        match self.keep {
            Some(KeepSettings { hourly, daily, weekly, monthly }) => {
                Retention { hourly, daily, weekly, monthly, log_days }
            }
            None => Retention { log_days, ..default },
        }
    }

    /// Returns true if data written between two backups is saved as well.
    pub fn has_points_in_time(&self) -> bool {
        self.retention().log_days > 0
    }

    /// Returns all places of copies: folders, then buckets as `s3:NAME`.
    pub fn copy_places(&self) -> Vec<PathBuf> {
        let buckets = self.buckets.iter().map(BucketSettings::place);
        self.copies.iter().cloned().chain(buckets).collect()
    }

    /// Returns the problems that types cannot exclude, each with its key.
    pub(super) fn problems(&self, data: &Path) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.keep == Some(KeepSettings::default()) {
            problems
                .push(("backups.keep", "at least one of hourly, daily, weekly and monthly must be above 0".to_owned()));
        }
        for (index, folder) in self.copies.iter().enumerate() {
            let shown = folder.display();
            if !folder.is_absolute() {
                problems.push(("backups.copies", format!("{shown} must begin with /")));
            } else if folder.starts_with(data) {
                problems
                    .push(("backups.copies", format!("{shown} is in the data folder, whose loss a copy must survive")));
            } else if self.copies[..index].contains(folder) {
                problems.push(("backups.copies", format!("{shown} is listed twice")));
            }
        }
        for (index, bucket) in self.buckets.iter().enumerate() {
            problems.extend(bucket.problems().into_iter().map(|problem| ("backups.buckets", problem)));
            if self.buckets[..index].iter().any(|earlier| earlier.name == bucket.name) {
                problems.push(("backups.buckets", format!("two buckets have the name {}", bucket.name)));
            }
        }
        problems
    }
}

/// A time of day in the host's time zone, such as `02:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(Time);

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = Time::strptime("%H:%M", text).ok().map(Self).filter(|time| time.to_string() == text);
        time.ok_or_else(|| format!("`{text}` is not a time of day such as 02:30"))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_have_one_form() {
        for text in ["00:00", "02:30", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["", "2:30", "24:00", "12:60", "02:30:00", " 02:30", "nightly"] {
            assert_eq!(text.parse::<TimeOfDay>(), Err(format!("`{text}` is not a time of day such as 02:30")));
        }
    }

    #[test]
    fn backup_time_change_keeps_other_settings() {
        let text = r#"{"node": {"name": "a"}, "backups": {"time": "02:30", "keep": {"daily": 3}}, "accept": ["swap"]}"#;
        let settings: SiteConfiguration = serde_json::from_str(text).unwrap();
        let changed = settings.with_backup_time("03:15").unwrap();
        assert_eq!(changed.backups.time.map(|time| time.to_string()).as_deref(), Some("03:15"));
        let usual = changed.with_backup_time("default").unwrap();
        assert_eq!(usual.backups.time, None);
        assert_eq!(usual.with_backup_time("02:30").unwrap(), settings);
        for time in ["", "3:15", "25:00", "nightly", "Default", "*-*-* 03:15"] {
            let error = settings.with_backup_time(time).unwrap_err();
            assert_eq!(landfall_error_codes::CodedError::code(&error), codes::SITE_VALUE, "{time}");
            let expected = format!("`{time}` is not a time of day such as 02:30; `default` returns to the usual one");
            assert_eq!(error.problems()[0].message, expected);
        }
    }

    #[test]
    fn unset_settings_use_defaults() {
        let settings: BackupSettings = serde_json::from_str("{}").unwrap();
        assert!(settings.is_default());
        assert_eq!(settings.retention(), Retention::default());
        let settings: BackupSettings = serde_json::from_str(r#"{"keep": {"weekly": 8}}"#).unwrap();
        assert_eq!(settings.retention(), Retention { hourly: 0, daily: 0, weekly: 8, monthly: 0, log_days: 7 });
        assert!(settings.problems(Path::new("/data")).is_empty());
    }
}
