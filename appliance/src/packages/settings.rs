//! Settings of the index, checked at its start: an index that cannot serve does not become ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_packages::npm::{NpmList, Registry};
use landfall_packages::{Folder, Index, WheelList, limits};

use crate::cli::PackagesArguments;
use crate::error::{Context as _, Error, Result};

/// Checked and opened settings.
#[derive(Debug)]
pub struct Settings {
    /// Address at which connections are accepted.
    pub listen: SocketAddr,
    /// Folder with the files.
    pub folder: Folder,
    /// Pages of wheels.
    pub wheels: Option<Index>,
    /// npm packages.
    pub npm: Option<Registry>,
}

const UNUSABLE: Code = codes::PACKAGE_INDEX_UNUSABLE;

impl Settings {
    /// Reads the lists, and opens the folder, but no file in it.
    pub fn check(arguments: PackagesArguments) -> Result<Self> {
        let PackagesArguments { folder, list, digest, npm_list, npm_digest, listen } = arguments;
        let listen =
            listen.parse().context(UNUSABLE, || format!("--listen: {listen} is not an address with a port"))?;
        let wheels = list.map(|list| index(&read("--list", &list)?, digest.as_deref())).transpose()?;
        let npm = if npm_list.is_empty() { None } else { Some(registry(&npm_list, npm_digest.as_deref())?) };
        if wheels.is_none() && npm.is_none() {
            return Err(Error::new(
                UNUSABLE,
                "--list: neither a list of wheels nor one of npm packages is named".to_owned(),
            ));
        }
        let folder =
            Folder::open(&folder).context(UNUSABLE, || format!("--folder: {} cannot be opened", folder.display()))?;
        Ok(Self { listen, folder, wheels, npm })
    }
}

/// Reads the bytes of a list, within its size limit.
fn read(argument: &str, list: &Path) -> Result<Vec<u8>> {
    let failed = || format!("{argument}: {} cannot be read", list.display());
    let bytes = fs_err::metadata(list).context(UNUSABLE, failed)?.len();
    if bytes > limits::LIST_BYTES as u64 {
        return Err(Error::new(UNUSABLE, format!("{argument}: {} has {bytes} bytes", list.display())));
    }
    fs_err::read(list).context(UNUSABLE, failed)
}

/// Checks that a list has the expected digest. A pod may start before the node has the release's own list.
fn check_digest(argument: &str, found: Sha256, wanted: Option<&str>) -> Result<()> {
    match wanted.filter(|wanted| *wanted != found.to_string()) {
        Some(wanted) => Err(Error::new(UNUSABLE, format!("{argument}: the list is {found} where {wanted} is wanted"))),
        None => Ok(()),
    }
}

fn index(list: &[u8], digest: Option<&str>) -> Result<Index> {
    check_digest("--digest", Sha256::of(list), digest)?;
    let list = WheelList::read(list).context(UNUSABLE, || "--list: the list of wheels cannot be used".to_owned())?;
    Index::new(&list).context(UNUSABLE, || "--list: the wheels cannot be served".to_owned())
}

fn registry(lists: &[PathBuf], digest: Option<&str>) -> Result<Registry> {
    let failed = || "--npm-list: the list of npm packages cannot be used".to_owned();
    if lists.len() > limits::NPM_LIST_PARTS {
        return Err(Error::new(UNUSABLE, format!("--npm-list: there are {} parts", lists.len())));
    }
    let parts = lists.iter().map(|list| read("--npm-list", list)).collect::<Result<Vec<_>>>()?;
    check_digest("--npm-digest", NpmList::digest(&parts), digest)?;
    let list = NpmList::read(&parts).context(UNUSABLE, failed)?;
    Registry::new(list).context(UNUSABLE, failed)
}
