//! Fetches the archive of a chart: a layer of an OCI artifact, or a file in a repository of charts.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use landfall_media::progress::Progress;
use landfall_media::store::{ContentStore, ExpectedBlob};

use super::ask::FileRequest;
use super::blob::{Origin, fetch_blob};
use super::client::Client;
use super::pull::fetch_manifest;
use crate::error::{BuildError, Result};
use crate::pins::{ArchiveSource, ChartPin};

/// Media type of a chart's archive in a registry.
const CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Maximum size of the archive in a registry's manifest, in bytes.
const LIMIT_BYTES: u64 = 64 << 20;

/// Fetches a chart's archive if the store lacks it; returns its digest. On return it is in the store.
pub async fn fetch_chart(
    client: &Client,
    store: &ContentStore,
    pin: &ChartPin,
    progress: &dyn Progress,
) -> Result<Sha256> {
    match pin {
        ChartPin::Manifest(pin) => {
            let invalid = |code, what: String| {
                BuildError::at(code, pin.place.clone(), format!("the chart {} {what}", pin.reference))
            };
            let manifest = fetch_manifest(client, store, pin, progress).await?;
            let [layer] = &manifest.layers.iter().filter(|layer| layer.media_type == CONTENT).collect::<Vec<_>>()[..]
            else {
                return Err(invalid(
                    codes::CHART_UNREADABLE,
                    format!("does not have exactly one layer of the type {CONTENT}"),
                ));
            };
            if layer.size > LIMIT_BYTES {
                return Err(invalid(codes::CHART_LIMIT, format!("has {} bytes, more than {LIMIT_BYTES}", layer.size)));
            }
            let blob = ExpectedBlob { digest: layer.digest, size: layer.size };
            let fetched = fetch_blob(client, Origin::Registry(&pin.reference), blob, store, progress).await;
            fetched.map_err(|error| error.within(pin.place.clone()))?;
            Ok(layer.digest)
        }
        ChartPin::Archive(pin) => {
            if let ArchiveSource::Url(url) = &pin.source {
                let blob = ExpectedBlob { digest: pin.digest, size: pin.size };
                let fetched = fetch_blob(client, Origin::File(FileRequest::file(url)), blob, store, progress).await;
                fetched.map_err(|error| error.within(pin.place.clone()))?;
            }
            Ok(pin.digest)
        }
    }
}
