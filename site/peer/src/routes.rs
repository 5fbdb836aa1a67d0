//! The paths of the host's API, version 1. A GET answers with the document that `landfall … --json` prints.

/// GET: the site's status, `kind` `status`.
pub const STATUS: &str = "/v1/status";
/// GET: releases, `kind` `releases`.
pub const RELEASES: &str = "/v1/releases";
/// GET: the latest operations, `kind` `history`.
pub const HISTORY: &str = "/v1/history";
/// GET: backups, `kind` `backups`. POST a [`crate::BackupRequest`]: begin one; 202, or 409 where one runs.
pub const BACKUPS: &str = "/v1/backups";
/// POST a [`crate::BackupRequest`]: begin a drill of the newest backup; 202, or 409 where one runs.
pub const DRILLS: &str = "/v1/drills";
/// GET: the settings of the installed release, `kind` `settings`.
pub const SETTINGS: &str = "/v1/settings";
/// GET: the license, `kind` `licenseStatus`; 404 where there is none and none is needed. POST a [`crate::LicenseWish`]: 204 once it is
/// stored.
pub const LICENSE: &str = "/v1/license";
/// GET: what the site uses of its license, `kind` `licenseUsage`; 404 on a site without one. POST a [`crate::UsersWord`]: 204.
pub const USAGE: &str = "/v1/usage";
/// GET: the signed report of it, `kind` `usageReport`; 404 before usage was first measured.
pub const USAGE_REPORT: &str = "/v1/usage/report";
/// POST a `landfall_license::answer::Question`: 200 with the text of a `SealedAnswer`; 429 with `retry-after` once
/// [`crate::ANSWER_BURST`] is used up.
pub const LICENSE_ANSWERS: &str = "/v1/license/answers";
/// GET with `run` and `after`, the run and the number of the last event that is known: a [`crate::ProgressPage`], as soon as there is news, or after
/// twenty seconds.
pub const PROGRESS: &str = "/v1/progress";
/// GET with `lines` below this, followed by a component's name: a [`crate::ComponentLogs`].
pub const LOGS: &str = "/v1/logs";
/// GET with a component's name behind it: a [`crate::ComponentResources`].
pub const RESOURCES: &str = "/v1/resources";
/// POST a [`crate::Claim`]: 204 if the token counted, which it does once; 403 if not.
pub const CLAIMS: &str = "/v1/claims";
/// GET: a [`crate::AuditPage`]. POST a [`landfall_audit::CheckpointWish`]: 200 with a [`landfall_audit::Checkpoint`], which is on the host's disk;
/// 409 where the entries do not continue what the host signed last; 429 with `retry-after` once [`crate::AUDIT_BURST`] is used up.
pub const AUDIT: &str = "/v1/audit";
/// POST a [`crate::EntryPiece`] of an entry that is too long for the POST above: 204, or 200 with the checkpoint for the last one;
/// 409 for one that does not follow the piece before it.
pub const AUDIT_ENTRY: &str = "/v1/audit/entry";
/// GET: a [`crate::MediaPage`], what the last look found. POST a [`crate::LookWish`]: look again.
pub const MEDIA: &str = "/v1/media";
/// GET: a [`crate::UploadsPage`]. POST a [`crate::UploadWish`]: 200 with a [`crate::Upload`]; 409 where there is another one, 413 where there is no
/// room for it. With its id behind it, PATCH with `offset` and a piece of at most [`crate::PIECE_BYTES`] as the body: 200 with the [`crate::Upload`], once
/// the piece is on the disk; 409 where it does not follow, 422 where what has arrived is refused, and removed. DELETE a [`crate::RemovalWish`]: 204.
pub const UPLOADS: &str = "/v1/uploads";
/// GET: a [`crate::SupportPage`]. POST a [`crate::SupportWish`]: collect a bundle, which takes the place of the one that is kept; 429 less than a
/// minute after another one. GET with a bundle's id behind it and `offset`: at most [`crate::SUPPORT_PIECE_BYTES`] of it, none at its end; 404 where it is
/// no longer kept.
pub const SUPPORT: &str = "/v1/support";
/// POST a [`crate::PlanWish`]. GET with a digest behind it: a [`crate::PlanPage`].
pub const PLANS: &str = "/v1/plans";
/// POST a [`crate::ApprovedWish`] for an upgrade.
pub const UPGRADES: &str = "/v1/upgrades";
/// POST a [`crate::ApprovedWish`] for a rollback.
pub const ROLLBACKS: &str = "/v1/rollbacks";
/// POST a [`crate::ApprovedWish`] for a restore.
pub const RESTORES: &str = "/v1/restores";
/// POST a [`crate::ApprovedWish`] for a change of settings.
pub const CONFIGURATIONS: &str = "/v1/configurations";
/// POST a [`crate::SecretWish`]: 200 with a [`crate::KeptSecret`], which a change of settings names within an hour.
pub const SECRETS: &str = "/v1/secrets";
/// POST a [`crate::AbortWish`].
pub const ABORT: &str = "/v1/operations/abort";
/// GET: a [`crate::OperationPage`], the latest operation; 404 where there was none.
pub const OPERATION: &str = "/v1/operation";
/// GET with a request's id behind it: a [`crate::Request`]. The POSTs above answer 202 with one; 409 where another one is worked on.
pub const REQUESTS: &str = "/v1/requests";

/// Media type of a [`crate::Problem`] (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";
