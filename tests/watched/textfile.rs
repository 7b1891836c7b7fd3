//! The metrics file: always complete, and readable by node_exporter's user.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{fs, thread};

use scripting_system::report::metrics::textfile::{read, write};

#[test]
fn a_new_file_replaces_the_old_one_and_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.prom");
    assert_eq!(read(&path), None);
    write(&path, "old").unwrap();
    write(&path, "new").unwrap();
    assert_eq!(read(&path).as_deref(), Some("new"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_reader_never_sees_a_partial_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.prom");
    let texts = ["a".repeat(100_000), "b".repeat(50_000)];
    write(&path, &texts[0]).unwrap();
    let writer = thread::spawn({
        let (path, texts) = (path.clone(), texts.clone());
        move || (0..200).for_each(|round| write(&path, &texts[round % 2]).unwrap())
    });
    while !writer.is_finished() {
        let text = read(&path).unwrap();
        assert!(texts.contains(&text), "{} bytes", text.len());
    }
    writer.join().unwrap();
}

#[test]
fn an_unreadable_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.prom");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(read(&path), None);
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(read(&path), None, "a pipe");
    write(&path, "new").unwrap();
    assert_eq!(read(&path).as_deref(), Some("new"));
}

#[test]
fn a_missing_folder_is_reported_with_the_fix() {
    let error = write(Path::new("/missing/job.prom"), "new").unwrap_err().to_string();
    insta::assert_snapshot!(error, @"cannot write /missing/job.prom; its folder must exist and be writable for this job's user");
}
