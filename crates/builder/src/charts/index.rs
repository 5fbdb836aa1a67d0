//! `index.yaml` of a repository of charts: the offered versions of charts, and the URLs of their archives.

use std::collections::BTreeMap;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_suggestion::did_you_mean;
use serde::Deserialize;

use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;

/// The index of a repository, parsed leniently because other software writes it.
#[derive(Debug, Deserialize)]
pub struct ChartIndex {
    #[serde(skip)]
    address: String,
    entries: BTreeMap<String, Vec<Entry>>,
}

/// URL scheme of a chart in a registry.
const OF_REGISTRY: &str = "oci";

/// One version of a chart.
#[derive(Debug, Deserialize)]
struct Entry {
    version: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
}

/// An archive that a repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// URL of the archive.
    pub url: FileUrl,
    /// Digest that the repository states.
    pub digest: Option<Sha256>,
}

impl ChartIndex {
    /// Maximum size of an index, in bytes.
    pub const LIMIT_BYTES: usize = 64 << 20;

    /// Parses an index from a URL.
    pub fn read(address: &FileUrl, bytes: &[u8]) -> Result<Self> {
        let unreadable = |what: String| BuildError::new(codes::CHART_NOT_OFFERED, format!("{address} {what}"));
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable("is not text".to_owned()))?;
        // The fetch bounds the size; indexes of large repositories have more nodes than the parser allows by default.
        let options = serde_saphyr::options! { budget: None };
        let index: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| unreadable(format!("is not an index of charts: {}", error.without_snippet())))?;
        Ok(Self { address: address.to_string(), ..index })
    }

    /// The archive of a chart's version, in the repository at this URL.
    pub fn offer(&self, repository: &str, name: &str, version: &str) -> Result<Offer> {
        let lacking = |what: String| BuildError::new(codes::CHART_NOT_OFFERED, format!("{} {what}", self.address));
        let Some(versions) = self.entries.get(name) else {
            let near = did_you_mean(name, self.entries.keys().map(String::as_str));
            return Err(lacking(format!("has no chart `{name}`{near}")));
        };
        let plain = |version: &str| version.strip_prefix('v').unwrap_or(version).to_owned();
        let Some(found) = versions.iter().find(|entry| plain(&entry.version) == plain(version)) else {
            let newest: Vec<_> = versions.iter().take(5).map(|entry| entry.version.as_str()).collect();
            return Err(lacking(format!("has no version {version} of `{name}`; it begins with {}", newest.join(", "))));
        };
        let unusable = |what: &str| lacking(format!("has {what} for `{name}` {version}"));
        let base = url::Url::parse(&format!("{repository}/")).map_err(|_| unusable("no base"))?;
        let url = found.address(&base, unusable)?;
        let digest = found.digest.as_deref().filter(|digest| !digest.is_empty());
        let digest = digest.map(|digest| format!("sha256:{}", digest.trim_start_matches("sha256:")).parse());
        Ok(Offer { url, digest: digest.transpose().map_err(|_| unusable("no SHA-256 as digest"))? })
    }
}

impl Entry {
    /// First usable URL of the archive. `unusable` creates the error for an entry without one.
    fn address(&self, base: &url::Url, unusable: impl Fn(&str) -> BuildError) -> Result<FileUrl> {
        let urls: Vec<_> = self.urls.iter().filter_map(|written| base.join(written).ok()).collect();
        let mut refused = None;
        for url in &urls {
            match url.as_str().parse() {
                Ok(url) => return Ok(url),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if let Some(url) = urls.iter().find(|url| url.scheme() == OF_REGISTRY) {
            return Err(unusable(&format!("no address but {url}")).hint(as_of_registry(url)));
        }
        Err(match refused {
            Some(error) => unusable("an unsupported address").because(error),
            None if self.urls.is_empty() => unusable("no address"),
            None => unusable("no valid address"),
        })
    }
}

/// Hint for a chart that a repository lists but a registry holds.
fn as_of_registry(url: &url::Url) -> String {
    let reference = url.as_str().trim_start_matches(OF_REGISTRY).trim_start_matches("://").replace('+', "_");
    format!(
        "The chart is in a registry. Write its entry of the lock as `reference: {reference}`, with `mediaType` and \
         without `repository`, and name it so in the release definition."
    )
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::*;

    fn index(text: &str) -> Result<ChartIndex> {
        ChartIndex::read(&"https://charts.example/stable/index.yaml".parse().expect("address"), text.as_bytes())
    }

    const INDEX: &str = "apiVersion: v1\nentries:\n  shop:\n  - \
        {name: shop, version: 2.0.0, created: x, urls: [shop-2.0.0.tgz], \
        digest: 0707070707070707070707070707070707070707070707070707070707070707}\n  - \
        {version: v1.0.0, urls: ['https://cdn.example/shop-1.0.0.tgz']}\n  - {version: 0.1.0}\n  - \
        {version: 0.2.0, urls: ['ftp://a/b.tgz']}\n  - {version: 0.3.0, urls: [a.tgz], digest: x}\n";

    #[test]
    fn index_offers_version_with_digest() {
        let index = index(INDEX).expect("index");
        let offer = |version: &str| index.offer("https://charts.example/stable", "shop", version);
        let found = offer("2.0.0").expect("offered");
        assert_eq!(found.url.to_string(), "https://charts.example/stable/shop-2.0.0.tgz");
        assert_eq!(found.digest, Some(Sha256([7; 32])));
        let found = offer("1.0.0").expect("offered");
        assert_eq!((found.url.to_string().as_str(), found.digest), ("https://cdn.example/shop-1.0.0.tgz", None));
        let refusals: Vec<_> = ["3.0.0", "0.1.0", "0.2.0", "0.3.0"]
            .into_iter()
            .map(|version| offer(version).expect_err(version))
            .chain([index.offer("https://charts.example", "shpo", "1").expect_err("name")])
            .chain([self::index("a: [").expect_err("broken"), self::index("entries: 1").expect_err("other")])
            .map(|error| format!("{} {error}", error.code().id))
            .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn first_supported_address_is_used() {
        let index = index(
            "entries:\n  shop:\n  - \
             {version: 1.0.0, urls: ['oci://ghcr.io/shop/charts/shop:1.0.0', \
             'ftp://a/b.tgz', shop-1.0.0.tgz, other.tgz]}\n  - \
             {version: 2.0.0+b, urls: ['ftp://a/b.tgz', 'oci://ghcr.io/shop/charts/shop:2.0.0+b']}\n",
        )
        .expect("index");
        let offer = |version: &str| index.offer("https://charts.example/stable", "shop", version);
        let found = offer("1.0.0").expect("offered");
        assert_eq!(found.url.to_string(), "https://charts.example/stable/shop-1.0.0.tgz");
        let refused = offer("2.0.0+b").expect_err("of a registry alone");
        assert_eq!(
            refused.to_string(),
            "https://charts.example/stable/index.yaml has no address but oci://ghcr.io/shop/charts/shop:2.0.0+b for \
             `shop` 2.0.0+b"
        );
        let hint = landfall_error_codes::CodedError::hint(&refused).expect("a hint");
        assert!(hint.contains("`reference: ghcr.io/shop/charts/shop:2.0.0_b`, with `mediaType`"), "{hint}");
    }
}
