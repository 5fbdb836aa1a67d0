//! Address of a server in settings: `tls://HOST:PORT` or `tcp://HOST:PORT`.

use url::Url;

/// Address of a server.
#[derive(Debug)]
pub struct Endpoint {
    /// True for TLS, false for plain TCP.
    pub is_secure: bool,
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// Parses an address. The ports are the defaults for `tls` and `tcp`. The error ends with the examples in `like`.
    /// It is logged, so it quotes no text that may contain a password, as addresses and option lists of PostgreSQL's
    /// own clients do.
    pub fn read(server: &str, [tls, tcp]: [u16; 2], like: &str) -> Result<Self, String> {
        let why = || format!("server: {} is not like {like}", quotable_part(server));
        let url = Url::parse(server).map_err(|_| why())?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let is_open = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|host| !host.is_empty() && is_bare && is_open).ok_or_else(why)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        match url.scheme() {
            "tls" => Ok(Self { is_secure: true, host, port: url.port().unwrap_or(tls) }),
            "tcp" => Ok(Self { is_secure: false, host, port: url.port().unwrap_or(tcp) }),
            _ => Err(why()),
        }
    }
}

/// Returns what a refusal quotes of a malformed address: nothing of one that may contain a password, or a token in
/// place of the user.
pub fn quotable_part(text: &str) -> &str {
    if text.contains(['@', '=']) { "a value with a user or options" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_quotes_no_password() {
        let why = |server: &str| Endpoint::read(server, [1, 2], "tls://db.example.org").unwrap_err();
        for server in [
            "postgresql://console:canary@db.example.org/console",
            "tls://console:can@ary@db.example.org",
            "console:canary@db.example.org",
            "tls://canary@db.example.org",
            "postgresql://db.example.org/console?user=console&password=canary",
            "host=db.example.org user=console password=canary",
        ] {
            let expected = "server: a value with a user or options is not like tls://db.example.org";
            assert_eq!(why(server), expected, "{server}");
        }
        assert_eq!(why("db.example.org"), "server: db.example.org is not like tls://db.example.org");
    }
}
