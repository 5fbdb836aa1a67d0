//! Releases that the site keeps.

use askama::Template;
use axum::extract::State;
use landfall_documents::releases::ReleaseList;
use landfall_documents::status::StatusReport;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::trouble::Trouble;
use super::units::short;
use super::{PageResult, draw};
use crate::access::Caller;
use crate::context::Context;
use crate::host::Topic;

struct Facts {
    releases: ReleaseList,
    status: Option<StatusReport>,
    /// The latest operation, and the time of its last record.
    operation: Option<(String, Option<Moment>)>,
}

#[derive(Template)]
#[template(path = "releases.html")]
struct ReleasesPage {
    frame: Frame,
    facts: Result<Facts, Trouble>,
}

async fn facts(context: &Context) -> Result<Facts, Trouble> {
    let (releases, status) = tokio::join!(
        context.site.read::<ReleaseList>(Topic::Releases),
        context.site.read::<StatusReport>(Topic::Status)
    );
    let status = status.ok().flatten();
    let operation = status.as_ref().and_then(|status| status.operation.as_ref());
    let operation = operation.map(|operation| (operation.operation.clone(), Moment::read(operation.at.as_deref())));
    Ok(Facts { releases: releases?.unwrap_or_default(), status, operation })
}

pub async fn show(State(context): State<Context>, caller: Caller) -> PageResult {
    let frame = Frame::new(&context, &caller, Place::Releases, "Releases");
    draw(&ReleasesPage { frame, facts: facts(&context).await })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Site, words_of};

    #[tokio::test]
    async fn release_notes_are_escaped() {
        let site = Site::begin().await;
        let page = site.sign_in("vera").await.get("/releases").await;
        assert!(page.body.contains("quote &#60;sources&#62; &#38; pages."), "{}", page.body);
        assert!(page.has("id", "notes-8") && !page.has("id", "notes-7"), "{}", page.body);
    }

    #[tokio::test]
    async fn release_differences_are_listed() {
        let site = Site::begin().await;
        insta::assert_snapshot!(words_of(&site.sign_in("vera").await.get("/releases").await.body));
    }
}
