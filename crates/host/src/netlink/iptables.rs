//! Chains that a program created through iptables, in its nftables tables. An uninstall removes the kubelet's chains
//! without the program `iptables`, and any tables that are then empty.

use std::io;

use rustix::net::netlink::NETFILTER;

use super::nft::{Table, delete_table};
use super::{ACKNOWLEDGE, Conversation, DUMP, Message, REQUEST, attributes, text};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's kind.
const NFTABLES: u16 = 10 << 8;
const GET_CHAIN: u16 = NFTABLES | 4;
const DELETE_CHAIN: u16 = NFTABLES | 5;
const GET_RULE: u16 = NFTABLES | 7;
const DELETE_RULE: u16 = NFTABLES | 8;
/// The subsystem's number in network order, as a batch names it.
const BATCH: [u8; 4] = [0, 0, 0, 10];
/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;

#[derive(Debug, PartialEq, Eq)]
struct Chain {
    name: String,
    /// Verdict at its end; `None` for a chain that is only jumped to.
    policy: Option<u32>,
}

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    chain: String,
    /// Its handle, in network order.
    handle: Vec<u8>,
    /// The chain that it jumps to, if its verdict is only that.
    jumps_to: Option<String>,
}

/// Deletes these chains of a table, with the rules that jump to them. Missing chains are not an error.
pub fn delete_chains(table: &Table, names: &[&str]) -> io::Result<()> {
    let is_named = |name: &str| names.contains(&name);
    let found: Vec<Chain> = chains(table)?.into_iter().filter(|chain| is_named(&chain.name)).collect();
    if found.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for rule in rules(table)? {
        if is_named(&rule.chain) || rule.jumps_to.as_deref().is_some_and(is_named) {
            changes.push(
                request(DELETE_RULE, 0, table).attribute(2, &nul_terminated(&rule.chain)).attribute(3, &rule.handle),
            );
        }
    }
    for (index, chain) in found.iter().enumerate() {
        // Only the last change is acknowledged; an earlier failure is reported before it.
        let flags = if index + 1 == found.len() { ACKNOWLEDGE } else { 0 };
        changes.push(request(DELETE_CHAIN, flags, table).attribute(3, &nul_terminated(&chain.name)));
    }
    carry_out(changes.into_iter().map(Message::finish))
}

/// Deletes a table if it has no rule, and only base chains that accept.
pub fn delete_if_idle(table: &Table) -> io::Result<()> {
    let is_idle = |chain: &Chain| chain.policy == Some(ACCEPT);
    if rules(table)?.is_empty() && chains(table)?.iter().all(is_idle) {
        delete_table(table)?;
    }
    Ok(())
}

/// Sends all changes as one transaction, which the kernel applies as a whole or not at all; the last one requests an
/// acknowledgement.
fn carry_out(changes: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut bytes = Message::new(BATCH_BEGIN, REQUEST, &BATCH).finish();
    for change in changes {
        bytes.extend(change);
    }
    bytes.extend(Message::new(BATCH_END, REQUEST, &BATCH).finish());
    let conversation = Conversation::open(Some(NETFILTER))?;
    conversation.send(&bytes)?;
    conversation.answers().map(drop)
}

fn request(kind: u16, flags: u16, table: &Table) -> Message {
    Message::new(kind, REQUEST | flags, &[table.family, 0, 0, 0]).attribute(1, &nul_terminated(&table.name))
}

fn nul_terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn dump(kind: u16, table: &Table) -> io::Result<Vec<Vec<u8>>> {
    let conversation = Conversation::open(Some(NETFILTER))?;
    conversation.send(&request(kind, DUMP, table).finish())?;
    let bodies = conversation.answers()?.into_iter().map(|(_, body)| body);
    // Older kernels do not filter.
    Ok(bodies.filter(|body| is_of(body, table)).collect())
}

fn is_of(body: &[u8], table: &Table) -> bool {
    body.first() == Some(&table.family) && find(fields(body), 1).is_some_and(|name| text(name) == table.name)
}

fn chains(table: &Table) -> io::Result<Vec<Chain>> {
    let chain = |body: &Vec<u8>| {
        let policy = find(fields(body), 5).and_then(|policy| Some(u32::from_be_bytes(policy.try_into().ok()?)));
        Some(Chain { name: text(find(fields(body), 3)?), policy })
    };
    Ok(dump(GET_CHAIN, table)?.iter().filter_map(chain).collect())
}

fn rules(table: &Table) -> io::Result<Vec<Rule>> {
    Ok(dump(GET_RULE, table)?.iter().filter_map(|body| rule(body)).collect())
}

fn rule(body: &[u8]) -> Option<Rule> {
    let expressions = attributes(find(fields(body), 4).unwrap_or_default());
    Some(Rule {
        chain: text(find(fields(body), 2)?),
        handle: find(fields(body), 3)?.to_vec(),
        jumps_to: expressions.into_iter().find_map(|(_, expression)| jump(expression)),
    })
}

/// Returns the target of an expression `immediate` whose verdict is a jump.
fn jump(expression: &[u8]) -> Option<String> {
    if text(find(expression, 1)?) != "immediate" {
        return None;
    }
    let verdict = find(find(find(expression, 2)?, 2)?, 2)?;
    Some(text(find(verdict, 2)?))
}

/// Returns the attributes of a message's body.
fn fields(body: &[u8]) -> &[u8] {
    body.get(4..).unwrap_or_default()
}

fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).into_iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use landfall_media::mounted::in_own_network;

    use super::super::tables;
    use super::*;

    const CHAINS: [&str; 2] = ["KUBE-FIREWALL", "KUBE-KUBELET-CANARY"];

    /// Runs in its own network namespace, with the iptables of this machine: the kubelet's chains, and another
    /// program's rule next to them.
    #[test]
    fn only_kubelet_chains_are_removed() {
        let test = "netlink::iptables::tests::only_kubelet_chains_are_removed";
        if !in_own_network(test, "") {
            return;
        }
        let iptables = |line: &str| {
            let ran = Command::new("iptables-nft").args(line.split(' ')).output().unwrap();
            assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
            String::from_utf8(ran.stdout).unwrap()
        };
        for table in ["filter", "mangle"] {
            for line in [
                "-N KUBE-KUBELET-CANARY",
                "-N KUBE-FIREWALL",
                "-A KUBE-FIREWALL -d 127.0.0.0/8 -j DROP",
                "-I INPUT -j KUBE-FIREWALL",
                "-I OUTPUT -j KUBE-FIREWALL",
            ] {
                iptables(&format!("-t {table} {line}"));
            }
        }
        iptables("-t filter -A INPUT -p tcp --dport 4444 -j DROP");
        let table = |name: &str| Table { family: 2, name: name.to_owned() };
        for _ in 0..2 {
            for name in ["filter", "mangle"] {
                delete_chains(&table(name), &CHAINS).unwrap();
            }
        }
        let left = iptables("-t filter -S");
        assert!(!left.contains("KUBE") && left.contains("--dport 4444 -j DROP"), "{left}");
        for name in ["filter", "mangle"] {
            delete_if_idle(&table(name)).unwrap();
        }
        assert_eq!(tables().unwrap(), [table("filter")]);
        // A policy that drops is another program's decision.
        iptables("-t filter -F INPUT");
        iptables("-t filter -P INPUT DROP");
        delete_if_idle(&table("filter")).unwrap();
        assert_eq!(tables().unwrap(), [table("filter")]);
        iptables("-t filter -P INPUT ACCEPT");
        delete_if_idle(&table("filter")).unwrap();
        assert_eq!(tables().unwrap(), []);
    }
}
