//! Third-party tools applied to a bundle, with their output in a common form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::workspace;

/// A file of an archive, in the common form of all listers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveEntry {
    /// Type and permissions, such as `-rw-r--r--`.
    pub mode: String,
    /// Numeric owner and group.
    pub owner: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Name of the file.
    pub name: String,
}

/// Programs that list archives, each by a different author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lister {
    /// GNU tar.
    Gnu,
    /// The `bsdtar` of libarchive.
    Bsd,
    /// `tarfile` of Python's standard library.
    Python,
    /// `archive/tar` of Go's standard library.
    Go,
}

impl Lister {
    /// All listers.
    pub const ALL: [Self; 4] = [Self::Gnu, Self::Bsd, Self::Python, Self::Go];

    /// Lists a file, in which the lister may seek.
    pub fn file(self, path: &Path) -> Result<Vec<ArchiveEntry>> {
        let output = self.command(path).output().with_context(|| format!("cannot start {self:?}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success() && said.is_empty(), "{self:?} ended with {}:\n{said}", output.status);
        self.parse(&String::from_utf8(output.stdout).context("a listing is not UTF-8")?)
    }

    /// Lists the concatenation of some files, through a pipe.
    pub fn pipe(self, paths: &[PathBuf]) -> Result<Vec<ArchiveEntry>> {
        let mut lister = self.command(Path::new("-"));
        let mut lister = lister.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut input = lister.stdin.take().context("no pipe")?;
        let output = std::thread::scope(|scope| {
            let cat = scope.spawn(move || -> io::Result<()> {
                for path in paths {
                    match io::copy(&mut File::open(path)?, &mut input) {
                        // GNU tar closes the pipe after the end of the archive if it reads larger records.
                        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                        _ => {}
                    }
                }
                Ok(())
            });
            let output = lister.wait_with_output();
            cat.join().map_err(|_| io::Error::other("cat panicked"))??;
            output
        })?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success() && said.is_empty(), "{self:?} ended with {}:\n{said}", output.status);
        self.parse(&String::from_utf8(output.stdout).context("a listing is not UTF-8")?)
    }

    fn command(self, path: &Path) -> Command {
        let data = workspace::root().join("tests/data");
        let (program, arguments): (&str, &[&str]) = match self {
            Self::Gnu => ("tar", &["--list", "--verbose", "--numeric-owner", "--file"]),
            Self::Bsd => ("bsdtar", &["--list", "--verbose", "--numeric-owner", "--file"]),
            Self::Python => ("python3", &["list_tar.py"]),
            Self::Go => ("go", &["run", "list_tar.go"]),
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(path).current_dir(data).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command
    }

    fn parse(self, text: &str) -> Result<Vec<ArchiveEntry>> {
        text.lines().map(|line| self.parse_line(line).with_context(|| format!("{self:?} lists {line:?}"))).collect()
    }

    fn parse_line(self, line: &str) -> Result<ArchiveEntry> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (mode, user, group, size, name) = match (self, &fields[..]) {
            (Self::Bsd, [mode, _links, user, group, size, _month, _day, _year, name]) => {
                (mode, *user, *group, size, name)
            }
            (Self::Gnu, [mode, owner, size, _date, _time, name]) => {
                let (user, group) = owner.split_once('/').context("no owner")?;
                (mode, user, group, size, name)
            }
            (Self::Python | Self::Go, [mode, user, group, size, name]) => (mode, *user, *group, size, name),
            _ => bail!("not a line of a listing"),
        };
        let owner = (user.parse()?, group.parse()?);
        Ok(ArchiveEntry { mode: (*mode).to_owned(), owner, size: size.parse()?, name: (*name).to_owned() })
    }
}

/// Returns the sums of a folder's regular files, by name, as printed by `b3sum` or `sha256sum`.
pub fn sums(program: &str, folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        names.push(entry?.file_name());
    }
    let output = Command::new(program).args(&names).current_dir(folder).output()?;
    ensure!(output.status.success(), "{program} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let pair = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    text.lines().map(|line| pair(line).with_context(|| format!("{program} says {line:?}"))).collect()
}

/// Returns SHA-256 and length of a reader's data.
pub fn digest(mut reader: impl Read) -> Result<(String, u64)> {
    let mut hasher = <sha2::Sha256 as sha2::Digest>::new();
    let bytes = io::copy(&mut reader, &mut hasher)?;
    Ok((hex::encode(sha2::Digest::finalize(hasher)), bytes))
}

/// Returns SHA-256 and length of concatenated files, from a byte offset in the first one.
pub fn digest_in_a_row(paths: &[PathBuf], from: u64) -> Result<(String, u64)> {
    let mut stream: Box<dyn Read> = Box::new(io::empty());
    for (index, path) in paths.iter().enumerate() {
        let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        if index == 0 {
            file.seek(io::SeekFrom::Start(from))?;
        }
        stream = Box::new(stream.chain(file));
    }
    digest(stream)
}
