//! Valid values: defaults, every key, and null.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use scripting_system::config::{Compression, HostKeyPolicy, LogFormat, LogLevel, MailSecurity, SendOn};
use scripting_system::rules::alarm::Bounds;
use scripting_system::rules::retention::keeping::{Policy, Remover};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::fixture::{CERTIFICATE, Fixture, PRIVATE_KEY, minimal, with, with_reports, without};
use crate::schema::{optional_keys, required_keys};

#[test]
fn a_missing_key_has_its_default() {
    let fixture = Fixture::new();
    let config = fixture.loaded(&with_reports());

    let source = &config.source;
    assert_eq!((source.timezone, source.max_age_days), (None, 0));
    assert!(source.ca_file.is_none() && source.client_identity.is_none());
    assert!(source.credentials.is_none() && source.proxy.is_none());
    assert_eq!((source.timeout, source.max_dump_bytes), (Duration::from_secs(30), 1_099_511_627_776));

    let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    assert_eq!(config.archive.name.file_name(date), "20262311.tgz");
    assert_eq!(config.archive.compression, Compression::Reuse);
    assert_eq!(config.archive.work_directory, PathBuf::from("/var/tmp"));

    let sftp = &config.sftp;
    assert_eq!((sftp.port, sftp.connections, sftp.timeout), (22, 8, Duration::from_secs(30)));
    assert!(sftp.private_key.is_none() && sftp.passphrase.is_none() && sftp.agent_socket.is_none());
    assert_eq!(sftp.known_hosts, fixture.home().join(".ssh/known_hosts"));
    assert_eq!((&sftp.host_key, sftp.temporary_prefix.as_str()), (&HostKeyPolicy::AcceptNew, "."));

    let Policy { keep_days, keep_at_least, keep_daily, keep_weekly, keep_monthly, keep_yearly, remover } =
        config.retention;
    assert_eq!((keep_days, keep_at_least, remover), (10, 3, Remover::Run));
    assert_eq!([keep_daily, keep_weekly, keep_monthly, keep_yearly], [0; 4]);
    assert!(config.alarm.is_none() && config.hooks.before.is_none() && config.hooks.after.is_none());
    assert_eq!(config.retry.attempts, 3);
    assert_eq!(config.retry.first_pause, Duration::from_secs(1));
    assert_eq!(config.retry.max_pause, Duration::from_secs(30));
    assert_eq!(config.run.deadline, Duration::from_secs(360 * 60));
    assert_eq!(config.log.file.path(), Some(&*fixture.folder().join("log.log")));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, LogLevel::Info));

    let email = config.reports.email.unwrap();
    assert_eq!((email.send, email.subject.as_str(), email.attach_log), (SendOn::Always, "My daily report", true));
    let server = email.server.unwrap();
    assert_eq!((server.port, server.security), (465, MailSecurity::Tls));
    assert!(server.credentials.is_none() && server.ca_file.is_none());

    let mattermost = config.reports.mattermost.unwrap();
    assert_eq!(mattermost.send, SendOn::Always);
    assert!(mattermost.username.is_none() && mattermost.icon_url.is_none() && mattermost.ca_file.is_none());
}

#[test]
fn reports_are_off_unless_given() {
    let config = Fixture::new().loaded(&minimal());
    assert!(config.reports.email.is_none() && config.reports.mattermost.is_none());
    assert!(config.reports.monitor.is_none() && config.reports.metrics.is_none());
}

#[test]
fn null_means_not_set_for_every_optional_key() {
    let fixture = Fixture::new().variable("SSH_AUTH_SOCK", "/run/agent");
    for path in optional_keys() {
        fixture.loaded(&with(&with_reports(), &path, Value::Null));
    }
}

#[test]
fn a_required_key_that_is_null_counts_as_missing() {
    let fixture = Fixture::new();
    for path in required_keys() {
        let null = with(&with_reports(), &path, Value::Null);
        let mistake = fixture.mistake(&null);
        assert_eq!((&mistake.path, mistake.problem.as_str()), (&path, "is missing"));
        assert_eq!(mistake, fixture.mistake(&without(&null, &path)));
    }
}

#[test]
fn the_required_keys_of_a_missing_section_are_reported() {
    let mistakes = Fixture::new().mistakes(&json!({}));
    let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(paths, ["source.url", "source.dump", "sftp.host", "sftp.username", "sftp.password", "sftp.directory"]);
}

#[test]
fn every_key_is_read() {
    let fixture = Fixture::new().variable("SSH_AUTH_SOCK", "/run/agent");
    fixture.file("ca.pem", CERTIFICATE, 0o644);
    fixture.file("client.pem", CERTIFICATE, 0o644);
    fixture.file("client.key", PRIVATE_KEY, 0o400);
    fixture.file("id_ed25519", "a key", 0o600);
    fixture.file("after", "#!/bin/sh\n", 0o755);
    let pin = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8";
    let config = fixture.loaded(&json!({
        "$schema": "schema.json",
        "source": {
            "url": "http://127.0.0.1:8080/dump.zip?key=value#part", "dump": "a/dump.sql", "timezone": "Asia/Tokyo",
            "max_age_days": 2, "ca_file": "ca.pem", "client_certificate": "client.pem", "client_key": "client.key",
            "username": "web", "password": "web-secret", "proxy": "http://proxy.example:3128",
            "timeout_seconds": 3600, "max_dump_bytes": 18_446_744_073_709_551_615_u64
        },
        "archive": {"name": "db-%F", "compression": 9, "work_directory": "/tmp"},
        "sftp": {
            "host": "[2001:DB8::1]", "port": 65535, "username": "backup", "password": "p", "private_key": "id_ed25519",
            "passphrase": "q", "known_hosts": "known_hosts", "host_key": pin, "directory": "~/in",
            "temporary_prefix": "", "connections": 8, "timeout_seconds": 1
        },
        "retention": {
            "keep_days": 36500, "keep_at_least": 1, "keep_daily": 7, "keep_weekly": 5, "keep_monthly": 12, "keep_yearly": 100000, "remove": "prune"
        },
        "alarm": {"smaller_than_percent": 0, "larger_than_percent": 100},
        "hooks": {
            "before": {"command": ["/bin/sh", "-c", "true"], "timeout_seconds": 5, "environment": ["PGHOST", "PGUSER"]},
            "after": {"command": ["./after"], "timeout_seconds": null, "environment": null}
        },
        "retry": {"attempts": 1, "first_pause_seconds": 0, "max_pause_seconds": 0},
        "run": {"deadline_minutes": 10080},
        "log": {"file": "/nonexistent/nightly.log", "format": "json", "level": "warning"},
        "email": {
            "send": "error", "from": "Nightly <a@example.com>", "to": ["b@example.com", "C <c@example.com>"],
            "server": {
                "host": "mail.example.com", "port": 2525, "security": "starttls", "username": "mail", "password": "m",
                "ca_file": "ca.pem"
            },
            "subject": "Dump", "attach_log": false
        },
        "mattermost": {
            "send": "warning", "webhook_url": "http://localhost:8065/hooks/x", "username": "Dump",
            "icon_url": "https://example.com/icon.png", "ca_file": "ca.pem"
        },
        "monitor": {"ping_url": "http://127.0.0.1/ping/x", "ca_file": "ca.pem"},
        "metrics": {"textfile": "/nonexistent/job.prom"},
    }));
    let folder = fixture.folder();

    let source = config.source;
    assert_eq!(source.url.as_str(), "http://127.0.0.1:8080/dump.zip?key=value");
    assert_eq!(source.public_url(), "http://127.0.0.1:8080/dump.zip?…");
    assert_eq!((source.dump.as_str(), source.timezone), ("a/dump.sql", Some(chrono_tz::Asia::Tokyo)));
    assert_eq!((source.max_age_days, source.max_dump_bytes), (2, u64::MAX));
    assert_eq!(source.ca_file, Some(folder.join("ca.pem")));
    let identity = source.client_identity.unwrap();
    assert_eq!((identity.certificate, identity.key), (folder.join("client.pem"), folder.join("client.key")));
    let credentials = source.credentials.unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.expose_secret()), ("web", "web-secret"));
    assert_eq!(source.proxy.unwrap().expose_secret(), "http://proxy.example:3128");
    assert_eq!(source.timeout, Duration::from_secs(3600));

    let date = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    assert_eq!(config.archive.name.file_name(date), "db-2026-11-23.tgz");
    assert_eq!(config.archive.compression, Compression::Level(9));
    assert_eq!(config.archive.work_directory, PathBuf::from("/tmp"));

    let sftp = config.sftp;
    assert_eq!((sftp.host.as_str(), sftp.port, sftp.username.as_str()), ("2001:db8::1", 65_535, "backup"));
    assert_eq!(sftp.password.unwrap().expose_secret(), "p");
    assert_eq!(sftp.private_key, Some(folder.join("id_ed25519")));
    assert_eq!(sftp.passphrase.unwrap().expose_secret(), "q");
    assert_eq!(sftp.agent_socket, Some(PathBuf::from("/run/agent")));
    assert_eq!(sftp.known_hosts, folder.join("known_hosts"));
    assert_eq!(sftp.host_key, HostKeyPolicy::Pinned(pin.to_owned()));
    // The server interprets this path, so it is not expanded.
    assert_eq!(sftp.directory, "~/in");
    assert_eq!((sftp.temporary_prefix.as_str(), sftp.connections, sftp.timeout), ("", 8, Duration::from_secs(1)));

    let Policy { keep_days, keep_at_least, keep_daily, keep_weekly, keep_monthly, keep_yearly, remover } =
        config.retention;
    assert_eq!((keep_days, keep_at_least, remover), (36_500, 1, Remover::Prune));
    assert_eq!([keep_daily, keep_weekly, keep_monthly, keep_yearly], [7, 5, 12, 100_000]);
    assert_eq!(config.alarm, Some(Bounds { smaller_than_percent: 0, larger_than_percent: 100 }));
    let (before, after) = (config.hooks.before.unwrap(), config.hooks.after.unwrap());
    assert_eq!(before.command.program, PathBuf::from("/bin/sh"));
    assert_eq!(
        (before.command.arguments, before.limit),
        (vec!["-c".to_owned(), "true".to_owned()], Duration::from_secs(5))
    );
    assert_eq!(before.environment, ["PGHOST", "PGUSER"]);
    assert_eq!((after.command.program, after.limit), (folder.join("after"), Duration::from_secs(600)));
    assert!(after.command.arguments.is_empty() && after.environment.is_empty());
    assert_eq!((config.retry.attempts, config.retry.first_pause), (1, Duration::ZERO));
    assert_eq!(config.run.deadline, Duration::from_secs(604_800));
    assert_eq!(config.log.file.path(), Some(Path::new("/nonexistent/nightly.log")));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Warning));

    let email = config.reports.email.unwrap();
    assert_eq!((email.send, email.subject.as_str(), email.attach_log), (SendOn::Error, "Dump", false));
    assert_eq!(email.from.to_string(), "Nightly <a@example.com>");
    let to: Vec<&str> = email.to.iter().map(|mailbox| mailbox.email.as_ref()).collect();
    assert_eq!(to, ["b@example.com", "c@example.com"]);
    let server = email.server.unwrap();
    assert_eq!((server.host.as_str(), server.port), ("mail.example.com", 2525));
    assert_eq!((server.security, server.ca_file), (MailSecurity::Starttls, Some(folder.join("ca.pem"))));
    assert_eq!(server.credentials.unwrap().password.expose_secret(), "m");

    let mattermost = config.reports.mattermost.unwrap();
    assert_eq!(mattermost.send, SendOn::Warning);
    assert_eq!(mattermost.webhook_url.expose_secret(), "http://localhost:8065/hooks/x");
    assert_eq!(mattermost.username.as_deref(), Some("Dump"));
    assert_eq!(mattermost.icon_url.as_deref(), Some("https://example.com/icon.png"));
    assert_eq!(mattermost.ca_file, Some(folder.join("ca.pem")));

    let monitor = config.reports.monitor.unwrap();
    assert_eq!(monitor.ping_url.expose_secret(), "http://127.0.0.1/ping/x");
    assert_eq!(monitor.ca_file, Some(folder.join("ca.pem")));
    assert_eq!(config.reports.metrics.unwrap().textfile, PathBuf::from("/nonexistent/job.prom"));
}

#[test]
fn the_default_mail_port_depends_on_the_security() {
    let fixture = Fixture::new();
    for (security, port) in [("tls", 465), ("starttls", 587), ("none", 25)] {
        let config = fixture.loaded(&with(&with_reports(), "email.server.security", json!(security)));
        assert_eq!(config.reports.email.unwrap().server.unwrap().port, port);
    }
}

#[test]
fn without_a_mail_server_sendmail_is_used() {
    let config = Fixture::new().loaded(&with(&with_reports(), "email.server", Value::Null));
    assert!(config.reports.email.unwrap().server.is_none());
}

#[test]
fn an_agent_or_a_key_is_enough() {
    let without_password = with(&minimal(), "sftp.password", Value::Null);
    let agent = Fixture::new().variable("SSH_AUTH_SOCK", "/run/agent");
    assert_eq!(agent.loaded(&without_password).sftp.agent_socket, Some(PathBuf::from("/run/agent")));

    let key = Fixture::new();
    key.file("id", "a key", 0o600);
    key.loaded(&with(&without_password, "sftp.private_key", json!("id")));
}

#[test]
fn a_slash_after_a_file_name_is_ignored_except_for_the_log() {
    let fixture = Fixture::new();
    let file = fixture.file("authority.pem", CERTIFICATE, 0o644);
    // The schema, which warns in editors, is stricter.
    let load = |path: &str, value: &str| fixture.load_bytes(with(&minimal(), path, json!(value)).to_string());
    assert_eq!(load("source.ca_file", "authority.pem/").unwrap().source.ca_file, Some(file));
    let known_hosts = load("sftp.known_hosts", "missing/").unwrap().sftp.known_hosts;
    assert_eq!(known_hosts, fixture.folder().join("missing"));
    assert!(load("log.file", "log.log/").is_err());
}

#[test]
fn the_default_known_hosts_are_not_checked_in_place_of_an_invalid_path() {
    let mut value = with(&minimal(), "sftp.known_hosts", json!(5));
    value["sftp"]["host_key"] = json!("strict");
    assert_eq!(Fixture::new().mistakes(&value).len(), 1);
}
