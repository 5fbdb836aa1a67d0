//! Events of an operation's latest run, for programs that listen to them. The follower requests all of them from the
//! host once, and nothing is stored: a restarted console requests the whole run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use landfall_peer::ProgressPage;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Number of kept events of a run. Late listeners of a longer run get the newest ones; their numbers show the gap.
const KEPT: usize = 4096;
/// Time between two notifications of a page, each of which makes it request its live part.
const NEWS_PAUSE: Duration = Duration::from_secs(1);

/// An event of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    /// Operation, in the numbering of [`Reports::begun`].
    operation: u64,
    number: u64,
    /// The event in JSON, shared by all listeners.
    text: Arc<str>,
}

/// State of the latest operation.
#[derive(Debug, Default)]
pub(super) struct Reports {
    run: u64,
    operation: Option<String>,
    is_running: bool,
    /// Number of operations so far: one without its own events has the run of the previous one.
    begun: u64,
    /// Number of the run's last event.
    last: u64,
    /// Events of this operation and earlier ones, in order: a slow listener receives the end of an earlier one.
    events: VecDeque<Report>,
    /// True if the console is ending.
    is_closed: bool,
}

impl Reports {
    /// Applies an answer of the host; returns true if it is news.
    pub(super) fn take(&mut self, page: &ProgressPage) -> bool {
        let is_other_run = page.run != self.run;
        let begins = page.running && (!self.is_running || page.operation != self.operation);
        let is_turn = is_other_run || page.running != self.is_running;
        if is_other_run {
            (self.run, self.last) = (page.run, 0);
        }
        if is_other_run || begins {
            self.begun += 1;
        }
        self.is_running = page.running;
        if page.running {
            self.operation.clone_from(&page.operation);
        }
        let (operation, last, before) = (self.begun, self.last, self.events.len());
        self.events.extend(page.events.iter().filter(|event| event.number > last).filter_map(|event| {
            let text = serde_json::to_string(&event.event).ok()?;
            Some(Report { operation, number: event.number, text: text.into() })
        }));
        let has_news = self.events.len() > before;
        self.last = page.events.last().map_or(last, |event| event.number.max(last));
        let surplus = self.events.len().saturating_sub(KEPT);
        self.events.drain(..surplus);
        has_news || is_turn || begins
    }

    /// Ends all listeners.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Returns the starting position of a listener that has received everything up to this number of a run; `None` if
    /// there is nothing to receive.
    fn place(&self, heard: Option<(u64, u64)>) -> Option<u64> {
        let after = heard.filter(|(run, _)| *run == self.run).map(|(_, number)| number);
        let has_rest = after.is_some_and(|after| self.after(self.begun, after).next().is_some());
        (!self.is_closed && (self.is_running || has_rest)).then_some(after.unwrap_or_default())
    }

    /// Returns the kept events of an operation after a number.
    fn after(&self, operation: u64, number: u64) -> impl Iterator<Item = &Report> {
        let heard = self.events.partition_point(|event| (event.operation, event.number) <= (operation, number));
        self.events.range(heard..).take_while(move |event| event.operation == operation)
    }
}

/// Item received by a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceivedItem {
    /// An event.
    Event {
        /// The run and the event's number in it, such as `3-17`, from which a listener can continue.
        id: String,
        /// The event in JSON.
        text: Arc<str>,
    },
    /// The operation has ended, and all of its events were received.
    Ended,
}

/// Listener to the latest operation's events.
#[derive(Debug)]
pub struct Listener {
    reports: watch::Receiver<Reports>,
    run: u64,
    begun: u64,
    after: u64,
    waiting: VecDeque<Report>,
    is_over: bool,
    until: Instant,
}

impl Listener {
    /// Begins after what was received before, for at most this time. `None` if nothing is running and nothing was
    /// missed.
    pub(super) fn begin(reports: watch::Receiver<Reports>, heard: Option<(u64, u64)>, time: Duration) -> Option<Self> {
        let (run, begun, after) = {
            let now = reports.borrow();
            (now.run, now.begun, now.place(heard)?)
        };
        let (waiting, until) = (VecDeque::new(), Instant::now() + time);
        Some(Self { reports, run, begun, after, waiting, is_over: false, until })
    }

    /// Returns the next item; `None` at the end, and after the time limit.
    pub async fn next(&mut self) -> Option<ReceivedItem> {
        loop {
            if let Some(Report { number, text, .. }) = self.waiting.pop_front() {
                return Some(ReceivedItem::Event { id: format!("{}-{number}", self.run), text });
            }
            if self.is_over || Instant::now() >= self.until || !self.look() {
                return None;
            }
            if !self.waiting.is_empty() {
                continue;
            }
            if self.is_over {
                return Some(ReceivedItem::Ended);
            }
            if !matches!(timeout_at(self.until, self.reports.changed()).await, Ok(Ok(()))) {
                return None;
            }
        }
    }

    /// Reads news; returns false if the console is ending. A new operation that began in between ends this one.
    fn look(&mut self) -> bool {
        let now = self.reports.borrow_and_update();
        if now.is_closed {
            return false;
        }
        self.waiting.extend(now.after(self.begun, self.after).cloned());
        match self.waiting.back() {
            Some(last) => self.after = last.number,
            None => self.is_over = now.begun != self.begun || !now.is_running,
        }
        true
    }
}

/// Listener that learns only that there is news of the running operation: for pages, which then request their live
/// part.
#[derive(Debug)]
pub struct NewsListener {
    reports: watch::Receiver<Reports>,
    until: Instant,
    /// Time of the last notification.
    told: Option<Instant>,
    is_over: bool,
}

impl NewsListener {
    /// Listens for at most this time. `None` if nothing is running.
    pub(super) fn begin(reports: watch::Receiver<Reports>, time: Duration) -> Option<Self> {
        let is_told = {
            let now = reports.borrow();
            now.is_running && !now.is_closed
        };
        is_told.then(|| Self { reports, until: Instant::now() + time, told: None, is_over: false })
    }

    /// Waits for news. Returns false after the time limit, if the console is ending, and after the news of the
    /// operation's end. The first notification is immediate, for what was missed before.
    pub async fn has_news(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        if let Some(told) = self.told {
            if !matches!(timeout_at(self.until, self.reports.changed()).await, Ok(Ok(()))) {
                return false;
            }
            sleep_until(told + NEWS_PAUSE).await;
        }
        self.told = Some(Instant::now());
        let now = self.reports.borrow_and_update();
        self.is_over = !now.is_running;
        !now.is_closed
    }
}

#[cfg(test)]
mod tests {
    use landfall_peer::{Event, NumberedEvent};

    use super::*;

    fn page(run: u64, operation: Option<&str>, numbers: impl IntoIterator<Item = u64>) -> ProgressPage {
        let event = |number: u64| NumberedEvent { number, event: Event::Note(number.to_string()) };
        ProgressPage {
            running: operation.is_some(),
            operation: operation.map(str::to_owned),
            run,
            events: numbers.into_iter().map(event).collect(),
        }
    }

    /// Returns the IDs that a listener receives until there is nothing more for now, and true if it received the end.
    async fn hear(listener: &mut Listener) -> (Vec<String>, bool) {
        let mut ids = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(50), listener.next()).await {
                Ok(Some(ReceivedItem::Event { id, text })) => {
                    let number = id.split_once('-').unwrap().1;
                    assert_eq!(&*text, format!(r#"{{"event":"note","text":"{number}"}}"#));
                    ids.push(id);
                }
                Ok(Some(ReceivedItem::Ended)) => return (ids, true),
                Ok(None) | Err(_) => return (ids, false),
            }
        }
    }

    fn listen(reports: &watch::Sender<Reports>, heard: Option<(u64, u64)>) -> Option<Listener> {
        Listener::begin(reports.subscribe(), heard, Duration::from_mins(1))
    }

    fn ids(run: u64, numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
        numbers.into_iter().map(|number| format!("{run}-{number}")).collect()
    }

    #[tokio::test]
    async fn listeners_hear_every_event_once() {
        let reports = watch::channel(Reports::default()).0;
        let take = |page: ProgressPage| reports.send_if_modified(|reports| reports.take(&page));
        assert!(listen(&reports, None).is_none(), "nothing runs");
        assert!(take(page(7, Some("upgrade"), 1..=3)));
        let mut early = listen(&reports, None).unwrap();
        assert_eq!(hear(&mut early).await, (ids(7, 1..=3), false));
        assert!(take(page(7, Some("upgrade"), 4..=5)));
        assert!(!take(page(7, Some("upgrade"), [5])), "an earlier event was reported");
        let mut late = listen(&reports, None).unwrap();
        let mut again = listen(&reports, Some((7, 3))).unwrap();
        let mut other = listen(&reports, Some((6, 99))).unwrap();
        assert!(take(page(7, None, [6])));
        assert_eq!(hear(&mut early).await, (ids(7, 4..=6), true));
        assert_eq!(hear(&mut late).await, (ids(7, 1..=6), true));
        assert_eq!(hear(&mut again).await, (ids(7, 4..=6), true));
        assert_eq!(hear(&mut other).await, (ids(7, 1..=6), true), "the number of another run counts");
        assert!(early.next().await.is_none());

        // A listener that was away at the end gets the rest, and then nothing.
        assert!(listen(&reports, None).is_none() && listen(&reports, Some((7, 6))).is_none());
        assert_eq!(hear(&mut listen(&reports, Some((7, 5))).unwrap()).await, (ids(7, [6]), true));
    }

    #[tokio::test]
    async fn next_operation_ends_previous() {
        let reports = watch::channel(Reports::default()).0;
        let take = |page: ProgressPage| reports.send_if_modified(|reports| reports.take(&page));
        take(page(1, Some("upgrade"), 1..=2));
        let mut upgrade = listen(&reports, None).unwrap();
        take(page(1, Some("drill"), []));
        assert_eq!(hear(&mut upgrade).await, (ids(1, 1..=2), true));
        let mut drill = listen(&reports, None).unwrap();
        assert_eq!(hear(&mut drill).await, (ids(1, []), false));
        take(page(2, Some("configure"), 1..=2));
        assert_eq!(hear(&mut drill).await, (ids(1, []), true), "events of another operation were heard");
        assert_eq!(hear(&mut listen(&reports, None).unwrap()).await, (ids(2, 1..=2), false));
    }

    #[tokio::test]
    async fn newest_events_are_kept() {
        let reports = watch::channel(Reports::default()).0;
        let most = KEPT as u64;
        reports.send_if_modified(|reports| reports.take(&page(1, Some("upgrade"), 1..=most + 2)));
        let mut listener = listen(&reports, None).unwrap();
        assert_eq!(hear(&mut listener).await, (ids(1, 3..=most + 2), false));
        reports.send_modify(Reports::close);
        assert_eq!(hear(&mut listener).await, (Vec::new(), false));
        assert!(listener.next().await.is_none() && listen(&reports, None).is_none());
        let (_reports, running) = watch::channel(Reports { is_running: true, ..Reports::default() });
        let mut short = Listener::begin(running, None, Duration::ZERO).unwrap();
        assert!(short.next().await.is_none(), "the listener did not end in time");
    }

    #[tokio::test]
    async fn page_news_is_rate_limited() {
        let reports = watch::channel(Reports::default()).0;
        let take = |page: ProgressPage| reports.send_if_modified(|reports| reports.take(&page));
        let begin = || NewsListener::begin(reports.subscribe(), Duration::from_secs(5));
        assert!(begin().is_none(), "nothing runs");
        take(page(1, Some("upgrade"), 1..=2));
        let mut listener = begin().unwrap();
        let started = Instant::now();
        assert!(listener.has_news().await, "the missed event is lacking");
        take(page(1, Some("upgrade"), 3..=3));
        take(page(1, Some("upgrade"), 4..=4));
        assert!(listener.has_news().await && started.elapsed() >= NEWS_PAUSE, "{:?}", started.elapsed());
        take(page(1, None, [5]));
        assert!(listener.has_news().await && started.elapsed() >= 2 * NEWS_PAUSE, "{:?}", started.elapsed());
        assert!(!listener.has_news().await && begin().is_none(), "the end was not reported");

        take(page(2, Some("upgrade"), 1..=1));
        let mut quiet = NewsListener::begin(reports.subscribe(), Duration::from_millis(50)).unwrap();
        let mut closed = begin().unwrap();
        assert!(quiet.has_news().await && closed.has_news().await);
        assert!(!quiet.has_news().await, "the listener did not end in time");
        reports.send_modify(Reports::close);
        assert!(!closed.has_news().await && begin().is_none(), "the end of the console was not heard");
    }
}
