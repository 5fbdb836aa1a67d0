//! Choice of this host's bundle in a folder with one release for several platforms.
//!
//! Threats: nothing in a head is trusted here, and no more of it is read than of any head. A bundle that lies about its
//! platform is chosen and then refused, by its signature or its platform. An additional bundle for the host's platform
//! makes the choice ambiguous, so nothing is chosen.

use std::path::Path;

use landfall_bundle_spec::head::Opened;
use landfall_host::facts::host;
use landfall_media::MediaError;
use landfall_media::bundle::{UnverifiedBundle, locate_counted};
use landfall_media::counters::Counters;
use landfall_release_document::{RELEASE_DOCUMENT_NAME, ReleaseDocument};

/// Locates the bundle that a person names, for this host. Counts the bytes read in `counters`.
///
/// # Errors
///
/// The errors of [`locate_counted`]. Also fails for a folder with several bundles, with one exception. They may be one
/// version of one release for different platforms, if exactly one is for this host's platform.
pub fn locate_for_host(path: &Path, counters: &Counters) -> Result<UnverifiedBundle, MediaError> {
    match locate_counted(path, counters) {
        Err(MediaError::SeveralBundles { folder, names }) => {
            let chosen = choose_bundle(&folder, &names, &host::platform(), counters);
            chosen.ok_or(MediaError::SeveralBundles { folder, names })
        }
        found => found,
    }
}

/// A bundle by its own description.
struct Offer {
    located: UnverifiedBundle,
    /// Name and version of the release.
    release: (String, String),
    platform: String,
}

impl Offer {
    /// Reads a bundle's description; `None` if it cannot be read or is not of a release.
    fn read(folder: &Path, name: &str, counters: &Counters) -> Option<Self> {
        let located = locate_counted(&folder.join(name), counters).ok()?;
        let opened = Opened::read(located.head().ok()?).ok()?;
        let identity = opened.untrusted_contents().identity();
        let document = opened.untrusted_contents().small_document(RELEASE_DOCUMENT_NAME)?;
        let ReleaseDocument { platform, .. } = ReleaseDocument::read(document).ok()?;
        Some(Self { located, release: (identity.name, identity.version), platform })
    }
}

fn choose_bundle(folder: &Path, names: &[String], platform: &str, counters: &Counters) -> Option<UnverifiedBundle> {
    let offers: Vec<_> = names.iter().map(|name| Offer::read(folder, name, counters)).collect::<Option<_>>()?;
    let is_one_release = offers.windows(2).all(|pair| pair[0].release == pair[1].release);
    let mut of_platform = offers.into_iter().filter(|offer| offer.platform == platform);
    let chosen = of_platform.next()?;
    (is_one_release && of_platform.next().is_none()).then_some(chosen.located)
}
