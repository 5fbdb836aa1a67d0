//! What the index needs to know, checked at its start: an index that cannot serve does not become ready.

use std::net::SocketAddr;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, codes};
use landfall_packages::{Folder, Index, WheelList, limits};

use crate::cli::PackagesArguments;
use crate::error::{Context as _, Error, Result};

/// What was checked and opened.
#[derive(Debug)]
pub struct Settings {
    /// Where connections are accepted.
    pub listen: SocketAddr,
    /// The folder with the wheels.
    pub folder: Folder,
    /// The pages.
    pub index: Index,
}

const UNUSABLE: Code = codes::PACKAGE_INDEX_UNUSABLE;

impl Settings {
    /// Reads the list, and opens the folder. No wheel is opened yet.
    pub fn check(arguments: PackagesArguments) -> Result<Self> {
        let PackagesArguments { folder, list, digest, listen } = arguments;
        let listen =
            listen.parse().context(UNUSABLE, || format!("--listen: {listen} is not an address with a port"))?;
        let index = index(&read(&list)?, digest.as_deref())?;
        let folder =
            Folder::open(&folder).context(UNUSABLE, || format!("--folder: {} cannot be opened", folder.display()))?;
        Ok(Self { listen, folder, index })
    }
}

/// The bytes of the list, within its limit.
fn read(list: &std::path::Path) -> Result<Vec<u8>> {
    let bytes =
        fs_err::metadata(list).context(UNUSABLE, || format!("--list: {} cannot be read", list.display()))?.len();
    if bytes > limits::LIST_BYTES as u64 {
        return Err(Error::new(UNUSABLE, format!("--list: {} has {bytes} bytes", list.display())));
    }
    fs_err::read(list).context(UNUSABLE, || format!("--list: {} cannot be read", list.display()))
}

/// The index of a list that has the digest. A pod may begin before the node has the release's own list.
fn index(list: &[u8], digest: Option<&str>) -> Result<Index> {
    let found = Sha256::of(list);
    if let Some(wanted) = digest.filter(|wanted| *wanted != found.to_string()) {
        return Err(Error::new(UNUSABLE, format!("--digest: the list is {found} where {wanted} is wanted")));
    }
    let list = WheelList::read(list).context(UNUSABLE, || "--list: the list of wheels cannot be used".to_owned())?;
    Index::new(&list).context(UNUSABLE, || "--list: the wheels cannot be served".to_owned())
}
