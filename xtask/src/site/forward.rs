//! A loopback port of the host that forwards to a port of a machine, so that the host's browser reaches services there.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Machine;

/// Time limit for establishing a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listener on loopback.
pub struct Forward {
    listener: TcpListener,
    machine: Machine,
    port: u16,
}

impl Machine {
    /// Listens on a free loopback port for connections to a port of this machine.
    pub fn forward(&self, port: u16) -> Result<Forward> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
        Ok(Forward { listener, machine: self.clone(), port })
    }

    /// Connects to a port of this machine from its own network.
    fn connect(&self, port: u16) -> Result<TcpStream> {
        let namespace = self.first()?.proc("ns/net");
        let file = std::fs::File::open(&namespace).with_context(|| format!("cannot open {}", namespace.display()))?;
        let address = SocketAddr::from((self.address(), port));
        // Only this thread enters the machine's network; a socket stays in the network in which it was created.
        let connecting = std::thread::spawn(move || -> Result<TcpStream> {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter the machine's network")?;
            TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("cannot connect to {address}"))
        });
        connecting.join().map_err(|_| anyhow::anyhow!("the connecting thread panicked"))?
    }
}

impl Forward {
    /// Returns the address on which it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("the listener has no address")
    }

    /// Forwards connections until the listener fails. A connection that cannot be forwarded is closed.
    pub fn run(&self) -> Result<()> {
        loop {
            let (near, _) = self.listener.accept().context("cannot accept a connection")?;
            if let Ok(far) = self.machine.connect(self.port) {
                pass(&near, &far);
                pass(&far, &near);
            }
        }
    }
}

/// Copies bytes from one stream to the other until either ends.
fn pass(from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
