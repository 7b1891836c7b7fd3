//! Members of a gzip file (RFC 1952). A file of several members reads as one.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};

use crate::rules::origin::Mark;

/// "Unknown" system (RFC 1952 section 2.3.1), so that the archive does not depend on the machine.
const UNKNOWN_SYSTEM: u8 = 255;

/// Identifier of the extra field with the job's mark.
const FIELD: [u8; 2] = *b"SJ";

/// The header of a member: the magic number, deflate, no flags, no time.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, UNKNOWN_SYSTEM];

/// The trailer of a member with this CRC-32 and size of its content. gzip stores the lowest 32 bits of the size.
pub(super) fn trailer(crc32: u32, size: u64) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc32.to_le_bytes());
    trailer[4..].copy_from_slice(&(size as u32).to_le_bytes());
    trailer
}

/// A member with `content`, compressed at `level` (0: stored).
pub(super) fn member(content: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = builder().write(Vec::with_capacity(content.len() / 3 + 64), Compression::new(level));
    encoder.write_all(content)?;
    encoder.finish()
}

/// As [`member`], with `mark` in the header, for the beginning of an archive.
pub(super) fn first_member(content: &[u8], level: u32, mark: &Mark) -> io::Result<Vec<u8>> {
    let mut encoder = marked_builder(mark).write(Vec::with_capacity(content.len() + 64), Compression::new(level));
    encoder.write_all(content)?;
    encoder.finish()
}

/// Builds members with `mark` in an extra field of the header (RFC 1952 section 2.3.1.1).
pub(super) fn marked_builder(mark: &Mark) -> GzBuilder {
    let mark = mark.as_str().as_bytes();
    // 16 bytes.
    let length = (mark.len() as u16).to_le_bytes();
    builder().extra([&FIELD[..], &length, mark].concat())
}

/// The content of this program's field in the extra fields `extra`.
pub(super) fn mark_field(mut extra: &[u8]) -> Option<&[u8]> {
    while let [first, second, low, high, rest @ ..] = extra {
        let content = rest.get(..u16::from_le_bytes([*low, *high]).into())?;
        if [*first, *second] == FIELD {
            return Some(content);
        }
        extra = &rest[content.len()..];
    }
    None
}

/// Builds members with the header [`HEADER`].
pub(super) fn builder() -> GzBuilder {
    GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder;

    use super::*;

    #[test]
    fn a_handmade_member_and_one_of_flate2_read_as_one_file() {
        let first = member(b"one ", 6).unwrap();
        assert_eq!(first[..8], HEADER[..8]);
        let deflated = &first[10..first.len() - 8];
        let by_hand = [HEADER.as_slice(), deflated, &trailer(crc32fast::hash(b"one "), 4)].concat();
        let file = [by_hand, member(b"two", 0).unwrap()].concat();
        let mut text = String::new();
        MultiGzDecoder::new(file.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
    }

    #[test]
    fn a_size_beyond_4_gib_wraps() {
        assert_eq!(trailer(0x0102_0304, (5 << 32) + 6), [4, 3, 2, 1, 6, 0, 0, 0]);
    }
}
