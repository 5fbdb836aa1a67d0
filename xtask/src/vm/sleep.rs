//! Suspended machines. A site takes minutes from its boot until everything is ready, and longer on an emulated
//! processor. So one machine boots, and the scenarios continue from its memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::machine::Machine;

/// Time limit for reading or writing the memory.
const MEMORY_LIMIT: Duration = Duration::from_mins(5);

/// Time between two polls.
const PAUSE: Duration = Duration::from_millis(200);

/// Practically unlimited bandwidth, in bytes per second.
const BANDWIDTH: u64 = 4 << 30;

impl Machine {
    /// Stops the machine, writes its memory to a file, and ends it. Its disk stays as it is at this instant.
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

    /// Continues from a memory written by [`Machine::suspend`], on a branch of its disk, and sets its clock.
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
