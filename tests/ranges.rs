//! The ZIP is read where it lies: what is fetched of it, what is not, and what happens where a server does not play
//! along.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use testkit::Night;
use testkit::night::{DUMP, extract_dump};
use testkit::servers::faults::WrongRange;
use testkit::servers::https::Builder;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Method, Zip};

/// Publishes the night's dump in the company of `others`.
fn publish_with(night: &Night, others: impl IntoIterator<Item = Entry>) {
    let dump = night.entry();
    night.publish(&others.into_iter().fold(Zip::new(), Zip::with).with(dump));
}

/// Has `server` take the place of the night's web server.
fn serve(night: &mut Night, server: HttpsServer) {
    night.set("source.url", json!(server.url("/my_zip.zip")));
    night.web = server;
}

fn builder(night: &Night) -> Builder {
    HttpsServer::builder(&night.path("web"))
}

#[track_caller]
fn assert_delivered(night: &Night) {
    assert!(extract_dump(&night.archive()) == night.dump, "other bytes");
}

#[test]
fn a_stale_dump_costs_less_than_100_kib() {
    let mut night = Night::new();
    night.dump = noise(3_000_000);
    night.publish_dump_of(Utc::now() - TimeDelta::days(3));
    night.run().exited_with(1).logged("the dump is stale");
    assert!(night.web.bytes_sent() < 100 * 1024, "{} bytes", night.web.bytes_sent());
}

#[test]
fn of_other_entries_nothing_is_fetched() {
    let night = Night::new();
    publish_with(&night, [Entry::new("pictures.tar", noise(5_000_000)).method(Method::Stored)]);
    night.run().exited_with(0);
    assert_delivered(&night);
    assert!(night.web.bytes_sent() < 300 * 1024, "{} bytes", night.web.bytes_sent());
    let mail = String::from_utf8(night.mail.messages()[0].raw.clone()).unwrap();
    assert!(mail.contains("were not downloaded"), "{mail}");
}

#[test]
fn the_verdict_takes_few_requests_however_many_entries_there_are() {
    let mut night = Night::new();
    night.modified = Utc::now() - TimeDelta::days(3);
    publish_with(&night, (0..10_000).map(|number| Entry::new(&format!("table/{number:05}.csv"), "1")));
    night.run().exited_with(1).logged("the dump is stale");
    assert!(night.web.requests() <= 8, "{} requests", night.web.requests());
}

#[test]
fn servers_without_parts_or_validators_send_all_of_it() {
    for odd in [Builder::without_ranges, Builder::without_validators] {
        let mut night = Night::new();
        let server = odd(builder(&night)).start();
        serve(&mut night, server);
        night.run().exited_with(0).logged("downloading all of it");
        assert_delivered(&night);
    }
}

#[test]
fn a_body_that_breaks_off_goes_on_from_there() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    // Two requests read the directory and the beginning; the third reads the dump.
    let server = builder(&night).cut_after(700_000, 3).start();
    serve(&mut night, server);
    night.run().exited_with(0).logged("trying again");
    assert_delivered(&night);
    assert!(night.web.bytes_sent() < 2_200_000, "{} bytes", night.web.bytes_sent());
}

#[test]
fn a_file_that_changes_between_two_requests_is_read_from_its_beginning() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    let successor = night.path("web/successor.zip");
    let dump = Entry::new(DUMP, noise(2_000_001)).extended_time(night.modified);
    Zip::new().with(dump).write(&successor);
    night.dump = noise(2_000_001);
    let published = night.path("web/my_zip.zip");
    // Two requests read the directory and the beginning; this one would read the dump.
    let server = builder(&night).before_request(3, move || fs::rename(successor, published).unwrap()).start();
    serve(&mut night, server);
    night.run().exited_with(0).logged("starting over");
    assert_delivered(&night);
}

#[test]
fn the_archive_is_the_same_whether_the_zip_was_read_in_parts_or_whole() {
    let mut night = Night::new();
    night.run().exited_with(0);
    let in_parts = fs::read(night.archive()).unwrap();
    fs::remove_file(night.archive()).unwrap();
    let server = builder(&night).without_ranges().start();
    serve(&mut night, server);
    night.run().exited_with(0);
    // The mark in the first header says from which port it came.
    let unmarked = |archive: &[u8]| [&archive[..16], &archive[32..]].concat();
    assert!(unmarked(&fs::read(night.archive()).unwrap()) == unmarked(&in_parts));
}

#[test]
fn a_level_makes_an_archive_of_one_member() {
    let mut night = Night::new();
    night.set("archive.compression", json!(9));
    night.run().exited_with(0);
    assert_delivered(&night);
    let mut member = flate2::bufread::GzDecoder::new(std::io::BufReader::new(fs::File::open(night.archive()).unwrap()));
    std::io::copy(&mut member, &mut std::io::sink()).unwrap();
    assert!(std::io::BufRead::fill_buf(&mut member.into_inner()).unwrap().is_empty(), "another member follows");
}

#[test]
fn a_server_that_stops_sending_parts_is_asked_for_all_of_it() {
    let mut night = Night::new();
    night.dump = noise(2_000_000);
    publish_with(&night, []);
    // Two requests read the directory and the beginning; this one would read the dump.
    let server = builder(&night).without_ranges_from(3).start();
    serve(&mut night, server);
    night.run().exited_with(0).logged("starting over").logged("downloading all of it");
    assert_delivered(&night);
}

#[test]
fn a_server_that_sends_another_part_than_it_names_never_makes_a_wrong_archive() {
    for (wrong, told) in [
        (WrongRange::Header, "it sent another part of the ZIP than the requested one"),
        (WrongRange::Body, "the dump in the ZIP is damaged"),
    ] {
        let mut night = Night::new();
        night.dump = noise(2_000_000);
        publish_with(&night, []);
        let server = builder(&night).wrong_ranges_from(3, wrong).start();
        serve(&mut night, server);
        night.run().exited_with(4).logged(told);
        assert_eq!(night.sshd.names(), [""; 0], "{wrong:?}");
    }
}
