//! A server as settings name it: `tls://HOST:PORT` or `tcp://HOST:PORT`.

use url::Url;

/// Where a server is.
#[derive(Debug)]
pub struct Endpoint {
    /// Whether it is reached over TLS, or over TCP alone.
    pub is_secure: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// Reads one. The ports are those of a text without any, with `tls` and with `tcp`. The error ends with the examples in `like`.
    pub fn read(server: &str, [tls, tcp]: [u16; 2], like: &str) -> Result<Self, String> {
        let why = || format!("server: {server} is not like {like}");
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
