//! Sections of the handbook (docs/OPERATE.md) about error codes.

use crate::{Code, codes};

/// Headings of the handbook's runbooks, with the codes that refer to each.
const RUNBOOKS: &[(&str, &[Code])] = &[
    ("An undo that failed", &[codes::UNDO_FAILED]),
    ("A full disk", &[codes::NO_SPACE, codes::BACKUP_NO_ROOM, codes::BACKUP_STOPPED, codes::APPLIANCE_DATABASE_FULL]),
    ("A lost administrator", &[codes::SIGN_IN_FAILED, codes::TOKEN_REFUSED, codes::TOO_MANY_ATTEMPTS]),
    ("An expired license", &[codes::LICENSE_ENDED, codes::NOT_LICENSED]),
    ("A wrong clock", &[codes::CLOCK_WRONG, codes::NODE_CLOCK, codes::DATE_UNCONFIRMABLE, codes::LICENSE_NOT_YET]),
    ("A certificate", &[codes::NODE_CERTIFICATE, codes::CERTIFICATE_UNUSABLE]),
    ("A lost key", &[codes::BACKUP_KEY, codes::BACKUP_WRONG_KEY]),
    ("A damaged journal", &[codes::JOURNAL_CORRUPT, codes::JOURNAL_MISSING, codes::OLD_JOURNAL_UNREADABLE]),
    ("A broken etcd", &[codes::CLUSTER_UNREACHABLE]),
    ("Drivers from a host pack", &[codes::HOST_PACK_UNFIT, codes::HOST_PACK_CONFLICT, codes::HOST_PACKAGES_REFUSED]),
    ("Secrets that the release asks for", &[codes::SITE_SECRET_MISSING, codes::SITE_SECRET_UNFIT]),
    ("Any point in time", &[codes::RESTORE_TIME, codes::LOG_UNPROVEN, codes::LOG_RECORDS]),
    ("Approve on the host what the console asks for", &[codes::APPROVAL_UNKNOWN, codes::APPROVAL_MISSING]),
];

impl Code {
    /// Heading of the section of docs/OPERATE.md with instructions for this code, if there is one.
    pub fn runbook(self) -> Option<&'static str> {
        RUNBOOKS.iter().find(|(_, codes)| codes.contains(&self)).map(|(heading, _)| *heading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operator's handbook.
    const OPERATE: &str = include_str!("../../../docs/OPERATE.md");

    #[test]
    fn runbooks_are_handbook_sections() {
        for (heading, _) in RUNBOOKS {
            let is_it = |line: &str| line.trim_start_matches('#') == format!(" {heading}");
            assert_eq!(OPERATE.lines().filter(|line| is_it(line)).count(), 1, "{heading}");
        }
        assert_eq!(codes::NO_SPACE.runbook(), Some("A full disk"));
        assert_eq!(codes::BUG.runbook(), None);
    }
}
