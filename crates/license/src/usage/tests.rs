use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::{CodedError as _, codes};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{Binding, Identifier, IdentifierKind, Terms, sample};

const SITE: &str = "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b";

fn at(hours: i64) -> Timestamp {
    "2026-11-20T00:10:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns a sample with this many nodes, under a license for three nodes with an overage of 34 percent.
fn sample_at(at: Timestamp, nodes: u64) -> Sample {
    Sample {
        at,
        license: "acme-1".to_owned(),
        limits: Counts { nodes: Some(3), ..Counts::default() },
        overage_percent: 34,
        counts: Counts { nodes: Some(nodes), namespaces: Some(7), gpus: Some(0), users: None },
        components: names(&["analytics"]),
        lacking: BTreeSet::new(),
    }
}

/// Returns the record of a site that measured these numbers of nodes, hour by hour.
fn log_of(nodes: impl IntoIterator<Item = u64>) -> UsageLog {
    let mut log = UsageLog::default();
    for (hours, nodes) in (0..).zip(nodes) {
        assert!(log.add(sample_at(at(hours), nodes)));
    }
    log
}

fn peaks(days: &[Day]) -> Vec<(Date, Option<u64>, u64)> {
    days.iter().map(|day| (day.day, day.peaks.nodes, day.samples)).collect()
}

#[test]
fn hours_become_days_with_peaks() {
    let log = log_of((0..24 * 12).map(|hour| if hour == 30 { 5 } else { 3 }));
    let days = log.days();
    assert_eq!((days.len(), first_break(&days)), (12, None));
    assert_eq!(peaks(&days)[..2], [(day("2026-11-20"), Some(3), 24), (day("2026-11-21"), Some(5), 24)]);
    let lines = String::from_utf8(log.bytes()).unwrap();
    let kept = |name: &str| lines.lines().filter(|line| line.contains(name)).count();
    assert_eq!((kept("\"peaks\""), kept("\"counts\"")), (4, 8 * 24), "samples of the last eight days stay");
    assert_eq!(UsageLog::read(log.bytes().as_slice()), log);
    assert_eq!(UsageLog::newest_of(lines.as_bytes()).as_ref(), log.newest());
    // A day has the same hash whether it is kept as a day or as samples, and earlier days keep their hashes in later
    // reports.
    let later = log_of((0..24 * 20).map(|hour| if hour == 30 { 5 } else { 3 }));
    assert_eq!(later.days()[..11], days[..11]);
}

#[test]
fn old_days_are_dropped() {
    let mut log = UsageLog::default();
    for day in 0..4000 {
        assert!(log.add(sample_at(at(24 * day), 3)));
    }
    let days = log.days();
    assert!(days.len() <= 3660 + 8 && days[0].number > 300, "{}", days.len());
    assert_eq!(first_break(&days), None, "what went by age is no break");
    assert!(log.bytes().len() < 2 << 20, "{}", log.bytes().len());
}

#[test]
fn clock_set_back_makes_no_sample() {
    let mut log = log_of([3, 3]);
    for (hours, minutes, expected) in
        [(1, 0, false), (1, 29, false), (0, 0, false), (-22, 0, false), (1, 30, true), (2, 0, true), (-30, 0, true)]
    {
        let time = at(hours) + SignedDuration::from_mins(minutes);
        assert_eq!(log.add(sample_at(time, 9)), expected, "{time}");
    }
    let days = log.days();
    assert_eq!((first_break(&days), days.len()), (None, 2), "the earlier date is a day of its own");
    // A date years ahead, which a user then corrected, blocks no later sample.
    assert!(log.add(sample_at(at(50_000), 3)) && log.add(sample_at(at(20), 3)) && log.add(sample_at(at(21), 3)));
}

#[test]
fn new_license_begins_new_period() {
    let mut log = log_of([4, 5]);
    let renewed = Sample {
        license: "acme-2".to_owned(),
        limits: Counts { nodes: Some(8), ..Counts::default() },
        lacking: names(&["analytics"]),
        ..sample_at(at(2), 5)
    };
    assert!(log.add(renewed));
    let found = periods(&log.days());
    insta::assert_snapshot!(serde_json::to_string_pretty(&found[0].limits[0]).unwrap(), @r#"
    {
      "metric": "nodes",
      "limit": 3,
      "most": 4,
      "peak": 5,
      "peakOn": "2026-11-20",
      "overageDays": 1,
      "excessDays": 1
    }
    "#);
    let nodes = &found[1].limits[0];
    assert_eq!((found.len(), nodes.limit, nodes.overage_days), (2, Some(8), 0));
    assert_eq!((found[0].components[0].lacking_days, found[1].components[0].lacking_days), (0, 1));
    let users = &found[1].limits[3];
    assert_eq!((users.metric, users.peak, users.peak_on), (Metric::Users, None, None), "not known is not zero");
}

#[test]
fn unmeasured_days_are_counted() {
    let mut log = log_of([3]);
    assert!(log.add(sample_at(at(24 * 5), 4)) && log.add(sample_at(at(24 * 6), 4)));
    let period = &periods(&log.days())[0];
    assert_eq!((period.days, period.unmeasured_days, period.limits[0].overage_days), (3, 4, 2));
}

/// A record of twelve days, four of which are kept as days.
static SAMPLE_LOG: LazyLock<Vec<u8>> = LazyLock::new(|| log_of((0..24 * 12).map(|hour| 1 + hour % 5)).bytes());

/// Returns the days of a record after one more sample, as the site's next hour adds it.
fn an_hour_later(bytes: &[u8]) -> Vec<Day> {
    let mut log = UsageLog::read(bytes);
    assert!(log.add(sample_at(at(24 * 12), 1)));
    UsageLog::read(&log.bytes()).days()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn torn_end_costs_one_sample(cut in 1_usize..80) {
        let whole = SAMPLE_LOG.clone();
        let days = an_hour_later(&whole[..whole.len() - cut]);
        prop_assert_eq!(first_break(&days), None);
        let [torn, complete] = [&days, &an_hour_later(&whole)].map(|days| peaks(days));
        prop_assert_eq!(&torn[..11], &complete[..11]);
    }

    #[test]
    fn missing_line_is_always_found(line in 0_usize..195) {
        let whole = String::from_utf8(SAMPLE_LOG.clone()).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        prop_assert!(line + 1 < lines.len());
        let kept: Vec<&str> =
            lines.iter().enumerate().filter(|(number, _)| *number != line).map(|(_, line)| *line).collect();
        let mut bytes = (kept.join("\n") + "\n").into_bytes();
        // The record is rewritten each hour, and samples become days.
        for hours in (24 * 12..24 * 24).step_by(18) {
            let mut log = UsageLog::read(&bytes);
            prop_assert!(first_break(&log.days()).is_some());
            prop_assert!(log.add(sample_at(at(hours), 1)));
            bytes = log.bytes();
        }
        prop_assert!(first_break(&UsageLog::read(&bytes).days()).is_some());
    }

    #[test]
    fn edited_number_is_found(line in 0_usize..195, by in 1_u64..100) {
        let whole = String::from_utf8(SAMPLE_LOG.clone()).unwrap();
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        prop_assert!(line + 1 < lines.len());
        let mut value: Value = serde_json::from_str(&lines[line]).unwrap();
        let place = if value["peaks"].is_object() { "/peaks/nodes" } else { "/sample/counts/nodes" };
        let nodes = value.pointer_mut(place).unwrap();
        *nodes = (nodes.as_u64().unwrap() + by).into();
        lines[line] = value.to_string();
        let days = an_hour_later((lines.join("\n") + "\n").as_bytes());
        prop_assert!(first_break(&days).is_some());
    }

    #[test]
    fn random_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut log = UsageLog::read(&bytes);
        prop_assert!(log.add(sample_at(at(0), 1)));
        UsageLog::newest_of(&bytes);
    }

    #[test]
    fn days_have_their_samples_peaks(nodes in proptest::collection::vec(0_u64..50, 1..400)) {
        let days = log_of(nodes.iter().copied()).days();
        let expected: Vec<u64> = nodes.chunks(24).map(|day| day.iter().copied().max().unwrap_or_default()).collect();
        prop_assert_eq!(days.iter().filter_map(|day| day.peaks.nodes).collect::<Vec<_>>(), expected);
        prop_assert_eq!(days.iter().map(|day| day.samples).sum::<u64>(), nodes.len() as u64);
    }
}

#[test]
fn removed_days_are_found() {
    let whole = String::from_utf8(SAMPLE_LOG.clone()).unwrap();
    let kept: Vec<&str> = whole.lines().filter(|line| !line.contains("\"peaks\"")).collect();
    let bytes = kept.join("\n") + "\n";
    assert_eq!(first_break(&an_hour_later(bytes.as_bytes())), Some(day("2026-11-24")));
    assert_eq!(first_break(&an_hour_later(b"")), None, "only a gap shows a missing record");
}

struct Customer {
    vendor: Vendor,
    terms: Terms,
    identifier: Identifier,
}

impl Customer {
    fn new() -> Self {
        let vendor = Vendor::new(KeyKind::EcdsaP256).unwrap();
        let identifier = Identifier::of(IdentifierKind::Site, SITE).unwrap();
        let mut terms = sample::terms("acme-1", at(0)).unwrap();
        terms.overage_percent = 34;
        terms.binding = Some(Binding { needed: 1, identifiers: vec![identifier] });
        // The vendor's key stands in for the site's: both are key pairs.
        terms.site_key = Some(vendor.key.public().id());
        Self { vendor, terms, identifier }
    }

    /// Returns the customer's report, after a change before the signature.
    fn report(&self, change: impl FnOnce(&mut UsageReport)) -> Vec<u8> {
        let contents = ReportContents {
            site: SITE,
            identifiers: BTreeSet::from([self.identifier]),
            terms: &self.terms,
            made: at(40),
            days: log_of((0..40).map(|hour| if hour > 30 { 4 } else { 2 })).days(),
        };
        let mut report = UsageReport::new_unsigned(contents, self.vendor.key.public());
        change(&mut report);
        let signature = self.vendor.key.sign(&report.message().unwrap()).unwrap();
        serde_json::to_vec_pretty(&report.with_signature(&signature)).unwrap()
    }

    fn report_result(&self, bytes: &[u8]) -> &'static str {
        let wanted = ReportExpectations { terms: Some(&self.terms), keys: Vec::new() };
        let checked = UsageReport::read("report.json", bytes).and_then(|report| report.verify(&wanted));
        checked.map_or_else(|error| error.code().id, |_| "fine")
    }
}

#[test]
fn report_is_read_in_any_layout() {
    let customer = Customer::new();
    let bytes = customer.report(|_| {});
    assert_eq!(customer.report_result(&bytes), "fine");
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    value["kind"] = "usageReport".into();
    value["schema"] = 1.into();
    assert_eq!(customer.report_result(value.to_string().as_bytes()), "fine", "as the document that a command writes");
    let report = UsageReport::read("report.json", &bytes).unwrap();
    let nodes = &report.periods[0].limits[0];
    assert_eq!((nodes.peak, nodes.peak_on, nodes.overage_days), (Some(4), Some(day("2026-11-21")), 1));
    let key = customer.vendor.key.public().id();
    report.verify(&ReportExpectations { terms: None, keys: vec![key] }).expect("any license, by a named key");
}

#[test]
fn later_report_continues_earlier_one() {
    let customer = Customer::new();
    let of = |hours: i64, nodes: u64| {
        let log = log_of((0..hours).map(|_| nodes));
        let bytes = customer.report(|report| report.days = log.days());
        UsageReport::read("report.json", &bytes).unwrap()
    };
    let earlier = of(40, 2);
    of(60, 2).continues(&earlier).expect("the same days, and more");
    of(41, 2).continues(&earlier).expect("the last day was not over");
    let said = |report: UsageReport| report.continues(&earlier).unwrap_err().code().id;
    assert_eq!(said(of(60, 1)), "LF4735", "the record was rewritten");
    let mut of_another = of(60, 2);
    of_another.site = "another".to_owned();
    assert_eq!(said(of_another), "LF4737");
}

#[test]
fn report_faults_have_own_codes() {
    let customer = Customer::new();
    let signed = |change: fn(&mut UsageReport)| customer.report_result(&customer.report(change));
    // The site itself signs these changes.
    assert_eq!(signed(|report| drop(report.days.remove(0))), "LF4735");
    assert_eq!(signed(|report| report.days[0].peaks.nodes = Some(1)), "LF4735");
    assert_eq!(signed(|report| report.days[0].breaks = 1), "LF4735");
    assert_eq!(signed(|report| report.periods[0].limits[0].overage_days = 0), "LF4736");
    assert_eq!(signed(|report| report.license = "acme-0".to_owned()), "LF4737");
    assert_eq!(signed(|report| report.identifiers.clear()), "LF4737");
    let mut terms = Customer { terms: customer.terms.clone(), ..Customer::new() };
    terms.terms.entitlements.nodes = Some(2);
    terms.terms.site_key = Some(customer.vendor.key.public().id());
    assert_eq!(terms.report_result(&customer.report(|_| {})), "LF4737", "the site claims other limits");
    assert_eq!(Customer::new().report_result(&customer.report(|_| {})), "LF4734", "another site's key");
    // Other people edit a signed report.
    let bytes = customer.report(|_| {});
    let text = String::from_utf8(bytes.clone()).unwrap();
    for (from, to) in [
        ("\"peak\": 4", "\"peak\": 2"),
        ("\"customer\": \"Acme\"", "\"customer\": \"Acne\""),
        ("\"signature\": \"", "\"signature\": \"AA"),
        ("2026-11-21T16:10:00Z", "2026-11-21T17:10:00Z"),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        assert_eq!(customer.report_result(text.replacen(from, to, 1).as_bytes()), "LF4734", "{from}");
    }
    let later = text.replacen("usage-report/1", "usage-report/2", 1);
    for other in ["", "{}", "[1]", later.as_str(), &text[..text.len() / 2]] {
        assert_eq!(customer.report_result(other.as_bytes()), "LF4733", "{other:.40}");
    }
    let twice = text.replacen('{', "{\"license\": \"acme-1\", ", 1);
    assert_eq!(customer.report_result(twice.as_bytes()), "LF4733", "no name twice");
    let unnamed = UsageReport::read("report.json", &bytes).unwrap().verify(&ReportExpectations::default()).unwrap_err();
    assert_eq!(unnamed.code(), codes::USAGE_REPORT_SIGNATURE, "no key is known");
}
