//! Tests of cuts with fake programs: the calls and their order.

use landfall_backup::BackupKind;
use landfall_error_codes::codes;
use landfall_media::progress::SilentProgress;
use landfall_release_document::BackupMarker;

use super::super::singly::SingleStream;
use super::*;
use crate::testing::log;

/// All calls of programs, in order.
type CallLog = RefCell<Vec<String>>;

/// A fake pod that records its calls.
struct PlayedStream<'a> {
    stream: &'static str,
    asked: &'a CallLog,
    /// Program that fails.
    fails: Option<&'static str>,
}

impl RulePrograms for PlayedStream<'_> {
    fn stream(&self) -> &str {
        self.stream
    }

    fn open(&self, arguments: &[String], _limit_seconds: Option<u64>) -> Result<Box<dyn Read>, StepError> {
        self.run(arguments, 0)?;
        Ok(Box::new(io::Cursor::new(self.stream.as_bytes().to_vec())))
    }

    fn run(&self, arguments: &[String], _limit_seconds: u64) -> Result<(), StepError> {
        self.asked.borrow_mut().push(format!("{}: {}", self.stream, arguments.join(" ")));
        match self.fails {
            Some(program) if program == arguments[0] => Err(StepError::new(codes::BACKUP_STREAM, "it failed")),
            _ => Ok(()),
        }
    }
}

fn hold(until: HoldUntil) -> BackupHold {
    let arguments = |text: &str| text.split(' ').map(str::to_owned).collect();
    BackupHold { begin: arguments("hold %{seconds}"), end: arguments("free"), limit_seconds: 30, until }
}

fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// Returns the calls and facts of a backup with two held streams and a log.
fn run_cut(fails: [Option<&'static str>; 2], log_fails: bool) -> (Vec<String>, Vec<String>, BTreeMap<String, String>) {
    let asked = CallLog::default();
    let pods = [("kv/keys", fails[0]), ("files/uploads", fails[1])];
    let pods = pods.map(|(stream, fails)| PlayedStream { stream, asked: &asked, fails });
    let holds = [hold(HoldUntil::FirstByte), hold(HoldUntil::End)];
    let save = ["save".to_owned()];
    let of = |(pod, hold)| HoldableStream { pod, hold, source: PodStream::new(pod, &save, &SilentProgress) };
    let held = pods.iter().map(|pod| pod as &dyn RulePrograms).zip(&holds).map(of).collect();
    let failed = FailedStreams::default();
    let cut = MakingCut::new(held, vec!["db/rows".to_owned()], &failed, &SilentProgress);
    let open = || {
        asked.borrow_mut().push("db/rows: log".to_owned());
        let from: Box<dyn Read> =
            if log_fails { Box::new(BrokenReader) } else { Box::new(io::Cursor::new(b"wal".to_vec())) };
        Ok(OpenLog::new(from, tempfile::tempfile().unwrap(), Vec::new()))
    };
    let mut read: Vec<String> = cut.held_streams().into_iter().map(read_all).collect();
    read.push(read_all(cut.log_stream("db/rows", open)));
    let facts = cut.facts();
    drop(cut);
    (asked.into_inner(), read, facts)
}

/// Reader of a log that always fails.
struct BrokenReader;

impl Read for BrokenReader {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the server no longer keeps its log"))
    }
}

#[test]
fn writers_are_held_until_captured() {
    let (asked, read, facts) = run_cut([None, None], false);
    let expected = [
        "kv/keys: hold 30",
        "files/uploads: hold 30",
        "kv/keys: save",
        "kv/keys: free",
        "files/uploads: save",
        "files/uploads: free",
        "db/rows: log",
    ];
    assert_eq!(asked, expected);
    assert_eq!(read, ["kv/keys", "files/uploads", "wal"]);
    let backup = Backup { kind: BackupKind::Full, facts, ..log(1, "", "") };
    let found = cut_of(&backup).unwrap();
    let names: Vec<(&str, bool)> =
        found.streams.iter().map(|of| (of.name.as_str(), of.held_milliseconds.is_some())).collect();
    assert_eq!(names, [("db/rows", false), ("kv/keys", true), ("files/uploads", true)]);
    assert!(found.time_of("db/rows").is_some() && found.time_of("db/other").is_none());
}

#[test]
fn failed_hold_costs_only_the_cut() {
    let (asked, read, facts) = run_cut([None, Some("hold")], false);
    // Holds that may have begun are ended, and no log is read without a time.
    let expected = [
        "kv/keys: hold 30",
        "files/uploads: hold 30",
        "kv/keys: free",
        "files/uploads: free",
        "kv/keys: save",
        "files/uploads: save",
    ];
    assert_eq!(asked, expected);
    assert_eq!((read.join(" ").trim_end(), facts.len()), ("kv/keys files/uploads", 0));
}

#[test]
fn failed_stream_keeps_cut_of_others() {
    for fails in ["save", "mark"] {
        let (asked, failed) = (CallLog::default(), FailedStreams::default());
        let pod = |stream, fails| PlayedStream { stream, asked: &asked, fails };
        let (keys, files) = (pod("kv/keys", Some(fails)), pod("files/uploads", None));
        let (hold, save) = (hold(HoldUntil::End), ["save".to_owned()]);
        let marker = BackupMarker { write: vec!["mark".to_owned()], read: vec!["read".to_owned()] };
        let source_of = |pod| {
            let source = PodStream::new(pod, &save, &SilentProgress).with_marker(Some(&marker), Some("word"));
            HoldableStream { pod, hold: &hold, source }
        };
        let logged = vec!["db/rows".to_owned(), "db/broken".to_owned()];
        failed.note("db/broken", StepError::new(codes::BACKUP_STREAM, "its base failed"), &SilentProgress).unwrap();
        let cut = MakingCut::new(vec![source_of(&keys), source_of(&files)], logged, &failed, &SilentProgress);
        let mut streams = cut.held_streams().into_iter();
        let (broken, whole) = (streams.next().unwrap(), streams.next().unwrap());
        let name = |text: &str| text.parse().unwrap();
        let mut broken = SingleStream::new(name("kv/keys"), broken, &failed, &SilentProgress);
        assert_eq!(broken.read(&mut [0; 8]).unwrap_err().to_string(), "it failed", "{fails}");
        let is_held =
            |stream: &str| asked.borrow().iter().filter(|line| **line == format!("{stream}: free")).count() == 0;
        assert_eq!(is_held("kv/keys"), fails == "mark", "it was never held where it cannot be marked");
        assert!(is_held("files/uploads"), "{fails}");
        assert_eq!(read_all(whole), "files/uploads");
        let open = || -> Result<OpenLog, StepError> { panic!("the log of what is not there") };
        assert_eq!(read_all(cut.log_stream("db/broken", open)), "");
        let backup = Backup { kind: BackupKind::Full, facts: cut.facts(), ..log(1, "", "") };
        let streams: Vec<String> = cut_of(&backup).unwrap().streams.into_iter().map(|of| of.name).collect();
        assert_eq!(streams, ["db/rows", "files/uploads"], "{fails}");
    }
}

#[test]
fn unreadable_log_costs_the_cut() {
    let (asked, _, facts) = run_cut([Some("free"), None], false);
    assert_eq!(asked.iter().filter(|line| line.ends_with("kv/keys: free")).count(), 1);
    assert!(facts.contains_key(CUT));
    let (_, read, facts) = run_cut([None, None], true);
    assert_eq!((read[2].as_str(), facts.len()), ("", 0));
}

#[test]
fn failed_backup_releases_writers() {
    let asked = CallLog::default();
    let pod = PlayedStream { stream: "files/uploads", asked: &asked, fails: Some("save") };
    let (hold, save) = (hold(HoldUntil::End), ["save".to_owned()]);
    let streams = vec![HoldableStream { pod: &pod, hold: &hold, source: PodStream::new(&pod, &save, &SilentProgress) }];
    let failed = FailedStreams::default();
    let cut = MakingCut::new(streams, vec!["db/rows".to_owned()], &failed, &SilentProgress);
    for mut stream in cut.held_streams() {
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().to_string(), "it failed");
    }
    drop(cut);
    assert_eq!(asked.borrow().last().unwrap(), "files/uploads: free");
}

/// A fake pod whose programs print this text.
struct PrintingPod(&'static str);

impl RulePrograms for PrintingPod {
    fn stream(&self) -> &'static str {
        "db/rows"
    }

    fn open(&self, _arguments: &[String], _limit_seconds: Option<u64>) -> Result<Box<dyn Read>, StepError> {
        Ok(Box::new(io::Cursor::new(self.0.as_bytes().to_vec())))
    }

    fn run(&self, _arguments: &[String], _limit_seconds: u64) -> Result<(), StepError> {
        Ok(())
    }
}

/// Returns the counts of a backup with one stream as JSON, and the time of its cut.
fn cut_counts(prints: &'static str, is_held: bool) -> (String, String) {
    let (pod, program, hold) = (PrintingPod(prints), ["count".to_owned()], hold(HoldUntil::End));
    let source = PodStream::new(&pod, &program, &SilentProgress);
    let writers = if is_held { vec![HoldableStream { pod: &pod, hold: &hold, source }] } else { Vec::new() };
    let logged = if is_held { Vec::new() } else { vec!["db/rows".to_owned()] };
    let counting = vec![CountedStream { pod: &pod, program: &program, is_held }];
    let failed = FailedStreams::default();
    let cut = MakingCut::new(writers, logged, &failed, &SilentProgress).counting(counting);
    let text = read_all(cut.counts_stream());
    (text, cut.facts().get(CUT).cloned().unwrap_or_default())
}

#[test]
fn failed_count_keeps_the_cut() {
    let whole = r#"{"db/rows":{"orders":7}}"#;
    assert_eq!(cut_counts("orders=7\n", true).0, whole);
    // For a log, the program states when its numbers were true, and the cut has that time.
    let (text, time) = cut_counts("from=1700000000000001\nuntil=1700000000200000\norders=7\n", false);
    assert_eq!((text.as_str(), time.as_str()), (whole, "2023-11-14T22:13:20.000001Z"));
    for (prints, is_held) in [("orders\n", true), ("orders=7\n", false), ("from=5\nuntil=4\norders=7\n", false)] {
        let (text, time) = cut_counts(prints, is_held);
        assert_eq!(text, "{}", "{prints}");
        assert!(time.parse::<Timestamp>().is_ok(), "the cut is as good without: {time}");
    }
}

/// A fake pod that records the time limit of each program whose output is read.
#[derive(Default)]
struct LimitRecorder(RefCell<Vec<Option<u64>>>);

impl RulePrograms for LimitRecorder {
    fn stream(&self) -> &'static str {
        "kv/keys"
    }

    fn open(&self, _arguments: &[String], limit_seconds: Option<u64>) -> Result<Box<dyn Read>, StepError> {
        self.0.borrow_mut().push(limit_seconds);
        Ok(Box::new(io::empty()))
    }

    fn run(&self, _arguments: &[String], _limit_seconds: u64) -> Result<(), StepError> {
        Ok(())
    }
}

#[test]
fn hanging_count_ends_before_hold() {
    let (pod, program, rule) = (LimitRecorder::default(), ["count".to_owned()], hold(HoldUntil::End));
    let held = vec![HoldableStream { pod: &pod, hold: &rule, source: PodStream::new(&pod, &program, &SilentProgress) }];
    let counting = vec![CountedStream { pod: &pod, program: &program, is_held: true }];
    let failed = FailedStreams::default();
    let cut = MakingCut::new(held, Vec::new(), &failed, &SilentProgress).counting(counting);
    for stream in cut.held_streams() {
        assert_eq!(read_all(stream), "");
    }
    drop(cut);
    let limits = pod.0.into_inner();
    let [Some(count), None] = limits[..] else { panic!("{limits:?}") };
    assert!((10..=15).contains(&count), "half of a hold of 30 seconds: {count}");
}

#[test]
fn log_only_cut_follows_all_logs() {
    let failed = FailedStreams::default();
    let cut = MakingCut::new(Vec::new(), vec!["a/rows".to_owned(), "b/rows".to_owned()], &failed, &SilentProgress);
    assert!(cut.facts().is_empty());
    let before = now();
    let open = || Ok(OpenLog::new(Box::new(io::empty()), tempfile::tempfile().unwrap(), Vec::new()));
    assert_eq!(read_all(cut.log_stream("db/rows", open)), "");
    let facts = cut.facts();
    assert!(facts[CUT].parse::<Timestamp>().unwrap() >= before);
    assert_eq!((facts["cut-1"].as_str(), facts["cut-2"].as_str()), ("a/rows", "b/rows"));
}

#[test]
fn cut_names_logs_that_it_follows() {
    let (failed, made) = (FailedStreams::default(), [log(1, "a", "b").id, log(2, "b", "c").id]);
    let cut = MakingCut::new(Vec::new(), vec!["db/rows".to_owned()], &failed, &SilentProgress);
    let open = || Ok(OpenLog::new(Box::new(io::empty()), tempfile::tempfile().unwrap(), made.to_vec()));
    read_all(cut.log_stream("db/rows", open));
    let backup = Backup { kind: BackupKind::Full, facts: cut.facts(), ..log(3, "", "") };
    assert_eq!(backup.needed_logs().collect::<Vec<_>>(), made.map(|id| ("db/rows", id)));
    assert_eq!(backup.needed_logs_of("db/other").count(), 0);
    assert_eq!(cut_of(&backup).unwrap().streams.len(), 1);
}
