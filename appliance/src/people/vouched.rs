//! Accounts of people for whom a directory vouches. They are rows like any other, without a password; their role is the
//! one stated by the directory at the latest sign-in.

use jiff::Timestamp;

use super::failures::record_failure;
use super::sign_in::ProvenUser;
use super::source::Source;
use super::users::{canonical_name, end_sessions, find_user, store_role};
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query};
use crate::refusal::Refusal;
use crate::role::Role;

/// A directory's statement about a person who has just signed in there.
#[derive(Debug, Clone)]
pub struct Person {
    /// Kind of the directory.
    pub source: Source,
    /// Permanent identity there, independent of the person's name: unique among all people of this kind of directory.
    pub subject: String,
    /// Name of the person.
    pub name: String,
    /// Role of the groups; `None` if no group has one.
    pub role: Option<Role>,
    /// The directory, for the audit log.
    pub directory: String,
}

/// A person's stored account.
struct Account {
    name: String,
    role: Role,
    is_disabled_here: bool,
}

/// Admits a person for whom a directory has vouched: creates the account at the first sign-in, and updates the role at
/// each. A user disabled here is refused, and so is a person whose name is another user's.
pub async fn admit(context: &Context, author: &Author, person: &Person) -> Result<ProvenUser, Refusal> {
    let admitted = write_account(context, author, person).await;
    if let Err(Refusal::Directory(why)) = &admitted {
        let name = canonical_name(&person.name).unwrap_or_else(|_| "-".to_owned());
        record_failure(context, author, Event::refused("session.begin", &name, why)).await?;
    }
    context.metrics.signed_in(admitted.is_ok());
    admitted
}

async fn write_account(context: &Context, author: &Author, person: &Person) -> Result<ProvenUser, Refusal> {
    let mut write = context.database.write().await?;
    let found = "SELECT name, role, disabled FROM users WHERE source = $1 AND subject = $2";
    let found = query(found).bind(person.source.text()).bind(&person.subject);
    let found = found.fetch_optional(&mut *write).await?.as_ref().map(account).transpose()?;
    let author = |name: &str| Author { name: name.to_owned(), ..author.clone() };
    let name = match (found, person.role) {
        (Some(account), _) if account.is_disabled_here => {
            return Err(directory_refusal("the user is disabled"));
        }
        (Some(account), None) => {
            withdraw(&mut write, &author(&account.name), &account.name).await?;
            write.commit().await?;
            return Err(directory_refusal("no group of the person has a role"));
        }
        (Some(account), Some(role)) => {
            renew(&mut write, &author(&account.name), &account, (role, &person.directory)).await?;
            account.name
        }
        (None, None) => return Err(directory_refusal("no group of the person has a role")),
        (None, Some(role)) => {
            let name = canonical_name(&person.name)
                .map_err(|_| directory_refusal("the person's name cannot be a user's name"))?;
            if find_user(&mut write, &name).await.is_ok() {
                return Err(directory_refusal("another user has the person's name"));
            }
            make(&mut write, &author(&name), &name, (role, person)).await?;
            name
        }
    };
    write.commit().await?;
    Ok(ProvenUser::new(name, String::new()))
}

fn directory_refusal(why: &str) -> Refusal {
    Refusal::Directory(why.to_owned())
}

fn account(row: &Row) -> Result<Account, sqlx::Error> {
    let (role, disabled): (String, Option<String>) = (row.try_get("role")?, row.try_get("disabled")?);
    Ok(Account {
        name: row.try_get("name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        is_disabled_here: disabled.is_some_and(|by| by == "here"),
    })
}

async fn make(
    write: &mut Connection,
    author: &Author,
    name: &str,
    (role, person): (Role, &Person),
) -> Result<(), Refusal> {
    let insert = "INSERT INTO users (name, role, password, created, password_changed, source, subject, confirmed) \
         VALUES ($1, $2, '', $3, $3, $4, $5, $3)";
    let insert = query(insert).bind(name).bind(role.text()).bind(Timestamp::now().as_millisecond());
    insert.bind(person.source.text()).bind(&person.subject).execute(&mut *write).await?;
    let detail = format!("{role}, by {}", person.directory);
    record(write, author, Event::done("user.create", name).with(&detail)).await?;
    Ok(())
}

/// Updates an account. With a lower role, sessions that began with the higher one end.
async fn renew(
    write: &mut Connection,
    author: &Author,
    account: &Account,
    (role, directory): (Role, &str),
) -> Result<(), Refusal> {
    let update = query("UPDATE users SET disabled = NULL, confirmed = $2 WHERE name = $1").bind(&account.name);
    update.bind(Timestamp::now().as_millisecond()).execute(&mut *write).await?;
    if role == account.role {
        return Ok(());
    }
    store_role(&mut *write, &account.name, role).await?;
    if role < account.role {
        end_sessions(&mut *write, &account.name).await?;
    }
    let detail = format!("{} to {role}, by {directory}", account.role);
    record(write, author, Event::done("user.role", &account.name).with(&detail)).await?;
    Ok(())
}

/// Disables a person who no longer has a role immediately, with all sessions and keys, until the directory states
/// otherwise.
async fn withdraw(write: &mut Connection, author: &Author, name: &str) -> Result<(), Refusal> {
    let update = "UPDATE users SET disabled = 'directory' WHERE name = $1 AND disabled IS NULL";
    let is_new = query(update).bind(name).execute(&mut *write).await?.rows_affected() > 0;
    end_sessions(&mut *write, name).await?;
    if is_new {
        let detail = "no group of the person has a role any longer";
        record(write, author, Event::done("user.disable", name).with(detail)).await?;
    }
    Ok(())
}
