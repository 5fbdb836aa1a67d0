//! Reports a unit's state to systemd, with the protocol of `sd_notify`.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager, which may be absent.
#[derive(Debug)]
pub struct Systemd {
    socket: Option<OsString>,
    /// The last reported line.
    status: String,
}

impl Systemd {
    /// Returns the service manager that started this process.
    pub fn of_this_process() -> Self {
        Self { socket: std::env::var_os("NOTIFY_SOCKET"), status: String::new() }
    }

    /// Reports that the service is up.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// Reports the unit's state on one line, to systemd and to the log, if it differs from the last report. An empty
    /// line clears the last one.
    pub fn status(&mut self, line: String) {
        if self.status != line {
            if !line.is_empty() {
                tracing::info!("{line}");
            }
            self.send(&format!("STATUS={line}"));
            self.status = line;
        }
    }

    fn send(&self, state: &str) {
        let Some(name) = &self.socket else { return };
        let address = match name.as_encoded_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
        if let Err(error) = sent {
            tracing::warn!(%error, state, "cannot report to systemd");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_status_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let heard = || {
            let mut bytes = [0; 100];
            let length = socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
        };
        let mut systemd = Systemd { socket: Some(path.into_os_string()), status: String::new() };
        systemd.ready();
        assert_eq!(heard().unwrap(), "READY=1");
        for line in ["the kubelet waits", "the kubelet runs"] {
            systemd.status(line.to_owned());
            systemd.status(line.to_owned());
            assert_eq!(heard().unwrap(), format!("STATUS={line}"));
            assert_eq!(heard(), None);
        }
    }
}
