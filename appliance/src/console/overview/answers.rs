//! The four answers: healthy, licensed, backed up, up to date. Pure: a status in, sentences out.

use jiff::SignedDuration;
use landfall_documents::backups::BackupsStatus;
use landfall_documents::license::LicenseTerms;
use landfall_documents::releases::ReleaseList;
use landfall_documents::status::{OperationStatus, ReleaseStatus, StatusReport, Verdict};

use super::attention;
use crate::console::moment::Moment;
use crate::console::state::{Mark, State};
use crate::console::units::count;
use crate::host::{Medium, MediumRelease};

/// Maximum age of a recent proven backup: one is made each night.
const RECENT: SignedDuration = SignedDuration::from_hours(30);
/// Age from which several nights have failed.
const OLD: SignedDuration = SignedDuration::from_hours(78);
/// Distance into the future beyond which a clock must be wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

const UP_TO_DATE: &str = "Is it up to date?";

/// An answer: the question, its state, one sentence of evidence, and a link to more.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: &'static str,
    pub mark: Mark,
    pub evidence: String,
    pub path: &'static str,
    pub more: &'static str,
}

/// Releases available to the site.
#[derive(Debug, Default)]
pub struct AvailableReleases {
    /// Releases that the host keeps; `None` if it does not list them.
    pub kept: Option<ReleaseList>,
    /// Bundles found on media, and the uploaded one.
    pub media: Vec<Medium>,
}

/// Returns the four answers, in display order.
pub fn answers(status: &StatusReport, given: &AvailableReleases) -> [Answer; 4] {
    [healthy(status), license_answer(status), backed_up(status), up_to_date(status, given)]
}

fn healthy(status: &StatusReport) -> Answer {
    let ready = status.components.iter().filter(|component| component.ready == component.total).count();
    let total = status.components.len();
    let (mark, evidence) = match status.verdict {
        Verdict::Ready => (
            State::Good.mark("Yes"),
            format!("All {} and {} are ready.", count(total, "component"), count(status.nodes.len(), "node")),
        ),
        Verdict::NotReady if status.cluster_silence.is_some() => (
            State::Bad.mark("Not known"),
            "The cluster's API server does not answer, so what is ready is not known. What runs continues.".to_owned(),
        ),
        Verdict::NotReady => (State::Bad.mark("No"), not_ready(status, ready, total)),
        Verdict::Absent => {
            (State::Unknown.mark("Nothing installed"), "No release is installed on this site.".to_owned())
        }
        Verdict::Unfinished => unfinished_evidence(status),
        Verdict::Stuck => {
            (State::Bad.mark("Stuck"), "An operation is stuck: only a person can remove the cause.".to_owned())
        }
        Verdict::Unknown => {
            (State::Unknown.mark("Unknown"), "The host reports a state that this console does not know.".to_owned())
        }
    };
    Answer { question: "Is it healthy?", mark, evidence, path: "/components", more: "Components" }
}

/// Describes what is not ready: components, or else the first part of the host.
fn not_ready(status: &StatusReport, ready: usize, total: usize) -> String {
    let counted = format!("{ready} of {} are ready.", count(total, "component"));
    let first = || attention::matters(status).into_iter().find(|matter| matter.mark.state == State::Bad);
    match (ready == total).then(first).flatten() {
        Some(matter) => format!("{}: {} {counted}", matter.subject, matter.text),
        None => counted,
    }
}

fn unfinished_evidence(status: &StatusReport) -> (Mark, String) {
    match &status.operation {
        Some(OperationStatus { operation: name, running: Some(holder), .. }) => {
            let since = format!("; it began {}", Moment::new(holder.started).relative());
            (State::Busy.mark("Changing"), format!("The operation {name} is running{since}."))
        }
        Some(operation) => {
            (State::Attention.mark("Interrupted"), format!("The operation {} was interrupted.", operation.operation))
        }
        None => (State::Attention.mark("Unfinished"), "An operation has not ended.".to_owned()),
    }
}

fn license_answer(status: &StatusReport) -> Answer {
    let (mark, evidence) = match &status.license {
        None => (State::Good.mark("Not needed"), "The installed release needs no license.".to_owned()),
        Some(license) => {
            let lacking = license.needs.iter().filter(|need| !need.granted).count();
            match &license.terms {
                None if lacking > 0 => (
                    State::Bad.mark("No"),
                    format!("The site has no license for {}. What runs is not affected.", count(lacking, "component")),
                ),
                None => (State::Good.mark("Not needed"), "No component needs a license.".to_owned()),
                Some(terms) if lacking > 0 => (
                    State::Bad.mark("Not all"),
                    format!("The license does not cover {}. {}", count(lacking, "component"), term_of(terms)),
                ),
                Some(terms) => (standing(terms), term_of(terms)),
            }
        }
    };
    Answer { question: "Is it licensed?", mark, evidence, path: "/license", more: "License" }
}

fn standing(terms: &LicenseTerms) -> Mark {
    match (terms.standing.as_str(), terms.permits) {
        ("valid", _) => State::Good.mark("Yes"),
        ("ending", _) => State::Attention.mark("Ending"),
        ("grace", _) => State::Attention.mark("In grace"),
        (_, true) => State::Attention.mark("Yes"),
        (_, false) => State::Bad.mark("No"),
    }
}

/// Describes the end of the license; its own text if its standing has no common form.
fn term_of(terms: &LicenseTerms) -> String {
    let ends = Moment::read(terms.ends.as_deref());
    let grace = Moment::read(terms.grace_ends.as_deref());
    match (terms.standing.as_str(), ends, grace) {
        ("valid" | "ending", Some(ends), _) => {
            format!("The license of {} ends {}, on {}.", terms.customer, ends.relative(), ends.day())
        }
        ("valid", None, _) => format!("The license of {} never expires.", terms.customer),
        ("grace", _, Some(grace)) => {
            format!("The license has ended; its grace ends {}, on {}.", grace.relative(), grace.day())
        }
        _ => format!("{} What runs is not affected.", sentence(&terms.text)),
    }
}

fn backed_up(status: &StatusReport) -> Answer {
    let (mark, evidence) = match &status.backups {
        None => (State::Bad.mark("No"), "No backup was ever made.".to_owned()),
        Some(backups) => match (&backups.reason, Moment::read(backups.newest_proven.as_deref())) {
            (Some(reason), _) => (State::Bad.mark("No"), sentence(reason)),
            (None, None) => {
                let exist = format!("{} exist; no drill has proven one.", count(backups.count, "backup"));
                (State::Bad.mark("Not proven"), with_failure(backups, exist))
            }
            (None, Some(proven)) => proven_at(backups, proven),
        },
    };
    Answer { question: "Is it backed up?", mark, evidence, path: "/backups", more: "Backups" }
}

/// Returns the answer if a backup is proven: later failures have priority.
fn proven_at(backups: &BackupsStatus, proven: Moment) -> (Mark, String) {
    let made = format!("The newest proven backup was made {}.", proven.relative());
    let age = proven.age();
    if age < -AHEAD {
        let ahead = format!("The newest proven backup is dated {}: a clock is wrong.", proven.relative());
        return (State::Attention.mark("Unclear"), with_failure(backups, ahead));
    }
    let has_failed = backups.failed_last().is_some();
    let mark = match age {
        age if age > OLD => State::Bad.mark("Out of date"),
        age if age > RECENT && has_failed => State::Bad.mark("Failing"),
        _ if has_failed => State::Attention.mark("Last try failed"),
        age if age > RECENT => State::Attention.mark("Aging"),
        _ if backups.logs.iter().any(|log| log.reason.is_some()) => State::Attention.mark("Yes, with gaps"),
        _ if backups.copies.iter().any(|copy| copy.reason.is_some()) => State::Attention.mark("Yes, not copied"),
        _ => State::Good.mark("Yes"),
    };
    let gap = backups.logs.iter().find_map(|log| log.reason.as_ref().map(|reason| (&log.stream, reason)));
    match gap.filter(|_| !has_failed) {
        Some((stream, reason)) => (mark, format!("{made} The log of {stream}: {}", sentence(reason))),
        None => (mark, with_failure(backups, made)),
    }
}

/// Puts the reason of the latest failed attempt before the evidence.
fn with_failure(backups: &BackupsStatus, evidence: String) -> String {
    let Some((last, failure)) = backups.failed_last() else { return evidence };
    let tried = Moment::read(Some(&last.at)).map(|at| format!(" {}", at.relative())).unwrap_or_default();
    format!("The latest try failed{tried}: {}: {} {evidence}", failure.code, sentence(&failure.what))
}

/// Returns the answer about updates. A site without a network knows only the releases that it was given.
fn up_to_date(status: &StatusReport, given: &AvailableReleases) -> Answer {
    let installed = status.release.as_ref();
    if let Some((medium, found)) = installed.and_then(|own| newest_release(own, &given.media)) {
        let evidence = format!("{} {} has arrived and can be planned: {}.", found.name, found.version, medium.place);
        let mark = State::Attention.mark("No");
        return Answer { question: UP_TO_DATE, mark, evidence, path: "/upgrade", more: "Upgrade" };
    }
    let newest = given.kept.as_ref().and_then(|kept| kept.releases.iter().max_by_key(|release| release.counter));
    let (mark, evidence) = match (installed, newest) {
        (None, _) => (State::Unknown.mark("Nothing installed"), "No release is installed on this site.".to_owned()),
        (Some(own), Some(newest)) if newest.counter > own.counter => (
            State::Attention.mark("No"),
            format!("The site keeps {} {}, which is newer than {}.", newest.name, newest.version, own.version),
        ),
        (Some(own), Some(_)) => (
            State::Good.mark("As far as known"),
            format!("{} {} is the newest release that this site has been given.", own.name, own.version),
        ),
        (Some(own), None) => (
            State::Unknown.mark("Unknown"),
            format!("{} {} is installed; the host does not list its releases.", own.name, own.version),
        ),
    };
    Answer { question: UP_TO_DATE, mark, evidence, path: "/releases", more: "Releases" }
}

/// Returns the newest release that can be planned. The host judged it when it was found, and the site may have been
/// upgraded since.
fn newest_release<'a>(own: &ReleaseStatus, media: &'a [Medium]) -> Option<(&'a Medium, &'a MediumRelease)> {
    let usable = media.iter().filter(|medium| medium.problem.is_none());
    let releases = usable.filter_map(|medium| Some((medium, medium.release.as_ref()?)));
    let is_later = |found: &MediumRelease| match found.counter {
        Some(counter) => counter > own.counter,
        None => found.version != own.version,
    };
    releases.filter(|(_, found)| found.name == own.name && is_later(found)).max_by_key(|(_, found)| found.counter)
}

/// Turns a reason of the host into a sentence: with a final period, and capitalized unless it begins with a name, such
/// as that of a file.
pub fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    let first = reason.split(char::is_whitespace).next().unwrap_or_default().trim_end_matches([',', ':', ';', '.']);
    let is_word = first.chars().all(|letter| letter.is_lowercase() || ['-', '\''].contains(&letter));
    let mut characters = reason.chars();
    let text = match characters.next() {
        None => return String::new(),
        Some(initial) if is_word => initial.to_uppercase().chain(characters).collect(),
        Some(_) => reason.to_owned(),
    };
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
