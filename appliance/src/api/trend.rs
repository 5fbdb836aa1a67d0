//! The last 24 hours, as observed by the console.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;

use super::people::{List, list};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::trend::{Point, recent};

/// Return the last 24 hours
///
/// One point every five minutes, oldest first. The console keeps them for a day; they are its own observations, and not
/// measurements of the host.
#[utoipa::path(
    get,
    path = "/api/v1/trend",
    operation_id = "listTrend",
    tag = "site",
    responses(
        (status = 200, description = "points of the last 24 hours", body = ref("#/components/schemas/TrendPointList")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn trend(State(context): State<Context>) -> Result<Json<List<Point>>, Refusal> {
    Ok(list("trend", recent(context.database.read(), Timestamp::now()).await?))
}
