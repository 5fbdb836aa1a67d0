//! The overview: the four answers first, then what needs a person, then what is being done.

mod answers;
mod attention;

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;

pub use self::answers::sentence;

use self::answers::Answer;
use self::attention::Matter;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::trouble::Trouble;
use super::{Shown, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::{Releases, Running, Status, Topic};

/// What the host reports, for this page.
struct Facts {
    site: String,
    node: Option<String>,
    at: Option<Moment>,
    answers: [Answer; 4],
    matters: Vec<Matter>,
}

struct View {
    facts: Result<Facts, Trouble>,
    running: Option<Running>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Whole {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "overview_live.html")]
struct Live {
    view: View,
}

async fn view(context: &Context) -> View {
    let (status, releases) =
        tokio::join!(context.site.read::<Status>(Topic::Status), context.site.read::<Releases>(Topic::Releases));
    let facts = match status {
        Ok(Some(status)) => {
            let mut facts = facts(&status, releases.ok().flatten().as_ref());
            facts.matters.splice(..0, context.database.aside().iter().map(attention::of_aside));
            facts.matters.splice(..0, context.audit.damage().as_deref().map(attention::of_damage));
            facts.matters.splice(..0, context.audit.broken().as_deref().map(attention::of_broken_audit));
            facts.matters.extend(context.signing.failing().as_ref().and_then(attention::of_unsigned_audit));
            facts.matters.extend(attention::of_forwarding(&context.forward.standing()));
            facts.matters.extend(attention::of_certificate(&context.certificate.supplied(), Timestamp::now()));
            facts.matters.extend(attention::of_ingress(&context.ingress.state()));
            let waiting = crate::approval::open(context).await.unwrap_or_default();
            facts.matters.extend(waiting.iter().filter_map(attention::of_waiting));
            Ok(facts)
        }
        Ok(None) => Err(no_status()),
        Err(unavailable) => Err(unavailable.into()),
    };
    View { facts, running: context.site.running() }
}

/// A host always has a status; one without is of another version.
fn no_status() -> Trouble {
    let (why, hint) = ("the host has no status".to_owned(), "Run `landfall status` on the host.".to_owned());
    Trouble { title: "The host reports nothing".to_owned(), why, since: None, hint, code: "LF5011".to_owned() }
}

fn facts(status: &Status, releases: Option<&Releases>) -> Facts {
    Facts {
        site: status.release.as_ref().map_or_else(
            || "No release is installed".to_owned(),
            |release| format!("{} {}", release.name, release.version),
        ),
        node: status.nodes.first().map(|node| format!("{} · {}", node.name, node.address)),
        at: Moment::read(status.clock.as_ref().map(|clock| clock.now.as_str())),
        answers: answers::answers(status, releases),
        matters: attention::matters(status),
    }
}

pub async fn show(State(context): State<Context>, caller: Caller) -> Shown {
    let frame = Frame::new(&context, &caller, Place::Overview, "Overview");
    draw(&Whole { frame, view: view(&context).await })
}

pub async fn live(State(context): State<Context>) -> Shown {
    draw(&Live { view: view(&context).await })
}

#[cfg(test)]
mod tests;
