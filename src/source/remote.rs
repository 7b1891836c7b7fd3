//! Reads the ZIP in parts (RFC 9110 section 14), all of the same version of the file.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::source::client::{Answer, Body, Client, Part};
use crate::source::error::SourceError;

/// A ZIP's directory ends with a record of 22 bytes and a comment of up to 65,535 (APPNOTE 4.3.16). These bytes include the
/// record, and mostly the whole directory.
pub(super) const TAIL: u64 = 65_633;

/// How many bytes are fetched from one place: enough for a local file header and its name.
const FETCH: u64 = 4 * 1024;
/// The longest fetch of sequential reading: a directory is longer than the tail.
const LONGEST_FETCH: u64 = 4 * 1024 * 1024;
/// The factor by which each fetch of sequential reading is longer than the one before.
const GROWTH: u64 = 16;

/// A ZIP on a server that sends parts of it.
pub(super) struct Remote {
    /// In bytes.
    pub(super) size: u64,
    validator: String,
    tail: Window,
}

/// Some of the ZIP's bytes, from byte `first` on.
#[derive(Debug, Default)]
struct Window {
    first: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    /// The bytes from `position` on; `None` outside this window.
    fn at(&self, position: u64) -> Option<&[u8]> {
        let offset = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
    }
}

impl Remote {
    /// From the response to a request for the last [`TAIL`] bytes; `None` if the server sent another part, or does not
    /// identify the version of the file.
    pub(super) fn begin(answer: &mut Answer<'_>, part: Part) -> Result<Option<Remote>, SourceError> {
        let is_tail = part.last + 1 == part.total && part.first == part.total.saturating_sub(TAIL);
        let Some(validator) = answer.validator.clone().filter(|_| is_tail) else { return Ok(None) };
        // At most `TAIL`.
        let bytes = answer.body.read_all((part.total - part.first) as usize)?;
        Ok(Some(Remote { size: part.total, validator, tail: Window { first: part.first, bytes } }))
    }

    fn open<'a>(&self, client: &'a Client, range: &Range<u64>) -> Result<Body<'a>, SourceError> {
        let answer = client.part(range.start, range.end - 1, &self.validator)?;
        match answer.part {
            None => Err(SourceError::Changed),
            Some(part) if part == (Part { first: range.start, last: range.end - 1, total: self.size }) => {
                Ok(answer.body)
            }
            Some(part) if part.total != self.size => Err(SourceError::Changed),
            Some(_) => Err(client.violation("it sent another part of the ZIP than the requested one")),
        }
    }

    fn fetch(&self, client: &Client, range: &Range<u64>) -> Result<Window, SourceError> {
        client.retry.run("reading the ZIP's directory", || {
            // At most `LONGEST_FETCH`.
            let bytes = self.open(client, range)?.read_all((range.end - range.start) as usize)?;
            Ok(Window { first: range.start, bytes })
        })
    }
}

/// Reads the ZIP at any position, for its directory. Keeps the bytes of the last fetch.
pub(super) struct RandomAccess<'a> {
    client: &'a Client,
    remote: &'a Remote,
    position: u64,
    window: Window,
    length: u64,
}

impl<'a> RandomAccess<'a> {
    pub(super) fn new(client: &'a Client, remote: &'a Remote) -> RandomAccess<'a> {
        RandomAccess { client, remote, position: 0, window: Window::default(), length: FETCH }
    }

    fn fetch_here(&mut self) -> Result<(), SourceError> {
        let is_sequential = !self.window.bytes.is_empty() && self.position == self.window.end();
        self.length = if is_sequential { (self.length * GROWTH).min(LONGEST_FETCH) } else { FETCH };
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
        if self.remote.tail.at(self.position).or_else(|| self.window.at(self.position)).is_none() {
            self.fetch_here().map_err(io::Error::other)?;
        }
        let found = self.remote.tail.at(self.position).or_else(|| self.window.at(self.position)).unwrap_or_default();
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
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

/// Reads one range from its beginning to its end: the dump's data. Continues over a new connection if one breaks.
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
