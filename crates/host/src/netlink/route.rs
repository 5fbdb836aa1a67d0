//! Interfaces, addresses and routes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ACKNOWLEDGE, CREATE_ONLY, Conversation, DUMP, Message, REQUEST, attributes, text};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

const MAIN_TABLE: u8 = 254;
/// `RTPROT_STATIC`: set by an administrator.
const STATIC: u8 = 4;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;
const FAMILY_4: u8 = 2;
const FAMILY_6: u8 = 10;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's interface index.
    pub index: u32,
    /// Name of the interface.
    pub name: String,
    /// MTU in bytes.
    pub mtu: u32,
    /// Index of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// Kind of a virtual interface, such as `bridge` or `veth`.
    pub kind: Option<String>,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length of its network.
    pub prefix: u8,
}

/// A unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// First address; unspecified with prefix 0 for the default route.
    pub destination: IpAddr,
    /// Prefix length of the destination.
    pub prefix: u8,
    /// Index of the interface.
    pub index: Option<u32>,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// Metric; lower is preferred.
    pub metric: u32,
}

/// Returns all interfaces.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let conversation = Conversation::open(None)?;
    conversation.send(&Message::new(GET_LINK, REQUEST | DUMP, &[0; 16]).finish())?;
    let answers = conversation.answers()?;
    Ok(answers.iter().filter(|(kind, _)| *kind == NEW_LINK).filter_map(|(_, body)| interface(body)).collect())
}

fn interface(body: &[u8]) -> Option<Interface> {
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let mut found = Interface { index, name: String::new(), mtu: 0, master: None, kind: None };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            3 => found.name = text(value),
            4 => found.mtu = number(value)?,
            10 => found.master = number(value),
            18 => found.kind = attributes(value).iter().find(|(kind, _)| *kind == 1).map(|(_, kind)| text(kind)),
            _ => {}
        }
    }
    Some(found)
}

/// Returns all addresses.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let conversation = Conversation::open(None)?;
    conversation.send(&Message::new(GET_ADDRESS, REQUEST | DUMP, &[0; 8]).finish())?;
    Ok(conversation.answers()?.iter().filter_map(|(_, body)| address(body)).collect())
}

fn address(body: &[u8]) -> Option<InterfaceAddress> {
    let prefix = *body.get(1)?;
    let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let found = attributes(body.get(8..)?);
    // The local address (2) differs from the address (1) on point-to-point links, and is missing for IPv6.
    let value = [2, 1].iter().find_map(|wanted| found.iter().find(|(kind, _)| kind == wanted))?;
    Some(InterfaceAddress { index, address: ip(value.1)?, prefix })
}

/// Returns all unicast routes of the main table.
pub fn routes() -> io::Result<Vec<Route>> {
    let conversation = Conversation::open(None)?;
    conversation.send(&Message::new(GET_ROUTE, REQUEST | DUMP, &[0; 12]).finish())?;
    Ok(conversation.answers()?.iter().filter_map(|(_, body)| route(body)).collect())
}

fn route(body: &[u8]) -> Option<Route> {
    let (family, prefix, table, kind) = (*body.first()?, *body.get(1)?, *body.get(4)?, *body.get(7)?);
    if table != MAIN_TABLE || kind != UNICAST {
        return None;
    }
    let destination = match family {
        FAMILY_4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        FAMILY_6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let mut found = Route { destination, prefix, index: None, gateway: None, metric: 0 };
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => found.destination = ip(value)?,
            4 => found.index = number(value),
            5 => found.gateway = ip(value),
            6 => found.metric = number(value)?,
            _ => {}
        }
    }
    Some(found)
}

/// Adds a route over an interface without a next hop, from this address if it has the same family. An existing route is
/// not an error.
pub fn add_route(destination: IpAddr, prefix: u8, index: u32, source: IpAddr) -> io::Result<()> {
    let source = (source.is_ipv4() == destination.is_ipv4()).then_some(source);
    match change_route(NEW_ROUTE, CREATE_ONLY, destination, prefix, index, source) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        changed => changed,
    }
}

/// Deletes such a route. A missing route is not an error.
pub fn delete_route(destination: IpAddr, prefix: u8, index: u32) -> io::Result<()> {
    match change_route(DELETE_ROUTE, 0, destination, prefix, index, None) {
        // ESRCH: no such route; ENODEV: no such interface.
        Err(error) if matches!(error.raw_os_error(), Some(3 | 19)) => Ok(()),
        changed => changed,
    }
}

fn change_route(
    kind: u16,
    flags: u16,
    destination: IpAddr,
    prefix: u8,
    index: u32,
    source: Option<IpAddr>,
) -> io::Result<()> {
    let family = if destination.is_ipv4() { FAMILY_4 } else { FAMILY_6 };
    let fixed = [family, prefix, 0, 0, MAIN_TABLE, STATIC, SCOPE_LINK, UNICAST, 0, 0, 0, 0];
    let message = Message::new(kind, REQUEST | ACKNOWLEDGE | flags, &fixed)
        .attribute(1, &octets(destination))
        .attribute(4, &index.to_ne_bytes());
    let message = match source {
        Some(source) => message.attribute(7, &octets(source)),
        None => message,
    };
    let conversation = Conversation::open(None)?;
    conversation.send(&message.finish())?;
    conversation.answers().map(|_| ())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Deletes an interface. A missing interface is not an error.
pub fn delete_interface(name: &str) -> io::Result<()> {
    match interfaces()?.into_iter().find(|interface| interface.name == name) {
        Some(found) => delete_link(found.index),
        None => Ok(()),
    }
}

/// Deletes a bridge with the host's ends of its `veth` pairs. A missing bridge is not an error.
///
/// The kernel deletes a pair only when the other end's network namespace is gone. A connection that waits for its peer
/// keeps a namespace for minutes after its last process.
pub fn delete_bridge(name: &str) -> io::Result<()> {
    let found = interfaces()?;
    let Some(bridge) = found.iter().find(|interface| interface.name == name) else { return Ok(()) };
    let is_port = |one: &&Interface| one.master == Some(bridge.index) && one.kind.as_deref() == Some("veth");
    for port in found.iter().filter(is_port) {
        delete_link(port.index)?;
    }
    delete_link(bridge.index)
}

fn delete_link(index: u32) -> io::Result<()> {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    let conversation = Conversation::open(None)?;
    conversation.send(&Message::new(DELETE_LINK, REQUEST | ACKNOWLEDGE, &fixed).finish())?;
    match conversation.answers() {
        // ENODEV: deleted in the meantime.
        Err(error) if error.raw_os_error() == Some(19) => Ok(()),
        deleted => deleted.map(|_| ()),
    }
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use landfall_media::mounted::in_own_network;

    use super::*;

    #[test]
    fn own_loopback_is_seen() {
        let interface = interfaces().unwrap().into_iter().find(|interface| interface.name == "lo").unwrap();
        let loopback = addresses().unwrap().into_iter().find(|address| address.address.is_loopback()).unwrap();
        assert_eq!(loopback.index, interface.index);
        assert!(interface.mtu > 0);
        routes().unwrap();
    }

    #[test]
    fn bridge_is_deleted_with_its_pairs() {
        let test = "netlink::route::tests::bridge_is_deleted_with_its_pairs";
        if !in_own_network(
            test,
            "ip link add bridge0 type bridge; ip link add other0 type veth peer name other1
                 unshare --net sleep 60 > /dev/null 2>&1 & pod=$!; trap \"kill $pod\" EXIT
                 until [ \"$(readlink /proc/$pod/ns/net)\" != \"$(readlink /proc/$$/ns/net)\" ]; do sleep 0.1; done
                 ip link add pod0 type veth peer name eth0 netns $pod; ip link set pod0 master bridge0 up",
        ) {
            return;
        }
        let names = || interfaces().unwrap().into_iter().map(|one| one.name).collect::<std::collections::BTreeSet<_>>();
        assert!(names().contains("pod0") && names().contains("bridge0"), "{:?}", names());
        delete_bridge("bridge0").unwrap();
        assert!(!names().contains("pod0") && !names().contains("bridge0"), "{:?}", names());
        assert!(names().contains("other0"), "another pair was deleted");
        delete_bridge("bridge0").unwrap();
    }

    #[test]
    fn local_routes_are_skipped() {
        let mut body = vec![FAMILY_4, 0, 0, 0, MAIN_TABLE, 3, 0, UNICAST, 0, 0, 0, 0];
        body.extend([8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 4, 0, 2, 0, 0, 0]);
        let expected = Route {
            destination: Ipv4Addr::UNSPECIFIED.into(),
            prefix: 0,
            index: Some(2),
            gateway: Some(IpAddr::from([10, 0, 0, 1])),
            metric: 0,
        };
        assert_eq!(route(&body), Some(expected));
        body[4] = 255;
        assert_eq!(route(&body), None);
    }
}
