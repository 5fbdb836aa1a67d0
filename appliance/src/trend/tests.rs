use std::sync::atomic::Ordering;

use jiff::Timestamp;
use landfall_documents::status::StatusReport;

use super::watch::{PointAttempt, take};
use super::*;
use crate::database::{query, query_scalar};
use crate::host::fake::{sample, sample_of};
use crate::metrics::Tally;
use crate::testing::Site;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn point(at: Timestamp) -> Point {
    Point { at, site: None, requests: 0, failed: 0, mean_microseconds: None }
}

#[test]
fn point_combines_host_and_traffic() {
    let status: StatusReport = sample_of("status");
    let before = Tally { requests: 10, failed: 1, microseconds: 9_000 };
    let tally = Tally { requests: 14, failed: 2, microseconds: 17_000 };
    let now = at("2026-11-20T08:00:00Z");
    let found = Point::new(now, Some(TrendReading::from_status(&status, now)), before, tally);
    assert_eq!((found.requests, found.failed, found.mean_microseconds), (4, 1, Some(2_000)));
    let site = found.site.unwrap();
    assert_eq!((site.ready, site.components_ready, site.components), (true, 7, 7));
    assert_eq!(site.disk, Some(Share { used_bytes: 40 << 30, total_bytes: 100 << 30 }));
    assert_eq!(site.memory, Some(Share { used_bytes: 12 << 30, total_bytes: 32 << 30 }));
    assert_eq!(site.etcd, Some(Share { used_bytes: 20 << 20, total_bytes: 2 << 30 }));
    assert_eq!((site.certificate_days, site.operation), (Some(364), None));

    let mut document = sample("status");
    document["operation"]["running"] =
        serde_json::json!({ "operation": "upgrade", "pid": 7, "started": "2026-11-20T07:59:00Z" });
    document["components"][0]["ready"] = 2.into();
    document["certificates"]["soonestEnd"] = "2026-11-20T07:00:00Z".into();
    let site = TrendReading::from_status(&serde_json::from_value(document).unwrap(), now);
    assert_eq!((site.operation.as_deref(), site.components_ready), (Some("upgrade"), 6));
    assert_eq!(site.certificate_days, Some(-1), "one that ended an hour ago");
    let quiet = Point::new(now, None, tally, tally);
    assert_eq!((quiet.requests, quiet.mean_microseconds), (0, None));
}

#[tokio::test]
async fn points_cover_only_past_day() {
    let site = Site::empty().await;
    let database = &site.context.database;
    let begin = at("2026-11-20T08:00:00Z");
    let mut now = begin;
    for _ in 0..400 {
        keep(database, &point(now)).await.unwrap();
        now += PERIOD;
    }
    let last = now - PERIOD;
    let kept = recent(database.read(), last).await.unwrap();
    assert_eq!((kept.len(), kept.first().map(|point| point.at)), (288, Some(last - SPAN + PERIOD)));
    assert!(kept.is_sorted_by_key(|point| point.at));
    // The same time again is the same point.
    keep(database, &Point { requests: 7, ..point(last) }).await.unwrap();
    let kept = recent(database.read(), last).await.unwrap();
    assert_eq!((kept.len(), kept.last().map(|point| point.requests)), (288, Some(7)));
    // The clock is set back by ten hours: later points are removed, and their number does not grow.
    let back = last - SignedDuration::from_hours(10);
    keep(database, &point(back)).await.unwrap();
    let kept: i64 = query_scalar("SELECT count(*) FROM trend").fetch_one(database.read()).await.unwrap();
    assert!(kept <= 288, "{kept}");
    assert_eq!(recent(database.read(), last).await.unwrap().last().map(|point| point.at), Some(back + PERIOD));
}

#[tokio::test]
async fn foreign_point_versions_are_skipped() {
    let site = Site::empty().await;
    let now = at("2026-11-20T08:00:00Z");
    keep(&site.context.database, &point(now - PERIOD)).await.unwrap();
    let mut write = site.context.database.write().await.unwrap();
    query("INSERT INTO trend (at, point) VALUES ($1, '{}')").bind(now.as_second()).execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    let kept = recent(site.context.database.read(), now).await.unwrap();
    assert_eq!(kept.iter().map(|point| point.at).collect::<Vec<_>>(), [now - PERIOD]);
}

#[tokio::test]
async fn points_keep_five_minute_spacing() {
    let site = Site::empty().await;
    let PointAttempt::Now(tally) = take(&site.context, Tally::default()).await.unwrap() else { panic!("no point") };
    // A restarted console counts from zero, and has the previous console's point.
    let again = take(&site.context, Tally::default()).await.unwrap();
    assert!(matches!(again, PointAttempt::Early(pause) if pause.as_secs() > 240), "a second point was taken at once");
    let points = recent(site.context.database.read(), Timestamp::now()).await.unwrap();
    assert_eq!(points.len(), 1);
    assert!(points[0].site.as_ref().is_some_and(|site| site.ready), "{points:?}");

    let mut write = site.context.database.write().await.unwrap();
    query("DELETE FROM trend").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    site.host.is_silent.store(true, Ordering::SeqCst);
    crate::testing::until(async || site.context.site.silent_since().is_some()).await;
    assert!(matches!(take(&site.context, tally).await.unwrap(), PointAttempt::Now(_)));
    let points = recent(site.context.database.read(), Timestamp::now()).await.unwrap();
    assert_eq!(points.last().map(|point| point.site.clone()), Some(None));
}
