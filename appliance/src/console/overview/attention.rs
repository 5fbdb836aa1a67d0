//! Matters that need a person: every reason and note of the status, worst first, each with a link.

use jiff::{SignedDuration, Timestamp};
use landfall_documents::status::{
    AgentStatus, CertificatesStatus, ClockStatus, DiskStatus, EtcdStatus, FirewallStatus, Part, RegistryStatus,
    ServiceAddresses, StatusReport,
};

use super::answers::sentence;
use crate::approval::{Approval, ApprovalSubject};
use crate::audit::SigningFailure;
use crate::configuration::SuppliedCertificate;
use crate::console::change::{home, plan_path};
use crate::console::state::{Mark, State};
use crate::console::trouble::SILENT_NEXT;
use crate::database::SetAsideDatabase;
use crate::forward::ForwardingState;
use crate::ingress::State as Ingress;

/// Time before its end from which a self-renewed certificate is listed.
const WARNED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A matter for a person.
#[derive(Debug, Clone)]
pub struct Matter {
    pub mark: Mark,
    /// Subject of the matter.
    pub subject: String,
    pub text: String,
    pub path: String,
}

#[derive(Default)]
struct List(Vec<Matter>);

impl List {
    fn add(&mut self, state: State, subject: impl Into<String>, text: &str, path: impl Into<String>) {
        self.0.push(matter(state, subject, text, path));
    }

    fn part(&mut self, subject: &str, part: Option<Part<'_>>, path: &str) {
        if let Some(part) = part.filter(|part| !part.ready) {
            self.add(State::Bad, subject, part.reason.unwrap_or("is not ready"), path);
        }
    }
}

fn matter(state: State, subject: impl Into<String>, text: &str, path: impl Into<String>) -> Matter {
    let word = match state {
        State::Bad => "Act",
        State::Attention => "Look",
        _ => "Note",
    };
    Matter { mark: state.mark(word), subject: subject.into(), text: sentence(text), path: path.into() }
}

/// Returns the matter of a changed audit log, which precedes all others.
pub fn of_broken_audit(why: &str) -> Matter {
    let text = format!("it was changed after it was written: {why}. Export it, and compare it with an earlier export");
    matter(State::Bad, "Audit", &text, "/audit")
}

/// Returns the matter of a database that was damaged while the console runs.
pub fn of_damage(why: &str) -> Matter {
    let text = format!(
        "the console's database is damaged: {why}. Restore the component `console` from a backup of before. If the \
         console starts earlier, it keeps the damaged database and begins an empty one"
    );
    matter(State::Bad, "Console", &text, "/restore")
}

/// Returns the matter of a kept damaged database: it and backups have the people, keys and audit log of before.
pub fn of_aside(aside: &SetAsideDatabase) -> Matter {
    let text = format!(
        "its database was damaged, and a new one began at {:.0}, without people, keys and audit entries of before. The \
         damaged one is kept as `{}`. Restore the component `console` from a backup of before",
        aside.at, aside.name
    );
    matter(State::Bad, "Console", &text, "/restore")
}

/// Returns the matter of entries that the host has not signed for an hour, which could be rewritten unnoticed.
pub fn of_unsigned_audit(unsigned: &SigningFailure) -> Option<Matter> {
    let age = Timestamp::now().duration_since(unsigned.since);
    let text = format!("the host has signed none of its newest entries since {:.0}: {}", unsigned.since, unsigned.why);
    (age >= SignedDuration::from_hours(1)).then(|| matter(State::Attention, "Audit", &text, "/audit"))
}

/// Returns the matter of a syslog server that has received nothing for an hour, or whose settings cannot be used.
pub fn of_forwarding(standing: &ForwardingState) -> Option<Matter> {
    if !standing.faults.is_empty() {
        let text = "the settings of the syslog server cannot be used: the audit log is not forwarded";
        return Some(matter(State::Attention, "Audit", text, "/audit"));
    }
    let failing = standing.failing.as_ref()?;
    let text = format!("the syslog server has received nothing since {:.0}: {}", failing.since, failing.why);
    let age = Timestamp::now().duration_since(failing.since);
    (age >= SignedDuration::from_hours(1)).then(|| matter(State::Attention, "Audit", &text, "/audit"))
}

/// Returns the matter of a supplied certificate that is unusable or ends soon: only the site renews it.
pub fn of_certificate(supplied: &SuppliedCertificate, now: Timestamp) -> Option<Matter> {
    let (state, text) = match supplied {
        SuppliedCertificate::Unusable(why) => (
            State::Attention,
            format!(
                "the certificate in the Secret `console-tls` cannot be used: {why}. Browsers see the one of the site's \
                 own authority"
            ),
        ),
        SuppliedCertificate::Used { ends: Some(ends) } if *ends <= now => {
            (State::Bad, format!("the certificate in the Secret `console-tls` has ended at {ends:.0}: replace it"))
        }
        SuppliedCertificate::Used { ends: Some(ends) } if ends.duration_since(now) < WARNED => (
            State::Attention,
            format!("the certificate in the Secret `console-tls` ends at {ends:.0}: replace it before"),
        ),
        SuppliedCertificate::Used { .. } | SuppliedCertificate::Missing => return None,
    };
    Some(matter(state, "Console", &text, "/node"))
}

/// Returns the matter of unusable ingress settings.
pub fn of_ingress(ingress: &Ingress) -> Option<Matter> {
    let Ingress::Faulty(faults) = ingress else { return None };
    let text = format!(
        "the settings in the Secret `console-ingress` cannot be used, and no proxy is trusted: {}",
        faults.join("; ")
    );
    Some(matter(State::Attention, "Console", &text, "/node"))
}

/// Returns the matter of a plan that waits for a second approval.
pub fn of_waiting(waiting: &Approval) -> Option<Matter> {
    let ApprovalSubject::Change { change, plan } = &waiting.wanted else { return None };
    let text = format!("the {}, which {} approved first, waits for a second person", waiting.title, waiting.by);
    Some(matter(State::Attention, "Approval", &text, plan_path(change, plan)))
}

/// Returns all matters of a status, worst first.
pub fn matters(status: &StatusReport) -> Vec<Matter> {
    let mut list = List::default();
    if let Some(why) = &status.cluster_silence {
        let text = format!("{why}. {SILENT_NEXT}");
        list.add(State::Bad, "API server", &text, "/components");
    }
    operation(status, &mut list);
    list.part("Agent", status.agent.as_ref().map(AgentStatus::part), "/node");
    for node in &status.nodes {
        list.part(&format!("Node {}", node.name), Some(node.part()), "/node");
        for pressure in &node.pressures {
            list.add(State::Bad, format!("Node {}", node.name), &format!("the kubelet reports {pressure}"), "/node");
        }
    }
    list.part("Service addresses", status.service_addresses.as_ref().map(ServiceAddresses::part), "/node");
    list.part("Firewall", status.firewall.as_ref().map(FirewallStatus::part), "/node");
    for component in &status.components {
        for reason in &component.reasons {
            list.add(State::Bad, component.component.clone(), reason, format!("/components/{}", component.component));
        }
    }
    list.part("Registry", status.registry.as_ref().map(RegistryStatus::part), "/node");
    list.part("Certificates", status.certificates.as_ref().map(CertificatesStatus::part), "/node");
    list.part("Clock", status.clock.as_ref().map(ClockStatus::part), "/node");
    list.part("Disk", status.disk.as_ref().map(DiskStatus::part), "/node");
    list.part("etcd", status.etcd.as_ref().map(EtcdStatus::part), "/node");
    if let Some(seen) = status.clock.as_ref().and_then(|clock| clock.earlier_than.as_ref()) {
        list.add(
            State::Attention,
            "Clock",
            &format!("it shows an earlier time than the site has seen: {seen}"),
            "/node",
        );
    }
    backups(status, &mut list);
    for note in status.license.iter().flat_map(|license| &license.notes) {
        list.add(State::Attention, "License", note, "/license");
    }
    let is_shown = |note: &&String| {
        let is_silence = status.cluster_silence.as_ref() == Some(*note);
        is_silence || status.license.iter().any(|license| license.notes.contains(note))
    };
    for note in status.notes.iter().filter(|note| !is_shown(note)) {
        list.add(State::Unknown, "Host", note, "/node");
    }
    worst_first(&mut list.0);
    list.0
}

/// Sorts the worst first, and keeps the order within one state.
pub fn worst_first(matters: &mut [Matter]) {
    matters.sort_by_key(|matter| matter.mark.state);
}

fn operation(status: &StatusReport, list: &mut List) {
    let Some(operation) = &status.operation else { return };
    let Some(step) = operation.step.as_ref().filter(|_| operation.running.is_none()) else { return };
    let state = if step.stuck { State::Bad } else { State::Attention };
    let page = home(&operation.operation);
    let what = format!("interrupted at step {} of {}: {}", step.index, step.count, step.title);
    list.add(state, format!("Operation {}", operation.operation), &what, page);
    if let Some(failure) = &step.failure {
        let text = format!("{}: {}. {}", failure.code, failure.what, failure.hint);
        list.add(state, "Last failure", &text, page);
    }
    if let Some(blocked) = &step.blocked {
        list.add(State::Bad, "In the way", blocked, page);
    }
}

fn backups(status: &StatusReport, list: &mut List) {
    let Some(backups) = &status.backups else {
        if status.release.is_some() {
            list.add(State::Bad, "Backups", "no backup was ever made", "/backups");
        }
        return;
    };
    if let Some(reason) = &backups.reason {
        list.add(State::Bad, "Backups", reason, "/backups");
    }
    if let Some((_, failure)) = backups.failed_last() {
        let text = format!("the latest try failed: {}: {}", failure.code, failure.what);
        list.add(State::Bad, "Backups", &text, "/backups");
    }
    for copy in &backups.copies {
        if let Some(reason) = &copy.reason {
            list.add(State::Attention, format!("Copies in {}", copy.folder.display()), reason, "/backups");
        }
    }
    for log in &backups.logs {
        if let Some(reason) = &log.reason {
            list.add(State::Attention, format!("Log of {}", log.stream), reason, "/backups");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supplied_certificate_problems_are_named() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let of_days = |days: i64| SuppliedCertificate::Used { ends: Some(now + SignedDuration::from_hours(24 * days)) };
        let state = |supplied: &SuppliedCertificate| of_certificate(supplied, now).map(|matter| matter.mark.state);
        assert_eq!(state(&SuppliedCertificate::Missing), None);
        assert_eq!(state(&of_days(31)), None);
        assert_eq!(state(&of_days(29)), Some(State::Attention));
        assert_eq!(state(&of_days(0)), Some(State::Bad));
        assert_eq!(state(&SuppliedCertificate::Unusable("no key".to_owned())), Some(State::Attention));
        assert!(of_ingress(&Ingress::Off).is_none());
        let faulty = of_ingress(&Ingress::Faulty(vec!["host: none".to_owned(), "proxies: none".to_owned()])).unwrap();
        assert!(faulty.text.contains("host: none; proxies: none"), "{}", faulty.text);
    }
}
