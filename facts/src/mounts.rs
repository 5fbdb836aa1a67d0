//! The facts of a node from a container on it: with the node's mounts in place of the container's, everything that facts are made of is
//! where it is for a program on the node itself.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_facts::failure::Failure;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Name of the program that asks NVIDIA's library, beside this one.
const GPU_PROGRAM: &str = "landfall-gpu";

/// A program of this one's folder, held open, since its folder is out of reach afterwards.
pub(crate) struct HeldProgram(File);

impl HeldProgram {
    /// A path that leads to it in every mount namespace, for as long as this process lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()))
    }
}

/// Takes over the mounts that a file such as `/proc/1/ns/mnt` names. Returns the program about GPUs that was beside this one. The kernel
/// wants a process without threads, with the rights of root.
pub(crate) fn enter(namespace: &Path) -> Result<Option<HeldProgram>, Failure> {
    let beside = std::env::current_exe().map(|this| this.with_file_name(GPU_PROGRAM)).and_then(File::open);
    match moved(namespace) {
        Ok(()) => Ok(beside.ok().map(HeldProgram)),
        Err(error) => {
            let what = format!("the mounts that {} names cannot be used", namespace.display());
            Err(Failure::new(codes::BAD_ARGUMENT, what).because(&error).next("See `landfall-facts --help`."))
        }
    }
}

fn moved(namespace: &Path) -> io::Result<()> {
    let mounts = File::open(namespace)?;
    Ok(move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?)
}
