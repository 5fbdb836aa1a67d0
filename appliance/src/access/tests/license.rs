//! Tests that an expired license blocks nothing in the console: each route answers as with a valid one.

use serde_json::{Value, json};

use super::*;
use crate::host::ChangeRequest;
use crate::people::Scope;

/// Returns a site with a valid license.
async fn licensed_site() -> Site {
    let site = Site::begin().await;
    site.state_of_license("valid", true);
    site
}

/// Returns a site whose license and grace have ended.
async fn ended_license_site() -> Site {
    let site = Site::begin().await;
    site.state_of_license("ended", false);
    site
}

impl Site {
    /// Sets this standing in the host's documents.
    fn state_of_license(&self, standing: &str, permits: bool) {
        let mut status = self.host.status.lock().unwrap();
        let mut license = self.host.license.lock().unwrap();
        let documents = [&mut status["license"], &mut license.as_mut().unwrap()["license"]];
        for document in documents {
            document["terms"]["standing"] = standing.into();
            document["terms"]["permits"] = permits.into();
            document["needs"][0]["granted"] = permits.into();
        }
    }
}

/// Essence of an answer, without parts that differ between requests.
#[derive(Debug, PartialEq, Eq)]
struct Essence {
    status: StatusCode,
    kind: String,
    place: String,
    code: Option<String>,
}

fn essence(reply: &Reply) -> Essence {
    let kind = reply.header("content-type").to_owned();
    let problem: Option<Value> =
        kind.starts_with("application/problem").then(|| serde_json::from_str(&reply.body).unwrap());
    Essence {
        status: reply.status,
        place: reply.header("location").split('?').next().unwrap_or_default().to_owned(),
        code: problem.and_then(|problem| problem["code"].as_str().map(str::to_owned)),
        kind,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_license_changes_no_answer() {
    let sites = [licensed_site().await, ended_license_site().await];
    let told = sites[1].sign_in("vera").await.get("/").await.body;
    assert!(told.contains("What runs is not affected"), "the second license has not ended: {told}");
    for user in ["vera", "olga", "root"] {
        let [with, without] = &sites;
        let programs = [with.program(user, &Scope::ALL).await, without.program(user, &Scope::ALL).await];
        for rule in RULES {
            let browsers = [with.sign_in(user).await, without.sign_in(user).await];
            for [with, without] in [&browsers, &programs] {
                let (with, without) = (essence(&ask(with, rule).await), essence(&ask(without, rule).await));
                assert_eq!(without, with, "{} {} as {user}", rule.method, rule.path);
            }
        }
    }
}

/// Makes the host plan a change, which it then knows by this digest.
async fn plan(site: &Site, program: &Visitor, digest: &str, change: &Value) {
    digest.clone_into(&mut site.host.next_plan.lock().unwrap());
    let planned = program.call(Method::POST, "/api/v1/plans", &change.to_string()).await;
    assert_eq!(planned.status, StatusCode::ACCEPTED, "{change}: {}", planned.body);
}

#[tokio::test]
async fn ended_license_blocks_no_work() {
    let site = ended_license_site().await;
    let program = site.program("root", &Scope::ALL).await;
    let changes = [
        ("upgrades", "upgrade", json!({ "medium": "3f0c9a1b2c3d4e5f60718293a4b5c6d7" })),
        ("rollbacks", "rollback", json!({ "version": "1.0.0" })),
        ("restores", "restore", json!({ "backup": "5e17c0ffee42b6d1", "components": ["postgres"] })),
        ("configurations", "configure", json!({ "values": { "postgres.memory": "4Gi" } })),
    ];
    for (path, verb, change) in changes {
        let digest = format!("sha256:{}", hex::encode(verb));
        let mut planned = change.clone();
        planned["change"] = verb.into();
        plan(&site, &program, &digest, &planned).await;
        let mut approval = change;
        (approval["plan"], approval["confirm"]) = (digest.into(), "node-1".into());
        let begun = program.call(Method::POST, &format!("/api/v1/{path}"), &approval.to_string()).await;
        assert_eq!((begun.status, begun.json()["verb"].as_str()), (StatusCode::ACCEPTED, Some(verb)), "{}", begun.body);
    }
    let done = [
        ("backups", "{}", StatusCode::ACCEPTED),
        ("drills", "{}", StatusCode::ACCEPTED),
        ("support", r#"{"hours": 24}"#, StatusCode::ACCEPTED),
        ("media", "{}", StatusCode::ACCEPTED),
        ("operations/abort", r#"{"operation": 2}"#, StatusCode::ACCEPTED),
        ("license", r#"{"license": "signed"}"#, StatusCode::NO_CONTENT),
    ];
    for (path, body, status) in done {
        let reply = program.call(Method::POST, &format!("/api/v1/{path}"), body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
    }
    for export in ["audit", "audit/syslog", "usage/report", "backups", "settings", "status"] {
        assert!(program.get(&format!("/api/v1/{export}")).await.is_success(), "{export}");
    }
    let requests = site.host.changes.lock().unwrap().clone();
    let begun = requests.iter().filter(|request| matches!(request, ChangeRequest::Begin(_) | ChangeRequest::Abort(_)));
    assert_eq!(begun.count(), 5, "the console judged the license");
}
