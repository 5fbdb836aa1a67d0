//! Charts of the last 24 hours for a site without Prometheus, and files for a site with it.

mod chart;

use std::net::IpAddr;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use landfall_documents::status::StatusReport;

use self::chart::{Chart, Spell, Subject, Value, minute};
use super::frame::{Frame, Place};
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;
use crate::refusal::Refusal;
use crate::trend::{Point, Share, TrendReading, recent};

/// Name of the monitor for the Prometheus Operator.
const MONITOR: &str = "service-monitor.yaml";
/// Name of the dashboard for Grafana.
const GRAFANA: &str = "grafana-dashboard.json";
/// Placeholder for the node's address in the monitor.
const PLACE: &str = "NODE_ADDRESS";

/// Formats thousandths as a percentage: `40.3 %`.
fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

fn number(value: u64) -> String {
    value.to_string()
}

fn days(days: u64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Formats microseconds: `1.2 ms`.
fn milliseconds(microseconds: u64) -> String {
    format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
}

fn thousandths(share: Share) -> u64 {
    let whole = u128::from(share.total_bytes).max(1);
    u64::try_from(u128::from(share.used_bytes) * 1000 / whole).unwrap_or(u64::MAX)
}

struct View {
    charts: Vec<Chart>,
    /// Operations that ran.
    operations: Vec<Spell>,
    /// Periods in which the host gave no status.
    silences: Vec<Spell>,
    is_empty: bool,
}

impl View {
    fn from_points(points: &[Point], now: Timestamp) -> Self {
        let operation = |point: &Point| point.site.as_ref().and_then(|site| site.operation.clone());
        let silence = |point: &Point| point.site.is_none().then(|| "The host gave no status".to_owned());
        let spells = |so: &dyn Fn(&Point) -> Option<String>| {
            let times: Vec<_> = points.iter().map(|point| (point.at, so(point))).collect();
            Spell::all(&times, now)
        };
        Self {
            charts: charts(points, now),
            operations: spells(&operation),
            silences: spells(&silence),
            is_empty: points.is_empty(),
        }
    }
}

/// Returns values of the points, at their minutes.
fn values(points: &[Point], now: Timestamp, of: impl Fn(&Point) -> Option<u64>) -> Vec<Value> {
    points.iter().filter_map(|point| Some((minute(point.at, now)?, of(point)))).collect()
}

/// Returns a chart for every subject with known values.
fn charts(points: &[Point], now: Timestamp) -> Vec<Chart> {
    site_charts(points, now).into_iter().chain(console_charts(points, now)).flatten().collect()
}

/// Returns charts of the host's reports.
fn site_charts(points: &[Point], now: Timestamp) -> [Option<Chart>; 5] {
    let site = |of: fn(&TrendReading) -> Option<u64>| values(points, now, |point| point.site.as_ref().and_then(of));
    let components = points.iter().filter_map(|point| Some(point.site.as_ref()?.components)).max().unwrap_or_default();
    let ready = Subject::new("ready", "Components that are ready", "Of all components of the release.", number);
    let disk = Subject::new("disk", "Disk used", "The filesystem of the data folder.", percent);
    let about = "What programs can no longer have without swapping.";
    let memory = Subject::new("memory", "Memory used", about, percent);
    let etcd = Subject::new("etcd", "etcd", "Of the size from which on it refuses to write.", percent);
    let about = "Until the first certificate ends. The agent renews all but the authorities long before.";
    let certificates = Subject::new("certificates", "Certificates", about, days);
    let left = |site: &TrendReading| site.certificate_days.map(|days| u64::try_from(days).unwrap_or_default());
    [
        Chart::new(ready, components, &site(|site| Some(site.components_ready))),
        Chart::new(disk, 1000, &site(|site| site.disk.map(thousandths))),
        Chart::new(memory, 1000, &site(|site| site.memory.map(thousandths))),
        Chart::new(etcd, 1000, &site(|site| site.etcd.map(thousandths))),
        Chart::new(certificates, 1, &site(left)),
    ]
}

/// Returns charts of the console's answers.
fn console_charts(points: &[Point], now: Timestamp) -> [Option<Chart>; 3] {
    let about = "In five minutes, those of pages that refresh themselves included.";
    let requests = Subject::new("requests", "Requests to the console", about, number);
    let about = "By a fault of the console, or because the host did not answer.";
    let failed = Subject::new("failed", "Failed requests", about, number);
    let time = Subject::new("time", "Time of a request", "On average over five minutes.", milliseconds);
    [
        Chart::new(requests, 1, &values(points, now, |point| Some(point.requests))),
        Chart::new(failed, 1, &values(points, now, |point| Some(point.failed))),
        Chart::new(time, 1, &values(points, now, |point| point.mean_microseconds)),
    ]
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "dashboard_live.html")]
struct DashboardFragment {
    view: View,
}

async fn view(context: &Context) -> Result<View, Refusal> {
    let now = Timestamp::now();
    let points = recent(context.database.read(), now).await?;
    Ok(View::from_points(&points, now))
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Dashboard, "Dashboard");
    draw(&DashboardPage { frame, view: view(&context).await? })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&DashboardFragment { view: view(&context).await? })
}

/// Handles `GET /dashboard/files/{name}`: files for Prometheus and Grafana. The name is compared, never opened.
pub async fn file(State(context): State<Context>, Path(name): Path<String>) -> PageResult {
    let (kind, text) = match name.as_str() {
        MONITOR => ("application/yaml", monitor(&context).await),
        GRAFANA => ("application/json", include_str!("../../../monitoring/grafana-dashboard.json").to_owned()),
        _ => return Err(Refusal::NotThere(format!("file {name}")).into()),
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}

/// Returns the monitor with the node's address, for which the certificate is issued; if unknown, a person must enter
/// it.
async fn monitor(context: &Context) -> String {
    let text = include_str!("../../../monitoring/service-monitor.yaml");
    let status = context.site.read::<StatusReport>(Topic::Status).await.ok().flatten();
    let address = status.and_then(|status| status.nodes.first()?.address.parse::<IpAddr>().ok());
    address.map_or_else(|| text.to_owned(), |address| text.replace(PLACE, &address.to_string()))
}

#[cfg(test)]
mod tests;
