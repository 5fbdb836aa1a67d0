//! The first administrator, and the way back in for a site that lost its last one: the host vouches, with a one-use token.

use super::passwords::suitable;
use super::role::Role;
use super::users::{canonical_name, find_user, insert, store_password, store_role};
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::refusal::Refusal;

/// Makes an administrator of this name, or makes the user of this name one with this password. The host consumes the token,
/// once; name and password are checked before, so that a typing error does not cost the token.
pub async fn make_administrator(
    context: &Context,
    author: &Author,
    token: &str,
    (name, password): (&str, &str),
) -> Result<String, Refusal> {
    let name = canonical_name(name)?;
    suitable(password, &name)?;
    let token = token.trim();
    if token.is_empty() || token.len() > 200 {
        return Err(Refusal::Token);
    }
    let hash = context.hasher.hash(password).await?;
    if !context.site.claim(token).await? {
        let mut write = context.database.write().await?;
        record(&mut write, author, Event::refused("administrator.claim", &name, "the host refused the token")).await?;
        write.commit().await?;
        return Err(Refusal::Token);
    }
    let mut write = context.database.write().await?;
    let detail = if find_user(&mut write, &name).await.is_ok() {
        store_password(&mut write, &name, &hash).await?;
        store_role(&mut write, &name, Role::Administrator).await?;
        "a new password for an existing user"
    } else {
        insert(&mut write, &name, Role::Administrator, &hash).await?;
        "a new user"
    };
    record(&mut write, author, Event::done("administrator.claim", &name).with(detail)).await?;
    write.commit().await?;
    Ok(name)
}
