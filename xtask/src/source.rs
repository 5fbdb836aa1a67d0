//! The state of the source tree from which something is built. The result of an hour-long run must name that state,
//! although the tree may have changed by its end.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::site::tool;

/// Files that runs write into the tree themselves, and on which no build depends.
const RESULTS: [&str; 4] =
    [":(exclude)docs/VM.md", ":(exclude)docs/vm.json", ":(exclude)docs/TESTS.md", ":(exclude)docs/tests.json"];

/// The commit of a tree, and the tree's changes since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    commit: String,
    /// Files that differ from the commit, as git lists them.
    changes: String,
}

impl Source {
    /// Reads the state of the tree with this root.
    pub fn of(root: &Path) -> Result<Self> {
        let git = |arguments: &[&str]| tool::output(Command::new("git").args(arguments).current_dir(root));
        // An archive of the sources has no history.
        let Ok(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
            return Ok(Self { commit: "an unknown commit".to_owned(), changes: String::new() });
        };
        let status = ["status", "--porcelain", "--untracked-files=all", "--", "."];
        Ok(Self { commit: commit.trim().to_owned(), changes: git(&[&status[..], &RESULTS].concat())? })
    }

    /// Describes the source of a build between two recorded states, in a few words for a table.
    pub fn describe(before: &Self, after: &Self) -> String {
        let Self { commit, changes } = before;
        match (before == after, changes.trim().is_empty()) {
            (true, true) => commit.clone(),
            (true, false) => format!("{commit} with changes"),
            (false, _) => format!("{commit} with changes while it was built"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "throw-away files of a test")]
mod tests {
    use super::*;

    fn git(root: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"];
        tool::output(Command::new("git").args(identity).args(arguments).current_dir(root)).unwrap();
    }

    #[test]
    fn build_is_named_by_commit() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(Source::of(root).unwrap().commit, "an unknown commit", "it has no history yet");
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let commit = |name: &str| {
            git(root, &["add", "--all"]);
            git(root, &["commit", "--quiet", "--message", name]);
        };
        let now = || Source::of(root).unwrap();
        git(root, &["init", "--quiet"]);
        put("src/main.rs", "one");
        put("docs/VM.md", "one");
        commit("first");
        let first = now();
        assert_eq!(Source::describe(&first, &now()), first.commit);
        put("docs/VM.md", "what a run found");
        put("docs/vm.json", "what a run found");
        assert_eq!(Source::describe(&first, &now()), first.commit, "a result is no source");
        put("src/main.rs", "two");
        let dirty = now();
        assert_eq!(Source::describe(&dirty, &now()), format!("{} with changes", first.commit));
        assert_eq!(Source::describe(&first, &dirty), format!("{} with changes while it was built", first.commit));
        commit("second");
        put("src/new.rs", "not added yet");
        let second = now();
        assert_ne!(second.commit, first.commit);
        assert_eq!(Source::describe(&second, &now()), format!("{} with changes", second.commit));
    }
}
