//! The certificate that browsers see, issued by an authority of this site. It is issued again before it ends, when the clock was
//! wrong at its birth, and when the node gets another name or address.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use landfall_engine::step::StepError;
use landfall_peer::{Authority, Certificate, Day};
use serde::{Deserialize, Serialize};

use super::files::ConsoleFiles;
use super::keys::{Pair, not_made};

const AUTHORITY: &str = "authority.json";
const SERVING: &str = "serving.json";

/// Days that a certificate is valid: browsers refuse more than 825 days even of authorities that a person trusts.
const VALID_DAYS: i64 = 800;
/// Days before its end from which another one is issued.
const RENEWED_DAYS: i64 = 270;
/// First and last day of the authority. Fixed ones, because the clock may be wrong at its birth.
const AUTHORITY_DAYS: [Day; 2] = [(2000, 1, 1), (2099, 12, 31)];

/// The site's authority.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityFile {
    name: String,
    pair: Pair,
}

/// What browsers see. No `Debug`: the key must not reach a log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleCertificate {
    /// Names and addresses that it is for.
    names: Vec<String>,
    begins: Date,
    ends: Date,
    /// The authority's certificate as PEM.
    authority: String,
    pair: Pair,
}

impl ConsoleCertificate {
    /// Reads it; none where the site has no console.
    pub(crate) fn read(files: &ConsoleFiles) -> Result<Option<Self>, StepError> {
        files.read(SERVING)
    }

    /// The certificate for these names at this time: the one that is there if it still serves, otherwise another one.
    pub(crate) fn ensure(files: &ConsoleFiles, names: &[String], now: Timestamp) -> Result<Self, StepError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if let Some(known) = Self::read(files)?.filter(|known| known.serves(names, today)) {
            return Ok(known);
        }
        let authority = authority(files)?;
        let (begins, ends) = (later(today, Span::new().days(-1)), later(today, Span::new().days(VALID_DAYS)));
        let signer = Authority::of(&authority.name, &authority.pair.key).map_err(not_made)?;
        let (certificate, key) = signer.issue(names, day(begins), day(ends)).map_err(not_made)?;
        let names = names.to_vec();
        let issued =
            Self { names, begins, ends, authority: authority.pair.certificate, pair: Pair { certificate, key } };
        files.write(SERVING, &issued)?;
        Ok(issued)
    }

    fn serves(&self, names: &[String], today: Date) -> bool {
        self.names == names && self.begins <= today && today < later(self.ends, Span::new().days(-RENEWED_DAYS))
    }

    /// The chain as servers send it, as PEM.
    pub(super) fn chain(&self) -> String {
        format!("{}{}", self.pair.certificate, self.authority)
    }

    pub(super) fn key(&self) -> &str {
        &self.pair.key
    }

    /// SHA-256 of the certificate, and of the authority that issued it, as browsers show them.
    pub fn fingerprints(&self) -> Result<[String; 2], StepError> {
        let of = |text: &str| Certificate::from_pem(text.as_bytes()).map(|read| read.fingerprint()).map_err(not_made);
        Ok([of(&self.pair.certificate)?, of(&self.authority)?])
    }

    /// Its last day.
    pub fn ends(&self) -> Date {
        self.ends
    }
}

/// The authority is made once: people may have set their browsers to trust it.
fn authority(files: &ConsoleFiles) -> Result<AuthorityFile, StepError> {
    if let Some(known) = files.read(AUTHORITY)? {
        return Ok(known);
    }
    let name = format!("Landfall site {}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let [begin, end] = AUTHORITY_DAYS;
    let (certificate, key) = Authority::generate(&name, begin, end).map_err(not_made)?;
    let made = AuthorityFile { name, pair: Pair { certificate, key } };
    files.write(AUTHORITY, &made)?;
    Ok(made)
}

fn later(date: Date, span: Span) -> Date {
    date.saturating_add(span)
}

fn day(date: Date) -> Day {
    let part = |part: i8| part.unsigned_abs();
    (i32::from(date.year()), part(date.month()), part(date.day()))
}

#[cfg(test)]
mod tests {
    use landfall_host::paths::SitePaths;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_certificate_is_issued_again_only_where_it_no_longer_serves() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let names = |address: &str| vec![address.to_owned(), "node".to_owned()];
        let ensure = |address: &str, day: &str| {
            ConsoleCertificate::ensure(&files, &names(address), at(day)).unwrap().fingerprints().unwrap()
        };
        let first = ensure("192.0.2.1", "2026-11-23");
        assert_eq!(ensure("192.0.2.1", "2028-01-01"), first, "it serves");
        let renewed = ensure("192.0.2.1", "2028-06-01");
        assert_ne!(renewed[0], first[0], "it would end");
        let moved = ensure("192.0.2.2", "2028-06-01");
        assert_ne!(moved[0], renewed[0], "the node has another address");
        let early = ensure("192.0.2.2", "2015-01-01");
        assert_ne!(early[0], moved[0], "under this clock it has not begun");
        assert_eq!(ensure("192.0.2.2", "2015-01-02"), early);
        for later in [renewed, moved, early] {
            assert_eq!(later[1], first[1], "the authority stays");
        }
    }
}
