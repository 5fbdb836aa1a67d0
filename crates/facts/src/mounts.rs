//! The facts of a node, collected in a container on it. With the node's mounts in place of the container's, all sources
//! of facts are where a program on the node itself finds them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_facts::failure::Failure;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Name of the program beside this one that queries NVIDIA's library.
const GPU_PROGRAM: &str = "landfall-gpu";

/// A program from this one's folder, held open because the folder is unreachable afterwards.
pub(crate) struct HeldProgram(File);

impl HeldProgram {
    /// Returns a path that leads to it in every mount namespace, as long as this process lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()))
    }
}

/// Enters the mount namespace that a file such as `/proc/1/ns/mnt` names. Returns the GPU program that was beside this
/// one. The kernel requires a process without threads, with root's privileges.
pub(crate) fn enter(namespace: &Path) -> Result<Option<HeldProgram>, Failure> {
    let beside = std::env::current_exe().map(|this| this.with_file_name(GPU_PROGRAM)).and_then(File::open);
    match enter_mount_namespace(namespace) {
        Ok(()) => Ok(beside.ok().map(HeldProgram)),
        Err(error) => {
            let what = format!("the mounts that {} names cannot be used", namespace.display());
            Err(Failure::new(codes::BAD_ARGUMENT, what).because(&error).next("See `landfall-facts --help`."))
        }
    }
}

fn enter_mount_namespace(namespace: &Path) -> io::Result<()> {
    let mounts = File::open(namespace)?;
    Ok(move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?)
}
