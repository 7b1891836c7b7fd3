//! Problems of the web server, the ZIP and the dump.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use testkit::Setup;
use testkit::servers::https::Builder;
use testkit::servers::listener::closed_address;
use testkit::servers::zips::noise;
use testkit::servers::{Authority, Entry, HttpsServer, Zip};
use testkit::setup::DUMP;

use super::{must_end_with, must_fail, must_not_show, must_show, scrubbed, setup};

/// Uses another web server, with `faults`.
fn with_web_server(faults: impl FnOnce(Builder) -> Builder) -> Setup {
    let mut setup = setup();
    setup.web = faults(HttpsServer::builder(&setup.path("web"))).start();
    let url = setup.web.url("/my_zip.zip");
    setup.set("source.url", json!(url));
    setup
}

#[test]
fn an_unknown_name_is_reported_and_all_other_steps_too() {
    let mut setup = setup();
    setup.set("source.url", json!("https://no-such-host.invalid/my_zip.zip"));
    let outcome = must_fail(&setup, &[("name", &["the name no-such-host.invalid cannot be resolved", "source.url"])]);
    insta::assert_snapshot!("unknown_name", scrubbed(&setup, &outcome));
}

#[test]
fn a_web_server_that_is_down_is_reported() {
    let mut setup = setup();
    let closed = closed_address();
    setup.set("source.url", json!(format!("https://{closed}/my_zip.zip")));
    must_fail(&setup, &[("connection", &["no connection to 127.0.0.1", "Check that the web server is running"])]);
}

#[test]
fn a_check_stops_waiting_for_a_silent_web_server() {
    let mut setup = setup();
    // The system accepts the connection; nothing replies.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.set("source.url", json!(format!("https://{}/my_zip.zip", silent.local_addr().unwrap())));
    setup.set("source.timeout_seconds", json!(1));
    let started = Instant::now();
    must_fail(&setup, &[("TLS", &["no connection to 127.0.0.1", "no answer in time"])]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn an_untrusted_certificate_is_reported_with_a_fix() {
    let names = ["127.0.0.1"];
    for (identity, words) in [
        (Authority::new("Unknown authority").server(&names), ["unknown authority", "source.ca_file"]),
        (Authority::shared().server(&["example.org"]), ["is for another name: it holds \"example.org\"", "source.url"]),
        (Authority::shared().expired_server(&names), ["has expired", "Renew it"]),
    ] {
        let setup = with_web_server(|web| web.identity(identity));
        must_fail(&setup, &[("TLS", &words)]);
        assert_eq!(setup.web.requests(), 0);
    }
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning() {
    let setup = with_web_server(|web| web.identity(Authority::shared().server_for_days(&["127.0.0.1"], 5)));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "issued by Authority of the embedded servers, valid until ");
    must_show(&outcome, " (5 days left)\n                    → renew it on the server");
    assert!(outcome.stdout.ends_with("No problems found, 1 warning (!).\n"), "{}", outcome.all());
}

#[test]
fn a_client_certificate_is_sent_to_a_server_that_requires_one() {
    let authority = Authority::new("Authority of the clients");
    let mut setup = with_web_server(|web| web.client_certificates_of(&authority));
    let (certificate, key) = authority.client("backup").write(&setup.path(""), "client");
    setup.set("source.client_certificate", json!(certificate)).set("source.client_key", json!(key));
    must_end_with(&setup, 0);
}

#[test]
fn a_refused_request_is_reported_with_a_fix() {
    let setup = with_web_server(|web| web.status(404));
    must_fail(&setup, &[("ZIP", &["answered 404 (not found)", "Check source.url"])]);
    let mut setup = with_web_server(|web| web.basic_auth("reader", "right"));
    setup.set("source.username", json!("reader")).set("source.password", json!("wr0ng-password"));
    let outcome = must_fail(&setup, &[("ZIP", &["answered 401", "Check source.username and source.password"])]);
    assert_eq!(setup.web.requests(), 1, "one attempt");
    assert!(!outcome.all().contains("wr0ng-password"));
}

#[test]
fn a_file_that_is_not_a_zip_is_reported_with_its_first_bytes() {
    let setup = with_web_server(|web| web.html_page("<html>Please log in</html>"));
    must_fail(&setup, &[("entry", &["not a ZIP", "<html>Please log in"])]);
}

#[test]
fn a_stale_dump_is_a_warning() {
    let mut setup = setup();
    setup.publish_dump_of(setup.modified - TimeDelta::days(3));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "a run now would find it stale and send nothing for ");
    must_show(&outcome, "3 days ago\n");
    must_show(&outcome, "→ nothing to do if today's dump is not ready yet; with source.wait_minutes, a run waits");
}

#[test]
fn a_server_without_ranges_is_reported_with_the_cost() {
    let setup = with_web_server(|web| web.without_ranges());
    setup.publish(&Zip::new().with(Entry::new(DUMP, noise(200_000)).extended_time(setup.modified)));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "does not support ranges: each run downloads all of it");
    assert!(setup.work_directory_is_empty());
}

#[test]
fn a_wrong_clock_is_reported_and_one_wrong_by_a_day_holds_removal_back() {
    let setup = with_web_server(|web| web.date_shifted_by_hours(-3));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "! clock           the web server's is ");
    // 2 or 3: the answer is later than the start of the check.
    must_show(&outcome, " hours behind this machine's\n");
    must_not_show(&outcome, "held back");
    let setup = with_web_server(|web| web.date_shifted_by_hours(30));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "! removal         would be held back: the clocks of a server");
}

#[test]
fn plain_http_on_this_machine_is_reported_as_such() {
    let setup = with_web_server(|web| web.plain_http());
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "✓ TLS             none: plain HTTP, allowed on this machine only\n");
}

#[test]
fn a_proxy_makes_the_connection_and_its_password_is_not_shown() {
    let mut setup = setup();
    let closed = closed_address();
    setup.set("source.proxy", json!(format!("http://user:pr0xy-s3cret@{closed}")));
    let outcome = must_fail(&setup, &[("ZIP", &["no connection to "])]);
    must_show(&outcome, "  - connection      through source.proxy, which also looks up the name\n");
    assert_eq!(setup.web.requests(), 0);
    assert!(!outcome.all().contains("pr0xy-s3cret"), "{}", outcome.all());
}

#[test]
fn the_query_of_the_url_is_not_shown() {
    let mut setup = setup();
    let url = setup.web.url("/missing.zip?token=t0ken-s3cret");
    setup.set("source.url", json!(url));
    let outcome = must_fail(&setup, &[("ZIP", &["answered 404", "/missing.zip?…"])]);
    assert!(!outcome.all().contains("t0ken-s3cret"), "{}", outcome.all());
}

#[test]
fn another_dump_in_the_zip_is_a_warning() {
    let setup = setup();
    let dump = setup.entry();
    setup.publish(&Zip::new().with(dump).with(Entry::new("a/blog.SQL", "x")));
    let outcome = must_end_with(&setup, 0);
    must_show(&outcome, "  ! other dumps     the ZIP also contains \"a/blog.SQL\"\n");
    must_show(&outcome, "→ create a job for each that must be kept");
}

#[test]
fn a_port_without_tls_is_reported_as_such() {
    let mut setup = with_web_server(|web| web.plain_http());
    let url = setup.web.url("/my_zip.zip").replace("http://", "https://");
    setup.set("source.url", json!(url));
    must_fail(&setup, &[("TLS", &["does not speak TLS", "port in source.url"])]);
}

#[test]
fn a_zip_that_is_cut_off_is_reported_as_such() {
    let setup = setup();
    setup.publish_bytes(b"PK\x03\x04 and a beginning");
    must_fail(&setup, &[("entry", &["the ZIP is truncated", "Start the run later"])]);
}
