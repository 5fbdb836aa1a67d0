//! Sessions: the state of a browser after its user signed in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::sign_in::ProvenUser;
use super::source::Source;
use super::users::time;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::credentials::{Secret, identifier};
use crate::database::{Connection, Row, query, query_scalar};
use crate::error::Error;
use crate::refusal::Refusal;
use crate::role::Role;

/// Idle time after which a session ends. Requests of self-refreshing pages do not count.
pub const IDLE: Duration = Duration::from_hours(1);
/// Maximum lifetime of a session.
pub const ABSOLUTE: Duration = Duration::from_hours(12);
/// Time after a proof for which a session may perform the actions with which a thief of its cookie would begin.
pub const PROOF: Duration = Duration::from_mins(15);
/// Precision of the stored last request, so that not every request writes.
const EXACTNESS: SignedDuration = SignedDuration::from_mins(1);
/// Maximum number of sessions of one user; the oldest one ends.
const MOST: i64 = 20;

/// An active session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// ID in lists; worthless to a thief.
    pub id: String,
    /// User of the session.
    pub user: String,
    /// Current role of the user.
    pub role: Role,
    /// Source of the user, which judges a proof.
    pub source: Source,
    /// Time of its beginning.
    pub created: Timestamp,
    /// Time of its latest request, to the minute.
    pub seen: Timestamp,
    /// Time of its unconditional end.
    pub ends: Timestamp,
    /// Time of the user's last proof of identity.
    pub proven: Timestamp,
    /// Address at its beginning.
    pub address: String,
    /// The browser's own name.
    pub browser: String,
}

impl Session {
    /// Returns true if the last proof is recent enough. A proof in the future is invalid: the clock was set back.
    pub fn is_proven(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.proven);
        !age.is_negative() && age.unsigned_abs() < PROOF
    }
}

const COLUMNS: &str = "SELECT s.id, s.user_name, u.role, u.source, s.created, s.seen, s.ends, s.proven, \
     s.address, s.browser \
     FROM sessions s JOIN users u ON u.name = s.user_name";

/// Returns a query for active sessions of users who are not disabled, with a further condition.
fn having(condition: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE s.seen > $1 AND s.ends > $2 AND u.disabled IS NULL AND {condition} ORDER BY s.seen DESC"
    ))
}

fn session(row: &Row) -> Result<Session, sqlx::Error> {
    let (role, source): (String, String) = (row.try_get("role")?, row.try_get("source")?);
    Ok(Session {
        id: row.try_get("id")?,
        user: row.try_get("user_name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        source: source.parse().unwrap_or(Source::Local),
        created: time(row.try_get("created")?),
        seen: time(row.try_get("seen")?),
        ends: time(row.try_get("ends")?),
        proven: time(row.try_get("proven")?),
        address: row.try_get("address")?,
        browser: row.try_get("browser")?,
    })
}

/// Returns both limits at a time: the earliest last request, and the earliest end.
fn limits(now: Timestamp) -> (i64, i64) {
    let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
    (now.as_millisecond().saturating_sub(idle), now.as_millisecond())
}

/// Begins a session for a user who has proven the identity. Returns the secret for the browser. Any previous session of
/// the browser ends: a secret from before the sign-in is worthless after it.
pub async fn begin_session(
    context: &Context,
    author: &Author,
    proven: &ProvenUser,
    (browser, before): (&str, Option<&Secret>),
) -> Result<Secret, Refusal> {
    let user = proven.name();
    let secret = Secret::random()?;
    let now = Timestamp::now();
    let ends = now.as_millisecond().saturating_add(i64::try_from(ABSOLUTE.as_millis()).unwrap_or(i64::MAX));
    let mut write = context.database.write().await?;
    proven.counts(&mut write).await?;
    let ended = query("DELETE FROM sessions WHERE seen <= $1 OR ends <= $2 OR secret_hash = $3");
    let (seen, end) = limits(now);
    ended.bind(seen).bind(end).bind(before.map(Secret::hash).unwrap_or_default()).execute(&mut *write).await?;
    let most = "DELETE FROM sessions WHERE user_name = $1 AND id NOT IN \
         (SELECT id FROM sessions WHERE user_name = $1 ORDER BY created DESC LIMIT $2)";
    query(most).bind(user).bind(MOST - 1).execute(&mut *write).await?;
    let insert = "INSERT INTO sessions (id, secret_hash, user_name, created, seen, ends, proven, address, browser) \
         VALUES ($1, $2, $3, $4, $4, $5, $4, $6, $7)";
    query(insert)
        .bind(identifier())
        .bind(secret.hash())
        .bind(user)
        .bind(now.as_millisecond())
        .bind(ends)
        .bind(&author.from)
        .bind(browser.chars().take(200).collect::<String>())
        .execute(&mut *write)
        .await?;
    record(&mut write, author, Event::done("session.begin", user)).await?;
    write.commit().await?;
    Ok(secret)
}

/// Returns the session of a secret, if it is active. `is_active` states that a person acted, which extends the idle
/// time.
pub async fn find_session(context: &Context, secret: &Secret, is_active: bool) -> Result<Option<Session>, Refusal> {
    let now = Timestamp::now();
    let (seen, end) = limits(now);
    let found = query(having("s.secret_hash = $3")).bind(seen).bind(end).bind(secret.hash());
    let found = found.fetch_optional(context.database.read()).await?;
    let found = found.as_ref().map(session).transpose()?;
    if let Some(session) = found.as_ref().filter(|session| is_active && now.duration_since(session.seen) > EXACTNESS) {
        touch(context, "UPDATE sessions SET seen = $2 WHERE id = $1", &session.id, now).await;
    }
    Ok(found)
}

/// Records that the user of a session has proven the identity again. Refused if the session has ended, or belongs to
/// another user.
pub async fn prove_session(context: &Context, author: &Author, id: &str, proven: &ProvenUser) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    proven.counts(&mut write).await?;
    let now = Timestamp::now();
    let (seen, end) = limits(now);
    let update = query("UPDATE sessions SET proven = $1 WHERE id = $2 AND user_name = $3 AND seen > $4 AND ends > $5");
    let update = update.bind(now.as_millisecond()).bind(id).bind(proven.name()).bind(seen).bind(end);
    if update.execute(&mut *write).await?.rows_affected() == 0 {
        return Err(Refusal::SignInNeeded);
    }
    record(&mut write, author, Event::done("session.prove", proven.name())).await?;
    write.commit().await?;
    Ok(())
}

/// Stores the time of a last use, if possible: a full disk must not lock out those who would free it.
pub async fn touch(context: &Context, update: &'static str, id: &str, now: Timestamp) {
    let touched = async {
        let mut write = context.database.write().await?;
        query(update).bind(id).bind(now.as_millisecond()).execute(&mut *write).await?;
        write.commit().await.map_err(Error::from)
    };
    if let Err(error) = touched.await {
        tracing::warn!(%error, "the last use cannot be stored");
    }
}

/// Returns true if a session is active.
pub async fn has_session(context: &Context, id: &str) -> Result<bool, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let found = query(having("s.id = $3")).bind(seen).bind(end).bind(id);
    Ok(found.fetch_optional(context.database.read()).await?.is_some())
}

/// Returns active sessions of a user, latest first.
pub async fn sessions_of(context: &Context, user: &str) -> Result<Vec<Session>, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let rows = query(having("s.user_name = $3")).bind(seen).bind(end).bind(user);
    let rows = rows.fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

/// Returns all active sessions, latest first.
pub async fn all_sessions(context: &Context) -> Result<Vec<Session>, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let rows = query(having("1 = 1")).bind(seen).bind(end).fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

/// Ends a session of any user.
pub async fn end_session(context: &Context, author: &Author, id: &str) -> Result<(), Refusal> {
    end(context, author, id, None).await
}

/// Ends a session of this user.
pub async fn end_own_session(context: &Context, author: &Author, user: &str, id: &str) -> Result<(), Refusal> {
    end(context, author, id, Some(user)).await
}

async fn end(context: &Context, author: &Author, id: &str, user: Option<&str>) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    let owner = owner(&mut write, id).await?.filter(|owner| user.is_none_or(|user| user == owner));
    let owner = owner.ok_or_else(|| Refusal::NotThere(format!("session {id}")))?;
    query("DELETE FROM sessions WHERE id = $1").bind(id).execute(&mut *write).await?;
    record(&mut write, author, Event::done("session.end", &owner)).await?;
    write.commit().await?;
    Ok(())
}

async fn owner(connection: &mut Connection, id: &str) -> Result<Option<String>, sqlx::Error> {
    query_scalar("SELECT user_name FROM sessions WHERE id = $1").bind(id).fetch_optional(connection).await
}

/// Ends all sessions of a user except one.
pub async fn end_sessions_but(context: &Context, author: &Author, user: &str, kept: &str) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    let ended = query("DELETE FROM sessions WHERE user_name = $1 AND id <> $2").bind(user).bind(kept);
    let count = ended.execute(&mut *write).await?.rows_affected();
    let detail = format!("{count} others");
    record(&mut write, author, Event::done("session.end", user).with(&detail)).await?;
    write.commit().await?;
    Ok(())
}
