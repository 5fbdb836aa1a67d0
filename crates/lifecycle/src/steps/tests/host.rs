//! Tests of steps that change settings of the host, which an undo restores.

use super::*;

#[test]
fn identity_is_written_and_undone() {
    let mut fixture = Fixture::new();
    fixture.there_and_back(&Identity {}, |fixture| {
        assert_eq!(fixture.read("/etc/landfall/site.uuid"), fixture.read("/var/lib/landfall/site.uuid"));
    });
    fixture.write("/etc/landfall/site.uuid", "one\n");
    fixture.write("/var/lib/landfall/site.uuid", "other\n");
    assert!(matches!(Identity {}.observe(&mut fixture.site).unwrap(), ObservedState::Foreign(_)));
}

#[test]
fn host_tuning_restores_earlier_state() {
    let mut fixture = Fixture::new();
    fixture.folder("/etc/modules-load.d");
    fixture.folder("/etc/sysctl.d");
    fixture.write("/proc/sys/net/ipv4/ip_forward", "0");
    fixture.write("/proc/sys/kernel/panic", "10");
    let step = HostTuning {
        modules: Vec::new(),
        settings: [("net.ipv4.ip_forward", "1"), ("kernel.panic", "10")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    fixture.there_and_back(&step, |fixture| {
        assert_eq!(fixture.read("/proc/sys/net/ipv4/ip_forward"), "1");
        assert!(fixture.read("/etc/sysctl.d/90-landfall.conf").contains("net.ipv4.ip_forward = 1\n"));
    });
    let modules = HostTuning { modules: vec!["br_netfilter".to_owned()], settings: BTreeMap::new() };
    let before = modules.prepare(&mut fixture.site).unwrap();
    modules.act(&mut fixture.site, &before).unwrap();
    fixture.folder("/sys/module/br_netfilter");
    assert_eq!(modules.observe(&mut fixture.site).unwrap(), ObservedState::Done);
    modules.undo(&mut fixture.site, &before).unwrap();
    assert_eq!(fixture.ran(), ["/sbin/modprobe br_netfilter", "/sbin/modprobe -r br_netfilter"]);
}

/// Undo restores unchanged settings, and keeps those that an administrator changed after the install.
#[test]
fn undo_keeps_settings_changed_since() {
    let mut fixture = Fixture::new();
    let names = ["net.ipv4.ip_forward", "kernel.panic", "vm.overcommit_memory"];
    for (path, value) in [("net/ipv4/ip_forward", "0"), ("kernel/panic", "0"), ("vm/overcommit_memory", "1")] {
        fixture.write(&format!("/proc/sys/{path}"), value);
    }
    let settings = names.map(|name| (name.to_owned(), "1".to_owned())).into();
    let step = HostTuning { modules: Vec::new(), settings };
    let before = step.prepare(&mut fixture.site).unwrap();
    step.act(&mut fixture.site, &before).unwrap();
    fixture.write("/proc/sys/kernel/panic", "60\n");
    step.undo(&mut fixture.site, &before).unwrap();
    let now = |path: &str| fixture.read(&format!("/proc/sys/{path}")).trim().to_owned();
    assert_eq!((now("net/ipv4/ip_forward"), now("kernel/panic")), ("0".to_owned(), "60".to_owned()));
    assert_eq!(now("vm/overcommit_memory"), "1");
}

/// Only root may enter the folder of volumes, even if it was open before.
#[test]
fn volume_folder_is_root_only() {
    use std::os::unix::fs::PermissionsExt;
    let mut fixture = Fixture::new();
    let storage = fixture.site.data.paths.storage();
    let mode = || std::fs::metadata(&storage).unwrap().permissions().mode() & 0o7777;
    fixture.there_and_back(&Storage {}, |_| assert_eq!(mode(), 0o700));
    fixture.folder("/var/lib/landfall/storage/pvc-1_a_b");
    assert!(matches!(Storage {}.observe(&mut fixture.site).unwrap(), ObservedState::Partial(_)));
    Storage {}.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!((Storage {}.observe(&mut fixture.site).unwrap(), mode()), (ObservedState::Done, 0o700));
    Storage {}.undo(&mut fixture.site, &Value::Null).unwrap();
    assert!(storage.join("pvc-1_a_b").exists(), "volumes are data, which no step removes");
}

/// The module is loaded now, but would not be after the next boot.
#[test]
fn loaded_module_is_loaded_at_boot() {
    let mut fixture = Fixture::new();
    fixture.folder("/sys/module/br_netfilter");
    let step = HostTuning { modules: vec!["br_netfilter".to_owned()], settings: BTreeMap::new() };
    let before = step.prepare(&mut fixture.site).unwrap();
    step.act(&mut fixture.site, &before).unwrap();
    assert!(fixture.read("/etc/modules-load.d/landfall.conf").ends_with("\nbr_netfilter\n"));
    step.undo(&mut fixture.site, &before).unwrap();
    assert!(!fixture.site.data.paths.host("/etc/modules-load.d/landfall.conf").exists());
    assert_eq!(fixture.ran(), Vec::<String>::new());
}

#[test]
fn hosts_entry_keeps_other_lines() {
    let step = HostsEntry { name: "api.landfall.internal".to_owned(), address: address() };
    for text in ["127.0.0.1 localhost\n", "127.0.0.1 localhost", "# mine\n10.0.0.1 other # not landfall's\n"] {
        let mut fixture = Fixture::new();
        fixture.write("/etc/hosts", text);
        let before = step.prepare(&mut fixture.site).unwrap();
        step.act(&mut fixture.site, &before).unwrap();
        step.act(&mut fixture.site, &before).unwrap();
        let lines = format!("{}\n10.99.0.11 api.landfall.internal # landfall\n", text.trim_end());
        assert_eq!(fixture.read("/etc/hosts"), lines);
        // Leftovers of an interrupted write by the agent.
        let leftover = format!("/etc/.hosts{}", durable::TEMPORARY_SUFFIX);
        fixture.write(&leftover, "half");
        step.undo(&mut fixture.site, &before).unwrap();
        assert_eq!(fixture.read("/etc/hosts"), text);
        assert!(!fixture.site.data.paths.host(&leftover).exists());
    }
    let mut fixture = Fixture::new();
    fixture.folder("/etc");
    fixture.there_and_back(&step, |fixture| assert!(fixture.read("/etc/hosts").starts_with("127.0.0.1 localhost\n")));
    fixture.write("/etc/hosts", "10.0.0.1 api.landfall.internal\n");
    assert!(matches!(step.observe(&mut fixture.site).unwrap(), ObservedState::Foreign(_)));
}
