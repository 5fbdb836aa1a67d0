use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{ApprovalSubject, is_same_person, open, turn_on};
use crate::database::query;
use crate::host::ChangeRequest;
use crate::host::fake::PLAN;
use crate::people::{Person, Role, Scope, Source, admit, create_user, remove_user, set_disabled, set_password};
use crate::refusal::Refusal;
use crate::testing::{PASSWORD, RELATIVE_TIMES, REQUEST_IDS, Reply, Site, TIMES, Visitor, author, until, words_of};

/// Digest of the plan of a restore.
const RESTORE: &str = "sha256:0f0f0f0f0f0f";

/// Refusal because a second person must approve.
const SECOND_NEEDED: (u16, &str) = (409, "LF5041");

/// Refusal because the user is no second person.
const NOT_COUNTED: (u16, &str) = (403, "LF5042");

/// Returns a site on which root, ada and the operator olga count, with a plan at the host.
async fn begin() -> Site {
    let site = Site::begin().await;
    create_user(&site.context, &author(), "ada", Role::Administrator, PASSWORD).await.unwrap();
    let chosen = ["root", "ada", "olga"].map(str::to_owned);
    turn_on(&site.context, &author(), "root", &chosen).await.unwrap();
    plan(&site).await;
    site
}

async fn plan(site: &Site) {
    let body = json!({ "change": "upgrade", "medium": "3f0c9a1b2c3d4e5f" }).to_string();
    let program = site.program("olga", &[Scope::Upgrade]).await;
    assert_eq!(program.call(Method::POST, "/api/v1/plans", &body).await.status, StatusCode::ACCEPTED);
}

async fn ask(visitor: &Visitor) -> Reply {
    visitor.post("/upgrade/ask", &[("plan", PLAN), ("confirm", "node-1")]).await
}

/// Approves the plan's page as the second person, as its form does.
async fn second(site: &Site, visitor: &Visitor) -> Reply {
    let waiting = open(&site.context).await.unwrap();
    let id = waiting.first().map_or("none", |approval| approval.id.as_str());
    let request = crate::api::new_request();
    let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", " node-1 "), ("approval", id)];
    visitor.post("/upgrade/approve", &fields).await
}

fn begun_operations(site: &Site) -> Vec<(String, Option<String>)> {
    let requests = site.host.changes.lock().unwrap().clone();
    let begun = requests.into_iter().filter_map(|request| match request {
        ChangeRequest::Begin(request) => Some((request.asking.by, request.asking.first)),
        _ => None,
    });
    begun.collect()
}

/// Returns the heading that says how many people approve.
async fn rule_of(visitor: &Visitor) -> String {
    let words = words_of(&visitor.get("/approval").await.body);
    words.lines().find(|line| ["One person approves", "Two people approve"].contains(line)).unwrap().to_owned()
}

#[tokio::test]
async fn restore_needs_second_person() {
    let site = begin().await;
    let body = json!({ "change": "restore", "backup": "5e17c0ffee42b6d1" }).to_string();
    let program = site.program("olga", &[Scope::Upgrade]).await;
    *site.host.next_plan.lock().unwrap() = RESTORE.to_owned();
    assert_eq!(program.call(Method::POST, "/api/v1/plans", &body).await.status, StatusCode::ACCEPTED);
    let (root, ada) = (site.sign_in("root").await, site.sign_in("ada").await);
    let page = format!("/restore/plans/{RESTORE}");
    assert!(root.get(&page).await.has("action", "/restore/ask"));
    let alone = [("request", "0123abcd"), ("plan", RESTORE), ("confirm", "node-1")];
    assert_eq!(root.post("/restore/approve", &alone).await.refusal(), SECOND_NEEDED);
    let by_key = json!({ "backup": "5e17c0ffee42b6d1", "plan": RESTORE, "confirm": "node-1" }).to_string();
    let key = site.program("root", &[Scope::Upgrade]).await;
    assert_eq!(key.call(Method::POST, "/api/v1/restores", &by_key).await.refusal(), SECOND_NEEDED);
    let asked = root.post("/restore/ask", &[("plan", RESTORE), ("confirm", "node-1")]).await;
    assert_eq!(asked.header("location"), page);
    let waiting = open(&site.context).await.unwrap();
    assert_eq!(waiting[0].title, "restore of postgres, assistant from the backup of 2026-11-20T01:40:00Z");
    assert_eq!(second(&site, &root).await.refusal(), NOT_COUNTED, "one person approved twice");
    for place in ["/restore", "/upgrade", "/", "/approval"] {
        assert!(ada.get(place).await.has("href", &page), "{place} leads elsewhere");
    }
    let second = second(&site, &ada).await;
    assert!(second.header("location").starts_with("/restore?request="), "{}", second.body);
    assert_eq!(begun_operations(&site), [("ada".to_owned(), Some("root".to_owned()))]);
}

#[tokio::test]
async fn one_person_approves_by_default() {
    let site = Site::begin().await;
    plan(&site).await;
    let root = site.sign_in("root").await;
    let page = root.get(&format!("/upgrade/plans/{PLAN}")).await;
    assert!(page.has("action", "/upgrade/approve") && !page.has("action", "/upgrade/ask"), "{}", page.body);
    assert_eq!(ask(&root).await.refusal(), (422, "LF5023"));
    let turn = async |names: &[&str]| {
        let fields: Vec<_> = names.iter().map(|name| ("person", *name)).collect();
        root.post("/approval/on", &fields).await
    };
    for alone in [&[][..], &["root"], &["root", "olga"], &["root", "nobody"], &["root", "vera"]] {
        let refused = turn(alone).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{alone:?}: {}", refused.body);
    }
    assert_eq!(rule_of(&root).await, "One person approves", "a refused choice changed the rule");
    create_user(&site.context, &author(), "root@example.org", Role::Administrator, PASSWORD).await.unwrap();
    assert!(turn(&["root", "root@example.org"]).await.status.is_client_error(), "one person counts twice");
    create_user(&site.context, &author(), "ada", Role::Administrator, PASSWORD).await.unwrap();
    let on = turn(&["root", "ada"]).await;
    let page = words_of(&root.follow(&on).await.body);
    insta::with_settings!({ filters => [TIMES] }, { insta::assert_snapshot!(page) });
    assert_eq!(site.audit_lines("two-people.on").await.len(), 1);
    assert_eq!(site.audit_lines("two-people.count").await.len(), 2);
    for visitor in [site.sign_in("olga").await, site.sign_in("vera").await] {
        assert_eq!(visitor.post("/approval/on", &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(visitor.get("/approval").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn operator_approval_needs_administrator() {
    let site = begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let path = format!("/upgrade/plans/{PLAN}");
    let wrong = olga.post("/upgrade/ask", &[("plan", PLAN), ("confirm", "node-2")]).await;
    assert_eq!(wrong.refusal(), (422, "LF5023"));
    assert_eq!(ask(&site.sign_in("vera").await).await.status, StatusCode::FORBIDDEN);
    assert!(olga.get(&path).await.has("action", "/upgrade/ask"));
    assert_eq!(ask(&olga).await.header("location"), path);
    assert_eq!(ask(&olga).await.header("location"), path, "the repeated request was not recognized");
    assert!(begun_operations(&site).is_empty(), "a change began with one approval");
    assert_eq!(ask(&root).await.refusal(), SECOND_NEEDED, "a second first approval was accepted");

    let page = olga.get(&path).await;
    insta::with_settings!({ filters => [TIMES, RELATIVE_TIMES] }, {
        insta::assert_snapshot!("first_approval", page.notices().join("\n"));
    });
    let id = open(&site.context).await.unwrap()[0].id.clone();
    assert!(page.has("action", &format!("/approval/{id}/withdraw")), "{}", page.body);
    assert!(!page.has("name", "approval"), "the first person is offered the second approval: {}", page.body);
    for path in ["/upgrade", "/live/upgrade", "/", "/approval"] {
        let page = root.get(path).await.body;
        assert!(["olga", PLAN].iter().all(|part| page.contains(part)), "{path} does not show what waits: {page}");
    }
    assert!(root.get(&path).await.has("name", "approval"));
    let wrong = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "x"), ("approval", &id)];
    assert_eq!(root.post("/upgrade/approve", &wrong).await.refusal(), (422, "LF5023"));
    let done = second(&site, &root).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(begun_operations(&site), [("root".to_owned(), Some("olga".to_owned()))]);
    assert!(open(&site.context).await.unwrap().is_empty(), "the approval was not used up");
    assert!(root.get("/approval").await.is_success());
    let mut lines = Vec::new();
    for action in ["approval.", "upgrade.approve", "upgrade.begin"] {
        until(async || !site.audit_lines(action).await.is_empty()).await;
        lines.extend(site.audit_lines(action).await);
    }
    insta::with_settings!({ filters => [REQUEST_IDS, TIMES] }, {
        insta::assert_snapshot!("entries_of_two_people", lines.join("\n"));
    });
}

#[tokio::test]
async fn nobody_is_two_people() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    let key = site.program("root", &[Scope::Upgrade]).await;
    let body = json!({ "medium": "3f0c9a1b2c3d4e5f", "plan": PLAN, "confirm": "node-1" }).to_string();
    assert_eq!(key.call(Method::POST, "/api/v1/upgrades", &body).await.refusal(), SECOND_NEEDED);
    let body = json!({ "version": "1.0.0", "plan": PLAN, "confirm": "node-1" }).to_string();
    assert_eq!(key.call(Method::POST, "/api/v1/rollbacks", &body).await.refusal(), SECOND_NEEDED);
    let alone = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/upgrade/approve", &alone).await.refusal(), SECOND_NEEDED);

    let person = Person {
        source: Source::Oidc,
        subject: "https://id.example.org 7".to_owned(),
        name: "root@example.org".to_owned(),
        role: Some(Role::Administrator),
        directory: "https://id.example.org".to_owned(),
    };
    admit(&site.context, &author(), &person).await.unwrap();
    assert_eq!(ask(&root).await.status, StatusCode::SEE_OTHER);
    for visitor in [root.clone(), site.sign_in("root").await, site.sign_in("root@example.org").await] {
        assert_eq!(second(&site, &visitor).await.refusal(), NOT_COUNTED);
    }
    let id = open(&site.context).await.unwrap()[0].id.clone();
    let approve = async |visitor: &Visitor| {
        let body = json!({ "confirm": "node-1" }).to_string();
        visitor.call(Method::POST, &format!("/api/v1/approvals/{id}"), &body).await
    };
    assert_eq!(approve(&key).await.refusal(), NOT_COUNTED, "a key counts as another person");
    let operator = site.program("olga", &[Scope::Upgrade]).await;
    assert_eq!(approve(&operator).await.status, StatusCode::FORBIDDEN, "an operator gave the second approval");
    assert!(begun_operations(&site).is_empty());
    let other = approve(&site.program("ada", &[Scope::Upgrade]).await).await;
    assert_eq!((other.status, &other.json()["first"]), (StatusCode::ACCEPTED, &json!("root")), "{}", other.body);
    assert_eq!(begun_operations(&site)[0].1.as_deref(), Some("root"));
    assert!(is_same_person("Ada", "ada@example.org") && !is_same_person("ada", "adam"));
}

#[tokio::test]
async fn controlled_account_is_no_second_person() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    // An account created by the administrator.
    let created = root.post("/users", &[("name", "puppet"), ("role", "administrator"), ("password", PASSWORD)]).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER);
    assert_eq!(ask(&root).await.status, StatusCode::SEE_OTHER);
    let puppet = site.sign_in("puppet").await;
    assert_eq!(second(&site, &puppet).await.refusal(), NOT_COUNTED);
    let page = puppet.get(&format!("/upgrade/plans/{PLAN}")).await;
    assert!(page.has("id", "barrier") && !page.has("name", "approval"), "{}", page.body);
    assert_eq!(puppet.post("/approval/off", &[]).await.refusal(), NOT_COUNTED);
    // An account whose password the administrator has set, by whatever way.
    let other = crate::audit::Author { name: "key:1 of ada".to_owned(), ..author() };
    set_password(&site.context, &other, "ada", PASSWORD).await.unwrap();
    assert_eq!(second(&site, &site.sign_in("ada").await).await.refusal(), NOT_COUNTED);
    // A recreated user of the same name.
    set_disabled(&site.context, &author(), "olga", true).await.unwrap();
    set_disabled(&site.context, &author(), "olga", false).await.unwrap();
    assert_eq!(ask(&site.sign_in("olga").await).await.refusal(), NOT_COUNTED);
    assert!(begun_operations(&site).is_empty());
    assert_eq!(site.audit_lines("two-people.forget").await.len(), 2);

    // The host vouches for the account again.
    let door = site.at_the_door("/first").await;
    let claim = [("token", "K7QF2M-9XRT4B"), ("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(door.post("/first", &claim).await.status, StatusCode::SEE_OTHER);
    assert_eq!(second(&site, &site.sign_in("ada").await).await.status, StatusCode::SEE_OTHER);
    assert_eq!(begun_operations(&site), [("ada".to_owned(), Some("root".to_owned()))]);
}

#[tokio::test]
async fn lone_administrator_changes_no_rule() {
    let site = begin().await;
    let (root, ada) = (site.sign_in("root").await, site.sign_in("ada").await);
    create_user(&site.context, &author(), "bob", Role::Administrator, PASSWORD).await.unwrap();
    let id_of = async |wanted: ApprovalSubject| {
        let waiting = open(&site.context).await.unwrap();
        waiting.into_iter().find(|approval| approval.wanted == wanted).map_or("none".to_owned(), |found| found.id)
    };
    let approve = async |visitor: &Visitor, id: &str| visitor.post(&format!("/approval/{id}/approve"), &[]).await;
    assert!(
        root.post("/approval/count", &[("name", "bob")]).await.header("location").starts_with("/approval?done=asked&")
    );
    let count = id_of(ApprovalSubject::Count("bob".to_owned())).await;
    let bob = site.sign_in("bob").await;
    for visitor in [&root, &bob] {
        assert_eq!(approve(visitor, &count).await.refusal(), NOT_COUNTED);
    }
    for name in ["vera", "nobody", "ada"] {
        let refused = root.post("/approval/count", &[("name", name)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    // Another user of that name would count instead.
    remove_user(&site.context, &author(), "bob").await.unwrap();
    create_user(&site.context, &author(), "bob", Role::Administrator, PASSWORD).await.unwrap();
    assert_eq!(approve(&ada, &count).await.status, StatusCode::NOT_FOUND, "the approval outlived its user");
    root.post("/approval/count", &[("name", "bob")]).await;
    let count = id_of(ApprovalSubject::Count("bob".to_owned())).await;
    assert!(approve(&ada, &count).await.header("location").starts_with("/approval?done=approved&"));

    assert!(root.post("/approval/off", &[]).await.header("location").starts_with("/approval?done=asked&"));
    let off = id_of(ApprovalSubject::Off).await;
    assert_eq!(approve(&root, &off).await.refusal(), NOT_COUNTED);
    assert_eq!(rule_of(&root).await, "Two people approve");
    ask(&root).await;
    let bob = site.sign_in("bob").await;
    assert!(approve(&bob, &off).await.header("location").starts_with("/approval?done=approved&"), "bob does not count");
    assert_eq!(rule_of(&root).await, "One person approves");
    assert!(open(&site.context).await.unwrap().is_empty(), "an approval still waits");
    let alone = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/upgrade/approve", &alone).await.status, StatusCode::SEE_OTHER);
    for action in ["two-people.off", "two-people.count", "approval.void", "approval.second"] {
        assert!(!site.audit_lines(action).await.is_empty(), "no {action}");
    }
}

#[tokio::test]
async fn changed_plan_voids_first_approval() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    ask(&site.sign_in("olga").await).await;
    // The host has forgotten the plan: nothing is used up, and the same plan remains approved.
    site.host.plans.lock().unwrap().clear();
    assert_eq!(second(&site, &root).await.refusal(), (404, "LF4805"));
    plan(&site).await;
    assert_eq!(open(&site.context).await.unwrap().len(), 1);
    let other = PLAN.replace("7d0a", "7d0b");
    site.host.next_plan.lock().unwrap().clone_from(&other);
    plan(&site).await;
    until(async || open(&site.context).await.unwrap().is_empty()).await;
    assert_eq!(second(&site, &root).await.status, StatusCode::NOT_FOUND);
    assert!(begun_operations(&site).is_empty());
    let voided = site.audit_lines("approval.void").await;
    assert!(voided[0].contains("the plan is another one now"), "{voided:?}");
}

#[tokio::test]
async fn first_approval_is_withdrawn_or_expires() {
    let site = begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let withdraw = async |visitor: &Visitor| {
        let id = open(&site.context).await.unwrap().first().map_or("none".to_owned(), |approval| approval.id.clone());
        visitor.post(&format!("/approval/{id}/withdraw"), &[]).await
    };
    ask(&root).await;
    assert_eq!(withdraw(&olga).await.refusal(), NOT_COUNTED, "an operator withdrew a foreign approval");
    assert!(withdraw(&site.sign_in("ada").await).await.header("location").starts_with("/upgrade?done=withdrawn&"));
    ask(&olga).await;
    assert_eq!(withdraw(&olga).await.status, StatusCode::SEE_OTHER, "one's own");
    assert_eq!(withdraw(&olga).await.status, StatusCode::NOT_FOUND);
    ask(&olga).await;
    let id = open(&site.context).await.unwrap()[0].id.clone();
    let mut write = site.context.database.write().await.unwrap();
    query("UPDATE approvals SET ends = 1").execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    assert!(open(&site.context).await.unwrap().is_empty());
    let late = super::approve(&site.context, &caller(&site, "root").await.approver(), &id).await;
    assert!(matches!(late, Err(Refusal::NotThere(_))), "{late:?}");
    assert_eq!(site.audit_lines("approval.withdraw").await.len(), 2);
    assert_eq!(site.audit_lines("approval.lapse").await.len(), 1);
}

/// Returns a caller with a session of this user.
async fn caller(site: &Site, user: &str) -> crate::access::Caller {
    let proven = crate::people::ProvenUser::without_password(&site.context, user).await;
    let secret = crate::people::begin_session(&site.context, &author(), &proven, ("test", None)).await.unwrap();
    let session = crate::people::find_session(&site.context, &secret, true).await.unwrap().unwrap();
    crate::access::Caller {
        identity: crate::access::Identity::Browser(session),
        form_secret: None,
        door_secret: None,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        correlation: "test".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_second_approvals_begin_once() {
    let site = begin().await;
    ask(&site.sign_in("olga").await).await;
    let root = site.sign_in("root").await;
    let id = open(&site.context).await.unwrap()[0].id.clone();
    let approvals = (0..40).map(|_| {
        let (root, id) = (root.clone(), id.clone());
        tokio::spawn(async move {
            let request = crate::api::new_request();
            let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", "node-1"), ("approval", &id)];
            root.post("/upgrade/approve", &fields).await.status
        })
    });
    let mut statuses = Vec::new();
    for approval in approvals.collect::<Vec<_>>() {
        statuses.push(approval.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
    assert_eq!(begun_operations(&site).len(), 1);
}

#[tokio::test]
async fn undo_needs_one_person() {
    let site = begin().await;
    let undo = site.sign_in("root").await.post("/upgrade/abort", &[("operation", "2")]).await;
    assert_eq!(undo.status, StatusCode::SEE_OTHER, "{}", undo.body);
    assert!(matches!(site.host.changes.lock().unwrap().last(), Some(ChangeRequest::Abort(_))));
}

#[tokio::test]
async fn programs_ask_list_and_withdraw() {
    let site = begin().await;
    let program = site.program("olga", &[Scope::Upgrade, Scope::Read]).await;
    let body = json!({ "plan": PLAN, "confirm": "node-1" }).to_string();
    let asked = program.call(Method::POST, "/api/v1/approvals", &body).await;
    assert_eq!((asked.status, &asked.json()["plan"]), (StatusCode::CREATED, &json!(PLAN)), "{}", asked.body);
    let list = program.get("/api/v1/approvals").await.json();
    assert_eq!((&list["twoPeople"], &list["items"][0]), (&json!(true), &asked.json()));
    let path = format!("/api/v1/approvals/{}", asked.json()["id"].as_str().unwrap());
    assert_eq!(program.call(Method::DELETE, &path, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(program.call(Method::DELETE, &path, "").await.status, StatusCode::NOT_FOUND);
    // Programs cannot approve settings.
    site.sign_in("ada").await.post("/approval/off", &[]).await;
    let off = open(&site.context).await.unwrap()[0].id.clone();
    let root = site.program("root", &[Scope::Upgrade]).await;
    let body = json!({ "confirm": "node-1" }).to_string();
    let refused = root.call(Method::POST, &format!("/api/v1/approvals/{off}"), &body).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.body);
}
