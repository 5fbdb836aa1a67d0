use axum::http::{Method, StatusCode};
use landfall_documents::change::{Change, DataChoice};
use landfall_peer::Problem;
use serde_json::json;

use super::plan::PlanView;
use crate::host::fake::{PLAN, sample, sample_of};
use crate::host::{ChangeRequest, OperationPage, PlanPage, Request, RequestState};
use crate::people::Scope;
use crate::testing::{Reply, Site, Visitor, hidden_field, until};

/// Makes a plan as an operator, and returns its page.
async fn plan_page(site: &Site, visitor: &Visitor) -> Reply {
    let medium = site.host.media.lock().unwrap().media[0].id.clone();
    let asked = visitor.post("/upgrade/plan", &[("medium", &medium)]).await;
    let led = visitor.follow(&asked).await;
    visitor.follow(&led).await
}

#[tokio::test]
async fn media_are_listed_with_what_is_wrong_and_hostile_names_are_text() {
    let site = Site::begin().await;
    let page = site.sign_in("olga").await.get("/upgrade").await;
    assert!(page.is_success(), "{}", page.body);
    for said in
        ["<bdi>starter</bdi> 1.2.0", "4.1 GiB", "LF4402", "LF1105", "not signed by a key", "USB stick sdc1", "LF4807"]
    {
        assert!(page.body.contains(said), "no {said}");
    }
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(page.body.contains("&#60;script&#62;alert(1)") || page.body.contains("&lt;script&gt;alert(1)"));
    assert_eq!(page.body.matches("Make a plan").count(), 1, "only what can be used can be planned with");
    let viewer = site.sign_in("vera").await.get("/upgrade").await.body;
    assert!(
        viewer.contains("<bdi>starter</bdi> 1.2.0")
            && !viewer.contains("Make a plan")
            && !viewer.contains("Look for media")
    );
}

/// Begins an upload with this name.
async fn upload(program: &Visitor, name: &str, size: usize) -> String {
    let metadata = format!("filename {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, name));
    let length = size.to_string();
    let headers = [("tus-resumable", "1.0.0"), ("upload-length", &*length), ("upload-metadata", &*metadata)];
    let begun = program.send(Method::POST, "/api/v1/uploads", &headers, "").await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
    begun.header("location").to_owned()
}

#[tokio::test]
async fn a_bundle_is_uploaded_by_operators_and_removed_without_a_script() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let page = olga.get("/upgrade").await.body;
    for said in ["Upload a bundle", "has room for 1.0 GiB", "/assets/upload.", "<noscript>", "id=\"bundle\""] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    assert!(!site.sign_in("vera").await.get("/upgrade").await.body.contains("Upload a bundle"));
    let program = site.program("olga", &[Scope::Upgrade]).await;
    let place = upload(&program, "<script>alert(1)</script>", 2048).await;
    let headers =
        [("tus-resumable", "1.0.0"), ("content-type", "application/offset+octet-stream"), ("upload-offset", "0")];
    program.send(Method::PATCH, &place, &headers, &"x".repeat(512)).await;
    let page = olga.get("/upgrade").await.body;
    let id = place.rsplit('/').next().unwrap();
    for said in ["512 B of 2.0 KiB have arrived, 25 %", "choose the same file again", &format!("data-id=\"{id}\"")] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    let headers = headers.map(|(name, value)| if name == "upload-offset" { (name, "512") } else { (name, value) });
    program.send(Method::PATCH, &place, &headers, &"x".repeat(1536)).await;
    let page = olga.get("/upgrade").await.body;
    for said in ["has arrived", "under “Media”", "uploaded by key:", "plan-0123456789abcdef"] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    assert!(!page.contains("id=\"bundle\""), "one at a time: {page}");
    assert_eq!(
        site.sign_in("vera").await.post("/upgrade/upload/remove", &[("id", id)]).await.status,
        StatusCode::FORBIDDEN
    );
    let removed = olga.post("/upgrade/upload/remove", &[("id", id)]).await;
    assert!(olga.follow(&removed).await.body.contains("The upload is removed from the host."));
    let again = olga.post("/upgrade/upload/remove", &[("id", id)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_is_read_approved_by_the_sites_name_and_begun_once() {
    let site = Site::begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let read = plan_page(&site, &olga).await;
    for said in [
        "Upgrade to starter 1.2.0",
        "700 MiB",
        "v1.36.4",
        "postgres:17.7",
        "an estimated 5 minutes",
        "cannot be undone",
        PLAN,
    ] {
        assert!(read.body.contains(said), "no {said}: {}", read.body);
    }
    assert!(!read.body.contains("Approve and upgrade"), "an operator does not approve");
    let page = root.get(&format!("/upgrade/plans/{PLAN}")).await;
    let request = hidden_field(&page.body, "request");
    let approve = async |visitor: &Visitor, name: &str| {
        let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", name)];
        visitor.post("/upgrade/approve", &fields).await
    };
    assert_eq!(approve(&olga, "node-1").await.status, StatusCode::FORBIDDEN);
    let refused = approve(&root, "node-2").await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains("node-1"), "{}", refused.body);
    let begun = approve(&root, " node-1 ").await;
    assert_eq!(begun.header("location"), format!("/upgrade?request={request}"));
    let again = approve(&root, "node-1").await;
    assert_eq!(again.header("location"), begun.header("location"), "sent twice, begun once");
    let approved = site.host.only_begun();
    assert_eq!(
        (approved.plan.as_str(), approved.confirm.as_str(), approved.asking.by.as_str()),
        (PLAN, "node-1", "root")
    );
    assert!(matches!(&approved.change, Change::Upgrade { .. }), "the change is that of the plan");
}

#[tokio::test]
async fn a_plan_that_is_gone_says_what_to_do() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    for path in [format!("/upgrade/plans/{PLAN}"), "/upgrade/plans/..%2f..%2fstatus".to_owned()] {
        let page = root.get(&path).await;
        assert!(page.status == StatusCode::NOT_FOUND && page.body.contains("LF4805"), "{path}: {}", page.body);
    }
    let fields = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/upgrade/approve", &fields).await.status, StatusCode::NOT_FOUND);
    assert!(site.host.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_return_is_planned_with_what_becomes_of_data() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let releases = olga.get("/releases").await.body;
    assert_eq!(releases.matches("Return to this release").count(), 1, "not to the installed one");
    assert!(!site.sign_in("vera").await.get("/releases").await.body.contains("Return to this release"));
    let asked = olga.post("/releases/plan", &[("version", "1.0.0"), ("data", "keep")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    let requests = site.host.changes.lock().unwrap().clone();
    let [ChangeRequest::Plan(request)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.change, Change::Rollback { version: "1.0.0".to_owned(), data: Some(DataChoice::Keep) });
    let refused = olga.post("/releases/plan", &[("version", "1.0.0"), ("data", "delete")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_open_change_can_be_undone_and_hides_the_media() {
    let site = Site::begin().await;
    let mut open: OperationPage = sample_of("operation");
    (open.state, open.can_abort, open.running) = (crate::host::OperationState::Forward, true, true);
    *site.host.operation.lock().unwrap() = Some(open);
    let root = site.sign_in("root").await;
    let page = root.get("/upgrade").await.body;
    assert!(page.contains("Undo the change now") && page.contains("The open change"), "{page}");
    assert!(!page.contains("Make a plan") && !page.contains("Look for media"));
    assert!(!site.sign_in("olga").await.get("/upgrade").await.body.contains("Undo the change now"));
    let asked = root.post("/upgrade/abort", &[("operation", "2")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    assert!(
        matches!(&site.host.changes.lock().unwrap()[..], [ChangeRequest::Abort(request)] if request.operation == 2)
    );
    // The operation has passed its commit.
    *site.host.operation.lock().unwrap() = Some(sample_of("operation"));
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    assert!(!root.get("/upgrade").await.body.contains("Undo the change now"));
}

#[tokio::test]
async fn an_undone_change_says_why_and_what_is_next() {
    let site = Site::begin().await;
    *site.host.operation.lock().unwrap() = Some(sample_of("operation-undone"));
    let page = site.sign_in("vera").await.get("/upgrade").await.body;
    for said in
        ["was undone", "LF4208", "incompatible data directory", "wait until postgres is ready", "send it to the vendor"]
    {
        assert!(page.contains(said), "no {said}: {page}");
    }
}

#[tokio::test]
async fn programs_plan_and_approve_with_the_scope_and_the_role() {
    let site = Site::begin().await;
    let program = site.program("root", &[Scope::Upgrade, Scope::Read]).await;
    let plan = async |visitor: &Visitor| {
        let body = json!({ "change": "upgrade", "medium": "3f0c9a1b2c3d4e5f60718293a4b5c6d7" });
        visitor.call(Method::POST, "/api/v1/plans", &body.to_string()).await
    };
    let asked = plan(&program).await;
    assert_eq!((asked.status, asked.json()["state"].as_str()), (StatusCode::ACCEPTED, Some("done")));
    let id = asked.json()["request"].as_str().unwrap().to_owned();
    assert_eq!(program.get(&format!("/api/v1/requests/{id}")).await.json()["plan"], PLAN);
    assert_eq!(program.get(&format!("/api/v1/plans/{PLAN}")).await.json()["document"], sample("upgradeDryRun"));
    let body = json!({ "medium": "3f0c9a1b2c3d4e5f60718293a4b5c6d7", "plan": PLAN, "confirm": "node-1" }).to_string();
    assert_eq!(program.call(Method::POST, "/api/v1/upgrades", &body).await.status, StatusCode::ACCEPTED);
    assert_eq!(
        site.program("root", &[Scope::Read]).await.call(Method::POST, "/api/v1/upgrades", &body).await.status,
        StatusCode::FORBIDDEN
    );
    let operator = site.program("olga", &[Scope::Upgrade]).await;
    assert_eq!(plan(&operator).await.status, StatusCode::ACCEPTED);
    assert_eq!(operator.call(Method::POST, "/api/v1/upgrades", &body).await.status, StatusCode::FORBIDDEN);
    let odd = json!({ "request": "../../x", "operation": 2 }).to_string();
    assert_eq!(
        program.call(Method::POST, "/api/v1/operations/abort", &odd).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(program.get("/api/v1/operation").await.json()["state"], "committed");
    assert_eq!(program.get("/api/v1/media").await.json()["media"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn who_planned_approved_and_undid_is_recorded() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&site, &root).await;
    let fields = [("request", "0123abcd0123"), ("plan", PLAN), ("confirm", "node-1")];
    root.post("/upgrade/approve", &fields).await;
    root.post("/upgrade/abort", &[("operation", "2")]).await;
    let log = async || root.get("/api/v1/audit").await.body;
    until(async || log().await.contains("\"change.undo\"")).await;
    until(async || log().await.contains("\"upgrade.begin\"")).await;
    let log = log().await;
    let about = |action: &str| log.lines().find(|line| line.contains(&format!("\"{action}\""))).unwrap_or_default();
    assert!(about("plan.ask").contains("upgrade from medium 3f0c9a1b"), "{log}");
    assert!(
        about("upgrade.approve").contains(PLAN) && about("upgrade.approve").contains("\"actor\":\"root\""),
        "{log}"
    );
    assert!(about("change.ask-undo").contains("operation 2"), "{log}");
}

#[tokio::test]
async fn the_live_part_leads_to_the_plan_and_keeps_the_request() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let asked = olga.post("/upgrade/plan", &[("medium", "3f0c9a1b")]).await;
    let id = asked.header("location").rsplit('=').next().unwrap().to_owned();
    let part = olga.get(&format!("/live/upgrade?request={id}")).await;
    assert_eq!(part.header("hx-redirect"), format!("/upgrade/plans/{PLAN}"));
    let foreign = olga.get("/live/upgrade?request=%22%3E%3Cscript%3E").await;
    assert!(foreign.body.contains(r#"hx-get="/live/upgrade?request=""#), "{}", foreign.body);
}

fn sample_plan_view(document: serde_json::Value) -> PlanView {
    PlanView::new(PlanPage {
        digest: PLAN.to_owned(),
        change: Change::Upgrade { medium: "3f0c9a1b".to_owned() },
        site: "node-1".to_owned(),
        made: "2026-11-20T08:00:00Z".to_owned(),
        document,
    })
}

#[test]
fn a_plan_of_another_version_is_shown_as_far_as_it_is_known() {
    let mut document = sample("upgradeDryRun");
    document["downtimeSeconds"] = json!(90);
    document["edits"] = json!([{ "fields": ["/data/a"], "kept": false, "object": "ConfigMap web/web" }]);
    document["peakSpaceBytes"] = json!(3_221_225_472_u64);
    document["outlook"]["weather"] = json!({ "step": "mark", "stepNumber": 9 });
    document["nothing"] = json!(null);
    let view = sample_plan_view(document);
    let told: Vec<_> = view.further.iter().map(|one| (one.name.as_str(), one.values.join("|"))).collect();
    let expected = [
        ("Downtime", "1 minute"),
        ("Edits", "Fields: /data/a · Kept: no · Object: ConfigMap web/web"),
        ("Peak space", "3.0 GiB"),
        ("Weather", "Step: mark · Step number: 9"),
    ];
    assert_eq!(told, expected.map(|(name, value)| (name, value.to_owned())));
    assert!(view.edits.is_empty() && view.point_of_no_return.is_some() && view.space.len() == 2);
    for bare in [json!({}), json!(null), json!({ "to": "starter 2", "components": "none" })] {
        let view = sample_plan_view(bare);
        assert!(view.changed.is_empty() && view.further.is_empty() && view.duration.is_none());
        assert!(view.point_of_no_return.is_none() && view.space.is_empty());
    }
}

#[test]
fn values_that_change_and_the_time_of_all_of_it_have_places_of_their_own() {
    let view = sample_plan_view(sample("upgradeDryRun"));
    let values: Vec<_> =
        view.values.iter().map(|change| (change.setting.as_str(), change.now(), change.later())).collect();
    let changed = |setting, now: &str, later: &str| (setting, now.to_owned(), later.to_owned());
    let expected =
        [changed("values.postgres.memory", "1Gi", "1280Mi"), changed("values.assistant.greeting", "Good morning.", "")];
    assert_eq!(values, expected);
    assert_eq!(view.duration.as_deref(), Some("an estimated 5 minutes"));
    assert!(view.further.iter().all(|one| !["Values", "Seconds", "Is predicted"].contains(&one.name.as_str())));
}

#[test]
fn notes_of_the_vendor_have_a_place_of_their_own() {
    let mut document = sample("upgradeDryRun");
    document["notes"] = json!("# 1.2.0\n- faster");
    let view = sample_plan_view(document);
    assert_eq!(view.notes.as_deref(), Some("# 1.2.0\n- faster"));
    assert!(view.further.iter().all(|one| one.name != "Notes"));
}

#[test]
fn a_long_text_hides_no_other() {
    let long =
        sample_plan_view(json!({ "deep": { "a": "x".repeat(10_000), "b": "the end" }, "many": vec![json!(1); 50] }));
    let values: Vec<_> = long.further.iter().flat_map(|one| one.values.clone()).collect();
    assert_eq!(values[0], format!("A: {}… · B: the end", "x".repeat(300)));
    assert_eq!((values.len(), values[41].as_str()), (42, "and 10 more"));
}

#[test]
fn what_happens_to_each_component_is_said() {
    let said = |document| {
        let view = sample_plan_view(document);
        let said = |row: &super::plan::ComponentRow| (row.meanwhile(), row.data().to_owned());
        view.changed.iter().map(said).collect::<Vec<_>>()
    };
    let expect = |expected: [(&str, &str); 5]| expected.map(|(one, two)| (one.to_owned(), two.to_owned()));
    let mut document = sample("upgradeDryRun");
    let with_outlook = expect([
        ("pods are replaced, in about 53 seconds", ""),
        ("starts", ""),
        ("pods are replaced, in an estimated 16 seconds", "stays as it is"),
        ("stops for about 1 minute", "is copied, then may be changed"),
        ("ends", ""),
    ]);
    assert_eq!(said(document.clone()), with_outlook);
    document["outlook"] =
        json!({ "components": [{ "component": "dns", "interruption": "stops", "data": "restored" }] });
    let view = sample_plan_view(document.clone());
    assert_eq!(view.stopped_components(), ["postgres", "dns"], "an unchanged component that stops is not hidden");
    assert!(!view.unchanged.contains(&"dns".to_owned()));
    document.as_object_mut().unwrap().remove("outlook");
    let without =
        expect([("pods are replaced", ""), ("starts", ""), ("pods are replaced", ""), ("stops", ""), ("ends", "")]);
    assert_eq!(said(document), without);
}

/// Returns the page of the changed sample plan, as shown to an administrator.
async fn page_of(site: &Site, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let root = site.sign_in("root").await;
    plan_page(site, &root).await;
    change(&mut site.host.plans.lock().unwrap()[0].document);
    root.get(&format!("/upgrade/plans/{PLAN}")).await.body
}

#[tokio::test]
async fn the_plans_page_says_what_is_lost_and_what_space_is_needed() {
    let site = Site::begin().await;
    let long = format!("the data of {} is removed", "x".repeat(2000));
    let page = page_of(&site, |document| {
        document["outlook"]["pointOfNoReturn"]["lost"].as_array_mut().unwrap().push(json!(long));
        document["space"][1]["freeBytes"] = json!(1024);
    });
    let page = page.await;
    for said in [
        "refuse releases before 1.2.0 from now on",
        "The copies of the data of postgres are removed",
        "the site keeps two releases.",
        &long[4..],
        "stops for about 1 minute",
        "is copied, then may be changed",
        "/mnt/backups",
        "2.1 GiB for a backup",
        "Too little",
        ".spec.replicas",
        "kubectl-edit",
        "Approve and upgrade",
    ] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    assert!(!page.contains("LF4036"), "the edit stays");
}

#[tokio::test]
async fn an_edit_that_would_be_lost_leaves_nothing_to_approve() {
    let site = Site::begin().await;
    let page = page_of(&site, |document| {
        document["edits"].as_array_mut().unwrap().push(json!({
            "component": "postgres",
            "object": "ConfigMap postgres/settings",
            "field": ".data.<b>",
            "manager": "kubectl-patch",
            "now": "on",
            "new": "off",
            "stays": false,
        }));
    });
    let page = page.await;
    let notice = page.split("id=\"edited\"").nth(1).unwrap_or_else(|| panic!("{page}")).split("</div>").next().unwrap();
    for said in [
        "1 edit",
        "LF4036",
        "ConfigMap postgres/settings",
        "kubectl-patch",
        "landfall upgrade --overwrite-edits",
        "revert",
    ] {
        assert!(notice.contains(said), "no {said}: {notice}");
    }
    assert!(!notice.contains("apps/Deployment assistant"), "an edit that stays is in nothing's way");
    assert!(!page.contains("/upgrade/approve") && !page.contains("name=\"confirm\""), "{page}");
    assert!(page.contains("Would be lost") && !page.contains("<b>"), "{page}");
}

/// Changes the host's report on the approved upgrade.
fn set_approval(site: &Site, change: impl FnOnce(&mut Request)) {
    change(site.host.requests.lock().unwrap().iter_mut().find(|request| request.verb == "upgrade").unwrap());
}

#[tokio::test]
async fn an_unanswered_approval_claims_nothing() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&site, &root).await;
    root.post("/upgrade/approve", &[("request", "0123abcd0123"), ("plan", PLAN), ("confirm", "node-1")]).await;
    let page = async |code: &str| {
        let problem = Problem {
            status: 503,
            title: "there was no answer in 60 seconds".to_owned(),
            detail: None,
            code: Some(code.into()),
            hint: None,
        };
        set_approval(&site, |approval| {
            (approval.state, approval.problem) = (RequestState::Failed, Some(problem));
        });
        root.get("/upgrade?request=0123abcd0123").await.body
    };
    let unanswered = page("LF4808").await;
    assert!(unanswered.contains("It is not known whether the change began"), "{unanswered}");
    assert!(!unanswered.contains("Nothing was changed"), "{unanswered}");
    assert!(page("LF4806").await.contains("The change did not begin. Nothing was changed."));
}

#[tokio::test]
async fn a_change_that_waits_for_the_hosts_administrator_says_so() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&site, &root).await;
    root.post("/upgrade/approve", &[("request", "0123abcd0123"), ("plan", PLAN), ("confirm", "node-1")]).await;
    let note = "the host's administrator must also approve it: `landfall approvals list` on the host shows the plan";
    set_approval(&site, |approval| {
        (approval.state, approval.notes) = (RequestState::Running, vec![note.to_owned()]);
    });
    let page = root.get("/upgrade?request=0123abcd0123").await.body;
    assert!(page.contains("administrator must also approve it") && page.contains("landfall approvals list"), "{page}");
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_recorded_as_such_and_ends_once() {
    let site = Site::begin().await;
    let (root, other) = (site.program("root", &[Scope::Upgrade]).await, site.program("root", &[Scope::Upgrade]).await);
    let body = json!({ "request": "0123abcd0123", "operation": 2 }).to_string();
    let reader = site.sign_in("root").await;
    let log = async || reader.get("/api/v1/audit").await.body;
    let send = async |program: &Visitor| program.call(Method::POST, "/api/v1/operations/abort", &body).await.status;
    assert_eq!(send(&root).await, StatusCode::ACCEPTED);
    until(async || log().await.contains("\"change.undo\"")).await;
    assert_eq!((send(&root).await, send(&other).await), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    // A later look's end is recorded after everything that the other requests would have recorded.
    assert_eq!(root.call(Method::POST, "/api/v1/media", "{}").await.status, StatusCode::ACCEPTED);
    until(async || log().await.contains("\"media.look\"")).await;
    let log = log().await;
    let count = |text: &str| log.matches(text).count();
    assert_eq!((count("\"change.undo\""), count("\"change.ask-undo\""), count("sent again")), (1, 3, 2), "{log}");
}
