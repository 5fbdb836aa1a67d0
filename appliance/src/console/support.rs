//! Support: the host collects what explains the site's state, without secrets, and a person downloads it for the
//! vendor.

use std::borrow::Borrow;

use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;

use super::change::{RequestQuery, find_request, hand_over};
use super::fields::{FormFields, QueryParameters};
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::overview::sentence;
use super::trouble::Trouble;
use super::units::bytes;
use super::{PageResult, draw};
use crate::access::Caller;
use crate::api::{CheckedRequest, send_support};
use crate::context::Context;
use crate::host::{Request, RequestState, SupportBundle};
use crate::people::Role;

/// Path of the page.
const SUPPORT: &str = "/support";

/// Selectable ages of logs, in hours and in words.
const HOURS: [(u32, &str); 4] = [(2, "2 hours"), (24, "a day"), (72, "3 days"), (168, "a week")];
/// Default selection.
const USUAL: u32 = 24;

/// Formats the age of logs.
fn span(hours: impl Borrow<u32>) -> String {
    let hours = *hours.borrow();
    let known = HOURS.into_iter().find(|(known, _)| *known == hours);
    known.map_or_else(|| format!("of {hours} hours"), |(_, words)| format!("of {words}"))
}

/// The bundle that the host keeps.
struct KeptBundle {
    bundle: SupportBundle,
    collected: Option<Moment>,
    expires: Option<Moment>,
}

impl KeptBundle {
    /// Returns true if the gaps name secrets that were not read: their values may be in the bundle.
    fn lacks_secrets(&self) -> bool {
        self.bundle.gaps.iter().any(|gap| gap.to_lowercase().contains("secret"))
    }
}

struct View {
    kept: Result<Option<KeptBundle>, Trouble>,
    /// Current request to the host.
    asking: Option<Request>,
    /// ID of the request.
    request: String,
    role: Role,
}

impl View {
    async fn load(context: &Context, caller: &Caller, id: &str) -> Self {
        let (page, request) = tokio::join!(context.site.support(), find_request(context, id));
        let kept = page.map(|page| {
            page.bundle.map(|bundle| KeptBundle {
                collected: Moment::read(Some(&bundle.collected)),
                expires: Moment::read(Some(&bundle.expires)),
                bundle,
            })
        });
        let asking = request.ok().flatten().filter(|request| request.verb == "support");
        let request = asking.as_ref().map(|request| request.request.clone()).unwrap_or_default();
        Self { kept: kept.map_err(Trouble::from), asking, request, role: caller.role().unwrap_or(Role::Viewer) }
    }

    fn is_running(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.state == RequestState::Running)
    }

    fn is_failed(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.state == RequestState::Failed)
    }

    fn may_download(&self) -> bool {
        self.role >= Role::Operator
    }
}

#[derive(Template)]
#[template(path = "support.html")]
struct SupportBundlePage {
    frame: Frame,
    view: View,
    reaches: [Reach; HOURS.len()],
}

/// Selectable age of logs.
struct Reach {
    hours: u32,
    words: &'static str,
    is_usual: bool,
}

#[derive(Template)]
#[template(path = "support_live.html")]
struct SupportFragment {
    view: View,
}

#[derive(Deserialize)]
pub struct Choice {
    hours: u32,
}

pub async fn show(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Support, "Support");
    let reaches = HOURS.map(|(hours, words)| Reach { hours, words, is_usual: hours == USUAL });
    draw(&SupportBundlePage { frame, view: View::load(&context, &caller, &about.request).await, reaches })
}

pub async fn live(
    State(context): State<Context>,
    caller: Caller,
    QueryParameters(about): QueryParameters<RequestQuery>,
) -> PageResult {
    draw(&SupportFragment { view: View::load(&context, &caller, &about.request).await })
}

pub async fn collect(
    State(context): State<Context>,
    caller: Caller,
    FormFields(choice): FormFields<Choice>,
) -> PageResult {
    hand_over(&context, &caller, SUPPORT, CheckedRequest::collect(&caller, None, choice.hours)?).await
}

pub async fn download(State(context): State<Context>, caller: Caller, Path(id): Path<String>) -> PageResult {
    Ok(send_support(&context, &caller, &id).await?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use axum::http::StatusCode;
    use landfall_host_api::testing::{MemorySupport, SUPPORT_BYTES};

    use super::*;
    use crate::people::Scope;
    use crate::testing::{REQUEST_IDS, Site, until, words_of};

    #[tokio::test]
    async fn operator_collects_and_downloads_bundle() {
        let site = Site::begin().await;
        let olga = site.sign_in("olga").await;
        insta::assert_snapshot!("no_bundle", words_of(&olga.get("/support").await.body));
        let asked = olga.post("/support/collect", &[("hours", "72")]).await;
        let page = olga.follow(&asked).await;
        let id = site.host.changes.lock().unwrap()[0].asking().request.clone();
        insta::assert_snapshot!("collected_bundle", words_of(&page.body));
        assert!(page.has("href", &format!("/support/bundle/{id}")), "{}", page.body);
        let file = olga.get(&format!("/support/bundle/{id}")).await;
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"support-20261120T080000Z.tar.gz\"");
        assert_eq!((file.header("content-type"), file.body.len()), ("application/gzip", SUPPORT_BYTES));
        assert_eq!(file.body.as_bytes(), MemorySupport::bytes(), "pieces are missing or out of order");

        let mut lines = Vec::new();
        for action in ["support.ask", "support.collect", "support.download"] {
            until(async || !site.audit_lines(action).await.is_empty()).await;
            lines.extend(site.audit_lines(action).await);
        }
        insta::with_settings!({ filters => [REQUEST_IDS] }, {
            insta::assert_snapshot!("entries_of_bundle", lines.join("\n"));
        });
    }

    #[test]
    fn unread_secrets_show_warning() {
        let page = |gaps: &[&str]| {
            let bundle = SupportBundle {
                id: "0123abcd".to_owned(),
                by: "olga".to_owned(),
                collected: String::new(),
                expires: String::new(),
                hours: 24,
                size_bytes: 1,
                files: 1,
                truncated: 0,
                known_values: 0,
                gaps: gaps.iter().map(|gap| (*gap).to_owned()).collect(),
            };
            let kept = Ok(Some(KeptBundle { bundle, collected: None, expires: None }));
            let view = View { kept, asking: None, request: String::new(), role: Role::Operator };
            SupportFragment { view }.render().unwrap()
        };
        let warned = page(&["the cluster's Secrets cannot be read, but for those on this host: no answer"]);
        let (notice, download) = (warned.find("id=\"unread\""), warned.find("id=\"download\""));
        assert!(notice.is_some() && notice < download, "{warned}");
        assert!(!page(&["cluster: no answer"]).contains("id=\"unread\""));
    }

    #[tokio::test]
    async fn viewer_cannot_download_bundle() {
        let site = Site::begin().await;
        let olga = site.sign_in("olga").await;
        olga.post("/support/collect", &[("hours", "24")]).await;
        let id = site.host.changes.lock().unwrap()[0].asking().request.clone();
        let vera = site.sign_in("vera").await;
        let page = vera.get("/support").await;
        insta::assert_snapshot!(words_of(&page.body));
        assert!(!page.has("id", "download") && !page.has("action", "/support/collect"), "{}", page.body);
        assert_eq!(vera.get(&format!("/support/bundle/{id}")).await.status, StatusCode::FORBIDDEN);
        let program = site.program("olga", &[Scope::Support]).await;
        assert_eq!(program.get(&format!("/api/v1/support/{id}")).await.body.len(), SUPPORT_BYTES);
        assert_eq!(program.get("/api/v1/support").await.json()["bundle"]["id"], id.as_str());
        let other = site.program("olga", &[Scope::Read]).await;
        assert_eq!(other.get(&format!("/api/v1/support/{id}")).await.status, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn odd_hours_and_lost_bundle_are_refused() {
        let site = Site::begin().await;
        let olga = site.sign_in("olga").await;
        for hours in ["0", "169", "-1", "many", ""] {
            assert_eq!(olga.post("/support/collect", &[("hours", hours)]).await.refusal(), (422, "LF5023"), "{hours}");
        }
        assert!(site.host.changes.lock().unwrap().is_empty());
        assert_eq!(olga.get("/support/bundle/0123abcd").await.refusal(), (404, "LF5024"));
        site.host.is_silent.store(true, Ordering::SeqCst);
        until(async || site.context.site.silent_since().is_some()).await;
        assert_eq!(olga.get("/api/v1/support").await.refusal(), (503, "LF5010"));
        assert!(olga.get("/support").await.notices()[0].starts_with("The host has not answered since"));
    }
}
