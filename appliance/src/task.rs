//! Tasks that outlive the request that began them.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// Spawns a task on behalf of the current request, whose ID its log lines carry. `tokio::spawn` would lose it.
pub fn spawn_for_request<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task.in_current_span())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn spawning(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                spawning(&path, found);
            } else if path.is_file() && !path.ends_with("tests.rs") && !path.ends_with("testing.rs") {
                let text = fs_err::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                if code.contains("tokio::spawn(") || code.contains("runtime.spawn(") {
                    found.push(path);
                }
            }
        }
    }

    /// Tasks spawned in these files belong to no request: servers, watchers and connections.
    #[test]
    fn tasks_spawn_through_request_helper() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        spawning(&sources, &mut found);
        found.sort();
        let known = [
            "answers/serve.rs",
            "database/server/relay.rs",
            "host/client.rs",
            "packages/serve.rs",
            "server/serve.rs",
            "task.rs",
        ];
        assert_eq!(found, known.map(|file| sources.join(file)));
    }
}
