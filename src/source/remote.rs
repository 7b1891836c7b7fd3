//! Reads the ZIP in parts (RFC 9110 section 14), all from the same version of the file.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::source::client::{Body, Client, ZipResponse};
use crate::source::error::SourceError;
use crate::source::version::{Part, Version};

/// Length of the tail that is fetched first, in bytes. A ZIP ends with its directory, a record of 22 bytes, and a comment of
/// up to 65,535 bytes (APPNOTE 4.3.16), so the tail has the record and usually the whole directory.
pub(super) const TAIL: u64 = 65_633;

/// Size of a single fetch in bytes: enough for a local file header and its name.
const MIN_FETCH: u64 = 4 * 1024;
/// Maximum size of a fetch during sequential reading, for a directory that is longer than the tail.
const MAX_FETCH: u64 = 4 * 1024 * 1024;
/// Factor by which fetches grow during sequential reading.
const GROWTH: u64 = 16;

/// A ZIP on a server that supports ranges.
pub(super) struct Remote {
    /// In bytes.
    pub(super) size: u64,
    pub(super) version: Version,
    tail: Window,
}

/// The ZIP's bytes from `first` on.
#[derive(Debug, Default)]
struct Window {
    first: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    /// The bytes from `position` on; `None` if it is outside this window.
    fn bytes_from(&self, position: u64) -> Option<&[u8]> {
        let offset = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
    }
}

impl Remote {
    /// Evaluates the response to a request for the last [`TAIL`] bytes. `None` if the server sent another part. `earlier` is
    /// the version in an earlier response.
    pub(super) fn from_tail(response: &mut ZipResponse<'_>, earlier: &Version) -> Result<Option<Remote>, SourceError> {
        let Some(Part { first, last, total }) = response.part else { return Ok(None) };
        // A range from the end shows where that is.
        let size = total.unwrap_or(last.saturating_add(1));
        if last != size - 1 || first != size.saturating_sub(TAIL) {
            return Ok(None);
        }
        // At most `TAIL`.
        let bytes = response.body.read_all((size - first) as usize)?;
        Ok(Some(Remote { size, version: response.version.common(earlier), tail: Window { first, bytes } }))
    }

    fn open<'a>(&self, client: &'a Client, range: &Range<u64>) -> Result<Body<'a>, SourceError> {
        let (first, last) = (range.start, range.end - 1);
        let response = match client.request_part(first, last, self.version.validator()) {
            // "Range not satisfiable": the file is shorter now.
            Err(SourceError::Status { status: 416, .. }) => return Err(SourceError::Changed),
            other => other?,
        };
        match response.part {
            None => Err(SourceError::Changed),
            Some(_) if !self.version.is_confirmed_by(&response.version) => Err(SourceError::Changed),
            Some(part) if part.total.is_some_and(|total| total != self.size) => Err(SourceError::Changed),
            Some(part) if (part.first, part.last) == (first, last) => Ok(response.body),
            Some(_) => Err(client.violation("it sent a different part of the ZIP than requested")),
        }
    }

    fn fetch(&self, client: &Client, range: &Range<u64>) -> Result<Window, SourceError> {
        client.retry.run("reading the ZIP's directory", || {
            // At most `MAX_FETCH`.
            let bytes = self.open(client, range)?.read_all((range.end - range.start) as usize)?;
            Ok(Window { first: range.start, bytes })
        })
    }
}

/// Reads the ZIP at any position, for its directory. Buffers the last fetch.
pub(super) struct RandomAccess<'a> {
    client: &'a Client,
    remote: &'a Remote,
    position: u64,
    window: Window,
    length: u64,
}

impl<'a> RandomAccess<'a> {
    pub(super) fn new(client: &'a Client, remote: &'a Remote) -> RandomAccess<'a> {
        RandomAccess { client, remote, position: 0, window: Window::default(), length: MIN_FETCH }
    }

    fn fetch_here(&mut self) -> Result<(), SourceError> {
        let is_sequential = !self.window.bytes.is_empty() && self.position == self.window.end();
        self.length = if is_sequential { (self.length * GROWTH).min(MAX_FETCH) } else { MIN_FETCH };
        let end = self.position.saturating_add(self.length).min(self.remote.tail.first.max(self.position + 1));
        self.window = self.remote.fetch(self.client, &(self.position..end))?;
        Ok(())
    }
}

impl Read for RandomAccess<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.remote.size || buffer.is_empty() {
            return Ok(0);
        }
        if self.remote.tail.bytes_from(self.position).or_else(|| self.window.bytes_from(self.position)).is_none() {
            self.fetch_here().map_err(io::Error::other)?;
        }
        let available = self
            .remote
            .tail
            .bytes_from(self.position)
            .or_else(|| self.window.bytes_from(self.position))
            .unwrap_or_default();
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for RandomAccess<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.remote.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Reads one range sequentially, for the dump's data. After a broken connection, continues over a new one.
pub(super) struct Sequential<'a> {
    client: &'a Client,
    remote: &'a Remote,
    rest: Range<u64>,
    body: Option<Body<'a>>,
}

impl<'a> Sequential<'a> {
    pub(super) fn new(client: &'a Client, remote: &'a Remote, range: Range<u64>) -> Sequential<'a> {
        Sequential { client, remote, rest: range, body: None }
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.remote.open(self.client, &self.rest)?,
        };
        let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX).min(buffer.len());
        match body.read(&mut buffer[..left])? {
            0 => Err(body.broken()),
            count => {
                self.body = Some(body);
                Ok(count)
            }
        }
    }
}

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() || buffer.is_empty() {
            return Ok(0);
        }
        let retry = self.client.retry.clone();
        let count = retry.run("the download", || self.read_once(buffer)).map_err(io::Error::other)?;
        self.rest.start += count as u64;
        Ok(count)
    }
}
