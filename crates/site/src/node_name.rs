//! Valid names of nodes: the same rule for a host's own name and for a name in the site configuration.

/// Maximum length of a label's value. Kubernetes labels each node with its name, although a node's name may be longer.
pub const LONGEST_NODE_NAME: usize = 63;

/// Returns true if a name is a DNS subdomain that is also a valid value of a label.
pub fn is_node_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= LONGEST_NODE_NAME && name != "localhost" && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_fit_a_label() {
        let long = "a".repeat(64);
        let parts = format!("{}.{}", "a".repeat(40), "b".repeat(23));
        for wrong in ["", "localhost", "Node", "-a", "a-", "a..b", "a_b", &long, &parts] {
            assert!(!is_node_name(wrong), "{wrong}");
        }
        for right in ["node-1", "node-1.example.org", &long[1..], &parts[1..]] {
            assert!(is_node_name(right), "{right}");
        }
    }
}
