//! Takes the points, from a few seconds after the start on.

use std::time::Duration;

use jiff::Timestamp;
use landfall_error_codes::Coded as _;
use serde::Deserialize as _;

use super::point::{Point, Reading};
use super::{PERIOD, recent, store};
use crate::context::Context;
use crate::error::Result;
use crate::host::{Status, Topic};
use crate::server::Tally;

/// Before the first point: the host may not have been asked for anything yet.
const FIRST: Duration = Duration::from_secs(5);
/// After one that could not be stored.
const RETRY: Duration = Duration::from_mins(1);

/// Takes a point every five minutes, until the process ends. A console that starts again soon continues the row of the one before.
pub async fn watch(context: Context) {
    let mut before = Tally::default();
    tokio::time::sleep(FIRST).await;
    loop {
        let pause = match take(&context, before).await {
            Ok(Taken::Early(pause)) => pause,
            Ok(Taken::Now(tally)) => {
                before = tally;
                PERIOD.unsigned_abs()
            }
            Err(error) => {
                tracing::warn!(code = error.code().id, %error, "no point of the last 24 hours is stored");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// What became of a try.
pub enum Taken {
    /// The point before is too young; how long to wait.
    Early(Duration),
    /// A point was stored, with the requests until now.
    Now(Tally),
}

/// Takes a point, if the one before is old enough.
pub async fn take(context: &Context, before: Tally) -> Result<Taken> {
    let now = Timestamp::now();
    let newest = recent(context.database.read(), now).await?.last().map(|point| point.at);
    let early = newest.map(|newest| (PERIOD - now.duration_since(newest)).as_secs()).unwrap_or_default();
    if let Some(seconds) = u64::try_from(early).ok().filter(|seconds| *seconds > 0) {
        return Ok(Taken::Early(Duration::from_secs(seconds)));
    }
    // An answer that takes longer than usual is awaited: the point is of the time at which the question was asked.
    let answer = context.site.fresh(Topic::Status).await.ok().flatten();
    let status = answer.and_then(|value| Status::deserialize(&*value).ok());
    let tally = context.metrics.tally();
    let point = Point::new(now, status.map(|status| Reading::of(&status, now)), before, tally);
    store::keep(&context.database, &point).await?;
    Ok(Taken::Now(tally))
}
