//! State of the license answers, and how it is obtained: asked, verified with the site's key, kept, reported.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_bundle_spec::trust::PublicKey;
use landfall_license::answer::{KeptAnswer, Nonce, Question, Report, ReportState, Subject, Watch};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ask::ask;
use crate::clocks::machine_clocks;
use crate::folder::Folder;
use crate::say;
use crate::settings::Settings;

/// Pause after a failed question, during which software gets the known report immediately.
const PAUSE: Duration = Duration::from_secs(10);

/// Maximum number of names that are remembered. Software asks for only a few.
const NAMES: usize = 64;

/// State of one name.
#[derive(Default)]
struct NameState {
    kept: Option<KeptAnswer>,
    /// Time of the last failed question, and its reason.
    failed: Option<(Instant, String)>,
    /// Last written report.
    written: Option<Report>,
}

/// Asks the site on behalf of software.
pub struct Validator {
    /// Settings as given.
    pub settings: Settings,
    /// How the age of kept answers is tracked while this program runs.
    watch: Watch,
    folder: Folder,
    known: Mutex<BTreeMap<Subject, NameState>>,
}

impl Validator {
    /// Creates a validator with the answers kept in the folder. All of them age, whether or not software asks for them
    /// in this boot.
    pub fn new(settings: Settings, watch: Watch) -> Self {
        let folder = Folder(settings.folder.clone());
        let kept = folder.all_kept().into_iter().take(NAMES);
        let known =
            kept.map(|(subject, kept)| (subject, NameState { kept: Some(kept), ..NameState::default() })).collect();
        Self { settings, watch, folder, known: Mutex::new(known) }
    }

    /// Report about a name: the known one if it is current or if the site has just failed to answer, otherwise a new
    /// one.
    pub async fn report(&self, subject: &Subject) -> Report {
        self.learn(subject, false).await
    }

    /// Asks the site now, and falls back to the known report.
    pub async fn renew(&self, subject: &Subject) -> Report {
        self.learn(subject, true).await
    }

    /// Renews all names that were ever asked for, until the site fails to answer. Kept answers then age.
    pub async fn renew_all(&self) {
        let mut subjects: Vec<Subject> = self.known.lock().await.keys().cloned().collect();
        subjects.retain(|subject| *subject != self.settings.entitlement);
        for subject in std::iter::once(&self.settings.entitlement).chain(&subjects) {
            if self.renew(subject).await.state != ReportState::Current {
                return self.look_at_all().await;
            }
        }
    }

    /// Stores the age of all kept answers.
    pub async fn look_at_all(&self) {
        for (subject, known) in self.known.lock().await.iter_mut() {
            self.look(subject, known);
        }
    }

    /// Stores the age of a kept answer, if it would be lost at the next boot.
    fn look(&self, subject: &Subject, known: &mut NameState) {
        let Some(kept) = &mut known.kept else { return };
        if kept.look(&machine_clocks().clocks(), self.watch)
            && let Err(what) = self.folder.write_kept(subject, kept)
        {
            say(&what);
        }
    }

    async fn learn(&self, subject: &Subject, asks: bool) -> Report {
        let mut all = self.known.lock().await;
        if !all.contains_key(subject) && all.len() >= NAMES {
            let reason = format!("answers about {NAMES} names are kept, and this is one more");
            return Report::unknown(subject.clone(), reason);
        }
        let known = all.entry(subject.clone()).or_default();
        let key = match self.key() {
            Ok(key) => key,
            Err(reason) => return self.write_report(known, Report::unknown(subject.clone(), reason), false),
        };
        let before = kept_report(known, &key, subject);
        let is_current = before.as_ref().is_some_and(|report| report.state == ReportState::Current);
        let has_just_failed = known.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < PAUSE);
        if !asks && (is_current || has_just_failed) {
            let report = before.unwrap_or_else(|| unknown(known, subject));
            return self.write_report(known, report, false);
        }
        match self.ask_console(&key, subject).await {
            Ok(kept) => {
                (known.kept, known.failed) = (Some(kept), None);
                let report = kept_report(known, &key, subject).unwrap_or_else(|| unknown(known, subject));
                self.write_report(known, report, true)
            }
            Err(reason) => {
                known.failed = Some((Instant::now(), reason));
                self.look(subject, known);
                // Time has passed while the site was asked.
                let report = kept_report(known, &key, subject).filter(|report| report.state != ReportState::Unknown);
                let report = report.unwrap_or_else(|| unknown(known, subject));
                self.write_report(known, report, false)
            }
        }
    }

    /// Reads the site's public key, each time because a new host may give its namespaces another one.
    fn key(&self) -> Result<PublicKey, String> {
        let path = &self.settings.key;
        let text = fs_err::read_to_string(path).map_err(|error| format!("the site's key cannot be read: {error}"))?;
        PublicKey::from_pem("the site's key", &text).map_err(|error| error.to_string())
    }

    async fn ask_console(&self, key: &PublicKey, subject: &Subject) -> Result<KeptAnswer, String> {
        let question = Question { subject: subject.clone(), nonce: Nonce(rand::random()) };
        let sealed = ask(&self.settings.console, &question).await?;
        let kept = KeptAnswer::new(&sealed, key, &question, &machine_clocks().clocks(), self.watch);
        kept.map_err(|error| error.to_string())
    }

    /// Writes a report if it differs from the file, and returns it.
    fn write_report(&self, known: &mut NameState, report: Report, is_answer: bool) -> Report {
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

/// Returns true if another question soon would not help. An earlier refusal may be outdated, because the license was
/// renewed or the date corrected.
pub fn is_settled(report: &Report) -> bool {
    report.state == ReportState::Current || report.granted == Some(true)
}

/// Current report of a kept answer; `None` without an answer, or if it was made with another key.
fn kept_report(known: &NameState, key: &PublicKey, subject: &Subject) -> Option<Report> {
    known.kept.as_ref()?.report(key, subject, &machine_clocks().clocks()).ok()
}

fn unknown(known: &NameState, subject: &Subject) -> Report {
    let reason = known.failed.as_ref().map_or("nothing was asked yet", |(_, reason)| reason);
    Report::unknown(subject.clone(), reason.to_owned())
}

/// A line about a report, for a reader of the log.
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::{SignedDuration, Timestamp};
    use landfall_audit::SiteKey;
    use landfall_license::Clocks;
    use landfall_license::answer::Answer;
    use landfall_media::durable;

    use super::*;

    /// A validator with a silent site. In another boot, the site answered once about each of two names, by a clock that
    /// was years ahead.
    fn validator(folder: &Path) -> (Validator, Subject) {
        let (key, subject) = (SiteKey::generate().unwrap(), Subject::new("entitlement", "analytics").unwrap());
        for subject in [&subject, &Subject::new("feature", "export-all").unwrap()] {
            keep_answer(folder, &key, subject);
        }
        durable::write_file(&folder.join("key.pem"), key.public().to_pem().as_bytes(), 0o644).unwrap();
        let settings = Settings {
            console: "127.0.0.1:1".to_owned(),
            key: folder.join("key.pem"),
            folder: folder.to_owned(),
            entitlement: subject.clone(),
            listen: "127.0.0.1:1".parse().unwrap(),
        };
        (Validator::new(settings, Watch::Steady), subject)
    }

    fn keep_answer(folder: &Path, key: &SiteKey, subject: &Subject) {
        let question = Question { subject: subject.clone(), nonce: Nonce([7; 16]) };
        let unsigned = Answer::new(&question, None, "site", Timestamp::now()).to_unsigned().unwrap();
        let signature = key.sign(unsigned.message()).unwrap();
        let sealed = unsigned.seal(key.public().id(), signature).unwrap();
        let ahead = Timestamp::now() + SignedDuration::from_hours(24 * 3650);
        let clocks = Clocks { wall: ahead, boot: "another", uptime: Duration::from_mins(1) };
        let kept = KeptAnswer::new(&sealed, key.public(), &question, &clocks, Watch::Steady).unwrap();
        Folder(folder.to_owned()).write_kept(subject, &kept).unwrap();
    }

    fn stored_document(folder: &Path, name: &str) -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(folder.join(name)).unwrap()).unwrap()
    }

    #[test]
    fn kept_answer_ages_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let (validator, subject) = validator(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(validator.renew_all());
        assert_eq!(runtime.block_on(validator.report(&subject)).state, ReportState::Kept);
        let mut aged = stored_document(folder.path(), "entitlement-analytics.kept");
        assert_eq!(aged["looked"]["at"]["boot"], machine_clocks().boot);
        let other = stored_document(folder.path(), "feature-export-all.kept");
        assert_eq!(other["looked"]["at"]["boot"], machine_clocks().boot, "also for what no software requested");

        // Here, a week has passed in other boots.
        aged["looked"]["ageSeconds"] = (7 * 24 * 60 * 60).into();
        validator.folder.write_kept(&subject, &serde_json::from_value(aged).unwrap()).unwrap();
        let next = Validator::new(validator.settings.clone(), Watch::Steady);
        assert_eq!(runtime.block_on(next.renew(&subject)).state, ReportState::Unknown);
    }
}
