//! Commands and answers as lines of JSON over a local socket: the protocol of QEMU itself and of the guest agent.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Byte that starts a synchronization with the guest agent and is never part of JSON.
const SENTINEL: u8 = 0xff;

/// A connection to QEMU or to the guest agent.
pub struct Wire {
    reader: BufReader<UnixStream>,
    /// Bytes of an incomplete line.
    pending: Vec<u8>,
    /// Events that arrived during another wait.
    events: Vec<Value>,
    synchronizations: u64,
}

impl Wire {
    /// Connects once the socket exists.
    pub fn connect(socket: &Path, timeout: Duration) -> Result<Self> {
        let end = Instant::now() + timeout;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > end => {
                    return Err(error).with_context(|| format!("cannot connect to {}", socket.display()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let reader = BufReader::new(stream);
        Ok(Self { reader, pending: Vec::new(), events: Vec::new(), synchronizations: 0 })
    }

    /// Runs a command and returns its result. Fails with the description of an error that the other side reports.
    pub fn ask(&mut self, command: &str, arguments: &Value, timeout: Duration) -> Result<Value> {
        self.send(&[], &json!({ "execute": command, "arguments": arguments }))?;
        let end = Instant::now() + timeout;
        loop {
            let mut answer = self.next(end).with_context(|| format!("no answer to {command}"))?;
            if let Some(returned) = answer.get_mut("return") {
                return Ok(returned.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("{command} was refused: {}", error["desc"].as_str().unwrap_or("without a reason"));
            }
            self.keep_event(answer);
        }
    }

    /// Waits for an event of this name. An earlier, unclaimed event counts as well.
    pub fn wait_for_event(&mut self, name: &str, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
                self.events.remove(at);
                return Ok(());
            }
            let arrived = self.next(end).with_context(|| format!("no event {name}"))?;
            self.keep_event(arrived);
        }
    }

    /// Reads the document that the other side sends first.
    pub fn greeting(&mut self, timeout: Duration) -> Result<Value> {
        self.next(Instant::now() + timeout)
    }

    /// Synchronizes with a guest agent: its answers to earlier commands are skipped.
    pub fn synchronize(&mut self, timeout: Duration) -> Result<()> {
        self.synchronizations += 1;
        let id = self.synchronizations;
        self.send(&[SENTINEL], &json!({ "execute": "guest-sync-delimited", "arguments": { "id": id } }))?;
        let end = Instant::now() + timeout;
        while self.next(end)?["return"] != id {}
        Ok(())
    }

    fn keep_event(&mut self, document: Value) {
        if document["event"].is_string() {
            self.events.push(document);
        }
    }

    fn send(&mut self, prefix: &[u8], document: &Value) -> Result<()> {
        let mut line = prefix.to_vec();
        serde_json::to_writer(&mut line, document)?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line).context("the connection is closed")
    }

    /// Returns the next document. Other lines, such as the rest of an interrupted one, are skipped.
    fn next(&mut self, end: Instant) -> Result<Value> {
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.reader.get_ref().set_read_timeout(Some(left)).context("cannot set a time limit")?;
            match self.reader.read_until(b'\n', &mut self.pending) {
                Ok(0) => bail!("the connection was closed"),
                Ok(_) => {
                    let line = std::mem::take(&mut self.pending);
                    let begin = line.iter().rposition(|byte| *byte == SENTINEL).map_or(0, |at| at + 1);
                    if let Ok(document) = serde_json::from_slice(&line[begin..]) {
                        return Ok(document);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    bail!("timeout");
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read from the connection"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Answers of a simulated agent to each line that it reads.
    type Answers = Vec<&'static [u8]>;

    fn wire(answers: Answers) -> (tempfile::TempDir, Wire) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            for answer in answers {
                let mut line = Vec::new();
                stream.read_until(b'\n', &mut line).unwrap();
                stream.get_mut().write_all(answer).unwrap();
            }
            // The connection stays open until the other side closes it.
            let _ = stream.read_until(b'\n', &mut Vec::new());
        });
        let wire = Wire::connect(&socket, Duration::from_secs(5)).unwrap();
        (folder, wire)
    }

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn synchronization_skips_late_answers() {
        let noise = b"{\"return\": 7}\n{\"retu\xff{\"return\": 1}\n";
        let (_folder, mut wire) = wire(vec![noise, b"{\"return\": {\"pid\": 3}}\n"]);
        wire.synchronize(LIMIT).unwrap();
        assert_eq!(wire.ask("guest-exec", &json!({}), LIMIT).unwrap()["pid"], 3);
    }

    #[test]
    fn early_event_is_kept() {
        let lines = b"{\"event\": \"DEVICE_DELETED\"}\n{\"return\": {}}\n";
        let (_folder, mut wire) = wire(vec![lines]);
        wire.ask("device_del", &json!({}), LIMIT).unwrap();
        wire.wait_for_event("DEVICE_DELETED", LIMIT).unwrap();
        let error = wire.wait_for_event("DEVICE_DELETED", Duration::from_millis(20)).unwrap_err();
        assert_eq!(format!("{error:#}"), "no event DEVICE_DELETED: timeout");
    }

    #[test]
    fn refusal_has_reason_and_silence_ends() {
        let (_folder, mut wire) = wire(vec![b"{\"error\": {\"desc\": \"no such device\"}}\n", b""]);
        let refused = wire.ask("device_del", &json!({}), LIMIT).unwrap_err().to_string();
        assert_eq!(refused, "device_del was refused: no such device");
        let silent = wire.ask("stop", &json!({}), Duration::from_millis(20)).unwrap_err();
        assert_eq!(format!("{silent:#}"), "no answer to stop: timeout");
    }
}
