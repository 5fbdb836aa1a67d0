//! The switch that joins the machines of a site: a bridge without an uplink, which records packets for addresses
//! outside.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use landfall_launcher::packages;

use super::capture::{self, ForeignPacket};
use super::process::{ProcessId, wait_until};
use super::spawn::{self, Lifetime};
use super::{files, tool};
use crate::setup;

/// Gateway that a machine may have. It answers ARP and drops everything: a default route that leads nowhere.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// Address of the documentation range, used only for the packet that proves the recording works.
const MARKER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const SCRIPT: &str = include_str!("switch.sh");

/// Packets for addresses that no machine of the site has: unicast, wide multicast, and ARP for a foreign address.
/// Addresses that never leave a link (link-local, 224.0.0.0/24, limited broadcast) are not foreign. Queries to the
/// gateway's nameserver are recorded as well, because software that phones home resolves a name first.
const FILTER: &str = "(dst host 10.99.0.1 and dst port 53) or (ip and not (dst net 10.99.0.0/24 or dst net \
    224.0.0.0/24 or dst host 255.255.255.255)) or (arp and not arp dst net 10.99.0.0/24) or (ip6 and not (dst net \
    fe80::/10 or dst net ff02::/16 or dst net ff01::/16))";

/// A running switch.
#[derive(Clone, Debug)]
pub struct Switch {
    process: ProcessId,
    capture: PathBuf,
}

impl Switch {
    /// Starts a switch that records into the given folder. Returns once it is recording.
    pub fn start(folder: &Path, lifetime: Lifetime) -> Result<Self> {
        setup::ensure_packages(packages::SWITCH)?;
        let capture = folder.join("foreign.pcap");
        let log = folder.join("switch.log");
        let variables = [
            ("GATEWAY", GATEWAY.to_string()),
            ("MARKER", MARKER.to_string()),
            ("CAPTURE", capture.display().to_string()),
            ("FILTER", FILTER.to_owned()),
        ];
        let script = folder.join("switch.sh");
        files::write(&script, SCRIPT)?;
        let process = spawn::script(&script, &variables, lifetime, &log)?;
        wait_until("the start of the switch", Duration::from_secs(10), || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            ensure!(process.is_alive(), "the switch did not start: {}", text.trim());
            Ok(text.contains("listening on").then_some(()))
        })?;
        Ok(Self { process, capture })
    }

    /// Returns the switch with a recorded process and folder.
    pub fn from_record(folder: &Path, process: ProcessId) -> Self {
        Self { process, capture: folder.join("foreign.pcap") }
    }

    /// Returns the process whose network namespace is the switch.
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// Disconnects an ended machine from the switch. Half-closed sockets keep its network namespace for minutes, in
    /// which the kernel would continue to answer for it.
    pub(super) fn unplug(&self, number: u8) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.process.number));
        command.args(["--net", "ip", "link", "delete", &format!("port{number}")]);
        if self.process.is_alive() {
            // In most cases, the port has already disappeared with the machine.
            let _ = tool::output(&mut command);
        }
    }

    /// Returns every packet for a foreign address since the switch started, without queries to the gateway.
    pub fn foreign_packets(&self) -> Result<Vec<ForeignPacket>> {
        let mut packets = self.recorded_packets()?;
        packets.retain(|packet| packet.destination != GATEWAY);
        Ok(packets)
    }

    /// Returns every name that was requested from the gateway's nameserver since the switch started. It answers none of
    /// them. CoreDNS's own probes of its nameserver are left out: the root, and two random numbers.
    pub fn asked_names(&self) -> Result<Vec<String>> {
        let packets = self.recorded_packets()?.into_iter().filter(|packet| packet.destination == GATEWAY);
        let names = packets.map(|packet| packet.question.unwrap_or_else(|| packet.protocol.clone()));
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let is_own = |name: &String| name == "." || name.trim_end_matches('.').split('.').all(is_number);
        Ok(names.filter(|name| !is_own(name)).collect())
    }

    /// Returns every recorded packet since the switch started.
    ///
    /// A marker packet is sent first and must appear in the recording. So an empty result means that there were no
    /// packets, and packets from before the call are included.
    fn recorded_packets(&self) -> Result<Vec<ForeignPacket>> {
        ensure!(self.process.is_alive(), "the switch has ended, so packets for foreign addresses were not recorded");
        let nanoseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
        let port = 1024 + nanoseconds % 60_000;
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.process.number));
        command.args(["--net", "bash", "-c", &format!("echo marker > /dev/udp/{MARKER}/{port}")]);
        let proof = format!("udp {port}");
        let sent = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        tool::output(&mut command).context("cannot send the marker packet through the switch")?;
        let packets = wait_until("the marker packet's appearance in the recording", Duration::from_mins(1), || {
            let content = std::fs::read(&self.capture).context("cannot read the recording of the switch")?;
            let packets = capture::parse(&content)?;
            let seen = packets
                .iter()
                .any(|packet| packet.destination == MARKER && packet.protocol == proof && packet.time + SKEW >= sent);
            Ok(seen.then_some(packets))
        })?;
        let own = |packet: &ForeignPacket| packet.source == GATEWAY && packet.destination == MARKER;
        Ok(packets.into_iter().filter(|packet| !own(packet)).collect())
    }
}

/// Timestamps have microseconds, so one may be slightly before the moment of sending.
const SKEW: Duration = Duration::from_millis(1);
