//! Copies of a volume on a failing or full disk: a clear error, an unchanged volume, and no copy that undo could
//! restore.

use std::path::Path;

use landfall_host::command::Subprocesses;
use landfall_media::mounted::on_tmpfs;

use landfall_cluster::ObjectName;

use super::*;
use crate::replaced_data;
use crate::steps::keep_copy::KeepCopy;
use crate::steps::stop::Stop;

const MIB: usize = 1 << 20;

fn step() -> KeepCopy {
    let workload = ObjectName::new("apps/v1", "StatefulSet", "db", "db");
    let stopped = Stop { workload, pods: "app=db".to_owned(), replicas: 1 };
    KeepCopy { folder: "pvc-1_db_data".to_owned(), token: "0f".to_owned(), stopped }
}

/// Returns the volume's files, each with different bytes.
fn files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([("base/segment", vec![7; MIB]), ("rows", vec![8; MIB]), ("log", vec![9; MIB / 2])])
}

fn fill(site: &Site) -> PathBuf {
    let volume = step().aside_data().volume(&site.data.paths);
    durable::create_folder(&volume.join("base")).unwrap();
    for (name, bytes) in files() {
        durable::write_file(&volume.join(name), &bytes, 0o640).unwrap();
    }
    volume
}

fn is_whole(folder: &Path) -> bool {
    files().iter().all(|(name, bytes)| fs_err::read(folder.join(name)).is_ok_and(|found| found == *bytes))
}

/// Kind of failure of a copy.
#[derive(Debug, Clone, Copy)]
enum Failure {
    NotStarted,
    AtOnce,
    /// After this number of copied files, with the next one copied in part.
    After(usize),
}

/// Copies a part, then reports `cp`'s error for an unreadable disk.
struct FailingCopy(Failure);

impl CommandRunner for FailingCopy {
    fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        let Failure::After(count) = self.0 else {
            return match self.0 {
                Failure::NotStarted => Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
                _ => Ok(failed_output("cannot create directory: Input/output error")),
            };
        };
        let target = PathBuf::from(command.arguments.last().unwrap());
        durable::create_folder(&target.join("base")).unwrap();
        for (index, (name, bytes)) in files().into_iter().enumerate().take(count + 1) {
            let length = if index < count { bytes.len() } else { bytes.len() / 2 };
            durable::write_file(&target.join(name), &bytes[..length], 0o640).unwrap();
        }
        Ok(failed_output("error reading 'rows': Input/output error"))
    }
}

fn failed_output(text: &str) -> CommandOutput {
    CommandOutput { stderr: format!("/bin/cp: {text}").into_bytes(), ..CommandOutput::default() }
}

/// Asserts that only the unchanged volume exists.
fn expect_only_the_volume(site: &Site, what: &str) {
    assert!(is_whole(&step().aside_data().volume(&site.data.paths)), "{what}");
    assert_eq!(fs_err::read_dir(site.data.paths.storage()).unwrap().count(), 1, "{what}");
    assert_eq!(replaced_data::all(&site.data.paths).unwrap(), [], "{what}");
}

#[test]
fn failed_copy_costs_no_data() {
    for failure in [Failure::NotStarted, Failure::AtOnce, Failure::After(0), Failure::After(1), Failure::After(2)] {
        let (_root, mut site) = site();
        let volume = fill(&site);
        site = on_host(&site, site.data.paths.clone(), Arc::new(FailingCopy(failure)));
        let error = step().act(&mut site, &Value::Null).unwrap_err();
        assert_eq!(error.code(), codes::NODE_PROGRAM, "{failure:?}");
        assert!(is_whole(&volume), "{failure:?}");
        assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Absent, "{failure:?}");
        // Undo does not contact the cluster.
        step().undo(&mut site, &Value::Null).unwrap();
        expect_only_the_volume(&site, &format!("{failure:?}"));
        // A retry does not include the failed attempt's leftovers.
        assert_eq!(step().act(&mut site, &Value::Null).unwrap_err().code(), codes::NODE_PROGRAM, "{failure:?}");
        site = on_host(&site, site.data.paths.clone(), Arc::new(Subprocesses));
        step().act(&mut site, &Value::Null).unwrap();
        assert!(is_whole(&step().aside_data().path(&site.data.paths)) && is_whole(&volume), "{failure:?}");
        assert_eq!(fs_err::read_dir(site.data.paths.storage()).unwrap().count(), 2, "{failure:?}");
    }
}

#[test]
fn copy_on_full_disk_costs_no_data() {
    let test = "steps::tests::failing_copies::copy_on_full_disk_costs_no_data";
    let Some(disk) = on_tmpfs(test, "size=4m") else { return };
    let (_root, mut site) = site();
    site = on_host(&site, SitePaths::below(&disk), Arc::new(Subprocesses));
    let volume = fill(&site);
    let error = step().act(&mut site, &Value::Null).unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert!(is_whole(&volume));
    assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Absent);
    step().undo(&mut site, &Value::Null).unwrap();
    expect_only_the_volume(&site, "after the undo");
}
