//! The ZIP, read in parts from the web server or downloaded.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::config;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::progress::Progress;
use crate::runtime::retry::Retry;
use crate::source::client::Client;
use crate::source::download::download;
use crate::source::error::SourceError;
use crate::source::remote::{RandomAccess, Remote, Sequential, TAIL};

const BUFFER: usize = 128 * 1024;

/// The ZIP. A downloaded file has no name, and is gone when this is dropped.
pub struct Zip {
    client: Client,
    place: Place,
    progress: Progress,
    /// In bytes.
    pub size: u64,
    /// From the header Content-Type.
    pub content_type: Option<String>,
    /// The time of the first response by the server's clock (Date).
    pub server_time: Option<DateTime<Utc>>,
}

enum Place {
    /// On the web server, read in parts.
    Remote(Remote),
    /// Downloaded.
    Local(File),
}

pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Requests the ZIP of `source`: in parts, if `in_parts` and the server sends them; otherwise downloads it into
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
    let (place, size, content_type, server_time) = retry.run::<_, SourceError>("the request for the ZIP", || {
        let mut answer = match if in_parts { client.last(TAIL) } else { client.whole() } {
            // "Range not satisfiable": some servers answer so if the file is shorter than the range.
            Err(SourceError::Status { status: 416, .. }) if in_parts => client.whole()?,
            other => other?,
        };
        if let Some(part) = answer.part.filter(|_| in_parts) {
            if let Some(remote) = Remote::begin(&mut answer, part)? {
                let size = remote.size;
                return Ok((Place::Remote(remote), size, answer.content_type, answer.server_time));
            }
            drop(answer);
            answer = client.whole()?;
        }
        tracing::info!("the web server does not send reliable parts of the ZIP; downloading all of it");
        let (content_type, server_time) = (answer.content_type.take(), answer.server_time);
        let (file, size) = download(answer, work_directory, source.max_dump_bytes, progress)?;
        Ok((Place::Local(file), size, content_type, server_time))
    })?;
    Ok(Zip { client, place, progress: progress.clone(), size, content_type, server_time })
}

impl Zip {
    /// Reads the ZIP at any position.
    ///
    /// # Errors
    /// If the downloaded file cannot be used. Errors of the web server show when reading.
    pub fn reader(&self) -> io::Result<Box<dyn ReadSeek + '_>> {
        match &self.place {
            Place::Remote(remote) => Ok(Box::new(RandomAccess::new(&self.client, remote))),
            Place::Local(file) => Ok(Box::new(BufReader::with_capacity(BUFFER, from(file, 0)?))),
        }
    }

    /// Reads `range` of the ZIP, with a progress bar.
    pub fn range(&self, range: Range<u64>) -> io::Result<Box<dyn Read + '_>> {
        let length = range.end - range.start;
        match &self.place {
            Place::Remote(remote) => {
                let bar = self.progress.bar("Download", Some(length));
                Ok(Box::new(bar.wrap_read(Sequential::new(&self.client, remote, range))))
            }
            Place::Local(file) => {
                Ok(Box::new(self.progress.bar("Pack", Some(length)).wrap_read(from(file, range.start)?.take(length))))
            }
        }
    }

    /// Whether it is read in parts from the web server.
    pub fn is_remote(&self) -> bool {
        matches!(self.place, Place::Remote(_))
    }

    /// How many bytes were received so far.
    pub fn received(&self) -> u64 {
        self.client.received()
    }
}

fn from(file: &File, position: u64) -> io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(position))?;
    Ok(file)
}

/// Whether `error` of reading the ZIP says that the file has changed on the web server.
pub fn has_changed(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<SourceError>());
    matches!(inner, Some(SourceError::Changed))
}
