//! Check of the clock before certificates are made. They would be invalid after a correction, and the authorities among
//! them can never be replaced.

use jiff::Timestamp;
use landfall_agent::clock::{Evidence, Plausibility, evidence, plausibility};
use landfall_error_codes::codes;

use landfall_host::facts::Facts;
use landfall_host::paths::SitePaths;
use landfall_site::findings::Finding;

/// Returns a blocker for a clock that cannot be right, on a host that gets a site.
pub(super) fn blocker(facts: &Facts, built_at: &str) -> Option<Finding> {
    let (now, built) = (time(&facts.collected_at), time(built_at));
    let (Some(now), Some(built)) = (now, built) else {
        return Some(wrong(facts.collected_at.clone(), "a time in the format of RFC 3339".to_owned()));
    };
    // The release's build is the earliest known time.
    let evidence = Evidence { authority_begins: Some(built), authority_ends: None, seen: seen_time(facts) };
    implausible(now, plausibility(now, &evidence))
}

/// Returns a warning for a clock that blocks nothing but is behind the times that this host has seen.
pub(super) fn warning(facts: &Facts) -> Option<Finding> {
    let now = time(&facts.collected_at)?;
    let found = plausibility(now, &Evidence { seen: seen_time(facts), ..Evidence::default() });
    let Plausibility::Reset(seen) = found else { return None };
    let measured = format!("the clock says {now:.0}, and this site has seen {seen:.0}");
    let confirm = SitePaths::default().clock();
    let fix = format!("Set it (`timedatectl set-time`); if it is right, run `touch {}`.", confirm.display());
    let finding = Finding::warning(codes::CLOCK_WRONG, measured, fix);
    Some(Finding { message: "The clock was set back".to_owned(), ..finding })
}

/// Judges the clock of a site whose install continues: fails with a blocker, or returns a note for people.
pub(crate) fn of_site(paths: &SitePaths, built_at: &str, now: Timestamp) -> Result<Option<String>, Box<Finding>> {
    let mut evidence = evidence(paths);
    let has_authority = evidence.authority_begins.is_some();
    evidence.authority_begins = evidence.authority_begins.or_else(|| time(built_at));
    let found = plausibility(now, &evidence);
    let blocker = if has_authority {
        found.error(now, paths).map(|error| Finding::of(&error, "the right time"))
    } else {
        implausible(now, found)
    };
    blocker.map_or_else(|| Ok(found.note(now, paths)), |blocker| Err(Box::new(blocker)))
}

fn implausible(now: Timestamp, plausibility: Plausibility) -> Option<Finding> {
    let now = format!("{now:.0}");
    match plausibility {
        Plausibility::Plausible | Plausibility::Reset(_) => None,
        Plausibility::Behind(built) => Some(wrong(now, format!("later than {built:.0}, when the release was built"))),
        Plausibility::Ahead(limit) => {
            let needed = format!("not later than {limit:.0}, five years after the newest time that is known");
            let fix = format!(
                "Set the clock (`timedatectl set-time`); if it is right, run `install -D /dev/null {}` and try again.",
                SitePaths::default().clock().display()
            );
            Some(Finding::new(codes::NODE_CLOCK, now, needed).fix(fix))
        }
    }
}

fn wrong(found: String, needed: String) -> Finding {
    Finding::new(codes::CLOCK_WRONG, found, needed)
}

fn seen_time(facts: &Facts) -> Option<Timestamp> {
    facts.clock_seen.as_deref().and_then(time)
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
