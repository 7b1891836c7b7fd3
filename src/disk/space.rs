//! Checks free space and write permission before a file is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::disk::bounded_read::open_with;
use crate::rules::units;

/// Checks that `needed` bytes are free in `folder`. Succeeds if the file system does not report its free space.
pub fn check_space(folder: &Path, needed: u64) -> io::Result<()> {
    let Some(free) = free_space(folder).filter(|free| *free < needed) else { return Ok(()) };
    let figures = format!("needs {}, {} free", units::size(needed), units::size(free));
    Err(io::Error::new(io::ErrorKind::StorageFull, figures))
}

/// In bytes; `None` if the file system of `folder` does not report it.
pub fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks that this process can write the file `path`, or create it if it is missing. Writes and creates nothing.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match open_to_append(path, OpenOptions::new()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tempfile::tempfile_in(path.parent().unwrap_or(Path::new("/"))).map(drop)
        }
        other => other.map(drop),
    }
}

/// Opens the regular file `path`, or a link to one, for appending, with additional `options`.
pub fn open_to_append(path: &Path, mut options: OpenOptions) -> io::Result<File> {
    Ok(open_with(path, options.append(true))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_reported_with_needed_and_free_space() {
        let folder = std::env::temp_dir();
        assert!(check_space(&folder, 1).is_ok());
        let error = check_space(&folder, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("needs 16.00 EiB, "), "{error}");
    }

    #[test]
    fn unknown_free_space_is_no_error() {
        assert!(check_space(Path::new("/nonexistent"), u64::MAX).is_ok());
        assert!(check_space(Path::new("/proc"), u64::MAX).is_ok(), "it has no blocks");
    }

    #[test]
    fn checking_a_file_does_not_create_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.log");
        assert!(check_writable(&file).is_ok());
        assert!(!file.exists());
        std::fs::write(&file, "a line").unwrap();
        assert!(check_writable(&file).is_ok());
        assert_eq!(std::fs::read(&file).unwrap(), b"a line");
        assert!(check_writable(folder.path()).is_err(), "a folder is not a file");
        let missing = check_writable(&folder.path().join("missing/log.log")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(check_writable(Path::new("/proc/log.log")).is_err());
    }
}
