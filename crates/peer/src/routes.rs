//! Paths of the host's API, version 1. A GET answers with the document that `landfall … --json` prints.

/// GET: the site's status, `kind` `status`.
pub const STATUS: &str = "/v1/status";
/// GET: releases, `kind` `releases`.
pub const RELEASES: &str = "/v1/releases";
/// GET: the latest operations, `kind` `history`.
pub const HISTORY: &str = "/v1/history";
/// GET: backups, `kind` `backups`. POST a [`crate::BackupRequest`]: begin one; 202, or 409 if one is running.
pub const BACKUPS: &str = "/v1/backups";
/// POST a [`crate::BackupRequest`]: begin a drill of the newest backup; 202, or 409 if one is running.
pub const DRILLS: &str = "/v1/drills";
/// GET: the settings of the installed release, `kind` `settings`.
pub const SETTINGS: &str = "/v1/settings";
/// GET: the license, `kind` `licenseStatus`; 404 if it is neither present nor needed. POST a [`crate::LicenseRequest`]:
/// 204 once it is stored.
pub const LICENSE: &str = "/v1/license";
/// GET: the site's usage of its license, `kind` `licenseUsage`; 404 on a site without one. POST a [`crate::UsersWord`]:
/// 204.
pub const USAGE: &str = "/v1/usage";
/// GET: the signed report of usage, `kind` `usageReport`; 404 before usage was first measured.
pub const USAGE_REPORT: &str = "/v1/usage/report";
/// POST a `landfall_license::answer::Question`: 200 with the text of a `SealedAnswer`; 429 with `retry-after` once
/// [`crate::ANSWER_BURST`] is used up.
pub const LICENSE_ANSWERS: &str = "/v1/license/answers";
/// GET with `run` and `after`, the run and the number of the last known event: a [`crate::ProgressPage`], as soon as
/// there is news, or after twenty seconds.
pub const PROGRESS: &str = "/v1/progress";
/// GET with `lines` below this, followed by a component's name: a [`crate::ComponentLogs`].
pub const LOGS: &str = "/v1/logs";
/// GET followed by a component's name: a [`crate::ComponentResources`].
pub const RESOURCES: &str = "/v1/resources";
/// POST a [`crate::Claim`]: 204 if the token was valid, which it is once; 403 if not.
pub const CLAIMS: &str = "/v1/claims";
/// GET: a [`crate::AuditPage`]. POST a [`landfall_audit::CheckpointRequest`]: 200 with a
/// [`landfall_audit::Checkpoint`], durable on the host; 409 if the entries do not continue what the host signed last;
/// 429 with `retry-after` once [`crate::AUDIT_BURST`] is used up.
pub const AUDIT: &str = "/v1/audit";
/// POST a [`crate::EntryPiece`] of an entry that is too long for the POST above: 204, or 200 with the checkpoint for
/// the last one; 409 if it does not follow the previous piece.
pub const AUDIT_ENTRY: &str = "/v1/audit/entry";
/// GET: a [`crate::MediaPage`], the result of the last look. POST a [`crate::LookRequest`]: look again.
pub const MEDIA: &str = "/v1/media";
/// GET: a [`crate::UploadsPage`]. POST a [`crate::UploadRequest`]: 200 with a [`crate::Upload`]; 409 during another
/// one, 413 without room for it. Followed by its ID, PATCH with `offset` and a piece of at most [`crate::PIECE_BYTES`]
/// as the body: 200 with the [`crate::Upload`], once the piece is durable; 409 if it does not follow the previous one,
/// 422 if the received data is refused, and removed. DELETE a [`crate::RemovalRequest`]: 204.
pub const UPLOADS: &str = "/v1/uploads";
/// GET: a [`crate::SupportPage`]. POST a [`crate::SupportRequest`]: collect a bundle, which replaces the kept one; 429
/// less than a minute after another one. GET followed by a bundle's ID and with `offset`: at most
/// [`crate::SUPPORT_PIECE_BYTES`] of it, none at its end; 404 if it is no longer kept.
pub const SUPPORT: &str = "/v1/support";
/// POST a [`crate::PlanRequest`]. GET followed by a digest: a [`crate::PlanPage`].
pub const PLANS: &str = "/v1/plans";
/// POST a [`crate::ApprovedRequest`] for an upgrade.
pub const UPGRADES: &str = "/v1/upgrades";
/// POST a [`crate::ApprovedRequest`] for a rollback.
pub const ROLLBACKS: &str = "/v1/rollbacks";
/// POST a [`crate::ApprovedRequest`] for a restore.
pub const RESTORES: &str = "/v1/restores";
/// POST a [`crate::ApprovedRequest`] for a change of settings.
pub const CONFIGURATIONS: &str = "/v1/configurations";
/// POST a [`crate::SecretRequest`]: 200 with a [`crate::KeptSecret`], which a change of settings names within an hour.
pub const SECRETS: &str = "/v1/secrets";
/// POST a [`crate::AbortRequest`].
pub const ABORT: &str = "/v1/operations/abort";
/// GET: a [`crate::OperationPage`], the latest operation; 404 if there was none.
pub const OPERATION: &str = "/v1/operation";
/// GET followed by a request's ID: a [`crate::Request`]. The POSTs above answer 202 with one; 409 if another one is in
/// progress.
pub const REQUESTS: &str = "/v1/requests";

/// Media type of a [`crate::Problem`] (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
