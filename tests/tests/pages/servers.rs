//! Functions that servers of these tests share: a free port, and programs of a Debian root filesystem.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

/// Returns a loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Returns a program of the root filesystem, with its own loader and libraries.
pub(crate) fn program(root: &Path, name: &str) -> Command {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(&libraries).arg(root.join("usr/sbin").join(name));
    command.stdin(Stdio::null());
    command
}
