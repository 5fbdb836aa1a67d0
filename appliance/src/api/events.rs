//! Live events of the latest operation, for programs: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};

use crate::access::{Caller, Identity};
use crate::context::Context;
use crate::host::{Listener, ReceivedItem};
use crate::people::{has_key, has_session};
use crate::refusal::Refusal;

/// Time limit of one request: with the next one, the program's rights are checked again.
const TIME: Duration = Duration::from_mins(1);
/// Interval of session checks: an action that ends a session, such as a sign-out, does not know the listeners.
const LOOK: Duration = Duration::from_secs(2);
/// Header with the number of the last event that a client received.
const LAST_HEARD: &str = "last-event-id";
/// Header that keeps a proxy from buffering events.
const UNBUFFERED: (&str, &str) = ("x-accel-buffering", "no");

/// Stream events of the running operation
///
/// Server-sent events, live, from the operation's first event on. The data of each is an object as in `landfall …
/// --json`, with its name in `event`. An event named `ended` says that the operation has ended; `GET /api/v1/operation`
/// has its outcome. The stream ends after a minute at the latest. Ask again with the `Last-Event-ID` of the last
/// received event, as clients of server-sent events do: nothing is lost. 204 if nothing runs, and nothing was missed.
#[utoipa::path(
    get,
    path = "/api/v1/operation/events",
    operation_id = "followOperation",
    tag = "changes",
    params(("Last-Event-ID" = Option<String>, Header, description = "id of the last event that was heard")),
    responses(
        (status = 200, description = "the events", content_type = "text/event-stream", body = String),
        (status = 204, description = "nothing runs, and nothing was missed"),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn follow(State(context): State<Context>, caller: Caller, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(listener) = context.site.listen(last_event_of(&headers), TIME) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    event_response(&context, caller, unfold(listener, next))
}

/// Answers with these events. The answer takes a listener slot until it ends, at the latest soon after the caller's
/// session or key. Refused without a free slot.
pub fn event_response(
    context: &Context,
    caller: Caller,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Result<Response, Refusal> {
    let place = context.listening.clone().try_acquire_owned().map_err(|_| Refusal::Listeners)?;
    let context = context.clone();
    let ended = async move {
        while still_is(&context, &caller.identity).await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let events = events.take_until(Box::pin(ended)).map(move |event| {
        let _held = &place;
        Ok::<_, Infallible>(event)
    });
    Ok(([UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

/// Returns true if a caller's session or key is still valid. An unreadable database is ignored.
async fn still_is(context: &Context, identity: &Identity) -> bool {
    let found = match identity {
        Identity::Anonymous => return false,
        Identity::Browser(session) => has_session(context, &session.id).await,
        Identity::Program(key) => has_key(context, &key.id).await,
    };
    found.unwrap_or(true)
}

async fn next(mut listener: Listener) -> Option<(Event, Listener)> {
    let heard = listener.next().await?;
    Some((event(heard), listener))
}

fn event(heard: ReceivedItem) -> Event {
    match heard {
        ReceivedItem::Event { id, text } => Event::default().id(id).data(text),
        ReceivedItem::Ended => Event::default().event("ended").data("{}"),
    }
}

/// Returns the run and the number of the last event that a client received; `None` if the header is not an ID of this
/// console.
fn last_event_of(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (run, number) = headers.get(LAST_HEARD)?.to_str().ok()?.split_once('-')?;
    Some((run.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use landfall_peer::{Event, NumberedEvent, ProgressPage};

    use super::*;
    use crate::context::LISTENERS;
    use crate::people::Scope;
    use crate::testing::{PASSWORD, Site, until};

    const PATH: &str = "/api/v1/operation/events";

    fn note(number: u64) -> NumberedEvent {
        NumberedEvent { number, event: Event::Note(format!("note {number}")) }
    }

    /// Returns the stream for the notes with these numbers, and the end.
    fn stream(numbers: std::ops::RangeInclusive<u64>) -> String {
        let event = |number| format!("id: 3-{number}\ndata: {{\"event\":\"note\",\"text\":\"note {number}\"}}\n\n");
        numbers.map(event).chain(["event: ended\ndata: {}\n\n".to_owned()]).collect()
    }

    /// Returns a site with a running upgrade that has reported two notes.
    async fn upgrading() -> Site {
        let site = Site::begin().await;
        let operation = Some("upgrade".to_owned());
        *site.host.progress.lock().unwrap() =
            ProgressPage { running: true, operation, run: 3, events: vec![note(1), note(2)] };
        until(async || site.context.site.running().is_some()).await;
        site
    }

    #[tokio::test]
    async fn stream_ends_with_credentials() {
        let site = upgrading().await;
        let begun = std::time::Instant::now();
        let listening = |visitor: crate::testing::Visitor| tokio::spawn(async move { visitor.get(PATH).await.body });
        let (left, removed) = (site.sign_in("vera").await, site.sign_in("olga").await);
        let (demoted, program) = (site.sign_in("root").await, site.program("root", &[Scope::Read]).await);
        let root = site.sign_in("root").await;
        let (other, changing) = (site.sign_in("vera").await, site.sign_in("vera").await);
        let all: Vec<_> =
            [&left, &removed, &demoted, &program, &other].map(|visitor| listening(visitor.clone())).into();
        until(async || site.context.listening.available_permits() == LISTENERS - 5).await;
        assert!(left.post("/sign-out", &[]).await.status.is_redirection());
        let new = "puffin lantern granite wharf";
        let password = [("present", PASSWORD), ("new", new), ("again", new)];
        assert!(changing.post("/account/password", &password).await.status.is_redirection());
        assert!(root.post("/users/olga/disable", &[]).await.status.is_redirection());
        assert!(root.post("/account/sessions", &[]).await.status.is_redirection());
        let keys = crate::people::keys(&site.context).await.unwrap();
        assert!(root.post(&format!("/keys/{}/remove", keys[0].id), &[]).await.status.is_redirection());
        for stream in all {
            assert!(!stream.await.unwrap().contains("ended"), "the operation ended");
        }
        assert!(begun.elapsed() < TIME / 2, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn program_hears_whole_operation() {
        let site = upgrading().await;
        let vera = site.program("vera", &[Scope::Read]).await;
        let listener = vera.clone();
        let listening = tokio::spawn(async move { listener.get(PATH).await });
        until(async || site.context.listening.available_permits() < LISTENERS).await;
        {
            let mut progress = site.host.progress.lock().unwrap();
            progress.events.push(note(3));
            (progress.running, progress.operation) = (false, None);
        }
        let heard = listening.await.unwrap();
        assert_eq!((heard.status, heard.header("content-type")), (StatusCode::OK, "text/event-stream"));
        assert_eq!((heard.body, heard.headers["x-accel-buffering"].as_bytes()), (stream(1..=3), b"no".as_slice()));
        until(async || site.context.listening.available_permits() == LISTENERS).await;
        let missed = vera.send(Method::GET, PATH, &[(LAST_HEARD, "3-2")], "").await;
        assert_eq!(missed.body, stream(3..=3));
        for heard in ["3-3", "2-1", "nothing", ""] {
            let none = vera.send(Method::GET, PATH, &[(LAST_HEARD, heard)], "").await;
            assert_eq!((none.status, none.body.as_str()), (StatusCode::NO_CONTENT, ""), "{heard}");
        }
    }

    #[tokio::test]
    async fn excess_listener_is_refused() {
        let site = upgrading().await;
        let vera = site.program("vera", &[Scope::Read]).await;
        let most = u32::try_from(LISTENERS).unwrap();
        let places = site.context.listening.clone().try_acquire_many_owned(most).unwrap();
        let refused = vera.get(PATH).await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, Some("LF5056"))
        );
        drop(places);
        let listener = vera.clone();
        let listening = tokio::spawn(async move { listener.get(PATH).await });
        until(async || site.context.listening.available_permits() < LISTENERS).await;
        site.context.site.end_listeners();
        assert!(!listening.await.unwrap().body.contains("ended"), "the operation ended");
    }
}
