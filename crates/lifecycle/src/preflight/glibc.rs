//! Comparison of the glibc that the node's programs need with the host's.

use landfall_error_codes::codes;
use landfall_host::facts::Facts;
use landfall_release_document::ReleaseDocument;

use super::two_numbers;
use landfall_site::findings::Finding;

/// Returns the finding about the host's glibc; `None` if every program of the last node pack is linked statically.
pub(super) fn finding(facts: &Facts, release: &ReleaseDocument) -> Option<Finding> {
    // An install uses only the last node pack.
    let needed = two_numbers(release.node_packs.last()?.glibc.as_deref()?)?;
    let threshold = format!("glibc {}.{} or newer", needed.0, needed.1);
    let Some(version) = facts.glibc.as_deref() else {
        return Some(match facts.security {
            None => {
                let message = "Whether the release's programs run with the C library";
                Finding::unknown(codes::NODE_GLIBC_TOO_OLD, message, 2)
            }
            Some(_) => Finding::new(codes::NODE_GLIBC_TOO_OLD, "another C library than glibc", threshold),
        });
    };
    let measured = format!("glibc {version}");
    let is_enough = two_numbers(version).is_some_and(|found| found >= needed);
    Some(if is_enough {
        let message = "The C library is new enough for the release's programs";
        Finding::passed(codes::NODE_GLIBC_TOO_OLD, message, measured, threshold)
    } else {
        Finding::new(codes::NODE_GLIBC_TOO_OLD, measured, threshold)
    })
}
