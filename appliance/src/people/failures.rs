//! Failures of unauthenticated clients in the audit log. The first one of each kind from an address in an hour has an
//! entry. After the hour, one more entry has the number of the others. Therefore no such client can fill the disk, and
//! the log stays readable for people.

use std::time::{Duration, Instant};

use crate::audit::{Author, Event, record};
use crate::context::Context;
use crate::credentials::{Fate, NAMES, Rest};
use crate::error::Result;

/// Interval of checks for hours that have ended.
const PAUSE: Duration = Duration::from_mins(1);

/// Records a failure of a caller who is not signed in, or counts it.
pub async fn record_failure(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    let kind = format!("{} {}", event.action, event.detail);
    match context.failures.fate(author.from.parse().ok(), (&kind, event.object), Instant::now()) {
        Fate::Written => append(context, author, event).await,
        Fate::Counted => Ok(()),
    }
}

/// Repeatedly records the numbers of failures of each hour that has ended.
pub async fn record_hours(context: Context) {
    loop {
        tokio::time::sleep(PAUSE).await;
        record_all(&context, context.failures.take_over(Instant::now())).await;
    }
}

/// Records all numbers, for a console that ends.
pub async fn record_rest(context: &Context) {
    record_all(context, context.failures.take_all()).await;
}

async fn record_all(context: &Context, all: Vec<Rest>) {
    for Rest { from, more, names } in all {
        let named = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let others = if names.len() > NAMES { " and others" } else { "" };
        let whose = if from.is_some() { "" } else { "of other addresses " };
        let detail = format!("{more} more failures {whose}within an hour, with the names {named}{others}");
        let from = from.map_or_else(|| "-".to_owned(), |from| from.to_string());
        let author = Author { from, ..Author::console() };
        if let Err(error) = append(context, &author, Event::refused("session.begin", "-", &detail)).await {
            tracing::error!(%error, detail, "failed sign-ins are not recorded");
        }
    }
}

async fn append(context: &Context, author: &Author, event: Event<'_>) -> Result<()> {
    let mut write = context.database.write().await?;
    record(&mut write, author, event).await?;
    write.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PASSWORD, Site, author};

    #[tokio::test]
    async fn repeated_failures_make_two_entries() {
        let site = Site::begin().await;
        for number in 0..1000 {
            let name = format!("user-{number}");
            let event = Event::refused("session.begin", &name, "name or password is wrong");
            record_failure(&site.context, &author(), event).await.unwrap();
        }
        record_rest(&site.context).await;
        let log = site.sign_in("root").await.get("/api/v1/audit").await.body;
        assert!(!log.contains(PASSWORD));
        let failed: Vec<_> = log.lines().filter(|line| line.contains("refused")).collect();
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed[1].contains("192.0.2.7"), "{}", failed[1]);
        insta::assert_snapshot!(site.audit_lines("session.begin").await.join("\n"));
    }
}
