//! Users: their creation, change and removal, each in one transaction with its audit entry.

use jiff::Timestamp;

use super::source::Source;
use crate::approval::forget;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::{Connection, Row, query, query_scalar};
use crate::refusal::Refusal;
use crate::role::Role;

/// Maximum number of characters of a user's name.
const MOST_CHARACTERS: usize = 64;

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Unique name.
    pub name: String,
    /// Role of the user.
    pub role: Role,
    /// Time of creation.
    pub created: Timestamp,
    /// Time when the password was last set; never for a user from a directory.
    pub password_changed: Timestamp,
    /// Source of the user.
    pub source: Source,
    /// Reason why the user is disabled, if so.
    pub disabled: Option<DisablingOrigin>,
    /// Time when a directory last vouched for the user.
    pub confirmed: Option<Timestamp>,
}

/// Origin of a user's disabling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisablingOrigin {
    /// An administrator, until one decides otherwise.
    Here,
    /// The directory, in which no group of the person has a role.
    Directory,
}

const COLUMNS: &str = "SELECT name, role, created, password_changed, source, disabled, confirmed FROM users";

impl User {
    /// Returns true if the site may depend on this administrator.
    fn is_local_administrator(&self) -> bool {
        self.role == Role::Administrator && self.source == Source::Local && self.disabled.is_none()
    }
}

/// Converts a time of the database. One outside of the calendar becomes the earliest.
pub fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}

fn read(row: &Row) -> Result<User, sqlx::Error> {
    let (role, source): (String, String) = (row.try_get("role")?, row.try_get("source")?);
    let disabled: Option<String> = row.try_get("disabled")?;
    Ok(User {
        name: row.try_get("name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        created: time(row.try_get("created")?),
        password_changed: time(row.try_get("password_changed")?),
        source: source.parse().unwrap_or(Source::Local),
        disabled: disabled.map(|by| if by == "directory" { DisablingOrigin::Directory } else { DisablingOrigin::Here }),
        confirmed: row.try_get::<Option<i64>, _>("confirmed")?.map(time),
    })
}

/// Returns a name in its stored form: trimmed, in lower case. It may contain letters, digits and `.`, `-`, `_`, `@`.
pub fn canonical_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim().to_lowercase();
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | '@');
    let begins = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if begins && name.len() <= MOST_CHARACTERS && name.chars().all(is_allowed) {
        return Ok(name);
    }
    let why =
        "name: use 1 to 64 letters a to z, digits, dots, dashes, underscores or @, and begin with a letter or digit";
    Err(Refusal::Invalid(why.to_owned()))
}

/// Returns all users by name.
pub async fn users(context: &Context) -> Result<Vec<User>, Refusal> {
    let rows = query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY name")));
    let rows = rows.fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Returns one user.
pub async fn user(context: &Context, name: &str) -> Result<User, Refusal> {
    let mut connection = context.database.read().acquire().await?;
    find_user(&mut connection, name).await
}

/// Returns true if there is any user.
pub async fn any_user(context: &Context) -> Result<bool, Refusal> {
    let found: Option<i64> =
        query_scalar("SELECT created FROM users LIMIT 1").fetch_optional(context.database.read()).await?;
    Ok(found.is_some())
}

/// Returns the user with this name.
pub async fn find_user(connection: &mut Connection, name: &str) -> Result<User, Refusal> {
    let found = query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = $1"))).bind(name);
    let found = found.fetch_optional(connection).await?;
    found.as_ref().map(read).transpose()?.ok_or_else(|| Refusal::NotThere(format!("user {name}")))
}

/// Returns the local user with this name: role and password of any other user come from the directory.
async fn find_local(connection: &mut Connection, name: &str) -> Result<User, Refusal> {
    let user = find_user(connection, name).await?;
    if user.source == Source::Local { Ok(user) } else { Err(Refusal::FromDirectory) }
}

/// Creates a user.
pub async fn create_user(
    context: &Context,
    author: &Author,
    name: &str,
    role: Role,
    password: &str,
) -> Result<User, Refusal> {
    let name = canonical_name(name)?;
    context.hasher.judge(context.hasher.enter()?, password, &name).await?;
    let hash = context.hasher.hash(password).await?;
    let mut write = context.database.write().await?;
    if find_user(&mut write, &name).await.is_ok() {
        return Err(Refusal::NameTaken(name));
    }
    insert(&mut write, &name, role, &hash).await?;
    record(&mut write, author, Event::done("user.create", &name).with(role.text())).await?;
    let made = find_user(&mut write, &name).await?;
    write.commit().await?;
    Ok(made)
}

/// Stores a new user. The caller has checked name and password.
pub async fn insert(connection: &mut Connection, name: &str, role: Role, hash: &str) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    query("INSERT INTO users (name, role, password, created, password_changed) VALUES ($1, $2, $3, $4, $4)")
        .bind(name)
        .bind(role.text())
        .bind(hash)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// Returns an error if a change would leave the site without an administrator who can sign in whatever a directory
/// does.
async fn keep_an_administrator(connection: &mut Connection, name: &str) -> Result<(), Refusal> {
    let others = "SELECT count(*) FROM users \
         WHERE role = 'administrator' AND source = 'local' AND disabled IS NULL AND name <> $1";
    let others: i64 = query_scalar(others).bind(name).fetch_one(connection).await?;
    if others == 0 { Err(Refusal::LastAdministrator) } else { Ok(()) }
}

/// Changes a user's role.
pub async fn set_role(context: &Context, author: &Author, name: &str, role: Role) -> Result<User, Refusal> {
    let mut write = context.database.write().await?;
    let changed = put_role(&mut write, author, name, role).await?;
    write.commit().await?;
    Ok(changed)
}

async fn put_role(write: &mut Connection, author: &Author, name: &str, role: Role) -> Result<User, Refusal> {
    let before = find_local(&mut *write, name).await?;
    if before.is_local_administrator() && role != Role::Administrator {
        keep_an_administrator(&mut *write, name).await?;
    }
    store_role(&mut *write, name, role).await?;
    let detail = format!("{} to {role}", before.role);
    record(write, author, Event::done("user.role", name).with(&detail)).await?;
    Ok(User { role, ..before })
}

/// Stores a role.
pub async fn store_role(connection: &mut Connection, name: &str, role: Role) -> Result<(), sqlx::Error> {
    let update = query("UPDATE users SET role = $2 WHERE name = $1").bind(name).bind(role.text());
    update.execute(connection).await.map(drop)
}

/// Stores a password's hash, and ends everything created with the old one: all sessions and API keys of the user.
/// Anyone who knew the password keeps nothing.
pub async fn store_password(connection: &mut Connection, name: &str, hash: &str) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    let update = query("UPDATE users SET password = $2, password_changed = $3 WHERE name = $1");
    update.bind(name).bind(hash).bind(now).execute(&mut *connection).await?;
    query("DELETE FROM api_keys WHERE user_name = $1").bind(name).execute(&mut *connection).await?;
    end_sessions(connection, name).await
}

/// Ends every session of a user.
pub async fn end_sessions(connection: &mut Connection, name: &str) -> Result<(), sqlx::Error> {
    query("DELETE FROM sessions WHERE user_name = $1").bind(name).execute(connection).await.map(drop)
}

/// Sets another user's password. The user's sessions and API keys end.
pub async fn set_password(context: &Context, author: &Author, name: &str, password: &str) -> Result<(), Refusal> {
    change_user(context, author, name, UserChange { password: Some(password), ..UserChange::default() }).await
}

/// Disables or enables a user.
pub async fn set_disabled(context: &Context, author: &Author, name: &str, disabled: bool) -> Result<(), Refusal> {
    change_user(context, author, name, UserChange { disabled: Some(disabled), ..UserChange::default() }).await
}

/// Enables a user. Keys of a user from a directory stay inactive until the directory has vouched again.
pub async fn enable(connection: &mut Connection, name: &str) -> Result<(), sqlx::Error> {
    let update = query("UPDATE users SET disabled = NULL, confirmed = NULL WHERE name = $1").bind(name);
    update.execute(connection).await.map(drop)
}

/// Disables a user, or enables the user again. When disabled, sessions end, keys are inactive, and no directory can
/// enable the user.
async fn put_disabled(write: &mut Connection, author: &Author, name: &str, disabled: bool) -> Result<(), Refusal> {
    let user = find_user(&mut *write, name).await?;
    if disabled && user.is_local_administrator() {
        keep_an_administrator(&mut *write, name).await?;
    }
    if !disabled && user.disabled.is_none() {
        return Ok(());
    }
    if !disabled {
        enable(&mut *write, name).await?;
        record(write, author, Event::done("user.enable", name)).await?;
        return Ok(());
    }
    let update = query("UPDATE users SET disabled = 'here' WHERE name = $1").bind(name);
    update.execute(&mut *write).await?;
    end_sessions(&mut *write, name).await?;
    forget(&mut *write, author, name, "the user was disabled").await?;
    record(write, author, Event::done("user.disable", name)).await?;
    Ok(())
}

/// Changes of a user.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChange<'a> {
    /// The new role.
    pub role: Option<Role>,
    /// The new password.
    pub password: Option<&'a str>,
    /// True to disable, false to enable.
    pub disabled: Option<bool>,
}

/// Changes another user, completely or not at all. Role and password of a user from a directory cannot be changed here.
pub async fn change_user(
    context: &Context,
    author: &Author,
    name: &str,
    change: UserChange<'_>,
) -> Result<(), Refusal> {
    let hash = match change.password {
        Some(password) => {
            context.hasher.judge(context.hasher.enter()?, password, name).await?;
            Some(context.hasher.hash(password).await?)
        }
        None => None,
    };
    let mut write = context.database.write().await?;
    find_user(&mut write, name).await?;
    if let Some(hash) = hash {
        put_password(&mut write, author, name, &hash).await?;
    }
    if let Some(role) = change.role {
        put_role(&mut write, author, name, role).await?;
    }
    if let Some(disabled) = change.disabled {
        put_disabled(&mut write, author, name, disabled).await?;
    }
    write.commit().await?;
    Ok(())
}

/// Stores a new password of a user, with its audit entry.
pub async fn put_password(write: &mut Connection, author: &Author, name: &str, hash: &str) -> Result<(), Refusal> {
    find_local(&mut *write, name).await?;
    store_password(&mut *write, name, hash).await?;
    if author.name != name {
        forget(&mut *write, author, name, "another user set the password").await?;
    }
    record(write, author, Event::done("user.password", name)).await?;
    Ok(())
}

/// Removes a user with sessions and keys. The user's audit log entries stay.
pub async fn remove_user(context: &Context, author: &Author, name: &str) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    if find_user(&mut write, name).await?.is_local_administrator() {
        keep_an_administrator(&mut write, name).await?;
    }
    forget(&mut write, author, name, "the user was removed").await?;
    query("DELETE FROM users WHERE name = $1").bind(name).execute(&mut *write).await?;
    record(&mut write, author, Event::done("user.remove", name)).await?;
    write.commit().await?;
    Ok(())
}
