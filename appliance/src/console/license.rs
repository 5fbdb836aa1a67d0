//! The license: its terms, the components that need it, the date by which it is judged, and the import of a new one.

use std::borrow::Borrow;

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use landfall_documents::license::{LicenseReport, LicenseStatus, LicenseTerms, UsageStatus};
use landfall_license::usage::Metric;
use serde::Deserialize;

use super::fields::{ActionNotice, FormFields, tell};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::{PageResult, draw, draw_refused};
use crate::access::Caller;
use crate::api::import_license;
use crate::context::Context;
use crate::host::Topic;
use crate::refusal::{Page, Refusal};

struct Facts {
    mark: Mark,
    license: LicenseStatus,
    identifiers: Vec<String>,
}

#[derive(Template)]
#[template(path = "license.html")]
struct LicensePage {
    frame: Frame,
    facts: Result<Option<Facts>, Trouble>,
    usage: Option<UsageStatus>,
}

/// A license that a person pasted, or whose file the page has read.
#[derive(Deserialize)]
pub struct Import {
    license: String,
}

fn mark(terms: Option<&LicenseTerms>) -> Mark {
    match terms.map(|terms| terms.standing.as_str()) {
        None => How::Unknown.mark("None"),
        Some("valid") => How::Good.mark("Valid"),
        Some("ending") => How::Attention.mark("Ending"),
        Some("grace") => How::Attention.mark("In grace"),
        Some("ended") => How::Bad.mark("Ended"),
        Some("not-yet-valid") => How::Bad.mark("Not valid yet"),
        Some("revoked") => How::Bad.mark("Revoked"),
        Some("superseded") => How::Bad.mark("Superseded"),
        Some("other-site") => How::Bad.mark("For another site"),
        Some(_) => How::Unknown.mark("Unknown"),
    }
}

/// Parses a time of the license for display.
fn moment(text: &str) -> Option<Moment> {
    Moment::read(Some(text))
}

/// Converts a time of the license for display.
fn time(at: &Timestamp) -> Moment {
    Moment::new(*at)
}

/// Formats a limit.
fn limit(count: impl Borrow<Option<u64>>) -> String {
    count.borrow().map_or_else(|| "no limit".to_owned(), |count| count.to_string())
}

/// Returns the name of a limited quantity.
fn metric_name(metric: impl Borrow<Metric>) -> &'static str {
    match metric.borrow() {
        Metric::Nodes => "Nodes",
        Metric::Namespaces => "Namespaces",
        Metric::Gpus => "GPUs",
        Metric::Users => "Users of the console",
    }
}

/// Formats a count.
fn count(count: impl Borrow<Option<u64>>) -> String {
    count.borrow().map_or_else(|| "unknown".to_owned(), |count| count.to_string())
}

fn days(days: impl Borrow<u64>) -> String {
    if *days.borrow() == 1 { "1 day".to_owned() } else { format!("{} days", days.borrow()) }
}

/// Returns the mark that tells whether limits are exceeded now.
fn use_mark(usage: &UsageStatus) -> Mark {
    let is_above = |limit: Option<u64>, now: Option<u64>| limit.zip(now).is_some_and(|(limit, now)| now > limit);
    if usage.limits.iter().any(|of| is_above(of.since.most, of.now)) {
        How::Attention.mark("Above the overage")
    } else if usage.limits.iter().any(|of| is_above(of.since.limit, of.now)) {
        How::Attention.mark("Above a limit")
    } else if usage.measured.is_some() {
        How::Good.mark("Within the limits")
    } else {
        How::Unknown.mark("Not measured yet")
    }
}

/// Returns the usage of the license. The terms already report a host that does not answer.
async fn usage(context: &Context) -> Option<UsageStatus> {
    context.site.read::<UsageStatus>(Topic::Usage).await.ok().flatten()
}

async fn facts(context: &Context) -> Result<Option<Facts>, Trouble> {
    let document = context.site.read::<LicenseReport>(Topic::License).await?;
    let facts = document.and_then(|LicenseReport { license, identifiers, .. }| {
        let license = license?;
        Some(Facts { mark: mark(license.terms.as_ref()), license, identifiers })
    });
    Ok(facts)
}

pub async fn show(State(context): State<Context>, caller: Caller, ActionNotice(done): ActionNotice) -> PageResult {
    let notice = (done == "imported").then_some("The license is imported. It counts from now on.");
    let frame = Frame::new(&context, &caller, Place::License, "License").with(notice);
    draw(&LicensePage { frame, facts: facts(&context).await, usage: usage(&context).await })
}

pub async fn import(
    State(context): State<Context>,
    caller: Caller,
    FormFields(form): FormFields<Import>,
) -> PageResult {
    match import_license(&context, &caller, form.license).await {
        Ok(()) => tell(&caller, "/license", "imported"),
        Err(Refusal::Internal(error)) => Err(Page(Refusal::Internal(error))),
        Err(refusal) => {
            let frame = Frame::new(&context, &caller, Place::License, "License").refusing(Some(&refusal));
            let whole = LicensePage { frame, facts: facts(&context).await, usage: usage(&context).await };
            draw_refused(&whole, &refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use landfall_license::FILE_BYTES as LICENSE_BYTES;
    use serde_json::json;

    use super::*;
    use crate::host::fake::sample_of;
    use crate::people::Scope;
    use crate::testing::{Site, words_of};

    #[tokio::test]
    async fn administrator_imports_license() {
        let site = Site::begin().await;
        let root = site.sign_in("root").await;
        assert!(root.get("/license").await.has("action", "/license"));
        let refused = root.post("/license", &[("license", "{}")]).await;
        assert_eq!(refused.refusal(), (422, "LF1106"));
        assert!(refused.has("action", "/license"), "{}", refused.body);
        let imported = root.post("/license", &[("license", "{\"signed\": \"<&>\"}")]).await;
        let notice = "The license is imported. It counts from now on.".to_owned();
        assert!(root.follow(&imported).await.notices().contains(&notice));
        assert!(!root.get("/license?done=imported").await.notices().contains(&notice), "a forged address was believed");
        assert_eq!(*site.host.licenses.lock().unwrap(), ["{\"signed\": \"<&>\"}"]);
        insta::assert_snapshot!(site.audit_lines("license.").await.join("\n"));
    }

    /// A form may need three bytes for each byte of a license, and JSON two.
    #[tokio::test]
    async fn overlong_license_is_refused() {
        let site = Site::begin().await;
        let (root, program) = (site.sign_in("root").await, site.program("root", &[Scope::License]).await);
        let longest = format!("signed{}", "\"".repeat(LICENSE_BYTES - "signed".len()));
        let longer = format!("{longest}x");
        let body = |license: &str| json!({ "license": license }).to_string();
        assert_eq!(root.post("/license", &[("license", &longest)]).await.status, StatusCode::SEE_OTHER);
        let called = program.call(Method::POST, "/api/v1/license", &body(&longest)).await;
        assert_eq!(called.status, StatusCode::NO_CONTENT, "{}", called.body);
        let posted = root.post("/license", &[("license", &longer)]).await;
        let called = program.call(Method::POST, "/api/v1/license", &body(&longer)).await;
        for refused in [&posted, &called] {
            assert_eq!(refused.refusal(), (422, "LF5023"));
        }
        insta::assert_json_snapshot!("overlong_license", called.json());
        assert_eq!(site.host.licenses.lock().unwrap().len(), 2, "a refused license reached the host");
        // No other page accepts that much.
        assert!(root.post("/users", &[("name", &longest)]).await.body.contains("the body is longer than 65536 bytes"));
    }

    #[tokio::test]
    async fn page_shows_use_and_report() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        let page = vera.get("/license").await;
        insta::assert_snapshot!(words_of(&page.body));
        assert!(page.has("href", "/api/v1/usage/report"), "{}", page.body);
        let report = vera.get("/api/v1/usage/report").await;
        assert_eq!(report.header("content-disposition"), "attachment; filename=\"usage-report.json\"");
        assert!(report.body.lines().count() > 20 && report.json()["kind"] == "usageReport", "{}", report.body);
    }

    #[test]
    fn mark_shows_greatest_excess() {
        let mark = |now: Option<u64>| {
            let mut usage: UsageStatus = sample_of("licenseUsage");
            usage.limits.truncate(1);
            usage.limits[0].now = now;
            words_of(&use_mark(&usage).to_string())
        };
        let words = ["Within the limits", "Within the limits", "Above a limit", "Above the overage"];
        for (now, word) in [None, Some(3), Some(4), Some(5)].into_iter().zip(words) {
            assert_eq!(mark(now), word, "{now:?}");
        }
    }

    #[tokio::test]
    async fn unlicensed_site_has_no_report() {
        let site = Site::begin().await;
        *site.host.usage.lock().unwrap() = None;
        let vera = site.sign_in("vera").await;
        assert!(!vera.get("/license").await.has("href", "/api/v1/usage/report"));
        assert_eq!(vera.get("/api/v1/usage/report").await.status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn only_administrators_import_licenses() {
        let site = Site::begin().await;
        let olga = site.sign_in("olga").await;
        assert!(!olga.get("/license").await.has("action", "/license"));
        assert_eq!(olga.post("/license", &[("license", "signed")]).await.status, StatusCode::FORBIDDEN);
        let body = json!({ "license": "signed" }).to_string();
        for (user, scope, expected) in [
            ("root", Scope::License, StatusCode::NO_CONTENT),
            ("root", Scope::Upgrade, StatusCode::FORBIDDEN),
            ("olga", Scope::License, StatusCode::FORBIDDEN),
        ] {
            let program = site.program(user, &[scope]).await;
            assert_eq!(program.call(Method::POST, "/api/v1/license", &body).await.status, expected, "{user} {scope}");
        }
        let empty = json!({ "license": "  \n" }).to_string();
        let program = site.program("root", &[Scope::License]).await;
        assert_eq!(
            program.call(Method::POST, "/api/v1/license", &empty).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(site.host.licenses.lock().unwrap().len(), 1);
    }
}
