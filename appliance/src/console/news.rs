//! Notification of open pages about news of the running operation, by server-sent events. A page requests the content
//! of the news: its live part is rendered in one place.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::response::sse::Event;
use futures_util::stream::unfold;

use super::PageResult;
use crate::access::Caller;
use crate::api::event_response;
use crate::context::Context;
use crate::host::NewsListener;

/// Time limit of one listening request: with the next one, the session is checked again.
const TIME: Duration = Duration::from_mins(1);
/// Time after which a browser listens again. In between, the page polls.
const RETRY: Duration = Duration::from_secs(1);

pub async fn tell(State(context): State<Context>, caller: Caller) -> PageResult {
    let Some(listener) = context.site.listen_for_news(TIME) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    Ok(event_response(&context, caller, unfold(listener, next))?)
}

async fn next(mut listener: NewsListener) -> Option<(Event, NewsListener)> {
    let has_news = listener.has_news().await;
    has_news.then(|| (Event::default().event("news").retry(RETRY).data("{}"), listener))
}

#[cfg(test)]
mod tests {
    use landfall_peer::{Event as Reported, NumberedEvent, ProgressPage};

    use super::*;
    use crate::context::LISTENERS;
    use crate::testing::{Site, until};

    const PATH: &str = "/live/news";
    const NEWS: &str = "event: news\nretry: 1000\ndata: {}\n\n";

    #[tokio::test]
    async fn page_hears_news_until_end() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        let idle = vera.get(PATH).await;
        assert_eq!((idle.status, idle.body.as_str()), (StatusCode::NO_CONTENT, ""), "nothing runs");
        let (operation, event) = (Some("upgrade".to_owned()), Reported::Note("a note".to_owned()));
        let events = vec![NumberedEvent { number: 1, event }];
        *site.host.progress.lock().unwrap() = ProgressPage { running: true, operation, run: 3, events };
        until(async || site.context.site.running().is_some()).await;
        let most = u32::try_from(LISTENERS).unwrap();
        let places = site.context.listening.clone().try_acquire_many_owned(most).unwrap();
        assert_eq!(vera.get(PATH).await.status, StatusCode::SERVICE_UNAVAILABLE);
        drop(places);
        let page = vera.clone();
        let listening = tokio::spawn(async move { page.get(PATH).await });
        until(async || site.context.listening.available_permits() < LISTENERS).await;
        {
            let mut progress = site.host.progress.lock().unwrap();
            (progress.running, progress.operation) = (false, None);
        }
        let heard = listening.await.unwrap();
        assert_eq!((heard.status, heard.header("content-type")), (StatusCode::OK, "text/event-stream"));
        assert_eq!(heard.body, [NEWS, NEWS].concat(), "missed news or the end is lacking");
        until(async || site.context.listening.available_permits() == LISTENERS).await;
    }
}
