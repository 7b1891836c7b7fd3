//! All mistakes are reported at once, each with its key, its problem and its fix.

use proptest::prelude::*;
use scripting_system::config;
use scripting_system::config::LoadError;
use serde_json::{Value, json};

use crate::bad_values::bad_values;
use crate::fixture::{Fixture, PRIVATE_KEY, minimal, with, with_reports};

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_documentation() {
    let fixture = Fixture::new();
    let text = r#"{
        "mattermost": {"webhook_url": "http://chat.example.com/hooks/x", "send": "allways"},
        "retention": {"keep_days": 0, "keep_at_least": -1},
        "sftp": {"port": 0, "prot": 22, "username": "u", "username": "v", "directory": "d"},
        "source": {"url": "ftp://www.example.com/dump.zip", "max_age_days": "two"},
        "archive": {"name": "../%Y"},
        "colour": true
    }"#;
    let error = fixture.load_bytes(text).unwrap_err();
    let file = fixture.folder().join("config.json");
    let expected = [
        r#"source.url: "ftp://www.example.com/dump.zip" is not an https address; write https://…"#,
        r#"source.dump: is missing; write the dump's path in the ZIP, such as "dump.sql""#,
        r#"source.max_age_days: must be a whole number, found the string "two"; write a number from 0 to 36500"#,
        r#"archive.name: "../%Y" contains "/", ".." or a control character, or begins with "."; write a pattern with year, month and day, such as "%Y%d%m" or "dump-%Y-%m-%d""#,
        r#"sftp.host: is missing; write the SFTP server's name or address, such as "sftp.example.com""#,
        r#"sftp.port: 0 is out of bounds; write a number from 1 to 65535"#,
        r#"sftp.username: appears more than once; keep one of them"#,
        r#"sftp.password: is missing, as are sftp.private_key and a running agent (SSH_AUTH_SOCK); give a password or a private key; cron has no agent"#,
        r#"sftp.prot: is not a known key; did you mean "port"?"#,
        r#"retention.keep_days: 0 is out of bounds; write a number from 1 to 36500"#,
        r#"retention.keep_at_least: -1 is out of bounds; write a number from 1 to 100000"#,
        r#"mattermost.send: "allways" is not known; did you mean "always"? Known: "always", "warning", "error", "never""#,
        r#"mattermost.webhook_url: the address given is not protected by TLS; write https://… (http is only for this machine's own addresses)"#,
        r#"colour: is not a known key; known keys: name, extends, source, archive, sftp, retention, alarm, drill, hooks, retry, run, log, email, mattermost, monitor, metrics"#,
    ];
    let reported = error.to_string();
    let lines: Vec<&str> = reported.lines().collect();
    let expected: Vec<String> = expected.iter().map(|line| format!("{}: {line}", file.display())).collect();
    assert_eq!(lines, expected);
    assert_eq!(error.lines(), expected);
}

#[test]
fn an_unknown_key_is_reported_with_the_nearest_known_one() {
    let fixture = Fixture::new();
    for (path, nearest) in [
        ("sorce", "source"),
        ("source.Url", "url"),
        ("source.maxAgeDays", "max_age_days"),
        ("sftp.passwort", "password"),
        ("sftp.knownhosts", "known_hosts"),
        ("email.attachlog", "attach_log"),
        ("email.server.hostname", "host"),
        ("mattermost.webhook", "webhook_url"),
        ("monitor.pingUrl", "ping_url"),
        ("retention.keepWeekly", "keep_weekly"),
    ] {
        let mistake = fixture.mistake(&with(&with_reports(), path, json!(1)));
        assert_eq!((mistake.path.as_str(), mistake.fix), (path, format!("did you mean \"{nearest}\"?")));
    }
}

#[test]
fn the_schema_key_is_known_only_at_the_top() {
    let fixture = Fixture::new();
    fixture.loaded(&with(&minimal(), "$schema", json!("./schema.json")));
    assert_eq!(fixture.mistake(&with(&minimal(), "sftp.$schema", json!("x"))).path, "sftp.$schema");
}

#[test]
fn every_invalid_value_is_refused_under_its_own_key() {
    let fixture = Fixture::new();
    fixture.file("no.pem", "nothing", 0o600);
    fixture.file("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 0o600);
    for (path, values) in bad_values() {
        for value in values {
            let mistakes = fixture.mistakes(&with(&with_reports(), path, value.clone()));
            let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
            assert_eq!(paths, [path], "{value}: {mistakes:?}");
            assert!(!mistakes[0].problem.is_empty() && !mistakes[0].fix.is_empty(), "{mistakes:?}");
        }
    }
    let value = with(&with_reports(), "source.client_certificate", json!("no.pem"));
    let paths = paths_of(&fixture, &with(&value, "source.client_key", json!("encrypted.pem")));
    assert_eq!(paths, ["source.client_certificate", "source.client_key"]);
    let paths = paths_of(&fixture, &with(&with_reports(), "email.to", json!(["a@b.example", "x", 1])));
    assert_eq!(paths, ["email.to[1]", "email.to[2]"]);
}

fn paths_of(fixture: &Fixture, value: &Value) -> Vec<String> {
    fixture.mistakes(value).into_iter().map(|mistake| mistake.path).collect()
}

#[test]
fn a_public_key_is_refused_as_a_private_key() {
    let fixture = Fixture::new();
    for kind in ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"] {
        fixture.file("id.pub", format!("{kind} AAAA operator"), 0o644);
        let mistake = fixture.mistake(&with(&minimal(), "sftp.private_key", json!("id.pub")));
        assert!(mistake.problem.ends_with("is a public key"), "{mistake}");
    }
}

#[test]
fn reading_archives_back_ignores_mistakes_in_other_sections() {
    let fixture = Fixture::new();
    let read_back = |value: &Value| {
        let path = fixture.file("config.json", value.to_string(), 0o600);
        config::load_to_read_back(&path, &fixture.environment())
    };
    let ignored = [
        ("source.ca_file", json!("missing.pem")),
        ("source.timezone", json!("Nowhere")),
        ("archive.work_directory", json!("missing")),
        ("email.server.ca_file", json!("missing.pem")),
        ("email.colour", json!("red")),
        ("monitor.ping_url", json!({"file": "missing"})),
        ("source.dump", json!("")),
        ("retention.keep_days", json!(0)),
        ("colour", json!(1)),
    ];
    for (path, value) in ignored {
        let value = with(&with_reports(), path, value);
        fixture.mistake(&value);
        let config = read_back(&value).unwrap_or_else(|error| panic!("{error}"));
        assert!(config.warnings.iter().any(|warning| warning.starts_with(path)), "{path}: {:?}", config.warnings);
    }
    for (path, value) in
        [("sftp.password", json!({"file": "missing"})), ("sftp.colour", json!(1)), ("archive.name", json!("dump"))]
    {
        let error = read_back(&with(&with_reports(), path, value)).unwrap_err().to_string();
        assert!(error.contains(&format!(": {path}: ")), "{error}");
    }
}

#[test]
fn a_missing_key_of_a_pair_is_reported() {
    let fixture = Fixture::new();
    fixture.file("key", PRIVATE_KEY, 0o600);
    for (given, value, missing) in [
        ("source.client_key", "key", "source.client_certificate"),
        ("source.username", "web", "source.password"),
        ("source.password", "web-secret", "source.username"),
        ("email.server.username", "mail", "email.server.password"),
        ("email.server.password", "mail-secret", "email.server.username"),
    ] {
        let mistake = fixture.mistake(&with(&with_reports(), given, json!(value)));
        assert_eq!(mistake.path, missing);
        assert_eq!(mistake.problem, format!("is missing, but {given} is given"));
    }
}

#[test]
fn a_wait_that_the_deadline_would_end_is_a_mistake() {
    let fixture = Fixture::new();
    let waiting = |minutes: u32| {
        with(&with(&minimal(), "source.wait_minutes", json!(minutes)), "run.deadline_minutes", json!(60))
    };
    fixture.load(&waiting(59)).unwrap();
    let mistake = fixture.mistake(&waiting(60));
    assert_eq!(mistake.path, "source.wait_minutes");
    assert_eq!(mistake.problem, "is not shorter than run.deadline_minutes, which ends the run while it waits");
}

#[test]
fn a_mail_password_never_leaves_this_machine_unencrypted() {
    let fixture = Fixture::new();
    let server = |host: &str| {
        let server = json!({"host": host, "security": "none", "username": "mail", "password": "mail-secret"});
        with(&with_reports(), "email.server", server)
    };
    assert_eq!(fixture.mistake(&server("mail.example.com")).path, "email.server.security");
    for host in ["localhost", "127.0.0.1", "::1", "[::1]"] {
        fixture.loaded(&server(host));
    }
}

#[test]
fn a_strict_host_key_requires_known_hosts_and_a_pinned_one_does_not() {
    let fixture = Fixture::new();
    let strict = with(&minimal(), "sftp.host_key", json!("strict"));
    assert_eq!(fixture.mistake(&strict).path, "sftp.known_hosts");
    std::fs::write(fixture.home().join(".ssh/known_hosts"), "").unwrap();
    fixture.loaded(&strict);
    let pinned = with(&minimal(), "sftp.host_key", json!("SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"));
    fixture.loaded(&with(&pinned, "sftp.known_hosts", json!("/nonexistent/known_hosts")));
}

#[test]
fn a_file_that_is_not_an_object_is_one_mistake() {
    let fixture = Fixture::new();
    for value in [json!([]), json!("x"), json!(1), json!(null), json!(true)] {
        assert_eq!(fixture.mistake(&value).path, "the whole file");
    }
}

#[test]
fn a_key_cannot_forge_a_line() {
    let error = Fixture::new().load(&with(&minimal(), "a\nCRITICAL b", json!(1))).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

/// JSON that often has known keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["https://a.example/?x", "~", "~/x", ".", "/", "%Y%m%d", "SHA256:", "a@b.example"])
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(
            "source archive sftp retention retry run log email mattermost url dump timezone ca_file client_key proxy \
             name compression work_directory host port username password private_key passphrase known_hosts host_key directory \
             temporary_prefix connections timeout_seconds keep_days attempts file format level server security from to subject \
             webhook_url icon_url env credential $schema"
                .split_whitespace()
                .collect::<Vec<_>>()
        )
        .prop_map(str::to_owned),
        ".{0,10}",
    ];
    leaf.prop_recursive(5, 100, 12, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            4 => prop::collection::btree_map(key.clone(), inner, 0..12)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_causes_a_panic(value in any_json()) {
        if let Err(LoadError::Mistakes { mistakes, .. }) = Fixture::new().load(&value) {
            prop_assert!(!mistakes.is_empty());
        }
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Fixture::new().load_bytes(bytes).is_err());
    }
}
