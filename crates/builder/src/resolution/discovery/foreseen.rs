//! Entries that `landfall lock` would add, as far as they are known without a request.

use super::entry::{self, open_lines};
use super::named::{NamedImages, NewImage};
use super::{UnrenderedComponent, none_rendered, unrendered_components};
use crate::charts::{self, Charts};
use crate::definition::Definition;
use crate::error::Result;
use crate::lock::Lock;
use crate::node_packs::kubernetes;
use crate::options::LockOptions;
use crate::program::Program;
use crate::render::{self, UncheckedRendering};
use crate::rendered::RenderedComponent;
use crate::tool::Tool;

/// Reason why a chart is not examined.
const NOT_HERE: &str = "its chart is fetched before it is rendered";

/// The lock with unresolved entries for the images that it lacks, and the components that were not examined.
///
/// Writes nothing and sends no requests, so charts that the lock pins are not rendered.
pub(in crate::resolution) fn preview_lock(
    options: &LockOptions,
    definition: &Definition,
    lock: Lock,
) -> Result<(Lock, Vec<UnrenderedComponent>)> {
    let mut definition = definition.clone();
    let of_nodes = NamedImages::by(&definition, &[], &lock);
    let lock = with_open(lock, &of_nodes.new)?;
    let (components, unrendered) = render_components(options, &mut definition, &lock);
    let named = NamedImages::by(&definition, &components, &lock);
    Ok((with_open(lock, &named.new)?, unrendered))
}

fn with_open(lock: Lock, new: &[NewImage]) -> Result<Lock> {
    if new.is_empty() {
        return Ok(lock);
    }
    let entries: Vec<_> = new.iter().map(open_lines).collect();
    let text = entry::append_entries(&lock, &entries)?;
    Lock::parse(&lock.path, text)
}

fn render_components(
    options: &LockOptions,
    definition: &mut Definition,
    lock: &Lock,
) -> (Vec<RenderedComponent>, Vec<UnrenderedComponent>) {
    let kubectl = match Program::find(Tool::Kubectl, &options.kubectl, lock) {
        Ok(kubectl) => kubectl,
        Err(error) => return (Vec::new(), none_rendered(definition, &error)),
    };
    let (charts, unopened) = match folders(options, definition, lock) {
        Ok(charts) => (charts, None),
        Err(error) => (Charts::default(), Some(error.in_short())),
    };
    let UncheckedRendering { components, failed } = render::render_unchecked(definition, &kubectl, &charts);
    let unrendered = unrendered_components(definition, failed, |chart| {
        let not_here = chart.reference.as_ref().map(|_| NOT_HERE.to_owned());
        not_here.or_else(|| unopened.clone())
    });
    (components, unrendered)
}

/// Opens charts in folders of the release.
fn folders(options: &LockOptions, definition: &Definition, lock: &Lock) -> Result<Charts> {
    if !definition.has_charts() {
        return Ok(Charts::default());
    }
    let helm = Program::find(Tool::Helm, &options.helm, lock)?;
    helm.version()?;
    Ok(Charts::new(helm, kubernetes(definition, lock)?, charts::open_folders(definition)?))
}
