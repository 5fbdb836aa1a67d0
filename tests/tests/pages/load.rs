//! The console under load: many programs that listen to one operation. And what it takes, which the part `figures` judges for the program that ships:
//! memory and processor when idle, the first page, and answers at a fixed rate. A question is asked when it is due, whether or not those
//! before are answered, and its time counts from then.
#![expect(clippy::disallowed_methods, reason = "a report for people, recreated at each run; a file of the kernel")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_peer::Event;
use landfall_test_browser::{Browser, PASSWORD, until};
use landfall_tests::bench::console::{
    ANSWERS, ANSWERS_WITH_POSTGRESQL, FIRST_PAGE, FIRST_PAINTS, IDLE_MEMORY, IDLE_MEMORY_AFTER_SIGN_IN, IDLE_PROCESSOR,
    LISTENERS_BYTES, MEASUREMENT, MEMORY_OF_LISTENERS, MEMORY_UNDER_LOAD, MEMORY_WITH_POSTGRESQL, figure, table,
};
use landfall_tests::bench::{Figure, Row, Unit, render};
use landfall_tests::printer;
use landfall_tests::site::kibibytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::browser;
use super::console::Console;
use super::program::{ADMINISTRATOR, Program};

/// Between two questions: 500 in a second.
const PAUSE: Duration = Duration::from_millis(2);
/// Questions before any counts, on connections that are new.
const WARM_UP: u32 = 500;
/// Questions that count: those of 20 seconds.
const QUESTIONS: u32 = 10_000;
/// What is asked in turn: documents with a key, pages and their live parts with a session.
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

/// Programs that listen at once.
const LISTENERS: usize = 500;
/// Machines that they are on: one address has at most half of the console's places.
const MACHINES: u8 = 5;
/// Events of the operation that they listen to.
const EVENTS: u64 = 200;
/// How long they may take to hear all of it: longer than one stream lasts, since a slow host's programs continue with another.
const HEARING: Duration = Duration::from_mins(2);
/// Between two tries to listen.
const RETRY: Duration = Duration::from_millis(200);
/// Where they listen.
const FOLLOW: &str = "/api/v1/operation/events";

/// How long a console may take until it is at rest.
const SETTLE: Duration = Duration::from_secs(5);
/// How long rest is measured.
const IDLE: Duration = Duration::from_secs(20);
/// How long after a sign-in memory is measured: one takes 19 MiB while the password is hashed.
const AFTER_SIGN_IN: Duration = Duration::from_mins(1);
/// First pages that are looked at, each by a browser that has no connection yet; and how often each page is painted.
const FIRST_PAGES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program: run by `cargo xtask test --only pages`"]
async fn five_hundred_programs_hear_one_upgrade_to_its_end() -> Result<()> {
    hear_one_upgrade(Console::begin().await?).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the program: run by `cargo xtask test --only pages`"]
async fn five_hundred_programs_hear_one_upgrade_to_its_end_with_postgresql() -> Result<()> {
    hear_one_upgrade(Console::begin_with_postgresql().await?).await
}

async fn hear_one_upgrade(mut console: Console) -> Result<()> {
    let program = Program::begin(&console).await?;
    ensure!(program.listen(FOLLOW, None).await?.is_none(), "there is something to hear before anything runs");
    let taken = listen_together(&console, &program).await?;
    // Code does not count here: that of a program which is built for tests is far larger.
    let own = bytes_of(&console, "RssAnon:")?;
    ensure!(own <= LISTENERS_BYTES, "{own} bytes of memory after {LISTENERS} listeners");
    printer::note(format!(
        "proved: {LISTENERS} programs heard {EVENTS} events each, {:.1} s after the last",
        taken.as_secs_f64()
    ));
    ensure!(program.listen(FOLLOW, None).await?.is_none(), "there is something to hear after the end");
    continues_with_the_next_console(&mut console, &program).await
}

/// A listener does not hold up the end of the console, and continues where it was with the console that starts next.
async fn continues_with_the_next_console(console: &mut Console, program: &Program) -> Result<()> {
    console.host.site.facts().begin_upgrade();
    let count = Arc::new(AtomicUsize::new(0));
    let (listener, counted) = (program.clone(), count.clone());
    let listening = tokio::spawn(async move { Heard::default().stream(&listener, &counted).await });
    until("a program listens", async || Ok(count.load(Ordering::Relaxed) == 1)).await?;
    let before = Instant::now();
    console.stop()?;
    ensure!(before.elapsed() < Duration::from_secs(6), "a listener held up the end for {:?}", before.elapsed());
    let heard = timeout(HEARING, listening).await???;
    ensure!(!heard.has_ended, "the end of the console was taken for that of the operation");

    console.start().await?;
    console.host.site.facts().report(Event::Note("a note for the next console".to_owned()));
    let (listener, counted) = (program.anew(console)?, count.clone());
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
    // One that has hashed no password.
    console.stop()?;
    console.start().await?;
    let program = program.anew(&console)?;
    let mut figures = rest(&console).await?;
    figures.push(first_pages(&console, &program).await?);
    figures.extend(load(&console, &program).await?);
    forget_peak(&console)?;
    let after = listen_together(&console, &program).await?;
    figures.push(figure(MEMORY_OF_LISTENERS, bytes_of(&console, "VmHWM:")?, Unit::Bytes));
    figures.push(figure("until all listeners have heard the end", milliseconds(after), Unit::Milliseconds));
    // Last, and of a console that has served nothing else: a sign-in takes memory.
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

/// The same answers at the same rate, from a console whose data is in PostgreSQL.
async fn load_with_postgresql() -> Result<Vec<Figure>> {
    let mut console = Console::begin_with_postgresql().await?;
    let program = Program::begin(&console).await?;
    console.stop()?;
    console.start().await?;
    let program = program.anew(&console)?;
    let (mut times, _, memory) = answers(&console, &program).await?;
    console.stop()?;
    Ok(vec![
        figure(ANSWERS_WITH_POSTGRESQL, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds),
        figure(MEMORY_WITH_POSTGRESQL, memory, Unit::Bytes),
    ])
}

/// What a console takes while it gets no requests.
async fn rest(console: &Console) -> Result<Vec<Figure>> {
    sleep(SETTLE).await;
    let (before, begun) = (processor_time(console)?, Instant::now());
    sleep(IDLE).await;
    let share = processor_time(console)?.saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let memory = bytes_of(console, "VmRSS:")?;
    Ok(vec![figure(IDLE_MEMORY, memory, Unit::Bytes), figure(IDLE_PROCESSOR, share, Unit::Share)])
}

/// From the first byte to the console until a browser has the page and what it is drawn with.
async fn first_pages(console: &Console, program: &Program) -> Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..FIRST_PAGES {
        let browser = program.anew(console)?;
        let begun = Instant::now();
        let page = browser.read("/").await?;
        let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").context("the page has no style")?;
        let style = browser.read(rest.split('"').next().unwrap_or_default()).await?;
        times.push(begun.elapsed());
        ensure!(page.contains("starter 1.1.0") && style.contains('{'), "the first page is not whole");
    }
    Ok(figure(FIRST_PAGE, milliseconds(of_hundred(95, &mut times)), Unit::Milliseconds))
}

/// What a console takes that a browser has entered and left.
async fn rest_after_sign_in(console: &Console) -> Result<Figure> {
    signed_in(console).await?.close().await?;
    sleep(AFTER_SIGN_IN).await;
    Ok(figure(IDLE_MEMORY_AFTER_SIGN_IN, bytes_of(console, "VmRSS:")?, Unit::Bytes))
}

/// A browser whose person has signed in.
async fn signed_in(console: &Console) -> Result<Browser> {
    let browser = browser::begin(console).await?;
    browser.open("/sign-in").await?;
    browser.sign_in(ADMINISTRATOR, PASSWORD).await?;
    browser.expect_path("/").await?;
    Ok(browser)
}

/// From the click until Chromium has painted something of a page.
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

/// Answers at a fixed rate.
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

/// How long each answer took, the share of a processor, and the most memory in bytes.
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

/// Asks when it is due. How long each took from then until all of its answer was there.
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

/// What a program heard.
#[derive(Default)]
struct Heard {
    ids: Vec<String>,
    has_ended: bool,
}

impl Heard {
    /// Hears the next stream of the operation that runs. A first try may come before the console knows of it.
    async fn stream(mut self, program: &Program, count: &AtomicUsize) -> Result<Self> {
        while !self.listen(program, count).await? {
            sleep(RETRY).await;
        }
        Ok(self)
    }

    /// Hears everything: a stream lasts a minute, and the next one continues where it ended.
    async fn until_the_end(self, program: &Program, count: &AtomicUsize) -> Result<Self> {
        let mut heard = self.stream(program, count).await?;
        while !heard.has_ended && heard.listen(program, count).await? {}
        Ok(heard)
    }

    /// Hears a stream from where it is; false where there is nothing to hear. Counts when the stream has begun.
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

/// Has many programs listen to one upgrade. How long the last one took to hear the end once that had come.
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
        listening.spawn(async move { Heard::default().until_the_end(&program, &count).await });
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

/// The value that so many of a hundred times do not exceed.
fn of_hundred(share: usize, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get((times.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A part of the console's memory as the kernel counts it, in bytes.
fn bytes_of(console: &Console, name: &str) -> Result<f64> {
    let status = console.kernel_file("status")?;
    let value = kibibytes(&status, name).with_context(|| format!("no {name}"))?;
    Ok(f64::from(u32::try_from(value)?) * 1024.0)
}

/// The processor time that the console has used, in user mode and in the kernel.
fn processor_time(console: &Console) -> Result<Duration> {
    let stat = console.kernel_file("stat")?;
    // The name before may have spaces and parentheses. After it, the 12th and 13th fields are the two times.
    let (_, fields) = stat.rsplit_once(')').context("a process has no name")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = times.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Lets the kernel count the largest memory from now on.
fn forget_peak(console: &Console) -> Result<()> {
    std::fs::write(format!("/proc/{}/clear_refs", console.process()?), "5").context("cannot reset the peak of memory")
}

#[test]
fn the_measurement_has_the_name_by_which_it_is_run() {
    assert!(include_str!("load.rs").contains(&format!("async fn {MEASUREMENT}()")));
}

#[test]
fn a_share_of_times_is_the_value_that_so_many_do_not_exceed() {
    let mut times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
    let at = |share, times: &mut [Duration]| of_hundred(share, times).as_millis();
    assert_eq!([50, 95, 100].map(|share| at(share, &mut times)), [10, 19, 20]);
    assert_eq!(at(95, &mut []), 0);
}
