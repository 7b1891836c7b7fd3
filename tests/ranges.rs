//! Reading the ZIP by range requests, and servers that do not support them properly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use testkit::Setup;
use testkit::servers::faults::WrongRange;
use testkit::servers::https::Builder;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Method, Zip};
use testkit::setup::{DUMP, extract_dump};

/// Publishes the night's dump together with `others`.
fn publish_with(setup: &Setup, others: impl IntoIterator<Item = Entry>) {
    let dump = setup.entry();
    setup.publish(&others.into_iter().fold(Zip::new(), Zip::with).with(dump));
}

/// Replaces the night's web server.
fn replace_web_server(setup: &mut Setup, server: HttpsServer) {
    setup.set("source.url", json!(server.url("/my_zip.zip")));
    setup.web = server;
}

fn builder(setup: &Setup) -> Builder {
    HttpsServer::builder(&setup.path("web"))
}

#[track_caller]
fn assert_delivered(setup: &Setup) {
    assert!(extract_dump(&setup.archive()) == setup.dump, "the dump differs");
}

#[test]
fn detecting_a_stale_dump_transfers_less_than_100_kib() {
    let mut setup = Setup::new();
    setup.dump = noise(3_000_000);
    setup.publish_dump_of(Utc::now() - TimeDelta::days(3));
    setup.run().exited_with(1).logged("the dump is stale");
    assert!(setup.web.bytes_sent() < 100 * 1024, "{} bytes", setup.web.bytes_sent());
}

#[test]
fn other_entries_are_not_fetched() {
    let setup = Setup::new();
    publish_with(&setup, [Entry::new("pictures.tar", noise(5_000_000)).method(Method::Stored)]);
    setup.run().exited_with(0);
    assert_delivered(&setup);
    assert!(setup.web.bytes_sent() < 300 * 1024, "{} bytes", setup.web.bytes_sent());
    let mail = String::from_utf8(setup.mail.messages()[0].raw.clone()).unwrap();
    assert!(mail.contains("were not needed"), "{mail}");
}

#[test]
fn detecting_a_stale_dump_takes_few_requests_even_with_many_entries() {
    let mut setup = Setup::new();
    setup.modified = Utc::now() - TimeDelta::days(3);
    publish_with(&setup, (0..10_000).map(|number| Entry::new(&format!("table/{number:05}.csv"), "1")));
    setup.run().exited_with(1).logged("the dump is stale");
    assert!(setup.web.requests() <= 8, "{} requests", setup.web.requests());
}

#[test]
fn without_ranges_the_whole_zip_is_downloaded() {
    let mut setup = Setup::new();
    let server = builder(&setup).without_ranges().start();
    replace_web_server(&mut setup, server);
    setup.run().exited_with(0).logged("downloading the whole ZIP");
    assert_delivered(&setup);
}

#[test]
fn an_interrupted_download_is_resumed() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    // Three requests read the size, the directory and the dump's beginning; the fourth reads the dump.
    let server = builder(&setup).cut_after(700_000, 4).start();
    replace_web_server(&mut setup, server);
    setup.run().exited_with(0).logged("trying again");
    assert_delivered(&setup);
    assert!(setup.web.bytes_sent() < 2_200_000, "{} bytes", setup.web.bytes_sent());
}

#[test]
fn a_zip_that_changes_between_two_requests_is_read_from_the_beginning() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    let successor = setup.path("web/successor.zip");
    let dump = Entry::new(DUMP, noise(2_000_001)).extended_time(setup.modified);
    Zip::new().with(dump).write(&successor);
    setup.dump = noise(2_000_001);
    let published = setup.path("web/my_zip.zip");
    // Three requests read the size, the directory and the dump's beginning; the fourth would read the dump.
    let server = builder(&setup).before_request(4, move || fs::rename(successor, published).unwrap()).start();
    replace_web_server(&mut setup, server);
    setup.run().exited_with(0).logged("starting over");
    assert_delivered(&setup);
}

#[test]
fn the_archive_is_the_same_whether_the_zip_is_read_in_parts_or_as_a_whole() {
    let mut setup = Setup::new();
    setup.run().exited_with(0);
    let in_parts = fs::read(setup.archive()).unwrap();
    fs::remove_file(setup.archive()).unwrap();
    let server = builder(&setup).without_ranges().start();
    replace_web_server(&mut setup, server);
    setup.run().exited_with(0);
    // The mark in the first header depends on the server's port.
    let unmarked = |archive: &[u8]| [&archive[..16], &archive[32..]].concat();
    assert!(unmarked(&fs::read(setup.archive()).unwrap()) == unmarked(&in_parts));
}

#[test]
fn an_archive_with_a_compression_level_is_one_gzip_member() {
    let mut setup = Setup::new();
    setup.set("archive.compression", json!(9));
    setup.run().exited_with(0);
    assert_delivered(&setup);
    let mut member = flate2::bufread::GzDecoder::new(std::io::BufReader::new(fs::File::open(setup.archive()).unwrap()));
    std::io::copy(&mut member, &mut std::io::sink()).unwrap();
    assert!(std::io::BufRead::fill_buf(&mut member.into_inner()).unwrap().is_empty(), "there is another member");
}

#[test]
fn the_whole_zip_is_downloaded_if_the_server_stops_sending_parts() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    // Three requests read the size, the directory and the dump's beginning; the fourth would read the dump.
    let server = builder(&setup).without_ranges_from(4).start();
    replace_web_server(&mut setup, server);
    setup.run().exited_with(0).logged("starting over").logged("downloading the whole ZIP");
    assert_delivered(&setup);
}

#[test]
fn a_server_that_sends_the_wrong_part_never_causes_a_wrong_archive() {
    for (wrong, message) in [
        (WrongRange::Header, "it sent a different part of the ZIP than requested"),
        (WrongRange::Body, "the dump in the ZIP is damaged"),
    ] {
        let mut setup = Setup::new();
        setup.dump = noise(2_000_000);
        publish_with(&setup, []);
        let server = builder(&setup).wrong_ranges_from(4, wrong).start();
        replace_web_server(&mut setup, server);
        setup.run().exited_with(4).logged(message);
        assert_eq!(setup.sshd.names(), [""; 0], "{wrong:?}");
    }
}
