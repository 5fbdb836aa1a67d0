//! A site on a simulated disk that forgets unsynced writes. It has a folder of volumes, a real journal and stand-ins
//! for everything else. Objects of the cluster are files with the parameters of the step that makes them. Clients
//! record acknowledged rows in a separate folder of this disk, which stands for their own disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall_engine::engine::{End, Engine};
use landfall_engine::journal::{JournalFolder, Outline};
use landfall_engine::plan::{Plan, StepId};
use landfall_engine::step::{Durable, StepError};
use landfall_error_codes::codes;
use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input, Subprocesses};
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use landfall_media::progress::SilentProgress;

use super::actions::resolve;
use crate::context::Site;
use crate::steps::action::Action;
use crate::steps::aside::AsideData;

/// Rows of each volume before the change, and rows that a backup has.
pub(super) const ROWS: &str = "rows";
pub(super) const SAVED: &str = "saved rows";

/// Content that pods write to an empty volume.
pub(super) const EMPTY_DATABASE: &str = "an empty database";

/// File of a volume to which clients add rows, and file that only a load writes.
pub(super) const TABLE: &str = "table";
pub(super) const SEGMENT: &str = "base/segment";

/// File that exists while webhooks are suspended.
pub(super) const SUSPENDED: &str = "webhooks/suspended";

/// Folder of the stand-ins.
pub(super) const CLUSTER: &str = "cluster";

/// Folder in which clients record acknowledged rows.
const CLIENTS: &str = "clients";

/// Content of files by path.
pub(super) type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Copies with the real program and reports the copies to the disk as unsynced.
struct CopyRunner;

impl CommandRunner for CopyRunner {
    fn run(&self, command: &HostCommand, input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        let output = Subprocesses.run(command, input)?;
        let target = command.arguments.last().map(PathBuf::from).unwrap_or_default();
        durable::note_made(&target);
        Ok(output)
    }
}

pub(super) struct World {
    pub(super) site: Site,
    pub(super) plan: Plan<Action>,
    /// The step that always fails.
    pub(super) fault: Option<StepId>,
    root: PathBuf,
    /// Number of the boot, which makes rows unique.
    boot: usize,
    rows: usize,
}

/// Returns the file name of a step's stand-in.
pub(super) fn stand_in_name(id: &str) -> String {
    format!("made/{}", id.replace('/', "."))
}

impl World {
    /// Opens the site in this folder, whether or not its change has begun.
    pub(super) fn at(root: &Path, plan: &Plan<Action>) -> Self {
        let (_unused, site) = crate::steps::tests::site();
        let site = crate::steps::tests::on_host(&site, SitePaths::below(root.join("host")), Arc::new(CopyRunner));
        Self { site, plan: plan.clone(), fault: None, root: root.to_owned(), boot: 0, rows: 0 }
    }

    /// Creates a site in this folder, ready for this change.
    pub(super) fn new(root: &Path, plan: &Plan<Action>) -> Self {
        let world = Self::at(root, plan);
        durable::create_folder(&world.site.data.paths.storage()).unwrap();
        for folder in [CLIENTS, "cluster/made", "cluster/running", "cluster/webhooks", "cluster/content"] {
            durable::create_folder(&world.root.join(folder)).unwrap();
        }
        world.install();
        world
    }

    /// Writes the state before the change.
    fn install(&self) {
        let place = |name: &str, content: &[u8]| self.write(name, content).unwrap();
        for planned in self.plan.all() {
            match &planned.action {
                Action::Supersede(step) => place(&stand_in_name(&planned.id.0), &parameters(&step.before)),
                Action::Replace(step) => place(&stand_in_name(&planned.id.0), &parameters(&step.before)),
                Action::Retire(step) => place(&stand_in_name(&step.step.0), &parameters(&step.before)),
                Action::Stop(stop) => place(&format!("running/{}", stop.workload.name), b"1"),
                Action::StageRelease(_) => place("content/oldest", b"1"),
                action => {
                    if let Some(aside) = action.aside_data() {
                        self.fill(&aside, ROWS);
                    }
                }
            }
        }
    }

    fn fill(&self, aside: &AsideData<'_>, rows: &str) {
        let volume = aside.volume(&self.site.data.paths);
        durable::create_folder(&volume.join(SEGMENT).with_file_name("")).unwrap();
        for file in [TABLE, SEGMENT] {
            durable::write_file(&volume.join(file), rows.as_bytes(), 0o640).unwrap();
        }
    }

    /// Starts a new boot, after which clients write different rows.
    pub(super) fn boot(&mut self, number: usize) {
        (self.boot, self.rows) = (number, 0);
    }

    /// Returns the root folder of the simulated disk.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn journals(&self) -> JournalFolder<Outline> {
        JournalFolder::at(self.site.data.paths.journal())
    }

    /// Begins the change, or continues it as its systemd unit does after a boot.
    pub(super) fn change(&mut self) -> End {
        let (plan, journals) = (self.plan.clone(), self.journals());
        let lock = journals.lock("change").unwrap();
        let mut journal = if let Some(file) = journals.latest().unwrap() {
            journals.open(&lock, &file).unwrap()
        } else {
            let steps = plan.all().map(|step| step.id.clone()).collect();
            let pins = Outline { operation: plan.operation, steps, closing: plan.closing.len() };
            journals.create(&lock, pins).unwrap()
        };
        Engine { journal: &mut journal, plan: &plan, resolve, progress: &SilentProgress }.run(self, &|_| {}).unwrap()
    }

    /// Returns true if the change has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.journals().latest().unwrap().is_some()
    }

    /// Returns true if the change has ended according to its journal.
    pub(super) fn has_ended(&self) -> bool {
        let journals = self.journals();
        journals.latest().unwrap().is_some_and(|file| journals.read(&file).unwrap().state.is_closed())
    }

    /// Returns all files on the disk except the journal and temporary files. The next write of the same name replaces a
    /// temporary file.
    pub(super) fn contents(&self) -> Contents {
        let mut found = Contents::new();
        read_into(&self.root, &self.root, &mut found);
        let journals = self.site.data.paths.journal();
        found.retain(|path, _| !self.root.join(path).starts_with(&journals) && !durable::is_temporary(path));
        found
    }

    /// Returns the files that make up the release and its settings: neither data, nor whether pods run.
    pub(super) fn release(&self) -> Contents {
        let storage = self.site.data.paths.storage();
        let storage = storage.strip_prefix(&self.root).unwrap();
        let others = [storage, Path::new(CLIENTS), Path::new("cluster/running"), Path::new("cluster/webhooks")];
        let mut found = self.contents();
        found.retain(|path, _| others.iter().all(|other| !path.starts_with(other)));
        found
    }

    /// Returns the stand-ins in one of their folders, by name.
    pub(super) fn below(&self, folder: &str) -> BTreeMap<String, String> {
        let folder = Path::new(CLUSTER).join(folder);
        let all = self.contents().into_iter();
        all.filter_map(|(path, bytes)| {
            let name = path.strip_prefix(&folder).ok()?;
            Some((name.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()))
        })
        .collect()
    }

    /// Returns the entries of the folder of volumes, each with the text of its file named `file`, or an empty text.
    pub(super) fn volume_texts(&self, file: &str) -> BTreeMap<String, String> {
        let entries = fs_err::read_dir(self.site.data.paths.storage()).unwrap();
        let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().to_string_lossy().into_owned(), text(&entry.path().join(file)))
            })
            .collect()
    }

    /// Returns the names of all volumes.
    pub(super) fn volumes(&self) -> Vec<String> {
        self.plan.all().filter_map(|planned| Some(planned.action.aside_data()?.folder.to_owned())).collect()
    }

    /// Returns the rows that clients know to be stored.
    pub(super) fn acknowledged_rows(&self) -> Vec<String> {
        let noted = std::fs::read(self.root.join(CLIENTS).join("noted")).unwrap_or_default();
        // A power cut leaves a partial line or zeros.
        let is_whole = |line: &&str| line.len() > 2 && line.starts_with('|') && line.ends_with('|');
        String::from_utf8_lossy(&noted).lines().filter(is_whole).map(str::to_owned).collect()
    }

    /// Appends a unique row to a file of a volume. Its client records it only after the sync.
    pub(super) fn add_row(&mut self, volume: &Path) -> Result<(), StepError> {
        self.rows += 1;
        let row = format!("|row {} of boot {}|", self.rows, self.boot);
        // A starting pod gets its missing folder created.
        durable::create_folder(volume)?;
        append(&volume.join(TABLE), &row)?;
        append(&self.root.join(CLIENTS).join("noted"), &format!("\n{row}\n"))
    }

    /// Writes the file of a stand-in, or removes it if `bytes` is empty.
    pub(super) fn write(&self, file: &str, bytes: &[u8]) -> Result<(), StepError> {
        let path = self.root.join(CLUSTER).join(file);
        if bytes.is_empty() {
            return Ok(durable::remove_file(&path)?);
        }
        Ok(durable::write_file(&path, bytes, 0o600)?)
    }

    /// Reads the file of a stand-in; empty if it does not exist.
    pub(super) fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.root.join(CLUSTER).join(file)).unwrap_or_default()
    }

    pub(super) fn is_there(&self, file: &str) -> bool {
        self.root.join(CLUSTER).join(file).exists()
    }

    pub(super) fn id_of(&self, action: &Action) -> StepId {
        self.plan.all().find(|planned| planned.action == *action).unwrap().id.clone()
    }
}

pub(super) fn parameters(action: &Action) -> Vec<u8> {
    serde_json::to_vec(action).unwrap()
}

fn write_error(error: io::Error) -> StepError {
    StepError::new(codes::SITE_IO, "cannot write").because(error)
}

/// Appends to a file without a sync, as an ordinary program does.
pub(super) fn write_unsynced(path: &Path, text: &str) -> Result<(), StepError> {
    let is_new = !path.exists();
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(write_error)?;
    file.write_all(text.as_bytes()).map_err(write_error)?;
    if is_new {
        durable::note_made(path);
    } else {
        durable::note_written(path);
    }
    Ok(())
}

/// Appends and syncs, as a database does with its log.
pub(super) fn append(path: &Path, text: &str) -> Result<(), StepError> {
    let is_new = !path.exists();
    write_unsynced(path, text)?;
    durable::sync_file(&File::open(path).map_err(write_error)?, path)?;
    if is_new { Ok(durable::sync_folder(path.parent().unwrap_or(path))?) } else { Ok(()) }
}

fn read_into(root: &Path, folder: &Path, found: &mut Contents) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_into(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
        }
    }
}

impl Durable for World {
    fn sync(&mut self) -> Result<(), StepError> {
        Ok(durable::sync_filesystem(&self.root)?)
    }
}
