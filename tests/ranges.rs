//! Reading the ZIP by range requests, and servers that do not support them properly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use testkit::Night;
use testkit::night::{DUMP, extract_dump};
use testkit::servers::faults::Lie;
use testkit::servers::https::Builder;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Method, Zip};

/// Publishes the night's dump together with `others`.
fn publish_with(night: &Night, others: impl IntoIterator<Item = Entry>) {
    let dump = night.entry();
    night.publish(&others.into_iter().fold(Zip::new(), Zip::with).with(dump));
}

/// Replaces the night's web server.
fn replace_web_server(night: &mut Night, server: HttpsServer) {
    night.set("source.url", json!(server.url("/my_zip.zip")));
    night.web = server;
}

fn builder(night: &Night) -> Builder {
    HttpsServer::builder(&night.path("web"))
}

#[track_caller]
fn assert_delivered(night: &Night) {
    assert!(extract_dump(&night.archive()) == night.dump, "the dump differs");
}

#[test]
fn detecting_a_stale_dump_transfers_less_than_100_kib() {
    let mut night = Night::new();
    night.dump = noise(3_000_000);
    night.publish_dump_of(Utc::now() - TimeDelta::days(3));
    night.run().exited_with(1).logged("the dump is stale");
    assert!(night.web.bytes_sent() < 100 * 1024, "{} bytes", night.web.bytes_sent());
}

#[test]
fn other_entries_are_not_fetched() {
    let night = Night::new();
    publish_with(&night, [Entry::new("pictures.tar", noise(5_000_000)).method(Method::Stored)]);
    night.run().exited_with(0);
    assert_delivered(&night);
    assert!(night.web.bytes_sent() < 300 * 1024, "{} bytes", night.web.bytes_sent());
    let mail = String::from_utf8(night.mail.messages()[0].raw.clone()).unwrap();
    assert!(mail.contains("were not downloaded"), "{mail}");
}

#[test]
fn detecting_a_stale_dump_takes_few_requests_even_with_many_entries() {
    let mut night = Night::new();
    night.modified = Utc::now() - TimeDelta::days(3);
    publish_with(&night, (0..10_000).map(|number| Entry::new(&format!("table/{number:05}.csv"), "1")));
    night.run().exited_with(1).logged("the dump is stale");
    assert!(night.web.requests() <= 8, "{} requests", night.web.requests());
}

#[test]
fn without_ranges_or_validators_the_whole_zip_is_downloaded() {
    for limitation in [Builder::without_ranges, Builder::without_validators] {
        let mut night = Night::new();
        let server = limitation(builder(&night)).start();
        replace_web_server(&mut night, server);
        night.run().exited_with(0).logged("downloading all of it");
        assert_delivered(&night);
    }
}

#[test]
fn an_interrupted_download_is_resumed() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    // Two requests read the directory and the dump's beginning; the third reads the dump.
    let server = builder(&night).cut_after(700_000, 3).start();
    replace_web_server(&mut night, server);
    night.run().exited_with(0).logged("trying again");
    assert_delivered(&night);
    assert!(night.web.bytes_sent() < 2_200_000, "{} bytes", night.web.bytes_sent());
}

#[test]
fn a_zip_that_changes_between_two_requests_is_read_from_the_beginning() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    let successor = night.path("web/successor.zip");
    let dump = Entry::new(DUMP, noise(2_000_001)).extended_time(night.modified);
    Zip::new().with(dump).write(&successor);
    night.dump = noise(2_000_001);
    let published = night.path("web/my_zip.zip");
    // Two requests read the directory and the dump's beginning; the third would read the dump.
    let server = builder(&night).before_request(3, move || fs::rename(successor, published).unwrap()).start();
    replace_web_server(&mut night, server);
    night.run().exited_with(0).logged("starting over");
    assert_delivered(&night);
}

#[test]
fn the_archive_is_the_same_whether_the_zip_is_read_in_parts_or_as_a_whole() {
    let mut night = Night::new();
    night.run().exited_with(0);
    let in_parts = fs::read(night.archive()).unwrap();
    fs::remove_file(night.archive()).unwrap();
    let server = builder(&night).without_ranges().start();
    replace_web_server(&mut night, server);
    night.run().exited_with(0);
    // The mark in the first header depends on the server's port.
    let unmarked = |archive: &[u8]| [&archive[..16], &archive[32..]].concat();
    assert!(unmarked(&fs::read(night.archive()).unwrap()) == unmarked(&in_parts));
}

#[test]
fn an_archive_with_a_compression_level_is_one_gzip_member() {
    let mut night = Night::new();
    night.set("archive.compression", json!(9));
    night.run().exited_with(0);
    assert_delivered(&night);
    let mut member = flate2::bufread::GzDecoder::new(std::io::BufReader::new(fs::File::open(night.archive()).unwrap()));
    std::io::copy(&mut member, &mut std::io::sink()).unwrap();
    assert!(std::io::BufRead::fill_buf(&mut member.into_inner()).unwrap().is_empty(), "there is another member");
}

#[test]
fn the_whole_zip_is_downloaded_if_the_server_stops_sending_parts() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    // Two requests read the directory and the dump's beginning; the third would read the dump.
    let server = builder(&night).without_ranges_from(3).start();
    replace_web_server(&mut night, server);
    night.run().exited_with(0).logged("starting over").logged("downloading all of it");
    assert_delivered(&night);
}

#[test]
fn a_server_that_sends_the_wrong_part_never_causes_a_wrong_archive() {
    for (lie, message) in [
        (Lie::Header, "it sent another part of the ZIP than the requested one"),
        (Lie::Body, "the dump in the ZIP is damaged"),
    ] {
        let mut night = Night::new();
        night.dump = noise(2_000_000);
        publish_with(&night, []);
        let server = builder(&night).lying(lie, 3).start();
        replace_web_server(&mut night, server);
        night.run().exited_with(4).logged(message);
        assert_eq!(night.sshd.names(), [""; 0], "{lie:?}");
    }
}
