//! The registries file: for each upstream host, how it is reached for images and files, directly or through a mirror
//! that the vendor names.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use landfall_error_codes::codes;
use reqwest::header::HeaderMap;
use rusty_s3::Credentials;
use serde::Deserialize;
use serde_saphyr::Spanned;
use url::Url;

use super::bucket_keys::{self, BucketEntry, HostKeys};
use super::headers::{self, HeaderEntry, HostHeader};
use super::hosts::{self, HostEntry, HostWay};
use super::proxies::Proxies;
use crate::documents::yaml;
use crate::error::{BuildError, Place, Result};
use crate::file_url::{FileUrl, without_user};

/// Entry for each host without its own.
const ANY_HOST: &str = "*";

/// The registries file, parsed.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    mirrors: Vec<Mirror>,
    proxies: Option<Proxies>,
    authorities: Vec<Authority>,
    hosts: Vec<HostWay>,
    headers: Vec<HostHeader>,
    buckets: Vec<HostKeys>,
    package_index: Option<FileUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistriesDocument {
    #[serde(default)]
    mirrors: Vec<MirrorEntry>,
    /// Proxies in place of those in the environment.
    #[serde(default)]
    proxies: Option<Proxies>,
    /// Paths of PEM files with certificates, relative to this file, that are trusted in addition to those of the
    /// machine.
    #[serde(default)]
    authorities: Vec<Spanned<PathBuf>>,
    /// Hosts with their own proxy, authorities or token servers.
    #[serde(default)]
    hosts: Vec<HostEntry>,
    /// Headers for file servers and hubs.
    #[serde(default)]
    headers: Vec<HeaderEntry>,
    /// Keys for S3 servers.
    #[serde(default)]
    buckets: Vec<BucketEntry>,
    /// Index of Python packages for entries that do not name one.
    #[serde(default, rename = "packageIndex")]
    package_index: Option<Spanned<String>>,
}

/// A certificate authority of registries and servers.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    path: PathBuf,
    /// The certificate as PEM.
    pem: Vec<u8>,
}

impl Authority {
    /// Converts the certificate for the HTTP client.
    pub(super) fn certificate(&self) -> Result<reqwest::Certificate> {
        reqwest::Certificate::from_pem(&self.pem).map_err(|error| self.invalid(error))
    }

    /// Returns an error for an unusable certificate. The content of the PEM is parsed only when a client is built with
    /// it.
    fn check(&self) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([self.certificate()?]).build();
        client.map(drop).map_err(|error| self.invalid(error))
    }

    fn invalid(&self, error: reqwest::Error) -> BuildError {
        let place = Place::file(&self.path);
        BuildError::at(codes::REGISTRIES_INVALID, place, "is not a certificate in PEM").because(error)
    }
}

/// The written form of a mirror's entry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MirrorEntry {
    host: Spanned<String>,
    endpoint: Spanned<String>,
    #[serde(default)]
    plain_http: bool,
}

#[derive(Debug, Clone)]
struct Mirror {
    host: String,
    endpoint: Endpoint,
}

/// A registry, with a prefix for the names of its repositories.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host, with the port if one is given.
    pub registry: String,
    /// Empty, or segments with a trailing `/`.
    pub prefix: String,
    /// True if it is reached without TLS.
    pub plain_http: bool,
}

impl Registries {
    /// Reads a registries file.
    pub fn read(path: &Path) -> Result<Self> {
        let document: RegistriesDocument = yaml(path, codes::REGISTRIES_INVALID)?;
        let mirrors = document.mirrors.iter().enumerate().map(|(index, entry)| mirror(path, index, entry));
        let mirrors = mirrors.collect::<Result<_>>()?;
        let of_file =
            |(index, file): (usize, &Spanned<PathBuf>)| authorities(path, &format!("authorities[{index}]"), file);
        let authorities = document.authorities.iter().enumerate().map(of_file).collect::<Result<Vec<_>>>()?.concat();
        if let Some(proxies) = &document.proxies {
            let place = || Place::field(path, 0, "proxies");
            proxies.check().map_err(|what| BuildError::at(codes::REGISTRIES_INVALID, place(), what))?;
        }
        let hosts = hosts::read(path, &document.hosts)?;
        let headers = document.headers.iter().enumerate().map(|(index, entry)| headers::read(path, index, entry));
        let headers = headers.collect::<Result<_>>()?;
        let buckets = document.buckets.iter().enumerate().map(|(index, entry)| bucket_keys::read(path, index, entry));
        let buckets = buckets.collect::<Result<_>>()?;
        let package_index = document.package_index.map(|address| package_index(path, &address)).transpose()?;
        Ok(Self { mirrors, proxies: document.proxies, authorities, hosts, headers, buckets, package_index })
    }

    /// Sets the proxies, unless the file names some.
    pub(super) fn or_proxies(mut self, proxies: Proxies) -> Self {
        self.proxies.get_or_insert(proxies);
        self
    }

    /// Proxies for a host, which is written with its port unless that is the default.
    pub(super) fn proxies(&self, host: &str) -> &Proxies {
        static NONE: LazyLock<Proxies> = LazyLock::new(Proxies::default);
        let own = self.host(host).and_then(|way| way.proxies.as_ref());
        own.or(self.proxies.as_ref()).unwrap_or(&NONE)
    }

    /// Authorities that may certify a host, in addition to those that this machine trusts.
    pub(super) fn authorities(&self, host: &str) -> impl Iterator<Item = &Authority> {
        let own = self.host(host).map(|way| way.authorities.as_slice()).unwrap_or_default();
        self.authorities.iter().chain(own)
    }

    /// Hosts outside the registry's own domain that issue its tokens and may receive its credentials.
    pub(super) fn tokens(&self, registry: &str) -> &[String] {
        self.host(registry).map(|way| way.tokens.as_slice()).unwrap_or_default()
    }

    /// Index of the HTTP clients for a host, counted from 0, which is the index for all hosts without their own entry.
    pub(super) fn way(&self, host: &str) -> usize {
        self.hosts.iter().position(|way| way.host == host).map_or(0, |index| index + 1)
    }

    /// Number of sets of HTTP clients.
    pub(super) fn ways(&self) -> usize {
        self.hosts.len() + 1
    }

    fn host(&self, host: &str) -> Option<&HostWay> {
        self.hosts.iter().find(|way| way.host == host)
    }

    /// Headers for a host, which is written with its port unless that is the default. All of them are secret.
    pub(super) fn headers(&self, host: &str) -> HeaderMap {
        let of_host = self.headers.iter().filter(|header| header.host == host);
        of_host.map(|header| (header.name.clone(), header.value.clone())).collect()
    }

    /// Keys that sign requests to the S3 server at a URL.
    pub(super) fn bucket_keys(&self, address: &Url) -> Option<&Credentials> {
        self.buckets.iter().find_map(|keys| keys.of(address))
    }

    /// Index of Python packages for entries of the lock that do not name one, without a trailing `/`.
    pub(crate) fn package_index(&self) -> Option<&FileUrl> {
        self.package_index.as_ref()
    }

    /// Endpoint for the repositories of an upstream host.
    pub fn endpoint(&self, host: &str) -> Endpoint {
        self.mirror(host).unwrap_or_else(|| Endpoint {
            registry: host.to_owned(),
            prefix: String::new(),
            plain_http: is_loopback(host),
        })
    }

    /// URL from which a file is fetched. Returns an error for plain HTTP to another machine, unless a mirror's entry
    /// allows it.
    pub fn file(&self, url: &FileUrl) -> Result<Url> {
        let host = url.host();
        let Some(mirror) = self.mirror(&host) else {
            if url.as_url().scheme() == "http" && !is_loopback(&host) {
                return Err(BuildError::new(codes::PLAIN_HTTP_REFUSED, format!("{url} would be fetched without TLS")));
            }
            return Ok(url.as_url().clone());
        };
        let scheme = if mirror.plain_http { "http" } else { "https" };
        let below = format!("{}{}", mirror.prefix, url.path().trim_start_matches('/'));
        let address = format!("{scheme}://{}/{below}", mirror.registry);
        Url::parse(&address).map_err(|error| {
            BuildError::new(codes::BUG, format!("the mirror's address {address} is malformed")).because(error)
        })
    }

    fn mirror(&self, host: &str) -> Option<Endpoint> {
        let named = self.mirrors.iter().find(|mirror| mirror.host == host);
        if let Some(mirror) = named {
            return Some(mirror.endpoint.clone());
        }
        let any = self.mirrors.iter().find(|mirror| mirror.host == ANY_HOST)?;
        let prefix = format!("{}{host}/", any.endpoint.prefix);
        Some(Endpoint { prefix, ..any.endpoint.clone() })
    }
}

/// URL of a package index.
fn package_index(path: &Path, address: &Spanned<String>) -> Result<FileUrl> {
    address.value.trim_end_matches('/').parse().map_err(|error| {
        let place = Place::field(path, address.referenced.line(), "packageIndex");
        BuildError::at(codes::REGISTRIES_INVALID, place, format!("{error}"))
    })
}

/// Certificates in a file that a field of the registries file names.
pub(super) fn authorities(path: &Path, field: &str, file: &Spanned<PathBuf>) -> Result<Vec<Authority>> {
    let invalid = |what: String| {
        BuildError::at(codes::REGISTRIES_INVALID, Place::field(path, file.referenced.line(), field), what)
    };
    let from = path.parent().unwrap_or(Path::new("")).join(&file.value);
    let text = fs_err::read_to_string(&from)
        .map_err(|error| invalid("the certificates cannot be read".to_owned()).because(error))?;
    let end = "-----END CERTIFICATE-----";
    let blocks = text.split_inclusive(end).filter(|block| block.contains(end));
    let found: Vec<_> = blocks.map(|block| Authority { path: from.clone(), pem: block.as_bytes().to_vec() }).collect();
    if found.is_empty() {
        return Err(invalid(format!("{} has no certificate in PEM", from.display())));
    }
    found.iter().try_for_each(Authority::check)?;
    Ok(found)
}

fn mirror(path: &Path, index: usize, entry: &MirrorEntry) -> Result<Mirror> {
    let field = format!("mirrors[{index}].endpoint");
    let fail = |code, what: String| {
        Err(BuildError::at(code, Place::field(path, entry.endpoint.referenced.line(), &*field), what))
    };
    let text = without_user(&entry.endpoint.value);
    let is_bare = |url: &Url| url.query().is_none() && url.username().is_empty() && url.password().is_none();
    let url = match Url::parse(&entry.endpoint.value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && is_bare(&url) => url,
        Ok(_) => return fail(codes::REGISTRIES_INVALID, format!("`{text}` is not the address of a registry")),
        Err(error) => return fail(codes::REGISTRIES_INVALID, format!("`{text}` is not an address: {error}")),
    };
    let Some(name) = url.host_str() else {
        return fail(codes::REGISTRIES_INVALID, format!("`{text}` names no host"));
    };
    let registry = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let plain_http = url.scheme() == "http";
    if plain_http && !entry.plain_http && !is_loopback(&registry) {
        return fail(codes::PLAIN_HTTP_REFUSED, format!("`{text}` would be asked without TLS"));
    }
    let prefix = url.path().trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let host = entry.host.value.clone();
    Ok(Mirror { host, endpoint: Endpoint { registry, prefix, plain_http } })
}

/// Returns true if a host is a loopback address.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use landfall_error_codes::CodedError as _;

    use super::*;

    fn read(text: &str) -> Result<Registries> {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(text.as_bytes()).expect("text");
        Registries::read(file.path())
    }

    fn endpoint(registry: &str, prefix: &str, plain_http: bool) -> Endpoint {
        Endpoint { registry: registry.into(), prefix: prefix.into(), plain_http }
    }

    #[test]
    fn specific_mirror_wins_over_wildcard() {
        let registries = read(
            "mirrors:\n- {host: docker.io, endpoint: 'http://127.0.0.1:5000/hub'}\n- \
             {host: '*', endpoint: 'https://proxy.example'}\n",
        )
        .expect("good");
        assert_eq!(registries.endpoint("docker.io"), endpoint("127.0.0.1:5000", "hub/", true));
        assert_eq!(registries.endpoint("ghcr.io"), endpoint("proxy.example", "ghcr.io/", false));
    }

    #[test]
    fn only_loopback_defaults_to_plain_http() {
        let registries = Registries::default();
        assert_eq!(registries.endpoint("ghcr.io"), endpoint("ghcr.io", "", false));
        assert_eq!(registries.endpoint("127.0.0.1:5000"), endpoint("127.0.0.1:5000", "", true));
        assert!(is_loopback("[::1]:5000") && is_loopback("localhost"));
        assert!(!is_loopback("127.0.0.1.example") && !is_loopback("10.0.0.1:5000"));
    }

    #[test]
    fn plain_http_files_need_mirror() {
        let file = |registries: &Registries, url: &str| registries.file(&url.parse().expect("url"));
        let none = Registries::default();
        for url in ["https://dl.example/v1/kubelet", "http://127.0.0.1:8000/kubelet", "https://[::1]/kubelet"] {
            assert_eq!(file(&none, url).expect("as it is").as_str(), url);
        }
        let refused = file(&none, "http://dl.example/kubelet").expect_err("plain");
        assert_eq!(refused.code(), codes::PLAIN_HTTP_REFUSED);
        let mirrored = read(
            "mirrors:\n- {host: 'dl.example', endpoint: 'http://mirror.example/k8s', plainHttp: true}\n- \
             {host: '*', endpoint: 'https://proxy.example:8443/files'}\n",
        )
        .expect("good");
        assert_eq!(
            file(&mirrored, "https://dl.example/v1/kubelet").expect("mirrored").as_str(),
            "http://mirror.example/k8s/v1/kubelet"
        );
        assert_eq!(
            file(&mirrored, "https://github.example/a.tar.gz").expect("mirrored").as_str(),
            "https://proxy.example:8443/files/github.example/a.tar.gz"
        );
    }

    #[test]
    fn package_index_rejects_credentials() {
        let registries = read("packageIndex: https://packages.example/simple/\n").expect("good");
        assert_eq!(registries.package_index().expect("named").to_string(), "https://packages.example/simple");
        assert!(Registries::default().package_index().is_none());
        let refused = read("packageIndex: https://me:secret@packages.example/simple\n").expect_err("credentials");
        assert_eq!(refused.code(), codes::REGISTRIES_INVALID);
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    #[test]
    fn plain_http_mirror_must_be_declared() {
        let refused = read("mirrors:\n- {host: '*', endpoint: 'http://proxy.example'}\n").expect_err("refused");
        assert_eq!(refused.code(), codes::PLAIN_HTTP_REFUSED);
        read("mirrors:\n- {host: '*', endpoint: 'http://proxy.example', plainHttp: true}\n").expect("allowed");
        for (entry, said) in [
            ("{host: '*', endpoint: 'ftp://proxy.example'}", "is not the address of a registry"),
            ("{host: '*', endpoint: 'https://proxy.example', insecure: true}", "unknown field `insecure`"),
        ] {
            let refused = read(&format!("mirrors:\n- {entry}\n")).expect_err(entry);
            assert!(refused.code() == codes::REGISTRIES_INVALID && refused.to_string().contains(said), "{refused}");
        }
        for endpoint in ["https://user:canary@proxy.example", "https://:canary@proxy.example", "https://a:canary@b:x"] {
            let refused = read(&format!("mirrors:\n- {{host: '*', endpoint: '{endpoint}'}}\n")).expect_err(endpoint);
            assert!(refused.code() == codes::REGISTRIES_INVALID && !format!("{refused:?}").contains("canary"));
        }
    }
}
