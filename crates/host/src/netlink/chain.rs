//! Chains and rules of the packet filter: the packets that a chain accepts or drops, whatever its other rules say.
//!
//! Only rules with a simple condition count: an interface or address range that packets come from or go to. Rules with
//! any other condition are ignored.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::nft::{NFTABLES, dump};
use super::{attributes, interfaces, text};

const GET_CHAIN: u16 = NFTABLES | 4;
const GET_RULE: u16 = NFTABLES | 7;

/// `NF_INET_LOCAL_IN` and `NF_INET_FORWARD`.
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const POLICY_DROP: u32 = 0;
/// Verdicts of a rule, as the kernel numbers them.
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

/// Hook at which a chain sees packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Packets for this host.
    Input,
    /// Packets that the host forwards.
    Forward,
    /// Any other hook.
    Other,
}

/// A chain of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Address family: 2 for `ip`, 10 for `ip6`, 1 for `inet`.
    pub family: u8,
    /// Table of the chain.
    pub table: String,
    /// Name of the chain.
    pub name: String,
    /// Its hook and its priority there; `None` if it is only reached by jumps.
    pub hook: Option<(Hook, i32)>,
    /// True if it drops packets that no rule decides.
    pub drops: bool,
    /// Number of its rules and of jumps to it, together.
    pub uses: u32,
}

/// Outcome for packets in a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Source interfaces and ranges from which everything is accepted; `*` for all.
    pub accepts: Vec<String>,
    /// Destination interfaces and ranges to which everything is accepted.
    pub accepts_to: Vec<String>,
    /// Source interfaces and ranges from which everything not accepted before is dropped.
    pub drops: Vec<String>,
    /// Destination interfaces and ranges to which everything not accepted before is dropped.
    pub drops_to: Vec<String>,
    /// True if the rest is dropped or rejected, by the policy or by a catch-all rule.
    pub drops_rest: bool,
}

impl Outcome {
    /// Records a rule that accepts or drops everything in one direction, for one interface or range, or `*` for every
    /// packet. The first rule about it decides.
    pub fn decide(&mut self, way: Way, which: &str, drops: bool) {
        let (accepted, dropped) = match way {
            Way::From => (&mut self.accepts, &mut self.drops),
            Way::To => (&mut self.accepts_to, &mut self.drops_to),
        };
        if accepted.iter().chain(dropped.iter()).all(|known| known != which) {
            if drops { dropped } else { accepted }.push(which.to_owned());
        }
    }
}

/// Effect of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    family: u8,
    table: String,
    chain: String,
    condition: Condition,
    verdict: Option<(i32, String)>,
}

/// Condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// Every packet.
    None,
    /// Packets that arrived on an interface with this name (`cni*` for a prefix), or from this range (`10.0.0.0/8`).
    From(String),
    /// Packets that leave by an interface with this name, or go to this range.
    To(String),
    /// Any other condition.
    Other,
}

/// Returns all chains; empty on a kernel without nftables.
pub fn chains() -> io::Result<Vec<Chain>> {
    Ok(dump(GET_CHAIN)?.iter().filter_map(|body| chain(body)).collect())
}

fn chain(body: &[u8]) -> Option<Chain> {
    let mut found =
        Chain { family: *body.first()?, table: String::new(), name: String::new(), hook: None, drops: false, uses: 0 };
    for (kind, value) in attributes(body.get(4..)?) {
        match kind {
            1 => found.table = text(value),
            3 => found.name = text(value),
            4 => found.hook = hook(value),
            5 => found.drops = big_endian(value)? == POLICY_DROP,
            6 => found.uses = big_endian(value)?,
            _ => {}
        }
    }
    Some(found)
}

fn hook(value: &[u8]) -> Option<(Hook, i32)> {
    let (mut number, mut priority) = (None, 0);
    for (kind, value) in attributes(value) {
        match kind {
            1 => number = big_endian(value),
            2 => priority = big_endian(value)?.cast_signed(),
            _ => {}
        }
    }
    let hook = match number? {
        INPUT => Hook::Input,
        FORWARD => Hook::Forward,
        _ => Hook::Other,
    };
    Some((hook, priority))
}

/// Returns the outcome for packets in each of these chains, including the chains to which they jump on every packet.
pub fn outcomes(chains: &[Chain]) -> io::Result<Vec<Outcome>> {
    let names = interfaces()?;
    let name = |index: u32| names.iter().find(|interface| interface.index == index).map(|found| found.name.clone());
    let rules: Vec<Rule> = dump(GET_RULE)?.iter().filter_map(|body| rule(body, &name)).collect();
    Ok(chains.iter().map(|chain| outcome(chain, &rules)).collect())
}

fn outcome(chain: &Chain, rules: &[Rule]) -> Outcome {
    let mut walk = Walk { chain, rules, entered: BTreeSet::new(), found: Outcome::default() };
    // The policy applies to packets that no rule matches.
    let drops_rest = walk.through(&chain.name).unwrap_or(chain.drops);
    let Outcome { accepts, accepts_to, drops, drops_to, .. } = walk.found;
    let [accepts, accepts_to, drops, drops_to] = [accepts, accepts_to, drops, drops_to].map(sorted_names);
    Outcome { accepts, accepts_to, drops, drops_to, drops_rest }
}

fn sorted_names(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// Walk of a packet through a chain and those that it jumps to, rule by rule.
struct Walk<'a> {
    chain: &'a Chain,
    rules: &'a [Rule],
    entered: BTreeSet<&'a str>,
    found: Outcome,
}

impl<'a> Walk<'a> {
    /// Returns true if every packet that reaches the end of a chain is dropped; `None` if it continues in the calling
    /// chain.
    fn through(&mut self, name: &'a str) -> Option<bool> {
        if !self.entered.insert(name) {
            return None;
        }
        let (chain, rules) = (self.chain, self.rules);
        let is_here = |rule: &&Rule| rule.family == chain.family && rule.table == chain.table && rule.chain == name;
        for rule in rules.iter().filter(is_here) {
            let Some((code, target)) = &rule.verdict else { continue };
            match (&rule.condition, *code) {
                (Condition::From(which), ACCEPT | DROP) => self.found.decide(Way::From, which, *code == DROP),
                (Condition::To(which), ACCEPT | DROP) => self.found.decide(Way::To, which, *code == DROP),
                (Condition::None, ACCEPT) => {
                    self.found.decide(Way::From, "*", false);
                    return Some(false);
                }
                (Condition::None, DROP) => return Some(true),
                (Condition::None, RETURN) => return None,
                (Condition::None, JUMP) => {
                    let end = self.through(target);
                    if end.is_some() {
                        return end;
                    }
                }
                // Packets do not return from this chain.
                (Condition::None, GOTO) => return self.through(target),
                _ => {}
            }
        }
        None
    }
}

fn rule(body: &[u8], name: &dyn Fn(u32) -> Option<String>) -> Option<Rule> {
    let mut found = Rule {
        family: *body.first()?,
        table: String::new(),
        chain: String::new(),
        condition: Condition::None,
        verdict: None,
    };
    for (kind, value) in attributes(body.get(4..)?) {
        match kind {
            1 => found.table = text(value),
            2 => found.chain = text(value),
            4 => (found.condition, found.verdict) = expressions(value, name),
            _ => {}
        }
    }
    Some(found)
}

/// Direction of a packet relative to the subject of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The packet comes from it.
    From,
    /// The packet goes to it.
    To,
}

impl Way {
    /// Returns the condition that names this interface or range.
    fn condition(self, name: String) -> Condition {
        match self {
            Self::From => Condition::From(name),
            Self::To => Condition::To(name),
        }
    }
}

/// The last loaded value, for the next comparison.
enum LoadedValue {
    Nothing,
    InterfaceName(Way),
    InterfaceIndex(Way),
    /// The protocol, which a comparison of addresses also requires.
    Protocol,
    /// The first bytes of an address, with a mask.
    Address {
        way: Way,
        is_ipv4: bool,
        mask: Option<Vec<u8>>,
    },
    Other,
}

fn expressions(list: &[u8], name: &dyn Fn(u32) -> Option<String>) -> (Condition, Option<(i32, String)>) {
    let (mut condition, mut verdict, mut loaded) = (Condition::None, None, LoadedValue::Nothing);
    for (_, expression) in attributes(list) {
        let parts = attributes(expression);
        let value = |wanted: u16| parts.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
        let kind = value(1).map(text).unwrap_or_default();
        let data = value(2).map(attributes).unwrap_or_default();
        match kind.as_str() {
            "meta" => loaded = load_meta(&data),
            "payload" => loaded = load_payload(&data),
            "bitwise" => loaded = mask(loaded, &data),
            "cmp" => {
                let compared = compare(&std::mem::replace(&mut loaded, LoadedValue::Nothing), &data, name);
                condition = match (condition, compared) {
                    (condition, Condition::None) => condition,
                    (Condition::None, compared) => compared,
                    _ => Condition::Other,
                };
            }
            "immediate" => verdict = verdict_of(&data).or(verdict),
            "reject" => verdict = Some((DROP, String::new())),
            // iptables over nftables rejects and logs through its own extensions.
            "target" if is_target(&data, "REJECT") => verdict = Some((DROP, String::new())),
            "target" if is_target(&data, "LOG") => {}
            "counter" | "log" => {}
            _ => condition = Condition::Other,
        }
    }
    (condition, verdict)
}

/// Returns the value of an attribute.
fn of<'a>(attributes: &[(u16, &'a [u8])], wanted: u16) -> Option<&'a [u8]> {
    attributes.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value)
}

/// Returns the bytes of an attribute that holds data.
fn data_of<'a>(found: &[(u16, &'a [u8])], wanted: u16) -> Option<&'a [u8]> {
    of(&attributes(of(found, wanted)?), 1)
}

fn load_meta(data: &[(u16, &[u8])]) -> LoadedValue {
    // NFT_META_PROTOCOL, IIF, OIF, IIFNAME, OIFNAME, NFPROTO.
    match of(data, 2).and_then(big_endian) {
        Some(4) => LoadedValue::InterfaceIndex(Way::From),
        Some(5) => LoadedValue::InterfaceIndex(Way::To),
        Some(6) => LoadedValue::InterfaceName(Way::From),
        Some(7) => LoadedValue::InterfaceName(Way::To),
        Some(1 | 15) => LoadedValue::Protocol,
        _ => LoadedValue::Other,
    }
}

fn load_payload(data: &[(u16, &[u8])]) -> LoadedValue {
    const NETWORK_HEADER: u32 = 1;
    let number = |kind: u16| of(data, kind).and_then(big_endian);
    // Offsets of the addresses of IPv4 and IPv6.
    let (way, is_ipv4) = match (number(2), number(3), number(4)) {
        (Some(NETWORK_HEADER), Some(12), Some(1..=4)) => (Way::From, true),
        (Some(NETWORK_HEADER), Some(16), Some(1..=4)) => (Way::To, true),
        (Some(NETWORK_HEADER), Some(8), Some(1..=16)) => (Way::From, false),
        (Some(NETWORK_HEADER), Some(24), Some(1..=16)) => (Way::To, false),
        _ => return LoadedValue::Other,
    };
    LoadedValue::Address { way, is_ipv4, mask: None }
}

fn mask(loaded: LoadedValue, data: &[(u16, &[u8])]) -> LoadedValue {
    match (loaded, data_of(data, 4)) {
        (LoadedValue::Address { way, is_ipv4, mask: None }, Some(bytes)) => {
            LoadedValue::Address { way, is_ipv4, mask: Some(bytes.to_vec()) }
        }
        _ => LoadedValue::Other,
    }
}

fn compare(loaded: &LoadedValue, data: &[(u16, &[u8])], name: &dyn Fn(u32) -> Option<String>) -> Condition {
    const EQUAL: u32 = 0;
    let (Some(EQUAL), Some(bytes)) = (of(data, 2).and_then(big_endian), data_of(data, 3)) else {
        return Condition::Other;
    };
    let named = |way: Way, found: Option<String>| found.map_or(Condition::Other, |found| way.condition(found));
    match loaded {
        LoadedValue::Protocol => Condition::None,
        // A whole name ends with a zero byte; without one it is a prefix.
        LoadedValue::InterfaceName(way) if bytes.contains(&0) => way.condition(text(bytes)),
        LoadedValue::InterfaceName(way) => way.condition(format!("{}*", text(bytes))),
        LoadedValue::InterfaceIndex(way) => named(*way, bytes.try_into().ok().map(u32::from_ne_bytes).and_then(name)),
        LoadedValue::Address { way, is_ipv4, mask } => named(*way, range(*is_ipv4, mask.as_deref(), bytes)),
        LoadedValue::Nothing | LoadedValue::Other => Condition::Other,
    }
}

fn range(is_ipv4: bool, mask: Option<&[u8]>, bytes: &[u8]) -> Option<String> {
    let bits = match mask {
        // All one bits come first, as in a prefix.
        Some(mask) => {
            let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
            let leading = mask
                .iter()
                .position(|byte| *byte != 0xff)
                .map_or(ones, |at| u32::try_from(at * 8).unwrap_or(0) + mask[at].leading_ones());
            (ones == leading).then_some(ones)?
        }
        None => u32::try_from(bytes.len() * 8).ok()?,
    };
    if is_ipv4 {
        let mut address = [0; 4];
        address.get_mut(..bytes.len())?.copy_from_slice(bytes);
        return Some(format!("{}/{bits}", Ipv4Addr::from(address)));
    }
    let mut address = [0; 16];
    address.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(format!("{}/{bits}", Ipv6Addr::from(address)))
}

fn is_target(data: &[(u16, &[u8])], name: &str) -> bool {
    of(data, 1).is_some_and(|found| text(found) == name)
}

fn verdict_of(data: &[(u16, &[u8])]) -> Option<(i32, String)> {
    let verdict = attributes(of(&attributes(of(data, 2)?), 2)?);
    let code = of(&verdict, 1).and_then(big_endian)?.cast_signed();
    Some((code, of(&verdict, 2).map(text).unwrap_or_default()))
}

/// Reads a number of the packet filter, which is in network order.
fn big_endian(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
