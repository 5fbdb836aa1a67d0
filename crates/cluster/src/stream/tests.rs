//! Tests against a peer that acts as an API server: a real one cannot produce these outcomes on demand.

use std::error::Error as _;
use std::io::{Error, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures_util::StreamExt;
use landfall_engine::causes::with_causes;

use super::peer::{self, Peer};
use super::*;
use crate::conversation::{STATUS, STDERR};
use crate::{NoAnswer, Success};

const LIMIT: Duration = Duration::from_secs(30);

/// More bytes than all buffers in between hold together.
const MUCH: usize = 48 << 20;

static ARGUMENTS: LazyLock<[String; 2]> = LazyLock::new(|| ["dump", "--all it"].map(str::to_owned));

fn program(success: Success) -> Program<'static> {
    Program { namespace: "shop", pod: "db-0", container: "main", arguments: &*ARGUMENTS, success }
}

fn read(peer: &Peer<()>, success: Success) -> Result<(StreamResult, Vec<u8>), StreamError> {
    let mut to = Vec::new();
    peer.cluster.read_stream(&program(success), LIMIT, &mut to).map(|streamed| (streamed, to))
}

fn write(peer: &Peer<impl Send + 'static>, mut from: impl Read + Send) -> Result<ProgramResult, StreamError> {
    peer.cluster.write_stream(&program(Success::Reported), LIMIT, &mut from)
}

fn is_connection(error: &StreamError) -> bool {
    matches!(error, StreamError::NoAnswer(NoAnswer::Connection(_)))
}

#[test]
fn output_comes_with_exit_code() {
    let peer = Peer::new(|mut it| async move {
        assert_eq!(it.asked.path(), "/api/v1/namespaces/shop/pods/db-0/exec");
        assert_eq!((it.asked.all("container"), it.asked.all("stdin")), (vec!["main"], vec![]));
        assert_eq!(it.asked.all("command"), ["dump", "--all it"]);
        it.print(b"").await;
        it.print(b"first ").await;
        it.say(STDERR, b"warning").await;
        it.print(b"second").await;
        it.exit(3).await;
    });
    let (streamed, bytes) = read(&peer, Success::Reported).unwrap();
    assert_eq!(bytes, b"first second");
    assert_eq!((streamed.exit_code, streamed.bytes, streamed.stderr.text.as_str()), (3, 12, "warning"));
    peer.join();
}

#[test]
fn execute_keeps_short_output() {
    let peer = Peer::new(|mut it| async move {
        it.print(b"12").await;
        it.exit(0).await;
    });
    let executed = peer.cluster.execute("shop", "db-0", "main", &*ARGUMENTS, LIMIT).unwrap();
    assert_eq!((executed.exit_code, executed.stdout.text.as_str()), (0, "12"));
    peer.join();
}

#[test]
fn trailer_is_checked_and_removed() {
    let peer = Peer::new(|mut it| async move {
        let command: Vec<String> = it.asked.all("command").into_iter().map(str::to_owned).collect();
        assert_eq!((command[0].as_str(), &command[4..]), ("sh", ARGUMENTS.as_slice()));
        it.print(b"data").await;
        let trailer = command[3].as_bytes();
        it.print(&trailer[..5]).await;
        it.print(&trailer[5..]).await;
        it.exit(0).await;
    });
    let (streamed, bytes) = read(&peer, Success::Trailer).unwrap();
    assert_eq!((streamed.bytes, bytes.as_slice()), (4, &b"data"[..]));
    peer.join();

    let failed = Peer::new(|mut it| async move {
        it.print(b"half").await;
        it.exit(1).await;
    });
    let (streamed, bytes) = read(&failed, Success::Trailer).unwrap();
    assert_eq!((streamed.exit_code, bytes.as_slice()), (1, &b"half"[..]));
    failed.join();
}

#[test]
fn success_without_trailer_is_cut_off() {
    let peer = Peer::new(|mut it| async move {
        it.print(b"half of it").await;
        it.exit(0).await;
    });
    assert!(matches!(read(&peer, Success::Trailer).unwrap_err(), StreamError::CutOff));
    peer.join();

    let taken = Peer::new(|mut it| async move {
        while it.read().await.is_some() {}
        it.exit(0).await;
    });
    let error = taken.cluster.write_stream(&program(Success::Trailer), LIMIT, &mut &b"data"[..]).unwrap_err();
    assert!(matches!(error, StreamError::CutOff), "{error}");
    taken.join();
}

#[test]
fn connection_without_status_broke_off() {
    let aborted = Peer::new(|mut it| async move {
        it.print(b"half").await;
    });
    assert!(is_connection(&read(&aborted, Success::Reported).unwrap_err()));
    aborted.join();

    let closed = Peer::new(|mut it| async move {
        it.print(b"half").await;
        it.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = it.socket.next().await {}
    });
    let error = read(&closed, Success::Reported).unwrap_err();
    assert_eq!(with_causes(&error), "the connection failed: it broke off before the program ended");
    closed.join();

    let while_fed = Peer::new(|mut it| async move {
        it.read().await;
    });
    assert!(is_connection(&write(&while_fed, std::io::repeat(1)).unwrap_err()));
    while_fed.join();
}

#[test]
fn refusal_is_not_broken_connection() {
    let refused = Peer::new(|mut it| async move {
        let status = serde_json::json!({ "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": "container not found (\"main\")" });
        it.say(STATUS, status.to_string().as_bytes()).await;
    });
    let error = read(&refused, Success::Reported).unwrap_err();
    assert_eq!(error.to_string(), "it was refused with 500: container not found (\"main\")");
    refused.join();
}

#[test]
fn program_over_time_is_abandoned() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let silent = Peer::new(|mut it| async move {
        it.print(b"a little").await;
        let _given_up = ended.await;
        drop(it);
    });
    let begun = Instant::now();
    let limit = Duration::from_millis(300);
    let program = program(Success::Reported);
    let error = silent.cluster.read_stream(&program, limit, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, StreamError::TimedOut(found) if found == limit), "{error}");
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    end.send(()).unwrap();
    silent.join();
}

#[test]
fn slow_reader_slows_the_program() {
    let printed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&printed);
    let peer = Peer::new(|mut it| async move {
        let piece = vec![7; 32 << 10];
        for _ in 0..MUCH / piece.len() {
            it.print(&piece).await;
            count.fetch_add(piece.len(), Ordering::Relaxed);
        }
        it.print_trailer().await;
        it.exit(0).await;
    });
    let mut stream = peer.cluster.open_stream(&program(Success::Trailer), LIMIT).unwrap();
    // The program halts because nothing is read.
    let mut halted_at = 0;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = printed.load(Ordering::Relaxed);
        if now > 0 && now == halted_at {
            break;
        }
        halted_at = now;
    }
    assert!(halted_at < MUCH / 2, "{halted_at} bytes are on the way");
    assert!(stream.result().is_none());
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() == MUCH && bytes.iter().all(|byte| *byte == 7));
    assert_eq!(stream.result().unwrap().bytes, MUCH as u64);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "at the end it stays");
    peer.join();
}

#[test]
fn failed_program_ends_stream_with_error() {
    fn failure(peer: &Peer<()>) -> Error {
        let mut stream = peer.cluster.open_stream(&program(Success::Reported), LIMIT).unwrap();
        let mut bytes = Vec::new();
        let error = stream.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(bytes, b"half");
        let again = with_causes(&stream.read(&mut [0; 8]).unwrap_err());
        assert!(again.ends_with("reading it has failed before"), "it stays one: {again}");
        assert!(stream.result().is_none());
        error
    }
    let failed = Peer::new(|mut it| async move {
        it.print(b"half").await;
        it.say(STDERR, b"no such table\n").await;
        it.exit(1).await;
    });
    assert_eq!(failure(&failed).to_string(), "the program ended with exit code 1: no such table");
    failed.join();

    let aborted = Peer::new(|mut it| async move {
        it.print(b"half").await;
    });
    let error = failure(&aborted);
    assert!(error.source().is_some() && is_connection(error.get_ref().unwrap().downcast_ref().unwrap()), "{error}");
    aborted.join();
}

#[test]
fn dropped_stream_closes_connection() {
    let peer = Peer::new(|mut it| async move {
        it.print(b"a little").await;
        while let Some(Ok(_)) = it.socket.next().await {}
    });
    let stream = peer.cluster.open_stream(&program(Success::Reported), LIMIT).unwrap();
    drop(stream);
    peer.join();
}

#[test]
fn failed_target_is_named() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let peer = Peer::new(|mut it| async move {
        it.print(b"a little").await;
        while let Some(Ok(_)) = it.socket.next().await {}
    });
    let program = program(Success::Reported);
    let error = peer.cluster.read_stream(&program, LIMIT, &mut Full).unwrap_err();
    assert!(matches!(&error, StreamError::Writing(source) if source.kind() == ErrorKind::StorageFull), "{error}");
    peer.join();
}

#[test]
fn input_is_fed_whole_and_closed() {
    let peer = Peer::new(|mut it| async move {
        assert_eq!(it.asked.all("stdin"), ["true"]);
        let mut bytes = 0;
        while let Some(piece) = it.read().await {
            assert!(piece.iter().all(|byte| *byte == 9));
            bytes += piece.len();
        }
        it.print(b"done").await;
        it.say(STDERR, b"note").await;
        it.exit(2).await;
        bytes
    });
    let executed = write(&peer, std::io::repeat(9).take(MUCH as u64 + 5)).unwrap();
    assert_eq!((executed.exit_code, executed.stdout.text.as_str()), (2, "done"));
    assert_eq!(executed.stderr.text, "note");
    assert_eq!(peer.join(), MUCH + 5);
}

#[test]
fn empty_input_is_closed() {
    let peer = Peer::new(|mut it| async move {
        assert_eq!(it.read().await, None);
        it.exit(0).await;
    });
    assert_eq!(write(&peer, std::io::empty()).unwrap().exit_code, 0);
    peer.join();
}

#[test]
fn program_may_write_before_reading() {
    let peer = Peer::new(|mut it| async move {
        assert!(it.read().await.is_some());
        let piece = vec![1; 32 << 10];
        for _ in 0..MUCH / piece.len() {
            it.print(&piece).await;
        }
        while it.read().await.is_some() {}
        it.exit(0).await;
    });
    let executed = write(&peer, std::io::repeat(9).take(MUCH as u64)).unwrap();
    assert_eq!((executed.exit_code, executed.stdout.dropped_bytes > 0), (0, true));
    peer.join();
}

#[test]
fn unread_input_is_a_failure() {
    for exit_code in [0, 2] {
        let peer = Peer::new(move |mut it| async move {
            it.read().await;
            it.say(STDERR, b"full").await;
            it.exit(exit_code).await;
        });
        let error = write(&peer, std::io::repeat(9)).unwrap_err();
        let said = format!("the program ended with exit code {exit_code} before it was given all of its input: full");
        assert_eq!(error.to_string(), said);
        peer.join();
    }
}

#[test]
fn failed_input_is_not_closed() {
    struct Torn(usize);
    impl Read for Torn {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => Err(ErrorKind::Interrupted.into()),
                2 => {
                    buffer[..4].copy_from_slice(b"half");
                    Ok(4)
                }
                _ => Err(Error::other("the media was removed")),
            }
        }
    }
    let peer = Peer::new(|mut it| async move { it.read_rest().await });
    let error = write(&peer, Torn(0)).unwrap_err();
    assert!(matches!(error, StreamError::Reading(_)), "{error}");
    assert_eq!(with_causes(&error), "cannot read the program's input: the media was removed");
    let (bytes, is_closed) = peer.join();
    assert!(!is_closed && b"half".starts_with(&bytes), "{bytes:?}");
}

#[test]
fn old_protocol_feeds_no_input() {
    let old = Peer::speaking("v4.channel.k8s.io", |mut it| async move { it.read_rest().await });
    let error = write(&old, &b"data"[..]).unwrap_err();
    assert!(with_causes(&error).ends_with("the API server cannot close the standard input of a program"), "{error}");
    assert_eq!(old.join(), (Vec::new(), false));

    let reading = Peer::speaking("v4.channel.k8s.io", |mut it| async move {
        it.print(b"data").await;
        it.say(STATUS, peer::success().to_string().as_bytes()).await;
    });
    assert_eq!(read(&reading, Success::Reported).unwrap().1, b"data");
    reading.join();
}
