//! Transfers of large archives: sent while they grow, over several connections, and resumed after a link broke.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use testkit::servers::zips::noise;
use testkit::servers::{HttpsServer, Method, Zip};
use testkit::setup::{DUMP, Outcome, extract_dump};
use testkit::{Setup, Sshd};
use zip::write::SimpleFileOptions;

const MIB: usize = 1024 * 1024;

/// A job with a dump of `size` bytes and an archive of about the same size.
fn night_of(size: usize) -> Setup {
    let mut setup = Setup::new();
    setup.dump = noise(size);
    setup.publish_dump_of(setup.modified);
    setup
}

/// Asserts that the archive is the only file on the server, and holds the dump.
#[track_caller]
fn assert_delivered(setup: &Setup, outcome: &Outcome) {
    assert_eq!(setup.sshd.names(), [setup.archive_name()], "{}", outcome.all());
    assert!(extract_dump(&setup.archive()) == setup.dump, "other bytes: {}", outcome.all());
    assert!(setup.work_directory_is_empty());
}

fn logins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

#[test]
fn a_large_archive_uses_several_connections_on_a_long_line() {
    let mut setup = night_of(40 * MIB);
    let _line = setup.slow_down_sftp();
    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("over 4 connections"));
    assert_eq!(logins(&setup.sshd), 4 + 4);

    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("is already there, with the same bytes"));
    assert_eq!(logins(&setup.sshd), 8 + 4, "the archive is compared over as many");

    fs::remove_file(setup.archive()).unwrap();
    setup.set("sftp.connections", json!(1));
    assert_delivered(&setup, setup.run().exited_with(0));
    assert_eq!(logins(&setup.sshd), 12 + 1 + 1);
}

#[test]
fn a_short_line_or_a_small_archive_is_worth_one_connection() {
    let mut setup = night_of(40 * MIB);
    setup.set("sftp.connections", json!(4));
    assert_delivered(&setup, setup.run().exited_with(0));
    let short = logins(&setup.sshd);
    // A busy machine can look like a longer line for a moment.
    assert!(short < 8, "{short} logins");

    let mut setup = Setup::new();
    let _line = setup.slow_down_sftp();
    assert_delivered(&setup, setup.run().exited_with(0));
    assert_eq!(logins(&setup.sshd), 1 + 1);
}

#[test]
fn a_refused_further_connection_is_only_logged() {
    let mut setup = night_of(40 * MIB);
    // The first connections of the upload and of the verification are accepted.
    let server = setup.serve_sftp(|sftp| sftp.reject_connections(2..5));
    let _line = setup.slow_down_sftp();
    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("continuing with one connection fewer"));
    assert!(outcome.log.contains("retries 0"), "{}", outcome.all());
    assert!(server.connections() > 5);
}

#[test]
fn the_archive_is_sent_while_it_grows() {
    let mut setup = night_of(8 * MIB);
    let web = HttpsServer::builder(&setup.path("web")).bytes_per_second(6 * MIB as u64).start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let begun_at = Arc::new(AtomicU64::new(0));
    let (seen, counter) = (begun_at.clone(), web.bytes_counter());
    let server = setup.serve_sftp(move |sftp| {
        sftp.on_first_write(move || seen.store(counter.load(Ordering::SeqCst), Ordering::SeqCst))
    });
    assert_delivered(&setup, setup.run().exited_with(0));
    let received = begun_at.load(Ordering::SeqCst);
    assert!(received > 0 && received < 4 * MIB as u64, "{received} bytes were packed when sending began");
    assert!(server.operations().iter().any(|done| done.starts_with("open-to-write")));
}

#[test]
fn a_dump_damaged_at_its_end_leaves_no_upload() {
    let mut setup = night_of(6 * MIB);
    let zip = setup.path("web/my_zip.zip");
    let mut bytes = fs::read(&zip).unwrap();
    let middle = bytes.len() - 100_000;
    bytes[middle] ^= 1;
    setup.publish_bytes(&bytes);
    let web = HttpsServer::builder(&setup.path("web")).bytes_per_second(4 * MIB as u64).start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let server = setup.serve_sftp(|sftp| sftp);
    let outcome = setup.run();
    outcome.exited_with(4).logged("Pack archive: the dump in the ZIP is damaged").logged("errors 1");
    let done = server.operations();
    assert!(done.iter().any(|done| done.starts_with("open-to-write")), "sending had begun: {done:?}");
    assert!(!done.iter().any(|done| done.starts_with("rename")), "{done:?}");
    assert_eq!(setup.sshd.names(), [""; 0], "{}", outcome.all());
    assert!(setup.work_directory_is_empty());
}

#[test]
fn if_sending_fails_packing_ends_and_only_the_cause_is_reported() {
    let mut setup = night_of(12 * MIB);
    let web = HttpsServer::builder(&setup.path("web")).bytes_per_second(2 * MIB as u64).start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let _server = setup.serve_sftp(|sftp| sftp.full_after(100_000));
    let outcome = setup.run();
    outcome.exited_with(4).logged("Send archive: the server refused to write").logged("errors 1");
    assert!(web.bytes_sent() < 8 * MIB as u64, "the download continued: {} bytes", web.bytes_sent());
}

#[test]
fn a_broken_upload_resumes_without_downloading_again() {
    for connections in [1, 4] {
        let mut setup = night_of(24 * MIB);
        let server = setup.serve_sftp(|sftp| sftp.cut_after(14 * MIB as u64, 1));
        let _line = setup.slow_down_sftp();
        setup.set("sftp.connections", json!(connections));
        let outcome = setup.run();
        assert_delivered(&setup, outcome.exited_with(0));
        let sent = server.bytes_written();
        assert!(sent < 34 * MIB as u64, "{sent} bytes were written over {connections} connections: {}", outcome.all());
        assert!(setup.web.bytes_sent() < 25 * MIB as u64, "{}", setup.web.bytes_sent());
    }
}

#[test]
fn an_upload_that_the_server_has_lost_is_sent_again() {
    let mut setup = night_of(4 * MIB);
    let part = setup.path("sftp").join(setup.part_of(&setup.archive_name()));
    // The acknowledged bytes are lost when the program reconnects.
    let server =
        setup.serve_sftp(|sftp| sftp.cut_after(2 * MIB as u64, 1).before_cut(move || fs::write(&part, "").unwrap()));
    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("retries 1"));
    assert!(server.bytes_written() > 5 * MIB as u64, "{}", server.bytes_written());
}

#[test]
fn every_tar_reads_the_archive() {
    for method in [Method::Deflated, Method::Stored] {
        let mut setup = Setup::new();
        setup.dump = testkit::servers::zips::sql_dump(3 * MIB);
        let dump = setup.entry().method(method);
        setup.publish(&Zip::new().with(dump));
        setup.run().exited_with(0);
        for reader in [
            "tar -xzOf ARCHIVE",
            "bsdtar -xOf ARCHIVE",
            "busybox tar -xzOf ARCHIVE",
            "7z x -so ARCHIVE | 7z x -si -ttar -so",
            "python3 -c 'import sys, tarfile; t = tarfile.open(\"ARCHIVE\"); \
             sys.stdout.buffer.write(t.extractfile(t.next()).read())'",
        ] {
            let command = reader.replace("ARCHIVE", setup.archive().to_str().unwrap());
            let read = Command::new("bash").args(["-o", "pipefail", "-c", &command]).output().unwrap();
            assert!(
                read.status.success() && read.stdout == setup.dump,
                "{reader}, {method:?}: {}; are the Debian packages libarchive-tools, busybox and p7zip-full installed?",
                String::from_utf8_lossy(&read.stderr)
            );
        }
    }
}

/// Writes a ZIP with a dump of `size` zeros.
fn write_sparse_zip(path: &Path, size: u64, modified: u32) {
    let options = SimpleFileOptions::default().large_file(true).compression_level(Some(1)).into_full_options();
    let options = options.with_extended_timestamp(Some(modified), None, None).unwrap();
    let mut writer = zip::ZipWriter::new(File::create(path).unwrap());
    writer.start_file(DUMP, options).unwrap();
    let zeros = vec![0; 4 * MIB];
    for _ in 0..size / zeros.len() as u64 {
        writer.write_all(&zeros).unwrap();
    }
    writer.write_all(&zeros[..(size % zeros.len() as u64) as usize]).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_dump_beyond_4_gib_keeps_its_size_and_its_bytes() {
    const SIZE: u64 = (5 << 30) + 1;
    let setup = Setup::new();
    write_sparse_zip(&setup.path("web/my_zip.zip"), SIZE, u32::try_from(setup.modified.timestamp()).unwrap());
    setup.run().exited_with(0);
    let archive = fs::read(setup.archive()).unwrap();
    // Each member's trailer: gunzip would report a wrong CRC or size, which wraps at 4 GiB.
    let mut members = flate2::bufread::MultiGzDecoder::new(archive.as_slice());
    let mut head = [0; 512];
    members.read_exact(&mut head).unwrap();
    assert_eq!(tar::Header::from_byte_slice(&head).size().unwrap(), SIZE);
    let rest = io::copy(&mut members, &mut io::sink()).unwrap();
    assert_eq!(rest, SIZE.next_multiple_of(512) + 1024);
    // The second last member ends where the last one, of zeros alone, begins.
    let end = (SIZE as u32).to_le_bytes();
    assert!(archive.windows(6).any(|window| window[..4] == end && window[4..] == [0x1f, 0x8b]), "no trailer of 5 GiB");
}

#[test]
fn a_panic_in_one_of_several_connections_ends_the_transfer_at_once_and_is_reported_once() {
    let mut setup = night_of(100 * MIB);
    let _line = setup.slow_down_sftp();
    setup.set("sftp.connections", json!(2));
    let mut command = setup.command(&[]);
    command.env("SCRIPTING_SYSTEM_PANIC_AT", "further connection: out of bounds");
    let outcome = setup.outcome(command.output().unwrap());
    outcome
        .exited_with(4)
        .logged("Send archive: internal error, please report it: out of bounds")
        .logged("errors 1, warnings 0");
    let part = fs::metadata(setup.sshd.directory.join(setup.part_of(&setup.archive_name()))).unwrap();
    assert!(part.len() < 50 * MIB as u64, "the upload continued to {} bytes", part.len());
    assert!(!setup.archive().exists());
    assert!(setup.work_directory_is_empty());
    assert_delivered(&setup, setup.run().exited_with(0));
}
