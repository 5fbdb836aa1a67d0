//! Sessions: what a browser has after its user signed in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::role::Role;
use super::secret::{Secret, identifier};
use super::sign_in::Proven;
use super::source::Source;
use super::users::time;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query, query_scalar};
use crate::error::Error;
use crate::refusal::Refusal;

/// A session ends after this long without a request. Pages that refresh themselves do not count.
pub const IDLE: Duration = Duration::from_hours(1);
/// A session ends after this long in any case.
pub const ABSOLUTE: Duration = Duration::from_hours(12);
/// For this long after a proof, a session may do what a thief of its cookie would begin with.
pub const PROOF: Duration = Duration::from_mins(15);
/// How exactly the last request is stored, so that not every request writes.
const EXACTNESS: SignedDuration = SignedDuration::from_mins(1);
/// Most sessions of one user; the oldest one ends.
const MOST: i64 = 20;

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names it in lists; worthless to a thief.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What its user may do now.
    pub role: Role,
    /// Where its user comes from, and who judges a proof.
    pub source: Source,
    /// When it began.
    pub created: Timestamp,
    /// When its latest request came, to the minute.
    pub seen: Timestamp,
    /// When it ends in any case.
    pub ends: Timestamp,
    /// When its user last proved to be the user.
    pub proven: Timestamp,
    /// Where it began.
    pub address: String,
    /// What the browser called itself.
    pub browser: String,
}

impl Session {
    /// Whether the last proof is so recent that the person at the browser is taken for the user. One of the future is none: the clock
    /// was set back.
    pub fn is_proven(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.proven);
        !age.is_negative() && age.unsigned_abs() < PROOF
    }
}

const COLUMNS: &str = "SELECT s.id, s.user_name, u.role, u.source, s.created, s.seen, s.ends, s.proven, \
     s.address, s.browser \
     FROM sessions s JOIN users u ON u.name = s.user_name";

/// Sessions that have not ended, of users who are not disabled, with a condition of their own.
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

/// The two limits at a time: the earliest last request, and the earliest end.
fn limits(now: Timestamp) -> (i64, i64) {
    let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
    (now.as_millisecond().saturating_sub(idle), now.as_millisecond())
}

/// Begins a session for a user who has proven to be one. Returns what the browser keeps. The one that it had before, if any,
/// ends: a word that was known before the sign-in is worth nothing after it.
pub async fn begin_session(
    context: &Context,
    author: &Author,
    proven: &Proven,
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

/// The session of a secret, if it has not ended. `is_active` says that a person did something, which moves the idle end.
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

/// Notes that the user of a session has proven again to be the user. Refused where the session has ended meanwhile, or is another user's.
pub async fn prove_session(context: &Context, author: &Author, id: &str, proven: &Proven) -> Result<(), Refusal> {
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

/// Stores when something was last used, if that is possible: a full disk must not lock out those who would free it.
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

/// Whether a session has not ended.
pub async fn has_session(context: &Context, id: &str) -> Result<bool, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let found = query(having("s.id = $3")).bind(seen).bind(end).bind(id);
    Ok(found.fetch_optional(context.database.read()).await?.is_some())
}

/// Sessions of a user that have not ended, the latest first.
pub async fn sessions_of(context: &Context, user: &str) -> Result<Vec<Session>, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let rows = query(having("s.user_name = $3")).bind(seen).bind(end).bind(user);
    let rows = rows.fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

/// All sessions that have not ended, the latest first.
pub async fn all_sessions(context: &Context) -> Result<Vec<Session>, Refusal> {
    let (seen, end) = limits(Timestamp::now());
    let rows = query(having("1 = 1")).bind(seen).bind(end).fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

/// Ends a session, whose ever it is.
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

/// Ends all sessions of a user but one.
pub async fn end_sessions_but(context: &Context, author: &Author, user: &str, kept: &str) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    let ended = query("DELETE FROM sessions WHERE user_name = $1 AND id <> $2").bind(user).bind(kept);
    let count = ended.execute(&mut *write).await?.rows_affected();
    let detail = format!("{count} others");
    record(&mut write, author, Event::done("session.end", user).with(&detail)).await?;
    write.commit().await?;
    Ok(())
}
