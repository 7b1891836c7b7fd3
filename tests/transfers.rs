//! Transfers of large archives: during packing, over several connections, and resumed after a broken connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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

/// Asserts that the archive is the only file on the server and contains the dump.
#[track_caller]
fn assert_delivered(setup: &Setup, outcome: &Outcome) {
    assert_eq!(setup.sshd.names(), [setup.archive_name()], "{}", outcome.all());
    assert!(extract_dump(&setup.archive()) == setup.dump, "the dump differs: {}", outcome.all());
    assert!(setup.work_directory_is_empty());
}

fn logins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

#[test]
fn a_large_archive_uses_several_connections_if_the_round_trip_is_long() {
    let mut setup = night_of(40 * MIB);
    let _line = setup.slow_down_sftp();
    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("over 2 connections"));
    assert_eq!(logins(&setup.sshd), 2 + 3 + 1, "two write, three read back meanwhile, one confirms");

    let outcome = setup.run();
    assert_delivered(&setup, outcome.exited_with(0).logged("is already there, with the same bytes"));
    assert_eq!(logins(&setup.sshd), 6 + 6, "the comparison uses six connections");

    fs::remove_file(setup.archive()).unwrap();
    setup.set("sftp.connections", json!(1));
    assert_delivered(&setup, setup.run().exited_with(0));
    assert_eq!(logins(&setup.sshd), 12 + 1 + 1);
}

#[test]
fn a_short_round_trip_or_a_small_archive_needs_only_one_connection() {
    let mut setup = night_of(40 * MIB);
    setup.set("sftp.connections", json!(4));
    assert_delivered(&setup, setup.run().exited_with(0));
    let logins_used = logins(&setup.sshd);
    // On a busy machine, a round trip can take longer for a moment.
    assert!(logins_used < 8, "{logins_used} logins");

    let mut setup = Setup::new();
    let _line = setup.slow_down_sftp();
    assert_delivered(&setup, setup.run().exited_with(0));
    assert_eq!(logins(&setup.sshd), 1 + 1);
}

#[test]
fn a_refused_extra_connection_is_only_logged() {
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
fn the_upload_begins_before_packing_ends() {
    let mut setup = night_of(8 * MIB);
    let web = HttpsServer::builder(&setup.path("web")).bytes_per_second(6 * MIB as u64).start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let at_first_write = Arc::new(AtomicU64::new(0));
    let (received, counter) = (at_first_write.clone(), web.bytes_counter());
    let server = setup.serve_sftp(move |sftp| {
        sftp.on_first_write(move || received.store(counter.load(Ordering::SeqCst), Ordering::SeqCst))
    });
    assert_delivered(&setup, setup.run().exited_with(0));
    let received = at_first_write.load(Ordering::SeqCst);
    assert!(received > 0 && received < 4 * MIB as u64, "{received} bytes had arrived when the upload began");
    assert!(server.operations().iter().any(|operation| operation.starts_with("open-to-write")));
}

#[test]
fn the_upload_of_a_damaged_dump_is_removed() {
    let mut setup = night_of(6 * MIB);
    let zip = setup.path("web/my_zip.zip");
    let mut bytes = fs::read(&zip).unwrap();
    let position = bytes.len() - 100_000;
    bytes[position] ^= 1;
    setup.publish_bytes(&bytes);
    let web = HttpsServer::builder(&setup.path("web")).bytes_per_second(4 * MIB as u64).start();
    setup.set("source.url", json!(web.url("/my_zip.zip")));
    let server = setup.serve_sftp(|sftp| sftp);
    let outcome = setup.run();
    outcome.exited_with(4).logged("Pack archive: the dump in the ZIP is damaged").logged("errors 1");
    let operations = server.operations();
    assert!(operations.iter().any(|operation| operation.starts_with("open-to-write")), "{operations:?}");
    assert!(!operations.iter().any(|operation| operation.starts_with("rename")), "{operations:?}");
    assert_eq!(setup.sshd.names(), [""; 0], "{}", outcome.all());
    assert!(setup.work_directory_is_empty());
}

#[test]
fn a_failed_upload_stops_packing_and_only_the_cause_is_reported() {
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
fn an_upload_that_the_server_lost_is_sent_again() {
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
fn every_common_tar_can_read_the_archive() {
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
            let output = Command::new("bash").args(["-o", "pipefail", "-c", &command]).output().unwrap();
            assert!(
                output.status.success() && output.stdout == setup.dump,
                "{reader}, {method:?}: {}; are the Debian packages libarchive-tools, busybox and p7zip-full installed?",
                String::from_utf8_lossy(&output.stderr)
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
fn a_dump_larger_than_4_gib_is_packed_correctly() {
    const SIZE: u64 = (5 << 30) + 1;
    let setup = Setup::new();
    write_sparse_zip(&setup.path("web/my_zip.zip"), SIZE, u32::try_from(setup.modified.timestamp()).unwrap());
    setup.run().exited_with(0);
    let archive = fs::read(setup.archive()).unwrap();
    // The decoder checks each member's trailer: its CRC, and its size modulo 4 GiB.
    let mut members = flate2::bufread::MultiGzDecoder::new(archive.as_slice());
    let mut head = [0; 512];
    members.read_exact(&mut head).unwrap();
    assert_eq!(tar::Header::from_byte_slice(&head).size().unwrap(), SIZE);
    let rest = io::copy(&mut members, &mut io::sink()).unwrap();
    assert_eq!(rest, SIZE.next_multiple_of(512) + 1024);
    // The trailer of the dump's member is followed by the last member, which contains only zeros.
    let trailer = (SIZE as u32).to_le_bytes();
    let has_trailer = archive.windows(6).any(|window| window[..4] == trailer && window[4..] == [0x1f, 0x8b]);
    assert!(has_trailer, "no trailer of 5 GiB");
}

#[test]
fn a_panic_in_one_of_several_connections_ends_the_transfer_immediately_and_is_reported_once() {
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

/// Runs a job that may send `kib` KiB per second, and asserts that it does so over any ten seconds.
#[track_caller]
fn assert_rate(kib: u64, archive: usize, connections: u64, cut: Option<u64>) {
    let mut setup = night_of(archive);
    let server = setup.serve_sftp(|sftp| {
        let sftp = sftp.stat_delay(Duration::from_millis(60));
        if let Some(bytes) = cut { sftp.cut_after(bytes, 1) } else { sftp }
    });
    for (key, value) in [("max_kib_per_second", kib), ("connections", connections), ("timeout_seconds", 1)] {
        setup.set(&format!("sftp.{key}"), json!(value));
    }
    let mut child = setup.command(&[]).spawn().unwrap();
    let mut samples = Vec::new();
    while child.try_wait().unwrap().is_none() {
        samples.push((Instant::now(), server.bytes_written()));
        thread::sleep(Duration::from_millis(50));
    }
    let log = fs::read_to_string(setup.path("log.log")).unwrap();
    assert!(child.wait().unwrap().success() && log.contains("errors 0, warnings 0"), "{log}");
    let ten_seconds = kib as f64 * 1024.0 * 10.0;
    let mut highest: f64 = 0.0;
    for (index, (start, before)) in samples.iter().enumerate() {
        let end = samples[index..].iter().find(|(at, _)| *at - *start >= Duration::from_secs(10));
        highest = end.map_or(highest, |(_, after)| highest.max((after - before) as f64));
    }
    assert!(highest > 0.9 * ten_seconds && highest < 1.1 * ten_seconds, "{highest} of {ten_seconds}");
}

#[test]
fn the_rate_is_limited_over_one_connection() {
    assert_rate(500, 6_000_000, 1, None);
}

#[test]
fn the_rate_is_limited_over_several_connections_together() {
    assert_rate(1_700, 20 * MIB, 8, None);
}

#[test]
fn the_rate_is_limited_across_a_broken_connection() {
    assert_rate(1_700, 20 * MIB, 8, Some(15_000_000));
}
