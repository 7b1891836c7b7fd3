//! Reads a gzip file to its end and checks every member's CRC-32 and size, and that no data follows the last one.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::archive::error::ArchiveError;

/// Begins every member (RFC 1952 section 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decompresses a gzip file. Each error is an `io::Error` that wraps an [`ArchiveError`]; errors of the source must wrap one, too.
pub(super) struct Gunzip<R> {
    /// `None` before the first member and after the last one.
    member: Option<GzDecoder<Counted<R>>>,
    /// The input, positioned at the beginning of the next member; `None` within a member and at the end.
    source: Option<Counted<R>>,
    size: u64,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(source: R) -> Gunzip<R> {
        Gunzip { member: None, source: Some(Counted { inner: source, count: 0 }), size: 0 }
    }

    /// Number of decompressed bytes returned so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Begins the next member of `source`; `None` at its end.
    fn next_member(mut source: Counted<R>) -> io::Result<Option<GzDecoder<Counted<R>>>> {
        let at = source.count;
        let beginning = source.fill_buf()?;
        // If the buffer ends after the first byte, the decoder checks the second.
        if beginning.first() == Some(&MAGIC[0]) && beginning.get(1).is_none_or(|second| *second == MAGIC[1]) {
            return Ok(Some(GzDecoder::new(source)));
        }
        let shown = String::from_utf8_lossy(&beginning[..beginning.len().min(16)]).into_owned();
        match (at, beginning.is_empty()) {
            (0, true) => Err(io::Error::other(ArchiveError::Empty)),
            (0, false) => Err(io::Error::other(ArchiveError::NotGzip(shown))),
            (_, true) => Ok(None),
            (_, false) => Err(io::Error::other(ArchiveError::GzipGarbage { at, beginning: shown })),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(source) = self.source.take() {
                self.member = Gunzip::next_member(source)?;
            }
            let Some(member) = &mut self.member else { return Ok(0) };
            match member.read(buffer) {
                Ok(0) => self.source = self.member.take().map(GzDecoder::into_inner),
                Ok(count) => {
                    self.size += count as u64;
                    return Ok(count);
                }
                Err(error) => return Err(decoding_error(error, member.get_ref().count)),
            }
        }
    }
}

/// The first `max` bytes of the content of a gzip file that begins with `beginning`; `None` if it is not a gzip file.
pub fn gunzip_beginning(beginning: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    // If the file is longer, this fails after decompressing all of `beginning`.
    let _ = Gunzip::new(beginning).take(max as u64).read_to_end(&mut content);
    (!content.is_empty()).then_some(content)
}

/// Converts an error of a decoder that has read `at` bytes. An [`ArchiveError`] of the source is returned unchanged.
fn decoding_error(error: io::Error, at: u64) -> io::Error {
    io::Error::other(error.downcast().unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::GzipTruncated(at),
        _ => ArchiveError::GzipDamaged { at, problem: error },
    }))
}

/// Counts the bytes read from `inner`.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count += count as u64;
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect(|count| self.count += *count as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::gzip;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        // A one-byte buffer splits the magic number of each member.
        let mut gunzip = Gunzip::new(io::BufReader::with_capacity(1, bytes));
        gunzip.read_to_end(&mut content).map_err(|error| error.to_string())?;
        assert_eq!(gunzip.size(), content.len() as u64);
        Ok(content)
    }

    fn two_members() -> Vec<u8> {
        [gzip::member(b"one ", 6).unwrap(), gzip::member(b"two", 6).unwrap()].concat()
    }

    #[test]
    fn all_members_are_read_as_one() {
        assert_eq!(read(&two_members()).unwrap(), b"one two");
        assert_eq!(read(&gzip::member(b"", 6).unwrap()).unwrap(), b"");
    }

    #[test]
    fn the_beginning_of_a_gzip_file_can_be_decompressed() {
        let whole = gzip::member(b"-- MySQL dump 10.13\n", 6).unwrap();
        assert_eq!(gunzip_beginning(&whole[..whole.len() - 9], 8), Some(b"-- MySQL".to_vec()));
        assert_eq!(gunzip_beginning(&two_members(), 100), Some(b"one two".to_vec()));
        assert_eq!((gunzip_beginning(b"\x1f\x8b", 8), gunzip_beginning(b"-- MySQL", 8)), (None, None));
    }

    #[test]
    fn errors_report_the_offset_of_truncation_or_garbage() {
        let whole = two_members();
        let first = gzip::member(b"one ", 6).unwrap().len();
        for length in (1..whole.len()).filter(|length| *length != first) {
            assert_eq!(read(&whole[..length]), Err(format!("it is truncated after {length} bytes")));
        }
        let garbage = [&whole[..], b"garbage"].concat();
        let expected = format!("the data from byte {} on is not gzip: it begins with \"g", whole.len());
        assert!(read(&garbage).unwrap_err().starts_with(&expected), "{:?}", read(&garbage));
        assert_eq!(read(b""), Err("it is empty".to_owned()));
        assert!(read(b"<html>").unwrap_err().starts_with("it is not a gzip file: it begins with \"<"));
    }

    #[test]
    fn a_flipped_bit_never_changes_the_content() {
        let whole = two_members();
        let mut undetected = 0;
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bad = whole.clone();
            bad[at] ^= 1 << bit;
            if let Ok(content) = read(&bad) {
                assert_eq!(content, b"one two", "byte {at}, bit {bit}");
                undetected += 1;
            }
        }
        // In each member, these do not affect the content: six header bytes, one header flag, and the padding bits after the data.
        assert!(undetected <= 2 * (6 * 8 + 1 + 7), "{undetected} bits");
    }
}
