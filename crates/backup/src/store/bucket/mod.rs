//! Bucket of an S3 server that holds a repository.
//!
//! An object appears completely or not at all, and is durable once the server has answered: the server's promise
//! replaces the folder's syncs. Each upload carries its SHA-256, so a server that received other bytes refuses them.
//!
//! *Hostile or failing servers.* All data from a server is compared with its name and authenticated before use, as with
//! a disk. Each request has a time limit, and each answer a size limit. After a persistent failure the bucket answers
//! no further requests ([`Store::failure`]), so that no later finding takes a silent server for damage. No error, log
//! or debug form contains the credentials or a signed address.

mod credentials;
mod known;
mod limits;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use reqwest::blocking::Client;
use reqwest::{Certificate, redirect};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{S3Action as _, UrlStyle};
use url::Url;

pub use self::credentials::BucketCredentials;
use self::known::KnownFiles;
use self::limits::Limits;
use self::request::Request;
use super::{ListedFile, Store};
use crate::error::{BackupError, BucketError, Result, Trouble};

/// Address of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// URL of the server, such as `https://s3.example.com:9000`.
    pub endpoint: String,
    /// Region for which requests are signed.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix of the used part of the bucket, without `/` at its ends; empty for all of it.
    pub prefix: String,
    /// True if the bucket's name is in the path, as most servers other than Amazon's expect; false if it is in the host
    /// name.
    pub path_style: bool,
}

/// A part of a bucket, over HTTP.
pub struct Bucket {
    place: PathBuf,
    /// The prefix with `/` at its end, or empty.
    prefix: String,
    signed: rusty_s3::Bucket,
    credentials: BucketCredentials,
    client: Client,
    lock: Option<PathBuf>,
    limits: Limits,
    until: Instant,
    known: Mutex<KnownFiles>,
    failure: Mutex<Option<BucketError>>,
}

impl Bucket {
    /// Creates a bucket without contacting its server. `authority` is the PEM of the certificate authority for its
    /// certificate; without it, the system's authorities are trusted. `lock` is a file of this host that is under
    /// `flock` while the repository changes.
    pub fn new(
        address: &BucketAddress,
        credentials: BucketCredentials,
        authority: Option<&[u8]>,
        lock: Option<&Path>,
    ) -> Result<Self> {
        Self::with_limits(address, credentials, authority, lock, Limits::default())
    }

    pub(crate) fn with_limits(
        address: &BucketAddress,
        credentials: BucketCredentials,
        authority: Option<&[u8]>,
        lock: Option<&Path>,
        limits: Limits,
    ) -> Result<Self> {
        let BucketAddress { endpoint, region, bucket, prefix, path_style } = address;
        let parts: [&str; 3] = [endpoint.trim_end_matches('/'), bucket, prefix];
        let place = PathBuf::from(parts.join("/").trim_end_matches('/'));
        let refused = |what: String| BucketError::new(&place, Trouble::Address, what);
        let url = Url::parse(endpoint).map_err(|error| refused(error.to_string()))?;
        let style = if *path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let made = rusty_s3::Bucket::new(url, style, bucket.clone(), region.clone());
        let made = made.map_err(|error| refused(error.to_string()))?;
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(limits.connect)
            .timeout(None);
        if let Some(pem) = authority {
            let certificates = Certificate::from_pem_bundle(pem);
            let certificates = certificates.map_err(|error| refused(format!("its authority is not PEM: {error}")))?;
            if certificates.is_empty() {
                return Err(refused("its authority is not PEM".to_owned()).into());
            }
            client = client.tls_certs_only(certificates);
        }
        let client = client.build().map_err(|error| refused(request::error_text(error)))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self {
            place,
            prefix,
            signed: made,
            credentials,
            client,
            lock: lock.map(Path::to_owned),
            limits,
            until: Instant::now() + limits.total,
            known: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// Returns the same bucket without a total time limit.
    #[must_use]
    pub fn without_limit(self) -> Self {
        Self { until: Instant::now() + limits::ENDLESS, ..self }
    }

    /// Returns the object name of a file.
    fn object(&self, file: &Path) -> String {
        format!("{}{}", self.prefix, file.display())
    }

    /// Returns every object whose name begins with this text, without the prefix. If `directly` is set, names are cut
    /// at the next `/`, and the common prefixes are returned as well.
    fn objects(&self, begin: &str, directly: bool) -> Result<(Vec<ListedFile>, Vec<String>), BucketError> {
        let (mut found, mut folders, mut after) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let answer = self.send(&Request::list(), |bucket, keys| {
                let mut action: ListObjectsV2<'_> = bucket.list_objects_v2(Some(keys));
                action.with_prefix(format!("{}{begin}", self.prefix));
                if directly {
                    action.with_delimiter("/");
                }
                if let Some(token) = &after {
                    action.with_continuation_token(token.clone());
                }
                action.sign(self.limits.signed)
            })?;
            let unread = |error: String| self.give_up(Trouble::Answer, error);
            let text = String::from_utf8(answer.to_vec()).map_err(|error| unread(error.to_string()))?;
            let page = ListObjectsV2::parse_response(&text).map_err(|error| unread(error.to_string()))?;
            for object in page.contents {
                self.lock_known_files().note_size(&object.key, object.size.unwrap_or(0));
                let name = object.key.strip_prefix(&self.prefix).map(str::to_owned);
                found.extend(name.map(|name| (name, object.size.unwrap_or(0))));
            }
            for folder in page.common_prefixes {
                folders
                    .extend(folder.prefix.strip_prefix(&self.prefix).map(|name| name.trim_end_matches('/').to_owned()));
            }
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok((found, folders));
            }
        }
    }

    /// Reads a whole object; `None` if it does not exist.
    fn get(&self, file: &Path) -> Result<Option<Bytes>, BucketError> {
        let object = self.object(file);
        let bytes = self.lock_known_files().size(&object);
        self.find(&Request::get(None, bytes), |bucket, keys| {
            bucket.get_object(Some(keys), &object).sign(self.limits.signed)
        })
    }

    fn lock_known_files(&self) -> std::sync::MutexGuard<'_, KnownFiles> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Bucket {
    fn place(&self) -> &Path {
        &self.place
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let (files, folders) = self.objects("", true)?;
        Ok(files.into_iter().map(|(name, _)| name).chain(folders).collect())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<ListedFile>> {
        let (found, _) = self.objects(&format!("{folder}/"), false)?;
        let last = |(name, size): ListedFile| (name.rsplit('/').next().unwrap_or_default().to_owned(), size);
        Ok(found.into_iter().map(last).collect())
    }

    fn size(&self, file: &Path) -> io::Result<Option<u64>> {
        let name = file.display().to_string();
        let (found, _) = self.objects(&name, true)?;
        Ok(found.into_iter().find(|(found, _)| *found == name).map(|(_, size)| size))
    }

    fn read(&self, file: &Path) -> io::Result<Bytes> {
        if let Some(bytes) = self.lock_known_files().get(file) {
            return Ok(bytes);
        }
        let bytes = self.get(file)?.ok_or(io::ErrorKind::NotFound)?;
        self.lock_known_files().keep(file, &bytes);
        Ok(bytes)
    }

    fn read_part(&self, file: &Path, offset: u32, length: u32) -> io::Result<Bytes> {
        let object = self.object(file);
        let request = Request::get(Some((offset, length)), Some(length.into()));
        let answer =
            self.find(&request, |bucket, keys| bucket.get_object(Some(keys), &object).sign(self.limits.signed))?;
        let bytes = answer.ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() == usize::try_from(length).map_err(io::Error::other)? {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn read_ahead(&self, files: &[PathBuf]) {
        let unknown: Vec<&PathBuf> = files.iter().filter(|file| self.lock_known_files().get(file).is_none()).collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.limits.at_a_time.min(unknown.len()) {
                scope.spawn(|| {
                    while let Some(file) = unknown.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                        // The error recurs when the file is needed.
                        if self.read(file).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }

    fn make_root(&self) -> Result<()> {
        Ok(())
    }

    fn make_folders(&self) -> Result<()> {
        Ok(())
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<()> {
        let object = self.object(file);
        let (request, checksum) = Request::put(bytes);
        self.send(&request, |bucket, keys| {
            let mut action = bucket.put_object(Some(keys), &object);
            action.headers_mut().insert(request::CHECKSUM, checksum.clone());
            action.sign(self.limits.signed)
        })?;
        self.lock_known_files().keep(file, &request.body);
        Ok(())
    }

    fn remove(&self, file: &Path) -> Result<()> {
        self.lock_known_files().forget(file);
        let object = self.object(file);
        self.find(&Request::delete(), |bucket, keys| {
            bucket.delete_object(Some(keys), &object).sign(self.limits.signed)
        })?;
        Ok(())
    }

    fn remove_leftovers(&self) -> Result<()> {
        Ok(())
    }

    fn lock_file(&self) -> Result<Option<File>> {
        let Some(path) = &self.lock else { return Ok(None) };
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        opened.map(Some).map_err(|error| BackupError::io("open", path, error))
    }

    fn failure(&self) -> Option<BackupError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().map(BackupError::Bucket)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Bucket").field(&self.place).finish()
    }
}
