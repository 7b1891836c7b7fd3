//! The file with the metrics: whole at any moment, readable by node_exporter's own user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use scripting_system::report::metrics::textfile::{read, write};

#[test]
fn the_file_takes_the_old_one_s_place_and_nothing_is_left_beside_it() {
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
fn a_reader_finds_the_old_or_the_new_and_never_a_half() {
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
fn what_cannot_be_read_is_no_hindrance() {
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
fn a_folder_that_is_missing_is_told_with_what_to_do() {
    let told = write(Path::new("/missing/job.prom"), "new").unwrap_err().to_string();
    insta::assert_snapshot!(told, @"cannot write /missing/job.prom; its folder must be there, and this job's user must be able to write in it");
}
