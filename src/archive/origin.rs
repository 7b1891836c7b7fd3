//! Reads the job's mark and the dump's name from an archive's first bytes.

use std::io::Read;

use flate2::bufread::{GzDecoder, MultiGzDecoder};

use crate::archive::gzip;
use crate::rules::dump::base_name;
use crate::rules::origin::{Mark, Origin};

/// Reads the origin of an archive from its first bytes. A few KiB are enough: the mark is in the first gzip header, and the dump's name is in the tar header that follows.
pub fn origin(beginning: &[u8]) -> Origin {
    let mut first = GzDecoder::new(beginning);
    // The decoder parses the header on its first read.
    let _ = first.read(&mut [0]);
    let mark = first.header().and_then(|header| header.extra()).and_then(gzip::mark_field).and_then(Mark::parse);
    Origin { mark, dump: file_name(beginning) }
}

fn file_name(beginning: &[u8]) -> Option<String> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(beginning));
    let entry = archive.entries().ok()?.next()?.ok()?;
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    Some(base_name(&name).to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use url::Url;

    use super::*;
    use crate::archive::tar::{Member, head};

    #[test]
    fn the_first_bytes_of_an_archive_contain_its_origin() {
        let mark = Mark::new(&Url::parse("https://example.com/a.zip").unwrap(), "dump.sql");
        let modified = DateTime::from_timestamp(0, 0).unwrap();
        for name in ["dump.sql".to_owned(), "n".repeat(300)] {
            let tar = head(&Member { name: &name, size: 9, modified }).unwrap();
            let with_mark = gzip::first_member(&tar, 0, &mark).unwrap();
            assert_eq!(origin(&with_mark), Origin { mark: Some(mark.clone()), dump: Some(name.clone()) });
            let without_mark = gzip::member(&tar, 6).unwrap();
            assert_eq!(origin(&without_mark), Origin { mark: None, dump: Some(name) });
        }
        for unreadable in [&b""[..], b"<html>", &[0x1f, 0x8b, 8, 4, 0, 0]] {
            assert_eq!(origin(unreadable), Origin::default());
        }
    }
}
