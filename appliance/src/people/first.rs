//! The first administrator, and recovery for a site that lost its last one: the host vouches, with a one-use token.

use std::net::IpAddr;
use std::time::Instant;

use landfall_error_codes::codes;

use super::failures::record_failure;
use super::sign_in::ProvenUser;
use super::source::Source;
use super::users::{canonical_name, enable, find_user, insert, store_password, store_role};
use crate::approval::count_again;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::database::query_scalar;
use crate::error::Context as _;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::task::spawn_for_request;

/// Creates an administrator with this name, or makes an existing user one, with this password. The host consumes the
/// token once; name and password are checked before, so that a typing error does not cost the token. A browser that
/// disconnects does not either: once the host is asked, all of it is done.
pub async fn make_administrator(
    context: &Context,
    author: &Author,
    (token, address): (&str, IpAddr),
    (name, password): (&str, &str),
) -> Result<ProvenUser, Refusal> {
    let name = canonical_name(name)?;
    refuse_vouched(context, &name).await?;
    let token = token.trim();
    if token.is_empty() || token.len() > 200 {
        return Err(Refusal::Token);
    }
    let wait = context.throttle.claim(address, Instant::now());
    wait.map_err(|left| Refusal::TooManyAttempts(left.as_secs() + 1))?;
    context.hasher.judge(context.hasher.wait().await?, password, &name).await?;
    let claim = Claim { author: author.clone(), token: token.to_owned(), name, password: password.to_owned() };
    let claimed = spawn_for_request(claim.make(context.clone())).await;
    claimed.context(codes::BUG, || "the claim of a token was interrupted".to_owned())?
}

/// Refuses a user from a directory, who cannot have a password. This precedes the use of the token.
async fn refuse_vouched(context: &Context, name: &str) -> Result<(), Refusal> {
    let source = query_scalar("SELECT source FROM users WHERE name = $1").bind(name);
    let source: Option<String> = source.fetch_optional(context.database.read()).await?;
    if source.is_none_or(|source| source == Source::Local.text()) { Ok(()) } else { Err(Refusal::FromDirectory) }
}

/// A claim whose parts are valid.
struct Claim {
    author: Author,
    token: String,
    name: String,
    password: String,
}

impl Claim {
    async fn make(self, context: Context) -> Result<ProvenUser, Refusal> {
        let Self { author, token, name, password } = self;
        // A locked or full database must not cost the token.
        context.database.try_to_write().await?;
        if !context.site.claim(&token).await? {
            let event = Event::refused("administrator.claim", &name, "the host refused the token");
            record_failure(&context, &author, event).await?;
            return Err(Refusal::Token);
        }
        let hash = context.hasher.hash_surely(&password).await?;
        let mut write = context.database.write().await?;
        let detail = if find_user(&mut write, &name).await.is_ok() {
            store_password(&mut write, &name, &hash).await?;
            store_role(&mut write, &name, Role::Administrator).await?;
            enable(&mut write, &name).await?;
            "a new password for an existing user"
        } else {
            insert(&mut write, &name, Role::Administrator, &hash).await?;
            "a new user"
        };
        record(&mut write, &author, Event::done("administrator.claim", &name).with(detail)).await?;
        count_again(&mut write, &author, &name).await?;
        write.commit().await?;
        Ok(ProvenUser::new(name, hash))
    }
}
