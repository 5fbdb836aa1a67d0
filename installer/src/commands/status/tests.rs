use landfall_documents::failure::Failure;
use landfall_documents::status::{
    CertificateStatus, GpuHolder, GpuStatus, GpusStatus, ModelFigure, ModelStatus, StatusReport,
};
use landfall_lifecycle::operations::status::sample::{absent, installed_status, interrupted_status};

use super::*;

#[test]
fn ready_site_is_shown() {
    insta::assert_snapshot!(text(&installed_status()));
}

#[test]
fn ready_site_without_backup_says_so() {
    let mut report = installed_status();
    report.backups = None;
    report.no_backup = Some("no backup exists: if this machine is lost, so is all data".to_owned());
    let text = text(&report);
    assert!(text.starts_with("starter 1.0.0 is installed, and everything runs, but it has no backup\n"), "{text}");
    assert!(text.contains("\nbackups   none: no backup exists: "), "{text}");
    assert!(!text.contains("everything is ready"));
}

#[test]
fn certificates_share_lines_by_day() {
    let mut report = installed_status();
    let certificates = &mut report.certificates.as_mut().unwrap().certificates;
    let first = certificates[0].clone();
    let more = (0..20)
        .map(|number| CertificateStatus { file: format!("/etc/kubernetes/pki/{number}.crt").into(), ..first.clone() });
    certificates.extend(more);
    let text = text(&report);
    assert!(text.contains("            2027-11-20  admin.conf, pki/0.crt, pki/1.crt, and 18 more\n"), "{text}");
}

#[test]
fn unready_site_is_shown() {
    let mut report = installed_status();
    (report.ready, report.verdict) = (false, Verdict::NotReady);
    report.components[1].ready = 3;
    report.components[1].reasons.push("StatefulSet postgres/postgres: 0 of 1 pods are ready".to_owned());
    report.nodes[0].ready = false;
    report.nodes[0].reason = Some("the kubelet reports DiskPressure".to_owned());
    if let Some(certificates) = &mut report.certificates {
        certificates.ready = false;
        certificates.reason = Some("/etc/kubernetes/admin.conf has ended".to_owned());
        certificates.days_left = Some(-3);
    }
    if let Some(disk) = &mut report.disk {
        disk.ready = false;
        disk.reason = Some("512 MiB are free; below 1.0 GiB the kubelet removes pods".to_owned());
    }
    insta::assert_snapshot!(text(&report));
}

#[test]
fn models_show_profile_or_reason() {
    let mut report = installed_status();
    assert!(!text(&report).contains("model     "));
    let model = |name: &str, profile: Option<&str>, reason: Option<&str>| ModelStatus {
        name: name.to_owned(),
        quantization: "BF16".to_owned(),
        weights_bytes: 16_060_522_496,
        figures: vec![ModelFigure { name: "context".to_owned(), value: 8192, set_by_site: true }],
        profile: profile.map(str::to_owned),
        reason: reason.map(str::to_owned),
    };
    report.models = vec![
        model("llama", Some("vLLM on 2 × NVIDIA L4, context 8192"), None),
        model("large", None, Some("it does not run on CPU")),
    ];
    let shown =
        "model     llama: vLLM on 2 × NVIDIA L4, context 8192\nmodel     large: does not fit: it does not run on CPU\n";
    assert!(text(&report).contains(shown), "{}", text(&report));
    let (_, schema) = crate::document::schema_of::<StatusReport>();
    let document: serde_json::Value = serde_json::from_str(&crate::document::pretty(&report)).unwrap();
    assert!(jsonschema::is_valid(&schema, &document));
}

#[test]
fn gpus_show_holders_and_problems() {
    let holder = GpuHolder {
        pid: 4242,
        program: Some("vllm".to_owned()),
        used_bytes: Some(2 << 30),
        pod: Some("inference/vllm-0".to_owned()),
    };
    let hidden = GpuHolder { pid: 4243, program: None, used_bytes: None, pod: None };
    let first = GpuStatus {
        index: 0,
        model: Some("NVIDIA L4".to_owned()),
        total_bytes: Some(24 << 30),
        used_bytes: Some(2 << 30),
        parts: Vec::new(),
        holders: vec![holder, hidden],
        problems: vec!["is so hot that it slows down".to_owned()],
    };
    let mut report = installed_status();
    report.gpus = Some(GpusStatus {
        driver: Some("580.159.04".to_owned()),
        reason: None,
        devices: vec![first],
        offered: [("nvidia.com/gpu".to_owned(), 1)].into(),
        differences: vec!["[LF4216] The node does not offer them.".to_owned()],
        as_of: "2026-11-20T08:00:00Z".to_owned(),
        age_seconds: 42,
    });
    let shown = "gpus      ready; driver 580.159.04; as of 42 seconds ago\n            GPU 0: NVIDIA L4, 2.00 GiB of \
        24.00 GiB in use\n              held by vllm (process 4242, pod inference/vllm-0), 2.00 GiB\n              \
        held by a program that cannot be seen (process 4243)\n              it is so hot that it slows \
        down\n            the node offers 1 of nvidia.com/gpu\n            [LF4216] The node does not offer them.\n";
    assert!(text(&report).contains(shown), "{}", text(&report));
    assert!(!text(&installed_status()).contains("gpus "));
    let (_, schema) = crate::document::schema_of::<StatusReport>();
    let document: serde_json::Value = serde_json::from_str(&crate::document::pretty(&report)).unwrap();
    assert!(jsonschema::is_valid(&schema, &document));
}

#[test]
fn unfinished_operation_is_shown() {
    insta::assert_snapshot!(text(&interrupted_status()));
}

#[test]
fn stuck_operation_is_shown() {
    let mut report = interrupted_status();
    report.verdict = Verdict::Stuck;
    if let Some(step) = report.operation.as_mut().and_then(|operation| operation.step.as_mut()) {
        step.stuck = true;
        step.status = "failed".to_owned();
        step.failure = Some(Failure {
            code: "LF4207".into(),
            what: "ConfigMap kube-system/settings exists and belongs to helm".to_owned(),
            causes: vec!["the API server refused the object".to_owned()],
            hint: "Remove or rename the object if it is not needed, then run `landfall resume`.".to_owned(),
        });
    }
    insta::assert_snapshot!(text(&report));
}

#[test]
fn absent_site_is_shown() {
    let mut report = absent();
    report.notes.push("data of starter 1.0.0 is kept in /var/lib/landfall".to_owned());
    insta::assert_snapshot!(text(&report));
}

#[test]
fn statuses_match_schema() {
    let (kind, schema) = crate::document::schema_of::<StatusReport>();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [absent(), installed_status(), interrupted_status()] {
        let document: serde_json::Value = serde_json::from_str(&crate::document::pretty(&report)).unwrap();
        let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty() && document["kind"] == kind, "{problems:?}");
    }
}
