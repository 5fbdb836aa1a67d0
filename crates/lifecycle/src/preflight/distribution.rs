//! Distributions, Landfall's support for each, and the end of its maintainer's support.

use std::fmt::Display;

use landfall_error_codes::codes;
use landfall_host::facts::Facts;

use landfall_site::findings::Finding;

/// Landfall's support for a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SupportLevel {
    /// Landfall's own tests install on it.
    Supported,
    /// Kernel and C library are new enough, but Landfall's own tests do not install on it.
    Works,
    /// Its kernel is too old. On some, a newer one can be installed.
    Unsupported,
}

/// A version of a distribution.
struct Distribution {
    /// `ID` of `/etc/os-release`.
    id: &'static str,
    /// First numbers of `VERSION_ID`.
    version: &'static str,
    standing: SupportLevel,
    /// Last day of the maintainer's free updates, or of the regular subscription for a distribution with paid support;
    /// `None` if unknown.
    ends: Option<&'static str>,
}

const fn row(
    id: &'static str,
    version: &'static str,
    standing: SupportLevel,
    ends: Option<&'static str>,
) -> Distribution {
    Distribution { id, version, standing, ends }
}

/// Data from the maintainers' own tables. Debian's days are those of its long-term support.
const DISTRIBUTIONS: &[Distribution] = &[
    row("debian", "11", SupportLevel::Unsupported, Some("2026-08-31")),
    row("debian", "12", SupportLevel::Supported, Some("2028-06-30")),
    row("debian", "13", SupportLevel::Supported, Some("2030-06-30")),
    row("ubuntu", "20.04", SupportLevel::Unsupported, Some("2025-05-31")),
    row("ubuntu", "22.04", SupportLevel::Works, None),
    row("ubuntu", "24.04", SupportLevel::Works, None),
    row("ubuntu", "26.04", SupportLevel::Works, None),
    row("rhel", "8", SupportLevel::Unsupported, Some("2029-05-31")),
    row("rhel", "9", SupportLevel::Works, Some("2032-05-31")),
    row("rhel", "10", SupportLevel::Works, Some("2035-05-31")),
    row("rocky", "8", SupportLevel::Unsupported, Some("2029-05-31")),
    row("rocky", "9", SupportLevel::Works, Some("2032-05-31")),
    row("rocky", "10", SupportLevel::Works, Some("2035-05-31")),
    row("almalinux", "8", SupportLevel::Unsupported, None),
    row("almalinux", "9", SupportLevel::Works, Some("2032-05-31")),
    row("almalinux", "10", SupportLevel::Works, Some("2035-05-31")),
    row("ol", "8", SupportLevel::Unsupported, None),
    row("ol", "9", SupportLevel::Works, None),
    row("ol", "10", SupportLevel::Works, None),
    row("centos", "8", SupportLevel::Unsupported, Some("2024-05-31")),
    row("centos", "9", SupportLevel::Works, Some("2027-05-31")),
    row("centos", "10", SupportLevel::Works, None),
    row("sles", "15.6", SupportLevel::Works, Some("2025-12-31")),
    row("sles", "15.7", SupportLevel::Works, Some("2031-07-31")),
    row("sles", "16.0", SupportLevel::Works, None),
];

/// Value of `facts.operating_system` if `/etc/os-release` does not name the distribution.
const UNKNOWN: &str = "unknown";

/// Returns the entry of a distribution, such as `rhel 9.6`.
fn entry(operating_system: &str) -> Option<&'static Distribution> {
    let (id, version) = operating_system.split_once(' ')?;
    let begins = |known: &str| version.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    DISTRIBUTIONS.iter().find(|one| one.id == id && begins(one.version))
}

/// Returns true if the facts name a distribution.
pub(super) fn is_named(facts: &Facts) -> bool {
    !facts.operating_system.is_empty() && !facts.operating_system.starts_with(UNKNOWN)
}

/// Returns a warning for a distribution with too old a kernel, an unknown one, or one without updates when the facts
/// were collected.
pub(super) fn warning(facts: &Facts) -> Option<Finding> {
    let name = &facts.operating_system;
    let warn = |what: &dyn Display| {
        Some(Finding::warning(codes::DISTRIBUTION, format!("{name}: {what}"), codes::DISTRIBUTION.fix))
    };
    if !is_named(facts) {
        return None;
    }
    let Some(found) = entry(name) else { return warn(&"Landfall has not been tried on it") };
    // RFC 3339 dates sort as text.
    let today = facts.collected_at.get(..10).unwrap_or_default();
    match found.ends {
        _ if found.standing == SupportLevel::Unsupported => warn(&"its own kernel is too old"),
        Some(ends) if today > ends => warn(&format_args!("its maintainer's updates ended on {ends}")),
        _ => None,
    }
}

/// Describes a distribution without a finding, for people.
pub(super) fn standing(facts: &Facts) -> String {
    let name = &facts.operating_system;
    let Some(found) = entry(name) else { return name.clone() };
    let tested = match found.standing {
        SupportLevel::Supported => "Landfall's tests install on it",
        SupportLevel::Works | SupportLevel::Unsupported => "not among Landfall's own tests",
    };
    match found.ends {
        Some(ends) => format!("{name}: {tested}; updates until {ends}"),
        None => format!("{name}: {tested}"),
    }
}

#[cfg(test)]
mod tests {
    use landfall_host::facts::sample::sample;

    use super::*;

    fn facts(operating_system: &str) -> Facts {
        Facts { operating_system: operating_system.to_owned(), ..sample() }
    }

    #[test]
    fn version_prefix_finds_the_entry() {
        let standing = |name: &str| entry(name).map(|found| found.standing);
        assert_eq!(standing("debian 12"), Some(SupportLevel::Supported));
        assert_eq!(standing("rhel 9.6"), Some(SupportLevel::Works));
        assert_eq!(standing("rhel 8.10"), Some(SupportLevel::Unsupported));
        for other in ["debian 1", "debian 123", "ubuntu 24.10", "rhel", "fedora 44", "unknown unknown", ""] {
            assert_eq!(standing(other), None, "{other}");
        }
    }

    #[test]
    fn outdated_distributions_warn() {
        let measured = |facts: &Facts| warning(facts).map(|finding| finding.measured);
        for (name, expected) in [
            ("debian 12", None),
            ("ubuntu 24.04", None),
            ("unknown unknown", None),
            ("debian 11", Some("debian 11: its own kernel is too old")),
            ("fedora 44", Some("fedora 44: Landfall has not been tried on it")),
            ("sles 15.6", Some("sles 15.6: its maintainer's updates ended on 2025-12-31")),
        ] {
            assert_eq!(measured(&facts(name)).as_deref(), expected, "{name}");
        }
        let last_day = |day: &str| Facts { collected_at: format!("{day}T23:59:59Z"), ..facts("debian 12") };
        assert_eq!(measured(&last_day("2028-06-30")), None);
        assert!(measured(&last_day("2028-07-01")).is_some());
    }

    #[test]
    fn distribution_table_is_well_formed() {
        for (index, one) in DISTRIBUTIONS.iter().enumerate() {
            assert!(one.ends.is_none_or(|day| day.parse::<jiff::civil::Date>().is_ok()), "{} {}", one.id, one.version);
            let same = |other: &&Distribution| (other.id, other.version) == (one.id, one.version);
            assert_eq!(DISTRIBUTIONS[index..].iter().filter(same).count(), 1, "{} {}", one.id, one.version);
        }
    }

    #[test]
    fn report_shows_the_standing() {
        assert_eq!(standing(&sample()), "debian 12: Landfall's tests install on it; updates until 2028-06-30");
        assert_eq!(standing(&facts("ubuntu 24.04")), "ubuntu 24.04: not among Landfall's own tests");
    }
}
