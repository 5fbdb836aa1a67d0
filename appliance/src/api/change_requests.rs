//! Bodies of requests that change the site. Each approval repeats what its plan was requested with.

use std::collections::BTreeMap;

use landfall_documents::change::{BACKUP_TIME_PATTERN, Change, DataChoice};
use landfall_peer::ID_PATTERN;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Request to look for media.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Look")]
pub struct SentLook {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
}

/// Request for a plan.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub struct SentPlan {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    #[serde(flatten, deserialize_with = "deserialize_change")]
    pub(super) change: Change,
}

/// Deserializes a change only by its name: derived code would also accept the index of the variant.
fn deserialize_change<'de, D: Deserializer<'de>>(fields: D) -> Result<Change, D::Error> {
    let fields = Map::deserialize(fields)?;
    if !fields.get("change").is_some_and(Value::is_string) {
        return Err(D::Error::custom("change: say what is planned, such as `upgrade`"));
    }
    Change::deserialize(Value::Object(fields)).map_err(D::Error::custom)
}

/// Approved upgrade.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "UpgradeApproval")]
pub struct SentUpgrade {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    /// ID of the medium.
    pub(super) medium: String,
    /// Digest of the plan.
    pub(super) plan: String,
    /// Name of the site, which confirms the approval.
    pub(super) confirm: String,
}

/// Approved rollback.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RollbackApproval")]
pub struct SentRollback {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    /// Version of the target release.
    pub(super) version: String,
    /// Treatment of data that the installed release has changed.
    pub(super) data: Option<DataChoice>,
    /// Digest of the plan.
    pub(super) plan: String,
    /// Name of the site, which confirms the approval.
    pub(super) confirm: String,
}

/// Approved restore.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RestoreApproval")]
pub struct SentRestore {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    /// ID of the backup, as in the request for the plan.
    pub(super) backup: Option<String>,
    /// Point in time to restore, RFC 3339, as in the request for the plan.
    #[schemars(extend("format" = "date-time"))]
    pub(super) at: Option<String>,
    /// Components, as in the request for the plan.
    #[serde(default)]
    pub(super) components: Vec<String>,
    /// Digest of the plan.
    pub(super) plan: String,
    /// Name of the site, which confirms the approval.
    pub(super) confirm: String,
}

/// Approved change of settings.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ConfigurationApproval")]
pub struct SentConfiguration {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    /// Changed values, as in the request for the plan.
    pub(super) values: BTreeMap<String, Value>,
    /// IDs of the values of secrets, by the secret's name, as in the plan.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    /// Time of the daily backup, as in the request for the plan.
    #[serde(default, rename = "backupTime")]
    #[schemars(regex(pattern = BACKUP_TIME_PATTERN))]
    pub(super) backup_time: Option<String>,
    /// Digest of the plan.
    pub(super) plan: String,
    /// Name of the site, which confirms the approval.
    pub(super) confirm: String,
}

/// Request to undo the open change.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Abort")]
pub struct SentAbort {
    /// Request ID that the client chooses: 8 to 96 lower-case hexadecimal digits and hyphens. A repeated request is
    /// executed once.
    #[schemars(regex(pattern = ID_PATTERN))]
    pub(super) request: Option<String>,
    /// Number of the operation, as in `GET /api/v1/operation`: other operations are not affected.
    pub(super) operation: u64,
}
