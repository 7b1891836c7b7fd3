//! The web server, checked with ureq.

use std::fs;
use std::io::Read;
use std::time::Duration;

use testkit::servers::{Authority, HttpsServer};
use ureq::tls::{ClientCert, PrivateKey};

use crate::{CONTENT, agent, folder_with_file, get, header, text};

#[test]
fn the_web_server_serves_files_and_ranges_of_them() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).start();
    let url = server.url("/file");

    let whole = get(&url, &[]).unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    let etag = header(&whole, "etag").to_owned();
    assert!(etag.starts_with('"'), "{etag} is not a strong validator");
    assert_eq!(text(whole).as_bytes(), CONTENT);

    let part = get(&url, &[("range", "bytes=10-12")]).unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), "bytes 10-12/36");
    assert_eq!(text(part), "abc");
    assert_eq!(text(get(&url, &[("range", "bytes=-2")]).unwrap()), "yz");

    let same = get(&url, &[("range", "bytes=0-0"), ("if-range", &etag)]).unwrap();
    assert_eq!(same.status(), 206);
    fs::write(folder.path().join("file"), "changed").unwrap();
    let changed = get(&url, &[("range", "bytes=0-0"), ("if-range", &etag)]).unwrap();
    assert_eq!((changed.status().as_u16(), text(changed).as_str()), (200, "changed"));

    assert_eq!(get(&server.url("/absent"), &[]).unwrap().status(), 404);
    assert_eq!(server.requests(), 6);
    assert_eq!(server.bytes_sent(), 36 + 3 + 2 + 1 + 7);
    assert_eq!(server.recorded_requests()[1].range(), Some("bytes=10-12"));
    assert_eq!(server.recorded_requests()[5].status, 404);
}

#[test]
fn the_web_server_injects_its_faults() {
    let folder = folder_with_file();
    let builder = || HttpsServer::builder(folder.path());

    let server = builder().without_ranges().without_validators().start();
    let response = get(&server.url("/file"), &[("range", "bytes=0-1")]).unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "accept-ranges"), header(&response, "etag")),
        (200, "", "")
    );

    let server = builder().basic_auth("u", "p").start();
    assert_eq!(get(&server.url("/file"), &[]).unwrap().status(), 401);
    assert_eq!(get(&server.url("/file"), &[("authorization", "Basic dTpw")]).unwrap().status(), 200);
    assert!(server.recorded_requests()[1].has_authorization() && !server.recorded_requests()[0].has_authorization());

    let server = builder().status_for(503, 1).retry_after(7).start();
    let response = get(&server.url("/file"), &[]).unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "7"));
    assert_eq!(get(&server.url("/file"), &[]).unwrap().status(), 200);

    let server = builder().without_length().start();
    let response = get(&server.url("/file"), &[]).unwrap();
    assert_eq!((header(&response, "content-length"), header(&response, "transfer-encoding")), ("", "chunked"));
    assert_eq!(text(response).as_bytes(), CONTENT);

    let server = builder().html_page("<p>Log in").start();
    assert!(header(&get(&server.url("/file"), &[]).unwrap(), "content-type").starts_with("text/html"));

    let server = builder().plain_http().date_shifted_by_hours(-48).start();
    assert!(server.url("/").starts_with("http://"));
    let response = get(&server.url("/file"), &[]).unwrap();
    let date = chrono::DateTime::parse_from_rfc2822(header(&response, "date")).unwrap();
    assert_eq!((chrono::Utc::now() - date.to_utc()).num_hours(), 48);
}

#[test]
fn a_body_is_cut_once_after_the_given_bytes() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).cut_after(5, 1).start();
    let mut received = Vec::new();
    let response = get(&server.url("/file"), &[]).unwrap();
    let cut = response.into_body().into_reader().read_to_end(&mut received);
    assert_eq!((cut.unwrap_err().kind(), received.as_slice()), (std::io::ErrorKind::UnexpectedEof, &CONTENT[..5]));
    assert_eq!(text(get(&server.url("/file"), &[]).unwrap()).as_bytes(), CONTENT);
    assert_eq!(server.bytes_sent(), 5 + 36);
}

#[test]
fn the_bandwidth_limit_slows_a_body() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).bytes_per_second(100).start();
    let started = std::time::Instant::now();
    assert_eq!(text(get(&server.url("/file"), &[]).unwrap()).as_bytes(), CONTENT);
    assert!(started.elapsed() > Duration::from_millis(250), "took only {:?}", started.elapsed());
}

#[test]
fn invalid_certificates_are_refused() {
    let folder = folder_with_file();
    let with = |identity| HttpsServer::builder(folder.path()).identity(identity).start();
    for (identity, expected) in [
        (Authority::shared().expired_server(&["127.0.0.1"]), "expired"),
        (Authority::shared().server(&["other.example"]), "not valid for name"),
        (Authority::new("Stranger").server(&["127.0.0.1"]), "UnknownIssuer"),
    ] {
        let error = get(&with(identity).url("/file"), &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not contain {expected:?}");
    }

    let server = HttpsServer::builder(folder.path()).client_certificates_of(Authority::shared()).start();
    assert!(get(&server.url("/file"), &[]).is_err());
    let identity = Authority::shared().client("shipper");
    let chain = [ureq::tls::Certificate::from_pem(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKey::from_pem(identity.key.as_bytes()).unwrap();
    let with_certificate = agent(|tls| tls.client_cert(Some(ClientCert::new_with_certs(&chain, key))));
    assert_eq!(with_certificate.get(server.url("/file")).call().unwrap().status(), 200);
}
