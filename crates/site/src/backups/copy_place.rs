//! Places of copies: folders on other disks, and buckets of S3 servers.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use landfall_backup::{Bucket, BucketCredentials, Place};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;

use super::unusable;
use crate::configuration::BucketSettings;

/// Prefix of a copy repository's name, before the node's name: several sites may share a disk or a bucket.
const PREFIX: &str = "landfall-backups-";

/// Returns the repository of a node's copies, in a folder or in one of these buckets. Contacts no server.
pub(super) fn repository(
    paths: &SitePaths,
    buckets: &[BucketSettings],
    place: &Path,
    node: &str,
) -> Result<Place, StepError> {
    let name = format!("{PREFIX}{node}");
    let Some(bucket) = BucketSettings::name_in(place) else { return Ok(Place::from(&place.join(name))) };
    let settings = buckets.iter().find(|settings| settings.name == bucket).ok_or_else(|| {
        let what = format!("the site's settings name no bucket {bucket} below backups.buckets");
        StepError::new(codes::BACKUP_COPY_PLACE, what)
    })?;
    let lock = paths.backups().join(format!("{bucket}.bucket-lock"));
    Ok(open(settings, &name, Some(&lock))?.into())
}

/// Returns the copy repository in a bucket whose node is unknown: the only one below its prefix, or the prefix itself.
/// Reads the whole listing, however long that takes.
pub fn only_repository(settings: &BucketSettings) -> Result<Place, StepError> {
    let is_repository = settings.prefix.rsplit('/').next().is_some_and(|last| last.starts_with(PREFIX));
    let above: Place = open(settings, "", None)?.without_limit().into();
    if is_repository {
        return Ok(above);
    }
    let mut names = above.names().map_err(unusable)?;
    names.retain(|name| name.starts_with(PREFIX));
    match names.as_slice() {
        [name] => Ok(open(settings, name, None)?.without_limit().into()),
        [] => Err(StepError::new(codes::BACKUP_NO_REPOSITORY, format!("{above} holds no backup repository"))),
        names => {
            let what = format!("{above} holds several backup repositories: {}", names.join(", "));
            let hint = "Name one of them as the last part of `prefix`.".to_owned();
            Err(StepError::new(codes::BACKUP_NO_REPOSITORY, what).hint(hint))
        }
    }
}

fn open(settings: &BucketSettings, below: &str, lock: Option<&Path>) -> Result<Bucket, StepError> {
    let credentials = BucketCredentials::read(&settings.credentials).map_err(unusable)?;
    let authority = match &settings.authority {
        Some(path) => Some(files::read(path)?.ok_or_else(|| {
            StepError::new(codes::BACKUP_COPY_PLACE, format!("the authority {} does not exist", path.display()))
        })?),
        None => None,
    };
    Bucket::new(&settings.address(below), credentials, authority.as_deref(), lock).map_err(unusable)
}

/// Fails if a place is on the disk of the data, because the copy would be lost with it. An unmounted disk looks like
/// the data's or the system's.
pub(super) fn refuse_same_disk(paths: &SitePaths, place: &Path) -> Result<(), StepError> {
    if BucketSettings::name_in(place).is_some() {
        return Ok(());
    }
    let refused = |what: String| Err(StepError::new(codes::BACKUP_COPY_PLACE, what));
    let shown = place.display();
    if !place.is_dir() {
        return refused(format!("{shown} is not a folder"));
    }
    let device = |path: &Path| {
        fs_err::metadata(path).map(|metadata| metadata.dev()).map_err(|error| files::file_error("look at", path, error))
    };
    let own = [paths.data(), paths.backups(), paths.backup_repository(), paths.host("/")];
    for path in own.iter().filter(|path| path.exists()) {
        if device(place)? == device(path)? {
            return refused(format!("{shown} is on the same filesystem as {}", path.display()));
        }
    }
    Ok(())
}
