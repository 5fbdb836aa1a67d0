use axum::http::{Method, StatusCode};
use landfall_documents::change::Change;
use landfall_peer::Problem;
use serde_json::json;

use super::choice::parse_choice;
use super::plan::PlanView;
use crate::host::fake::{PLAN, sample, sample_of};
use crate::host::{ChangeRequest, OperationPage, OperationState, PlanPage, RequestState};
use crate::people::Scope;
use crate::testing::{Reply, Site, Visitor, hidden_field, until, words_of};

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
async fn backups_of_the_installed_version_are_offered_the_proven_ones_first() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    assert!(olga.get("/backups").await.body.contains("href=\"/restore\""));
    let page = olga.get("/restore").await.body;
    let (proven, unproven) = (page.find(BACKUP).unwrap(), page.find("c44e9a1d7b604d2e").unwrap());
    assert!(proven < unproven && page.contains("Not proven"), "{page}");
    assert!(page[proven..unproven].contains(" checked>"), "the newest proven one is chosen: {page}");
    assert!(!page.contains("1f0c7a9be2d44c5f"), "backups of another version return with that version");
    assert!(!page.contains("value=\"cluster\""), "the cluster's own state returns by a person's hand");
    assert!(page.contains("min=\"2026-11-18T01:40:00\"") && page.contains("max=\"2026-11-20T07:55:00\""), "{page}");
    insta::assert_snapshot!(words_of(&page));
    let viewer = site.sign_in("vera").await;
    let seen = viewer.get("/restore").await.body;
    assert!(seen.contains("An operator makes the plan") && !seen.contains("/restore/plan"), "{seen}");
    assert!(!viewer.get("/backups").await.body.contains("href=\"/restore\""));
}

#[tokio::test]
async fn a_plan_says_what_is_overwritten_lost_and_stopped() {
    let site = Site::begin().await;
    let page = plan_page(&site.sign_in("olga").await, &["postgres", "assistant"]).await.body;
    insta::assert_snapshot!(words_of(&page));
    assert!(!page.contains("name=\"confirm\""), "an operator does not approve");
    let requests = site.host.changes.lock().unwrap().clone();
    let [ChangeRequest::Plan(request)] = &requests[..] else { panic!("{requests:?}") };
    let expected = Change::Restore { backup: Some(BACKUP.to_owned()), at: None, components: Vec::new() };
    assert_eq!(request.change, expected, "all of them are everything that the backup has");
}

#[tokio::test]
async fn the_consoles_own_data_is_named_and_a_proven_backup_has_no_warning() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let plain = plan_page(&root, &["postgres"]).await.body;
    assert!(plain.contains("id=\"unproven\"") && !plain.contains("id=\"own\""), "{plain}");
    {
        let document = &mut site.host.plans.lock().unwrap()[0].document;
        document["replacesConsole"] = json!(true);
        document["backup"]["proven"] = json!("2026-11-20T01:52:00Z");
    }
    let page = root.get(&format!("/restore/plans/{PLAN}")).await.body;
    assert!(page.contains("id=\"own\"") && page.contains("all sessions end"), "{page}");
    assert!(!page.contains("id=\"unproven\""), "{page}");
}

#[tokio::test]
async fn a_restore_is_approved_by_the_sites_name_and_begun_once() {
    let site = Site::begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    plan_page(&olga, &["postgres"]).await;
    let page = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert!(page.body.contains("Approve and restore"), "{}", page.body);
    let request = hidden_field(&page.body, "request");
    let approve = async |visitor: &Visitor, name: &str| {
        let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", name)];
        visitor.post("/restore/approve", &fields).await
    };
    assert_eq!(approve(&olga, "node-1").await.status, StatusCode::FORBIDDEN);
    let refused = approve(&root, "node-2").await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains("node-1"), "{}", refused.body);
    let begun = approve(&root, " node-1 ").await;
    assert_eq!(begun.header("location"), format!("/restore?request={request}"));
    assert_eq!(approve(&root, "node-1").await.header("location"), begun.header("location"), "sent twice, begun once");
    let approved = site.host.only_begun();
    assert_eq!(
        (approved.plan.as_str(), approved.confirm.as_str(), approved.asking.by.as_str()),
        (PLAN, "node-1", "root")
    );
    let page = root.get(&format!("/restore?request={request}")).await.body;
    assert!(page.contains("What was written last is not saved."), "notes of the host are shown: {page}");
    assert!(!page.contains("name=\"component\""), "what was asked for comes first");
    let log = async || root.get("/api/v1/audit").await.body;
    until(async || log().await.contains("\"restore.begin\"")).await;
    let log = log().await;
    let about = |action: &str| log.lines().find(|line| line.contains(&format!("\"{action}\""))).unwrap_or_default();
    assert!(about("plan.ask").contains(&format!("restore of postgres from backup {BACKUP}")), "{log}");
    assert!(
        about("restore.approve").contains(PLAN) && about("restore.approve").contains("\"actor\":\"root\""),
        "{log}"
    );
}

#[tokio::test]
async fn a_plan_is_shown_on_the_page_of_its_kind_and_one_that_is_gone_says_what_to_do() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let gone = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert!(gone.status == StatusCode::NOT_FOUND && gone.body.contains("LF4805"), "{}", gone.body);
    let fields = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/restore/approve", &fields).await.status, StatusCode::NOT_FOUND, "an expired plan");
    plan_page(&root, &["postgres"]).await;
    let led = root.get(&format!("/upgrade/plans/{PLAN}")).await;
    assert_eq!(led.header("location"), format!("/restore/plans/{PLAN}"));
    site.host.plans.lock().unwrap()[0].change = Change::Upgrade { medium: "3f0c9a1b".to_owned() };
    let led = root.get(&format!("/restore/plans/{PLAN}")).await;
    assert_eq!(led.header("location"), format!("/upgrade/plans/{PLAN}"));
}

#[tokio::test]
async fn what_the_host_refuses_is_shown_with_its_code_and_a_way_on() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&root, &["postgres"]).await;
    for (code, title) in [
        ("LF4806", "what would be done is no longer what was approved"),
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
        let page = root.get(&format!("/restore?request={id}")).await.body;
        for said in
            ["The change did not begin. Nothing was changed.", code, "Make the plan again.", "href=\"/restore\""]
        {
            assert!(page.contains(said), "no {said}: {page}");
        }
    }
}

#[tokio::test]
async fn an_open_restore_can_be_undone_and_hides_the_choice() {
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
    let page = root.get("/restore").await.body;
    assert!(page.contains("<code>2b1d7c1e-4a3f-4d5c-8a53-0f0e0d0c0b0a</code>"), "the request that asked: {page}");
    assert!(
        page.contains("<p><bdi>ada</bdi> asked for it, and <bdi>&#60;b&#62;bob&#60;/b&#62;</bdi> approved it.</p>"),
        "who asked: {page}"
    );
    assert!(page.contains("Undo the change now") && page.contains("the data from before is in place again"), "{page}");
    assert!(page.contains("Restore of data of starter 1.1.0 is being carried out.") && !page.contains("name=\"at\""));
    assert!(!site.sign_in("olga").await.get("/restore").await.body.contains("Undo the change now"));
    let asked = root.post("/restore/abort", &[("operation", "2")]).await;
    assert!(asked.header("location").starts_with("/restore?request="), "{}", asked.body);
    assert!(
        matches!(&site.host.changes.lock().unwrap()[..], [ChangeRequest::Abort(request)] if request.operation == 2)
    );
    *site.host.operation.lock().unwrap() = Some(operation(OperationState::Undone, false));
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    let page = root.get("/restore").await.body;
    assert!(page.contains("was undone") && page.contains("<code>landfall replaced-data list</code>"), "{page}");
    assert!(page.contains("name=\"at\""), "another one can be chosen");
}

#[tokio::test]
async fn the_live_part_leads_to_the_plan_and_has_no_choice_that_a_refresh_would_lose() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let asked = olga.post("/restore/plan", &[("at", "2026-11-20T06:00"), ("component", "postgres")]).await;
    let id = asked.header("location").rsplit('=').next().unwrap().to_owned();
    let part = olga.get(&format!("/live/restore?request={id}")).await;
    assert_eq!(part.header("hx-redirect"), format!("/restore/plans/{PLAN}"));
    let part = olga.get("/live/restore?request=%22%3E%3Cscript%3E").await.body;
    assert!(part.contains(r#"hx-get="/live/restore?request=""#) && !part.contains("name=\"component\""), "{part}");
}

#[test]
fn a_form_is_a_backup_or_a_time_and_some_components() {
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
fn a_plan_of_another_version_is_shown_as_far_as_it_is_known() {
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
async fn programs_plan_and_approve_with_the_scope_and_the_role() {
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
