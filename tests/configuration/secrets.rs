//! Secrets: their sources, invalid ones, and messages that do not repeat them.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::fixture::{CERTIFICATE, Fixture, PRIVATE_KEY, minimal, with, with_reports};

fn password(fixture: &Fixture, given: Value) -> String {
    let config = fixture.loaded(&with(&minimal(), "sftp.password", given));
    config.sftp.password.unwrap().expose_secret().to_owned()
}

fn refused(fixture: &Fixture, given: Value) -> String {
    let mistake = fixture.mistake(&with(&minimal(), "sftp.password", given));
    assert_eq!(mistake.path, "sftp.password");
    mistake.to_string()
}

#[test]
fn a_secret_has_five_sources() {
    let fixture = Fixture::new();
    let credentials = fixture.folder().join("credentials");
    let fixture = fixture.variable("PASSWORD", "in the variable");
    let fixture = fixture.variable("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
    fixture.file("secrets/sftp", "in the file\n", 0o600);
    // systemd may make it readable by the group.
    fixture.file("credentials/sftp", "in the credential\n", 0o440);

    assert_eq!(password(&fixture, json!("in the configuration")), "in the configuration");
    assert_eq!(password(&fixture, json!({"file": "secrets/sftp"})), "in the file");
    assert_eq!(password(&fixture, json!({"env": "PASSWORD"})), "in the variable");
    assert_eq!(password(&fixture, json!({"credential": "sftp"})), "in the credential");
    assert_eq!(password(&fixture, json!({"command": ["/bin/echo", "of a program"]})), "of a program");
}

fn shell(script: &str) -> Value {
    json!({"command": ["/bin/sh", "-c", script]})
}

#[test]
fn a_secret_of_a_program_is_its_first_line() {
    let fixture = Fixture::new().variable("TOKEN", "not inherited");
    for (script, secret) in [
        ("printf 'a b'", "a b"),
        ("printf 'a\\r\\nsecond'", "a"),
        ("echo a; seq 1000000", "a"),
        ("echo $0 \"[$TOKEN]\"; echo noise >&2", "/bin/sh []"),
        ("cat; echo a", "a"),
        // It does not wait for what the program leaves behind.
        ("echo a; sleep 60 &", "a"),
    ] {
        assert_eq!(password(&fixture, shell(script)), secret, "{script}");
    }
    let folder = fixture.folder();
    std::os::unix::fs::symlink("/bin/echo", folder.join("print")).unwrap();
    assert_eq!(password(&fixture, json!({"command": ["./print", "a", "b"]})), "a b");
}

#[test]
fn a_program_that_prints_no_secret_is_reported_without_its_output() {
    let fixture = Fixture::new();
    fixture.file("not-executable", "#!/bin/sh\n", 0o600);
    fixture.file("no-program", "hunter22\n", 0o700);
    let long = "head -c 65536 /dev/zero | tr '\\0' x; sleep 0.1";
    for (given, reported) in [
        (shell("echo hunter22; echo hunter22 >&2; exit 3"), "the program /bin/sh failed (exit status: 3); run it as"),
        (shell("echo hunter22; kill -9 $$"), "failed (signal: 9 (SIGKILL))"),
        (shell("exit 0"), "the program /bin/sh printed a first line that is empty"),
        (shell("echo; echo hunter22"), "printed a first line that is empty"),
        (shell("printf 'hunter22\\0'"), "contains a NUL character"),
        (shell("printf 'hunter22\\377'"), "is not UTF-8, or has 65536 bytes or more"),
        (shell(long), "is not UTF-8, or has 65536 bytes or more"),
        (
            json!({"command": ["hunter2"]}),
            "its \"command\" \"hunter2\" is a name without a path, and PATH is not searched",
        ),
        (json!({"command": ["./missing"]}), "/missing does not exist"),
        (json!({"command": ["/"]}), "/ is not a regular file"),
        (json!({"command": ["./not-executable"]}), "is not executable; chmod +x /"),
        (json!({"command": ["./no-program"]}), "/no-program cannot be started: "),
        (json!({"command": []}), "is empty; write [\"/path/of/program\""),
        (json!({"command": "hunter22"}), "must be a list, found a string"),
        (json!({"command": ["/bin/echo", 5]}), "must be a list of strings"),
        (json!({"command": ["/bin/echo", "hunter22\u{0}"]}), "contains a NUL character"),
    ] {
        let message = refused(&fixture, given);
        assert!(message.contains(reported) && !message.contains("hunter22"), "{message}");
    }
}

#[test]
fn a_program_that_hangs_or_prints_without_end_is_ended_after_ten_seconds() {
    let fixture = Fixture::new();
    let begun = std::time::Instant::now();
    let value = with(&minimal(), "sftp.password", shell("sleep 600 & yes hunter22"));
    let message = fixture.mistake(&value).to_string();
    assert!(message.contains("the program /bin/sh did not end within 10 seconds"), "{message}");
    assert!((10..30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[test]
fn a_program_that_others_can_write_is_not_run() {
    let fixture = Fixture::new();
    let created = fixture.folder().join("created");
    let script = format!("#!/bin/sh\ntouch {}; echo a\n", created.display());
    let path = fixture.file("program", script, 0o757);
    let message = refused(&fixture, json!({"command": ["./program"]}));
    let fix = format!("chmod go-w {}", path.display());
    assert!(message.contains("can be written by others (mode 0757)") && message.ends_with(&fix), "{message}");
    assert!(!created.exists());
    let fixture = fixture.variable("SCRIPTING_SYSTEM_TRUST_FILES", "1");
    let config = fixture.loaded(&with(&minimal(), "sftp.password", json!({"command": ["./program"]})));
    assert!(
        config.warnings.iter().any(|warning| warning.contains("can be written by others")),
        "{:?}",
        config.warnings
    );
    assert!(created.exists());
}

#[test]
fn one_line_break_at_the_end_is_not_part_of_a_secret() {
    let fixture = Fixture::new();
    for (content, secret) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a \n", " a ")] {
        fixture.file("secret", content, 0o400);
        assert_eq!(password(&fixture, json!({"file": "secret"})), secret);
        std::fs::remove_file(fixture.folder().join("secret")).unwrap();
    }
}

#[test]
fn a_missing_or_bad_secret_is_reported_by_its_source() {
    let fixture = Fixture::new().variable("EMPTY", "").variable("CREDENTIALS_DIRECTORY", "/nonexistent");
    let file = |name: &str, content: &[u8]| fixture.file(name, content, 0o600);
    file("empty", b"\n");
    file("binary", b"\xff\xfe");
    file("nul", b"a\0b");
    file("large", &[b'x'; 65_537]);
    for (given, reported) in [
        (json!(""), "is empty"),
        (json!("a\u{0}b"), "NUL"),
        (json!({"file": "missing"}), "/missing does not exist"),
        (json!({"file": "."}), "is not a regular file"),
        (json!({"file": ""}), "is empty"),
        (json!({"file": "empty"}), "/empty is empty"),
        (json!({"file": "binary"}), "/binary is not UTF-8"),
        (json!({"file": "nul"}), "/nul contains a NUL character"),
        (json!({"file": "large"}), "/large is larger than 65536 bytes"),
        (json!({"env": "UNSET"}), "the variable \"UNSET\" is not set"),
        (json!({"env": "EMPTY"}), "the variable \"EMPTY\" is empty"),
        (json!({"credential": "sftp"}), "/nonexistent/sftp does not exist"),
        (json!({"credential": "../sftp"}), "is not a credential's name"),
        (json!({}), "must have exactly one key, found 0"),
        (json!({"file": "a", "env": "B"}), "must have exactly one key, found 2"),
        (json!({"File": "a"}), "did you mean \"file\"?"),
        (json!({"vault": "a"}), "\"vault\" is not a source of secrets"),
        (json!({"file": 5}), "its \"file\" must be a string, found a number"),
    ] {
        let message = refused(&fixture, given);
        assert!(message.contains(reported), "{message}");
    }
    let message = refused(&Fixture::new(), json!({"credential": "sftp"}));
    assert!(message.contains("CREDENTIALS_DIRECTORY is not set"), "{message}");
}

#[test]
fn a_secret_file_must_be_private_to_its_owner() {
    let fixture = Fixture::new();
    for (mode, reported) in [(0o640, "read by its group"), (0o604, "read by others"), (0o622, "written by others")] {
        let path = fixture.file("secret", "hunter22", mode);
        let message = refused(&fixture, json!({"file": "secret"}));
        assert!(message.contains(reported) && message.ends_with(&format!("chmod 600 {}", path.display())), "{message}");
    }
}

#[test]
fn a_private_key_must_be_private_to_its_owner() {
    let fixture = Fixture::new();
    fixture.file("client.pem", CERTIFICATE, 0o644);
    let key = fixture.file("key", PRIVATE_KEY, 0o640);
    let value = with(&minimal(), "sftp.private_key", json!("key"));
    let value = with(&value, "source.client_certificate", json!("client.pem"));
    let value = with(&value, "source.client_key", json!("key"));
    let mistakes = fixture.mistakes(&value);
    let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(paths, ["source.client_key", "sftp.private_key"]);
    for mistake in &mistakes {
        assert!(mistake.problem.contains("can be read by its group (mode 0640)"), "{mistake}");
        assert!(mistake.fix.ends_with(&format!("chmod 600 {}", key.display())), "{mistake}");
    }
}

#[test]
fn no_message_repeats_a_secret() {
    let fixture = Fixture::new().variable("TOKEN", "ftp://hunter22.example");
    let bad = json!({
        "source": {
            "url": "ftp://hunter22:hunter22@www.example.com/x?hunter22#hunter22",
            "password": 4_815_162_342_u64,
            "proxy": "socks5://hunter22",
        },
        "sftp": {"password": ["hunter22"], "passphrase": {"hunter22x": true, "file": "x"}},
        "email": {"server": {"password": {"file": ["hunter22"]}}},
        "mattermost": {"webhook_url": {"env": "TOKEN"}},
    });
    let error = fixture.load(&bad).unwrap_err();
    let reported = format!("{error}\n{error:?}");
    assert!(!reported.contains("hunter22") && !reported.contains("4815162342"), "{reported}");
    for key in ["source.url", "source.password", "source.proxy", "sftp.password", "mattermost.webhook_url"] {
        assert!(reported.contains(&format!("{key}: ")), "{key} in {reported}");
    }
}

#[test]
fn the_debug_output_of_a_configuration_contains_no_secret() {
    let value = with(&with_reports(), "source.url", json!("https://a.example/d.zip?token=query-secret"));
    let shown = format!("{:?}", Fixture::new().loaded(&value));
    for secret in ["sftp-secret", "webhook-id", "query-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn every_secret_is_redacted_with_its_parts_and_compositions() {
    let fixture = Fixture::new();
    fixture.file("key", PRIVATE_KEY, 0o600);
    let value = with(&with_reports(), "source.url", json!("https://a.example/d?token=a%2Fb%2Fc&v=1&lone-token"));
    let value = with(&value, "source.username", json!("web"));
    let value = with(&value, "source.password", json!("web-secret"));
    let value = with(&value, "source.proxy", json!("http://me:p%40ss@proxy.example:3128"));
    let value = with(&value, "sftp.private_key", json!("key"));
    let value = with(&value, "sftp.passphrase", json!("key-secret"));
    let value = with(&value, "email.server.username", json!("mail"));
    let value = with(&value, "email.server.password", json!("mail-secret"));
    let value = with(&value, "mattermost.webhook_url", json!("https://chat.example/hooks/webhook-id/"));

    let config = fixture.loaded(&value);
    let secrets: Vec<String> = config.secrets().iter().map(|secret| secret.expose_secret().to_owned()).collect();
    for expected in [
        "token=a%2Fb%2Fc&v=1&lone-token",
        "a%2Fb%2Fc",
        "a/b/c",
        "lone-token",
        "web-secret",
        "web:web-secret",
        "p%40ss",
        "p@ss",
        "me:p%40ss",
        "me:p@ss",
        "sftp-secret",
        "key-secret",
        "mail-secret",
        "\0mail\0mail-secret",
        "https://chat.example/hooks/webhook-id/",
        "webhook-id",
    ] {
        assert!(secrets.iter().any(|secret| secret == expected), "{expected} in {secrets:?}");
    }
    // Ordinary words are not secrets.
    for word in ["1", "hooks", "web", "a.example"] {
        assert!(!secrets.iter().any(|secret| secret == word), "{word}");
    }
}
