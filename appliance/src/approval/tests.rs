use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{ApprovalSubject, is_same_person, open, turn_on};
use crate::database::query;
use crate::host::ChangeRequest;
use crate::host::fake::PLAN;
use crate::people::{Person, Role, Scope, Source, admit, create_user, remove_user, set_disabled, set_password};
use crate::refusal::Refusal;
use crate::testing::{PASSWORD, Reply, Site, Visitor, author, until};

/// Digest of the plan of a restore.
const RESTORE: &str = "sha256:0f0f0f0f0f0f";

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

async fn log(site: &Site) -> String {
    site.sign_in("root").await.get("/api/v1/audit").await.body
}

fn is_refused(reply: &Reply, code: &str) -> bool {
    reply.status.is_client_error() && reply.body.contains(code)
}

#[tokio::test]
async fn a_restore_waits_for_a_second_person_like_every_other_change() {
    let site = begin().await;
    let body = json!({ "change": "restore", "backup": "5e17c0ffee42b6d1" }).to_string();
    let program = site.program("olga", &[Scope::Upgrade]).await;
    *site.host.next_plan.lock().unwrap() = RESTORE.to_owned();
    assert_eq!(program.call(Method::POST, "/api/v1/plans", &body).await.status, StatusCode::ACCEPTED);
    let (root, ada) = (site.sign_in("root").await, site.sign_in("ada").await);
    let page = format!("/restore/plans/{RESTORE}");
    assert!(root.get(&page).await.body.contains("Approve first"));
    let alone = [("request", "0123abcd"), ("plan", RESTORE), ("confirm", "node-1")];
    assert!(is_refused(&root.post("/restore/approve", &alone).await, "LF5041"));
    let by_key = json!({ "backup": "5e17c0ffee42b6d1", "plan": RESTORE, "confirm": "node-1" }).to_string();
    let key = site.program("root", &[Scope::Upgrade]).await;
    assert!(is_refused(&key.call(Method::POST, "/api/v1/restores", &by_key).await, "LF5041"));
    let asked = root.post("/restore/ask", &[("plan", RESTORE), ("confirm", "node-1")]).await;
    assert_eq!(asked.header("location"), page);
    let waiting = open(&site.context).await.unwrap();
    assert_eq!(waiting[0].title, "restore of postgres, assistant from the backup of 2026-11-20T01:40:00Z");
    assert!(is_refused(&second(&site, &root).await, "LF5042"), "one person approved twice");
    for place in ["/restore", "/upgrade", "/", "/approval"] {
        assert!(ada.get(place).await.body.contains(&format!("href=\"{page}\"")), "{place} leads elsewhere");
    }
    let second = second(&site, &ada).await;
    assert!(second.header("location").starts_with("/restore?request="), "{}", second.body);
    assert_eq!(begun_operations(&site), [("ada".to_owned(), Some("root".to_owned()))]);
}

#[tokio::test]
async fn one_person_approves_until_two_are_chosen() {
    let site = Site::begin().await;
    plan(&site).await;
    let root = site.sign_in("root").await;
    let page = root.get(&format!("/upgrade/plans/{PLAN}")).await.body;
    assert!(page.contains("Approve and upgrade") && !page.contains("Approve first"), "{page}");
    assert!(ask(&root).await.body.contains("one person approves on this site"));
    let turn = async |names: &[&str]| {
        let fields: Vec<_> = names.iter().map(|name| ("person", *name)).collect();
        root.post("/approval/on", &fields).await
    };
    for alone in [&[][..], &["root"], &["root", "olga"], &["root", "nobody"], &["root", "vera"]] {
        let refused = turn(alone).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{alone:?}: {}", refused.body);
    }
    assert!(root.get("/approval").await.body.contains("One person approves"), "a refused choice changes nothing");
    create_user(&site.context, &author(), "root@example.org", Role::Administrator, PASSWORD).await.unwrap();
    assert!(turn(&["root", "root@example.org"]).await.status.is_client_error(), "one person by two names");
    create_user(&site.context, &author(), "ada", Role::Administrator, PASSWORD).await.unwrap();
    let on = turn(&["root", "ada"]).await;
    let page = root.follow(&on).await.body;
    assert!(page.contains("Two people approve") && page.contains("Does not count"), "{page}");
    let log = log(&site).await;
    assert_eq!(
        (log.matches("\"two-people.on\"").count(), log.matches("\"two-people.count\"").count()),
        (1, 2),
        "{log}"
    );
    for visitor in [site.sign_in("olga").await, site.sign_in("vera").await] {
        assert_eq!(visitor.post("/approval/on", &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(visitor.get("/approval").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn an_operators_approval_waits_for_an_administrator_and_both_are_named_everywhere() {
    let site = begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let path = format!("/upgrade/plans/{PLAN}");
    let wrong = olga.post("/upgrade/ask", &[("plan", PLAN), ("confirm", "node-2")]).await;
    assert!(is_refused(&wrong, "node-1"), "{}", wrong.body);
    assert_eq!(ask(&site.sign_in("vera").await).await.status, StatusCode::FORBIDDEN);
    assert!(olga.get(&path).await.body.contains("Approve first"));
    assert_eq!(ask(&olga).await.header("location"), path);
    assert_eq!(ask(&olga).await.header("location"), path, "sent twice, asked once");
    assert!(begun_operations(&site).is_empty(), "nothing begins before the second person");
    assert!(is_refused(&ask(&root).await, "LF5041"), "another first approval already exists");

    let page = olga.get(&path).await.body;
    assert!(page.contains("<bdi>olga</bdi> approved this plan first") && page.contains("Withdraw"), "{page}");
    assert!(!page.contains("name=\"approval\""), "the first person is offered no second approval: {page}");
    for path in ["/upgrade", "/live/upgrade", "/", "/approval"] {
        let page = root.get(path).await.body;
        assert!(page.contains("olga") && page.contains(PLAN), "{path} does not show what waits: {page}");
    }
    assert!(root.get(&path).await.body.contains("Approve second, and upgrade"));
    let wrong = [
        ("request", "0123abcd"),
        ("plan", PLAN),
        ("confirm", "x"),
        ("approval", &open(&site.context).await.unwrap()[0].id),
    ];
    assert!(is_refused(&root.post("/upgrade/approve", &wrong).await, "node-1"));
    let done = second(&site, &root).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(begun_operations(&site), [("root".to_owned(), Some("olga".to_owned()))]);
    assert!(open(&site.context).await.unwrap().is_empty(), "it counts once");
    assert!(root.get("/approval").await.is_success());
    until(async || log(&site).await.contains("\"upgrade.begin\"")).await;
    let log = log(&site).await;
    let about = |action: &str| log.lines().find(|line| line.contains(&format!("\"{action}\""))).unwrap_or_default();
    assert!(about("approval.ask").contains("\"actor\":\"olga\"") && about("approval.ask").contains(PLAN), "{log}");
    assert!(about("approval.second").contains("first approved by olga"), "{log}");
    assert!(about("upgrade.approve").contains("first approved by olga"), "{log}");
    assert!(about("upgrade.approve").contains("\"actor\":\"root\""), "{log}");
}

#[tokio::test]
async fn nobody_is_two_people() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    let key = site.program("root", &[Scope::Upgrade]).await;
    let body = json!({ "medium": "3f0c9a1b2c3d4e5f", "plan": PLAN, "confirm": "node-1" }).to_string();
    assert!(is_refused(&key.call(Method::POST, "/api/v1/upgrades", &body).await, "LF5041"));
    let body = json!({ "version": "1.0.0", "plan": PLAN, "confirm": "node-1" }).to_string();
    assert!(is_refused(&key.call(Method::POST, "/api/v1/rollbacks", &body).await, "LF5041"));
    let alone = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert!(is_refused(&root.post("/upgrade/approve", &alone).await, "LF5041"));

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
        assert!(is_refused(&second(&site, &visitor).await, "LF5042"));
    }
    let id = open(&site.context).await.unwrap()[0].id.clone();
    let approve = async |visitor: &Visitor| {
        let body = json!({ "confirm": "node-1" }).to_string();
        visitor.call(Method::POST, &format!("/api/v1/approvals/{id}"), &body).await
    };
    assert!(is_refused(&approve(&key).await, "LF5042"), "a key is its user's");
    let operator = site.program("olga", &[Scope::Upgrade]).await;
    assert_eq!(approve(&operator).await.status, StatusCode::FORBIDDEN, "an operator approves first alone");
    assert!(begun_operations(&site).is_empty());
    let other = approve(&site.program("ada", &[Scope::Upgrade]).await).await;
    assert_eq!((other.status, &other.json()["first"]), (StatusCode::ACCEPTED, &json!("root")), "{}", other.body);
    assert_eq!(begun_operations(&site)[0].1.as_deref(), Some("root"));
    assert!(is_same_person("Ada", "ada@example.org") && !is_same_person("ada", "adam"));
}

#[tokio::test]
async fn an_account_in_another_ones_hands_is_no_second_person() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    // An account created by the administrator.
    let created = root.post("/users", &[("name", "puppet"), ("role", "administrator"), ("password", PASSWORD)]).await;
    assert_eq!(created.status, StatusCode::SEE_OTHER);
    assert_eq!(ask(&root).await.status, StatusCode::SEE_OTHER);
    let puppet = site.sign_in("puppet").await;
    assert!(is_refused(&second(&site, &puppet).await, "LF5042"));
    assert!(puppet.get(&format!("/upgrade/plans/{PLAN}")).await.body.contains("does not count as a person"));
    assert!(is_refused(&puppet.post("/approval/off", &[]).await, "LF5042"));
    // An account whose password the administrator has set, by whatever way.
    let other = crate::audit::Author { name: "key:1 of ada".to_owned(), ..author() };
    set_password(&site.context, &other, "ada", PASSWORD).await.unwrap();
    assert!(is_refused(&second(&site, &site.sign_in("ada").await).await, "LF5042"));
    // A recreated user of the same name.
    set_disabled(&site.context, &author(), "olga", true).await.unwrap();
    set_disabled(&site.context, &author(), "olga", false).await.unwrap();
    assert!(is_refused(&ask(&site.sign_in("olga").await).await, "LF5042"));
    assert!(begun_operations(&site).is_empty());
    let log = log(&site).await;
    assert_eq!(log.matches("\"two-people.forget\"").count(), 2, "{log}");

    // The host vouches for the account again.
    let door = site.at_the_door("/first").await;
    let claim = [("token", "K7QF2M-9XRT4B"), ("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(door.post("/first", &claim).await.status, StatusCode::SEE_OTHER);
    assert_eq!(second(&site, &site.sign_in("ada").await).await.status, StatusCode::SEE_OTHER);
    assert_eq!(begun_operations(&site), [("ada".to_owned(), Some("root".to_owned()))]);
}

#[tokio::test]
async fn one_administrator_alone_turns_nothing_off_and_lets_nobody_count() {
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
    assert!(is_refused(&approve(&root, &count).await, "LF5042") && is_refused(&approve(&bob, &count).await, "LF5042"));
    for name in ["vera", "nobody", "ada"] {
        let refused = root.post("/approval/count", &[("name", name)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    // Another user of that name would count instead.
    remove_user(&site.context, &author(), "bob").await.unwrap();
    create_user(&site.context, &author(), "bob", Role::Administrator, PASSWORD).await.unwrap();
    assert_eq!(approve(&ada, &count).await.status, StatusCode::NOT_FOUND, "it was void with the user");
    root.post("/approval/count", &[("name", "bob")]).await;
    let count = id_of(ApprovalSubject::Count("bob".to_owned())).await;
    assert!(approve(&ada, &count).await.header("location").starts_with("/approval?done=approved&"));

    assert!(root.post("/approval/off", &[]).await.header("location").starts_with("/approval?done=asked&"));
    let off = id_of(ApprovalSubject::Off).await;
    assert!(is_refused(&approve(&root, &off).await, "LF5042"));
    assert!(root.get("/approval").await.body.contains("Two people approve"));
    ask(&root).await;
    let bob = site.sign_in("bob").await;
    assert!(approve(&bob, &off).await.header("location").starts_with("/approval?done=approved&"), "bob counts now");
    assert!(root.get("/approval").await.body.contains("One person approves"));
    assert!(open(&site.context).await.unwrap().is_empty(), "what waited is void");
    let alone = [("request", "0123abcd"), ("plan", PLAN), ("confirm", "node-1")];
    assert_eq!(root.post("/upgrade/approve", &alone).await.status, StatusCode::SEE_OTHER);
    let log = log(&site).await;
    for action in ["two-people.off", "two-people.count", "approval.void", "approval.second"] {
        assert!(log.contains(&format!("\"{action}\"")), "no {action}: {log}");
    }
}

#[tokio::test]
async fn another_plan_of_the_same_change_voids_the_first_approval_and_the_same_plan_keeps_it() {
    let site = begin().await;
    let root = site.sign_in("root").await;
    ask(&site.sign_in("olga").await).await;
    // The host has forgotten the plan: nothing is used up, and the same plan remains approved.
    site.host.plans.lock().unwrap().clear();
    assert!(is_refused(&second(&site, &root).await, "LF4805"));
    plan(&site).await;
    assert_eq!(open(&site.context).await.unwrap().len(), 1);
    let other = PLAN.replace("7d0a", "7d0b");
    site.host.next_plan.lock().unwrap().clone_from(&other);
    plan(&site).await;
    until(async || open(&site.context).await.unwrap().is_empty()).await;
    assert_eq!(second(&site, &root).await.status, StatusCode::NOT_FOUND);
    assert!(begun_operations(&site).is_empty());
    let log = log(&site).await;
    assert!(log.contains("\"approval.void\"") && log.contains("the plan is another one now"), "{log}");
}

#[tokio::test]
async fn a_first_approval_is_withdrawn_or_ends() {
    let site = begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    let withdraw = async |visitor: &Visitor| {
        let id = open(&site.context).await.unwrap().first().map_or("none".to_owned(), |approval| approval.id.clone());
        visitor.post(&format!("/approval/{id}/withdraw"), &[]).await
    };
    ask(&root).await;
    assert!(is_refused(&withdraw(&olga).await, "LF5042"), "an operator withdraws only their own");
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
    let log = log(&site).await;
    assert_eq!(
        (log.matches("\"approval.withdraw\"").count(), log.matches("\"approval.lapse\"").count()),
        (2, 1),
        "{log}"
    );
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
async fn of_second_approvals_in_parallel_one_begins() {
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
async fn an_undo_needs_one_person() {
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
