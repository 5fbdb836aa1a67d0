//! Trailer after a program's output, which shows that the output is complete.
//!
//! A successful status does not show that. The kubelet, or the API server, reads a program's exit from a stream of the
//! container runtime, and takes a stream that ends empty for success. When containerd or the kubelet restarts, all
//! streams end like that, and half a backup looks complete (kubernetes/kubectl#1726). Therefore `sh` runs the program,
//! and writes a word after its output once it has succeeded. The word is different each time.

use hyper::body::Bytes;
use landfall_release_document::container::RUN_AND_MARK;

/// The trailer, and the end of the output so far, which may be part of the trailer.
#[derive(Debug)]
pub(crate) struct Trailer {
    word: String,
    held: Vec<u8>,
}

impl Trailer {
    /// Creates a trailer that no output contains by chance.
    pub(crate) fn new() -> Self {
        Self { word: format!("landfall-end-{}", uuid::Uuid::new_v4().simple()), held: Vec::new() }
    }

    /// Returns the arguments that run a program and write the trailer after its output.
    pub(crate) fn arguments(&self, program: &[String]) -> Vec<String> {
        ["sh", "-c", RUN_AND_MARK, &self.word].map(str::to_owned).into_iter().chain(program.iter().cloned()).collect()
    }

    /// Takes a piece of the output and returns the bytes that certainly precede the trailer. Only a possible beginning
    /// of the trailer is held back, so a reader that waits for the first line gets it immediately.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        let word = self.word.as_bytes();
        let begins = |length: &usize| word.starts_with(&self.held[self.held.len() - *length..]);
        let possible = (0..=word.len().min(self.held.len())).rev().find(begins).unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - possible);
        std::mem::replace(&mut self.held, rest).into()
    }

    /// Returns true if the output so far ends with the trailer.
    pub(crate) fn is_reached(&self) -> bool {
        self.held == self.word.as_bytes()
    }

    /// Returns the end of an output that has no trailer.
    pub(crate) fn into_held(self) -> Bytes {
        self.held.into()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    fn run(trailer: &Trailer, program: &[&str]) -> Output {
        let program: Vec<String> = program.iter().map(|&argument| argument.to_owned()).collect();
        let arguments = trailer.arguments(&program);
        Command::new(&arguments[0]).args(&arguments[1..]).output().unwrap()
    }

    #[test]
    fn shell_adds_trailer_only_on_success() {
        let trailer = Trailer::new();
        let whole = run(&trailer, &["printf", "%s|", "two words", "$HOME", "", "a'b\"c"]);
        assert_eq!(whole.status.code(), Some(0));
        assert_eq!(String::from_utf8(whole.stdout).unwrap(), format!("two words|$HOME||a'b\"c|{}", trailer.word));
        let failed = run(&trailer, &["sh", "-c", "printf half; exit 3"]);
        assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(3), &b"half"[..]));
        let killed = run(&trailer, &["sh", "-c", "kill -9 $$"]);
        assert_eq!((killed.status.code(), killed.stdout.as_slice()), (Some(137), &b""[..]));
        assert_ne!(Trailer::new().word, trailer.word);
    }

    #[test]
    fn trailer_is_found_across_pieces() {
        for size in [1, 7, 44, 45, 46, 1000] {
            let mut trailer = Trailer::new();
            let all = [b"the data landfall-end-".as_slice(), trailer.word.clone().as_bytes()].concat();
            let passed: Vec<u8> = all.chunks(size).flat_map(|piece| trailer.pass(piece)).collect();
            assert!(trailer.is_reached(), "pieces of {size}");
            assert_eq!(passed, b"the data landfall-end-");
        }
    }

    #[test]
    fn first_line_is_not_held_back() {
        let mut trailer = Trailer::new();
        assert_eq!(trailer.pass(b"snapshot\n"), &b"snapshot\n"[..]);
        assert_eq!(trailer.pass(b"a land"), &b"a "[..], "the trailer may begin so");
        assert_eq!(trailer.pass(b"scape"), &b"landscape"[..]);
    }

    #[test]
    fn truncated_output_lacks_trailer() {
        let mut trailer = Trailer::new();
        let half = trailer.word[..20].to_owned();
        let passed = [trailer.pass(b"the data "), trailer.pass(half.as_bytes())].concat();
        assert!(!trailer.is_reached());
        assert_eq!([passed, trailer.into_held().to_vec()].concat(), format!("the data {half}").as_bytes());
        assert!(!Trailer::new().is_reached(), "of an output without a byte");
    }
}
