use axum::http::{Method, StatusCode};
use landfall_documents::change::Change;
use landfall_peer::Problem;
use serde_json::json;

use super::choice::parse_choice;
use super::plan::PlanView;
use crate::host::fake::{PLAN, sample, sample_of};
use crate::host::{ChangeRequest, OperationPage, OperationState, PlanPage, RequestState};
use crate::people::Scope;
use crate::testing::{REQUEST_IDS, Reply, Site, Visitor, hidden_field, until, words_of};

/// ID of the proven backup of the installed version in the sample.
const BACKUP: &str = "5e17c0ffee42b6d1";

/// Makes a plan as this visitor, and returns its page.
async fn plan_page(visitor: &Visitor, components: &[&str]) -> Reply {
    let mut fields = vec![("backup", BACKUP)];
    fields.extend(components.iter().map(|name| ("component", *name)));
    let asked = visitor.post("/restore/plan", &fields).await;
    let led = visitor.follow(&asked).await;
    assert_eq!(led.header("location"), format!("/restore/plans/{PLAN}"), "{}", led.body);
    visitor.follow(&led).await
}

#[tokio::test]
async fn proven_backups_come_first() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    assert!(olga.get("/backups").await.has("href", "/restore"));
    let page = olga.get("/restore").await.body;
    let (proven, unproven) = (page.find(BACKUP).unwrap(), page.find("c44e9a1d7b604d2e").unwrap());
    assert!(proven < unproven, "{page}");
    assert!(page[proven..unproven].contains(" checked>"), "the newest proven backup is not chosen: {page}");
    assert!(!page.contains("1f0c7a9be2d44c5f"), "a backup of another version is offered");
    assert!(!page.contains("value=\"cluster\""), "the cluster's own state is offered");
    let bounds = ["min", "max"].map(|bound| page.split(&format!(" {bound}=\"")).nth(1).unwrap().split('"').next());
    assert_eq!(bounds, [Some("2026-11-18T01:40:00"), Some("2026-11-20T07:55:00")]);
    insta::assert_snapshot!(words_of(&page));
    let viewer = site.sign_in("vera").await;
    let seen = viewer.get("/restore").await;
    assert!(!seen.has("action", "/restore/plan"), "a viewer is offered a plan: {}", seen.body);
    insta::assert_snapshot!("choice_of_viewer", words_of(&seen.body));
    assert!(!viewer.get("/backups").await.has("href", "/restore"));
}

#[tokio::test]
async fn plan_page_states_consequences() {
    let site = Site::begin().await;
    let page = plan_page(&site.sign_in("olga").await, &["postgres", "assistant"]).await;
    insta::assert_snapshot!(words_of(&page.body));
    assert!(!page.has("name", "confirm"), "an operator is offered the approval");
    let requests = site.host.changes.lock().unwrap().clone();
    let [ChangeRequest::Plan(request)] = &requests[..] else { panic!("{requests:?}") };
    let expected = Change::Restore { backup: Some(BACKUP.to_owned()), at: None, components: Vec::new() };
    assert_eq!(request.change, expected, "a full choice was not simplified");
}

#[tokio::test]
async fn console_data_shows_warning() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let plain = plan_page(&root, &["postgres"]).await;
    assert!(plain.has("id", "unproven") && !plain.has("id", "own"), "{}", plain.body);
    {
        let document = &mut site.host.plans.lock().unwrap()[0].document;
        document["replacesConsole"] = json!(true);
        document["backup"]["proven"] = json!("2026-11-20T01:52:00Z");
    }
    let page = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert!(page.has("id", "own") && !page.has("id", "unproven"), "{}", page.body);
    insta::assert_snapshot!(page.notices().join("\n"));
}

#[tokio::test]
async fn approved_restore_begins_once() {
    let site = Site::begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    plan_page(&olga, &["postgres"]).await;
    let page = root.get(&format!("/restore/plans/{PLAN}")).await;
    let request = hidden_field(&page.body, "request");
    let approve = async |visitor: &Visitor, name: &str| {
        let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", name)];
        visitor.post("/restore/approve", &fields).await
    };
    assert_eq!(approve(&olga, "node-1").await.status, StatusCode::FORBIDDEN);
    let refused = approve(&root, "node-2").await;
    assert_eq!(refused.refusal(), (422, "LF5023"));
    let begun = approve(&root, " node-1 ").await;
    assert_eq!(begun.header("location"), format!("/restore?request={request}"));
    assert_eq!(
        approve(&root, "node-1").await.header("location"),
        begun.header("location"),
        "the repeated approval was not recognized"
    );
    let approved = site.host.only_begun();
    assert_eq!(
        (approved.plan.as_str(), approved.confirm.as_str(), approved.asking.by.as_str()),
        (PLAN, "node-1", "root")
    );
    let page = root.get(&format!("/restore?request={request}")).await;
    assert!(!page.has("name", "component"), "the choice comes before the request: {}", page.body);
    let mut lines = page.notices();
    for action in ["plan.ask", "restore.approve", "restore.begin"] {
        until(async || !site.audit_lines(action).await.is_empty()).await;
        lines.extend(site.audit_lines(action).await);
    }
    insta::with_settings!({ filters => [REQUEST_IDS] }, { insta::assert_snapshot!(lines.join("\n")) });
}

#[tokio::test]
async fn plan_redirects_to_own_page() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let gone = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert_eq!(gone.refusal(), (404, "LF4805"));
    let fields = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(
        root.post("/restore/approve", &fields).await.status,
        StatusCode::NOT_FOUND,
        "an expired plan was approved"
    );
    plan_page(&root, &["postgres"]).await;
    let led = root.get(&format!("/upgrade/plans/{PLAN}")).await;
    assert_eq!(led.header("location"), format!("/restore/plans/{PLAN}"));
    site.host.plans.lock().unwrap()[0].change = Change::Upgrade { medium: "3f0c9a1b".to_owned() };
    let led = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert_eq!(led.header("location"), format!("/upgrade/plans/{PLAN}"));
}

#[tokio::test]
async fn host_refusals_show_next_step() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&root, &["postgres"]).await;
    let mut shown = Vec::new();
    for (code, title) in [
        ("LF4806", "the plan is no longer the approved one"),
        ("LF4031", "an upgrade is open"),
        ("LF4810", "the host works on another request"),
    ] {
        let id = format!("0123abcd{}", &code[2..]);
        root.post("/restore/approve", &[("request", id.as_str()), ("plan", PLAN), ("confirm", "node-1")]).await;
        let mut requests = site.host.requests.lock().unwrap().clone();
        let approval = requests.iter_mut().find(|request| request.request == id).unwrap();
        let hint = Some("Make the plan again.".to_owned());
        let problem = Problem { status: 409, title: title.to_owned(), detail: None, code: Some(code.into()), hint };
        (approval.state, approval.problem) = (RequestState::Failed, Some(problem));
        *site.host.requests.lock().unwrap() = requests;
        let page = root.get(&format!("/restore?request={id}")).await;
        assert!(page.has("href", "/restore"), "no way to another choice: {}", page.body);
        shown.push(page.section("asked"));
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[tokio::test]
async fn open_restore_hides_choice() {
    let site = Site::begin().await;
    let operation = |state, is_open| OperationPage {
        operation: "restore".to_owned(),
        from: None,
        state,
        running: is_open,
        can_abort: is_open,
        by: Some("ada".to_owned()),
        approved_by: Some("<b>bob</b>".to_owned()),
        correlation: Some("2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a".to_owned()),
        ..sample_of("operation")
    };
    *site.host.operation.lock().unwrap() = Some(operation(OperationState::Forward, true));
    let root = site.sign_in("root").await;
    let page = root.get("/restore").await;
    insta::assert_snapshot!("open_restore", page.section("latest"));
    assert!(!page.body.contains("<b>"), "a name became markup: {}", page.body);
    assert!(!page.has("name", "at"), "another restore is offered: {}", page.body);
    assert!(!site.sign_in("olga").await.get("/restore").await.has("action", "/restore/abort"));
    let asked = root.post("/restore/abort", &[("operation", "2")]).await;
    assert!(asked.header("location").starts_with("/restore?request="), "{}", asked.body);
    assert!(
        matches!(&site.host.changes.lock().unwrap()[..], [ChangeRequest::Abort(request)] if request.operation == 2)
    );
    *site.host.operation.lock().unwrap() = Some(operation(OperationState::Undone, false));
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    let page = root.get("/restore").await;
    insta::assert_snapshot!("undone_restore", page.section("latest"));
    assert!(page.has("name", "at"), "no other restore is offered: {}", page.body);
}

#[tokio::test]
async fn live_part_redirects_without_choice() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let asked = olga.post("/restore/plan", &[("at", "2026-11-20T06:00"), ("component", "postgres")]).await;
    let id = asked.header("location").rsplit('=').next().unwrap().to_owned();
    let part = olga.get(&format!("/live/restore?request={id}")).await;
    assert_eq!(part.header("hx-redirect"), format!("/restore/plans/{PLAN}"));
    let part = olga.get("/live/restore?request=%22%3E%3Cscript%3E").await;
    assert!(part.has("hx-get", "/live/restore?request=") && !part.has("name", "component"), "{}", part.body);
}

#[test]
fn form_takes_backup_or_time() {
    let known = ["assistant", "postgres"].map(str::to_owned);
    let read = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        parse_choice(&fields, &known)
    };
    let restore = |backup: Option<&str>, at: Option<&str>, components: &[&str]| Change::Restore {
        backup: backup.map(str::to_owned),
        at: at.map(str::to_owned),
        components: components.iter().map(|name| (*name).to_owned()).collect(),
    };
    let one = [("backup", BACKUP), ("component", "postgres"), ("component", "postgres")];
    assert_eq!(read(&one).unwrap(), restore(Some(BACKUP), None, &["postgres"]));
    let all = [("component", "postgres"), ("backup", BACKUP), ("component", "assistant")];
    assert_eq!(read(&all).unwrap(), restore(Some(BACKUP), None, &[]));
    for text in ["2026-11-20T06:00", "2026-11-20T06:00:00", "2026-11-20T06:00:00Z", " 2026-11-20T07:00:00+01:00 "] {
        let found = read(&[("at", text), ("component", "postgres")]).unwrap();
        assert_eq!(found, restore(None, Some("2026-11-20T06:00:00Z"), &["postgres"]), "{text}");
    }
    let refused: [&[(&str, &str)]; 5] = [
        &[("backup", BACKUP)],
        &[("component", "postgres")],
        &[("backup", BACKUP), ("at", "2026-11-20T06:00"), ("component", "postgres")],
        &[("at", "yesterday"), ("component", "postgres")],
        &[("at", "--confirm"), ("component", "postgres")],
    ];
    for fields in refused {
        assert_eq!(read(fields).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
    }
}

#[test]
fn unknown_plan_fields_are_listed() {
    let planned = |document| {
        PlanView::new(PlanPage {
            digest: PLAN.to_owned(),
            change: Change::Restore { backup: None, at: Some("2026-11-20T06:00:00Z".to_owned()), components: vec![] },
            site: "node-1".to_owned(),
            made: "2026-11-20T08:00:00Z".to_owned(),
            document,
        })
    };
    let mut document = sample("restoreDryRun");
    document["overwrites"] = json!([{ "volume": "data" }]);
    document["weather"] = json!("fair");
    let view = planned(document);
    let further: Vec<_> = view.further.iter().map(|one| (one.name.as_str(), one.values.join("|"))).collect();
    assert_eq!(further, [("Overwrites", "Volume: data".to_owned()), ("Weather", "fair".to_owned())]);
    assert!(view.overwrites.is_empty() && view.stopped.len() == 2 && view.at.is_some());
    for bare in [json!({}), json!(null), json!({ "components": "none" })] {
        let view = planned(bare);
        assert!(view.title == "Restore data" && view.stopped.is_empty() && !view.is_proven, "{}", view.title);
    }
    let mut many = sample("restoreDryRun");
    many["components"] = json!(["a", "b", "c", "d"]);
    assert_eq!(planned(many).title, "Restore 4 components");
}

#[tokio::test]
async fn programs_need_scope_and_role() {
    let site = Site::begin().await;
    let program = site.program("root", &[Scope::Upgrade, Scope::Read]).await;
    let plan = async |visitor: &Visitor| {
        let body = json!({ "change": "restore", "at": "2026-11-20T06:00:00Z", "components": ["postgres"] });
        visitor.call(Method::POST, "/api/v1/plans", &body.to_string()).await
    };
    let id = plan(&program).await.json()["request"].as_str().unwrap().to_owned();
    assert_eq!(program.get(&format!("/api/v1/requests/{id}")).await.json()["plan"], PLAN);
    let page = program.get(&format!("/api/v1/plans/{PLAN}")).await.json();
    assert_eq!((&page["change"], &page["document"]), (&json!("restore"), &sample("restoreDryRun")));
    let approval = json!({
        "at": "2026-11-20T06:00:00Z", "components": ["postgres"], "plan": PLAN, "confirm": "node-1",
    });
    let approve =
        async |visitor: &Visitor| visitor.call(Method::POST, "/api/v1/restores", &approval.to_string()).await.status;
    assert_eq!(approve(&program).await, StatusCode::ACCEPTED);
    let operator = site.program("olga", &[Scope::Upgrade]).await;
    assert_eq!(plan(&operator).await.status, StatusCode::ACCEPTED);
    assert_eq!(approve(&operator).await, StatusCode::FORBIDDEN);
    assert_eq!(approve(&site.program("root", &[Scope::Read, Scope::Backup]).await).await, StatusCode::FORBIDDEN);
    let _begun = site.host.only_begun();
}
