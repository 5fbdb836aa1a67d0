//! Releases that a site keeps: the installed one, and those to which it can roll back without media.

use landfall_documents::releases::KeptReleaseStatus;

use super::Operations;
use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use super::trust::Trust;
use landfall_site::pins::KeptRelease;

impl Operations {
    /// Returns the kept releases, the installed one first; empty on a machine without a site. Changes nothing.
    pub fn releases(&self) -> Result<Vec<KeptReleaseStatus>> {
        Ok(self.kept_releases()?.into_iter().map(|(status, _)| status).collect())
    }

    /// Like [`Self::releases`], each with its head. An unreadable head is `None` and does not change the list.
    pub fn kept_releases(&self) -> Result<Vec<(KeptReleaseStatus, Option<TrustedRelease>)>> {
        let kept = self.history()?.kept_releases();
        let described = kept.into_iter().enumerate().map(|(index, kept)| {
            let head = self.kept_head(&kept);
            let status = KeptReleaseStatus {
                name: kept.release,
                version: kept.version,
                counter: kept.counter,
                bundle: kept.bundle.to_string(),
                installed: index == 0,
                notes: head.as_ref().and_then(TrustedRelease::notes).map(str::to_owned),
            };
            (status, head)
        });
        Ok(described.collect())
    }

    /// Reads the head of a release, verified by the trust that was pinned with it.
    fn kept_head(&self, kept: &KeptRelease) -> Option<TrustedRelease> {
        let read = TrustedRelease::read(&self.head_file(kept.bundle), &Trust::from_pinned(&kept.trust));
        let warn = |error: &OperationError| {
            tracing::warn!(%error, version = kept.version, "the head of a release that the site keeps cannot be read");
        };
        read.inspect_err(warn).ok()
    }
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::head::NewDocument;
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_media::durable;
    use landfall_release_document::NOTES_DOCUMENT_NAME;

    use crate::operations::install::tests::{BUILT, Fixture, release, signed_bundle};

    /// Returns a site whose release has these notes.
    fn site(notes: &[u8]) -> Fixture {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let notes = NewDocument { name: NOTES_DOCUMENT_NAME.to_owned(), bytes: notes.to_vec() };
        let bundle = signed_bundle(&vendor.key, std::slice::from_ref(&vendor.root), &release(3), BUILT, vec![notes]);
        let fixture = Fixture::with_root(&vendor.root, &bundle);
        fixture.prepared_install().run().unwrap();
        fixture
    }

    #[test]
    fn release_notes_come_from_head() {
        let listed = |fixture: &Fixture| fixture.operations.releases().unwrap();
        let fixture = site(b"# 1.0.0\n- faster\n");
        let releases = listed(&fixture);
        let installed = &releases[0];
        assert_eq!((installed.notes.as_deref(), installed.installed), (Some("# 1.0.0\n- faster\n"), true));
        // A vendor's signature alone does not make notes fit to be shown.
        assert_eq!(listed(&site(b"\x1b[2Jgone"))[0].notes, None);
        // The list does not depend on the head.
        let head = fixture.operations.head_file(installed.bundle.parse().unwrap());
        durable::write_file(&head, b"damaged", 0o644).unwrap();
        assert_eq!((listed(&fixture)[0].version.as_str(), &listed(&fixture)[0].notes), ("1.0.0", &None));
    }
}
