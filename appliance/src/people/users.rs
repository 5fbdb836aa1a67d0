//! Users: made, changed and removed, each in one transaction with its audit entry.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::passwords::suitable;
use super::role::Role;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::refusal::Refusal;

/// Most characters of a user's name.
const MOST_CHARACTERS: usize = 64;

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, which is unique.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created: Timestamp,
    /// When the password was last set.
    pub password_changed: Timestamp,
}

/// A time of the database. One that no calendar has becomes the earliest.
pub fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}

fn user(row: &SqliteRow) -> Result<User, sqlx::Error> {
    let role: String = row.try_get("role")?;
    Ok(User {
        name: row.try_get("name")?,
        role: role.parse().unwrap_or(Role::Viewer),
        created: time(row.try_get("created")?),
        password_changed: time(row.try_get("password_changed")?),
    })
}

/// A name as it is stored: trimmed, in small letters. Letters, digits and `.`, `-`, `_`, `@` may be in it.
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

/// All users by name.
pub async fn users(context: &Context) -> Result<Vec<User>, Refusal> {
    let rows = sqlx::query("SELECT name, role, created, password_changed FROM users ORDER BY name");
    let rows = rows.fetch_all(context.database.read()).await?;
    Ok(rows.iter().map(user).collect::<Result<_, _>>()?)
}

/// Whether there is a user at all.
pub async fn any_user(context: &Context) -> Result<bool, Refusal> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM users LIMIT 1").fetch_optional(context.database.read()).await?;
    Ok(found.is_some())
}

/// The user of this name.
pub async fn find_user(connection: &mut SqliteConnection, name: &str) -> Result<User, Refusal> {
    let found = sqlx::query("SELECT name, role, created, password_changed FROM users WHERE name = $1").bind(name);
    let found = found.fetch_optional(connection).await?;
    found.as_ref().map(user).transpose()?.ok_or_else(|| Refusal::NotThere(format!("user {name}")))
}

/// Makes a user.
pub async fn create_user(
    context: &Context,
    author: &Author,
    name: &str,
    role: Role,
    password: &str,
) -> Result<User, Refusal> {
    let name = canonical_name(name)?;
    suitable(password, &name)?;
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
pub async fn insert(connection: &mut SqliteConnection, name: &str, role: Role, hash: &str) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    sqlx::query("INSERT INTO users (name, role, password, created, password_changed) VALUES ($1, $2, $3, $4, $4)")
        .bind(name)
        .bind(role.text())
        .bind(hash)
        .bind(now)
        .execute(connection)
        .await
        .map(drop)
}

/// Refuses a change that would leave the site without an administrator.
async fn keep_an_administrator(connection: &mut SqliteConnection, name: &str) -> Result<(), Refusal> {
    let others = "SELECT count(*) FROM users WHERE role = 'administrator' AND name <> $1";
    let others: i64 = sqlx::query_scalar(others).bind(name).fetch_one(connection).await?;
    if others == 0 { Err(Refusal::LastAdministrator) } else { Ok(()) }
}

/// Gives a user another role.
pub async fn set_role(context: &Context, author: &Author, name: &str, role: Role) -> Result<User, Refusal> {
    let mut write = context.database.write().await?;
    let changed = put_role(&mut write, author, name, role).await?;
    write.commit().await?;
    Ok(changed)
}

async fn put_role(write: &mut SqliteConnection, author: &Author, name: &str, role: Role) -> Result<User, Refusal> {
    let before = find_user(&mut *write, name).await?;
    if before.role == Role::Administrator && role != Role::Administrator {
        keep_an_administrator(&mut *write, name).await?;
    }
    store_role(&mut *write, name, role).await?;
    let detail = format!("{} to {role}", before.role);
    record(write, author, Event::done("user.role", name).with(&detail)).await?;
    Ok(User { role, ..before })
}

/// Stores a role.
pub async fn store_role(connection: &mut SqliteConnection, name: &str, role: Role) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE users SET role = $2 WHERE name = $1").bind(name).bind(role.text());
    update.execute(connection).await.map(drop)
}

/// Stores a password's hash, and ends every session of the user.
pub async fn store_password(connection: &mut SqliteConnection, name: &str, hash: &str) -> Result<(), sqlx::Error> {
    let now = Timestamp::now().as_millisecond();
    let update = sqlx::query("UPDATE users SET password = $2, password_changed = $3 WHERE name = $1");
    update.bind(name).bind(hash).bind(now).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM sessions WHERE user_name = $1").bind(name).execute(connection).await.map(drop)
}

/// Gives another user a new password. The user's sessions end.
pub async fn set_password(context: &Context, author: &Author, name: &str, password: &str) -> Result<(), Refusal> {
    change_user(context, author, name, (None, Some(password))).await
}

/// Gives another user a new role, a new password, or both; all of it or nothing.
pub async fn change_user(
    context: &Context,
    author: &Author,
    name: &str,
    (role, password): (Option<Role>, Option<&str>),
) -> Result<(), Refusal> {
    let hash = match password {
        Some(password) => {
            suitable(password, name)?;
            Some(context.hasher.hash(password).await?)
        }
        None => None,
    };
    let mut write = context.database.write().await?;
    find_user(&mut write, name).await?;
    if let Some(hash) = hash {
        put_password(&mut write, author, name, &hash).await?;
    }
    if let Some(role) = role {
        put_role(&mut write, author, name, role).await?;
    }
    write.commit().await?;
    Ok(())
}

/// Stores a new password of a user, with its audit entry.
pub async fn put_password(
    write: &mut SqliteConnection,
    author: &Author,
    name: &str,
    hash: &str,
) -> Result<(), Refusal> {
    store_password(&mut *write, name, hash).await?;
    record(write, author, Event::done("user.password", name)).await?;
    Ok(())
}

/// Removes a user with sessions and keys. What the audit log says of the user stays.
pub async fn remove_user(context: &Context, author: &Author, name: &str) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    if find_user(&mut write, name).await?.role == Role::Administrator {
        keep_an_administrator(&mut write, name).await?;
    }
    sqlx::query("DELETE FROM users WHERE name = $1").bind(name).execute(&mut *write).await?;
    record(&mut write, author, Event::done("user.remove", name)).await?;
    write.commit().await?;
    Ok(())
}
