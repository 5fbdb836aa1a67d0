//! The console under load: many programs that listen to one operation. It also measures figures that the part `figures`
//! judges for the program that ships. They are memory and processor use when idle, the first page, and responses at a
//! fixed rate. A request is sent when it is due, even if earlier ones are pending, and its time is measured from then.
#![expect(clippy::disallowed_methods, reason = "a report for people, recreated at each run; a file of the kernel")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_peer::Event;
use landfall_test_browser::{Browser, PASSWORD, until};
use landfall_xtask::bench::console::{
    ANSWERS, ANSWERS_WITH_POSTGRESQL, FIRST_PAGE, FIRST_PAINTS, IDLE_MEMORY, IDLE_MEMORY_AFTER_SIGN_IN, IDLE_PROCESSOR,
    LISTENERS_BYTES, MEASUREMENT, MEMORY_OF_LISTENERS, MEMORY_UNDER_LOAD, MEMORY_WITH_POSTGRESQL, figure, table,
};
use landfall_xtask::bench::{Figure, Row, Unit, render};
use landfall_xtask::printer;
use landfall_xtask::site::kibibytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::browser;
use super::console::Console;
use super::program::{ADMINISTRATOR, Program};

/// Time between two requests: 500 per second.
const PAUSE: Duration = Duration::from_millis(2);
/// Number of requests before the measurement, which use new connections.
const WARM_UP: u32 = 500;
/// Number of measured requests: those of 20 seconds.
const QUESTIONS: u32 = 10_000;
/// Paths that are requested in turn: documents with a key, and pages and their live parts with a session.
const PATHS: [&str; 12] = [
    "/api/v1/status",
    "/",
    "/api/v1/backups",
    "/live/overview",
    "/api/v1/operation",
    "/components",
    "/api/v1/releases",
    "/backups",
    "/api/v1/settings",
    "/live/upgrade",
    "/api/v1/trend",
    "/node",
];

/// Number of simultaneous listeners.
const LISTENERS: usize = 500;
/// Number of machines that the programs are on. One address may use at most half of the console's places.
const MACHINES: u8 = 5;
/// Number of events of the operation that they listen to.
const EVENTS: u64 = 200;
/// Time limit to receive all events. It exceeds the duration of one stream, because programs of a slow host continue
/// with another.
const HEARING: Duration = Duration::from_mins(2);
/// Time between two attempts to listen.
const RETRY: Duration = Duration::from_millis(200);
/// Path of the event stream.
const FOLLOW: &str = "/api/v1/operation/events";

/// Time for a console to become idle.
const SETTLE: Duration = Duration::from_secs(5);
/// Duration of the measurement when idle.
const IDLE: Duration = Duration::from_secs(20);
/// Time after a sign-in at which memory is measured. A sign-in takes 19 MiB while the password is hashed.
const AFTER_SIGN_IN: Duration = Duration::from_mins(1);
/// Number of measured first pages, each in a browser without a connection, and number of paints of each page.
const FIRST_PAGES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program: run by `cargo xtask test --only pages`"]
async fn five_hundred_programs_follow_one_upgrade() -> Result<()> {
    hear_one_upgrade(Console::begin().await?).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program: run by `cargo xtask test --only pages`"]
async fn programs_follow_upgrade_with_postgresql() -> Result<()> {
    hear_one_upgrade(Console::begin_with_postgresql().await?).await
}

async fn hear_one_upgrade(mut console: Console) -> Result<()> {
    let program = Program::begin(&console).await?;
    ensure!(program.listen(FOLLOW, None).await?.is_none(), "an event was sent before anything ran");
    let taken = listen_together(&console, &program).await?;
    // Code is not counted, because the code of a test build is far larger.
    let own = bytes_of(&console, "RssAnon:")?;
    ensure!(own <= LISTENERS_BYTES, "{own} bytes of memory after {LISTENERS} listeners");
    printer::note(format!(
        "proved: {LISTENERS} programs heard {EVENTS} events each, {:.1} s after the last",
        taken.as_secs_f64()
    ));
    ensure!(program.listen(FOLLOW, None).await?.is_none(), "an event was sent after the end");
    continues_with_the_next_console(&mut console, &program).await
}

/// Checks that a listener does not delay the end of the console, and continues at its position with the next console.
async fn continues_with_the_next_console(console: &mut Console, program: &Program) -> Result<()> {
    console.host.site.facts().begin_upgrade();
    let count = Arc::new(AtomicUsize::new(0));
    let (listener, counted) = (program.clone(), count.clone());
    let listening = tokio::spawn(async move { ReceivedEvents::default().stream(&listener, &counted).await });
    until("a program listens", async || Ok(count.load(Ordering::Relaxed) == 1)).await?;
    let before = Instant::now();
    console.stop()?;
    ensure!(before.elapsed() < Duration::from_secs(6), "a listener held up the end for {:?}", before.elapsed());
    let heard = timeout(HEARING, listening).await???;
    ensure!(!heard.has_ended, "the console's end was mistaken for the operation's");

    console.start().await?;
    console.host.site.facts().report(Event::Note("a note for the next console".to_owned()));
    let (listener, counted) = (program.with_new_connections(console)?, count.clone());
    let listening = tokio::spawn(async move { heard.until_the_end(&listener, &counted).await });
    until("the program listens again", async || Ok(count.load(Ordering::Relaxed) == 2)).await?;
    let run = console.host.site.facts().progress.run;
    console.host.site.facts().commit();
    let heard = timeout(HEARING, listening).await???;
    let expected = [format!("{run}-1"), format!("{run}-2")];
    ensure!(heard.has_ended && heard.ids == expected, "a program heard {:?}, {}", heard.ids, heard.has_ended);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the program that ships: run by `cargo xtask test --only figures`"]
async fn the_console_is_measured() -> Result<()> {
    let mut console = Console::begin().await?;
    let program = Program::begin(&console).await?;
    // A console that has not hashed a password.
    console.stop()?;
    console.start().await?;
    let program = program.with_new_connections(&console)?;
    let mut figures = rest(&console).await?;
    figures.push(first_pages(&console, &program).await?);
    figures.extend(load(&console, &program).await?);
    forget_peak(&console)?;
    let after = listen_together(&console, &program).await?;
    figures.push(figure(MEMORY_OF_LISTENERS, bytes_of(&console, "VmHWM:")?, Unit::Bytes));
    figures.push(figure("until all listeners have heard the end", milliseconds(after), Unit::Milliseconds));
    // This comes last, with a console that has served nothing else, because a sign-in uses memory.
    console.stop()?;
    console.start().await?;
    figures.push(rest_after_sign_in(&console).await?);
    figures.extend(first_paints(&console).await?);
    console.stop()?;
    figures.extend(load_with_postgresql().await?);
    let rows = [Row { name: "console", figures, ratios: Vec::new() }];
    printer::data(render(&rows).trim_end());
    Ok(std::fs::write(table(), serde_json::to_vec_pretty(&rows)?)?)
}

/// Measures the same responses at the same rate, from a console with its data in PostgreSQL.
async fn load_with_postgresql() -> Result<Vec<Figure>> {
    let mut console = Console::begin_with_postgresql().await?;
    let program = Program::begin(&console).await?;
    console.stop()?;
    console.start().await?;
    let program = program.with_new_connections(&console)?;
    let (mut times, _, memory) = answers(&console, &program).await?;
    console.stop()?;
    Ok(vec![
        figure(ANSWERS_WITH_POSTGRESQL, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds),
        figure(MEMORY_WITH_POSTGRESQL, memory, Unit::Bytes),
    ])
}

/// Measures an idle console.
async fn rest(console: &Console) -> Result<Vec<Figure>> {
    sleep(SETTLE).await;
    let (before, begun) = (processor_time(console)?, Instant::now());
    sleep(IDLE).await;
    let share = processor_time(console)?.saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let memory = bytes_of(console, "VmRSS:")?;
    Ok(vec![figure(IDLE_MEMORY, memory, Unit::Bytes), figure(IDLE_PROCESSOR, share, Unit::Share)])
}

/// Measures the time from the first byte to the console until a browser has the page and its style.
async fn first_pages(console: &Console, program: &Program) -> Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..FIRST_PAGES {
        let browser = program.with_new_connections(console)?;
        let begun = Instant::now();
        let page = browser.read("/").await?;
        let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").context("the page has no style")?;
        let style = browser.read(rest.split('"').next().unwrap_or_default()).await?;
        times.push(begun.elapsed());
        ensure!(page.contains("starter 1.1.0") && style.contains('{'), "the first page is not whole");
    }
    Ok(figure(FIRST_PAGE, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds))
}

/// Measures the memory of a console after a browser has signed in and closed.
async fn rest_after_sign_in(console: &Console) -> Result<Figure> {
    signed_in(console).await?.close().await?;
    sleep(AFTER_SIGN_IN).await;
    Ok(figure(IDLE_MEMORY_AFTER_SIGN_IN, bytes_of(console, "VmRSS:")?, Unit::Bytes))
}

/// Starts a browser with a signed-in user.
async fn signed_in(console: &Console) -> Result<Browser> {
    let browser = browser::begin(console).await?;
    browser.open("/sign-in").await?;
    browser.sign_in(ADMINISTRATOR, PASSWORD).await?;
    browser.expect_path("/").await?;
    Ok(browser)
}

/// Measures the time from the click until Chromium has first painted a page.
async fn first_paints(console: &Console) -> Result<Vec<Figure>> {
    let browser = signed_in(console).await?;
    let script = "const done = arguments[0];
        const look = () => { const [paint] = performance.getEntriesByName('first-paint');
            if (paint) done(paint.startTime); else setTimeout(look, 5); };
        look();";
    let mut figures = Vec::new();
    for (page, name) in FIRST_PAINTS {
        let mut times = Vec::new();
        for _ in 0..FIRST_PAGES {
            browser.open(page).await?;
            let milliseconds: f64 = browser.driver.execute_async(script, Vec::new()).await?.convert()?;
            times.push(Duration::from_secs_f64(milliseconds / 1000.0));
        }
        browser.expect_path(page).await?;
        figures.push(figure(name, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds));
    }
    browser.close().await?;
    Ok(figures)
}

/// Measures responses at a fixed rate.
async fn load(console: &Console, program: &Program) -> Result<Vec<Figure>> {
    let (mut times, share, memory) = answers(console, program).await?;
    Ok(vec![
        figure("50 of 100 answers at that rate", milliseconds(of_hundred(50, &mut times)), Unit::Milliseconds),
        figure(ANSWERS, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds),
        figure("the slowest answer at that rate", milliseconds(of_hundred(100, &mut times)), Unit::Milliseconds),
        figure("of a processor at that rate", share, Unit::Share),
        figure(MEMORY_UNDER_LOAD, memory, Unit::Bytes),
    ])
}

/// Returns the time of each response, the share of a processor, and the peak memory in bytes.
async fn answers(console: &Console, program: &Program) -> Result<(Vec<Duration>, f64, f64)> {
    ask(program, WARM_UP).await?;
    forget_peak(console)?;
    let (before, begun) = (processor_time(console)?, Instant::now());
    let times = ask(program, QUESTIONS).await?;
    let took = begun.elapsed();
    let share = processor_time(console)?.saturating_sub(before).as_secs_f64() / took.as_secs_f64();
    let memory = bytes_of(console, "VmHWM:")?;
    ensure!(took <= PAUSE * QUESTIONS + Duration::from_secs(5), "the rate was not held: {took:?}");
    Ok((times, share, memory))
}

/// Sends each request when it is due. Returns the time from then until each response was complete.
async fn ask(program: &Program, count: u32) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for (number, path) in (0..count).zip(PATHS.iter().copied().cycle()) {
        let (due, program) = (begun + PAUSE * number, program.clone());
        sleep_until(due).await;
        asking.spawn(async move { program.read(path).await.map(|_| due.elapsed()) });
    }
    asking.join_all().await.into_iter().collect()
}

/// Events that a program received.
#[derive(Default)]
struct ReceivedEvents {
    ids: Vec<String>,
    has_ended: bool,
}

impl ReceivedEvents {
    /// Receives the next stream of the running operation. The first attempt may come before the console knows of the
    /// operation.
    async fn stream(mut self, program: &Program, count: &AtomicUsize) -> Result<Self> {
        while !self.listen(program, count).await? {
            sleep(RETRY).await;
        }
        Ok(self)
    }

    /// Receives everything: a stream lasts a minute, and the next one continues where it ended.
    async fn until_the_end(self, program: &Program, count: &AtomicUsize) -> Result<Self> {
        let mut heard = self.stream(program, count).await?;
        while !heard.has_ended && heard.listen(program, count).await? {}
        Ok(heard)
    }

    /// Receives a stream from the current position; returns false if there is no operation. `count` is incremented when
    /// the stream has begun.
    async fn listen(&mut self, program: &Program, count: &AtomicUsize) -> Result<bool> {
        let last = self.ids.last().map(String::as_str);
        let Some(mut answer) = program.listen(FOLLOW, last).await? else { return Ok(false) };
        count.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            bytes.extend_from_slice(&piece);
        }
        let text = String::from_utf8(bytes)?;
        self.ids.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned));
        self.has_ended = text.ends_with("event: ended\ndata: {}\n\n");
        Ok(true)
    }
}

/// Lets many programs listen to one upgrade. Returns the time from its end until the last program received that.
async fn listen_together(console: &Console, program: &Program) -> Result<Duration> {
    let run = {
        let mut facts = console.host.site.facts();
        facts.begin_upgrade();
        facts.progress.run
    };
    let machines = (1..=MACHINES).map(|number| program.elsewhere(console, Ipv4Addr::new(127, 0, 0, number).into()));
    let (programs, count) = (machines.collect::<Result<Vec<_>>>()?, Arc::new(AtomicUsize::new(0)));
    let mut listening = JoinSet::new();
    for program in programs.iter().cycle().take(LISTENERS) {
        let (program, count) = (program.clone(), count.clone());
        listening.spawn(async move { ReceivedEvents::default().until_the_end(&program, &count).await });
    }
    until("all programs listen", async || Ok(count.load(Ordering::Relaxed) == LISTENERS)).await?;
    for number in 2..=EVENTS {
        console.host.site.facts().report(Event::Note(format!("note {number} of an upgrade with many listeners")));
        if number.is_multiple_of(20) {
            sleep(Duration::from_millis(200)).await;
        }
    }
    console.host.site.facts().commit();
    let ended = Instant::now();
    let all = timeout(HEARING, listening.join_all()).await.context("not all have heard the end")?;
    let taken = ended.elapsed();
    let expected: Vec<String> = (1..=EVENTS).map(|number| format!("{run}-{number}")).collect();
    for heard in all {
        let heard = heard?;
        ensure!(heard.has_ended && heard.ids == expected, "a program heard {:?}, {}", heard.ids, heard.has_ended);
    }
    Ok(taken)
}

/// Returns the value that this percentage of the times does not exceed.
fn of_hundred(share: usize, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get((times.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Returns a part of the console's memory as counted by the kernel, in bytes.
fn bytes_of(console: &Console, name: &str) -> Result<f64> {
    let status = console.kernel_file("status")?;
    let value = kibibytes(&status, name).with_context(|| format!("no {name}"))?;
    Ok(f64::from(u32::try_from(value)?) * 1024.0)
}

/// Returns the processor time of the console, in user mode and in the kernel.
fn processor_time(console: &Console) -> Result<Duration> {
    let stat = console.kernel_file("stat")?;
    // The name, which precedes the fields, may contain spaces and parentheses. After it, the 12th and 13th fields are
    // the two times.
    let (_, fields) = stat.rsplit_once(')').context("a process has no name")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = times.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Resets the kernel's peak of the console's memory.
fn forget_peak(console: &Console) -> Result<()> {
    std::fs::write(format!("/proc/{}/clear_refs", console.process()?), "5").context("cannot reset the peak of memory")
}

#[test]
fn measurement_has_expected_name() {
    assert!(include_str!("load.rs").contains(&format!("async fn {MEASUREMENT}()")));
}

#[test]
fn percentile_is_computed() {
    let mut times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
    let at = |share, times: &mut [Duration]| of_hundred(share, times).as_millis();
    assert_eq!([50, 95, 100].map(|share| at(share, &mut times)), [10, 19, 20]);
    assert_eq!(at(95, &mut []), 0);
}
