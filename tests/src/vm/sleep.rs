//! Machines that sleep: a site takes minutes from its boot until everything is ready, and longer where the processor is
//! emulated. One machine boots, and the scenarios continue from its memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::machine::Machine;

/// How long reading or writing the memory may take.
const MEMORY_LIMIT: Duration = Duration::from_mins(5);

/// The interval between looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes per second, as good as unlimited.
const BANDWIDTH: u64 = 4 << 30;

impl Machine {
    /// Stops it where it is, writes its memory into a file, and ends it. Its disk stays as it is at this instant.
    pub fn suspend(&mut self, memory: &Path) -> Result<()> {
        self.run("sync")?;
        self.monitor("stop", &json!({}))?;
        self.monitor("migrate-set-parameters", &json!({ "max-bandwidth": BANDWIDTH }))?;
        self.monitor("migrate", &json!({ "uri": format!("exec:cat > '{}'", memory.display()) }))?;
        let end = Instant::now() + MEMORY_LIMIT;
        loop {
            let status = self.monitor("query-migrate", &json!({}))?;
            match status["status"].as_str() {
                Some("completed") => break,
                Some("failed" | "cancelled") => bail!("the memory was not written: {status}"),
                _ => ensure!(Instant::now() < end, "the memory was not written in time: {status}"),
            }
            std::thread::sleep(PAUSE);
        }
        self.cut_power()
    }

    /// Continues from a memory that [`Machine::suspend`] wrote, on a branch of its disk, and sets its clock.
    pub fn wake(&mut self, memory: &Path) -> Result<()> {
        self.power_up(&["-incoming".to_owned(), format!("exec:cat '{}'", memory.display())])?;
        let end = Instant::now() + MEMORY_LIMIT;
        while self.state()? == "inmigrate" {
            ensure!(Instant::now() < end, "the memory was not read in time");
            std::thread::sleep(PAUSE);
        }
        self.monitor("cont", &json!({}))?;
        self.run(&format!("date --utc --set @{} > /dev/null", Timestamp::now().as_second())).map(drop)
    }

    fn state(&mut self) -> Result<String> {
        let status: Value = self.monitor("query-status", &json!({}))?;
        status["status"].as_str().map(str::to_owned).context("QEMU does not say what it does")
    }
}
