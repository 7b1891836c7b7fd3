//! Single values: accepted, refused, and suggested by messages.

use std::path::PathBuf;

use scripting_system::config;
use scripting_system::config::{Environment, HostKeyPolicy};
use serde_json::{Value, json};

use crate::fixture::{Fixture, minimal, with};

/// The error for `value` of the key `path`, or an empty string.
fn error_for(path: &str, value: impl Into<Value>) -> String {
    match Fixture::new().load_bytes(with(&minimal(), path, value.into()).to_string()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_accepted(path: &str, values: &[&str]) {
    for value in values {
        assert_eq!(error_for(path, *value), "", "{path}: {value:?}");
    }
}

#[track_caller]
fn assert_refused(path: &str, values: &[&str]) {
    for value in values {
        assert!(error_for(path, *value).contains(&format!("{path}: ")), "{path}: {value:?}");
    }
}

#[test]
fn a_dump_is_a_path_to_a_file() {
    assert_accepted("source.dump", &["dump.sql", "a/b/dump.sql", "/dump.sql", "..dump", "a/../b", "dump\\a.sql"]);
    assert_accepted("source.dump", &["*", "db/*.sql", "dump-%F.sql", "100%%", "%Y/%m/%d"]);
    assert_refused("source.dump", &["", "/", "a/", ".", "..", "a/..", "a/.", "a\0b", "100%", "%H.sql", "%Q"]);
}

#[test]
fn the_nearest_zone_is_suggested_for_a_misspelt_one() {
    assert!(error_for("source.timezone", "Europe/Berlyn").contains("did you mean \"Europe/Berlin\"?"));
    assert_accepted("source.timezone", &["UTC"]);
    assert_refused("source.timezone", &["CEST"]);
}

#[test]
fn only_http_proxies_are_accepted() {
    assert_accepted("source.proxy", &["http://proxy:3128", "https://proxy", "http://u:p@proxy:3128/"]);
    assert_refused(
        "source.proxy",
        &[
            "proxy:3128",
            "socks5://proxy",
            "http://",
            "http://proxy:0",
            "http://proxy/path",
            "http://p?q",
            "http://proxy\n",
            "",
        ],
    );
}

#[test]
fn a_fingerprint_has_the_format_of_ssh_keygen() {
    let printed = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8";
    let config = Fixture::new().loaded(&with(&minimal(), "sftp.host_key", json!(printed)));
    assert_eq!(config.sftp.host_key, HostKeyPolicy::Pinned(printed.to_owned()));
    assert_refused(
        "sftp.host_key",
        &[
            "SHA256:",
            "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8=",
            "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY",
            "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5S_8",
            "sha256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
            "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
            "nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
            "",
        ],
    );
}

#[test]
fn the_nearest_policy_is_suggested_for_a_misspelt_one() {
    assert!(error_for("sftp.host_key", "accept_new").contains("did you mean \"accept-new\"?"));
}

#[test]
fn a_prefix_cannot_leave_its_folder() {
    assert_accepted("sftp.temporary_prefix", &["", ".", "tmp-", "é", &"x".repeat(32)]);
    assert_refused("sftp.temporary_prefix", &["/", "a/b", "a\0", "a\n", &"x".repeat(33)]);
}

#[test]
fn a_key_is_suggested_only_if_it_is_similar() {
    for (key, nearest) in [
        ("passwort", "password"),
        ("privateKey", "private_key"),
        ("HOST", "host"),
        ("hostname", "host"),
        ("known_host", "known_hosts"),
    ] {
        let error = error_for(&format!("sftp.{key}"), "x");
        assert!(error.contains(&format!("did you mean \"{nearest}\"?")), "{key}: {error}");
    }
    assert!(error_for("sftp.colour", "red").contains("known keys: "));
    assert!(error_for("sftp.", "red").contains("known keys: "));
}

#[test]
fn a_quoted_value_is_truncated_and_on_one_line() {
    assert!(error_for("source.timezone", "a\nb").contains("\"a\\nb\" is not"));
    assert!(error_for("source.timezone", "é".repeat(100)).contains(&format!("\"{}…\"", "é".repeat(60))));
}

#[test]
fn a_comment_is_reported_with_line_and_column() {
    for (text, line, column) in [
        ("// why\n{}", 1, 1),
        ("{\n  // why\n  \"source\": {}\n}", 2, 3),
        ("{\n  \"source\": {}, // why\n  \"sftp\": {}\n}", 2, 17),
        ("{\n  \"source\": {} // why\n}", 2, 16),
        ("{\n  \"source\": {}, // why\n}", 2, 17),
        ("{\"source\": /* why */ {}}", 1, 12),
        ("{\"source\" /* why */: {}}", 1, 11),
        ("{\"log\": {\"file\": [1, /* why */ 2]}}", 1, 22),
        ("{}\n/* why */", 2, 1),
        ("{\r\n\t# why\r\n}", 2, 2),
        ("{\"é\": /* why */ 1}", 1, 8),
    ] {
        let error = Fixture::new().load_bytes(text).unwrap_err().to_string();
        let message = format!(
            "not JSON at line {line}, column {column}: a comment, which JSON does not allow: remove all comments; fix the file there"
        );
        assert!(error.contains(&message), "{text}: {error}");
    }
    // Not in a string, and not elsewhere.
    for text in ["{\"source\": /}", "{\"log\": {\"file\": \"//x\"},}", "{\"a\": \"/* x */\" 1}"] {
        let error = Fixture::new().load_bytes(text).unwrap_err().to_string();
        assert!(error.contains("not JSON at") && !error.contains("comment"), "{text}: {error}");
    }
}

#[test]
fn a_pipe_and_deep_nesting_are_refused() {
    let fixture = Fixture::new();
    let pipe = fixture.folder().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(config::load(&pipe, &fixture.environment()).unwrap_err().to_string().contains("is not a regular file"));
    assert!(fixture.load_bytes("[".repeat(100_000)).unwrap_err().to_string().contains("recursion"));
}

#[test]
fn a_relative_home_folder_and_an_empty_agent_socket_are_ignored() {
    let none: [(&str, &str); 0] = [];
    assert_eq!(Environment::new(Some(PathBuf::new()), none).home(), None);
    assert_eq!(Environment::new(Some("here".into()), none).home(), None);
    assert_eq!(Environment::new(None, [("SSH_AUTH_SOCK", "")]).agent_socket(), None);
}

#[test]
fn the_debug_output_of_the_environment_contains_no_variable() {
    let shown = format!("{:?}", Environment::new(None, [("PASSWORD", "hunter22")]));
    assert!(!shown.contains("hunter22") && !shown.contains("PASSWORD"), "{shown}");
}

#[test]
fn a_host_is_a_name_or_an_address() {
    assert_accepted(
        "sftp.host",
        &["sftp.example.com", "192.0.2.1", "::1", "[2001:DB8::1]", "münchen.example", "my_host"],
    );
    let bad =
        "|a b|sftp://a|a/b|u@a|a:22|[::1]:22|[::1|fe80::1%eth0|*.example.com|a,b|!a|a\0b|a\n|-oProxyCommand|[a]|.a";
    assert_refused("sftp.host", &bad.split('|').collect::<Vec<_>>());
    assert_refused("sftp.host", &[&"a".repeat(254)]);
}

#[test]
fn a_refused_address_is_shown_without_possible_secrets() {
    for (address, shown) in [
        ("ftp://a.example/x.zip?token=t#f", "\"ftp://a.example/x.zip?…\""),
        ("https://user:p@ss@a.example/x.zip", "\"https://…@a.example/x.zip\""),
        ("user:pass@a.example", "\"…@a.example\""),
        ("ftp://a.example#secret", "\"ftp://a.example#…\""),
    ] {
        assert!(error_for("source.url", address).contains(shown), "{address}");
    }
}
