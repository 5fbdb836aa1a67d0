//! The four answers: is it healthy, licensed, backed up, up to date. Pure: a status in, sentences out.

use jiff::SignedDuration;

use crate::console::moment::Moment;
use crate::console::state::{Mark, State};
use crate::console::units::count;
use crate::host::{Operation, Releases, Status, Terms, Verdict};

/// The newest proven backup may be this old: one is made each night.
const RECENT: SignedDuration = SignedDuration::from_hours(30);
/// From this age on, several nights have failed.
const OLD: SignedDuration = SignedDuration::from_hours(78);

/// An answer: the question, its state, one sentence of evidence, and where there is more.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: &'static str,
    pub mark: Mark,
    pub evidence: String,
    pub path: &'static str,
    pub more: &'static str,
}

/// The four, in the order in which they are shown.
pub fn answers(status: &Status, releases: Option<&Releases>) -> [Answer; 4] {
    [healthy(status), licensed(status), backed_up(status), up_to_date(status, releases)]
}

fn healthy(status: &Status) -> Answer {
    let ready = status.components.iter().filter(|component| component.ready == component.total).count();
    let total = status.components.len();
    let (mark, evidence) = match status.verdict {
        Verdict::Ready => (
            State::Good.mark("Yes"),
            format!("All {} and {} are ready.", count(total, "component"), count(status.nodes.len(), "node")),
        ),
        Verdict::NotReady => (State::Bad.mark("No"), format!("{ready} of {} are ready.", count(total, "component"))),
        Verdict::Absent => {
            (State::Unknown.mark("Nothing installed"), "No release is installed on this site.".to_owned())
        }
        Verdict::Unfinished => unfinished(status),
        Verdict::Stuck => {
            (State::Bad.mark("Stuck"), "An operation was interrupted by what a person must remove.".to_owned())
        }
        Verdict::Unknown => {
            (State::Unknown.mark("Unknown"), "The host reports a state that this console does not know.".to_owned())
        }
    };
    Answer { question: "Is it healthy?", mark, evidence, path: "/components", more: "Components" }
}

fn unfinished(status: &Status) -> (Mark, String) {
    match &status.operation {
        Some(Operation { name, running: Some(holder), .. }) => {
            let since = Moment::read(Some(&holder.started)).map(|at| format!("; it began {}", at.relative()));
            (State::Busy.mark("Changing"), format!("The operation {name} is running{}.", since.unwrap_or_default()))
        }
        Some(operation) => {
            (State::Attention.mark("Interrupted"), format!("The operation {} was interrupted.", operation.name))
        }
        None => (State::Attention.mark("Unfinished"), "An operation has not ended.".to_owned()),
    }
}

fn licensed(status: &Status) -> Answer {
    let (mark, evidence) = match &status.license {
        None => (State::Good.mark("Not needed"), "The installed release needs no license.".to_owned()),
        Some(license) => match &license.terms {
            None if license.needs.iter().any(|need| !need.granted) => {
                let lacking = count(license.needs.len(), "component");
                (
                    State::Bad.mark("No"),
                    format!("{lacking} need a license, and the site has none. What runs is not affected."),
                )
            }
            None => (State::Good.mark("Not needed"), "No component needs a license.".to_owned()),
            Some(terms) => {
                let mark = match (terms.standing.as_str(), terms.permits) {
                    ("valid", _) => State::Good.mark("Yes"),
                    ("ending", _) => State::Attention.mark("Ending"),
                    ("grace", _) => State::Attention.mark("In grace"),
                    (_, true) => State::Attention.mark("Yes"),
                    (_, false) => State::Bad.mark("No"),
                };
                (mark, term_of(terms))
            }
        },
    };
    Answer { question: "Is it licensed?", mark, evidence, path: "/license", more: "License" }
}

/// When the license ends, in the words of a person; its own text where it stands in no common way.
fn term_of(terms: &Terms) -> String {
    let ends = Moment::read(terms.ends.as_deref());
    let grace = Moment::read(terms.grace_ends.as_deref());
    match (terms.standing.as_str(), ends, grace) {
        ("valid" | "ending", Some(ends), _) => {
            format!("The license of {} ends {}, on {}.", terms.customer, ends.relative(), ends.day())
        }
        ("valid", None, _) => format!("The license of {} does not end.", terms.customer),
        ("grace", _, Some(grace)) => {
            format!("The license has ended; its grace ends {}, on {}.", grace.relative(), grace.day())
        }
        _ => format!("{} What runs is not affected.", sentence(&terms.text)),
    }
}

fn backed_up(status: &Status) -> Answer {
    let (mark, evidence) = match &status.backups {
        None => (State::Bad.mark("No"), "No backup was ever made.".to_owned()),
        Some(backups) => match (&backups.reason, Moment::read(backups.newest_proven.as_deref())) {
            (Some(reason), _) => (State::Bad.mark("No"), sentence(reason)),
            (None, None) => (
                State::Bad.mark("Not proven"),
                format!("{} exist; no drill has proven one.", count(backups.count, "backup")),
            ),
            (None, Some(proven)) => {
                let mark = match proven.age() {
                    age if age > OLD => State::Bad.mark("Out of date"),
                    age if age > RECENT => State::Attention.mark("Aging"),
                    _ if backups.copies.iter().any(|copy| copy.reason.is_some()) => {
                        State::Attention.mark("Yes, not copied")
                    }
                    _ => State::Good.mark("Yes"),
                };
                (mark, format!("The newest proven backup was made {}.", proven.relative()))
            }
        },
    };
    Answer { question: "Is it backed up?", mark, evidence, path: "/backups", more: "Backups" }
}

/// A site without a network knows of newer releases only what it was given.
fn up_to_date(status: &Status, releases: Option<&Releases>) -> Answer {
    let installed = status.release.as_ref();
    let newest = releases.and_then(|kept| kept.releases.iter().max_by_key(|release| release.counter));
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
    Answer { question: "Is it up to date?", mark, evidence, path: "/releases", more: "Releases" }
}

/// A reason of the host as a sentence: it begins with a capital and ends with a period.
pub fn sentence(reason: &str) -> String {
    let mut characters = reason.trim().chars();
    let Some(first) = characters.next() else { return String::new() };
    let text = first.to_uppercase().chain(characters).collect::<String>();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
