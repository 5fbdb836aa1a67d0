//! Data that undo of a change found in a volume and set aside when it restored the earlier data. Writes after pods
//! started on changed or restored data exist nowhere else, so this data stays until a person removes it.

use landfall_documents::replaced_data::ReplacedData;
use landfall_engine::plan::Plan;
use landfall_engine::step::StepError;
use landfall_host::paths::SitePaths;
use landfall_host::space;

use crate::steps::action::Action;
use crate::steps::aside::{AsideData, is_replaced};
use landfall_site::room::size;

/// Returns all replaced data on this site, by name. Changes nothing.
pub(crate) fn all(paths: &SitePaths) -> Result<Vec<ReplacedData>, StepError> {
    let storage = paths.storage();
    let Ok(entries) = fs_err::read_dir(&storage) else { return Ok(Vec::new()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| is_replaced(name)).collect();
    names.sort();
    let found = |name: String| {
        let path = storage.join(&name);
        let size_bytes = space::tree(&path)?.bytes;
        let mut parts = name.split('_').skip(1);
        let claim = parts.next().zip(parts.next()).map(|(namespace, claim)| format!("{namespace}/{claim}"));
        Ok(ReplacedData { name, path, size_bytes, claim })
    };
    names.into_iter().map(found).collect()
}

/// Returns the data that the undo of this plan replaced.
pub(crate) fn of_plan(paths: &SitePaths, plan: &Plan<Action>) -> Result<Vec<ReplacedData>, StepError> {
    let asides: Vec<AsideData<'_>> = plan.all().filter_map(|planned| planned.action.aside_data()).collect();
    let mut found = all(paths)?;
    found.retain(|replaced| asides.iter().any(|aside| aside.has_replaced(&replaced.name)));
    Ok(found)
}

/// Returns a note for people.
pub fn note(replaced: &ReplacedData) -> String {
    format!(
        "{}; `landfall replaced-data remove {}` removes it once nothing of it is needed",
        text(replaced),
        replaced.name
    )
}

/// Returns a description for people: claim, path and size.
pub fn text(replaced: &ReplacedData) -> String {
    let claim = replaced.claim.as_deref().unwrap_or("a volume");
    let (path, rounded, bytes) = (replaced.path.display(), size(replaced.size_bytes), replaced.size_bytes);
    format!("what was in {claim} when a change was undone is kept in {path} ({rounded}, {bytes} bytes)")
}

#[cfg(test)]
mod tests {
    use landfall_media::durable;

    use super::*;

    #[test]
    fn replaced_data_lists_claim_and_size() {
        let root = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(root.path());
        assert_eq!(all(&paths).unwrap(), []);
        let folder = paths.storage().join("after-upgrade.0f.pvc-1_shop_data");
        durable::create_folder(&folder).unwrap();
        durable::create_folder(&paths.storage().join("pvc-1_shop_data")).unwrap();
        durable::write_file(&folder.join("rows"), &vec![7; 100_000], 0o600).unwrap();
        let found = all(&paths).unwrap();
        assert_eq!((found.len(), found[0].claim.as_deref()), (1, Some("shop/data")));
        assert!(found[0].size_bytes >= 100_000 && found[0].path == folder);
        assert!(note(&found[0]).contains("landfall replaced-data remove after-upgrade.0f.pvc-1_shop_data"));
    }
}
