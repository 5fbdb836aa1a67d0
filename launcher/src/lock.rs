//! Exclusive lock on a file. `flock` holds it, since the standard library of the oldest supported compiler cannot.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A held lock. It ends when this is dropped or when the process ends.
#[derive(Debug)]
pub struct Lock {
    holder: Child,
}

impl Lock {
    /// Waits for the lock on this file, which is created if it does not exist.
    pub fn acquire(file: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot lock {}: {error}", file.display());
        fs::create_dir_all(file.parent().unwrap_or_else(|| Path::new("."))).map_err(failed)?;
        let mut command = Command::new("flock");
        // `cat` ends when its input closes.
        command.arg("--exclusive").arg(file).args(["sh", "-c", "echo && exec cat"]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let answer = holder.stdout.take().map_or(Ok(0), |mut output| output.read(&mut [0])).map_err(failed)?;
        let lock = Self { holder };
        if answer == 0 {
            return Err(format!("cannot lock {}: flock failed", file.display()));
        }
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn second_holder_waits_for_first() {
        let file = std::env::temp_dir().join(format!("landfall-lock-{}", std::process::id()));
        let holders = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _lock = Lock::acquire(&file).unwrap();
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    holders.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn file_without_folder_is_refused() {
        let error = Lock::acquire(Path::new("/dev/null/lock")).unwrap_err();
        assert!(error.starts_with("cannot lock /dev/null/lock: "), "{error}");
    }
}
