use axum::http::{Method, StatusCode};
use landfall_documents::change::Change;
use landfall_documents::settings::SiteSettings;
use serde_json::{Value, json};

use super::form::{Form, changed_values, plain};
use crate::host::ChangeRequest;
use crate::host::fake::{PLAN, sample_of};
use crate::people::Scope;
use crate::refusal::Refusal;
use crate::testing::{REQUEST_IDS, Reply, Site, Visitor, hidden_field, until, words_of};

/// Makes a plan as this visitor, and returns its page.
async fn plan_page(visitor: &Visitor, fields: &[(&str, &str)]) -> Reply {
    let asked = visitor.post("/settings/plan", fields).await;
    let led = visitor.follow(&asked).await;
    assert_eq!(led.header("location"), format!("/settings/plans/{PLAN}"), "{}", led.body);
    visitor.follow(&led).await
}

#[test]
fn lists_never_look_alike() {
    let lists = [json!([]), json!(["a", "b"]), json!(["a, b"]), json!(["none"]), json!([""]), json!([["a"], "b"])];
    let shown = ["none", "a, b", r#"["a, b"]"#, r#"["none"]"#, r#"[""]"#, r#"[["a"],"b"]"#];
    assert_eq!(lists.each_ref().map(plain), shown);
}

/// Returns the first plan that was requested.
fn requested_change(site: &Site) -> Change {
    let requests = site.host.changes.lock().unwrap().clone();
    let Some(ChangeRequest::Plan(request)) = requests.first() else { panic!("{requests:?}") };
    request.change.clone()
}

fn configure(values: &Value) -> Change {
    Change::Configure { values: serde_json::from_value(values.clone()).unwrap(), secrets: [].into(), backup_time: None }
}

#[tokio::test]
async fn settings_form_follows_schema() {
    let site = Site::begin().await;
    let page = site.sign_in("olga").await.get("/settings").await.body;
    insta::assert_snapshot!(words_of(&page));
    for field in [
        r#"name="set:postgres.memory" value="2Gi""#,
        r#"name="set:postgres.connections" type="number" step="1" min="10" max="500" value="""#,
        r#"<option value="&#34;thorough&#34;" selected>thorough</option>"#,
        r#"name="set:assistant.temperature" type="number" step="any" min="0" value="""#,
        "Hello.\nHow can I help?</textarea>",
    ] {
        assert!(page.contains(field), "{field}: {page}");
    }
    let seen = site.sign_in("vera").await.get("/settings").await;
    insta::assert_snapshot!("settings_of_viewer", words_of(&seen.body));
    assert!(!seen.has("action", "/settings/plan") && !seen.body.contains("set:"), "a viewer enters something");
}

#[test]
fn empty_text_is_value() {
    let mut settings: SiteSettings = sample_of("settings");
    let memory = |settings: &SiteSettings| {
        let fields = Form::from_settings(settings).groups.into_iter().flat_map(|group| group.fields);
        let field = fields.into_iter().find(|field| field.setting == "postgres.memory").unwrap();
        (field.set.clone(), field.is_set_to_nothing())
    };
    assert_eq!(memory(&settings), (Some("2Gi".to_owned()), false));
    for (value, shown) in [(None, (None, false)), (Some(json!("")), (Some("empty".to_owned()), true))] {
        settings.values.iter_mut().find(|setting| setting.name == "postgres.memory").unwrap().value = value;
        assert_eq!(memory(&settings), shown);
    }
}

#[test]
fn only_differences_are_sent() {
    let settings: SiteSettings = sample_of("settings");
    let form = Form::from_settings(&settings);
    let as_shown: Vec<(String, String)> = form
        .groups
        .iter()
        .flat_map(|group| &group.fields)
        .map(|field| (field.name.clone(), field.text.replace('\n', "\r\n")))
        .collect();
    let with = |changes: &[(&str, &str)]| {
        let mut sent = as_shown.clone();
        for (name, text) in changes {
            sent.iter_mut().find(|(field, _)| field == &format!("set:{name}")).unwrap().1 = (*text).to_owned();
        }
        changed_values(&settings, &sent).map(|values| json!(values))
    };
    for refused in [with(&[]).err(), changed_values(&settings, &[]).err()] {
        assert!(matches!(refused, Some(Refusal::Invalid(what)) if what == "change at least one setting"));
    }
    assert_eq!(with(&[("postgres.memory", "4Gi")]).unwrap(), json!({ "postgres.memory": "4Gi" }));
    assert_eq!(with(&[("postgres.memory", " ")]).unwrap(), json!({ "postgres.memory": null }));
    let every = [
        ("postgres.connections", " 200 "),
        ("assistant.mode", "\"fast\""),
        ("assistant.history", "false"),
        ("assistant.temperature", "0.5"),
        ("assistant.greeting", "One\r\ntwo"),
        ("assistant.topics", "weather\r\n\r\n sport "),
    ];
    let expected = json!({
        "postgres.connections": 200, "assistant.mode": "fast", "assistant.history": false, "assistant.temperature": 0.5,
        "assistant.greeting": "One\ntwo", "assistant.topics": ["weather", "sport"],
    });
    assert_eq!(with(&every).unwrap(), expected);
    assert_eq!(with(&[("assistant.topics", "[]")]).unwrap(), json!({ "assistant.topics": [] }));
    assert_eq!(with(&[("assistant.topics", " [\"a\",\r\n\"b\"]")]).unwrap(), json!({ "assistant.topics": ["a", "b"] }));
    assert_eq!(with(&[("assistant.topics", "[a]\r\n[")]).unwrap(), json!({ "assistant.topics": ["[a]", "["] }));
    for (name, text) in
        [("postgres.connections", "many"), ("assistant.mode", "fast"), ("assistant.temperature", "warm")]
    {
        assert!(matches!(with(&[(name, text)]), Err(Refusal::Invalid(what)) if what.contains(name)), "{name}");
    }
}

#[test]
fn fields_describe_bounds() {
    let bounds = |schema: serde_json::Value, value: serde_json::Value| {
        let mut settings: SiteSettings = sample_of("settings");
        settings.values.truncate(1);
        settings.values[0].schema = serde_json::from_value(schema).unwrap();
        (settings.values[0].value, settings.values[0].default) = (serde_json::from_value(value).unwrap(), None);
        Form::from_settings(&settings).groups[0].fields[0].bounds()
    };
    let text = json!({ "type": "string", "minLength": 3, "maxLength": 8 });
    assert_eq!(bounds(text, json!(null)).as_deref(), Some("From 3 to 8 characters"));
    assert_eq!(bounds(json!({ "type": "string" }), json!(null)), None);
    let least = json!({ "type": "string", "minLength": 1 });
    assert_eq!(bounds(least, json!(null)).as_deref(), Some("At least 1 character"));
    let most = json!({ "type": "string", "minLength": 0, "maxLength": 8 });
    assert_eq!(bounds(most, json!(null)).as_deref(), Some("At most 8 characters"));
    let list = json!({ "type": "array", "items": { "type": "string" } });
    assert_eq!(bounds(list.clone(), json!(["a"])).as_deref(), Some("One in each line; [] for none"));
    for other in [json!(["two\nlines"]), json!(["two\rlines"]), json!(["[]"]), json!(["[", "]"])] {
        assert_eq!(bounds(list.clone(), other.clone()), None, "{other}");
    }
    assert_eq!(bounds(json!({ "type": "array", "items": { "type": "integer" } }), json!([1])), None);
}

#[tokio::test]
async fn plan_page_shows_new_values() {
    let site = Site::begin().await;
    let olga = site.sign_in("olga").await;
    let page = plan_page(&olga, &[("set:postgres.memory", "4Gi"), ("set:assistant.mode", "")]).await;
    insta::assert_snapshot!(words_of(&page.body));
    assert!(!page.has("name", "confirm"), "an operator is offered the approval");
    assert_eq!(requested_change(&site), configure(&json!({ "postgres.memory": "4Gi", "assistant.mode": null })));
    let elsewhere = olga.get(&format!("/upgrade/plans/{PLAN}")).await;
    assert_eq!(elsewhere.header("location"), format!("/settings/plans/{PLAN}"));
}

#[tokio::test]
async fn lost_edit_blocks_approval() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    plan_page(&root, &[("set:postgres.memory", "4Gi")]).await;
    site.host.plans.lock().unwrap()[0].document["edits"][0]["stays"] = json!(false);
    let page = root.get(&format!("/settings/plans/{PLAN}")).await;
    insta::assert_snapshot!(page.notices().join("\n"));
    assert!(!page.has("name", "confirm"), "{}", page.body);
}

#[tokio::test]
async fn approved_change_begins_once() {
    let site = Site::begin().await;
    let (olga, root) = (site.sign_in("olga").await, site.sign_in("root").await);
    plan_page(&olga, &[("set:postgres.memory", "4Gi")]).await;
    let page = root.get(&format!("/settings/plans/{PLAN}")).await;
    let request = hidden_field(&page.body, "request");
    let approve = async |visitor: &Visitor, name: &str| {
        let fields = [("request", request.as_str()), ("plan", PLAN), ("confirm", name)];
        visitor.post("/settings/approve", &fields).await
    };
    assert_eq!(approve(&olga, "node-1").await.status, StatusCode::FORBIDDEN);
    assert_eq!(approve(&root, "node-2").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let begun = approve(&root, "node-1").await;
    assert_eq!(begun.header("location"), format!("/settings?request={request}"));
    assert_eq!(
        approve(&root, "node-1").await.header("location"),
        begun.header("location"),
        "the repeated approval was not recognized"
    );
    let approved = site.host.only_begun();
    assert_eq!((approved.plan.as_str(), approved.asking.by.as_str()), (PLAN, "root"));
    let followed = root.get(&format!("/settings?request={request}")).await;
    assert!(!followed.has("name", "set:postgres.memory"), "the form comes before the request");
    until(async || !site.audit_lines("settings.begin").await.is_empty()).await;
    let lines = site.audit_lines("settings.").await.join("\n");
    insta::with_settings!({ filters => [REQUEST_IDS] }, { insta::assert_snapshot!(lines) });
}

#[tokio::test]
async fn program_plans_and_approves() {
    let site = Site::begin().await;
    let program = site.program("root", &[Scope::Read, Scope::Upgrade]).await;
    let settings = program.get("/api/v1/settings").await.json();
    assert_eq!(settings["values"][0]["name"], "postgres.memory");
    let plan = json!({ "change": "configure", "values": { "assistant.mode": null } });
    let asked = program.call(Method::POST, "/api/v1/plans", &plan.to_string()).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    assert_eq!(requested_change(&site), configure(&json!({ "assistant.mode": null })), "null did not arrive");
    let approval = json!({ "values": { "assistant.mode": null }, "plan": PLAN, "confirm": "node-1" });
    let begun = program.call(Method::POST, "/api/v1/configurations", &approval.to_string()).await;
    assert_eq!(
        (begun.status, begun.json()["verb"].as_str()),
        (StatusCode::ACCEPTED, Some("configure")),
        "{}",
        begun.body
    );
    let reader = site.program("root", &[Scope::Read]).await;
    let refused = reader.call(Method::POST, "/api/v1/configurations", &approval.to_string()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn secret_value_reaches_only_host() {
    let site = Site::begin().await;
    let seen = site.sign_in("olga").await.get("/settings").await;
    assert!(!seen.has("action", "/settings/secret"), "an operator may give values: {}", seen.body);
    let root = site.sign_in("root").await;
    let page = root.get("/settings").await.body;
    assert!(page.contains(r#"name="value" type="password""#) && page.contains(r#"name="key""#), "{page}");

    let password = [("name", "directory"), ("value", "canary-1"), ("again", "canary-1")];
    let asked = root.post("/settings/secret", &password).await;
    let led = root.follow(&asked).await;
    let plan = root.follow(&led).await.body;
    assert!(words_of(&plan).lines().any(|line| line == "Change the secret directory"), "{plan}");
    let secrets = [("directory".to_owned(), "00000001".to_owned())].into();
    assert_eq!(requested_change(&site), Change::Configure { values: [].into(), secrets, backup_time: None });
    let certificate = [("name", "assistant-tls"), ("value", "canary-2\r\nchain\r\n"), ("key", "canary-3")];
    root.post("/settings/secret", &certificate).await;
    let given = site.host.secrets.lock().unwrap().clone();
    let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(given, [("directory", "canary-1"), ("assistant-tls", "canary-2\nchain\ncanary-3")]);

    for (fields, status) in [
        ([("name", "directory"), ("value", "canary-4"), ("again", "canary-5")], StatusCode::UNPROCESSABLE_ENTITY),
        ([("name", "directory"), ("value", ""), ("again", "")], StatusCode::UNPROCESSABLE_ENTITY),
        ([("name", "other"), ("value", "canary-6"), ("again", "canary-6")], StatusCode::NOT_FOUND),
    ] {
        let refused = root.post("/settings/secret", &fields).await;
        assert_eq!(refused.status, status);
        assert!(!refused.body.contains("canary"), "{}", refused.body);
    }
    assert_eq!(site.host.secrets.lock().unwrap().len(), 2, "a refused value reached the host");
    let log = root.get("/audit").await.body;
    let lines = [site.audit_lines("secret.").await, site.audit_lines("plan.ask").await].concat();
    insta::with_settings!({ filters => [REQUEST_IDS] }, { insta::assert_snapshot!(lines.join("\n")) });
    for body in [page, plan, log, asked.body, root.get("/settings").await.body] {
        assert!(!body.contains("canary"), "{body}");
    }
}

#[tokio::test]
async fn program_gives_secret_value() {
    let site = Site::begin().await;
    let program = site.program("root", &[Scope::Upgrade]).await;
    let give = async |body: &Value| program.call(Method::POST, "/api/v1/secrets", &body.to_string()).await;
    let given = give(&json!({ "name": "directory", "value": "canary-1" })).await;
    assert_eq!((given.status, given.json()), (StatusCode::OK, json!({ "id": "00000001" })));
    for (body, status) in [
        (json!({ "name": "other", "value": "canary-2" }), StatusCode::NOT_FOUND),
        (json!({ "name": "directory", "value": "" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "directory", "value": ["canary-3"] }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "directory", "value": 71_604_391 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!("canary-4"), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": 71_604_391, "value": "canary-5" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "directory", "value": "x".repeat(70_000) }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let refused = give(&body).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        let is_quoted = ["canary", "71604391"].iter().any(|value| refused.body.contains(value));
        assert!(!is_quoted, "{}", refused.body);
    }
    let change = json!({ "change": "configure", "values": {}, "secrets": { "directory": "00000001" } });
    let planned_by = program.call(Method::POST, "/api/v1/plans", &change.to_string()).await;
    assert_eq!(planned_by.status, StatusCode::ACCEPTED, "{}", planned_by.body);
    let approval = |secrets: Value| {
        let body = json!({ "values": {}, "secrets": secrets, "plan": PLAN, "confirm": "node-1" });
        let program = &program;
        async move { program.call(Method::POST, "/api/v1/configurations", &body.to_string()).await }
    };
    let begun = approval(json!({ "directory": "00000001" })).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.body);
    assert_eq!(
        requested_change(&site),
        Change::Configure {
            values: [].into(),
            secrets: [("directory".to_owned(), "00000001".to_owned())].into(),
            backup_time: None
        }
    );
}
