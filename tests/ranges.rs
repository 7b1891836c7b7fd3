//! The ZIP is read where it lies: what is fetched of it, what is not, and what happens where a server does not play
//! along.
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

/// Publishes the night's dump in the company of `others`.
fn publish_with(setup: &Setup, others: impl IntoIterator<Item = Entry>) {
    let dump = setup.entry();
    setup.publish(&others.into_iter().fold(Zip::new(), Zip::with).with(dump));
}

/// Has `server` take the place of the night's web server.
fn serve(setup: &mut Setup, server: HttpsServer) {
    setup.set("source.url", json!(server.url("/my_zip.zip")));
    setup.web = server;
}

fn builder(setup: &Setup) -> Builder {
    HttpsServer::builder(&setup.path("web"))
}

#[track_caller]
fn assert_delivered(setup: &Setup) {
    assert!(extract_dump(&setup.archive()) == setup.dump, "other bytes");
}

#[test]
fn a_stale_dump_costs_less_than_100_kib() {
    let mut setup = Setup::new();
    setup.dump = noise(3_000_000);
    setup.publish_dump_of(Utc::now() - TimeDelta::days(3));
    setup.run().exited_with(1).logged("the dump is stale");
    assert!(setup.web.bytes_sent() < 100 * 1024, "{} bytes", setup.web.bytes_sent());
}

#[test]
fn of_other_entries_nothing_is_fetched() {
    let setup = Setup::new();
    publish_with(&setup, [Entry::new("pictures.tar", noise(5_000_000)).method(Method::Stored)]);
    setup.run().exited_with(0);
    assert_delivered(&setup);
    assert!(setup.web.bytes_sent() < 300 * 1024, "{} bytes", setup.web.bytes_sent());
    let mail = String::from_utf8(setup.mail.messages()[0].raw.clone()).unwrap();
    assert!(mail.contains("were not downloaded"), "{mail}");
}

#[test]
fn the_verdict_takes_few_requests_however_many_entries_there_are() {
    let mut setup = Setup::new();
    setup.modified = Utc::now() - TimeDelta::days(3);
    publish_with(&setup, (0..10_000).map(|number| Entry::new(&format!("table/{number:05}.csv"), "1")));
    setup.run().exited_with(1).logged("the dump is stale");
    assert!(setup.web.requests() <= 8, "{} requests", setup.web.requests());
}

#[test]
fn servers_without_parts_or_validators_send_all_of_it() {
    for odd in [Builder::without_ranges, Builder::without_validators] {
        let mut setup = Setup::new();
        let server = odd(builder(&setup)).start();
        serve(&mut setup, server);
        setup.run().exited_with(0).logged("downloading the whole ZIP");
        assert_delivered(&setup);
    }
}

#[test]
fn a_body_that_breaks_off_goes_on_from_there() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    // Two requests read the directory and the beginning; the third reads the dump.
    let server = builder(&setup).cut_after(700_000, 3).start();
    serve(&mut setup, server);
    setup.run().exited_with(0).logged("trying again");
    assert_delivered(&setup);
    assert!(setup.web.bytes_sent() < 2_200_000, "{} bytes", setup.web.bytes_sent());
}

#[test]
fn a_file_that_changes_between_two_requests_is_read_from_its_beginning() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    let successor = setup.path("web/successor.zip");
    let dump = Entry::new(DUMP, noise(2_000_001)).extended_time(setup.modified);
    Zip::new().with(dump).write(&successor);
    setup.dump = noise(2_000_001);
    let published = setup.path("web/my_zip.zip");
    // Two requests read the directory and the beginning; this one would read the dump.
    let server = builder(&setup).before_request(3, move || fs::rename(successor, published).unwrap()).start();
    serve(&mut setup, server);
    setup.run().exited_with(0).logged("starting over");
    assert_delivered(&setup);
}

#[test]
fn the_archive_is_the_same_whether_the_zip_was_read_in_parts_or_whole() {
    let mut setup = Setup::new();
    setup.run().exited_with(0);
    let in_parts = fs::read(setup.archive()).unwrap();
    fs::remove_file(setup.archive()).unwrap();
    let server = builder(&setup).without_ranges().start();
    serve(&mut setup, server);
    setup.run().exited_with(0);
    // The mark in the first header says from which port it came.
    let unmarked = |archive: &[u8]| [&archive[..16], &archive[32..]].concat();
    assert!(unmarked(&fs::read(setup.archive()).unwrap()) == unmarked(&in_parts));
}

#[test]
fn a_level_makes_an_archive_of_one_member() {
    let mut setup = Setup::new();
    setup.set("archive.compression", json!(9));
    setup.run().exited_with(0);
    assert_delivered(&setup);
    let mut member = flate2::bufread::GzDecoder::new(std::io::BufReader::new(fs::File::open(setup.archive()).unwrap()));
    std::io::copy(&mut member, &mut std::io::sink()).unwrap();
    assert!(std::io::BufRead::fill_buf(&mut member.into_inner()).unwrap().is_empty(), "another member follows");
}

#[test]
fn a_server_that_stops_sending_parts_is_asked_for_all_of_it() {
    let mut setup = Setup::new();
    setup.dump = noise(2_000_000);
    publish_with(&setup, []);
    // Two requests read the directory and the beginning; this one would read the dump.
    let server = builder(&setup).without_ranges_from(3).start();
    serve(&mut setup, server);
    setup.run().exited_with(0).logged("starting over").logged("downloading the whole ZIP");
    assert_delivered(&setup);
}

#[test]
fn a_server_that_sends_another_part_than_it_names_never_makes_a_wrong_archive() {
    for (wrong, message) in [
        (WrongRange::Header, "it sent a different part of the ZIP than requested"),
        (WrongRange::Body, "the dump in the ZIP is damaged"),
    ] {
        let mut setup = Setup::new();
        setup.dump = noise(2_000_000);
        publish_with(&setup, []);
        let server = builder(&setup).wrong_ranges_from(3, wrong).start();
        serve(&mut setup, server);
        setup.run().exited_with(4).logged(message);
        assert_eq!(setup.sshd.names(), [""; 0], "{wrong:?}");
    }
}
