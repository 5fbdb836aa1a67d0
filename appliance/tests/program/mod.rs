//! The package index as a separate program.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program, which ends with the test.
pub struct Program {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Program {
    /// Starts it with these arguments, and waits until it accepts connections.
    pub fn begin(arguments: &[(&str, OsString)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall-appliance"));
        command.args(["packages", "serve", "--listen", &address]).stderr(Stdio::null());
        for (name, value) in arguments {
            command.arg(name).arg(value);
        }
        let program = Self { child: command.spawn().unwrap(), address };
        let begun = Instant::now();
        while TcpStream::connect(&program.address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the index accepts no connection");
            std::thread::sleep(Duration::from_millis(50));
        }
        program
    }
}
