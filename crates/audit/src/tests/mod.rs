mod tampering;

use landfall_error_codes::{Code, CodedError as _, codes};

use super::*;

const SITE: &str = "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b";

fn entry(number: i64, object: &str) -> Entry {
    Entry {
        action: "user.create".to_owned(),
        actor: format!("person-{number} \"ü\"\n"),
        at: "2026-11-20T08:00:00.123Z".parse().unwrap(),
        correlation: format!("{number:032x}"),
        detail: String::new(),
        from: "192.0.2.7".to_owned(),
        number,
        object: object.to_owned(),
        outcome: if number % 3 == 0 { Outcome::Refused } else { Outcome::Done },
    }
}

fn at(minutes: i64) -> jiff::Timestamp {
    "2026-11-20T09:00:00Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minutes)
}

/// A console with its log, and the host that signs it.
#[derive(Clone)]
struct Log {
    texts: Vec<String>,
    heads: Vec<Head>,
    checkpoints: Vec<Checkpoint>,
    ledger: Ledger,
}

impl Log {
    fn new() -> Self {
        Self { texts: Vec::new(), heads: vec![Head::EMPTY], checkpoints: Vec::new(), ledger: Ledger::default() }
    }

    fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    /// Writes entries up to this number.
    fn write(mut self, end: i64, object: &str) -> Self {
        for number in self.head().number + 1..=end {
            self.append(entry(number, object).canonical().unwrap());
        }
        self
    }

    /// Writes an entry with this text.
    fn append(&mut self, text: String) {
        let mut follower = Follower::behind(self.head());
        follower.extend(&text).unwrap();
        self.heads.push(follower.head());
        self.texts.push(text);
    }

    /// Returns the request for a checkpoint of all entries after a number.
    fn request(&self, behind: i64, restart: Option<RestartRequest>) -> CheckpointRequest {
        let entries = self.texts[usize::try_from(behind).unwrap()..].to_vec();
        CheckpointRequest { entries, head: self.head(), restart, newer: None, start: None }
    }

    fn take(&mut self, key: &SiteKey, request: &CheckpointRequest) -> Result<()> {
        let minutes = self.ledger.last.as_ref().map_or(0, |last| last.sequence);
        let signed = self.ledger.sign(key, SITE, request, at(i64::try_from(minutes).unwrap()))?;
        self.checkpoints.push(signed);
        Ok(())
    }

    /// Makes the host sign everything after its last checkpoint.
    fn sign(mut self, key: &SiteKey) -> Self {
        let behind = self.ledger.last.as_ref().map_or(0, |last| last.head.number);
        let request = self.request(behind, None);
        self.take(key, &request).unwrap();
        self
    }

    /// Returns the log as restored from an earlier backup; the host keeps its signed state.
    fn restore_to(&self, number: i64) -> Self {
        let count = usize::try_from(number).unwrap();
        let mut earlier = self.clone();
        earlier.texts.truncate(count);
        earlier.heads.truncate(count + 1);
        earlier.checkpoints.retain(|checkpoint| checkpoint.head.number <= number);
        earlier
    }

    fn restart(&self) -> RestartRequest {
        RestartRequest { abandoned: self.ledger.last.as_ref().unwrap().head, from: self.checkpoints.last().cloned() }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (text, head) in self.texts.iter().zip(&self.heads[1..]) {
            lines.push(entry_line(text, &head.hash.to_string()).trim_end().to_owned());
            for checkpoint in self.checkpoints.iter().filter(|checkpoint| checkpoint.head.number == head.number) {
                let text = serde_json::to_string(checkpoint).unwrap();
                lines.push(checkpoint_line(&text).trim_end().to_owned());
            }
        }
        let end = Line::AuditHead { schema: SCHEMA, exported: at(600), head: self.head().to_string() };
        lines.push(serde_json::to_string(&end).unwrap());
        lines
    }
}

fn key() -> SiteKey {
    SiteKey::generate().unwrap()
}

/// Twelve entries, signed after the fifth and the tenth.
fn sample(key: &SiteKey) -> Log {
    Log::new().write(5, "a").sign(key).write(10, "a").sign(key).write(12, "a")
}

fn known_keys(key: &SiteKey) -> LogKnowledge {
    LogKnowledge { keys: vec![key.public().clone()], ..LogKnowledge::default() }
}

fn check(lines: &[String], known: &LogKnowledge) -> std::result::Result<Report, (Code, String)> {
    verify(lines.join("\n").as_bytes(), known).map_err(|error| (error.code(), error.to_string()))
}

fn code_of(lines: &[String], known: &LogKnowledge) -> Code {
    check(lines, known).unwrap_err().0
}

#[test]
fn complete_log_is_accepted() {
    for count in [0, 1, 2, 100] {
        let report = check(&Log::new().write(count, "a").lines(), &LogKnowledge::default()).unwrap();
        assert_eq!((report.head.number, report.covered), (count, None));
    }
    assert_eq!(code_of(&[], &LogKnowledge::default()), codes::AUDIT_BROKEN, "nothing is no log");
}

#[test]
fn follower_begins_at_empty_head() {
    assert_eq!(Follower::behind(Head::EMPTY).head(), Head::EMPTY);
    assert_eq!(Head::EMPTY.to_string().parse(), Ok(Head::EMPTY));
    for wrong in ["1", "-1:00", &format!("+1:{}", "0".repeat(64)), &format!("01:{}", "0".repeat(64))] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}

#[test]
fn first_broken_entry_is_named() {
    let whole = Log::new().write(20, "object").lines();
    let broken = |lines: &[String]| check(lines, &LogKnowledge::default()).unwrap_err().1;
    let mut lines = whole.clone();
    lines[11] = lines[11].replace("object", "subject");
    assert!(broken(&lines).starts_with("entry 12 "), "{}", broken(&lines));
    lines = whole;
    lines.remove(4);
    assert!(broken(&lines).starts_with("entry 5 "));
}

#[test]
fn earlier_head_reveals_removed_end() {
    let whole = Log::new().write(20, "a");
    let mut cut = whole.lines();
    cut.drain(15..20);
    assert_eq!(code_of(&cut, &LogKnowledge::default()), codes::AUDIT_BROKEN, "the head names an entry that is missing");
    cut.pop();
    assert_eq!(code_of(&cut, &LogKnowledge::default()), codes::AUDIT_BROKEN, "the head is missing");
    let earlier = LogKnowledge { head: Some(whole.head()), ..LogKnowledge::default() };
    let forged = Log::new().write(15, "a").lines();
    assert!(check(&forged, &LogKnowledge::default()).is_ok(), "alone it is consistent");
    assert_eq!(code_of(&forged, &earlier), codes::AUDIT_BROKEN);
    assert!(check(&Log::new().write(25, "a").lines(), &earlier).is_ok());
}

#[test]
fn last_checkpoint_shows_coverage() {
    let key = key();
    let report = check(&sample(&key).lines(), &known_keys(&key)).unwrap();
    let covered = report.covered.unwrap();
    assert_eq!((report.head.number, covered.head.number, report.verified, report.unverified), (12, 10, 2, 0));
    assert_eq!((covered.sequence, covered.site.as_str(), covered.restarts), (2, SITE, 0));
    let without = check(&sample(&key).lines(), &LogKnowledge::default()).unwrap();
    assert_eq!(
        (without.covered, without.verified, without.unverified),
        (None, 0, 2),
        "without a key, nothing is proven"
    );
}

#[test]
fn rewritten_log_is_refused() {
    let site = key();
    let signed = sample(&site);
    // The owner of the database writes another log and adds the site's checkpoints to it.
    let mut rewritten = Log::new().write(12, "b");
    rewritten.checkpoints.clone_from(&signed.checkpoints);
    assert_eq!(code_of(&rewritten.lines(), &known_keys(&site)), codes::AUDIT_REWRITTEN);
    assert_eq!(code_of(&rewritten.lines(), &LogKnowledge::default()), codes::AUDIT_REWRITTEN, "even without the key");
    // The log is rewritten after the first checkpoint, with the second one added.
    let mut forked = signed.restore_to(5).write(12, "b");
    forked.checkpoints.clone_from(&signed.checkpoints);
    assert_eq!(code_of(&forked.lines(), &known_keys(&site)), codes::AUDIT_REWRITTEN);
    // Without the second checkpoint, only the host's ledger reveals it.
    let forked = signed.restore_to(5).write(12, "b");
    assert_eq!(check(&forked.lines(), &known_keys(&site)).unwrap().covered.unwrap().head.number, 5);
    let on_the_host = LogKnowledge { last: signed.ledger.last.clone(), ..known_keys(&site) };
    assert_eq!(code_of(&forked.lines(), &on_the_host), codes::AUDIT_REWRITTEN);
    // The checkpoints are edited to match, or signed by another key.
    let mut edited = Log::new().write(12, "b");
    edited.checkpoints = vec![Checkpoint { head: edited.heads[10], ..signed.checkpoints[1].clone() }];
    assert_eq!(code_of(&edited.lines(), &known_keys(&site)), codes::AUDIT_FORGED);
    let foreign = Log::new().write(12, "b").sign(&key());
    assert_eq!(code_of(&foreign.lines(), &known_keys(&site)), codes::AUDIT_UNSIGNED);
    let bare = Log::new().write(12, "b");
    assert_eq!(code_of(&bare.lines(), &known_keys(&site)), codes::AUDIT_UNSIGNED);
}

#[test]
fn host_finds_truncated_log() {
    let key = key();
    let signed = sample(&key);
    let on_the_host = LogKnowledge { last: signed.ledger.last.clone(), ..known_keys(&key) };
    assert!(!check(&signed.lines(), &on_the_host).unwrap().is_earlier);
    let cut = signed.restore_to(7);
    assert_eq!(code_of(&cut.lines(), &on_the_host), codes::AUDIT_TRUNCATED, "exported after it was signed");
    let mut kept = signed.restore_to(7);
    kept.checkpoints.clone_from(&signed.checkpoints);
    let mut lines = kept.lines();
    let last = lines.len() - 1;
    lines.insert(last, checkpoint_line(&serde_json::to_string(&signed.checkpoints[1]).unwrap()).trim_end().to_owned());
    assert_eq!(code_of(&lines, &known_keys(&key)), codes::AUDIT_TRUNCATED, "the checkpoint exists, its entry does not");
    let early =
        cut.lines().iter().map(|line| line.replace(&at(600).to_string(), &at(0).to_string())).collect::<Vec<_>>();
    assert_eq!(code_of(&early, &on_the_host), codes::AUDIT_TRUNCATED, "its time is only the console's claim");
    let said = LogKnowledge { is_earlier_export: true, ..on_the_host };
    assert!(check(&early, &said).unwrap().is_earlier, "the caller declares an earlier export");
    assert_eq!(code_of(&cut.lines(), &said), codes::AUDIT_TRUNCATED, "exported after it was signed");
}

#[test]
fn host_signs_only_continuations() {
    let key = key();
    let signed = sample(&key);
    let refused = |log: &Log, request: &CheckpointRequest| log.clone().take(&key, request).unwrap_err().code();
    let mut forked = signed.restore_to(10);
    forked.heads[10] = Head { hash: Hash::BEGIN, ..forked.heads[10] };
    assert_eq!(refused(&forked, &forked.clone().write(13, "a").request(10, None)), codes::AUDIT_FORKED);
    let mut nothing = signed.request(12, None);
    nothing.head = signed.heads[10];
    assert_eq!(refused(&signed, &nothing), codes::AUDIT_FORKED, "no entry");
    let gap = signed.request(11, None);
    assert_eq!(refused(&signed, &gap), codes::AUDIT_FORKED, "entry 11 is missing");
    let again = signed.request(5, None);
    assert_eq!(refused(&signed, &again), codes::AUDIT_FORKED, "the host has signed entry 6");
    let mut edited = signed.request(10, None);
    edited.entries[0] = edited.entries[0].replace("\"a\"", "\"b\"");
    assert_eq!(refused(&signed, &edited), codes::AUDIT_FORKED);
    edited.entries[0] = format!(" {}", edited.entries[0]);
    assert_eq!(refused(&signed, &edited), codes::AUDIT_FORKED, "not the text that is hashed");
}

#[test]
fn restored_log_continues_with_restart() {
    let key = key();
    let signed = sample(&key);
    let mut restored = signed.restore_to(7).write(9, "after the restore");
    let request = restored.request(5, Some(restored.restart()));
    restored.take(&key, &request).unwrap();
    let restored = restored.write(20, "later").sign(&key);
    let report = check(&restored.lines(), &known_keys(&key)).unwrap();
    let covered = report.covered.unwrap();
    let restart = covered.restart.unwrap();
    assert_eq!((covered.head.number, covered.restarts, covered.sequence), (20, 1, 4));
    assert_eq!((restart.kept, restart.abandoned), (signed.heads[5], signed.heads[10]));
    assert_eq!(restored.ledger.restarts, [restart]);
    let on_the_host = LogKnowledge { last: restored.ledger.last.clone(), ..known_keys(&key) };
    assert!(check(&restored.lines(), &on_the_host).is_ok());
    assert_eq!(code_of(&signed.write(25, "a").lines(), &on_the_host), codes::AUDIT_REWRITTEN, "the log before it");
}

/// The host's files are restored from an earlier copy: it continues after the lost checkpoint, without a fork.
#[test]
fn restored_host_continues_after_newer_checkpoint() {
    let key = key();
    let log = sample(&key).restore_to(7).write(9, "after the restore");
    let mut log = log.clone();
    let request = log.request(5, Some(log.restart()));
    log.take(&key, &request).unwrap();
    let newest = log.ledger.last.clone().unwrap();
    let forgotten = Log::new().write(5, "a").sign(&key).ledger;
    let mut log = Log { ledger: forgotten, ..log.write(11, "later") };
    let request = CheckpointRequest { newer: Some(newest.clone()), ..log.request(9, None) };
    log.take(&key, &request).unwrap();
    let last = log.ledger.last.clone().unwrap();
    assert_eq!((last.sequence, last.restarts, last.restart.clone()), (newest.sequence + 1, 1, newest.restart.clone()));
    assert_eq!(log.ledger.restarts, [newest.restart.clone().unwrap()], "`landfall audit show` lists it");
    assert_eq!(check(&log.lines(), &known_keys(&key)).unwrap().covered, Some(last));

    let refused = |newer: Checkpoint| {
        let request = CheckpointRequest { newer: Some(newer), ..log.clone().write(12, "b").request(11, None) };
        log.clone().take(&key, &request).unwrap_err().code()
    };
    let stranger = sample(&self::key()).checkpoints[1].clone();
    assert_eq!(refused(Checkpoint { sequence: 99, ..stranger }), codes::AUDIT_FORKED);
    assert_eq!(refused(Checkpoint { sequence: 99, ..newest.clone() }), codes::AUDIT_FORKED, "its number was edited");
    assert_eq!(refused(newest), codes::AUDIT_FORKED, "the host knows a later one");
}

#[test]
fn report_includes_checkpoint_missing_in_export() {
    let key = key();
    let signed = sample(&key);
    let mut log = signed.restore_to(7).write(9, "after the restore");
    let request = log.request(5, Some(log.restart()));
    log.take(&key, &request).unwrap();
    let last = log.ledger.last.clone().unwrap();
    log.checkpoints.pop();
    let alone = check(&log.lines(), &known_keys(&key)).unwrap();
    assert_eq!((alone.covered.unwrap().head.number, alone.restarts), (5, 0), "the export says no more");
    let on_the_host = LogKnowledge { last: Some(last.clone()), ..known_keys(&key) };
    let report = check(&log.lines(), &on_the_host).unwrap();
    assert_eq!((report.restarts, report.restart.clone()), (1, last.restart.clone()));
    assert_eq!(report.covered, Some(last.clone()));
    // An export made before the restart: the covering checkpoint is older, and the restart is still reported.
    let end = Line::AuditHead { schema: SCHEMA, exported: at(-600), head: signed.heads[8].to_string() };
    let mut lines = signed.lines();
    lines.truncate(9);
    lines.push(serde_json::to_string(&end).unwrap());
    let earlier = LogKnowledge { is_earlier_export: true, ..on_the_host };
    let report = check(&lines, &earlier).unwrap();
    assert_eq!((report.covered.unwrap().head.number, report.restarts, report.restart), (5, 1, last.restart));
}

#[test]
fn restarts_of_both_keys_count() {
    let (former, present) = (key(), key());
    let mut log = sample(&former).restore_to(7).write(9, "after the restore");
    let request = log.request(5, Some(log.restart()));
    log.take(&former, &request).unwrap();
    let restart = log.ledger.last.clone().unwrap().restart;
    log.ledger = Ledger::default();
    let request = log.request(0, None);
    let later = log.ledger.sign(&present, SITE, &request, at(30)).unwrap();
    // In an export, checkpoints of one entry are in the order of their keys.
    log.checkpoints.insert(log.checkpoints.len() - 1, later.clone());
    let both =
        LogKnowledge { keys: vec![former.public().clone(), present.public().clone()], ..LogKnowledge::default() };
    let report = check(&log.lines(), &both).unwrap();
    assert_eq!((report.covered, report.restarts, report.restart), (Some(later), 1, restart));
    let repeated = log.checkpoints.last().unwrap().clone();
    log.checkpoints.insert(log.checkpoints.len() - 2, repeated);
    assert_eq!(code_of(&log.lines(), &both), codes::AUDIT_REWRITTEN, "a checkpoint of the other key is between them");
}

/// A reader of a line without an end.
struct Endless(u64);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0 += buffer.len() as u64;
        assert!(self.0 < 4 * LINE_BYTES as u64, "more bytes were read than a line may have");
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

#[test]
fn endless_line_is_refused() {
    let endless = verify(std::io::BufReader::new(Endless(0)), &LogKnowledge::default()).unwrap_err();
    assert_eq!(endless.code(), codes::AUDIT_LINE);
    assert!(endless.to_string().starts_with("line 1 is longer than "), "{endless}");
    let length = entry(1, "").canonical().unwrap().len();
    let longest = Log::new().write(1, &"x".repeat(ENTRY_BYTES - length)).write(2, "a");
    let lines = longest.lines().join("\r\n");
    assert_eq!(verify(lines.as_bytes(), &LogKnowledge::default()).unwrap().head, longest.head());
    let too_long = entry(1, &"x".repeat(ENTRY_BYTES - length + 1)).canonical().unwrap();
    assert_eq!(Follower::behind(Head::EMPTY).extend(&too_long).unwrap_err().code(), codes::AUDIT_BROKEN);
}

#[test]
fn lost_log_begins_again() {
    let key = key();
    let mut lost = sample(&key).restore_to(0).write(3, "new");
    let request = lost.request(0, Some(lost.restart()));
    assert_eq!(request.restart.as_ref().unwrap().from, None);
    lost.take(&key, &request).unwrap();
    let covered = check(&lost.lines(), &known_keys(&key)).unwrap().covered.unwrap();
    assert_eq!((covered.head.number, covered.restart.unwrap().kept), (3, Head::EMPTY));
}

#[test]
fn restart_needs_the_hosts_checkpoint() {
    let (site, stranger) = (key(), key());
    let signed = sample(&site);
    let log = signed.restore_to(7).write(9, "b");
    let refused = |restart: RestartRequest, behind| {
        let request = log.request(behind, Some(restart));
        log.clone().take(&site, &request).unwrap_err().code()
    };
    let right = log.restart();
    assert_eq!(refused(RestartRequest { abandoned: signed.heads[9], ..right.clone() }, 5), codes::AUDIT_FORKED);
    let foreign = sample(&stranger).checkpoints[0].clone();
    assert_eq!(refused(RestartRequest { from: Some(foreign), ..right.clone() }, 5), codes::AUDIT_FORKED);
    let forged = Checkpoint { head: log.heads[7], ..signed.checkpoints[0].clone() };
    assert_eq!(refused(RestartRequest { from: Some(forged), ..right.clone() }, 7), codes::AUDIT_FORKED);
    let current = signed.checkpoints[1].clone();
    assert_eq!(refused(RestartRequest { from: Some(current), ..right }, 5), codes::AUDIT_FORKED, "it needs no restart");
    let empty = Log::new().write(1, "a");
    let nothing = RestartRequest { abandoned: Head::EMPTY, from: None };
    let request = empty.request(0, Some(nothing));
    assert_eq!(empty.clone().take(&site, &request).unwrap_err().code(), codes::AUDIT_FORKED);
}

#[test]
fn new_key_signs_the_whole_log() {
    let (former, present) = (key(), key());
    let mut log = sample(&former);
    log.ledger = Ledger::default();
    let log = log.sign(&present);
    let report = check(&log.lines(), &known_keys(&present)).unwrap();
    assert_eq!((report.verified, report.unverified, report.covered.unwrap().head.number), (1, 2, 12));
    let both =
        LogKnowledge { keys: vec![former.public().clone(), present.public().clone()], ..LogKnowledge::default() };
    assert_eq!(check(&log.lines(), &both).unwrap().verified, 3);
}

#[test]
fn repeated_checkpoint_is_refused() {
    let key = key();
    let signed = Log::new().write(3, "a").sign(&key);
    let mut twice = signed.clone();
    twice.checkpoints.push(signed.checkpoints[0].clone());
    assert_eq!(code_of(&twice.lines(), &known_keys(&key)), codes::AUDIT_REWRITTEN);
    let read = SiteKey::from_pem(&key.to_pem()).unwrap();
    assert_eq!(read.public(), key.public());
    assert_eq!(SiteKey::from_pem("nonsense").err().unwrap().code(), codes::AUDIT_KEY);
}
