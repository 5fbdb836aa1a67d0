//! The kernel's notifications of deletions in the packet filter. A table that is deleted, rewritten and deleted again
//! between two checks seems to have been missing all along; the notifications report both deletions.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, sockopt};

use super::nft::NFTABLES;
use super::{RECEIVE_BYTES, attributes, split_message, text};

/// The multicast group `NFNLGRP_NFTABLES` (7), as a bit.
const GROUP: u32 = 1 << 6;
const DELETED_TABLE: u16 = NFTABLES | 2;
const DELETED_RULE: u16 = NFTABLES | 8;

/// Maximum bytes of queued notifications: a firewall of ten thousand rules is flushed in one transaction.
const WAITING_BYTES: usize = 16 << 20;

/// Subscription to deletions.
#[derive(Debug)]
pub struct Deletions {
    socket: OwnedFd,
}

/// A deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// These tables, or rules in them, of any address family.
    Tables(Vec<String>),
    /// Unknown: the kernel had more notifications than the queue holds.
    Unknown,
}

impl Deletions {
    /// Subscribes to this process's network namespace. Requires `CAP_NET_ADMIN`.
    pub fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        sockopt::set_socket_recv_buffer_size_force(&socket, WAITING_BYTES)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUP))?;
        Ok(Self { socket })
    }

    /// Waits for the next deletion.
    pub fn next(&self) -> io::Result<Deletion> {
        let mut buffer = vec![0; RECEIVE_BYTES];
        loop {
            let length = match rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(rustix::io::Errno::NOBUFS) => return Ok(Deletion::Unknown),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let tables = deleted_tables(&buffer[..length]);
            if !tables.is_empty() {
                return Ok(Deletion::Tables(tables));
            }
        }
    }
}

/// Returns the tables of one datagram's deletions, each once.
fn deleted_tables(mut bytes: &[u8]) -> Vec<String> {
    let mut tables = Vec::new();
    while let Some((kind, body, next)) = split_message(bytes) {
        bytes = next;
        if !matches!(kind, DELETED_TABLE | DELETED_RULE) {
            continue;
        }
        // In both kinds of message, the first attribute is the table's name.
        let name = attributes(body.get(4..).unwrap_or_default()).into_iter().find(|(kind, _)| *kind == 1);
        if let Some(name) = name.map(|(_, name)| text(name)).filter(|name| !tables.contains(name)) {
            tables.push(name);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use landfall_media::mounted::in_own_network;

    use super::*;

    #[test]
    fn deleted_tables_and_rules_are_noticed() {
        if !in_own_network(
            "netlink::deletions::tests::deleted_tables_and_rules_are_noticed",
            "nft 'table ip kube-proxy { chain input { type filter hook input priority 0; counter; }; }
                      table inet other { chain input { counter; }; }'",
        ) {
            return;
        }
        let deletions = Deletions::subscribe().unwrap();
        let nft = |line: &str| assert!(Command::new("nft").arg(line).status().unwrap().success(), "{line}");
        nft("add table ip unrelated; flush table inet other");
        assert_eq!(deletions.next().unwrap(), Deletion::Tables(vec!["other".to_owned()]));
        nft("flush ruleset");
        let mut found = Vec::new();
        while found.len() < 3 {
            let Deletion::Tables(tables) = deletions.next().unwrap() else { panic!("notices were lost") };
            found.extend(tables);
            found.sort();
            found.dedup();
        }
        assert_eq!(found, ["kube-proxy", "other", "unrelated"]);
    }
}
