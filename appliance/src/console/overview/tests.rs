use jiff::{SignedDuration, Timestamp};
use landfall_documents::status::StatusReport;
use serde_json::Value;

use super::answers::{AvailableReleases, answers, sentence};
use super::attention::{Matter, matters};
use crate::console::state::State;
use crate::host::MediaPage;
use crate::host::fake::sample;
use crate::testing::RELATIVE_TIMES;

fn status(change: impl FnOnce(&mut Value)) -> StatusReport {
    let mut document = sample("status");
    document["backups"]["newestProven"] = (Timestamp::now() - SignedDuration::from_hours(8)).to_string().into();
    document["backups"]["copies"] = Value::Array(Vec::new());
    change(&mut document);
    serde_json::from_value(document).unwrap()
}

fn kept_releases() -> AvailableReleases {
    AvailableReleases { kept: Some(serde_json::from_value(sample("releases")).unwrap()), media: Vec::new() }
}

fn states(change: impl FnOnce(&mut Value)) -> [State; 4] {
    answers(&status(change), &kept_releases()).map(|answer| answer.mark.state)
}

#[test]
fn sentences_keep_names() {
    assert_eq!(sentence("the store, as read, is damaged"), "The store, as read, is damaged.");
    assert_eq!(sentence("in-cluster registry: silent!"), "In-cluster registry: silent!");
    assert_eq!(sentence("landfall.json is not signed"), "landfall.json is not signed.");
    assert_eq!(sentence("/media/stick is full."), "/media/stick is full.");
    assert_eq!(sentence(" "), "");
}

#[test]
fn answers_follow_facts() {
    use State::{Attention, Bad, Busy, Good, Unknown};
    assert_eq!(states(|_| ()), [Good, Attention, Good, Good]);
    assert_eq!(states(|status| status["license"] = Value::Null)[1], Good);
    assert_eq!(states(|status| status["license"]["terms"]["standing"] = "valid".into())[1], Good);
    assert_eq!(
        states(|status| {
            status["license"]["terms"]["standing"] = "ended".into();
            status["license"]["terms"]["permits"] = false.into();
        })[1],
        Bad
    );
    assert_eq!(
        states(|status| {
            status["license"]["terms"] = Value::Null;
            status["license"]["needs"][0]["granted"] = false.into();
        })[1],
        Bad
    );
    for (verdict, state) in
        [("not-ready", Bad), ("stuck", Bad), ("absent", Unknown), ("unfinished", Attention), ("later", Unknown)]
    {
        assert_eq!(states(|status| status["verdict"] = verdict.into())[0], state, "{verdict}");
    }
    assert_eq!(
        states(|status| {
            status["verdict"] = "unfinished".into();
            status["operation"]["running"] =
                serde_json::json!({"operation": "upgrade", "pid": 7, "started": "2026-11-20T07:00:00Z"});
        })[0],
        Busy
    );
    assert_eq!(states(|status| status["backups"] = Value::Null)[2], Bad);
    let never = status(|status| status["backups"] = Value::Null);
    assert!(matters(&never).iter().any(|matter| matter.subject == "Backups" && matter.mark.state == Bad));
    assert_eq!(states(|status| status["backups"]["newestProven"] = Value::Null)[2], Bad);
    assert_eq!(states(|status| status["backups"]["reason"] = "the disk is not mounted".into())[2], Bad);
    for (hours, state) in [(29, Good), (31, Attention), (79, Bad)] {
        let proven = (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
        assert_eq!(states(|status| status["backups"]["newestProven"] = proven.into())[2], state, "{hours} hours");
    }
    assert_eq!(states(|status| status["release"]["counter"] = 7.into())[3], Attention);
}

#[test]
fn arrived_release_is_offered() {
    let media: MediaPage = serde_json::from_value(sample("media")).unwrap();
    let usable = media.media.iter().find(|medium| medium.problem.is_none() && medium.release.is_some()).unwrap();
    let release = usable.release.clone().unwrap();
    let given = AvailableReleases { media: media.media.clone(), ..kept_releases() };
    let other = status(|status| {
        status["release"]["name"] = release.name.clone().into();
        status["release"]["version"] = "0.0.1".into();
    });
    let answer = answers(&other, &given)[3].clone();
    assert_eq!((answer.mark.state, answer.path), (State::Attention, "/upgrade"));
    assert!(answer.evidence.contains(&usable.place) && answer.evidence.contains(&release.version), "{answer:?}");
    let unusable = |medium: &crate::host::Medium| medium.id != usable.id;
    let rest = AvailableReleases {
        media: media.media.iter().filter(|medium| unusable(medium)).cloned().collect(),
        ..kept_releases()
    };
    let unknown = without_counters(&given);
    // The bundle is already imported, older than the site, of the installed version, or absent.
    for (version, counter, given) in [
        (release.version.as_str(), 9, &given),
        ("2.0.0", 10, &given),
        (release.version.as_str(), 8, &unknown),
        ("0.0.1", 8, &rest),
    ] {
        let found = status(|status| {
            status["release"]["name"] = release.name.clone().into();
            status["release"]["version"] = version.into();
            status["release"]["counter"] = counter.into();
        });
        assert_eq!(answers(&found, given)[3].path, "/releases", "{version}");
    }
    assert_eq!(answers(&other, &unknown)[3].path, "/upgrade");
}

/// Returns the same releases without counters, as those that only a newer Landfall can read.
fn without_counters(given: &AvailableReleases) -> AvailableReleases {
    let mut media = given.media.clone();
    media.iter_mut().filter_map(|medium| medium.release.as_mut()).for_each(|release| release.counter = None);
    AvailableReleases { media, ..kept_releases() }
}

#[test]
fn unready_disk_is_named() {
    let disk = status(|status| {
        status["verdict"] = "not-ready".into();
        status["disk"]["ready"] = false.into();
        status["disk"]["reason"] = "1 GiB is free".into();
    });
    let evidence = answers(&disk, &kept_releases())[0].evidence.clone();
    assert!(evidence.starts_with("Disk: 1 GiB is free. "), "{evidence}");
    let component = status(|status| {
        status["verdict"] = "not-ready".into();
        status["components"][0]["ready"] = 0.into();
    });
    let evidence = answers(&component, &kept_releases())[0].evidence.clone();
    assert!(evidence.ends_with("are ready.") && !evidence.contains(':'), "{evidence}");
}

/// Compares matters with a snapshot. The one about backups is left out, because it depends on today's date.
fn assert_lines(name: &str, matters: &[Matter]) {
    let lines = matters.iter().filter(|matter| matter.subject != "Backups");
    let lines: Vec<_> = lines.map(|matter| format!("{}: {} ({})", matter.subject, matter.text, matter.path)).collect();
    insta::with_settings!({ filters => [RELATIVE_TIMES] }, { insta::assert_snapshot!(name, lines.join("\n")) });
}

#[test]
fn worst_reasons_come_first() {
    let not_ready: StatusReport = serde_json::from_value(sample("status-not-ready")).unwrap();
    let found = matters(&not_ready);
    assert_lines("reasons_not_ready", &found);
    assert!(found.is_sorted_by_key(|matter| matter.mark.state));
    let stuck: StatusReport = serde_json::from_value(sample("status-stuck")).unwrap();
    assert_lines("reasons_stuck", &matters(&stuck));
    let absent: StatusReport = serde_json::from_value(sample("status-absent")).unwrap();
    assert!(matters(&absent).is_empty());
}

#[test]
fn silent_api_server_comes_first() {
    let silence = "the cluster does not answer: no answer within 3 s";
    let found = status(|status| {
        status["verdict"] = "not-ready".into();
        status["nodes"] = serde_json::json!([]);
        status["components"] = serde_json::json!([]);
        status["clusterSilence"] = silence.into();
        status["notes"] = serde_json::json!([silence]);
    });
    let healthy = answers(&found, &AvailableReleases::default())[0].clone();
    assert_eq!(healthy.mark.state, State::Bad);
    let matters = matters(&found);
    let first = &matters[0];
    insta::assert_snapshot!(format!("{}\n{}: {}", healthy.evidence, first.subject, first.text));
    let said = matters.iter().filter(|matter| matter.text.contains("The cluster does not answer")).count();
    assert_eq!(said, 1);
}

#[test]
fn failed_backup_needs_attention() {
    use State::{Attention, Bad, Good};
    let failed = |hours: i64| {
        let at = (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
        serde_json::json!({"at": at, "failure": {"code": "LF4602", "what": "the disk is not mounted"},
            "succeeded": null})
    };
    let found = status(|status| status["backups"]["lastTry"] = failed(1));
    let answer = answers(&found, &AvailableReleases::default())[2].clone();
    assert_eq!(answer.mark.state, Attention);
    assert!(answer.evidence.contains("LF4602: The disk is not mounted."), "{}", answer.evidence);
    assert!(matters(&found).iter().any(|matter| matter.text.contains("LF4602") && matter.path == "/backups"));
    let mended = |status: &mut Value| {
        status["backups"]["lastTry"] = failed(1);
        status["backups"]["lastTry"]["mended"] = true.into();
    };
    assert_eq!(states(mended)[2], Good, "a mended failure still counts");
    let both = |status: &mut Value| {
        status["backups"]["newestProven"] = (Timestamp::now() - SignedDuration::from_hours(40)).to_string().into();
        status["backups"]["lastTry"] = failed(1);
    };
    assert_eq!(states(both)[2], Bad);
    let ahead = (Timestamp::now() + SignedDuration::from_mins(11)).to_string();
    assert_eq!(states(|status| status["backups"]["newestProven"] = ahead.into())[2], Attention);
    let gap = serde_json::json!([{"stream": "postgres", "reason": "the log has a gap"}]);
    assert_eq!(states(|status| status["backups"]["logs"] = gap)[2], Attention);
}

#[test]
fn ungranted_need_is_bad() {
    let found = status(|status| {
        status["license"]["terms"]["standing"] = "valid".into();
        status["license"]["needs"][0]["granted"] = false.into();
        status["license"]["notes"] = serde_json::json!(["the license ends soon"]);
        status["notes"] = serde_json::json!(["the license ends soon", "another note"]);
    });
    let answer = answers(&found, &AvailableReleases::default())[1].clone();
    assert_eq!(answer.mark.state, State::Bad);
    assert!(answer.evidence.contains("1 component."), "{}", answer.evidence);
    let told = matters(&found).iter().filter(|matter| matter.text.starts_with("The license ends")).count();
    assert_eq!(told, 1);
}
