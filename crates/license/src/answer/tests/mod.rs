mod silence;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::{KeyKind, SigningKey};
use landfall_error_codes::{CodedError as _, codes};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::tests::mutations::{forge, mutate};
use crate::trusted_time::Clocks;
use crate::{Circumstances, sample};

const SITE: &str = "6f1c6f1e-5b0a-4b57-9a5b-1f0a0b0c0d0e";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeyKind::EcdsaP256).unwrap());
static LICENSE: LazyLock<License> = LazyLock::new(|| {
    let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
    let mut terms = sample::terms("acme-1", issue_time()).unwrap();
    terms.entitlements.features = vec!["export".to_owned()];
    sample::seal_license(&vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
});

fn issue_time() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn question(kind: &str, name: &str) -> Question {
    Question { subject: Subject::new(kind, name).unwrap(), nonce: Nonce([7; 16]) }
}

/// Returns the site's answer at this time, with the sample license.
fn answer_at(question: &Question, now: Timestamp) -> Answer {
    let superseded = BTreeSet::new();
    let standing =
        LICENSE.standing(&Circumstances { now, identifiers: None, revocation: None, superseded: &superseded });
    Answer::new(question, Some((&LICENSE, &standing)), SITE, now)
}

fn seal(answer: &Answer) -> SealedAnswer {
    let unsigned = answer.to_unsigned().unwrap();
    let signature = KEY.sign(unsigned.message()).unwrap();
    unsigned.seal(KEY.public().id(), signature).unwrap()
}

fn clocks(wall: Timestamp, boot: &str, uptime: u64) -> Clocks<'_> {
    Clocks { wall, boot, uptime: Duration::from_secs(uptime) }
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

#[test]
fn answer_covers_only_the_question() {
    let text = |kind: &str, name: &str| serde_json::to_string(&answer_at(&question(kind, name), issue_time())).unwrap();
    insta::assert_snapshot!([text("entitlement", "analytics"), text("entitlement", "billing")].join("\n"));
    assert!(text("feature", "export").contains(r#""granted":true"#));
    assert!(text("feature", "analytics").contains(r#""granted":false"#), "an entitlement is no feature");
    let refused = text("entitlement", "billing");
    assert!(!refused.contains("analytics") && !refused.contains("2027"), "{refused}");
    let without = Answer::new(&question("feature", "export"), None, SITE, issue_time());
    assert_eq!((without.granted, without.standing.as_str(), without.license), (false, "none", None));
}

#[test]
fn grant_ends_with_the_license() {
    let question = question("entitlement", "analytics");
    let end = LICENSE.terms().grace_ends().unwrap();
    let before = answer_at(&question, end - seconds(60));
    assert_eq!((before.granted, before.valid_until, before.grace_until), (true, end, end));
    assert_eq!(before.standing, "grace");
    let after = answer_at(&question, end);
    assert_eq!((after.granted, after.standing.as_str(), after.limits), (false, "ended", None));
    assert_eq!(after.license.as_deref(), Some("acme-1"));
}

#[test]
fn only_own_answer_is_opened() {
    let question = question("entitlement", "analytics");
    let answer = answer_at(&question, issue_time());
    let sealed = seal(&answer);
    assert_eq!(sealed.open(KEY.public(), &question).unwrap(), answer);
    let read = SealedAnswer::read(sealed.bytes()).unwrap();
    assert_eq!(read.open(KEY.public(), &question).unwrap(), answer);
    let other = SigningKey::generate(KeyKind::EcdsaP256).unwrap();
    let refused = |key: &SigningKey, question: &Question| {
        let error = read.open(key.public(), question).unwrap_err();
        assert_eq!(error.code(), codes::LICENSE_ANSWER);
        error.to_string()
    };
    let earlier = Question { nonce: Nonce([8; 16]), ..question.clone() };
    let about = self::question("entitlement", "billing");
    insta::assert_snapshot!(
        [refused(&other, &question), refused(&KEY, &earlier), refused(&KEY, &about)].join("\n"),
        @r"
    the answer about the license is not signed by this site's key
    the answer about the license belongs to another question: it has another nonce
    the answer about the license belongs to another question: it has another subject
    "
    );
    let long = vec![b' '; ANSWER_BYTES + 1];
    assert!(matches!(SealedAnswer::read(&long), Err(AnswerError::Content(_))));
    assert!(matches!(SealedAnswer::read(b""), Err(AnswerError::Form(_))));
    // A key of another algorithm under the right key's id, and a second signature next to the right one.
    let text = String::from_utf8(sealed.bytes().to_vec()).unwrap();
    let stranger = other.public().id().to_string();
    let twice = text.replacen("{\"signatures\":{", &format!("{{\"signatures\":{{\"{stranger}\":\"AA==\","), 1);
    let is_open =
        |text: &str| SealedAnswer::read(text.as_bytes()).is_ok_and(|it| it.open(KEY.public(), &question).is_ok());
    assert!(is_open(&text) && !is_open(&twice) && !is_open(&text.replace(&KEY.public().id().to_string(), &stranger)));
}

#[test]
fn unknown_fields_are_signed_and_ignored() {
    let question = question("entitlement", "analytics");
    let answer = answer_at(&question, issue_time());
    let mut value = serde_json::to_value(&answer).unwrap();
    value["ofLater"] = serde_json::json!({ "x": [1] });
    let message = landfall_bundle_spec::to_canonical("x", &value).unwrap();
    let signature = KEY.sign(&message).unwrap();
    let signatures = [(KEY.public().id(), signature)].into();
    let envelope = landfall_bundle_spec::trust::Envelope::write("x", message, signatures).unwrap();
    let sealed = SealedAnswer::read(envelope.bytes()).unwrap();
    assert_eq!(sealed.open(KEY.public(), &question).unwrap(), answer);
}

#[test]
fn malformed_questions_are_refused() {
    let refused = |kind: &str, name: &str| Subject::new(kind, name).unwrap_err().to_string();
    insta::assert_snapshot!(
        [refused("entitlement", ""), refused("feature", "a\nb"), refused("component", "a")].join("\n"),
        @r"
    the question about the license names ``, which is not the name of anything that is granted
    the question about the license names `a\nb`, which is not the name of anything that is granted
    the question about the license is about neither an entitlement nor a feature
    "
    );
    for nonce in ["", "07", "0707070707070707070707070707070G", "0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A"] {
        assert_eq!(nonce.parse::<Nonce>().unwrap_err().code(), codes::LICENSE_QUESTION, "{nonce}");
    }
    let smuggled = Question { subject: Subject::Feature("A B".to_owned()), nonce: Nonce([0; 16]) };
    assert_eq!(smuggled.check().unwrap_err().code(), codes::LICENSE_QUESTION);
    question("feature", "a-b").check().unwrap();
}

#[test]
fn kept_answer_expires_in_stages() {
    let question = question("entitlement", "analytics");
    // On a machine whose clock is years behind, only running time counts.
    let wall: Timestamp = "2001-01-01T00:00:00Z".parse().unwrap();
    let sealed = seal(&answer_at(&question, issue_time()));
    let kept = KeptAnswer::new(&sealed, KEY.public(), &question, &clocks(wall, "a", 100), Watch::Steady).unwrap();
    let state = |clocks: &Clocks<'_>| kept.report(KEY.public(), &question.subject, clocks).unwrap();
    let at = |uptime: u64| state(&clocks(wall, "a", uptime)).state;
    let (valid, grace) = (VALID.as_secs().unsigned_abs(), GRACE.as_secs().unsigned_abs());
    assert_eq!([at(100), at(99 + valid)], [ReportState::Current; 2]);
    assert_eq!([at(100 + valid), at(99 + grace)], [ReportState::Kept; 2]);
    let over = state(&clocks(wall, "a", 100 + grace));
    assert_eq!((over.state, over.granted, over.answer), (ReportState::Unknown, None, None));
    assert!(over.reason.unwrap().contains("2026-11-22T10:00:00Z"));
    let set_back = clocks(wall - seconds(1_000_000), "a", 100 + valid);
    assert_eq!(state(&set_back).state, ReportState::Kept, "within a boot, setting the clock has no effect");
    assert_eq!(state(&clocks(wall, "b", 5)).state, ReportState::Kept, "after a boot, the site is asked again");
    let other = SigningKey::generate(KeyKind::EcdsaP256).unwrap();
    let of_other_host = kept.report(other.public(), &question.subject, &clocks(wall, "a", 100));
    assert!(matches!(of_other_host, Err(AnswerError::Signature)), "{of_other_host:?}");
}

#[test]
fn kept_answer_ends_despite_clock_changes() {
    let question = question("entitlement", "analytics");
    let sealed = seal(&answer_at(&question, issue_time()));
    let mut kept =
        KeptAnswer::new(&sealed, KEY.public(), &question, &clocks(issue_time(), "0", 100), Watch::Steady).unwrap();
    let state =
        |kept: &KeptAnswer, clocks: &Clocks<'_>| kept.report(KEY.public(), &question.subject, clocks).unwrap().state;
    let day = 24 * 60 * 60;
    // The clock is years ahead after a boot; then each boot sets it back to 1970.
    let ahead = clocks(issue_time() + seconds(1_000_000_000), "1", 5);
    assert_eq!(state(&kept, &ahead), ReportState::Kept);
    assert!(
        kept.look(&ahead, Watch::Steady) && !kept.look(&ahead, Watch::Steady),
        "a stored answer is not stored again"
    );
    for boot in 1..=7 {
        let (boot, begin) = (boot.to_string(), Timestamp::UNIX_EPOCH);
        let dead = |uptime: u64| clocks(begin + seconds(i64::try_from(uptime).unwrap()), &boot, uptime);
        assert_eq!(state(&kept, &dead(day - 60)), ReportState::Kept, "{boot}");
        assert!(kept.look(&dead(day), Watch::Steady));
        // The state as the next process reads it.
        kept = serde_json::from_slice(&serde_json::to_vec(&kept).unwrap()).unwrap();
    }
    assert_eq!(state(&kept, &clocks(Timestamp::UNIX_EPOCH, "8", 0)), ReportState::Unknown);
}

#[test]
fn kept_answer_format_is_unchanged() {
    let question = question("entitlement", "analytics");
    let sealed = seal(&answer_at(&question, issue_time()));
    let kept =
        KeptAnswer::new(&sealed, KEY.public(), &question, &clocks(issue_time(), "a", 100), Watch::Steady).unwrap();
    let answer = String::from_utf8(sealed.bytes().to_vec()).unwrap();
    let received = serde_json::json!({ "wall": "2026-11-22T10:00:00Z", "boot": "a", "uptimeSeconds": 100 });
    let earlier = serde_json::json!({ "answer": answer, "received": received });
    assert_eq!(serde_json::to_value(&kept).unwrap(), earlier);
    let mut read: KeptAnswer = serde_json::from_value(earlier).unwrap();
    assert_eq!(read, kept);
    let later = clocks(issue_time(), "b", 500_000);
    let age = read.age(&later);
    assert!(read.look(&later, Watch::Steady) && read.age(&later) == age);
}

#[test]
fn changed_kept_answer_is_refused() {
    let question = question("entitlement", "billing");
    let sealed = seal(&answer_at(&question, issue_time()));
    let clocks = clocks(issue_time(), "a", 100);
    let kept = KeptAnswer::new(&sealed, KEY.public(), &question, &clocks, Watch::Steady).unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    let changed = text.replace(r#"\"granted\":false"#, r#"\"granted\":true"#);
    assert_ne!(text, changed);
    let read =
        |text: &str| serde_json::from_str::<KeptAnswer>(text).unwrap().report(KEY.public(), &question.subject, &clocks);
    assert_eq!(read(&text).unwrap().granted, Some(false));
    assert_eq!(read(&changed).unwrap_err().code(), codes::LICENSE_ANSWER);
}

proptest! {
    /// Whatever the clocks do, a kept answer's validity never increases within a boot, and a wrong clock never ends it
    /// early.
    #[test]
    fn only_running_time_counts_within_boot(
        first in 0..900_000_u64,
        more in 0..900_000_u64,
        wall in -4_000_000_000..4_000_000_000_i64,
    ) {
        let question = question("feature", "export");
        let sealed = seal(&answer_at(&question, issue_time()));
        let issued = clocks(issue_time(), "a", 0);
        let kept = KeptAnswer::new(&sealed, KEY.public(), &question, &issued, Watch::Steady).unwrap();
        let moved = issue_time() + seconds(wall);
        let worth = |uptime: u64, wall: Timestamp| {
            match kept.report(KEY.public(), &question.subject, &clocks(wall, "a", uptime)).unwrap().state {
                ReportState::Current => 2,
                ReportState::Kept => 1,
                ReportState::Unknown => 0,
            }
        };
        prop_assert_eq!(worth(first, issue_time()), worth(first, moved));
        prop_assert!(worth(first + more, moved) <= worth(first, moved));
    }

    #[test]
    fn answers_round_trip(nonce: [u8; 16], name in "[a-z][a-z0-9]{0,20}", later in 0..100_000_000_i64) {
        let question = Question { subject: Subject::new("entitlement", &name).unwrap(), nonce: Nonce(nonce) };
        let answer = answer_at(&question, issue_time() + seconds(later));
        let sealed = seal(&answer);
        let read = SealedAnswer::read(sealed.bytes()).unwrap();
        prop_assert_eq!(read.bytes(), sealed.bytes());
        prop_assert_eq!(read.open(KEY.public(), &question).unwrap(), answer);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = SealedAnswer::read(&bytes);
    }
}

fn is_accepted(bytes: &[u8], question: &Question) -> bool {
    SealedAnswer::read(bytes).is_ok_and(|sealed| sealed.open(KEY.public(), question).is_ok())
}

/// Half of the mutations change bytes; the other half are forgeries.
fn none_is_accepted(count: u64) {
    let question = question("entitlement", "analytics");
    let sealed = seal(&answer_at(&question, issue_time()));
    let bytes = sealed.bytes();
    assert!(is_accepted(bytes, &question));
    for seed in 0..count {
        let mut random = StdRng::seed_from_u64(seed);
        let changed = if seed % 2 == 0 { mutate(bytes, &mut random) } else { forge(bytes, &mut random) };
        assert!(changed == bytes || !is_accepted(&changed, &question), "seed {seed} is accepted");
    }
}

#[test]
fn mutated_answers_are_refused() {
    none_is_accepted(4_000);
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask test --only fuzz`"]
fn none_of_a_million_mutated_answers_is_accepted() {
    none_is_accepted(1_000_000);
}
