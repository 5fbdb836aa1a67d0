//! Selects the manifest in an index for the platform of the lock, as containerd does at the site. All fields of the
//! platform must match; if the index states none, the manifest's configuration decides.
//!
//! Threats: an index may name any number of manifests, with configurations of any size: both are bounded.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;

use super::resolve::Resolver;
use crate::error::{BuildError, Result};
use crate::fetch::{RawManifest, fetch_attached};
use crate::manifest::{IndexDocument, ManifestDocument, OciDescriptor, Platform, is_index};
use crate::reference::Reference;

/// Maximum number of manifests without a platform that are examined.
const LOOKED_AT: usize = 16;

/// Maximum size of a configuration, in bytes.
const CONFIGURATION_BYTES: u64 = 8 << 20;

impl Resolver<'_> {
    /// Digest of the platform manifest that a tag names, through its index if it has one.
    pub(super) async fn platform_digest(self, reference: &Reference, tagged: &RawManifest) -> Result<Sha256> {
        if !is_index(&tagged.media_type) {
            return Ok(tagged.digest);
        }
        let index: IndexDocument = serde_json::from_slice(&tagged.bytes).map_err(|error| {
            BuildError::new(codes::FETCH_MISMATCH, format!("the index of {reference} is malformed")).because(error)
        })?;
        let platform = &self.lock.document.platform.value;
        if let Some(chosen) = index.for_platform(platform) {
            return Ok(chosen.digest);
        }
        for entry in index.without_platform().take(LOOKED_AT) {
            if self.is_for(reference, entry, platform).await? {
                return Ok(entry.digest);
            }
        }
        Err(none_for(platform, reference, &index))
    }

    /// Returns true if the configuration of a manifest states this platform. Manifests other than images state none.
    async fn is_for(self, reference: &Reference, entry: &OciDescriptor, platform: &str) -> Result<bool> {
        let found = self.client.manifest_if_any(&reference.with_digest(entry.digest), self.progress).await?;
        // A mirror may lack manifests for other platforms.
        let Some(raw) = found else { return Ok(false) };
        let Ok(manifest) = serde_json::from_slice::<ManifestDocument>(&raw.bytes) else { return Ok(false) };
        if manifest.config.size > CONFIGURATION_BYTES {
            return Ok(false);
        }
        fetch_attached(self.client, reference, &[&manifest.config], self.store, self.progress).await?;
        let bytes = self.store.read(manifest.config.digest, CONFIGURATION_BYTES)?;
        Ok(serde_json::from_slice::<Platform>(&bytes).is_ok_and(|stated| stated.to_string() == platform))
    }
}

/// Error for an index without the platform, with the platforms that it has.
fn none_for(platform: &str, reference: &Reference, index: &IndexDocument) -> BuildError {
    let stated = index.platforms();
    let others = if stated.is_empty() { "none".to_owned() } else { Vec::from_iter(stated.clone()).join(", ") };
    let what = format!("the index of {reference} has no manifest for {platform}; it states {others}");
    let above = stated.iter().any(|stated| stated.strip_prefix(platform).is_some_and(|rest| rest.starts_with('/')));
    if above {
        let hint = "A variant is run only by machines that have it, and containerd takes none for the platform itself. \
            Push the baseline, too, or name another tag.";
        return BuildError::new(codes::PLATFORM_VARIANT, what).hint(hint);
    }
    BuildError::new(codes::IMAGE_MISSING, what)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::CodedError as _;
    use landfall_media::progress::SilentProgress;
    use landfall_media::store::ContentStore;
    use serde_json::{Value, json};

    use super::*;
    use crate::fetch::{Client, DockerConfiguration, Registries, Retry};
    use crate::lock::{List, Lock};
    use crate::manifest::{OCI_INDEX, OCI_MANIFEST};
    use crate::resolution::{Resolution, resolve};
    use landfall_test_registry::{Registry, digest};

    /// A registry on the loopback interface with one index.
    struct Bench {
        registry: Registry,
        entries: Vec<Value>,
    }

    impl Bench {
        async fn new() -> Self {
            Self { registry: Registry::start(|_| ()).await, entries: Vec::new() }
        }

        /// Adds a manifest to the index, with this configuration and this platform in the index.
        fn add(&mut self, stated: Option<Value>, configuration: &Value) -> Sha256 {
            let configuration = configuration.to_string().into_bytes();
            self.registry.add_blob(&configuration);
            let config = json!({ "mediaType": "c", "digest": digest(&configuration), "size": configuration.len() });
            let number = self.entries.len();
            let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [],
                "annotations": { "n": number.to_string() } });
            let bytes = manifest.to_string().into_bytes();
            self.registry.add_manifest("a", &format!("m{number}"), OCI_MANIFEST, &bytes);
            let mut entry = json!({ "mediaType": OCI_MANIFEST, "digest": digest(&bytes), "size": bytes.len() });
            if let Some(stated) = stated {
                entry["platform"] = stated;
            }
            self.entries.push(entry);
            digest(&bytes)
        }

        async fn run_resolution(&self) -> Resolution {
            let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries });
            self.registry.add_manifest("a", "1", OCI_INDEX, &index.to_string().into_bytes());
            let text = format!(
                "assembled: false\nplatform: linux/amd64\nimages:\n  - reference: {}/a:1\n    digest: unresolved\n    \
                 mediaType: unresolved\n    size: unresolved\n",
                self.registry.address()
            );
            let lock = Lock::parse(Path::new("images.lock"), text).expect("lock");
            let client = Client::new(Registries::default(), DockerConfiguration::default(), Retry::default());
            let folder = tempfile::tempdir().expect("folder");
            resolve(&lock, &[], &client, &ContentStore::at(folder.path()), &SilentProgress).await
        }

        async fn pinned_digest(&self) -> Option<Sha256> {
            let resolution = self.run_resolution().await;
            assert!(resolution.failures.is_empty(), "{:?}", resolution.failures);
            let lock = Lock::parse(Path::new("images.lock"), resolution.text).expect("lock");
            lock.list(List::Images)[0].digest()
        }
    }

    fn platform(os: &str, architecture: &str, variant: &str) -> Value {
        json!({ "os": os, "architecture": architecture, "variant": variant })
    }

    #[tokio::test]
    async fn baseline_is_pinned_and_variant_refused() {
        let mut bench = Bench::new().await;
        let configuration = platform("linux", "amd64", "");
        bench.add(Some(platform("linux", "amd64", "v3")), &configuration);
        let refused = bench.run_resolution().await.failures.remove(0);
        assert_eq!(refused.code(), codes::PLATFORM_VARIANT, "{refused}");
        assert!(refused.to_string().contains("linux/amd64/v3"), "{refused}");
        let baseline = bench.add(Some(platform("linux", "amd64", "")), &configuration);
        assert_eq!(bench.pinned_digest().await, Some(baseline));
    }

    #[tokio::test]
    async fn configuration_supplies_missing_platform() {
        let mut bench = Bench::new().await;
        bench.add(None, &platform("linux", "arm64", "v8"));
        bench.add(None, &platform("linux", "amd64", "v2"));
        bench.add(None, &json!(["no image"]));
        let refused = bench.run_resolution().await.failures.remove(0);
        assert_eq!(refused.code(), codes::IMAGE_MISSING, "{refused}");
        let found = bench.add(None, &platform("linux", "amd64", ""));
        assert_eq!(bench.pinned_digest().await, Some(found));
        let stated = bench.add(Some(platform("linux", "amd64", "")), &platform("linux", "amd64", ""));
        assert_eq!(bench.pinned_digest().await, Some(stated), "what is stated comes first");
    }
}
