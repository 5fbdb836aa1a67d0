//! Who counts as a person. A directory vouches for its people. A local user counts from when two people approve, or later if two people
//! or the host's token said so, and for as long as no other user can sign in as that one.

use jiff::Timestamp;

use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query};
use crate::people::Role;
use crate::refusal::Refusal;

/// A user with whether it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The name.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// Whether the user is local, rather than a directory's.
    pub is_local: bool,
    /// Whether the user counts as a person.
    pub counts: bool,
}

const COLUMNS: &str = "SELECT u.name, u.role, u.source, \
     u.disabled IS NULL AND (u.source <> 'local' OR c.user_name IS NOT NULL) AS counts \
     FROM users u LEFT JOIN counted_users c ON c.user_name = u.name";

fn read(row: &Row) -> Result<Counted, sqlx::Error> {
    let (role, source): (String, String) = (row.try_get("role")?, row.try_get("source")?);
    Ok(Counted {
        name: row.try_get("name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        is_local: source == "local",
        counts: row.try_get("counts")?,
    })
}

/// Everyone who may approve first or second by the role, by name. Who is disabled is left out.
pub async fn counted(context: &Context) -> Result<Vec<Counted>, Refusal> {
    all(&mut context.database.read().acquire().await?).await
}

pub(super) async fn all(connection: &mut Connection) -> Result<Vec<Counted>, Refusal> {
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
            "the user {name} does not count as a person: another user made the account or its password, or it was disabled"
        ))),
    }
}

/// Refuses a user who could not count even if two people wanted it, or who counts already.
pub(super) async fn can_count(connection: &mut Connection, name: &str) -> Result<(), Refusal> {
    let able = all(connection).await?.into_iter().find(|user| user.is_local && user.name == name);
    match able {
        Some(user) if user.counts => Err(Refusal::Invalid(format!("{name} counts already"))),
        Some(_) => Ok(()),
        None => Err(Refusal::Invalid(format!("{name} is no local operator or administrator who may sign in"))),
    }
}

/// Whether two names are one person's, as far as names show it: one account of a directory may be `ada@example.org`, and one of another
/// directory, or a local one, `ada`.
pub fn is_same_person(one: &str, other: &str) -> bool {
    let person = |name: &str| name.split('@').next().unwrap_or_default().to_lowercase();
    person(one) == person(other)
}

/// Whether there are two different people among these, both administrators.
pub(super) fn are_two(people: &[Counted]) -> bool {
    let mut able = people.iter().filter(|user| user.counts && user.role >= Role::Administrator);
    let Some(one) = able.next() else { return false };
    able.any(|other| !is_same_person(&one.name, &other.name))
}

/// Lets a local user count, with the audit entry of that.
pub(super) async fn count(write: &mut Connection, author: &Author, name: &str, because: &str) -> Result<(), Refusal> {
    let insert = "INSERT INTO counted_users (user_name, since) VALUES ($1, $2) ON CONFLICT (user_name) DO NOTHING";
    let insert = query(insert).bind(name).bind(Timestamp::now().as_millisecond());
    if insert.execute(&mut *write).await?.rows_affected() > 0 {
        record(write, author, Event::done("two-people.count", name).with(because)).await?;
    }
    Ok(())
}

/// Lets a user count whom the host's token has made an administrator, while two people approve.
pub async fn count_again(write: &mut Connection, author: &Author, name: &str) -> Result<(), Refusal> {
    if super::setting::is_on(write).await? {
        count(write, author, name, "the host's token").await?;
    }
    Ok(())
}

/// A local user no longer counts: another one can sign in as this one, or it was disabled. What it approved first is void.
pub async fn forget(write: &mut Connection, author: &Author, name: &str, because: &str) -> Result<(), Refusal> {
    let delete = query("DELETE FROM counted_users WHERE user_name = $1").bind(name);
    if delete.execute(&mut *write).await?.rows_affected() > 0 {
        record(&mut *write, author, Event::done("two-people.forget", name).with(because)).await?;
    }
    super::waiting::void_of(write, author, name, because).await
}
