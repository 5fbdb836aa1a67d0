//! API keys for programs, with scopes and an expiry. A key belongs to a user, and never permits more than its user's
//! role.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use landfall_peer::is_hidden;

use super::sessions::touch;
use super::users::{find_user, time};
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::credentials::{Secret, identifier};
use crate::database::{Row, query};
use crate::refusal::Refusal;
use crate::role::Role;

/// Prefix of a key's text, by which scanners of leaked secrets recognize it.
const PREFIX: &str = "lfk_";
/// Maximum lifetime of a key, in days.
const MOST_DAYS: i64 = 400;
/// Time for which keys of a user from a directory work after the user's last sign-in, because a directory does not
/// report who has left. In milliseconds.
const VOUCHED: i64 = 30 * 24 * 3600 * 1000;
/// Precision of the stored last use.
const EXACTNESS: SignedDuration = SignedDuration::from_mins(1);

/// Permitted use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read status, releases, backups and license.
    Read,
    /// Begin backups.
    Backup,
    /// Look for media, plan upgrades, rollbacks and restores, approve and undo them.
    Upgrade,
    /// Import licenses.
    License,
    /// Read and change users, sessions and the list of keys.
    People,
    /// Read the audit log.
    Audit,
    /// Read `/metrics`.
    Metrics,
    /// Collect and download support bundles.
    Support,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Backup,
        Self::Upgrade,
        Self::License,
        Self::People,
        Self::Audit,
        Self::Metrics,
        Self::Support,
    ];

    /// Returns the stored and displayed text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Backup => "backup",
            Self::Upgrade => "upgrade",
            Self::License => "license",
            Self::People => "people",
            Self::Audit => "audit",
            Self::Metrics => "metrics",
            Self::Support => "support",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl FromStr for Scope {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|scope| scope.text() == text);
        let known = || Self::ALL.map(Self::text).join(", ");
        found.ok_or_else(|| Refusal::Invalid(format!("scopes: {text} is not one of {}", known())))
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// ID in lists and in the audit log.
    pub id: String,
    /// Label given by its owner.
    pub label: String,
    /// Owner of the key.
    pub user: String,
    /// Current role of its owner.
    pub role: Role,
    /// Permitted uses.
    pub scopes: Vec<Scope>,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of expiry.
    pub ends: Timestamp,
    /// Time of the last use, to the minute.
    pub used: Option<Timestamp>,
}

/// Request for a key.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Label given by its owner.
    pub label: String,
    /// Permitted uses.
    pub scopes: Vec<Scope>,
    /// Lifetime in days.
    pub days: i64,
}

const COLUMNS: &str = "SELECT k.id, k.label, k.user_name, u.role, k.scopes, k.created, k.ends, k.used, k.secret_hash \
     FROM api_keys k JOIN users u ON u.name = k.user_name";

fn key(row: &Row) -> Result<Key, sqlx::Error> {
    let (role, scopes): (String, String) = (row.try_get("role")?, row.try_get("scopes")?);
    Ok(Key {
        id: row.try_get("id")?,
        label: row.try_get("label")?,
        user: row.try_get("user_name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        scopes: scopes.split_whitespace().filter_map(|scope| scope.parse().ok()).collect(),
        created: time(row.try_get("created")?),
        ends: time(row.try_get("ends")?),
        used: row.try_get::<Option<i64>, _>("used")?.map(time),
    })
}

/// Returns all keys, including expired ones.
pub async fn keys(context: &Context) -> Result<Vec<Key>, Refusal> {
    let rows = query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY k.ends DESC, k.id")));
    let rows = rows.fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(key).collect::<Result<_, _>>()?)
}

/// Creates a key for a user. Returns it with its text, which is never shown again.
pub async fn make_key(context: &Context, author: &Author, user: &str, new: NewKey) -> Result<(Key, String), Refusal> {
    let label = new.label.trim().to_owned();
    if label.is_empty() || label.chars().count() > 64 || label.chars().any(is_hidden) {
        return Err(Refusal::Invalid("label: use 1 to 64 visible characters".to_owned()));
    }
    if new.scopes.is_empty() {
        return Err(Refusal::Invalid("scopes: choose at least one".to_owned()));
    }
    if !(1..=MOST_DAYS).contains(&new.days) {
        return Err(Refusal::Invalid(format!("days: choose 1 to {MOST_DAYS}")));
    }
    let (id, secret, now) = (identifier(), Secret::random()?, Timestamp::now());
    let ends = now.as_millisecond() + new.days * 24 * 3600 * 1000;
    let scopes: Vec<_> = Scope::ALL.into_iter().filter(|scope| new.scopes.contains(scope)).collect();
    let text = scopes.iter().map(|scope| scope.text()).collect::<Vec<_>>().join(" ");
    let mut write = context.database.write().await?;
    let role = find_user(&mut write, user).await?.role;
    let insert = "INSERT INTO api_keys (id, secret_hash, label, user_name, scopes, created, ends) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let insert = query(insert).bind(&id).bind(secret.hash()).bind(&label).bind(user).bind(&text);
    insert.bind(now.as_millisecond()).bind(ends).execute(&mut *write).await?;
    let detail = format!("{label}: {text}; days: {}", new.days);
    record(&mut write, author, Event::done("key.create", &id).with(&detail)).await?;
    write.commit().await?;
    let shown = format!("{PREFIX}{id}_{}", secret.reveal());
    let key = Key { id, label, user: user.to_owned(), role, scopes, created: now, ends: time(ends), used: None };
    Ok((key, shown))
}

/// Returns the key of a request, if it is valid. A key of a user from a directory is inactive if the directory has not
/// vouched for the user for a while.
pub async fn open_key(context: &Context, text: &str) -> Result<Option<Key>, Refusal> {
    let Some((id, secret)) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else { return Ok(None) };
    let Some(secret) = Secret::read(secret) else { return Ok(None) };
    let now = Timestamp::now();
    let condition = "k.id = $1 AND k.ends > $2 AND k.secret_hash = $3 AND u.disabled IS NULL \
         AND (u.source = 'local' OR u.confirmed > $4)";
    let vouched = now.as_millisecond() - VOUCHED;
    let found = query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE {condition}")));
    let found = found.bind(id).bind(now.as_millisecond()).bind(secret.hash()).bind(vouched);
    let found = found.fetch_optional(context.database.read()).await?;
    let found = found.as_ref().map(key).transpose()?;
    if let Some(key) = found.as_ref().filter(|key| key.used.is_none_or(|used| now.duration_since(used) > EXACTNESS)) {
        touch(context, "UPDATE api_keys SET used = $2 WHERE id = $1", &key.id, now).await;
    }
    Ok(found)
}

/// Returns true if a key still works.
pub async fn has_key(context: &Context, id: &str) -> Result<bool, Refusal> {
    let found = "SELECT k.id FROM api_keys k JOIN users u ON u.name = k.user_name \
         WHERE k.id = $1 AND k.ends > $2 AND u.disabled IS NULL";
    let found = query(found).bind(id).bind(Timestamp::now().as_millisecond());
    Ok(found.fetch_optional(context.database.read()).await?.is_some())
}

/// Removes a key.
pub async fn remove_key(context: &Context, author: &Author, id: &str) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    let removed = query("DELETE FROM api_keys WHERE id = $1").bind(id).execute(&mut *write).await?;
    if removed.rows_affected() == 0 {
        return Err(Refusal::NotThere(format!("API key {id}")));
    }
    record(&mut write, author, Event::done("key.remove", id)).await?;
    write.commit().await?;
    Ok(())
}
