//! Instructions of the handbook for error codes.

use crate::{Code, codes};

/// Instructions of the handbook: a page, or a section of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runbook {
    /// Name of the page, which is its path in `docs` without the suffix.
    pub page: &'static str,
    /// Heading of the instructions.
    pub heading: &'static str,
}

const fn at(page: &'static str, heading: &'static str) -> Runbook {
    Runbook { page, heading }
}

/// All instructions, with the codes that refer to each.
const RUNBOOKS: &[(Runbook, &[Code])] = &[
    (at("field/runbooks/failed-undo", "An undo that failed"), &[codes::UNDO_FAILED]),
    (
        at("field/runbooks/full-disk", "A full disk"),
        &[codes::NO_SPACE, codes::BACKUP_NO_ROOM, codes::BACKUP_STOPPED, codes::APPLIANCE_DATABASE_FULL],
    ),
    (
        at("field/runbooks/lost-administrator", "A lost administrator"),
        &[codes::SIGN_IN_FAILED, codes::TOKEN_REFUSED, codes::TOO_MANY_ATTEMPTS],
    ),
    (at("field/runbooks/expired-license", "An expired license"), &[codes::LICENSE_ENDED, codes::NOT_LICENSED]),
    (
        at("field/runbooks/wrong-clock", "A wrong clock"),
        &[codes::CLOCK_WRONG, codes::NODE_CLOCK, codes::DATE_UNCONFIRMABLE, codes::LICENSE_NOT_YET],
    ),
    (at("field/runbooks/certificate", "A certificate"), &[codes::NODE_CERTIFICATE, codes::CERTIFICATE_UNUSABLE]),
    (at("field/runbooks/lost-key", "A lost key"), &[codes::BACKUP_KEY, codes::BACKUP_WRONG_KEY]),
    (
        at("field/runbooks/damaged-journal", "A damaged journal"),
        &[codes::JOURNAL_CORRUPT, codes::JOURNAL_MISSING, codes::OLD_JOURNAL_UNREADABLE],
    ),
    (at("field/runbooks/broken-etcd", "A broken etcd"), &[codes::CLUSTER_UNREACHABLE]),
    (
        at("field/host-pack", "Drivers from a host pack"),
        &[codes::HOST_PACK_UNFIT, codes::HOST_PACK_CONFLICT, codes::HOST_PACKAGES_REFUSED],
    ),
    (
        at("operate/secrets", "Secrets that the release asks for"),
        &[codes::SITE_SECRET_MISSING, codes::SITE_SECRET_UNFIT],
    ),
    (at("operate/point-in-time", "Any point in time"), &[codes::RESTORE_TIME, codes::LOG_UNPROVEN, codes::LOG_RECORDS]),
    (
        at("operate/host-approval", "Approve on the host what the console asks for"),
        &[codes::APPROVAL_UNKNOWN, codes::APPROVAL_MISSING],
    ),
];

impl Code {
    /// Instructions of the handbook for this code, if it has any.
    pub fn runbook(self) -> Option<Runbook> {
        RUNBOOKS.iter().find(|(_, codes)| codes.contains(&self)).map(|(runbook, _)| *runbook)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn runbooks_are_in_handbook() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (Runbook { page, heading }, _) in RUNBOOKS {
            let text = std::fs::read_to_string(docs.join(page).with_extension("md")).expect(page);
            let is_it = |line: &&str| line.trim_start_matches('#') == format!(" {heading}");
            assert_eq!(text.lines().filter(is_it).count(), 1, "{page}: {heading}");
        }
        assert_eq!(codes::NO_SPACE.runbook().map(|runbook| runbook.heading), Some("A full disk"));
        assert_eq!(codes::BUG.runbook(), None);
    }
}
