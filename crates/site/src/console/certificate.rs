//! The certificate for browsers, issued by an authority of this site. It is reissued before it ends, if the clock was
//! wrong when it was issued, and when the node gets another name or address.
//!
//! The authority may issue only for names of this site. Its key stays. Its certificate is renewed for other names, and
//! before it could end earlier than a certificate that it issues. Earlier programs made an authority for any name until
//! 2099. Their certificates are used until they end, and the next one comes from an authority with another key.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use landfall_engine::step::StepError;
use landfall_peer::{Authority, Certificate, Day, Terms};
use serde::{Deserialize, Serialize};

use super::files::ConsoleFiles;
use super::keys::{Pair, not_made};

const AUTHORITY: &str = "site-authority.json";
/// Authority of earlier programs. Its key is removed when no certificate from it is in use.
const FORMER_AUTHORITY: &str = "authority.json";
const SERVING: &str = "serving.json";

/// Validity of a certificate in days: browsers refuse more than 825 days even from trusted authorities.
const VALID_DAYS: i64 = 800;
/// Days before its end after which a certificate is reissued.
const RENEWED_DAYS: i64 = 270;
/// Validity of the authority's certificate in days: five years.
const AUTHORITY_DAYS: i64 = 1826;

/// The site's authority. Fields of newer programs are ignored.
#[derive(Serialize, Deserialize)]
struct AuthorityFile {
    name: String,
    /// Names and addresses for which it may issue.
    servers: Vec<String>,
    begins: Date,
    ends: Date,
    pair: Pair,
}

/// Certificate for browsers. No `Debug`: the key must not reach a log.
#[derive(Serialize, Deserialize)]
pub struct ConsoleCertificate {
    /// Names and addresses of the certificate.
    names: Vec<String>,
    begins: Date,
    ends: Date,
    /// Certificate of the authority as PEM.
    authority: String,
    pair: Pair,
}

impl ConsoleCertificate {
    /// Reads the certificate; `None` if the site has no console.
    pub fn read(files: &ConsoleFiles) -> Result<Option<Self>, StepError> {
        files.read(SERVING)
    }

    /// Returns the certificate for these names at this time: the existing one if it is usable, otherwise a new one.
    pub fn ensure(files: &ConsoleFiles, names: &[String], now: Timestamp) -> Result<Self, StepError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        if let Some(known) = Self::read(files)?.filter(|known| known.serves(names, today)) {
            return Ok(known);
        }
        let authority = AuthorityFile::ensure(files, names, today)?;
        let (begins, ends) = (later(today, Span::new().days(-1)), later(today, Span::new().days(VALID_DAYS)));
        let signer = Authority::of(&authority.name, &authority.pair.key).map_err(not_made)?;
        let (certificate, key) = signer.issue(names, day(begins), day(ends)).map_err(not_made)?;
        let names = names.to_vec();
        let issued =
            Self { names, begins, ends, authority: authority.pair.certificate, pair: Pair { certificate, key } };
        files.write(SERVING, &issued)?;
        files.remove_one(FORMER_AUTHORITY)?;
        Ok(issued)
    }

    fn serves(&self, names: &[String], today: Date) -> bool {
        self.names == names && self.begins <= today && today < later(self.ends, Span::new().days(-RENEWED_DAYS))
    }

    /// Returns the chain as servers send it, as PEM.
    pub(super) fn chain(&self) -> String {
        format!("{}{}", self.pair.certificate, self.authority)
    }

    pub(super) fn key(&self) -> &str {
        &self.pair.key
    }

    /// Returns SHA-256 of the certificate and of its authority, as browsers show them.
    pub fn fingerprints(&self) -> Result<[String; 2], StepError> {
        let of = |text: &str| Certificate::from_pem(text.as_bytes()).map(|read| read.fingerprint()).map_err(not_made);
        Ok([of(&self.pair.certificate)?, of(&self.authority)?])
    }

    /// Returns its last day.
    pub fn ends(&self) -> Date {
        self.ends
    }
}

impl AuthorityFile {
    /// Returns the authority for these names, which outlasts certificates issued today. Its key is made once, because
    /// people may have set their browsers to trust it.
    fn ensure(files: &ConsoleFiles, names: &[String], today: Date) -> Result<Self, StepError> {
        let known: Option<Self> = files.read(AUTHORITY)?;
        let (begins, ends) = (later(today, Span::new().days(-1)), later(today, Span::new().days(AUTHORITY_DAYS)));
        let of = |name: String, key: Option<String>| {
            let terms = Terms { name: &name, servers: names, begin: day(begins), end: day(ends) };
            let (certificate, key) = match key {
                Some(key) => (Authority::renew(terms, &key).map_err(not_made)?, key),
                None => Authority::generate(terms).map_err(not_made)?,
            };
            Ok::<_, StepError>(Self { name, servers: names.to_vec(), begins, ends, pair: Pair { certificate, key } })
        };
        let made = match known {
            Some(known) if known.serves(names, today) => return Ok(known),
            Some(known) => of(known.name, Some(known.pair.key))?,
            None => of(format!("Landfall site {}", &uuid::Uuid::new_v4().simple().to_string()[..8]), None)?,
        };
        files.write(AUTHORITY, &made)?;
        Ok(made)
    }

    fn serves(&self, names: &[String], today: Date) -> bool {
        self.servers == names && self.begins <= today && later(today, Span::new().days(VALID_DAYS)) <= self.ends
    }
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
    use landfall_media::durable;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn newer_certificate_file_is_read() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let names = vec!["192.0.2.1".to_owned()];
        let issued = ConsoleCertificate::ensure(&files, &names, at("2026-11-23")).unwrap();
        let mut document = serde_json::to_value(&issued).unwrap();
        document["later"] = serde_json::json!(true);
        document["pair"]["later"] = serde_json::json!(true);
        let read: ConsoleCertificate = serde_json::from_value(document).unwrap();
        assert_eq!(read.fingerprints().unwrap(), issued.fingerprints().unwrap());
    }

    #[test]
    fn certificate_is_reissued_only_if_needed() {
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
        assert_eq!(renewed[1], first[1], "the authority serves");
        assert!(moved[1] != first[1] && early[1] != moved[1], "it is for the names, and has begun");
    }

    #[test]
    fn authority_outlives_issued_certificates() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let names = vec!["192.0.2.1".to_owned(), "node".to_owned()];
        let mut today: Date = "2026-11-23".parse().unwrap();
        let mut authorities = std::collections::BTreeSet::new();
        let key = AuthorityFile::ensure(&files, &names, today).unwrap().pair.key;
        for _ in 0..20 * 12 {
            let serving = ConsoleCertificate::ensure(&files, &names, at(&today.to_string())).unwrap();
            let authority: AuthorityFile = files.read(AUTHORITY).unwrap().unwrap();
            assert!(serving.ends <= authority.ends && today < serving.ends, "{today}");
            assert!(authority.ends <= later(today, Span::new().days(AUTHORITY_DAYS)), "{today}");
            assert!(authority.pair.key == key, "browsers that trust it go on");
            authorities.insert(serving.fingerprints().unwrap()[1].clone());
            today = later(today, Span::new().months(1));
        }
        assert!((4..10).contains(&authorities.len()), "{} in 20 years", authorities.len());
    }

    #[test]
    fn renewal_removes_former_authority() {
        let root = tempfile::tempdir().unwrap();
        let files = ConsoleFiles::of(&SitePaths::below(root.path()));
        let names = vec!["192.0.2.1".to_owned(), "node".to_owned()];
        let first = ConsoleCertificate::ensure(&files, &names, at("2026-11-23")).unwrap();
        // State that an earlier program left: its own authority, and that authority's certificate.
        files.remove_one(AUTHORITY).unwrap();
        files.write(FORMER_AUTHORITY, &serde_json::json!({"name": "Landfall site 1234"})).unwrap();
        let ensure = |day: &str| ConsoleCertificate::ensure(&files, &names, at(day)).unwrap().fingerprints().unwrap();
        let end = later(first.ends(), Span::new().days(-RENEWED_DAYS));
        let eve = later(end, Span::new().days(-1));
        assert_eq!(ensure(&eve.to_string()), first.fingerprints().unwrap(), "it serves");
        assert!(files.folder.join(FORMER_AUTHORITY).exists());
        let next = ensure(&end.to_string());
        assert_ne!(next[1], first.fingerprints().unwrap()[1], "from 270 days before its end");
        assert!(!files.folder.join(FORMER_AUTHORITY).exists(), "no one can steal it now");
        assert_eq!(ensure(&later(end, Span::new().days(100)).to_string()), next);
    }

    /// Tests with OpenSSL, which curl and many programs use. Skipped on a machine without it.
    #[test]
    fn openssl_accepts_only_the_site() {
        let own = ["192.0.2.7", "node", "console.landfall-console.svc", "localhost"].map(str::to_owned);
        let terms = Terms { name: "Landfall site 1234", servers: &own, begin: (2026, 1, 1), end: (2031, 1, 1) };
        let (authority, key) = Authority::generate(terms).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let verify = |names: &[&str], flag: &str, name: &str| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let signer = Authority::of("Landfall site 1234", &key).unwrap();
            let leaf = signer.issue(&names, (2026, 1, 1), (2028, 1, 1)).unwrap().0;
            let (root, file) = (folder.path().join("root.crt"), folder.path().join("leaf.crt"));
            for (path, text) in [(&root, &authority), (&file, &leaf)] {
                durable::write_file(path, text.as_bytes(), 0o600).unwrap();
            }
            let mut openssl = std::process::Command::new("openssl");
            openssl.args(["verify", "-x509_strict", "-attime", "1800000000", "-purpose", "sslserver", flag, name]);
            let output = openssl.arg("-CAfile").arg(&root).arg(&file).output().ok()?;
            Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
        };
        let all: Vec<_> = own.iter().map(String::as_str).collect();
        let Some((accepted, why)) = verify(&all, "-verify_ip", "192.0.2.7") else { return };
        assert!(accepted, "{why}");
        let (accepted, why) = verify(&["192.0.2.7"], "-verify_ip", "192.0.2.7").unwrap();
        assert!(accepted, "by its address alone: {why}");
        for (flag, name) in [("-verify_hostname", "bank.example"), ("-verify_ip", "192.0.2.8")] {
            let (accepted, why) = verify(&[name], flag, name).unwrap();
            assert!(!accepted && why.contains("permitted subtree violation"), "{name}: {why}");
        }
    }
}
