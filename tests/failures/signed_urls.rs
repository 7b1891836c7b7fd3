//! Signed addresses, tokens in headers, and caches: what expired is named, and no secret is reported.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testkit::servers::HttpsServer;

use super::bad_night::BadNight;

const SIGNATURE: &str = "X-Amz-Signature=s1gn4ture-s3cret";
const TOKEN: &str = "t0ken-s3cret";

/// Serves the ZIP to signed requests only. The address is read from a file.
fn signed(signature: &str) -> BadNight {
    let mut bad = BadNight::new();
    bad.enlarge(200_000);
    bad.serve(|web| web.signed(signature));
    let url = bad.path("url");
    fs::write(&url, format!("{}?{SIGNATURE}\n", bad.web.url("/my_zip.zip"))).unwrap();
    fs::set_permissions(&url, fs::Permissions::from_mode(0o600)).unwrap();
    bad.set("source.url", json!({"file": url}));
    bad
}

/// Fails if a report of the last run, on any channel, contains a secret.
#[track_caller]
fn assert_secret(bad: &BadNight, output: &str) {
    let (subject, mail) = bad.last_mail();
    for channel in [output, &subject, &mail, &bad.last_post()] {
        for secret in ["s3cret", "s1gn4ture", "X-Amz"] {
            assert!(!channel.contains(secret), "{channel}");
        }
    }
}

#[test]
fn a_signed_address_from_a_file_or_a_variable_is_read_in_parts_without_head() {
    let mut bad = signed(SIGNATURE);
    assert_secret(&bad, &bad.run().exited_with(0).logged("read in parts").logged("/my_zip.zip?…").all());
    let url = format!("{}?{SIGNATURE}", bad.web.url("/my_zip.zip"));
    bad.set_variable("ZIP_ADDRESS", &url);
    bad.set("source.url", json!({"env": "ZIP_ADDRESS"}));
    assert_secret(&bad, &bad.run().logged("read in parts").all());
    for request in bad.web.recorded_requests() {
        assert_eq!((request.method.as_str(), request.header("cache-control")), ("GET", Some("no-cache")));
    }
}

#[test]
fn an_expired_signature_is_reported_with_its_key_and_no_query() {
    let mut bad = signed("X-Amz-Signature=of-tomorrow");
    let outcome = bad.must_fail(&["answered 403 (forbidden)", "The signature or token in source.url may have expired"]);
    assert_secret(&bad, &outcome.all());
    assert_eq!(bad.web.requests(), 1, "it is not retried");
    bad.set("source.headers", json!({"X-Token": TOKEN}));
    let outcome = bad.must_fail(&["The signature or token in source.url and source.headers may have expired"]);
    assert_secret(&bad, &outcome.all());
}

#[test]
fn a_signature_that_expires_with_400_is_reported_with_its_key() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.status(400));
    let url = format!("{}?{SIGNATURE}", bad.web.url("/my_zip.zip"));
    bad.set("source.url", json!(url));
    let outcome = bad.must_fail(&["answered 400", "The signature or token in source.url may have expired"]);
    assert_secret(&bad, &outcome.all());
}

#[test]
fn a_token_is_sent_in_each_request_and_a_rotated_one_is_reported_with_its_key() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.token("X-Token", TOKEN));
    let file = bad.path("token");
    fs::write(&file, TOKEN).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    bad.set("source.headers", json!({"X-Token": {"file": file}}));
    bad.run().exited_with(0);
    assert!(bad.web.recorded_requests().iter().all(|request| request.header("x-token") == Some(TOKEN)));

    fs::write(&file, "r0tated-s3cret").unwrap();
    let outcome = bad.must_fail(&["answered 401", "The signature or token in source.headers may have expired"]);
    assert_secret(&bad, &outcome.all());
}

#[test]
fn extra_headers_do_not_follow_a_redirect_to_another_origin() {
    let mut bad = BadNight::new();
    let other = HttpsServer::builder(&bad.path("web")).start();
    bad.serve(|web| web.token("Authorization", "Bearer t0ken-s3cret").redirect_to(&other.url("/my_zip.zip")));
    bad.set("source.headers", json!({"Authorization": "Bearer t0ken-s3cret", "X-Token": TOKEN}));
    let outcome = bad.run();
    outcome.exited_with(0);
    assert!(bad.web.recorded_requests().iter().all(|request| request.header("x-token") == Some(TOKEN)));
    let seen = other.recorded_requests();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|request| request.header("x-token").is_none() && !request.has_authorization()), "{seen:?}");
    assert_secret(&bad, &outcome.all());
}

#[test]
fn a_header_that_cannot_be_sent_is_refused_without_its_value() {
    let mut bad = BadNight::new();
    let cases: [(Value, &str); 7] = [
        (json!({"range": TOKEN}), "\"range\" is a header that the program sets itself"),
        (json!({"X Token": TOKEN}), "\"X Token\" is not the name of a header"),
        (json!({"X-Token": TOKEN, "x-token": TOKEN}), "\"x-token\" appears more than once"),
        (json!({"X-Token": "s3cret\r\nHost: x"}), "\"X-Token\": its value has a character"),
        (json!({"X-Token": {"env": "MISSING"}}), "\"X-Token\": the variable \"MISSING\" is not set"),
        (json!(TOKEN), "must be an object"),
        (json!({"AUTHORIZATION": TOKEN}), "sets Authorization, which source.username also sets"),
    ];
    for (headers, problem) in cases {
        bad.set("source.headers", headers);
        bad.set("source.username", json!("reader")).set("source.password", json!("pass"));
        let outcome = bad.run();
        outcome.exited_with(3);
        let all = outcome.all();
        assert!(all.contains("source.headers: ") && all.contains(problem), "{problem}: {all}");
        assert!(!all.contains("s3cret"), "{all}");
    }
    assert_eq!(bad.web.requests(), 0);
}

#[test]
fn a_cache_that_answers_is_reported() {
    let mut bad = BadNight::new();
    bad.enlarge(200_000);
    bad.serve(|web| web.age(8 * 3600 + 60));
    bad.run().exited_with(0).logged(", read in parts, from a cache, 8 h old");
    bad.make_stale();
    let outcome = bad.must_warn(&["stale", "The ZIP is from a cache, 8 h old: exclude it from caching"]);
    outcome.logged(", from a cache, 8 h old");
    assert!(bad.web.recorded_requests().iter().all(|request| request.header("cache-control") == Some("no-cache")));
}
