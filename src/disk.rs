//! Whether a folder on this machine has room for what is to be written there, and whether it may be written at all; and
//! files that appear there whole.

pub mod bounded_read;
pub mod trust;
pub mod whole_file;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use indicatif::HumanBytes;
use rustix::fs::OFlags;

/// Looks whether `folder` has room for `needed` bytes more, before they are written.
///
/// # Errors
/// If it has not, with both figures. Where the file system does not tell, writing will.
pub fn check_space(folder: &Path, needed: u64) -> io::Result<()> {
    let Some(free) = free_space(folder).filter(|free| *free < needed) else { return Ok(()) };
    let figures = format!("needs {}, {} free", HumanBytes(needed), HumanBytes(free));
    Err(io::Error::new(io::ErrorKind::StorageFull, figures))
}

/// How many bytes are free where `folder` lies; `None` where the file system does not tell.
pub fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok().filter(|stat| stat.f_blocks > 0)?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Looks whether this process may write the file `path`, or make it where there is none yet. Nothing is written, and
/// nothing that has a name is made.
///
/// # Errors
/// If it may not, or something else than a file lies there.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match open_to_append(path, OpenOptions::new()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tempfile::tempfile_in(path.parent().unwrap_or(Path::new("/"))).map(drop)
        }
        other => other.map(drop),
    }
}

/// Opens the regular file `path`, or a link to one, to append to it, with further `options`.
///
/// # Errors
/// As [`open_regular`].
pub fn open_to_append(path: &Path, mut options: OpenOptions) -> io::Result<File> {
    open_regular(path, options.append(true))
}

/// Opens the regular file `path`, or a link to one, with `options`. It never waits, and never opens a device: a pipe would
/// block until somebody uses its other end, and to open a device can be to use it.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) where something other than a regular file is there; others if the system
/// refuses.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(not_regular());
    }
    // Something else may have taken its place since then.
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told_with_both_figures() {
        let folder = std::env::temp_dir();
        assert!(check_space(&folder, 1).is_ok());
        let error = check_space(&folder, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("needs 16.00 EiB, "), "{error}");
    }

    #[test]
    fn a_folder_that_tells_nothing_is_no_fault_yet() {
        assert!(check_space(Path::new("/nonexistent"), u64::MAX).is_ok());
        assert!(check_space(Path::new("/proc"), u64::MAX).is_ok(), "it has no blocks");
    }

    #[test]
    fn a_file_may_be_written_or_made_and_a_look_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.log");
        assert!(check_writable(&file).is_ok());
        assert!(!file.exists());
        std::fs::write(&file, "a line").unwrap();
        assert!(check_writable(&file).is_ok());
        assert_eq!(std::fs::read(&file).unwrap(), b"a line");
        assert!(check_writable(folder.path()).is_err(), "a folder is no file");
        let missing = check_writable(&folder.path().join("missing/log.log")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(check_writable(Path::new("/proc/log.log")).is_err());
    }
}
