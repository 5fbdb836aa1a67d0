//! `landfall lock` collects the images that a release names, and adds those that its lock lacks.
//!
//! ```text
//! node packs ── named ── added ──┐
//! manifests, charts ── rendered ─┴─ named ── added ── what is unused, and what is in doubt
//! ```
//!
//! Charts are rendered for the Kubernetes version of the node pack, so its images come first. Only images in known
//! fields are added; texts that merely resemble an image are reported. Nothing is removed, because several releases may
//! use one lock.

mod compared;
mod entry;
mod foreseen;
mod named;
mod report;
#[cfg(test)]
mod tests;
mod unused;

use futures_util::{StreamExt as _, stream};
use landfall_media::progress::{Event, Progress};

pub(super) use self::compared::{LockComparison, compare};
use self::entry::lines;
pub(super) use self::foreseen::preview_lock;
use self::named::{NamedImages, NewImage};
pub use self::report::{AddedImage, ImageInDoubt, LockFindings, UnlistedImage, UnrenderedComponent, UnusedEntry};
use super::command::{OpenLock, not_added};
use super::resolve::{PARALLEL, Resolver};
use crate::charts::{Charts, after_rendering, open_charts};
use crate::definition::{ChartDefinition, Definition};
use crate::error::{BuildError, Result};
use crate::fetch::Client;
use crate::lock::Lock;
use crate::options::LockOptions;
use crate::program::Program;
use crate::render::{self, Suspect, UncheckedRendering};
use crate::rendered::RenderedComponent;
use crate::tool::Tool;

/// A lock with the images that were found.
pub(super) struct DiscoveryResult {
    /// Text of the lock.
    pub(super) text: String,
    pub(super) found: LockFindings,
    /// Error for images that could not be resolved.
    pub(super) refused: Option<BuildError>,
}

/// Options, lock and client of a discovery.
#[derive(Clone, Copy)]
pub(super) struct Discovery<'a> {
    pub(super) options: &'a LockOptions,
    pub(super) opened: &'a OpenLock,
    pub(super) client: &'a Client,
    pub(super) progress: &'a dyn Progress,
}

/// A lock after images were added.
struct ExtendedLock {
    lock: Lock,
    added: Vec<AddedImage>,
    failures: Vec<BuildError>,
}

/// Adds the images of a release to the text of a lock; writes nothing. A component that cannot be rendered is reported,
/// and the others are still examined.
pub(super) async fn discover(discovery: Discovery<'_>, text: String) -> Result<DiscoveryResult> {
    let mut definition = discovery.opened.definition.clone();
    let lock = Lock::parse(&discovery.opened.path, text)?;
    let of_nodes = NamedImages::by(&definition, &[], &lock);
    let ExtendedLock { lock, mut added, mut failures } = discovery.extend(lock, of_nodes.new).await?;
    let (components, unrendered) = discovery.render_components(&mut definition, &lock).await?;
    let mut named = NamedImages::by(&definition, &components, &lock);
    // Failed images of a node pack are not requested again.
    named.new.retain(|image| !image.is_of_node_packs_alone());
    let extended = discovery.extend(lock, named.new).await?;
    added.extend(extended.added);
    failures.extend(extended.failures);
    let lock = extended.lock;
    let NamedImages { used, unlisted, .. } = NamedImages::by(&definition, &components, &lock);
    let images = unrendered.is_empty().then_some(&used);
    let found = LockFindings {
        added,
        unused: unused::entries(&definition, &lock, images),
        unlisted,
        in_doubt: components.iter().flat_map(|component| in_doubt(&definition, component, &lock)).collect(),
        unrendered,
    };
    Ok(DiscoveryResult { text: lock.text().to_owned(), found, refused: not_added(&lock, &failures) })
}

impl Discovery<'_> {
    /// Adds entries for new images that can be resolved. Others are not added, because their names may be wrong.
    async fn extend(self, lock: Lock, new: Vec<NewImage>) -> Result<ExtendedLock> {
        let (mut added, mut failures, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        let asking = Resolver { lock: &lock, client: self.client, store: &self.opened.store, progress: self.progress };
        let each = stream::iter(new).map(|image| async move {
            let found = asking.look_up(&image.reference).await;
            (image, found)
        });
        let answers: Vec<_> = each.buffered(PARALLEL).collect().await;
        for (image, found) in answers {
            match found {
                Ok(found) => {
                    entries.push(lines(&image, &found));
                    added.push(AddedImage { reference: image.name(), digest: found.digest, used_by: image.used_by });
                }
                Err(error) => failures.push(error.within(image.place)),
            }
        }
        if entries.is_empty() {
            return Ok(ExtendedLock { lock, added, failures });
        }
        let text = entry::append_entries(&lock, &entries)?;
        Ok(ExtendedLock { lock: Lock::parse(&lock.path, text)?, added, failures })
    }

    /// The components that can be rendered, and the others with reasons. Charts may add to the definition.
    async fn render_components(
        self,
        definition: &mut Definition,
        lock: &Lock,
    ) -> Result<(Vec<RenderedComponent>, Vec<UnrenderedComponent>)> {
        let Self { options, opened, client, progress } = self;
        let kubectl = Program::find(Tool::Kubectl, &options.kubectl, lock)?;
        let charts =
            open_charts(&options.helm, definition, lock, client, &opened.store, &opened.digests, progress).await;
        let (charts, unopened) = match charts {
            Ok(charts) => (charts, None),
            Err(error) => (Charts::default(), Some(error.in_short())),
        };
        progress.event(Event::PhaseStarted { phase: "rendering".into(), total_bytes: None });
        let UncheckedRendering { components, failed } = render::render_unchecked(definition, &kubectl, &charts);
        progress.event(Event::PhaseDone);
        let after = |error| after_rendering(&opened.store, &charts, error);
        let failed = failed.into_iter().map(|(index, error)| (index, after(error))).collect();
        let unrendered = unrendered_components(definition, failed, |_| unopened.clone());
        Ok((components, unrendered))
    }
}

/// Components that were not rendered. `of_chart` returns a better reason for a chart than the error of its rendering,
/// if there is one.
fn unrendered_components(
    definition: &Definition,
    failed: Vec<(usize, BuildError)>,
    of_chart: impl Fn(&ChartDefinition) -> Option<String>,
) -> Vec<UnrenderedComponent> {
    let component = |(index, error): (usize, BuildError)| {
        let component = &definition.release.components[index];
        let problem = component.chart().and_then(&of_chart).unwrap_or_else(|| error.in_short());
        UnrenderedComponent { component: component.name.value.clone(), problem }
    };
    failed.into_iter().map(component).collect()
}

/// All components of a release, for a missing renderer.
fn none_rendered(definition: &Definition, error: &BuildError) -> Vec<UnrenderedComponent> {
    let components = definition.release.components.iter();
    let unrendered = components
        .map(|component| UnrenderedComponent { component: component.name.value.clone(), problem: error.in_short() });
    unrendered.collect()
}

/// Words in a component that resemble images, but are not known to be images.
fn in_doubt(definition: &Definition, component: &RenderedComponent, lock: &Lock) -> Vec<ImageInDoubt> {
    let name = &definition.release.components[component.index].name.value;
    let suspects = render::in_doubt(definition, component, lock).into_iter();
    suspects
        .map(|Suspect { title, pointer, word }| ImageInDoubt {
            component: name.clone(),
            object: title,
            path: pointer,
            text: word,
        })
        .collect()
}
