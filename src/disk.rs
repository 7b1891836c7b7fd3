//! Whether a folder on this machine has room for what is to be written there.

use std::io;
use std::path::Path;

use indicatif::HumanBytes;

/// Looks whether `folder` has room for `needed` bytes more, before they are written.
///
/// # Errors
/// If it has not, with both figures. Where the file system does not tell, writing will.
pub fn check_space(folder: &Path, needed: u64) -> io::Result<()> {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if needed <= free || stat.f_blocks == 0 {
        return Ok(());
    }
    let figures = format!("needs {}, {} free", HumanBytes(needed), HumanBytes(free));
    Err(io::Error::new(io::ErrorKind::StorageFull, figures))
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
}
