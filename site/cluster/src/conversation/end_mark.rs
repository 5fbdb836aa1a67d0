//! The mark behind a program's output, which shows that the output is whole.
//!
//! A status that reports success is not proof of it. The node's kubelet, or the API server, reads how a program ended from a
//! stream of the container runtime, and takes a stream that ends empty for success. When containerd or the kubelet restarts
//! meanwhile, all streams end like that, and half a backup looks like a whole one (kubernetes/kubectl#1726). So `sh` runs the
//! program and, once it has succeeded, writes a word behind its output that is different each time.

use hyper::body::Bytes;

/// Runs its arguments, and writes its own name once they have succeeded. The exit code is theirs.
const SCRIPT: &str = r#""$@" && printf %s "$0""#;

/// The mark, and the end of the output so far, which may be a part of the mark.
#[derive(Debug)]
pub(crate) struct EndMark {
    mark: String,
    held: Vec<u8>,
}

impl EndMark {
    /// A mark that no output holds by chance.
    pub(crate) fn new() -> Self {
        Self { mark: format!("landfall-end-{}", uuid::Uuid::new_v4().simple()), held: Vec::new() }
    }

    /// The arguments that run a program and write the mark behind its output.
    pub(crate) fn arguments(&self, program: &[String]) -> Vec<String> {
        ["sh", "-c", SCRIPT, &self.mark].map(str::to_owned).into_iter().chain(program.iter().cloned()).collect()
    }

    /// Takes a piece of the output; returns the bytes that certainly precede the mark.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        let rest = self.held.split_off(self.held.len().saturating_sub(self.mark.len()));
        std::mem::replace(&mut self.held, rest).into()
    }

    /// Whether the output so far ends with the mark.
    pub(crate) fn is_reached(&self) -> bool {
        self.held == self.mark.as_bytes()
    }

    /// The end of an output behind which there is no mark.
    pub(crate) fn into_held(self) -> Bytes {
        self.held.into()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    fn run(mark: &EndMark, program: &[&str]) -> Output {
        let program: Vec<String> = program.iter().map(|&argument| argument.to_owned()).collect();
        let arguments = mark.arguments(&program);
        Command::new(&arguments[0]).args(&arguments[1..]).output().unwrap()
    }

    #[test]
    fn the_shell_writes_the_mark_behind_a_success_only() {
        let mark = EndMark::new();
        let whole = run(&mark, &["printf", "%s|", "two words", "$HOME", "", "a'b\"c"]);
        assert_eq!(whole.status.code(), Some(0));
        assert_eq!(String::from_utf8(whole.stdout).unwrap(), format!("two words|$HOME||a'b\"c|{}", mark.mark));
        let failed = run(&mark, &["sh", "-c", "printf half; exit 3"]);
        assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(3), &b"half"[..]));
        let killed = run(&mark, &["sh", "-c", "kill -9 $$"]);
        assert_eq!((killed.status.code(), killed.stdout.as_slice()), (Some(137), &b""[..]));
        assert_ne!(EndMark::new().mark, mark.mark);
    }

    #[test]
    fn the_mark_is_found_in_whatever_pieces_it_comes() {
        for size in [1, 7, 44, 45, 46, 1000] {
            let mut mark = EndMark::new();
            let all = [b"the data landfall-end-".as_slice(), mark.mark.clone().as_bytes()].concat();
            let passed: Vec<u8> = all.chunks(size).flat_map(|piece| mark.pass(piece)).collect();
            assert!(mark.is_reached(), "pieces of {size}");
            assert_eq!(passed, b"the data landfall-end-");
        }
    }

    #[test]
    fn an_output_that_was_cut_off_lacks_the_mark() {
        let mut mark = EndMark::new();
        let half = mark.mark[..20].to_owned();
        let passed = [mark.pass(b"the data "), mark.pass(half.as_bytes())].concat();
        assert!(!mark.is_reached());
        assert_eq!([passed, mark.into_held().to_vec()].concat(), format!("the data {half}").as_bytes());
        assert!(!EndMark::new().is_reached(), "of an output without a byte");
    }
}
