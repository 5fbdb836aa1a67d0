//! TCP ports with listeners, and the program behind each. The kernel lists the inode of each socket, and the open files
//! of a process name the inodes of its sockets.

use std::collections::{BTreeMap, BTreeSet};

use super::Listener;
use super::host::read;
use crate::paths::SitePaths;

/// Listening sockets: port by inode.
type Sockets = BTreeMap<u64, u16>;

/// Files in which the kernel lists TCP sockets.
const FILES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Files in which the kernel lists UDP sockets.
const UDP_FILES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Returns the UDP ports of unconnected sockets. A connected socket is a client's, and releases its port once the
/// answer arrives.
pub(super) fn udp_ports(paths: &SitePaths) -> Vec<u16> {
    const UNCONNECTED: &str = "07";
    let texts = UDP_FILES.map(|file| read(&paths.host(file)));
    let ports: BTreeSet<u16> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| port(line, UNCONNECTED)).collect();
    ports.into_iter().collect()
}

/// Returns the local port of a line about a socket in this state.
fn port(line: &str, wanted: &str) -> Option<u16> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state) = (fields.get(1)?, fields.get(3)?);
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    (*state == wanted).then_some(port)
}

/// Returns the ports, and the programs visible to this process: without root, only its own user's.
pub(super) fn collect(paths: &SitePaths) -> (Vec<u16>, Vec<Listener>) {
    let texts = FILES.map(|file| read(&paths.host(file)));
    let sockets: Vec<(u64, u16)> = texts.iter().flat_map(|text| text.lines()).filter_map(listening).collect();
    let ports: BTreeSet<u16> = sockets.iter().map(|(_, port)| *port).collect();
    (ports.into_iter().collect(), owners(paths, sockets.into_iter().collect()))
}

/// Returns the inode and local port of a line of `/proc/net/tcp` whose socket listens.
fn listening(line: &str) -> Option<(u64, u16)> {
    const LISTEN: &str = "0A";
    let inode = line.split_whitespace().nth(9)?;
    Some((inode.parse().ok()?, port(line, LISTEN)?))
}

/// Returns the process with the lowest ID for each socket: the server, if workers share its socket.
fn owners(paths: &SitePaths, mut sockets: Sockets) -> Vec<Listener> {
    let mut found: Vec<Listener> = Vec::new();
    let Ok(processes) = fs_err::read_dir(paths.host("/proc")) else { return found };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in ids.collect::<BTreeSet<_>>() {
        if sockets.is_empty() {
            break;
        }
        let process = paths.host("/proc").join(pid.to_string());
        // A process may have ended, and another user's process lists no files.
        let Ok(open) = fs_err::read_dir(process.join("fd")) else { continue };
        let links = open.flatten().filter_map(|entry| fs_err::read_link(entry.path()).ok());
        let ports: BTreeSet<u16> = links.filter_map(|link| sockets.remove(&socket(link.to_str()?)?)).collect();
        if ports.is_empty() {
            continue;
        }
        let program = read(&process.join("comm")).trim().to_owned();
        found.extend(ports.into_iter().map(|port| Listener { port, program: program.clone(), pid }));
    }
    found.sort_by_key(|listener| (listener.port, listener.pid));
    // One program may listen on a port for each address family.
    found.dedup();
    found
}

/// Returns the inode in `socket:[4711]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::facts::sample::host;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, state: &str, inode: u32) -> String {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 \
             100\n"
        )
    }

    #[test]
    fn only_listening_sockets_count() {
        assert_eq!(listening(HEADER.trim_end()), None);
        assert_eq!(listening(line("0100007F:1F90", "0A", 77).trim_end()), Some((77, 8080)));
        assert_eq!(listening(line("0100007F:1F90", "01", 77).trim_end()), None);
        assert_eq!(listening("   0: 0100007F:1F90 00000000:0000 0A"), None, "cut");
    }

    #[test]
    fn shared_port_names_first_program() {
        let tcp = [HEADER, &line("00000000:192B", "0A", 70), &line("0100007F:0016", "0A", 71)].concat();
        let tcp6 = [HEADER, &line("00000000000000000000000000000000:192B", "0A", 72)].concat();
        let (_folder, paths) = host(&[
            ("/proc/net/tcp", &tcp),
            ("/proc/net/tcp6", &tcp6),
            ("/proc/12/comm", "k3s-server\n"),
            ("/proc/200/comm", "worker\n"),
            ("/proc/self/comm", "landfall\n"),
        ]);
        for (link, target) in [
            ("/proc/12/fd/0", "/dev/null"),
            ("/proc/12/fd/3", "socket:[70]"),
            ("/proc/12/fd/4", "socket:[72]"),
            ("/proc/200/fd/3", "socket:[70]"),
            ("/proc/200/fd/5", "socket:[999]"),
        ] {
            let link = paths.host(link);
            fs_err::create_dir_all(link.parent().unwrap()).unwrap();
            landfall_media::durable::symlink(Path::new(target), &link).unwrap();
        }
        let (ports, listeners) = collect(&paths);
        assert_eq!(ports, [22, 6443], "a socket whose owner is not seen still has its port");
        assert_eq!(listeners, [Listener { port: 6443, program: "k3s-server".to_owned(), pid: 12 }]);
    }

    #[test]
    fn program_behind_own_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ports, listeners) = collect(&SitePaths::default());
        assert!(ports.contains(&port));
        let pids: Vec<u32> = listeners.iter().filter(|one| one.port == port).map(|one| one.pid).collect();
        assert_eq!(pids, [std::process::id()]);
    }
}
