//! `landfall lock --check`: compares the images that a release names with its lock. Sends no requests for them, and
//! adds nothing.

use super::named::{NamedImages, NewImage};
use super::{Discovery, LockFindings, UnlistedImage, in_doubt, none_rendered, unused};
use crate::resolution::command::OpenLock;

/// Result of the comparison.
pub(in crate::resolution) struct LockComparison {
    /// Findings for the report.
    pub(in crate::resolution) found: LockFindings,
    /// A line for each image that the lock lacks.
    pub(in crate::resolution) missing: Vec<String>,
}

/// Renders a release and compares its images with the lock. Charts that the store lacks are fetched.
pub(in crate::resolution) async fn compare(discovery: Discovery<'_>) -> LockComparison {
    let OpenLock { definition, lock, .. } = discovery.opened;
    let mut definition = definition.clone();
    let (components, unrendered) = match discovery.render_components(&mut definition, lock).await {
        Ok(rendered) => rendered,
        Err(error) => (Vec::new(), none_rendered(&definition, &error)),
    };
    let NamedImages { new, used, unlisted } = NamedImages::by(&definition, &components, lock);
    let absent = |NewImage { reference, place, used_by }: &NewImage| {
        format!("\n  {place}`{reference}` ({})", used_by.join(", "))
    };
    let unclear = |UnlistedImage { used_by, problem }: &UnlistedImage| format!("\n  an image of {used_by}: {problem}");
    let missing = new.iter().map(absent).chain(unlisted.iter().map(unclear)).collect();
    let images = unrendered.is_empty().then_some(&used);
    let found = LockFindings {
        added: Vec::new(),
        unused: unused::entries(&definition, lock, images),
        unlisted,
        in_doubt: components.iter().flat_map(|component| in_doubt(&definition, component, lock)).collect(),
        unrendered,
    };
    LockComparison { found, missing }
}
