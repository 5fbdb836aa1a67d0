//! The network of a machine, queried with the host's tools in the machine's network namespace, because the machine has
//! no `nft`.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Items;
use crate::site::process::ProcessId;
use crate::site::tool;

/// Returns interfaces with type, state, address, master and details, without counters and the host's numbering.
pub fn links(first: &ProcessId) -> Result<Items> {
    let mut items = Items::new();
    for mut link in json(first, &["ip", "-details", "-json", "link", "show"])? {
        let name = text(&link, "ifname");
        // Indexes depend on the host, and a bridge's `linkinfo.info_data` contains running timers.
        for field in ["ifindex", "link_index", "link_netnsid", "ifname"] {
            remove(&mut link, field);
        }
        if let Some(Value::Object(data)) = link.pointer_mut("/linkinfo/info_data") {
            data.retain(|field, _| !field.ends_with("_timer") && field != "gc_timer");
        }
        items.insert(name, link.to_string());
    }
    Ok(items)
}

/// Returns the addresses of every interface.
pub fn addresses(first: &ProcessId) -> Result<Items> {
    let mut items = Items::new();
    for link in json(first, &["ip", "-json", "address", "show"])? {
        let name = text(&link, "ifname");
        for address in link.get("addr_info").and_then(Value::as_array).into_iter().flatten() {
            let (local, scope) = (text(address, "local"), text(address, "scope"));
            let prefix = address.get("prefixlen").and_then(Value::as_u64).unwrap_or_default();
            items.insert(format!("{name} {local}/{prefix}"), scope);
        }
    }
    Ok(items)
}

/// Returns the routes of every table, and the rules that choose tables.
pub fn routes(first: &ProcessId) -> Result<Items> {
    let mut items = Items::new();
    for (family, commands) in [("-4", ["route", "rule"]), ("-6", ["route", "rule"])] {
        for kind in commands {
            let mut arguments = vec!["ip", family, kind, "show"];
            if kind == "route" {
                arguments.extend(["table", "all"]);
            }
            for line in in_network(first, &arguments)?.lines() {
                items.insert(format!("{family} {kind} {}", line.trim()), "present".to_owned());
            }
        }
    }
    Ok(items)
}

/// Returns the rules of the packet filter, table by table, without counters.
pub fn filter(first: &ProcessId) -> Result<Items> {
    Ok(tables(&in_network(first, &["nft", "--stateless", "list", "ruleset"])?))
}

/// Returns the tables in an `nft` listing, by family and name.
pub(crate) fn tables(rules: &str) -> Items {
    let mut items = Items::new();
    let mut table = String::new();
    for line in rules.lines() {
        if line.starts_with("table ") {
            line.trim_end_matches('{').trim().clone_into(&mut table);
        }
        if !table.is_empty() {
            let content: &mut String = items.entry(table.clone()).or_default();
            content.push_str(line);
            content.push('\n');
        }
    }
    items
}

fn json(first: &ProcessId, arguments: &[&str]) -> Result<Vec<Value>> {
    let text = in_network(first, arguments)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).with_context(|| format!("cannot understand the answer of {}", arguments.join(" ")))
}

fn in_network(first: &ProcessId, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--target={}", first.number)).args(["--net", "--"]).args(arguments);
    tool::output_of_a_look(&mut command)
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn remove(value: &mut Value, field: &str) {
    if let Value::Object(fields) = value {
        fields.remove(field);
    }
}
