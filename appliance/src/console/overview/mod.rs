//! The overview: the four answers first, then matters that need a person, then current activity.

mod answers;
mod attention;

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use landfall_documents::releases::ReleaseList;
use landfall_documents::status::StatusReport;

pub use self::answers::sentence;

use self::answers::{Answer, AvailableReleases};
use self::attention::Matter;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::trouble::Trouble;
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::{RunningOperation, Topic};

/// Reports of the host for this page.
struct Facts {
    site: String,
    node: Option<String>,
    at: Option<Moment>,
    answers: [Answer; 4],
}

struct View {
    facts: Result<Facts, Trouble>,
    matters: Vec<Matter>,
    running: Option<RunningOperation>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "overview_live.html")]
struct OverviewFragment {
    view: View,
}

async fn view(context: &Context) -> View {
    let (status, releases, media) = tokio::join!(
        context.site.read::<StatusReport>(Topic::Status),
        context.site.read::<ReleaseList>(Topic::Releases),
        context.site.known_media()
    );
    let mut matters = own_matters(context).await;
    let facts = match status {
        Ok(Some(status)) => {
            matters.extend(attention::matters(&status));
            let given = AvailableReleases { kept: releases.ok().flatten(), media: media.unwrap_or_default().media };
            Ok(facts(&status, &given))
        }
        Ok(None) => Err(no_status()),
        Err(unavailable) => Err(unavailable.into()),
    };
    attention::worst_first(&mut matters);
    View { facts, matters, running: context.site.running() }
}

/// Returns matters that the console knows without its host.
async fn own_matters(context: &Context) -> Vec<Matter> {
    let mut matters: Vec<Matter> =
        context.audit.broken_entry().as_deref().map(attention::of_broken_audit).into_iter().collect();
    matters.extend(context.audit.damage().as_deref().map(attention::of_damage));
    matters.extend(context.database.kept_databases().iter().map(attention::of_aside));
    matters.extend(context.signing.failing().as_ref().and_then(attention::of_unsigned_audit));
    matters.extend(attention::of_forwarding(&context.forward.standing()));
    matters.extend(attention::of_certificate(&context.certificate.supplied(), Timestamp::now()));
    matters.extend(attention::of_ingress(&context.ingress.state()));
    let waiting = crate::approval::open(context).await.unwrap_or_default();
    matters.extend(waiting.iter().filter_map(attention::of_waiting));
    matters
}

/// Returns the trouble of a host without a status: a host always has one, unless it has another version.
fn no_status() -> Trouble {
    let (why, hint) = ("the host has no status".to_owned(), "Run `landfall status` on the host.".to_owned());
    Trouble { title: "The host reports nothing".to_owned(), why, since: None, hint, code: "LF5011".to_owned() }
}

fn facts(status: &StatusReport, given: &AvailableReleases) -> Facts {
    Facts {
        site: status.release.as_ref().map_or_else(
            || "No release is installed".to_owned(),
            |release| format!("{} {}", release.name, release.version),
        ),
        node: status.nodes.first().map(|node| format!("{} · {}", node.name, node.address)),
        at: Moment::read(status.clock.as_ref().map(|clock| clock.now.as_str())),
        answers: answers::answers(status, given),
    }
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Overview, "Overview");
    draw(&OverviewPage { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> PageResult {
    draw(&OverviewFragment { view: view(&context).await })
}

#[cfg(test)]
mod tests;
