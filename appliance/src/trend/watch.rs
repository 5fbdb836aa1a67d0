//! Recording of the points, from a few seconds after the start.

use std::time::Duration;

use jiff::Timestamp;
use landfall_documents::newer;
use landfall_documents::status::StatusReport;
use landfall_error_codes::CodedError as _;

use super::point::{Point, TrendReading};
use super::{PERIOD, recent, store};
use crate::context::Context;
use crate::error::Result;
use crate::host::Topic;
use crate::metrics::Tally;

/// Wait before the first point: the host may not have been queried yet.
const FIRST: Duration = Duration::from_secs(5);
/// Wait after a point that could not be stored.
const RETRY: Duration = Duration::from_mins(1);

/// Records a point every five minutes, until the process ends. A console that restarts soon continues the series of the
/// previous one.
pub async fn watch(context: Context) {
    let mut before = Tally::default();
    tokio::time::sleep(FIRST).await;
    loop {
        let pause = match take(&context, before).await {
            Ok(PointAttempt::Early(pause)) => pause,
            Ok(PointAttempt::Now(tally)) => {
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

/// Result of an attempt.
pub enum PointAttempt {
    /// The previous point is too recent; with the remaining wait.
    Early(Duration),
    /// A point was stored, with the requests until now.
    Now(Tally),
}

/// Records a point, if the previous one is old enough.
pub async fn take(context: &Context, before: Tally) -> Result<PointAttempt> {
    let now = Timestamp::now();
    let newest = recent(context.database.read(), now).await?.last().map(|point| point.at);
    let early = newest.map(|newest| (PERIOD - now.duration_since(newest)).as_secs()).unwrap_or_default();
    if let Some(seconds) = u64::try_from(early).ok().filter(|seconds| *seconds > 0) {
        return Ok(PointAttempt::Early(Duration::from_secs(seconds)));
    }
    // A late answer is awaited: the point has the time at which the question was asked.
    let answer = context.site.fresh(Topic::Status).await.ok().flatten();
    let status = answer.and_then(|value| newer::known_value::<StatusReport>(&value).ok());
    let tally = context.metrics.tally();
    let point = Point::new(now, status.map(|status| TrendReading::from_status(&status, now)), before, tally);
    store::keep(&context.database, &point).await?;
    Ok(PointAttempt::Now(tally))
}
