//! Sample statuses for tests.

use std::path::PathBuf;

use landfall_documents::backups::{BackupTry, BackupsStatus, CopyRecord, LogStatus};
use landfall_documents::license::{LicenseStatus, NeededEntitlement, TrustedDate};
use landfall_documents::operation::Operation;
use landfall_documents::status::{
    AgentStatus, CertificateStatus, CertificatesStatus, ClockStatus, ComponentStatus, DiskStatus, EtcdStatus,
    FirewallStatus, MemoryStatus, NodeStatus, OperationStatus, RegistryStatus, ReleaseStatus, ServiceAddresses,
    SiteState, StatusReport, StepReport, Verdict,
};
use landfall_documents::warning::{AcceptedBy, AcceptedWarning};
use landfall_site::testing::license_terms;

/// Returns the status of a host without a site.
pub fn absent() -> StatusReport {
    StatusReport::absent(Some(disk()))
}

/// Returns the status of a small site on which everything is ready.
pub fn installed_status() -> StatusReport {
    let component = |name: &str, total: usize| ComponentStatus {
        component: name.to_owned(),
        namespace: name.to_owned(),
        release: "starter".to_owned(),
        ready: total,
        total,
        reasons: Vec::new(),
    };
    StatusReport {
        verdict: Verdict::Ready,
        state: SiteState::Installed,
        ready: true,
        release: Some(release()),
        operation: Some(operation(None)),
        agent: Some(AgentStatus {
            ready: true,
            reason: None,
            last_kubelet_error: Some("\"Failed to contact API server\" err=\"connection refused\"".to_owned()),
        }),
        nodes: vec![NodeStatus {
            name: "node-1".to_owned(),
            address: "192.0.2.17".to_owned(),
            kubernetes: "v1.36.3".to_owned(),
            ready: true,
            reason: None,
            pressures: Vec::new(),
        }],
        service_addresses: Some(ServiceAddresses { ready: true, reason: None }),
        firewall: Some(FirewallStatus { ready: true, reason: None, commands: Vec::new() }),
        components: vec![component("assistant", 3), component("postgres", 4)],
        registry: Some(RegistryStatus {
            address: "127.0.0.1:5000".to_owned(),
            ready: true,
            reason: None,
            staged_blobs: 80,
            blobs: 80,
            staged_bytes: 3 << 30,
        }),
        certificates: Some(certificates()),
        clock: Some(ClockStatus {
            ready: true,
            reason: None,
            now: "2026-11-20T08:00:00Z".to_owned(),
            earlier_than: None,
        }),
        gpus: None,
        models: Vec::new(),
        disk: Some(disk()),
        memory: Some(MemoryStatus { total_bytes: 32 << 30, available_bytes: 20 << 30 }),
        backups: Some(backups()),
        no_backup: None,
        replaced_data: Vec::new(),
        accepted: vec![AcceptedWarning {
            name: "firewall-flush".to_owned(),
            message: "The host's firewall deletes the cluster's rules whenever it starts".to_owned(),
            measured: "nftables.service deletes the cluster's rules whenever it starts".to_owned(),
            threshold: String::new(),
            by: AcceptedBy::CommandLine,
        }],
        license: Some(license()),
        etcd: Some(EtcdStatus { ready: true, reason: None, size_bytes: 20 << 20, quota_bytes: 2 << 30 }),
        cluster_silence: None,
        notes: vec!["network policies are stored but not enforced: flannel does not implement them".to_owned()],
    }
}

/// Returns the status of a site whose install was interrupted.
pub fn interrupted_status() -> StatusReport {
    let step = StepReport {
        index: 12,
        count: 40,
        id: "kubeadm/certs".to_owned(),
        title: "make the certificates".to_owned(),
        status: "started".to_owned(),
        failure: None,
        blocked: None,
        stuck: false,
    };
    StatusReport {
        verdict: Verdict::Unfinished,
        state: SiteState::InstallInterrupted,
        release: Some(release()),
        operation: Some(operation(Some(step))),
        clock: installed_status().clock,
        notes: vec!["there is no cluster yet".to_owned()],
        ..absent()
    }
}

fn release() -> ReleaseStatus {
    ReleaseStatus {
        name: "starter".to_owned(),
        version: "1.0.0".to_owned(),
        counter: 7,
        bundle: format!("sha256:{}", "ab".repeat(32)),
        root: format!("sha256:{}", "cd".repeat(32)),
        development: false,
        trust: "typed fingerprint".to_owned(),
    }
}

fn operation(step: Option<StepReport>) -> OperationStatus {
    OperationStatus {
        operation: Operation::Install.name().to_owned(),
        running: None,
        record: 121,
        at: Some("2026-11-20T07:42:00Z".to_owned()),
        journal: PathBuf::from("/var/lib/landfall/journal/1-install.journal"),
        step,
    }
}

fn disk() -> DiskStatus {
    DiskStatus {
        ready: true,
        reason: None,
        folder: PathBuf::from("/var/lib/landfall"),
        total_bytes: 100 << 30,
        free_bytes: 60 << 30,
    }
}

fn certificates() -> CertificatesStatus {
    let certificate = |file: &str, ends: &str| CertificateStatus {
        file: PathBuf::from(file),
        begins: Some("2026-11-20T07:40:00Z".to_owned()),
        ends: Some(ends.to_owned()),
        problem: None,
    };
    CertificatesStatus {
        ready: true,
        reason: None,
        soonest_end: Some("2027-11-20T07:40:00Z".to_owned()),
        days_left: Some(364),
        certificates: vec![
            certificate("/etc/kubernetes/admin.conf", "2027-11-20T07:40:00Z"),
            certificate("/etc/kubernetes/pki/ca.crt", "2036-11-17T07:40:00Z"),
        ],
    }
}

/// Returns a license that ends soon.
pub fn license() -> LicenseStatus {
    let now = "2026-11-20T08:00:00Z".to_owned();
    let need =
        NeededEntitlement { component: "assistant".to_owned(), entitlement: "assistant".to_owned(), granted: true };
    LicenseStatus {
        terms: Some(license_terms()),
        needs: vec![need],
        date: Some(TrustedDate { now: now.clone(), least: now.clone(), clock: now, agrees: true }),
        notes: Vec::new(),
    }
}

fn backups() -> BackupsStatus {
    let (newest, newest_proven) = ("2026-11-20T01:40:00Z".to_owned(), "2026-11-19T01:40:00Z".to_owned());
    let copies = CopyRecord {
        folder: "/mnt/vault".into(),
        tried: Some("2026-11-20T01:41:00Z".to_owned()),
        newest: Some("2026-11-18T01:40:00Z".to_owned()),
        reason: Some("/mnt/vault is on the same filesystem as /".to_owned()),
        former_key: true,
    };
    BackupsStatus {
        count: 3,
        newest: Some(newest),
        newest_proven: Some(newest_proven),
        of_future: Vec::new(),
        reason: None,
        last_try: Some(BackupTry {
            at: "2026-11-20T12:00:00Z".to_owned(),
            failure: None,
            succeeded: None,
            mended: false,
        }),
        last_drill: None,
        copies: vec![copies],
        logs: vec![LogStatus {
            stream: "postgres/database".to_owned(),
            until: Some("2026-11-20T12:00:00Z".to_owned()),
            reason: Some("the server no longer keeps its log".to_owned()),
        }],
    }
}
