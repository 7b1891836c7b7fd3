//! The tar archive around the dump: one regular file, with the same bytes on every machine.

use std::io;

use chrono::{DateTime, Utc};
use tar::{Builder, EntryType, Header};

/// Block size in bytes (POSIX pax, "ustar Interchange Format").
pub(super) const BLOCK: u64 = 512;
/// Size of the end-of-archive marker: two zero blocks.
pub(super) const END: usize = 2 * BLOCK as usize;
/// Only the owner may read the extracted dump.
const MODE: u32 = 0o600;

/// The single file in the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// The file name, without a path.
    pub(super) name: &'a str,
    /// In bytes.
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
}

/// The bytes before the file's content.
pub(super) fn head(member: &Member<'_>) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(MODE);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(member.size);
    header.set_mtime(u64::try_from(member.modified.timestamp()).unwrap_or(0));
    let mut builder = Builder::new(Vec::new());
    // The content is written separately.
    builder.append_data(&mut header, member.name, io::empty())?;
    Ok(builder.get_ref().clone())
}

/// The bytes after the content of a file of `size` bytes.
pub(super) fn tail(size: u64) -> Vec<u8> {
    let padding = size.next_multiple_of(BLOCK) - size;
    // The padding is less than a block, so it fits.
    vec![0; padding as usize + END]
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn archive(name: &str, content: &[u8]) -> Vec<u8> {
        let modified = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let member = Member { name, size: content.len() as u64, modified };
        [head(&member).unwrap().as_slice(), content, &tail(member.size)].concat()
    }

    #[test]
    fn head_content_and_tail_make_an_archive() {
        let long = "n".repeat(300);
        for (name, content) in [("dump.sql", vec![7; 513]), ("dump.sql", vec![7; 512]), (&long, vec![7])] {
            let bytes = archive(name, &content);
            assert_eq!(bytes.len() % 512, 0);
            let mut archive = tar::Archive::new(bytes.as_slice());
            let mut entries = archive.entries().unwrap();
            let mut entry = entries.next().unwrap().unwrap();
            assert_eq!(entry.path().unwrap().to_str(), Some(name));
            assert_eq!((entry.header().mtime().unwrap(), entry.header().mode().unwrap()), (1_795_000_000, 0o600));
            let mut read = Vec::new();
            entry.read_to_end(&mut read).unwrap();
            assert_eq!(read, content);
            assert!(entries.next().is_none());
        }
    }

    #[test]
    fn a_file_of_more_than_8_gib_keeps_its_size() {
        let size = 9 << 30;
        let modified = DateTime::from_timestamp(0, 0).unwrap();
        let head = head(&Member { name: "dump.sql", size, modified }).unwrap();
        assert_eq!(Header::from_byte_slice(&head).size().unwrap(), size);
    }
}
