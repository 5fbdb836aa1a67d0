//! Runs the `landfall` that a bundle carries, if the bundle needs a newer version than this one.
//!
//! The bundle is already trusted, and the program is checked against its signed digest before it runs. It stays in
//! memory, so a bundle that is refused later leaves nothing on the disk.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use landfall_bundle_spec::head::Signed;
use landfall_media::bundle::UnverifiedBundle;
use rustix::fs::{MemfdFlags, SealFlags, memfd_create};

use super::engine_file;
use super::engine_file::HANDED_VARIABLE;

/// First bytes of a native executable.
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";

/// Replaces this process with the carried program and the same arguments. Returns only on failure, with a reason for
/// people.
pub(super) fn run<R: Read>(located: &UnverifiedBundle, head: &Signed<R>) -> Result<Infallible, String> {
    if std::env::var_os(HANDED_VARIABLE).is_some() {
        return Err("this landfall was handed the bundle by another one already".to_owned());
    }
    let program = head.program().ok_or("it carries none")?;
    let running = engine_file::running().map_err(|error| error.to_string())?;
    if running == program.sha256 {
        return Err("it is this very landfall".to_owned());
    }
    let stream = located.stream_at(program.offset).map_err(|error| error.to_string())?;
    let copy = in_memory(&mut stream.take(program.size)).map_err(|error| format!("cannot keep it: {error}"))?;
    if copy.digest != program.sha256 {
        return Err("it is damaged, or not in the first file of the bundle".to_owned());
    }
    become_program(&copy.file)
}

struct InMemory {
    file: File,
    digest: landfall_bundle_spec::Sha256,
}

/// Copies a stream into an unnamed file in memory, which ends with the process.
fn in_memory(stream: &mut dyn Read) -> io::Result<InMemory> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag that makes a file in memory executable, and treat every such file as
    // executable.
    let mut file =
        File::from(memfd_create("landfall", flags | MemfdFlags::EXEC).or_else(|_| memfd_create("landfall", flags))?);
    let digest = engine_file::copy_stream(stream, &mut file)?;
    // Sealing prevents later writes, so the checked bytes are the ones that run.
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(InMemory { file, digest })
}

fn become_program(file: &File) -> Result<Infallible, String> {
    let mut magic = [0; 4];
    // The file closes when the program begins, so a script's interpreter would not find it.
    if file.read_exact_at(&mut magic, 0).is_err() || magic != ELF_MAGIC {
        return Err("it is not a program for this operating system".to_owned());
    }
    let path = Path::new("/proc/self/fd").join(file.as_raw_fd().to_string());
    let error = Command::new(path).args(std::env::args_os().skip(1)).env(HANDED_VARIABLE, "1").exec();
    Err(format!("it does not run: {error}"))
}
