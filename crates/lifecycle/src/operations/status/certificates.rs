//! Expiry of the site's certificates, and whether each can be used now.

use jiff::{SignedDuration, Timestamp};
use landfall_agent::HeldCertificate;
use landfall_agent::validity::CertificateState;
use landfall_documents::status::{CertificateStatus, CertificatesStatus};
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;

/// Judges the certificates of a node; `None` if it has none.
pub(super) fn certificates_status(
    held: Result<Vec<HeldCertificate>, StepError>,
    now: Timestamp,
) -> Option<CertificatesStatus> {
    let mut held = match held {
        Ok(held) if held.is_empty() => return None,
        Ok(held) => held,
        Err(error) => return Some(unknown(with_causes(&error))),
    };
    let ends = |one: &HeldCertificate| match one.found {
        CertificateState::Whole(validity) => Some(validity.ends),
        CertificateState::Missing | CertificateState::Unreadable => None,
    };
    held.sort_by_key(|one| (ends(one), one.file.clone()));
    let soonest = held.iter().find_map(ends);
    let certificates: Vec<_> = held.iter().map(|one| certificate_status(one, now)).collect();
    let problems =
        certificates.iter().filter_map(|one| Some(format!("{} {}", one.file.display(), one.problem.as_ref()?)));
    let problems: Vec<_> = problems.collect();
    Some(CertificatesStatus {
        ready: problems.is_empty(),
        reason: (!problems.is_empty()).then(|| problems.join("; ")),
        soonest_end: soonest.map(text),
        days_left: soonest.map(|end| end.duration_since(now).as_secs().div_euclid(DAY.as_secs())),
        certificates,
    })
}

fn unknown(reason: String) -> CertificatesStatus {
    CertificatesStatus {
        ready: false,
        reason: Some(reason),
        soonest_end: None,
        days_left: None,
        certificates: Vec::new(),
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn certificate_status(held: &HeldCertificate, now: Timestamp) -> CertificateStatus {
    let (begins, ends) = match held.found {
        CertificateState::Whole(validity) => (Some(text(validity.begins)), Some(text(validity.ends))),
        CertificateState::Missing | CertificateState::Unreadable => (None, None),
    };
    let problem = held.found.unusable(now).map(|need| need.to_string());
    CertificateStatus { file: held.file.clone(), begins, ends, problem }
}

fn text(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use landfall_agent::validity::Validity;
    use landfall_error_codes::codes;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn sample_certificate(file: &str, ends: &str) -> HeldCertificate {
        let found = match ends {
            "missing" => CertificateState::Missing,
            "torn" => CertificateState::Unreadable,
            ends => CertificateState::Whole(Validity { begins: at("2026-01-01T00:00:00Z"), ends: at(ends) }),
        };
        HeldCertificate { file: file.into(), found }
    }

    fn status_of(certificates: &[(&str, &str)], now: &str) -> CertificatesStatus {
        let certificates = certificates.iter().map(|(file, ends)| sample_certificate(file, ends)).collect();
        certificates_status(Ok(certificates), at(now)).unwrap()
    }

    #[test]
    fn certificates_are_ordered_by_end() {
        let found = status_of(
            &[("ca", "2036-01-01T00:00:00Z"), ("admin", "2026-03-01T12:00:00Z"), ("api", "2026-03-01T12:00:00Z")],
            "2026-02-01T00:00:00Z",
        );
        assert!(found.ready && found.reason.is_none());
        assert_eq!(found.soonest_end.as_deref(), Some("2026-03-01T12:00:00Z"));
        assert_eq!(found.days_left, Some(28), "28 and a half");
        let order: Vec<_> = found.certificates.iter().map(|one| one.file.display().to_string()).collect();
        assert_eq!(order, ["admin", "api", "ca"]);
    }

    #[test]
    fn unusable_certificate_is_not_ready() {
        let whole = ("ca", "2036-01-01T00:00:00Z");
        for (bad, now, reason, days) in [
            (("api", "missing"), "2026-02-01T00:00:00Z", "api is missing", 3621),
            (("api", "torn"), "2026-02-01T00:00:00Z", "api is damaged", 3621),
            (("api", "2026-02-01T00:00:00Z"), "2026-02-01T00:00:00Z", "api has ended", 0),
            (("api", "2026-02-01T00:00:00Z"), "2026-02-01T00:00:01Z", "api has ended", -1),
            (("api", "2027-01-01T00:00:00Z"), "2025-01-01T00:00:00Z", "api is not valid yet; ca is not valid yet", 730),
        ] {
            let found = status_of(&[whole, bad], now);
            let told = (found.ready, found.reason.as_deref(), found.days_left);
            assert_eq!(told, (false, Some(reason), Some(days)), "{bad:?} {now}");
        }
    }

    #[test]
    fn unreadable_certificates_are_not_ready() {
        let now = at("2026-02-01T00:00:00Z");
        assert_eq!(certificates_status(Ok(Vec::new()), now), None);
        let failed = StepError::new(codes::NODE_CERTIFICATE, "cannot read /etc/kubernetes/pki");
        let found = certificates_status(Err(failed), now).unwrap();
        assert_eq!((found.ready, found.reason.as_deref()), (false, Some("cannot read /etc/kubernetes/pki")));
    }
}
