use super::*;

#[test]
fn versions_are_parsed_from_output() {
    for (text, version) in [
        ("rustc 1.95.0 (59807616e 2026-04-14)", (1, 95, 0)),
        ("rustc 1.97.0-nightly (abc 2026-05-01)", (1, 97, 0)),
        ("go1.26.8", (1, 26, 8)),
        (" = \"1.95\"", (1, 95, 0)),
        ("26", (26, 0, 0)),
    ] {
        assert_eq!(version_in(text), Some(version), "{text}");
    }
    assert_eq!(version_in("devel"), None);
}

#[test]
fn required_versions_come_from_project() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(clone.join("Cargo.toml")).unwrap();
    assert!(rust_wanted(&manifest).unwrap() >= (1, 95, 0));
    assert!(go_wanted(&clone.join(GO_RECIPES)) >= (1, 26, 0));
}

#[test]
fn systems_are_parsed_with_quotes() {
    let text = "PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nNAME='Ubuntu'\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n";
    let system = parse_system(text);
    assert_eq!((system.id.as_str(), system.version.as_str()), ("ubuntu", "24.04"));
    assert_eq!(system.name, "Ubuntu 24.04.3 LTS");
}

#[test]
fn commented_source_does_not_count() {
    assert!(!names_a_source("# deb http://a/debian bookworm main\n"));
    assert!(names_a_source("deb [arch=amd64] http://a/debian bookworm main\n"));
    assert!(names_a_source("Types: deb\nURIs: http://a/debian\n"));
}

#[test]
fn modules_are_found_by_name() {
    let list = "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv6/ip6_udp_tunnel.ko.xz\n\
                kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko\nkernel/net/nf-tables.ko\n";
    for module in ["vxlan", "br_netfilter", "nf_tables"] {
        assert!(is_listed(list, module), "{module}");
    }
    assert!(!is_listed(list, "bridge"), "what another module depends on is listed by a line of its own");
}

#[test]
fn proxy_covers_loopback_unless_exempted() {
    let proxy = |set: &'static [(&'static str, &'static str)]| {
        loopback_proxy(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    };
    assert_eq!(proxy(&[]), None);
    assert_eq!(proxy(&[("HTTPS_PROXY", "http://p:1")]), None, "requests to loopback use plain HTTP");
    assert_eq!(proxy(&[("HTTP_PROXY", "http://user:secret@p:1")]).as_deref(), Some("http://p:1"));
    assert_eq!(proxy(&[("http_proxy", "user:secret@p:1"), ("no_proxy", "internal")]).as_deref(), Some("p:1"));
    assert_eq!(proxy(&[("http_proxy", "p:1"), ("NO_PROXY", "internal, 127.0.0.1")]), None);
}

#[test]
fn last_mount_counts() {
    let mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\ncgroup2 /sys/fs/cgroup cgroup2 ro,nosuid 0 0\n";
    assert!(is_read_only(mounts, "/sys/fs/cgroup"));
    assert!(!is_read_only("cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0", "/sys/fs/cgroup"));
}
