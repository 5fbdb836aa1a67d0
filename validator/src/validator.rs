//! What is known about the license, and how it is learned: asked, checked with the site's key, kept, reported.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_bundle_spec::trust::PublicKey;
use landfall_license::answer::{Kept, Nonce, Question, Report, ReportState, Subject};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ask::ask;
use crate::clocks::machine_clocks;
use crate::folder::Folder;
use crate::say;
use crate::settings::Settings;

/// After a question without an answer, the next one of software waits: it gets what is known at once.
const PAUSE: Duration = Duration::from_secs(10);

/// Most names that are remembered. Software asks for a few.
const NAMES: usize = 64;

/// What is known about one name.
#[derive(Default)]
struct Known {
    kept: Option<Kept>,
    /// When the last question without an answer was asked, and why there was none.
    failed: Option<(Instant, String)>,
    /// What was written last.
    written: Option<Report>,
}

/// Asks for software.
pub struct Validator {
    /// As they were given.
    pub settings: Settings,
    folder: Folder,
    known: Mutex<BTreeMap<Subject, Known>>,
}

impl Validator {
    /// One that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let folder = Folder(settings.folder.clone());
        Self { settings, folder, known: Mutex::default() }
    }

    /// What is known about a name: at once where that is current, or where the site has just not answered.
    pub async fn report(&self, subject: &Subject) -> Report {
        self.learn(subject, false).await
    }

    /// What the site answers now; otherwise what is known.
    pub async fn renew(&self, subject: &Subject) -> Report {
        self.learn(subject, true).await
    }

    /// Renews everything that was ever asked for, until the site no longer answers.
    pub async fn renew_all(&self) {
        let mut subjects: Vec<Subject> = self.known.lock().await.keys().cloned().collect();
        subjects.retain(|subject| *subject != self.settings.entitlement);
        for subject in std::iter::once(&self.settings.entitlement).chain(&subjects) {
            if self.renew(subject).await.state != ReportState::Current {
                return;
            }
        }
    }

    async fn learn(&self, subject: &Subject, asks: bool) -> Report {
        let mut all = self.known.lock().await;
        if !all.contains_key(subject) && all.len() >= NAMES {
            let reason = format!("answers about {NAMES} names are kept, and this is one more");
            return Report::unknown(subject.clone(), reason);
        }
        let known = all.entry(subject.clone()).or_insert_with(|| {
            let kept = self.folder.kept(subject);
            Known { kept, ..Known::default() }
        });
        let key = match self.key() {
            Ok(key) => key,
            Err(reason) => return self.written(known, Report::unknown(subject.clone(), reason), false),
        };
        let before = judged(known, &key, subject);
        let is_current = before.as_ref().is_some_and(|report| report.state == ReportState::Current);
        let has_just_failed = known.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < PAUSE);
        if !asks && (is_current || has_just_failed) {
            let report = before.unwrap_or_else(|| unknown(known, subject));
            return self.written(known, report, false);
        }
        match self.asked(&key, subject).await {
            Ok(kept) => {
                (known.kept, known.failed) = (Some(kept), None);
                let report = judged(known, &key, subject).unwrap_or_else(|| unknown(known, subject));
                self.written(known, report, true)
            }
            Err(reason) => {
                known.failed = Some((Instant::now(), reason));
                // Time has passed while it was asked.
                let report = judged(known, &key, subject).filter(|report| report.state != ReportState::Unknown);
                let report = report.unwrap_or_else(|| unknown(known, subject));
                self.written(known, report, false)
            }
        }
    }

    /// The site's public key, which is read each time: the site gives its namespaces another one where its host has one.
    fn key(&self) -> Result<PublicKey, String> {
        let path = &self.settings.key;
        let text = fs_err::read_to_string(path).map_err(|error| format!("the site's key cannot be read: {error}"))?;
        PublicKey::from_pem("the site's key", &text).map_err(|error| error.to_string())
    }

    async fn asked(&self, key: &PublicKey, subject: &Subject) -> Result<Kept, String> {
        let question = Question { subject: subject.clone(), nonce: Nonce(rand::random()) };
        let sealed = ask(&self.settings.console, &question).await?;
        let kept = Kept::new(&sealed, key, &question, &machine_clocks().clocks());
        kept.map_err(|error| error.to_string())
    }

    /// Writes a report where it says something else than the file does, and returns it.
    fn written(&self, known: &mut Known, report: Report, is_answer: bool) -> Report {
        if !is_answer && known.written.as_ref() == Some(&report) {
            return report;
        }
        let kept = known.kept.as_ref().filter(|_| is_answer);
        match self.folder.write(&report, kept) {
            Ok(()) => {
                if known
                    .written
                    .as_ref()
                    .is_none_or(|before| (before.state, before.granted) != (report.state, report.granted))
                {
                    say(&line(&report));
                }
                known.written = Some(report.clone());
            }
            Err(what) => say(&what),
        }
        report
    }
}

/// What a kept answer is worth now; none where there is none, or where it is not of this key.
fn judged(known: &Known, key: &PublicKey, subject: &Subject) -> Option<Report> {
    known.kept.as_ref()?.report(key, subject, &machine_clocks().clocks()).ok()
}

fn unknown(known: &Known, subject: &Subject) -> Report {
    let reason = known.failed.as_ref().map_or("nothing was asked yet", |(_, reason)| reason);
    Report::unknown(subject.clone(), reason.to_owned())
}

/// A report for the person who reads the log.
fn line(report: &Report) -> String {
    let Report { subject, state, granted, answer, reason } = report;
    match (state, answer, reason) {
        (ReportState::Unknown, _, reason) => {
            format!("{subject}: not known: {}", reason.as_deref().unwrap_or_default())
        }
        (state, answer, _) => {
            let granted = if *granted == Some(true) { "granted" } else { "not granted" };
            let standing = answer.as_ref().map(|answer| answer.standing.as_str()).unwrap_or_default();
            let how = if *state == ReportState::Current { "the site" } else { "a kept answer; the site is silent" };
            format!("{subject}: {granted}, by {how}; the license is {standing}")
        }
    }
}
