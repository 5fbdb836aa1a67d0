//! Tests of the test machines themselves: each property that the other tests rely on is violated here once.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landfall_xtask::builds;
use landfall_xtask::cache::{CACHE_VARIABLE, Cache};
use landfall_xtask::site::{
    BootState, Category, Machine, MachineSpec, PowerState, SavedDisk, Site, Stream, wait_until,
};

/// Creates a site with one booted machine.
fn one_machine(name: &str, spec: MachineSpec) -> Result<(Site, Machine)> {
    let site = Site::new(&Site::unique_name(name))?;
    let machine = site.machine(spec)?;
    machine.boot()?;
    Ok((site, machine))
}

#[test]
fn power_cut_loses_only_unsynced_data() -> Result<()> {
    let (_site, machine) = one_machine("cut", MachineSpec::new("node-1"))?;
    // Otherwise, the filesystem would commit its log after five seconds, which may pass here on a busy host.
    machine.run("mount -o remount,commit=600 /")?;
    machine.run("echo kept > /root/synced && sync /root/synced && echo moved > /root/before && sync")?;
    machine.run("mv /root/before /root/after && echo lost > /root/unsynced")?;
    machine.power_cut()?;
    assert_eq!(machine.power(), PowerState::Off);
    machine.boot()?;
    let names = machine.run("ls /root")?.stdout;
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), ["before", "synced"], "the power cut flushed the log");
    assert_eq!(machine.read_file("/root/synced")?, b"kept\n");
    Ok(())
}

#[test]
fn crash_keeps_unsynced_files() -> Result<()> {
    let (_site, machine) = one_machine("crash", MachineSpec::new("node-1"))?;
    machine.run("echo written > /root/unsynced")?;
    machine.crash()?;
    machine.boot()?;
    assert_eq!(machine.read_file("/root/unsynced")?, b"written\n");
    Ok(())
}

#[test]
fn machines_start_from_saved_disk() -> Result<()> {
    let folder = tempfile::tempdir_in(landfall_xtask::workspace::target_folder())?;
    let saved = {
        let (_site, machine) = one_machine("saved", MachineSpec::new("node-1"))?;
        machine.run("echo installed > /root/state && sync")?;
        let refused = SavedDisk::take(&machine, &folder.path().join("disk")).unwrap_err();
        assert_eq!(refused.to_string(), "the disk of a running machine cannot be saved");
        machine.crash()?;
        SavedDisk::take(&machine, &folder.path().join("disk"))?
    };
    let site = Site::new(&Site::unique_name("from-saved"))?;
    let refused = site.machine_from(&saved, MachineSpec::new("node-2")).unwrap_err().to_string();
    assert!(refused.starts_with("a machine from the disk of node-1 cannot be node-2 "), "{refused}");
    let machine = site.machine_from(&saved, MachineSpec::new("node-1"))?;
    machine.boot()?;
    assert_eq!(machine.wait_settled(Duration::from_mins(1))?, BootState::Running);
    assert_eq!(machine.run("hostname && cat /root/state")?.stdout, "node-1\ninstalled\n");
    let difference = machine.difference_since_birth()?;
    assert!(difference.changes.iter().all(|change| change.to_string().contains("/root/state")), "{difference}");
    machine.run("echo changed > /root/state && touch /root/more && sync")?;
    machine.return_to(&saved)?;
    machine.boot()?;
    assert_eq!(machine.run("ls /root && cat /root/state")?.stdout, "state\ninstalled\n");
    Ok(())
}

#[test]
fn power_cut_ends_running_program() -> Result<()> {
    let (_site, machine) = one_machine("stream", MachineSpec::new("node-1"))?;
    machine.write_file("/root/count", "#!/bin/bash\nfor n in {1..100}; do echo $n; sleep 0.1; done\n", 0o755)?;
    let mut seen = Vec::new();
    let mut errors = Vec::new();
    let status = machine.run_streaming("/root/count", &[], |stream, line| {
        match stream {
            Stream::Stdout => seen.push(line.to_owned()),
            Stream::Stderr => errors.push(line.to_owned()),
        }
        if line == "5" {
            machine.power_cut().unwrap();
        }
    })?;
    assert_eq!(status.code(), None, "the program was not killed: {status}");
    assert_eq!(seen[..5], ["1", "2", "3", "4", "5"]);
    assert!(seen.len() < 100, "the program continued after the power cut: {seen:?}");
    assert!(errors.is_empty(), "the program saw an error of the disk: {errors:?}");
    machine.boot()
}

#[test]
fn enabled_unit_restarts_after_power_cut() -> Result<()> {
    let (_site, machine) = one_machine("unit", MachineSpec::new("node-1"))?;
    let unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    machine.write_file("/etc/systemd/system/probe.service", unit, 0o644)?;
    machine.run("systemctl daemon-reload && systemctl enable --now probe.service && sync")?;
    machine.power_cut()?;
    machine.boot()?;
    assert_eq!(machine.wait_settled(Duration::from_mins(1))?, BootState::Running);
    machine.run("systemctl is-active probe.service")?;

    machine.write_file(
        "/etc/systemd/system/broken.service",
        unit.replace("sleep infinity", "false\nType=oneshot"),
        0o644,
    )?;
    machine.run("systemctl daemon-reload && systemctl enable broken.service && sync")?;
    machine.crash()?;
    machine.boot()?;
    let state = machine.wait_settled(Duration::from_mins(1))?;
    assert_eq!(state, BootState::Degraded(vec!["broken.service".to_owned()]));
    Ok(())
}

#[test]
fn packets_for_foreign_addresses_are_seen() -> Result<()> {
    let site = Site::new(&Site::unique_name("foreign"))?;
    let routed = site.machine(MachineSpec::new("routed").default_route().nameserver())?;
    let plain = site.machine(MachineSpec::new("plain"))?;
    routed.boot()?;
    plain.boot()?;
    assert_eq!(site.foreign_packets()?, [], "a newly booted machine sends packets to foreign addresses");
    assert_eq!(site.switch().asked_names()?, [""; 0], "a newly booted machine queries foreign names");
    routed.try_run("timeout 2 getent hosts somewhere.example")?;
    let names = site.switch().asked_names()?;
    assert!(!names.is_empty() && names.iter().all(|name| name == "somewhere.example."), "{names:?}");
    assert_eq!(site.foreign_packets()?, [], "a query to the site's own nameserver counts as a foreign packet");

    routed.try_run("ping -c 1 -W 1 198.51.100.7")?;
    let packets = site.foreign_packets()?;
    assert_eq!(packets.len(), 1, "{packets:?}");
    assert_eq!((packets[0].destination.to_string(), packets[0].protocol.as_str()), ("198.51.100.7".into(), "icmp"));
    assert_eq!(packets[0].source, routed.address());

    routed.try_run("echo question > /dev/udp/203.0.113.5/53")?;
    let packets = site.foreign_packets()?;
    assert_eq!((packets[1].destination.to_string(), packets[1].protocol.as_str()), ("203.0.113.5".into(), "udp 53"));

    // Without a route, the machine itself rejects and counts the packet.
    let before = plain.unroutable_packets()?;
    plain.try_run("echo question > /dev/udp/203.0.113.5/53")?;
    assert!(plain.unroutable_packets()? > before, "an unroutable packet was not counted");
    assert_eq!(site.foreign_packets()?.len(), 2);
    a_forwarded_packet_is_counted(&plain)?;

    // With an on-link route, ARP gets no answer, and the recording shows the request.
    plain.run("ip route add 198.51.100.0/24 dev eth0")?;
    plain.try_run("ping -c 1 -W 1 198.51.100.8")?;
    let packets = site.foreign_packets()?;
    let arp = packets.get(2).context("a request for a foreign address was not seen")?;
    assert_eq!((arp.destination.to_string(), arp.protocol.as_str()), ("198.51.100.8".into(), "arp"));
    Ok(())
}

/// Checks that a pod's packets are forwarded to its machine, and refused there.
fn a_forwarded_packet_is_counted(machine: &Machine) -> Result<()> {
    machine.run(
        "sysctl --write net.ipv4.ip_forward=1 && ip link add pod0 type veth peer name pod1 && ip link set pod0 up",
    )?;
    machine.run("ip address add 10.99.7.1/24 dev pod0; setsid unshare --net sleep 60 > /dev/null 2>&1 &")?;
    let before = machine.unroutable_packets()?;
    wait_until("the namespace of a pod", Duration::from_secs(10), || {
        let moved = machine.try_run("ip link set pod1 netns $(pgrep --exact sleep)")?;
        Ok(moved.status.success().then_some(()))
    })?;
    machine.run(
        "nsenter --net --target $(pgrep --exact sleep) bash -c 'ip address add 10.99.7.2/24 dev pod1; \
         ip link set pod1 up; ip route add default via 10.99.7.1; echo question > /dev/udp/203.0.113.5/53'",
    )?;
    wait_until("the count of the pod's packet", Duration::from_secs(10), || {
        Ok((machine.unroutable_packets()? > before).then_some(()))
    })
}

#[test]
fn dead_switch_is_an_error() -> Result<()> {
    let site = Site::new(&Site::unique_name("switch"))?;
    assert_eq!(site.foreign_packets()?, []);
    site.switch().process().kill(Duration::from_secs(5))?;
    let error = site.foreign_packets().unwrap_err().to_string();
    assert!(error.starts_with("the switch has ended"), "{error}");
    Ok(())
}

#[test]
fn switch_connects_machines() -> Result<()> {
    let site = Site::new(&Site::unique_name("pair"))?;
    let (one, two) = (site.machine(MachineSpec::new("one"))?, site.machine(MachineSpec::new("two"))?);
    one.boot()?;
    two.boot()?;
    one.run(&format!("ping -c 1 -W 2 {}", two.address()))?;
    two.power_cut()?;
    assert!(!one.try_run(&format!("ping -c 1 -W 1 {}", two.address()))?.status.success());
    two.boot()?;
    two.run(&format!("ping -c 1 -W 2 {}", one.address()))?;
    assert_eq!(site.foreign_packets()?, []);
    let ids = [&one, &two].map(|machine| machine.read_file("/etc/machine-id").unwrap());
    assert_ne!(ids[0], ids[1]);
    Ok(())
}

#[test]
fn machine_contains_no_host_files() -> Result<()> {
    let stick = tempfile::tempdir()?;
    let (_site, machine) = one_machine("inside", MachineSpec::new("node-1").stick(stick.path()))?;
    for program in ["go", "nft", "iptables", "gcc", "cc", "python3", "cargo", "git", "curl", "docker", "containerd"] {
        let found = machine.try_run(&format!("command -v {program}"))?;
        assert!(!found.status.success(), "{program} is inside: {}", found.stdout);
    }
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate is in the project")?;
    assert!(!machine.try_run(&format!("ls {}", tree.display()))?.status.success(), "the project is inside");
    let sources = machine.run("find / -xdev \\( -name '*.rs' -o -name Cargo.toml -o -name '*.go' \\)")?.stdout;
    assert_eq!(sources, "", "sources are inside");
    assert_eq!(machine.run("hostname")?.stdout.trim(), "node-1");
    assert!(!machine.try_run("grep '^nameserver' /etc/resolv.conf")?.status.success());
    assert_eq!(machine.run("ip route show default")?.stdout, "");
    // The only processes are those of the machine's own systemd.
    let first = machine.run("cat /proc/1/comm")?.stdout;
    assert_eq!(first.trim(), "systemd");
    assert!(machine.run("ps --no-headers -e | wc -l")?.stdout.trim().parse::<u32>()? < 20);
    Ok(())
}

#[test]
fn stick_is_read_only_and_removable() -> Result<()> {
    let stick = tempfile::tempdir()?;
    write(&stick.path().join("file"), "on the stick")?;
    let (_site, machine) = one_machine("stick", MachineSpec::new("node-1").stick(stick.path()))?;
    assert_eq!(machine.read_file("/media/stick/file")?, b"on the stick");
    let refused = machine.try_run("touch /media/stick/other")?;
    assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    machine.remove_stick()?;
    assert_eq!(machine.run("ls /media/stick")?.stdout, "");
    Ok(())
}

#[test]
fn difference_shows_only_planted_changes() -> Result<()> {
    let (_site, machine) = one_machine("difference", MachineSpec::new("node-1"))?;
    let difference = machine.difference_since_birth()?;
    assert!(difference.is_empty(), "after the first boot:\n{difference}");
    machine.power_cut()?;
    machine.boot()?;
    assert_eq!(machine.wait_settled(Duration::from_mins(1))?, BootState::Running);
    let difference = machine.difference_since_birth()?;
    assert!(difference.is_empty(), "after a power cut and another boot:\n{difference}");

    let plants = [
        (Category::File, "mkdir -p /var/lib/landfall && echo data > /var/lib/landfall/data", "/var/lib/landfall/data"),
        (Category::File, "printf x >> /etc/hosts", "/etc/hosts"),
        (Category::File, "chmod 0600 /etc/hostname", "/etc/hostname"),
        (Category::File, "chown 7:7 /etc/debian_version", "/etc/debian_version"),
        (Category::File, "rm /etc/issue", "/etc/issue"),
        (Category::File, "ln -s nowhere /etc/planted", "/etc/planted"),
        (Category::Runtime, "touch /run/planted", "/run/planted"),
        (Category::Mount, "mount -t tmpfs planted /mnt", "/mnt"),
        (Category::Link, "ip link add planted type bridge", "planted"),
        (Category::Address, "ip address add 10.99.0.200/24 dev eth0", "eth0 10.99.0.200/24"),
        (Category::Route, "ip route add 198.51.100.0/24 dev eth0", "-4 route 198.51.100.0/24 dev eth0 scope link"),
        (Category::Setting, "sysctl -w net.ipv4.ip_forward=1", "net.ipv4.ip_forward"),
        (Category::Cgroup, "mkdir /sys/fs/cgroup/pids/planted || mkdir /sys/fs/cgroup/planted", "planted"),
        (Category::Process, "setsid sleep 12345 > /dev/null 2>&1 &", "sleep 12345"),
    ];
    for (category, plant, item) in plants {
        machine.run(plant)?;
        let difference = machine.difference_since_birth()?;
        let found = difference.of(category).any(|change| change.item.ends_with(item));
        assert!(found, "`{plant}` does not show as {category} {item}:\n{difference}");
    }
    // The machine has no nft, so the effect of a container's nft is produced from outside.
    let namespace = format!("--net=/proc/{}/ns/net", machine.first()?.number);
    let planted = Command::new("nsenter").args([&namespace, "nft", "add", "table", "inet", "planted"]).status()?;
    assert!(planted.success());
    let difference = machine.difference_since_birth()?;
    assert!(difference.of(Category::Filter).any(|change| change.item == "table inet planted"), "{difference}");

    let count = difference.changes.len();
    let outside = difference.outside(&["/var/lib/landfall"]);
    assert_eq!(outside.changes.len(), count - 2, "folder and file of the data folder are left out, and nothing else");
    Ok(())
}

#[test]
fn killed_caller_leaves_nothing() -> Result<()> {
    let (_living, machine) = one_machine("living", MachineSpec::new("node-1"))?;
    let name = Site::unique_name("killed");
    let mut caller =
        Command::new(builds::xtask()).args(["site", "up", &name]).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let doomed = wait_until("the machine of the other caller", Duration::from_mins(1), || {
        ensure!(caller.try_wait()?.is_none(), "the other caller ended");
        Ok(Site::open(&name).and_then(|site| site.find("node-1")).ok().filter(|found| found.first().is_ok()))
    })?;
    let (first, switch) = (doomed.first()?, doomed.switch().process().clone());
    doomed.run("setsid sleep 54321 > /dev/null 2>&1 &")?;
    let folder = doomed.disk().parent().context("a disk is in a folder")?.display().to_string();
    assert_eq!(doomed.loop_devices()?.len(), 1);

    caller.kill()?;
    caller.wait()?;
    assert!(first.wait(Duration::from_secs(10))? && switch.wait(Duration::from_secs(10))?);
    wait_until("the release of the disk", Duration::from_secs(10), || {
        Ok(doomed.loop_devices()?.is_empty().then_some(()))
    })?;
    assert!(!std::fs::read_to_string("/proc/self/mounts")?.contains(&folder));
    let sleeps = Command::new("pgrep").args(["-f", "sleep 54321"]).output()?.stdout;
    assert_eq!(String::from_utf8(sleeps)?, "", "a process of the machine is left");

    let next = Site::new(&Site::unique_name("next"))?;
    let swept = Site::open(&name).unwrap_err().to_string();
    assert_eq!(swept, format!("there is no site named {name}"), "the dead site was not swept");
    assert!(!Path::new(&folder).exists(), "the dead site was not swept");
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", &format!("landfall-{name}-*")]).output()?.stdout;
    assert_eq!(String::from_utf8(groups)?, "", "a cgroup of the dead site is left");
    machine.run("true").context("the sweep hit a living site")?;
    next.down()
}

/// A kernel setting that all machines share with the host, and that neither a Debian nor a kubelet sets.
const SHARED: &str = "/proc/sys/vm/page-cluster";

fn shared_setting() -> Result<String> {
    Ok(std::fs::read_to_string(SHARED)?.trim().to_owned())
}

/// Guard that restores the setting when dropped.
struct PutBack(String);

impl Drop for PutBack {
    fn drop(&mut self) {
        if let Err(error) = write(Path::new(SHARED), &self.0) {
            landfall_xtask::printer::failure(&error);
        }
    }
}

/// Sites with a separate cache, which shares only the disk template. Sites in the default cache, and its record of the
/// host, are not involved.
struct OtherCache(tempfile::TempDir);

impl OtherCache {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(Cache::open()?.root().join("debian-archive"))?;
        for kind in ["machine-disk", "machine-root", "debian-archive"] {
            std::os::unix::fs::symlink(Cache::open()?.root().join(kind), folder.path().join(kind))?;
        }
        Ok(Self(folder))
    }

    fn xtask(&self, arguments: &[&str]) -> Command {
        // A background run of the tests may ignore Ctrl-C, and its children would inherit that.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(builds::xtask()).arg("site").args(arguments);
        command.env(CACHE_VARIABLE, self.0.path()).stdin(Stdio::null());
        command
    }

    /// Creates a site with one running machine.
    fn site(&self, name: &str) -> Result<Maker> {
        let mut maker = Maker(self.xtask(&["up", name]).stderr(Stdio::null()).spawn()?);
        wait_until(&format!("the machine of {name}"), Duration::from_mins(1), || {
            ensure!(maker.0.try_wait()?.is_none(), "the maker of {name} ended");
            Ok(self.run(name, &["true"])?.status.success().then_some(()))
        })?;
        Ok(maker)
    }

    fn run(&self, name: &str, program: &[&str]) -> Result<std::process::Output> {
        Ok(self.xtask(&[&["run", name, "--"], program].concat()).output()?)
    }
}

impl Drop for OtherCache {
    /// No other process knows this cache or removes the leftovers of its dead sites.
    fn drop(&mut self) {
        let _ = self.xtask(&["list"]).output();
    }
}

/// The process that created a site. When this value is dropped, it is killed, and its site ends.
struct Maker(Child);

impl Drop for Maker {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn next_site_restores_host_settings() -> Result<()> {
    // The disk template exists afterwards.
    Site::new(&Site::unique_name("template"))?.machine(MachineSpec::new("node-1"))?;
    // No site of the default cache may start now, because it would record the changed setting as the host's own.
    let _turn = Cache::open()?.lock("sites")?;
    let before = shared_setting()?;
    let changed = if before == "3" { "2" } else { "3" };
    let _put_back = PutBack(before.clone());
    let other = OtherCache::new()?;
    let [living, killed, next] = ["living", "killed", "next"].map(|name| Site::unique_name(&format!("shared-{name}")));
    let living_maker = other.site(&living)?;
    let killed_maker = other.site(&killed)?;
    let set = other.run(&killed, &["sysctl", "--write", &format!("vm.page-cluster={changed}")])?;
    ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    assert_eq!(shared_setting()?, changed, "a machine has a {SHARED} of its own");
    drop(killed_maker);

    let listed = String::from_utf8(other.xtask(&["list"]).output()?.stdout)?;
    ensure!(listed.contains(&living) && !listed.contains(&killed), "{listed}");
    assert_eq!(shared_setting()?, changed, "the host's setting was restored while a site was running");
    drop(living_maker);

    let _next_maker = other.site(&next)?;
    assert_eq!(shared_setting()?, before, "the host's setting still has the value of a dead site");
    Ok(())
}

#[test]
fn interrupted_creator_leaves_no_disk() -> Result<()> {
    // The disk template exists afterwards.
    Site::new(&Site::unique_name("template"))?.machine(MachineSpec::new("node-1"))?;
    let (other, name) = (OtherCache::new()?, Site::unique_name("interrupted"));
    let mut maker = other.site(&name)?;
    let folder = other.0.path().join("sites").join(&name);
    ensure!(folder.is_dir(), "there is no {}", folder.display());
    let process = rustix::process::Pid::from_child(&maker.0);
    rustix::process::kill_process(process, rustix::process::Signal::INT)?;
    maker.0.wait()?;
    wait_until("the end of the site's folder", Duration::from_mins(1), || Ok((!folder.exists()).then_some(())))
}

#[test]
fn kept_site_outlives_its_creator() -> Result<()> {
    let name = Site::unique_name("kept");
    let xtask = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = Command::new(builds::xtask()).arg("site").args(arguments).output()?;
        landfall_xtask::printer::note(String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), String::from_utf8(output.stdout)?))
    };
    let _guard = TakeDown(name.clone());
    assert_eq!(xtask(&["up", &name, "--keep"])?.0, Some(0));
    assert_eq!(xtask(&["run", &name, "--", "bash", "-c", "echo here; exit 7"])?, (Some(7), "here\n".to_owned()));
    assert_eq!(xtask(&["up", &name, "--keep"])?.0, Some(1), "a second site of the same name");
    assert_eq!(xtask(&["cut", &name])?.0, Some(0));
    let (_, list) = xtask(&["list"])?;
    assert!(list.contains(&format!("{name} node-1 10.99.0.11 off kept")), "{list}");
    assert_eq!(xtask(&["boot", &name])?.0, Some(0));
    xtask(&["run", &name, "--", "touch", "/etc/planted"])?;
    let (_, difference) = xtask(&["difference", &name])?;
    assert!(difference.starts_with("+ file /etc/planted: file 0644 0:0 0 bytes"), "{difference}");
    assert_eq!(xtask(&["packets", &name])?, (Some(0), String::new()));
    let machine = Site::open(&name)?.find("node-1")?;
    let first = machine.first()?;
    assert_eq!(xtask(&["down", &name])?.0, Some(0));
    assert!(!first.is_alive() && machine.loop_devices()?.is_empty());
    Ok(())
}

/// Guard that ends a kept site even if its test fails.
struct TakeDown(String);

impl Drop for TakeDown {
    fn drop(&mut self) {
        if let Err(error) = Site::open(&self.0).map_or(Ok(()), Site::down) {
            landfall_xtask::printer::failure(&error);
        }
    }
}

#[test]
fn machine_boots_in_seconds() -> Result<()> {
    let (_site, machine) = one_machine("fast", MachineSpec::new("node-1"))?;
    machine.crash()?;
    let start = Instant::now();
    machine.boot()?;
    assert!(start.elapsed() < Duration::from_secs(20), "a boot took {:?}", start.elapsed());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, text: &str) -> Result<()> {
    Ok(std::fs::write(path, text)?)
}
