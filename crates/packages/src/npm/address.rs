//! The address of a registry from a client's point of view: npm does not accept a relative address of a tarball.

use crate::limits;

/// Returns the registry's address for a client that sent this `Host` header. Returns `None` if it is not the name of a
/// host with an optional port. A client that sends a host other than the real one gets wrong addresses only in its own
/// response.
pub fn base(host: &str) -> Option<String> {
    if host.len() > limits::HOST_BYTES {
        return None;
    }
    let (is_name, port) = if let Some((address, rest)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_usual = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
        let port = rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("0"))?;
        (address.contains(':') && address.bytes().all(is_usual), port)
    } else {
        let (name, port) = host.split_once(':').unwrap_or((host, "0"));
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_usual), port)
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (is_name && is_port).then(|| format!("http://{host}/npm/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_become_base_addresses() {
        for host in
            ["packages.packages.svc.cluster.local", "127.0.0.1:4873", "localhost", "[::1]:80", "[fd00::1]", "a_b:1"]
        {
            assert_eq!(base(host), Some(format!("http://{host}/npm/")), "{host}");
        }
        for wrong in [
            "",
            ":80",
            "a b",
            "a:b",
            "a:",
            "a:99999",
            "a:80:80",
            "a/b",
            "user@host",
            "a\"",
            "[::1",
            "[::1]80",
            "[]",
            "[a]",
            "ä",
            "a, b",
            "a\r\nb",
        ] {
            assert_eq!(base(wrong), None, "{wrong:?}");
        }
        assert_eq!(base(&"a".repeat(300)), None);
    }

    proptest! {
        #[test]
        fn base_address_needs_no_escaping(host in "\\PC{0,40}|[a-z0-9.:@/\\[\\]-]{0,30}") {
            if let Some(base) = base(&host) {
                prop_assert_eq!(base.matches('/').count(), 4);
                prop_assert!(!base.contains(['"', '\\', '<', '@', '?', '#', '%', ' ']) && base.is_ascii());
            }
        }
    }
}
