//! Web servers that refuse requests, are not trusted, or do not respond.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::servers::listener::closed_address;
use testkit::servers::{Authority, Identity};

use super::bad_night::BadNight;

#[test]
fn a_refusal_is_final_and_reported_with_advice() {
    let cases = [
        (401, "Check source.username and source.password"),
        (403, "Check the access rules of the web server"),
        (404, "Check source.url, and that the ZIP was published"),
    ];
    let mut bad = BadNight::new();
    for (status, advice) in cases {
        bad.serve(|web| web.status(status));
        bad.must_fail(&[&format!("answered {status}"), advice]);
        assert_eq!(bad.web.requests(), 1, "{status} is not retried");
    }
}

#[test]
fn wrong_credentials_are_sent_once() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.basic_auth("reader", "right"));
    bad.set("source.username", json!("reader")).set("source.password", json!("wr0ng-password"));
    let outcome = bad.must_fail(&["answered 401", "Check source.username and source.password"]);
    assert_eq!(bad.web.requests(), 1);
    assert!(!outcome.all().contains("wr0ng-password"));
}

#[test]
fn an_overload_is_retried_and_then_reported() {
    let mut bad = BadNight::new();
    for status in [429, 503] {
        bad.serve(|web| web.status(status).retry_after(3600));
        let started = Instant::now();
        bad.must_fail(&[&format!("answered {status}")]).logged("trying again").logged("(2 of 2)");
        assert_eq!(bad.web.requests(), 2, "as many as retry.attempts");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "retry.max_pause_seconds limits the pause that the server requests"
        );
    }
}

#[test]
fn a_temporary_overload_is_retried() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.status_for(503, 1));
    bad.run().exited_with(0).logged("trying again").logged("retries 1");
}

#[test]
fn an_untrusted_certificate_is_reported_with_the_reason_and_not_retried() {
    let authority = Authority::shared();
    let cases: [(Identity, [&str; 2]); 3] = [
        (Authority::new("Somebody else").server(&["127.0.0.1"]), ["unknown authority", "source.ca_file"]),
        (authority.server(&["example.org"]), ["is for another name: it holds \"example.org\"", "source.url"]),
        (authority.expired_server(&["127.0.0.1"]), ["has expired", "Renew it"]),
    ];
    let mut bad = BadNight::new();
    for (identity, words) in cases {
        bad.serve(|web| web.identity(identity));
        let outcome = bad.must_fail(&words);
        assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
        assert_eq!(bad.web.requests(), 0, "nothing was requested");
    }
}

#[test]
fn a_redirect_out_of_tls_or_in_a_loop_is_not_followed() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.redirect_to("http://127.0.0.1:9/my_zip.zip"));
    bad.must_fail(&["redirects to an address without TLS", "source.url"]);
    bad.serve(|web| web.redirect_to("/my_zip.zip"));
    bad.must_fail(&["redirects too many times", "source.url"]);
    assert!(bad.web.requests() < 10, "{} requests", bad.web.requests());
}

#[test]
fn a_refused_connection_is_retried_and_then_reported() {
    let mut bad = BadNight::new();
    let free = closed_address();
    bad.set("source.url", json!(format!("https://{free}/my_zip.zip")));
    bad.must_fail(&["no connection to 127.0.0.1", "Check that the web server is running"]).logged("trying again");
}

#[test]
fn an_unknown_host_name_is_reported() {
    let mut bad = BadNight::new();
    bad.set("source.url", json!("https://no-such-host.invalid/my_zip.zip"));
    bad.must_fail(&["the name no-such-host.invalid cannot be resolved", "source.url"])
        .logged("trying again")
        .logged("(2 of 2)");
}

#[test]
fn a_stalling_or_slow_server_fails_the_run_in_time() {
    let mut bad = BadNight::new();
    bad.set("source.timeout_seconds", json!(1));
    let started = Instant::now();
    bad.serve(|web| web.silent());
    bad.must_fail(&["did not answer within 1 s", "source.timeout_seconds"]);
    bad.serve(|web| web.stall_after(20_000, 10));
    bad.must_fail(&["stalled after 20000 bytes", "nothing arrived for 1 s", "source.timeout_seconds"]);
    bad.serve(|web| web.bytes_per_second(200));
    bad.must_fail(&["slower than 1 KiB/s over 1 s", "source.timeout_seconds"]);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn a_download_that_is_cut_is_retried() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.cut_after(20_000, 2));
    bad.run().exited_with(0).logged("the download ended early").logged("trying again").logged("retries 1");
    assert!(bad.is_delivered());
    bad.assert_no_temporary_file();
    bad.serve(|web| web.cut_after(20_000, 10));
    bad.must_fail(&["the download ended early"]);
}

#[test]
fn a_port_without_tls_is_reported_as_such() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.plain_http());
    let url = bad.web.url("/my_zip.zip").replace("http://", "https://");
    bad.set("source.url", json!(url));
    bad.must_fail(&["TLS with 127.0.0.1 failed: the server on this port does not speak TLS", "port in source.url"]);
}

#[test]
fn a_certificate_with_many_names_is_reported_with_a_few_of_them() {
    let names: Vec<String> = (0..40).map(|number| format!("host{number}.example.org")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["10.0.0.1"]).collect();
    let mut bad = BadNight::new();
    bad.serve(|web| web.identity(Authority::shared().server(&names)));
    bad.must_fail(&["it holds \"host0.example.org\", \"host1.example.org\"", "and 36 more. Use one of its names"]);
}
