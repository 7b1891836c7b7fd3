//! Free space, and checks before a file is written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::rules::units;

/// Checks that `needed` bytes are free in `folder`.
///
/// # Errors
/// If they are not, with both figures. Succeeds if the file system does not report its free space.
pub fn check_space(folder: &Path, needed: u64) -> io::Result<()> {
    let Some(free) = free_space(folder).filter(|free| *free < needed) else { return Ok(()) };
    let figures = format!("needs {}, {} free", units::size(needed), units::size(free));
    Err(io::Error::new(io::ErrorKind::StorageFull, figures))
}

/// The free bytes of the file system of `folder`; `None` if it does not report them.
pub fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks that this process may write the file `path`, or create it if it is missing. Writes nothing, and creates nothing
/// that has a name.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match open_to_append(path, OpenOptions::new()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tempfile::tempfile_in(path.parent().unwrap_or(Path::new("/"))).map(drop)
        }
        other => other.map(drop),
    }
}

/// Opens the regular file `path`, or a link to one, to append to it, with further `options`.
pub fn open_to_append(path: &Path, mut options: OpenOptions) -> io::Result<File> {
    open_regular(path, options.append(true))
}

/// Opens the regular file `path`, or a link to one, with `options`. Never opens a pipe or a device: the one blocks until its
/// other end is opened, the other may act when it is opened.
///
/// # Errors
/// If the system refuses, or something other than a regular file is there.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(not_regular());
    }
    // It may have been replaced since.
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_both_figures() {
        let folder = std::env::temp_dir();
        assert!(check_space(&folder, 1).is_ok());
        let error = check_space(&folder, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("needs 16.00 EiB, "), "{error}");
    }

    #[test]
    fn an_unknown_free_space_is_no_error() {
        assert!(check_space(Path::new("/nonexistent"), u64::MAX).is_ok());
        assert!(check_space(Path::new("/proc"), u64::MAX).is_ok(), "it has no blocks");
    }

    #[test]
    fn a_check_creates_no_file() {
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
