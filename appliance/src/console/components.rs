//! Components: a list, and a page for each with its log lines.

use askama::Template;
use axum::extract::{Path, State};
use landfall_documents::status::{ComponentStatus, StatusReport};
use serde::Deserialize;

use super::fields::QueryParameters;
use super::frame::{Frame, Place};
use super::resources::Sheet;
use super::state::{Mark, State as How};
use super::trouble::Trouble;
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::{ComponentLogs, Topic, is_component};
use crate::refusal::Refusal;

/// Number of lines shown per container.
const LINES: u32 = 200;
/// Number of lines searched per container: the host's maximum.
const SEARCHED: u32 = 2000;

struct Row {
    mark: Mark,
    component: ComponentStatus,
    version: String,
}

struct Rows {
    list: Result<Vec<Row>, Trouble>,
}

struct Detail {
    row: Result<Option<Row>, Trouble>,
    resources: Result<Sheet, Trouble>,
    logs: Result<ComponentLogs, Trouble>,
    name: String,
    find: String,
    follows: bool,
}

#[derive(Template)]
#[template(path = "components.html")]
struct ComponentsPage {
    frame: Frame,
    view: Rows,
}

#[derive(Template)]
#[template(path = "components_live.html")]
struct ComponentsFragment {
    view: Rows,
}

#[derive(Template)]
#[template(path = "component.html")]
struct ComponentPage {
    frame: Frame,
    view: Detail,
}

#[derive(Template)]
#[template(path = "component_live.html")]
struct LiveOne {
    view: Detail,
}

/// Selection of log lines to show.
#[derive(Deserialize)]
pub struct Choice {
    #[serde(default)]
    find: String,
    #[serde(default)]
    follow: String,
}

fn row(component: ComponentStatus, version: &str) -> Row {
    let mark = match component.ready {
        ready if ready == component.total => How::Good.mark("Ready"),
        0 => How::Bad.mark("Not ready"),
        _ => How::Attention.mark("Partly ready"),
    };
    Row { mark, component, version: version.to_owned() }
}

async fn rows(context: &Context) -> Result<Vec<Row>, Trouble> {
    let Some(status) = context.site.read::<StatusReport>(Topic::Status).await? else { return Ok(Vec::new()) };
    if let Some(why) = &status.cluster_silence {
        return Err(Trouble::of_silent_cluster(why));
    }
    let version = status.release.map(|release| release.version).unwrap_or_default();
    let mut rows: Vec<_> = status.components.into_iter().map(|component| row(component, &version)).collect();
    rows.sort_by(|one, other| {
        (one.mark.state, &one.component.component).cmp(&(other.mark.state, &other.component.component))
    });
    Ok(rows)
}

pub async fn list(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Components, "Components");
    draw(&ComponentsPage { frame, view: Rows { list: rows(&context).await } })
}

pub async fn live_list(State(context): State<Context>) -> PageResult {
    draw(&ComponentsFragment { view: Rows { list: rows(&context).await } })
}

/// Checks that a name is possible for a component, because it becomes part of a path of the host's API.
fn check_component_name(name: String) -> Result<String, Refusal> {
    if is_component(&name) {
        return Ok(name);
    }
    Err(Refusal::NotThere(format!("component {name}")))
}

async fn detail(context: &Context, caller: &Caller, name: String, choice: Choice) -> Result<Detail, Refusal> {
    let (name, find) = (check_component_name(name)?, choice.find.trim().to_owned());
    let _turn = context.turns.wait(&caller.session()?.id).await;
    let lines = if find.is_empty() { LINES } else { SEARCHED };
    let (logs, resources) = (context.site.logs(&name, lines), context.site.resources(&name));
    let (rows, logs, resources) = tokio::join!(rows(context), logs, resources);
    let row = rows.map(|rows| rows.into_iter().find(|row| row.component.component == name));
    if matches!(row, Ok(None)) {
        return Err(Refusal::NotThere(format!("component {name}")));
    }
    let wanted = find.to_lowercase();
    let logs = logs.map_err(Trouble::from).map(|mut logs| {
        logs.lines.retain(|line| wanted.is_empty() || line.text.to_lowercase().contains(&wanted));
        logs
    });
    let resources = resources.map(Sheet::from).map_err(Trouble::from);
    Ok(Detail { row, resources, logs, name, find, follows: !choice.follow.is_empty() })
}

pub async fn one(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    QueryParameters(choice): QueryParameters<Choice>,
) -> PageResult {
    let view = detail(&context, &caller, name, choice).await?;
    let frame = Frame::new(&context, &caller, Place::Components, view.name.clone());
    draw(&ComponentPage { frame, view })
}

pub async fn live_one(
    State(context): State<Context>,
    caller: Caller,
    Path(name): Path<String>,
    QueryParameters(choice): QueryParameters<Choice>,
) -> PageResult {
    draw(&LiveOne { view: detail(&context, &caller, name, choice).await? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Site, words_of};

    #[tokio::test]
    async fn silent_api_server_hides_components() {
        let site = Site::begin().await;
        {
            let mut status = site.host.status.lock().unwrap();
            (status["nodes"], status["components"]) = (json!([]), json!([]));
            status["verdict"] = "not-ready".into();
            status["clusterSilence"] = "the cluster does not answer: no answer within 3 s".into();
        }
        let vera = site.sign_in("vera").await;
        let mut pages = Vec::new();
        for path in ["/components", "/components/postgres"] {
            let reply = vera.get(path).await;
            assert!(reply.is_success(), "{path}: {}", reply.body);
            pages.push(words_of(&reply.body));
        }
        insta::assert_snapshot!(pages.join("\n\n"));
        let first = words_of(&vera.get("/").await.body);
        assert!(first.contains("API server does not answer, so what is ready is not known"), "{first}");
    }

    #[tokio::test]
    async fn search_finds_older_lines() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        for path in ["/components/postgres", "/live/components/postgres"] {
            let lines = async |query: &str| {
                let log = vera.get(&format!("{path}{query}")).await.section("log");
                ["a log of changes was found", "listening on port"].map(|line| log.contains(line))
            };
            assert_eq!(lines("").await, [false, true], "{path}");
            assert_eq!(lines("?find=LOG+of+changes").await, [true, false], "{path}");
            assert_eq!(lines("?find=nowhere").await, [false, false], "{path}");
        }
        insta::assert_snapshot!(vera.get("/components/postgres?find=nowhere").await.section("log"));
    }

    #[tokio::test]
    async fn lines_before_restart_are_marked() {
        let site = Site::begin().await;
        insta::assert_snapshot!(site.sign_in("vera").await.get("/components/postgres").await.section("log"));
    }
}
