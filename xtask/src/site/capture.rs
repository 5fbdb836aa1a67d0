//! Reader of the switch's recording: a pcap file of Ethernet frames, whose end may still be incomplete.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

/// A packet for an address outside the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignPacket {
    /// Time at which it passed the switch, since 1970.
    pub time: Duration,
    /// Sender of the packet.
    pub source: IpAddr,
    /// Destination outside the site. For ARP, the requested address.
    pub destination: IpAddr,
    /// `icmp`, `tcp 443`, `udp 53`, `arp`, `protocol 47`…
    pub protocol: String,
    /// Requested name, if it is a DNS query.
    pub question: Option<String>,
}

impl std::fmt::Display for ForeignPacket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.time.as_secs_f64();
        write!(formatter, "{seconds:.6} {} > {} {}", self.source, self.destination, self.protocol)
    }
}

const GLOBAL_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// Parses a recording. An incomplete last packet is left for the next call.
pub fn parse(content: &[u8]) -> Result<Vec<ForeignPacket>> {
    if content.len() < GLOBAL_HEADER {
        return Ok(Vec::new());
    }
    ensure!(content[..4] == 0xa1b2_c3d4_u32.to_le_bytes(), "the recording of the switch is not a pcap file");
    ensure!(content[20..24] == 1_u32.to_le_bytes(), "the recording of the switch is not of Ethernet frames");
    let mut rest = &content[GLOBAL_HEADER..];
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(PACKET_HEADER) {
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let Some((frame, next)) = after.split_at_checked(number(8) as usize) else { break };
        let time = Duration::new(number(0).into(), number(4) * 1000);
        match parse_frame(frame) {
            Some((source, destination, protocol)) => {
                let question = (protocol == "udp 53").then(|| question(frame)).flatten();
                packets.push(ForeignPacket { time, source, destination, protocol, question });
            }
            None => bail!("the switch recorded a frame that is neither IP nor ARP: {}", hex::encode(frame)),
        }
        rest = next;
    }
    Ok(packets)
}

fn parse_frame(frame: &[u8]) -> Option<(IpAddr, IpAddr, String)> {
    let (kind, body) = frame.get(12..)?.split_at_checked(2)?;
    match kind {
        [0x08, 0x00] => {
            let header = usize::from(body.first()? & 0x0f) * 4;
            Some((ipv4(body, 12)?, ipv4(body, 16)?, protocol(*body.get(9)?, body.get(header..))))
        }
        [0x08, 0x06] => Some((ipv4(body, 14)?, ipv4(body, 24)?, "arp".to_owned())),
        [0x86, 0xdd] => Some((ipv6(body, 8)?, ipv6(body, 24)?, protocol(*body.get(6)?, body.get(40..)))),
        _ => None,
    }
}

/// Returns the name in a DNS query over IPv4, with a dot after each label. The root is a single dot.
fn question(frame: &[u8]) -> Option<String> {
    const ETHERNET: usize = 14;
    const UDP: usize = 8;
    const DNS: usize = 12;
    let header = usize::from(frame.get(ETHERNET)? & 0x0f) * 4;
    let mut rest = frame.get(ETHERNET + header + UDP + DNS..)?;
    let mut name = String::new();
    while let Some((length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, after) = after.split_at_checked(usize::from(*length))?;
        name.push_str(&String::from_utf8_lossy(label));
        name.push('.');
        rest = after;
    }
    Some(if name.is_empty() { ".".to_owned() } else { name })
}

fn ipv4(body: &[u8], at: usize) -> Option<IpAddr> {
    let bytes: [u8; 4] = body.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes).into())
}

fn ipv6(body: &[u8], at: usize) -> Option<IpAddr> {
    let bytes: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

fn protocol(number: u8, payload: Option<&[u8]>) -> String {
    let port = payload.and_then(|payload| payload.get(2..4)).map(|port| u16::from_be_bytes([port[0], port[1]]));
    match (number, port) {
        (1 | 58, _) => "icmp".to_owned(),
        (6, Some(port)) => format!("tcp {port}"),
        (17, Some(port)) => format!("udp {port}"),
        _ => format!("protocol {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(frames: &[&[u8]]) -> Vec<u8> {
        let mut content = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        content.resize(20, 0);
        content.extend(1_u32.to_le_bytes());
        for frame in frames {
            let size = u32::try_from(frame.len()).unwrap();
            for number in [7, 5, size, size] {
                content.extend(u32::to_le_bytes(number));
            }
            content.extend(*frame);
        }
        content
    }

    fn ping() -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 99, 0, 11, 198, 51, 100, 7]);
        frame.extend([8, 0, 0, 0, 0, 0, 0, 0]);
        frame
    }

    #[test]
    fn truncated_packet_is_postponed() {
        let mut content = recording(&[&ping(), &ping()]);
        assert_eq!(parse(&content).unwrap().len(), 2);
        content.truncate(content.len() - 1);
        let packets = parse(&content).unwrap();
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].to_string(), "7.000005 10.99.0.11 > 198.51.100.7 icmp");
    }

    #[test]
    fn nameserver_question_is_parsed() {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 10, 99, 0, 11, 10, 99, 0, 1]);
        frame.extend([0x80, 0, 0, 53, 0, 40, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        frame.extend(b"\x04call\x04home\x00\x00\x01\x00\x01");
        let packets = parse(&recording(&[&frame, &ping()])).unwrap();
        assert_eq!(packets[0].question.as_deref(), Some("call.home."));
        assert_eq!(packets[1].question, None);
    }

    #[test]
    fn malformed_capture_is_error() {
        let refused = |content: &[u8]| parse(content).unwrap_err().to_string();
        let error = refused(&recording(&[&[0; 14]]));
        assert!(error.starts_with("the switch recorded a frame that is neither IP nor ARP"), "{error}");
        assert_eq!(refused(&[0; 64]), "the recording of the switch is not a pcap file");
    }
}
