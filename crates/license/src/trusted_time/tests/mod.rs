mod beginnings;
mod machine;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;

const HOUR: i64 = 3600;
const DAY_SECONDS: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY_SECONDS;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn clocks(wall: Timestamp, uptime: u64) -> Clocks<'static> {
    Clocks { wall, boot: "a", uptime: Duration::from_secs(uptime) }
}

#[test]
fn unknown_fields_are_ignored() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin, 100));
    time.confirm(&clocks(begin + seconds(40 * DAY_SECONDS), 200)).unwrap();
    let mut document = serde_json::to_value(&time).unwrap();
    document["later"] = serde_json::json!(true);
    document["confirmations"][0]["later"] = serde_json::json!(true);
    assert_eq!(serde_json::from_value::<TrustedTime>(document).unwrap(), time);
}

#[test]
fn wrong_clock_is_reported() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin + seconds(40 * DAY_SECONDS), 100));
    assert_eq!(time.now(), at("2027-01-01T10:00:00Z"), "the first clock counts");
    // A night without power; the clock is still correct.
    let night = Clocks { wall: time.now() + seconds(10 * HOUR), boot: "b", uptime: Duration::from_mins(1) };
    time.observe(&night);
    assert_eq!((time.now(), time.agreement(night.wall)), (night.wall, Agreement::Agree));
    // A month without power: trusted time does not move on its own.
    let month = Clocks { wall: night.wall + seconds(30 * DAY_SECONDS), boot: "c", uptime: Duration::from_mins(1) };
    time.observe(&month);
    assert!(matches!(time.agreement(month.wall), Agreement::Ahead(by) if by > seconds(29 * DAY_SECONDS)));
    let confirmed = time.confirm(&month).unwrap();
    assert_eq!((confirmed.after, time.now()), (month.wall, month.wall));
    // The clock is dead.
    let dead = Clocks { wall: at("1970-01-01T00:00:00Z"), boot: "d", uptime: Duration::from_mins(1) };
    time.observe(&dead);
    assert_eq!(time.now(), month.wall + seconds(60));
    assert!(matches!(time.agreement(dead.wall), Agreement::Behind(_)));
    assert!(matches!(time.confirm(&dead), Err(UnconfirmableDate::Behind { .. })));
    assert!(matches!(
        time.confirm(&Clocks { wall: at("2038-01-19T03:14:07Z"), ..dead }),
        Err(UnconfirmableDate::Ahead { .. })
    ));
}

#[test]
fn mistaken_confirmation_can_be_corrected() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin, 0));
    time.confirm(&clocks(begin + seconds(3 * YEAR), 0)).unwrap();
    assert_eq!(time.now(), begin + seconds(3 * YEAR));
    time.confirm(&clocks(begin + seconds(HOUR), 3600)).unwrap();
    assert_eq!(time.now(), begin + seconds(HOUR));
    assert_eq!(time.confirmations().len(), 2, "both are kept");
}

#[test]
fn signed_times_are_a_floor() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(at("1970-01-01T00:00:00Z"), 0));
    assert_eq!(time.now(), begin);
    let before = time.clone();
    time.learn(begin + seconds(YEAR));
    time.learn(begin);
    assert_eq!((time.now(), time.least()), (begin + seconds(YEAR), begin + seconds(YEAR)));
    assert_eq!(before.clone().merge(time.clone()), time);
    assert_eq!(time.clone().merge(before), time);
    // The disk is moved to a machine that has run for a year.
    time.observe(&Clocks { wall: begin, boot: "other", uptime: Duration::from_hours(365 * 24) });
    assert_eq!(time.now(), begin + seconds(YEAR + DAY_SECONDS));
    let text = serde_json::to_string(&time).unwrap();
    assert_eq!(serde_json::from_str::<TrustedTime>(&text).unwrap(), time);
}

#[test]
fn older_clock_readings_add_nothing() {
    let begin = at("2026-11-22T10:00:00Z");
    let mut time = TrustedTime::begin(begin, &clocks(begin, 5000));
    // The clock uses up this boot's allowance of one day, and then fails.
    time.observe(&clocks(begin + seconds(DAY_SECONDS), 5000));
    let leapt = time.now();
    for uptime in [4990, 5000, 4990, 5000] {
        time.observe(&clocks(leapt + seconds(DAY_SECONDS), uptime));
        assert_eq!((time.now(), time.least()), (leapt, begin), "no running time, and no second day");
    }
    time.observe(&Clocks { wall: begin, boot: "", uptime: Duration::from_mins(150) });
    time.observe(&clocks(begin, 5060));
    assert_eq!(time.least(), begin + seconds(60), "a boot without a name is not another boot");
}
