//! The temporary file between a writer and its readers.

use std::io::Write as _;
use std::sync::Arc;
use std::thread;

use scripting_system::disk::spool::*;
use sha2::{Digest as _, Sha256};

fn spool() -> (SpoolWriter, Spool) {
    create(&std::env::temp_dir()).unwrap()
}

#[test]
fn a_reader_follows_the_writer_to_the_end() {
    let (mut writer, spool) = spool();
    let reader = spool.clone();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        loop {
            let extent = reader.wait_until(|it| it.written > bytes.len() as u64 || it.is_complete).unwrap();
            let mut buffer = vec![0; 16];
            let count = reader.read_at(&mut buffer, bytes.len() as u64).unwrap();
            bytes.extend_from_slice(&buffer[..count]);
            if extent.is_complete && bytes.len() as u64 == extent.written {
                return bytes;
            }
        }
    });
    for part in [b"one ".as_slice(), b"two ", b"three"] {
        writer.write_all(part).unwrap();
        thread::yield_now();
    }
    let content = writer.finish(None);
    assert_eq!(reading.join().unwrap(), b"one two three");
    assert_eq!(content.size, 13);
    assert_eq!(content.sha256[..], Sha256::digest(b"one two three")[..]);
    assert_eq!(spool.wait_until_complete().unwrap(), content);
}

#[test]
fn readers_fail_when_the_writer_is_dropped() {
    let (mut writer, spool) = spool();
    writer.write_all(b"half").unwrap();
    let waiting = spool.clone();
    let waiting = thread::spawn(move || waiting.wait_until(|extent| extent.written > 4).is_err());
    drop(writer);
    assert!(waiting.join().unwrap());
    assert!(spool.wait_until_complete().is_err() && spool.is_abandoned());
}

#[test]
fn writing_fails_once_the_spool_is_discarded() {
    let (mut writer, spool) = spool();
    writer.write_all(b"half").unwrap();
    drop(spool.discard_on_drop());
    assert!(writer.write_all(b"more").is_err());
    assert!(spool.is_discarded() && spool.wait_until_complete().is_err());
}

#[test]
fn a_nudge_makes_readers_check_again() {
    let (_writer, spool) = spool();
    let is_set = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (waiting, flag) = (spool.clone(), is_set.clone());
    let waiting = thread::spawn(move || waiting.wait_until(|_| flag.load(std::sync::atomic::Ordering::SeqCst)));
    is_set.store(true, std::sync::atomic::Ordering::SeqCst);
    spool.nudge();
    assert_eq!(waiting.join().unwrap().unwrap(), Extent { written: 0, is_complete: false });
}

#[test]
fn a_complete_spool_cannot_be_discarded() {
    let (writer, spool) = spool();
    let content = writer.finish(None);
    drop(spool.discard_on_drop());
    assert_eq!(spool.wait_until_complete().unwrap(), content);
}
