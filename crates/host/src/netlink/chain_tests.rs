use landfall_media::mounted::in_own_network;

use super::*;

/// Returns chains that drop packets they do not accept, with the sources that they accept.
fn closed_chains() -> Vec<(String, Hook, Vec<String>)> {
    closed_with(|outcome| outcome.accepts)
}

/// Like [`closed_chains`], with a chosen part of the outcome.
fn closed_with(accepts: impl Fn(Outcome) -> Vec<String>) -> Vec<(String, Hook, Vec<String>)> {
    let chains: Vec<Chain> = chains().unwrap().into_iter().filter(|chain| chain.hook.is_some()).collect();
    let outcomes = outcomes(&chains).unwrap();
    let one = |(chain, outcome): (Chain, Outcome)| {
        let name = format!("{} {} {}", chain.family, chain.table, chain.name);
        outcome.drops_rest.then(|| (name, chain.hook.unwrap().0, accepts(outcome)))
    };
    chains.into_iter().zip(outcomes).filter_map(one).collect()
}

#[test]
fn accepts_by_destination_are_separate() {
    if !in_own_network(
        "netlink::chain::tests::accepts_by_destination_are_separate",
        "nft 'table inet filter {
                chain forward {
                    type filter hook forward priority 0; policy drop;
                    oifname \"cni0\" accept
                    oif lo accept
                    oifname \"flannel*\" accept
                    ip daddr 10.244.0.0/16 accept
                    ip6 daddr fd00:10:244::/56 accept
                    iifname \"eth0\" oifname \"cni1\" accept
                    oifname \"eth1\" ct state established accept
                }
            }'
            iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -o cni0 -j ACCEPT",
    ) {
        return;
    }
    let mut found = closed_with(|outcome| outcome.accepts_to);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let to = ["10.244.0.0/16", "cni0", "fd00:10:244::/56", "flannel*", "lo"].map(str::to_owned).to_vec();
    let expected = [
        ("1 filter forward".to_owned(), Hook::Forward, to),
        ("2 filter FORWARD".to_owned(), Hook::Forward, vec!["cni0".to_owned()]),
    ];
    assert_eq!(found, expected);
    assert!(closed_chains().iter().all(|(_, _, accepts)| accepts.is_empty()), "nothing is accepted from anywhere");
}

#[test]
fn closed_nftables_chain_lists_accepts() {
    if !in_own_network(
        "netlink::chain::tests::closed_nftables_chain_lists_accepts",
        "nft 'table inet filter {
                chain more { iifname \"cni*\" accept; }
                chain never { iifname \"eth9\" accept; }
                chain input {
                    type filter hook input priority 5; policy drop;
                    ct state established,related accept
                    iif lo accept
                    iifname \"cni0\" counter accept comment \"pods\"
                    iifname \"eth0\" tcp dport 22 accept
                    ip saddr 10.244.0.0/16 accept
                    ip saddr 10.96.0.0/12 accept
                    ip daddr 10.5.0.0/16 accept
                    iifname != \"eth3\" accept
                    iifname \"eth1\" ip saddr 10.7.0.0/16 accept
                    iifname \"eth2\" drop
                    tcp dport 80 jump never
                    jump more
                }
                chain forward { type filter hook forward priority 0; policy drop; }
                chain output { type filter hook output priority 0; policy accept; }
            }'",
    ) {
        return;
    }
    let accepts = ["10.244.0.0/16", "10.96.0.0/12", "cni*", "cni0", "lo"].map(str::to_owned).to_vec();
    let mut found = closed_chains();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        found,
        [
            ("1 filter forward".to_owned(), Hook::Forward, Vec::new()),
            ("1 filter input".to_owned(), Hook::Input, accepts),
        ]
    );
    let input = chains().unwrap().into_iter().find(|chain| chain.name == "input").unwrap();
    assert_eq!(input.hook, Some((Hook::Input, 5)));
    assert_eq!(input.uses, 12);
}

/// A packet meets rules in order, including those of chains that are jumped to.
#[test]
fn named_drops_end_at_deciding_rule() {
    if !in_own_network(
        "netlink::chain::tests::named_drops_end_at_deciding_rule",
        "nft 'table inet guard \
         {
                chain bogons { ip saddr 10.0.0.0/8 drop; iifname \"eth5\" return; ip daddr 192.168.0.0/16 reject; }
                chain rest { drop; }
                chain forward {
                    type filter hook forward priority 0; policy accept;
                    ip saddr 10.244.0.0/16 accept
                    jump bogons
                    iifname \"cni*\" drop
                    ip saddr 10.244.0.0/16 drop
                    iifname \"eth0\" tcp dport 80 drop
                    accept
                    iifname \"eth9\" drop
                }
                chain input { type filter hook input priority 0; policy accept; \
                    iifname \"cni0\" accept; goto rest; iifname \"eth9\" accept; }
            }'",
    ) {
        return;
    }
    let chains: Vec<Chain> = chains().unwrap().into_iter().filter(|chain| chain.hook.is_some()).collect();
    let found = |name: &str| {
        let outcomes = outcomes(&chains).unwrap();
        chains.iter().zip(outcomes).find(|(chain, _)| chain.name == name).unwrap().1
    };
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let forward = Outcome {
        accepts: owned(&["*", "10.244.0.0/16"]),
        accepts_to: Vec::new(),
        drops: owned(&["10.0.0.0/8", "cni*"]),
        drops_to: owned(&["192.168.0.0/16"]),
        drops_rest: false,
    };
    assert_eq!(found("forward"), forward);
    let input = Outcome { accepts: owned(&["cni0"]), drops_rest: true, ..Outcome::default() };
    assert_eq!(found("input"), input);
}

/// Many firewalls keep the policy `accept`, and end their chains with a rule that drops or rejects.
#[test]
fn final_drop_rule_closes_chain() {
    if !in_own_network(
        "netlink::chain::tests::final_drop_rule_closes_chain",
        "nft 'table inet guard \
             {
                chain rest { log prefix \"dropped \" counter drop; }
                chain input {
                    type filter hook input priority 0; policy accept;
                    iifname \"cni0\" accept
                    reject with icmpx admin-prohibited
                    iifname \"eth0\" accept
                }
                chain forward { type filter hook forward priority 0; policy accept; \
                    iifname \"cni*\" accept; jump rest; }
                chain open { type filter hook forward priority 5; policy accept; \
                    tcp dport 22 drop; iifname \"eth1\" reject; }
            }'
            iptables-nft -A FORWARD -s 10.244.0.0/16 -j ACCEPT; iptables-nft -A FORWARD -j LOG
            iptables-nft -A FORWARD -j REJECT --reject-with icmp-host-prohibited; \
            iptables-nft -A INPUT -i eth2 -j DROP",
    ) {
        return;
    }
    let mut found = closed_chains();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let closed = |name: &str, hook, accepts: &str| (name.to_owned(), hook, vec![accepts.to_owned()]);
    assert_eq!(
        found,
        [
            closed("1 guard forward", Hook::Forward, "cni*"),
            closed("1 guard input", Hook::Input, "cni0"),
            closed("2 filter FORWARD", Hook::Forward, "10.244.0.0/16"),
        ]
    );
}

#[test]
fn iptables_over_nftables_is_read() {
    if !in_own_network(
        "netlink::chain::tests::iptables_over_nftables_is_read",
        "iptables-nft -N ufw-user-forward; iptables-nft -A FORWARD -j ufw-user-forward; iptables-nft -P FORWARD DROP
             iptables-nft -A ufw-user-forward -i cni0 -j ACCEPT; iptables-nft -A FORWARD -s 10.244.0.0/16 -j ACCEPT
             iptables-nft -A FORWARD -i eth0 -p tcp --dport 22 -j ACCEPT
             iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    ) {
        return;
    }
    let accepts = ["10.244.0.0/16", "cni0"].map(str::to_owned).to_vec();
    assert_eq!(closed_chains(), [("2 filter FORWARD".to_owned(), Hook::Forward, accepts)]);
}
