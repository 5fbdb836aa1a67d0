//! Users who count as a person. A directory vouches for its users. A local user counts from the time when two approvals
//! became required, or later if two people or the host's token said so. The user counts only as long as no one else can
//! sign in as that user.

use jiff::Timestamp;

use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query};
use crate::refusal::Refusal;
use crate::role::Role;

/// A user, and whether the user counts as a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproverAccount {
    /// Name of the user.
    pub name: String,
    /// Role of the user.
    pub role: Role,
    /// True for a local user, false for one of a directory.
    pub is_local: bool,
    /// True if the user counts as a person.
    pub counts: bool,
}

const COLUMNS: &str = "SELECT u.name, u.role, u.source, \
     u.disabled IS NULL AND (u.source <> 'local' OR c.user_name IS NOT NULL) AS counts \
     FROM users u LEFT JOIN counted_users c ON c.user_name = u.name";

fn read(row: &Row) -> Result<ApproverAccount, sqlx::Error> {
    let (role, source): (String, String) = (row.try_get("role")?, row.try_get("source")?);
    Ok(ApproverAccount {
        name: row.try_get("name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        is_local: source == "local",
        counts: row.try_get("counts")?,
    })
}

/// Returns all users whose role permits a first or second approval, by name, without disabled ones.
pub async fn approvers(context: &Context) -> Result<Vec<ApproverAccount>, Refusal> {
    all(&mut context.database.read().acquire().await?).await
}

pub(super) async fn all(connection: &mut Connection) -> Result<Vec<ApproverAccount>, Refusal> {
    let rows = format!("{COLUMNS} WHERE u.disabled IS NULL AND u.role <> 'viewer' ORDER BY u.name");
    let rows = query(sqlx::AssertSqlSafe(rows)).fetch_all(connection).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Refuses a user who does not count, or whose role is too low.
pub async fn does_count(connection: &mut Connection, name: &str, least: Role) -> Result<(), Refusal> {
    let row = query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE u.name = $1"))).bind(name);
    let user = row.fetch_optional(connection).await?.as_ref().map(read).transpose()?;
    match user {
        Some(user) if user.role < least => {
            Err(Refusal::NotCounted(format!("the user {name} has the role {}; {least} is needed", user.role)))
        }
        Some(user) if user.counts => Ok(()),
        _ => Err(Refusal::NotCounted(format!(
            "the user {name} does not count as a person: another user made the account or its password, or it was \
             disabled"
        ))),
    }
}

/// Refuses a user who could not count even if two people wanted it, or who already counts.
pub(super) async fn can_count(connection: &mut Connection, name: &str) -> Result<(), Refusal> {
    let able = all(connection).await?.into_iter().find(|user| user.is_local && user.name == name);
    match able {
        Some(user) if user.counts => Err(Refusal::Invalid(format!("{name} counts already"))),
        Some(_) => Ok(()),
        None => Err(Refusal::Invalid(format!("{name} is no local operator or administrator who may sign in"))),
    }
}

/// Returns true if two names belong to one person, as far as names show it. One account of a directory may be
/// `ada@example.org`, and one of another directory, or a local one, `ada`.
pub fn is_same_person(one: &str, other: &str) -> bool {
    let person = |name: &str| name.split('@').next().unwrap_or_default().to_lowercase();
    person(one) == person(other)
}

/// Returns true if these include two different people who are administrators.
pub(super) fn are_two(people: &[ApproverAccount]) -> bool {
    let mut able = people.iter().filter(|user| user.counts && user.role >= Role::Administrator);
    let Some(one) = able.next() else { return false };
    able.any(|other| !is_same_person(&one.name, &other.name))
}

/// Makes a local user count, and records it in the audit log.
pub(super) async fn count(write: &mut Connection, author: &Author, name: &str, because: &str) -> Result<(), Refusal> {
    let insert = "INSERT INTO counted_users (user_name, since) VALUES ($1, $2) ON CONFLICT (user_name) DO NOTHING";
    let insert = query(insert).bind(name).bind(Timestamp::now().as_millisecond());
    if insert.execute(&mut *write).await?.rows_affected() > 0 {
        record(write, author, Event::done("two-people.count", name).with(because)).await?;
    }
    Ok(())
}

/// Makes a user count whom the host's token has made an administrator, if two approvals are required.
pub async fn count_again(write: &mut Connection, author: &Author, name: &str) -> Result<(), Refusal> {
    if super::setting::is_on(write).await? {
        count(write, author, name, "the host's token").await?;
    }
    Ok(())
}

/// Makes a local user no longer count, because another person can sign in as that user, or because the user was
/// disabled. Voids the user's first approvals.
pub async fn forget(write: &mut Connection, author: &Author, name: &str, because: &str) -> Result<(), Refusal> {
    let delete = query("DELETE FROM counted_users WHERE user_name = $1").bind(name);
    if delete.execute(&mut *write).await?.rows_affected() > 0 {
        record(&mut *write, author, Event::done("two-people.forget", name).with(because)).await?;
    }
    super::waiting::void_of(write, author, name, because).await
}
