//! Storage of points: the console's database, so that they survive a new pod. Their number never exceeds that of one
//! day.

use jiff::Timestamp;
use landfall_error_codes::codes;

use super::{PERIOD, Point, SPAN};
use crate::database::{Database, Pool, query};
use crate::error::{Context as _, Result};

/// Stores a point, and removes those older than a day. After a clock was set back, it also removes points in the
/// future, so that their number stays bounded.
pub async fn keep(database: &Database, point: &Point) -> Result<()> {
    let text = serde_json::to_string(point).context(codes::BUG, || "a point cannot be written".to_owned())?;
    let mut write = database.write().await?;
    query("DELETE FROM trend WHERE at <= $1 OR at > $2")
        .bind((point.at - SPAN).as_second())
        .bind((point.at + PERIOD).as_second())
        .execute(&mut *write)
        .await?;
    query("INSERT INTO trend (at, point) VALUES ($1, $2) ON CONFLICT (at) DO UPDATE SET point = excluded.point")
        .bind(point.at.as_second())
        .bind(text)
        .execute(&mut *write)
        .await?;
    Ok(write.commit().await?)
}

/// Returns points of the day before a time, oldest first. Unreadable ones of another version are left out.
pub async fn recent(pool: &Pool, now: Timestamp) -> Result<Vec<Point>> {
    let rows = query("SELECT point FROM trend WHERE at > $1 AND at <= $2 ORDER BY at")
        .bind((now - SPAN).as_second())
        .bind(now.as_second())
        .fetch_all(pool)
        .await?;
    let texts = rows.iter().filter_map(|row| row.try_get::<&str, _>(0).ok());
    Ok(texts.filter_map(|text| serde_json::from_str(text).ok()).collect())
}
