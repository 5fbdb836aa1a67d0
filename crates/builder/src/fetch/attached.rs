//! A registry's content about an image, apart from the image itself: manifests under optional tags, the referrers list,
//! and blobs of such manifests.

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::progress::Progress;
use landfall_media::store::{ContentStore, ExpectedBlob};
use tokio::sync::Mutex;

use super::blob::{Origin, fetch_blob};
use super::client::{Client, Failure, RawManifest};
use super::manifest_bytes::LIMIT_BYTES;
use super::registry::Question;
use super::web;
use crate::error::Result;
use crate::manifest::{OCI_INDEX, OciDescriptor};
use crate::reference::Reference;

/// Held by the task that fetches blobs, so that only one task fetches them at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// Status codes of registries without the referrers API.
const NO_REFERRERS: [u16; 5] = [400, 404, 405, 406, 501];

impl Client {
    /// A manifest by its digest or tag; `None` if the registry does not have it.
    pub(crate) async fn manifest_if_any(
        &self,
        reference: &Reference,
        progress: &dyn Progress,
    ) -> Result<Option<RawManifest>> {
        match self.manifest(reference, progress).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code() == codes::IMAGE_MISSING => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The registry's list of manifests that refer to this one; `None` without the API. The response is not trusted.
    pub(crate) async fn referrers(
        &self,
        image: &Reference,
        subject: Sha256,
        progress: &dyn Progress,
    ) -> Result<Option<Vec<u8>>> {
        let registry = self.registries.endpoint(&image.host).registry;
        let what = format!("the list of what refers to {}", image.with_digest(subject));
        let ask = async || self.referrers_bytes(image, subject).await;
        self.answer(&registry, &what, progress, ask).await
    }

    async fn referrers_bytes(
        &self,
        image: &Reference,
        subject: Sha256,
    ) -> Result<std::result::Result<Option<Vec<u8>>, Failure>> {
        let repository = self.repository(image);
        let path = format!("referrers/{subject}");
        let question = Question { repository: &repository, path: &path, accept: OCI_INDEX, from: None };
        Ok(match self.ask_in(question).await? {
            Ok(response) if NO_REFERRERS.contains(&response.status().as_u16()) => Ok(None),
            Ok(response) => {
                web::read(response, LIMIT_BYTES, self.longest_stall(), codes::IMAGE_MISSING).await.map(Some)
            }
            Err(failure) => Err(failure),
        })
    }
}

/// Fetches blobs of a repository that the store lacks, with sizes that were checked before.
///
/// Manifests share blobs, such as an empty configuration or content signed with two keys, and only one task may write a
/// blob at a time.
pub(crate) async fn fetch_attached(
    client: &Client,
    image: &Reference,
    blobs: &[&OciDescriptor],
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<()> {
    let _one = ONE.lock().await;
    for blob in blobs {
        if !store.contains(blob.digest) {
            let expected = ExpectedBlob { digest: blob.digest, size: blob.size };
            fetch_blob(client, Origin::Registry(image), expected, store, progress).await?;
        }
    }
    Ok(())
}
