use axum::http::{Method, StatusCode};
use landfall_documents::change::{Change, DataChoice};
use landfall_peer::Problem;
use serde_json::json;

use super::plan::PlanView;
use crate::host::fake::{PLAN, sample, sample_of};
use crate::host::{ChangeRequest, OperationPage, PlanPage, Request, RequestState};
use crate::people::Scope;
use crate::testing::{KEY_IDS, RELATIVE_TIMES, REQUEST_IDS, Reply, Site, Visitor, hidden_field, until, words_of};

/// Makes a plan as an operator, and returns its page.
async fn plan_page(site: &Site, visitor: &Visitor) -> Reply {
    let medium = site.host.media.lock().unwrap().media[0].id.clone();
    let asked = visitor.post("/upgrade/plan", &[("medium", &medium)]).await;
    let led = visitor.follow(&asked).await;
    visitor.follow(&led).await
}

#[tokio::test]
async fn media_list_escapes_hostile_names() {
    let site = Site::begin().await;
    let page = site.sign_in("olga").await.get("/upgrade").await;
    assert!(page.is_success(), "{}", page.body);
    insta::with_settings!({ filters => [RELATIVE_TIMES] }, {
        insta::assert_snapshot!("media_list", page.section("media"));
    });
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert_eq!(page.body.matches("Make a plan").count(), 1, "an unusable medium has a button");
    let viewer = site.sign_in("vera").await.get("/upgrade").await;
    assert!(!viewer.has("action", "/upgrade/plan") && !viewer.has("action", "/upgrade/look"), "{}", viewer.body);
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
async fn operators_upload_and_remove_bundle() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let assert_card = |name: &str, page: &Reply| {
        let (filters, card) = ([RELATIVE_TIMES, KEY_IDS], page.section("upload-heading"));
        insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, card) });
    };
    let page = olga.get("/upgrade").await;
    assert_card("upload_before", &page);
    assert!(page.has("id", "bundle"), "{}", page.body);
    assert!(["/assets/upload.", "<noscript>"].iter().all(|part| page.body.contains(part)), "{}", page.body);
    assert!(!site.sign_in("vera").await.get("/upgrade").await.has("id", "upload"));
    let program = site.program("olga", &[Scope::Upgrade]).await;
    let place = upload(&program, "<script>alert(1)</script>", 2048).await;
    let headers =
        [("tus-resumable", "1.0.0"), ("content-type", "application/offset+octet-stream"), ("upload-offset", "0")];
    program.send(Method::PATCH, &place, &headers, &"x".repeat(512)).await;
    let page = olga.get("/upgrade").await;
    let id = place.rsplit('/').next().unwrap();
    assert_card("upload_in_part", &page);
    assert!(page.has("data-id", id), "{}", page.body);
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let headers = headers.map(|(name, value)| if name == "upload-offset" { (name, "512") } else { (name, value) });
    program.send(Method::PATCH, &place, &headers, &"x".repeat(1536)).await;
    let page = olga.get("/upgrade").await;
    assert_card("upload_arrived", &page);
    assert!(page.section("media").contains("uploaded by key:"), "{}", page.body);
    assert!(page.has("id", "plan-0123456789abcdef"), "{}", page.body);
    assert!(!page.has("id", "bundle"), "a second upload is offered: {}", page.body);
    assert_eq!(
        site.sign_in("vera").await.post("/upgrade/upload/remove", &[("id", id)]).await.status,
        StatusCode::FORBIDDEN
    );
    let removed = olga.post("/upgrade/upload/remove", &[("id", id)]).await;
    assert_eq!(olga.follow(&removed).await.notices(), ["The upload is removed from the host."]);
    let again = olga.post("/upgrade/upload/remove", &[("id", id)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn approved_plan_begins_once() {
    let site = Site::begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let read = plan_page(&site, &olga).await;
    insta::assert_snapshot!(words_of(&read.body));
    assert!(!read.has("name", "confirm"), "an operator is offered the approval");
    let page = root.get(&format!("/upgrade/plans/{PLAN}")).await;
    let request = hidden_field(&page.body, "request");
    let approve = async |visitor: &Visitor, name: &str| {
        let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", name)];
        visitor.post("/upgrade/approve", &fields).await
    };
    assert_eq!(approve(&olga, "node-1").await.status, StatusCode::FORBIDDEN);
    let refused = approve(&root, "node-2").await;
    assert_eq!(refused.refusal(), (422, "LF5023"));
    insta::assert_snapshot!("wrong_site_name", refused.problem());
    let begun = approve(&root, " node-1 ").await;
    assert_eq!(begun.header("location"), format!("/upgrade?request={request}"));
    let again = approve(&root, "node-1").await;
    assert_eq!(again.header("location"), begun.header("location"), "the repeated approval was not recognized");
    let approved = site.host.only_begun();
    assert_eq!(
        (approved.plan.as_str(), approved.confirm.as_str(), approved.asking.by.as_str()),
        (PLAN, "node-1", "root")
    );
    assert!(matches!(&approved.change, Change::Upgrade { .. }), "the change is not the plan's");
}

#[tokio::test]
async fn lost_plan_names_next_step() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    for path in [format!("/upgrade/plans/{PLAN}"), "/upgrade/plans/..%2f..%2fstatus".to_owned()] {
        assert_eq!(root.get(&path).await.refusal(), (404, "LF4805"), "{path}");
    }
    let fields = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/upgrade/approve", &fields).await.status, StatusCode::NOT_FOUND);
    assert!(site.host.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn rollback_plan_states_data_choice() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let releases = olga.get("/releases").await.body;
    assert_eq!(releases.matches("Return to this release").count(), 1, "a return to the installed release is offered");
    assert!(!site.sign_in("vera").await.get("/releases").await.has("action", "/releases/plan"));
    let asked = olga.post("/releases/plan", &[("version", "1.0.0"), ("data", "keep")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    let requests = site.host.changes.lock().unwrap().clone();
    let [ChangeRequest::Plan(request)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.change, Change::Rollback { version: "1.0.0".to_owned(), data: Some(DataChoice::Keep) });
    let refused = olga.post("/releases/plan", &[("version", "1.0.0"), ("data", "delete")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn open_change_hides_media() {
    let site = Site::begin().await;
    let mut open: OperationPage = sample_of("operation");
    (open.state, open.can_abort, open.running) = (crate::host::OperationState::Forward, true, true);
    *site.host.operation.lock().unwrap() = Some(open);
    let root = site.sign_in("root").await;
    let page = root.get("/upgrade").await;
    insta::assert_snapshot!(page.section("latest"));
    assert!(!page.has("action", "/upgrade/plan") && !page.has("action", "/upgrade/look"), "{}", page.body);
    assert!(!site.sign_in("olga").await.get("/upgrade").await.has("action", "/upgrade/abort"));
    let asked = root.post("/upgrade/abort", &[("operation", "2")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    assert!(
        matches!(&site.host.changes.lock().unwrap()[..], [ChangeRequest::Abort(request)] if request.operation == 2)
    );
    // The operation has passed its commit.
    *site.host.operation.lock().unwrap() = Some(sample_of("operation"));
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    assert!(!root.get("/upgrade").await.has("action", "/upgrade/abort"));
}

#[tokio::test]
async fn undone_change_states_reason() {
    let site = Site::begin().await;
    *site.host.operation.lock().unwrap() = Some(sample_of("operation-undone"));
    insta::assert_snapshot!(site.sign_in("vera").await.get("/upgrade").await.section("latest"));
}

#[tokio::test]
async fn programs_need_scope_and_role() {
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
async fn plan_approval_and_undo_are_recorded() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&site, &root).await;
    let fields = [("request", "0123abcd0123"), ("plan", PLAN), ("confirm", "node-1")];
    root.post("/upgrade/approve", &fields).await;
    root.post("/upgrade/abort", &[("operation", "2")]).await;
    let mut lines = Vec::new();
    for action in ["plan.ask", "upgrade.approve", "upgrade.begin", "change.ask-undo", "change.undo"] {
        until(async || !site.audit_lines(action).await.is_empty()).await;
        lines.extend(site.audit_lines(action).await);
    }
    insta::with_settings!({ filters => [REQUEST_IDS] }, {
        insta::assert_snapshot!("entries_of_upgrade", lines.join("\n"));
    });
}

#[tokio::test]
async fn live_part_redirects_to_plan() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let asked = olga.post("/upgrade/plan", &[("medium", "3f0c9a1b")]).await;
    let id = asked.header("location").rsplit('=').next().unwrap().to_owned();
    let part = olga.get(&format!("/live/upgrade?request={id}")).await;
    assert_eq!(part.header("hx-redirect"), format!("/upgrade/plans/{PLAN}"));
    let foreign = olga.get("/live/upgrade?request=%22%3E%3Cscript%3E").await;
    assert!(foreign.has("hx-get", "/live/upgrade?request="), "{}", foreign.body);
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
fn unknown_plan_fields_are_listed() {
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
fn changed_values_have_own_place() {
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
fn vendor_notes_have_own_place() {
    let mut document = sample("upgradeDryRun");
    document["notes"] = json!("# 1.2.0\n- faster");
    let view = sample_plan_view(document);
    assert_eq!(view.notes.as_deref(), Some("# 1.2.0\n- faster"));
    assert!(view.further.iter().all(|one| one.name != "Notes"));
}

#[test]
fn long_text_hides_no_other() {
    let long =
        sample_plan_view(json!({ "deep": { "a": "x".repeat(10_000), "b": "the end" }, "many": vec![json!(1); 50] }));
    let values: Vec<_> = long.further.iter().flat_map(|one| one.values.clone()).collect();
    assert_eq!(values[0], format!("A: {}… · B: the end", "x".repeat(300)));
    assert_eq!((values.len(), values[41].as_str()), (42, "and 10 more"));
}

#[test]
fn component_rows_state_interruption() {
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
    assert_eq!(view.stopped_components(), ["postgres", "dns"], "a stopped component is hidden");
    assert!(!view.unchanged.contains(&"dns".to_owned()));
    document.as_object_mut().unwrap().remove("outlook");
    let without =
        expect([("pods are replaced", ""), ("starts", ""), ("pods are replaced", ""), ("stops", ""), ("ends", "")]);
    assert_eq!(said(document), without);
}

/// Returns the page of the changed sample plan, as shown to an administrator.
async fn page_of(site: &Site, change: impl FnOnce(&mut serde_json::Value)) -> Reply {
    let root = site.sign_in("root").await;
    plan_page(site, &root).await;
    change(&mut site.host.plans.lock().unwrap()[0].document);
    root.get(&format!("/upgrade/plans/{PLAN}")).await
}

#[tokio::test]
async fn plan_page_states_loss_and_space() {
    let site = Site::begin().await;
    let long = format!("the data of {} is removed", "x".repeat(2000));
    let page = page_of(&site, |document| {
        document["outlook"]["pointOfNoReturn"]["lost"].as_array_mut().unwrap().push(json!(long));
        document["space"][1]["freeBytes"] = json!(1024);
    });
    let page = page.await;
    insta::with_settings!({ filters => [("x{2000}", "[2000 x]")] }, { insta::assert_snapshot!(words_of(&page.body)) });
    assert!(!page.has("id", "edited"), "an edit that stays is in the way");
}

#[tokio::test]
async fn lost_edit_removes_approval() {
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
    insta::assert_snapshot!(page.notices().join("\n"));
    assert!(!page.has("action", "/upgrade/approve") && !page.has("name", "confirm"), "{}", page.body);
    assert!(!page.body.contains("<b>"), "a field became markup: {}", page.body);
}

/// Changes the host's report on the approved upgrade.
fn set_approval(site: &Site, change: impl FnOnce(&mut Request)) {
    change(site.host.requests.lock().unwrap().iter_mut().find(|request| request.verb == "upgrade").unwrap());
}

#[tokio::test]
async fn unanswered_approval_claims_nothing() {
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
        root.get("/upgrade?request=0123abcd0123").await
    };
    let unanswered = page("LF4808").await;
    insta::assert_snapshot!("unanswered_approval", unanswered.section("asked"));
    assert!(!unanswered.body.contains("Nothing was changed"), "{}", unanswered.body);
    insta::assert_snapshot!("refused_approval", page("LF4806").await.section("asked"));
}

#[tokio::test]
async fn host_approval_is_announced() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&site, &root).await;
    root.post("/upgrade/approve", &[("request", "0123abcd0123"), ("plan", PLAN), ("confirm", "node-1")]).await;
    let note = "the host's administrator must also approve it: `landfall approvals list` on the host shows the plan";
    set_approval(&site, |approval| {
        (approval.state, approval.notes) = (RequestState::Running, vec![note.to_owned()]);
    });
    let notices = root.get("/upgrade?request=0123abcd0123").await.notices().join("\n");
    insta::with_settings!({ filters => [RELATIVE_TIMES] }, { insta::assert_snapshot!(notices) });
}

#[tokio::test]
async fn repeated_request_ends_once() {
    let site = Site::begin().await;
    let (root, other) = (site.program("root", &[Scope::Upgrade]).await, site.program("root", &[Scope::Upgrade]).await);
    let body = json!({ "request": "0123abcd0123", "operation": 2 }).to_string();
    let send = async |program: &Visitor| program.call(Method::POST, "/api/v1/operations/abort", &body).await.status;
    assert_eq!(send(&root).await, StatusCode::ACCEPTED);
    until(async || !site.audit_lines("change.undo").await.is_empty()).await;
    assert_eq!((send(&root).await, send(&other).await), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    // A later look's end is recorded after everything that the other requests would have recorded.
    assert_eq!(root.call(Method::POST, "/api/v1/media", "{}").await.status, StatusCode::ACCEPTED);
    until(async || !site.audit_lines("media.look").await.is_empty()).await;
    let lines = site.audit_lines("change.").await.join("\n");
    insta::with_settings!({ filters => [KEY_IDS] }, { insta::assert_snapshot!(lines) });
}
