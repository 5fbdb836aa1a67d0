//! Media listed on the page *Upgrade*.

use crate::access::Caller;
use crate::console::change::{UPGRADE, View};
use crate::console::moment::Moment;
use crate::console::state::{Mark, State as How};
use crate::console::trouble::Trouble;
use crate::context::Context;
use crate::host::{Medium, Request};

pub(super) struct MediumRow {
    pub(super) mark: Mark,
    pub(super) built: Option<Moment>,
    pub(super) medium: Medium,
}

pub(super) struct Media {
    pub(super) looked: Option<Moment>,
    pub(super) rows: Vec<MediumRow>,
}

pub(super) type MediaResult = Result<Media, Trouble>;

/// Returns true if the page's main button is the search for media, because there is nothing to plan with.
pub(super) fn is_first(view: &View<MediaResult>) -> bool {
    !matches!(&view.subject, Ok(media) if media.rows.iter().any(|row| row.medium.problem.is_none()))
}

fn row(medium: Medium) -> MediumRow {
    let mark = match (&medium.problem, &medium.release) {
        (None, Some(_)) => How::Good.mark("Verified"),
        (Some(_), Some(_)) => How::Attention.mark("Not usable"),
        (_, None) if medium.bundle.is_none() => How::Unknown.mark("Nothing to use"),
        (_, None) => How::Bad.mark("Refused"),
    };
    let built = medium.release.as_ref().and_then(|release| Moment::read(release.built_at.as_deref()));
    MediumRow { mark, built, medium }
}

async fn media(context: &Context) -> MediaResult {
    let page = context.site.media().await?;
    let mut rows: Vec<_> = page.media.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.mark.state));
    Ok(Media { looked: Moment::read(page.looked.as_deref()), rows })
}

pub(super) async fn view(context: &Context, caller: &Caller, asked: (Option<Request>, String)) -> View<MediaResult> {
    View::load(context, caller, UPGRADE, asked, media(context)).await
}
