//! The site's registry from this host: its address, and whether it serves.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// Address of the registry.
pub const REGISTRY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000));

/// Time limit for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Checks that the registry at this address serves: the base of the distribution API answers 200. The error describes
/// the actual answer.
pub fn answers(address: SocketAddr) -> Result<(), String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(String::from_utf8_lossy(&start).into_owned())
    };
    match ask() {
        Ok(answer) if answer == "HTTP/1.1 200" => Ok(()),
        Ok(answer) => Err(format!("it answers `{answer}`")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn check_answer(bytes: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(bytes).unwrap();
        });
        let answer = answers(address);
        server.join().unwrap();
        answer
    }

    #[test]
    fn only_serving_registry_answers() {
        assert_eq!(check_answer(b"HTTP/1.1 200 OK\r\n\r\n{}"), Ok(()));
        let unready = check_answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(unready, Err("it answers `HTTP/1.1 503`".to_owned()));
        assert_eq!(check_answer(b""), Err("failed to fill whole buffer".to_owned()));
    }
}
