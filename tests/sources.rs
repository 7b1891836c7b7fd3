//! The habits of web servers, object stores and caches: the ZIP is read in parts where possible, and two versions of it are
//! never mixed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use testkit::Setup;
use testkit::servers::https::Builder;
use testkit::servers::https_habits::Etag;
use testkit::servers::zips::noise;
use testkit::servers::{Entry, HttpsServer, Zip};
use testkit::setup::{DUMP, extract_dump};

const STALE: usize = 20 * 1024 * 1024;
/// The most that a stale ZIP may cost on a server with ranges.
const CHEAP: u64 = 100_000;

type Habit = fn(Builder) -> Builder;

/// Kinds of servers from which the ZIP is read in parts.
const KINDS: [(&str, Habit); 16] = [
    ("Apache or nginx", |web| web),
    ("MinIO", Builder::ignoring_if_range),
    ("Azure Blob, 400", |web| web.without_suffix_ranges(400)),
    ("Azure Blob, 416", |web| web.without_suffix_ranges(416)),
    ("501 to ranges from the end", |web| web.without_suffix_ranges(501)),
    ("200 to ranges from the end", |web| web.without_suffix_ranges(200)),
    ("CDN with a weak ETag", |web| web.etag(Etag::Weak).age(60)),
    ("only a weak ETag", |web| web.etag(Etag::Weak).without_last_modified()),
    ("only a Last-Modified", |web| web.etag(Etag::Missing)),
    ("only an ETag", Builder::without_last_modified),
    ("Content-Range: …/*", Builder::without_total),
    ("nothing to compare", |web| web.etag(Etag::Missing).without_last_modified()),
    ("an ETag that changes with each response", |web| web.etag(Etag::Changing)),
    ("the same, ignoring If-Range", |web| web.etag(Etag::Changing).ignoring_if_range()),
    ("nothing but an ETag that changes", |web| web.etag(Etag::Changing).without_last_modified()),
    ("signed", |web| web.signed("signature=s1gn4ture")),
];

fn serve(setup: &mut Setup, habit: impl FnOnce(Builder) -> Builder) {
    setup.web = habit(HttpsServer::builder(&setup.path("web"))).start();
    setup.set("source.url", json!(setup.web.url("/my_zip.zip?signature=s1gn4ture")));
}

#[track_caller]
fn assert_delivered(setup: &Setup, kind: &str) {
    assert!(extract_dump(&setup.archive()) == setup.dump, "{kind}: the dump differs");
}

#[track_caller]
fn assert_never_head(setup: &Setup) {
    for request in setup.web.recorded_requests() {
        assert_eq!((request.method.as_str(), request.header("cache-control")), ("GET", Some("no-cache")));
    }
}

#[test]
fn a_stale_zip_is_cheap_on_each_kind_of_server() {
    let mut setup = Setup::new();
    setup.dump = noise(STALE);
    setup.publish_dump_of(Utc::now() - TimeDelta::days(3));
    for (kind, habit) in KINDS {
        serve(&mut setup, habit);
        setup.run().exited_with(1).logged("the dump is stale").logged("read in parts");
        println!("{kind}: {} bytes, {} requests", setup.web.bytes_sent(), setup.web.requests());
        assert_never_head(&setup);
        assert!(setup.web.bytes_sent() <= CHEAP, "{kind}: {} bytes", setup.web.bytes_sent());
    }
}

#[test]
fn a_fresh_dump_is_delivered_from_each_kind_of_server() {
    let mut setup = Setup::new();
    setup.dump = noise(1_000_000);
    setup.publish_dump_of(setup.modified);
    for (kind, habit) in KINDS {
        serve(&mut setup, habit);
        setup.run().exited_with(0).logged("read in parts");
        assert_delivered(&setup, kind);
        assert_never_head(&setup);
        assert!(setup.web.bytes_sent() < 1_300_000, "{kind}: {}", setup.web.bytes_sent());
        fs::remove_file(setup.archive()).unwrap();
    }
}

#[test]
fn without_ranges_that_show_the_end_the_whole_zip_is_downloaded_once() {
    let habits: [(&str, Habit); 2] = [
        ("no suffix ranges, no total", |web| web.without_suffix_ranges(400).without_total()),
        ("no ranges", Builder::without_ranges),
    ];
    let mut setup = Setup::new();
    setup.dump = noise(1_000_000);
    setup.publish_dump_of(setup.modified);
    for (kind, habit) in habits {
        serve(&mut setup, habit);
        setup.run().exited_with(0).logged("downloading the whole ZIP");
        assert_delivered(&setup, kind);
        assert!(setup.web.requests() <= 3, "{kind}: {} requests", setup.web.requests());
        fs::remove_file(setup.archive()).unwrap();
    }
}

#[test]
fn two_versions_are_never_mixed_even_if_the_server_ignores_if_range() {
    let habits: [(&str, Habit); 4] = [
        ("MinIO", Builder::ignoring_if_range),
        ("weak ETag", |web| web.ignoring_if_range().etag(Etag::Weak)),
        ("no total", |web| web.ignoring_if_range().without_total()),
        // Only the checksum shows it.
        ("nothing to compare", |web| web.etag(Etag::Missing).without_last_modified()),
    ];
    for (kind, habit) in habits {
        let mut setup = Setup::new();
        let (first, second) = (noise(2_000_000), noise(2_000_001)[1..].to_vec());
        setup.dump = first;
        setup.publish_dump_of(setup.modified);
        let (folder, modified) = (setup.path("web"), setup.modified);
        let dump = second.clone();
        let successor = setup.path("successor.zip");
        Zip::new().with(Entry::new(DUMP, dump).extended_time(modified)).write(&successor);
        // Three requests read the size, the directory and the dump's beginning; the fourth would read the dump.
        serve(&mut setup, |web| {
            habit(web).before_request(4, move || fs::rename(successor, folder.join("my_zip.zip")).unwrap())
        });
        setup.dump = second;
        setup.run().exited_with(0).logged("starting over");
        assert_delivered(&setup, kind);
    }
}
