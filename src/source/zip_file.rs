//! The ZIP, read in parts from the web server or downloaded.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::mem;
use std::ops::Range;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config;
use crate::rules::units;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;
use crate::source::client::Client;
use crate::source::download::download;
use crate::source::error::SourceError;
use crate::source::remote::{RandomAccess, Remote, Sequential};
use crate::source::tail::{request_tail, unless_refused};
use crate::source::version::Version;

const BUFFER: usize = 128 * 1024;

/// The ZIP. A downloaded file has no name and disappears when this is dropped.
pub struct Zip {
    client: Client,
    storage: Storage,
    progress: Progress,
    /// In bytes.
    pub size: u64,
    /// From the header Content-Type.
    pub content_type: Option<String>,
    /// The time of the first response by the server's clock (Date).
    pub server_time: Option<DateTime<Utc>>,
    /// How old it is, if it is from a cache.
    pub age: Option<TimeDelta>,
}

enum Storage {
    /// Read in parts from the web server.
    Remote(Remote),
    Local {
        file: File,
        size: u64,
        version: Version,
    },
}

pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Requests the ZIP of `source`. Reads it in parts if `in_parts` and the server supports that; otherwise downloads it to
/// `work_directory`.
pub fn open(
    source: &config::Source,
    in_parts: bool,
    work_directory: &Path,
    retry: &Retry,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Zip, SourceError> {
    let client = Client::new(source, retry, interrupt)?;
    let (storage, facts) = retry.run::<_, SourceError>("the request for the ZIP", || {
        let (remote, mut response) = if in_parts { request_tail(&client)? } else { (None, client.request_whole()?) };
        let facts = (response.content_type.take(), response.server_time, response.age);
        if let Some(remote) = remote {
            return Ok((Storage::Remote(remote), facts));
        }
        tracing::info!("the web server does not reliably support ranges; downloading the whole ZIP");
        let version = mem::take(&mut response.version);
        let (file, size) = download(response, work_directory, source.max_dump_bytes, progress)?;
        Ok((Storage::Local { file, size, version }, facts))
    })?;
    let size = match &storage {
        Storage::Remote(remote) => remote.size,
        Storage::Local { size, .. } => *size,
    };
    let (content_type, server_time, age) = facts;
    Ok(Zip { client, storage, progress: progress.clone(), size, content_type, server_time, age })
}

impl Zip {
    /// Reads the ZIP at any position.
    ///
    /// # Errors
    /// If the downloaded file cannot be used. Errors of the web server occur on reading.
    pub fn reader(&self) -> io::Result<Box<dyn ReadSeek + '_>> {
        match &self.storage {
            Storage::Remote(remote) => Ok(Box::new(RandomAccess::new(&self.client, remote))),
            Storage::Local { file, .. } => Ok(Box::new(BufReader::with_capacity(BUFFER, reader_at(file, 0)?))),
        }
    }

    /// Reads `range` of the ZIP and shows a progress bar.
    pub fn range(&self, range: Range<u64>) -> io::Result<Box<dyn Read + '_>> {
        let length = range.end - range.start;
        match &self.storage {
            Storage::Remote(remote) => {
                let bar = self.progress.bar("Download", Some(length));
                Ok(Box::new(bar.wrap_read(Sequential::new(&self.client, remote, range))))
            }
            Storage::Local { file, .. } => Ok(Box::new(
                self.progress.bar("Pack", Some(length)).wrap_read(reader_at(file, range.start)?.take(length)),
            )),
        }
    }

    /// Whether it is read in parts from the web server.
    pub fn is_remote(&self) -> bool {
        matches!(self.storage, Storage::Remote(_))
    }

    /// ", from a cache, 8 h old"; empty if it is not from a cache.
    pub fn cache(&self) -> String {
        self.age.map(|age| format!(", from a cache, {} old", units::age(age))).unwrap_or_default()
    }

    /// Whether the parts of different versions of the ZIP can be distinguished.
    pub fn has_version(&self) -> bool {
        !matches!(&self.storage, Storage::Remote(remote) if !remote.version.is_known())
    }

    /// Whether the web server still has this version. Reads headers only. If the server identifies no version, compares the size
    /// of a downloaded ZIP unless `is_strict`.
    pub fn is_unchanged(&self, is_strict: bool) -> Result<bool, SourceError> {
        let client = &self.client;
        let (version, may_compare_size) = match &self.storage {
            Storage::Remote(remote) => (&remote.version, false),
            Storage::Local { version, .. } => (version, !is_strict),
        };
        let response = client.retry.run("the request for the ZIP", || {
            unless_refused(client.request_part(0, 0, None))?.map_or_else(|| client.request_whole(), Ok)
        })?;
        let size = response.part.map_or(response.length, |part| part.total);
        let is_comparable = version.is_known() || (size.is_some() && may_compare_size);
        let is_same = version.common(&response.version).equals(version);
        Ok(is_comparable && is_same && size.is_none_or(|size| size == self.size))
    }

    /// Number of bytes received so far.
    pub fn received(&self) -> u64 {
        self.client.received()
    }
}

fn reader_at(file: &File, position: u64) -> io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(position))?;
    Ok(file)
}

/// Whether reading the ZIP failed because the file changed on the web server.
pub fn has_changed(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<SourceError>());
    matches!(inner, Some(SourceError::Changed))
}
