//! What the host reports, at most two seconds old.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use landfall_error_codes::codes;

use crate::access::Caller;
use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::Topic;
use crate::refusal::Refusal;

async fn document(context: &Context, topic: Topic) -> Result<Response, Refusal> {
    let answer = context.site.fresh(topic).await?;
    let found = answer.ok_or_else(|| Refusal::NotThere(format!("{} of this site", topic.kind())))?;
    Ok(Json(&*found).into_response())
}

pub async fn status(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Status).await
}

pub async fn releases(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Releases).await
}

pub async fn backups(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::Backups).await
}

pub async fn license(State(context): State<Context>) -> Result<Response, Refusal> {
    document(&context, Topic::License).await
}

/// 202: the host has begun. Whether it succeeds is in the list of backups.
pub async fn begin_backup(State(context): State<Context>, caller: Caller) -> Result<StatusCode, Refusal> {
    back_up_now(&context, &caller).await.map(|()| StatusCode::ACCEPTED)
}

/// Asks the host for a backup. The wish is recorded before, and what came of it afterwards, for the host acts and not the database.
/// Both happen whether or not the browser still waits.
pub async fn back_up_now(context: &Context, caller: &Caller) -> Result<(), Refusal> {
    let asking = tokio::spawn(ask_for_backup(context.clone(), caller.author()));
    asking.await.context(codes::BUG, || "the wish for a backup broke off".to_owned())?
}

async fn ask_for_backup(context: Context, author: Author) -> Result<(), Refusal> {
    note(&context, &author, Event::done("backup.ask", "site")).await?;
    let begun = context.site.begin_backup(&author.name, &author.correlation).await;
    let why = begun.as_ref().err().map(ToString::to_string);
    let event = match &why {
        None => Event::done("backup.begin", "site"),
        Some(why) => Event::refused("backup.begin", "site", why),
    };
    note(&context, &author, event).await?;
    Ok(begun?)
}

pub(super) async fn note(context: &Context, author: &Author, event: Event<'_>) -> Result<(), Refusal> {
    let mut write = context.database.write().await?;
    record(&mut write, author, event).await?;
    write.commit().await?;
    Ok(())
}
