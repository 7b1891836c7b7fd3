//! Free space and writable files.

use std::io;
use std::path::Path;

use scripting_system::disk::space::*;

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
