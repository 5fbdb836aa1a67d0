use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use jiff::SignedDuration;

use super::*;
use crate::host::fake::sample_of;
use crate::people::Scope;
use crate::testing::{Site, TIMES, until, words_of};
use crate::trend::{PERIOD, keep};

/// Fills a day that ends now: a point every five minutes, changed by the function.
async fn fill(site: &Site, change: impl Fn(i32, &mut Point)) {
    let status: StatusReport = sample_of("status");
    let now = Timestamp::now();
    for index in 0..287 {
        let at = now - PERIOD * (286 - index);
        let reading = Some(TrendReading::from_status(&status, at));
        let mut point = Point { at, site: reading, requests: 20, failed: 0, mean_microseconds: Some(1_250) };
        change(index, &mut point);
        keep(&site.context.database, &point).await.unwrap();
    }
}

#[tokio::test]
async fn silent_host_leaves_chart_gaps() {
    let site = Site::begin().await;
    let vera = site.sign_in("vera").await;
    fill(&site, |index, point| {
        if (100..110).contains(&index) {
            point.site = None;
        }
        if let Some(reading) = point.site.as_mut().filter(|_| (200..204).contains(&index)) {
            reading.operation = Some("upgrade".to_owned());
        }
    })
    .await;
    let reply = vera.get("/dashboard").await;
    let page = &reply.body;
    let labels =
        page.split("role=\"img\" aria-label=\"").skip(1).map(|part| part.split('"').next().unwrap().to_owned());
    let mut lines: Vec<String> = labels.collect();
    lines.extend(["operations", "silences"].map(|heading| reply.section(heading)));
    // The days until a certificate ends depend on today's date.
    lines.retain(|line| !line.starts_with("Certificates"));
    insta::with_settings!({ filters => [TIMES] }, { insta::assert_snapshot!(lines.join("\n")) });
    let disk = page.split("id=\"chart-disk\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(disk.matches("<polyline").count(), 2, "the silence left no gap: {disk}");
    let requests = page.split("id=\"chart-requests\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(requests.matches("<polyline").count(), 1, "the line is broken: {requests}");
    assert_eq!(vera.get("/live/dashboard").await.section("chart-disk"), reply.section("chart-disk"));

    let points = vera.get("/api/v1/trend").await.json();
    assert_eq!(points["items"].as_array().map(Vec::len), Some(287));
    assert_eq!(points["items"][100]["site"], serde_json::Value::Null);
    assert_eq!(points["items"][0]["site"]["disk"]["totalBytes"], 100_u64 << 30);
}

#[tokio::test]
async fn empty_day_has_no_host_charts() {
    let site = Site::empty().await;
    let page = DashboardFragment { view: View::from_points(&[], Timestamp::now()) }.render().unwrap();
    insta::assert_snapshot!(words_of(&page));

    let old = Point { at: Timestamp::now(), site: None, requests: 1, failed: 0, mean_microseconds: None };
    keep(&site.context.database, &old).await.unwrap();
    site.host.is_silent.store(true, Ordering::SeqCst);
    until(async || site.context.site.silent_since().is_some()).await;
    let found = view(&site.context).await.unwrap();
    let titles: Vec<_> = found.charts.iter().map(|chart| chart.subject.id).collect();
    assert_eq!(titles, ["requests", "failed"], "an unknown value has a chart");
}

#[test]
fn ended_certificate_has_zero_days() {
    let now = Timestamp::now();
    let mut reading = TrendReading::from_status(&sample_of("status"), now);
    reading.certificate_days = Some(-3);
    let points = [Point { at: now, site: Some(reading), requests: 0, failed: 0, mean_microseconds: None }];
    let view = View::from_points(&points, now + SignedDuration::from_secs(1));
    let chart = view.charts.iter().find(|chart| chart.subject.id == "certificates").unwrap();
    assert_eq!((chart.now.as_str(), chart.range.as_str()), ("0 days", "always 0 days"));
}

#[tokio::test]
async fn monitoring_files_name_real_metrics() {
    let site = Site::begin().await;
    let vera = site.sign_in("vera").await;
    let monitor = vera.get("/dashboard/files/service-monitor.yaml").await;
    assert_eq!(monitor.header("content-disposition"), "attachment; filename=\"service-monitor.yaml\"");
    assert!(!monitor.body.contains(PLACE), "{}", monitor.body);
    let read: serde_json::Value = serde_saphyr::from_str(&monitor.body).unwrap();
    let endpoint = &read["spec"]["endpoints"][0];
    assert_eq!((&endpoint["path"], &endpoint["tlsConfig"]["serverName"]), (&"/metrics".into(), &"192.0.2.17".into()));
    assert_eq!(vera.get("/dashboard/files/..%2fCargo.toml").await.status, StatusCode::NOT_FOUND);

    let grafana = vera.get("/dashboard/files/grafana-dashboard.json").await;
    let text = grafana.json().to_string();
    let ends_name = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let wanted = text.split(ends_name).filter(|word| word.starts_with("landfall_"));
    let wanted: BTreeSet<&str> = wanted.collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    site.host.status.lock().unwrap()["operation"]["running"] =
        serde_json::json!({ "operation": "upgrade", "pid": 7, "started": "2026-11-20T07:59:00Z" });
    {
        let mut progress = site.host.progress.lock().unwrap();
        let step = landfall_peer::Event::StepStarted { index: 2, count: 9, title: String::new(), remaining: None };
        progress.events.push(landfall_peer::NumberedEvent { number: 1, event: step });
        (progress.run, progress.running, progress.operation) = (1, true, Some("upgrade".to_owned()));
    }
    let program = site.program("vera", &[Scope::Metrics]).await;
    until(async || program.get("/metrics").await.body.contains("landfall_site_operation_step 2")).await;
    let metrics = program.get("/metrics").await.body;
    let shown: BTreeSet<&str> = metrics.split(ends_name).collect();
    let missing: Vec<_> = wanted.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?} are not in: {metrics}");
}
