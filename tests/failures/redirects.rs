//! Redirects: credentials are sent only to the origin of `source.url`, and no query is reported.

use serde_json::json;
use testkit::servers::https::Builder;
use testkit::servers::{Authority, HttpsServer};

use super::bad_night::BadNight;

const PASSWORD: &str = "r3ader-secret";

/// A job with credentials for a web server that demands them and injects `faults`.
fn with_credentials(faults: impl FnOnce(Builder) -> Builder) -> BadNight {
    let mut bad = BadNight::new();
    bad.serve(|web| faults(web.basic_auth("reader", PASSWORD)));
    bad.set("source.username", json!("reader")).set("source.password", json!(PASSWORD));
    bad
}

/// A second web server for the same files, on another port and so another origin.
fn other_origin(bad: &BadNight, faults: impl FnOnce(Builder) -> Builder) -> HttpsServer {
    faults(HttpsServer::builder(&bad.path("web"))).start()
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_port_of_the_host() {
    let mut bad = with_credentials(|web| web);
    let other = other_origin(&bad, |web| web);
    bad.serve(|web| web.basic_auth("reader", PASSWORD).redirect_to(&other.url("/my_zip.zip?token=t0ken-s3cret#part")));
    let outcome = bad.run();
    outcome.exited_with(0);
    assert!(bad.web.recorded_requests().iter().all(|request| request.has_authorization()));
    let seen = other.recorded_requests();
    assert!(!seen.is_empty() && !seen.iter().any(|request| request.has_authorization()), "{seen:?}");
    assert!(seen.iter().all(|request| request.target == "/my_zip.zip?token=t0ken-s3cret"), "{seen:?}");
    assert!(!outcome.all().contains("t0ken-s3cret"), "{}", outcome.all());
}

#[test]
fn another_origin_that_demands_credentials_is_reported_as_such() {
    let mut bad = with_credentials(|web| web);
    let other = other_origin(&bad, |web| web.basic_auth("reader", PASSWORD));
    // The user and password in the address are not sent either.
    let address = other.url("/my_zip.zip?token=t0ken-s3cret").replace("://", &format!("://reader:{PASSWORD}@"));
    bad.serve(|web| web.basic_auth("reader", PASSWORD).redirect_to(&address));
    let expected = format!("{}?… answered 401. It was reached by a redirect", other.url("/my_zip.zip"));
    let outcome = bad.must_fail(&[&expected, "Set source.url to the final address"]);
    assert!(!other.recorded_requests().iter().any(|request| request.has_authorization()));
    assert!(!outcome.all().contains("t0ken-s3cret") && !outcome.all().contains(PASSWORD), "{}", outcome.all());
}

#[test]
fn credentials_follow_a_redirect_within_the_origin() {
    let mut bad = with_credentials(|web| web);
    std::fs::copy(bad.path("web/my_zip.zip"), bad.path("web/moved.zip")).unwrap();
    for location in ["/moved.zip", "moved.zip?x=1", "HTTPS://[host]/moved.zip#part", "//[host]/moved.zip"] {
        bad.serve(|web| web.basic_auth("reader", PASSWORD).redirect_from("/my_zip.zip", location));
        // An archive from the previous server would be another job's.
        let _ = std::fs::remove_file(bad.archive());
        bad.run().exited_with(0);
        let seen = bad.web.recorded_requests();
        assert!(seen.iter().any(|request| request.target.starts_with("/moved.zip")), "{location}: {seen:?}");
        assert!(seen.iter().all(|request| request.has_authorization()), "{location}: {seen:?}");
    }
}

#[test]
fn a_client_certificate_is_sent_only_to_its_origin() {
    let mut bad = BadNight::new();
    let authority = Authority::new("Authority of the clients");
    let (certificate, key) = authority.client("backup").write(&bad.path(""), "client");
    bad.set("source.client_certificate", json!(certificate)).set("source.client_key", json!(key));
    let other = other_origin(&bad, |web| web.client_certificates_of(&authority));
    bad.serve(|web| web.client_certificates_of(&authority).redirect_to(&other.url("/my_zip.zip")));
    bad.must_fail(&["TLS with 127.0.0.1 failed"]);
    assert_eq!((bad.web.requests(), other.requests()), (1, 0));
    // The same without a redirect.
    bad.set("source.url", json!(other.url("/my_zip.zip")));
    bad.run().exited_with(0);
}

#[test]
fn an_invalid_location_is_reported_without_its_query() {
    let mut bad = BadNight::new();
    for (location, expected) in [
        ("https://us3r:p4ss@[::1/my_zip.zip?token=t0ken-s3cret", "redirects to \"…@[::1/my_zip.zip\", which is not"),
        (
            "https://host:99999/my_zip.zip?token=t0ken-s3cret",
            "redirects to \"https://host:99999/my_zip.zip\", which is not",
        ),
        ("https:///?token=t0ken-s3cret", "redirects to \"https:///\", which is not"),
        ("", "redirects to \"\", which is not"),
    ] {
        bad.serve(|web| web.redirect_to(location));
        let outcome = bad.must_fail(&[expected, "Correct the redirect on the server"]);
        assert!(!outcome.all().contains("t0ken-s3cret") && !outcome.all().contains("p4ss"), "{}", outcome.all());
        assert_eq!(bad.web.requests(), 1, "not retried");
    }
    for location in [
        "http://127.0.0.1:9/my_zip.zip?token=t0ken-s3cret",
        "ftp://host/x?token=t0ken-s3cret",
        "HTTP://host/?token=t0ken-s3cret",
    ] {
        bad.serve(|web| web.redirect_to(location));
        let outcome = bad.must_fail(&["redirects to an address without TLS"]);
        assert!(!outcome.all().contains("t0ken-s3cret"), "{}", outcome.all());
    }
}

#[test]
fn the_final_address_is_reported_and_the_number_of_redirects_is_limited() {
    let mut bad = BadNight::new();
    let second = other_origin(&bad, |web| web);
    bad.serve(|web| web.redirect_to(&second.url("/missing.zip")));
    bad.must_fail(&["/missing.zip answered 404", "Check source.url"]);
    bad.serve(|web| web.redirect_to("?again"));
    bad.must_fail(&["redirects too many times"]);
    assert_eq!(bad.web.requests(), 6);
}
