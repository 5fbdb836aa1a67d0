//! The setting: off until an administrator turns it on. Turning it off is an approval that waits for a second person.

use jiff::Timestamp;

use super::people::{all, are_two, count};
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, query};
use crate::refusal::Refusal;

/// The setting that two people approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Time since which it is on.
    pub since: Timestamp,
    /// User who turned it on.
    pub by: String,
}

/// Returns the setting, if it is on.
pub async fn setting(context: &Context) -> Result<Option<Setting>, Refusal> {
    read(&mut context.database.read().acquire().await?).await
}

async fn read(connection: &mut Connection) -> Result<Option<Setting>, Refusal> {
    let Some(row) = query("SELECT since, by_name FROM two_people").fetch_optional(connection).await? else {
        return Ok(None);
    };
    let since = Timestamp::from_millisecond(row.try_get(0)?).unwrap_or(Timestamp::MIN);
    Ok(Some(Setting { since, by: row.try_get(1)? }))
}

pub(super) async fn is_on(connection: &mut Connection) -> Result<bool, Refusal> {
    Ok(read(connection).await?.is_some())
}

/// Requires two approvals from now on. Of the local users, the named ones count as a person each. Refused unless two
/// administrators are then different people.
pub async fn turn_on(context: &Context, author: &Author, user: &str, chosen: &[String]) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    if is_on(&mut write).await? {
        return Err(Refusal::Invalid("two people approve already".to_owned()));
    }
    let before = all(&mut write).await?;
    for name in chosen {
        if !before.iter().any(|user| user.is_local && user.name == *name) {
            return Err(Refusal::Invalid(format!("{name} is no local operator or administrator")));
        }
    }
    let insert = query("INSERT INTO two_people (one, since, by_name) VALUES (1, $1, $2)");
    insert.bind(Timestamp::now().as_millisecond()).bind(user).execute(&mut *write).await?;
    record(&mut write, author, Event::done("two-people.on", "approval of changes")).await?;
    for name in chosen {
        count(&mut write, author, name, "chosen when it was turned on").await?;
    }
    if !are_two(&all(&mut write).await?) {
        let why = "choose administrators that are two different people at least; one of them approves what the other \
            one asks for";
        return Err(Refusal::Invalid(why.to_owned()));
    }
    write.commit().await?;
    Ok(())
}

/// Requires one approval again, and voids waiting ones. The caller has verified that two people want this.
pub(super) async fn turn_off(write: &mut Connection, author: &Author, detail: &str) -> Result<(), Refusal> {
    for delete in ["DELETE FROM two_people", "DELETE FROM counted_users"] {
        query(delete).execute(&mut *write).await?;
    }
    super::waiting::void_all(&mut *write, author, "one person approves again").await?;
    record(write, author, Event::done("two-people.off", "approval of changes").with(detail)).await?;
    Ok(())
}
