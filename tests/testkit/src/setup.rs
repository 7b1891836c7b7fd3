//! A working setup, for tests to break: a fresh dump on a TLS web server, OpenSSH, an SMTP server with TLS and a login, a
//! webhook, and a configuration for all of them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use std::{fs, thread};

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use scripting_system::disk::job_id::JobId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::servers::listener::loopback;
use crate::servers::sftp::Builder;
use crate::servers::smtp::Security;
use crate::servers::{Authority, Entry, HttpsServer, Proxy, SftpServer, SmtpServer, WebhookServer, Zip, zips};
use crate::sshd::Sshd;

pub const DUMP: &str = "dumpfile.sql";
/// User name and password of the mail server.
pub const MAIL_LOGIN: (&str, &str) = ("reports@example.org", "mail-p4ssword");

/// The password of the embedded SFTP server.
pub const SFTP_PASSWORD: &str = "sftp-p4ssword";

pub struct Setup {
    folder: TempDir,
    pub config: Value,
    pub dump: Vec<u8>,
    pub modified: DateTime<Utc>,
    pub web: HttpsServer,
    pub sshd: Sshd,
    pub mail: SmtpServer,
    pub webhook: WebhookServer,
}

pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub log: String,
}

impl Setup {
    /// A fresh dump of 200 kB, and an sshd with an ed25519 host key.
    pub fn new() -> Setup {
        Setup::with_sshd(Sshd::start(&["ed25519"]))
    }

    pub fn with_sshd(sshd: Sshd) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("web")).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        let web = HttpsServer::builder(&folder.path().join("web")).start();
        let mail = SmtpServer::builder(Security::Tls).login(MAIL_LOGIN.0, MAIL_LOGIN.1).start();
        let webhook = WebhookServer::builder().start();
        let ca = Authority::shared().write(folder.path());
        let config = json!({
            "source": {"url": web.url("/my_zip.zip"), "dump": DUMP, "ca_file": ca},
            "archive": {"work_directory": "work"},
            "sftp": {
                "host": "127.0.0.1", "port": sshd.port(), "username": username(),
                "private_key": sshd.user_key(), "known_hosts": "known_hosts", "directory": sshd.directory,
            },
            "retry": {"attempts": 2, "first_pause_seconds": 0, "max_pause_seconds": 0},
            "log": {"file": "log.log"},
            "email": {
                "server": {
                    "host": mail.host(), "port": mail.port(), "security": "tls", "username": MAIL_LOGIN.0,
                    "password": MAIL_LOGIN.1, "ca_file": ca,
                },
                "from": "reports@example.org", "to": ["operator@example.org"],
            },
            "mattermost": {"webhook_url": webhook.url(), "ca_file": ca},
        });
        let dump = zips::sql_dump(200_000);
        let modified = Utc::now().trunc_subsecs(0);
        let setup = Setup { folder, config, dump, modified, web, sshd, mail, webhook };
        setup.publish(&Zip::new().with(setup.entry()));
        setup
    }

    pub fn publish(&self, zip: &Zip) {
        zip.write(&self.path("web/my_zip.zip"));
    }

    /// Like [`new`](Setup::new), but accepts a dump of the day before, since the run may start after midnight.
    pub fn around_midnight() -> Setup {
        let mut setup = Setup::new();
        setup.set("source.max_age_days", json!(1));
        setup
    }

    /// Publishes a dump that is stale even if the run starts after midnight.
    pub fn make_stale(&mut self) {
        self.publish_dump_of(self.modified - TimeDelta::days(3));
    }

    /// The dump as an entry of its ZIP.
    pub fn entry(&self) -> Entry {
        Entry::new(DUMP, self.dump.clone()).extended_time(self.modified)
    }

    /// Replaces the ZIP by `bytes`.
    pub fn publish_bytes(&self, bytes: &[u8]) {
        fs::write(self.path("web/my_zip.zip"), bytes).unwrap();
    }

    pub fn publish_dump_of(&mut self, modified: DateTime<Utc>) {
        self.modified = modified;
        self.publish(&Zip::new().with(self.entry()));
    }

    /// Sets the value of the key at `path`, such as `sftp.host`.
    pub fn set(&mut self, path: &str, value: Value) -> &mut Setup {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (section, key) = pointer.rsplit_once('/').unwrap();
        let section = self.config.pointer_mut(section).unwrap_or_else(|| panic!("no section for {path}"));
        section[key] = value;
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write_config(&self) -> PathBuf {
        let path = self.path("config.json");
        fs::write(&path, serde_json::to_vec_pretty(&self.config).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn run(&self) -> Outcome {
        self.run_with(&[])
    }

    pub fn run_with(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command(arguments);
        self.outcome(command.output().unwrap())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of("run", arguments)
    }

    /// Runs a command other than `run`.
    pub fn call(&self, command: &str, arguments: &[&str]) -> Outcome {
        self.outcome(self.command_of(command, arguments).output().unwrap())
    }

    /// The program with a command, the configuration and the zone UTC.
    pub fn command_of(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = Command::new(crate::program());
        let command = program.arg(command).arg("--config").arg(self.write_config()).args(arguments);
        command.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
        program
    }

    /// Replaces OpenSSH by an embedded SFTP server with `faults`.
    pub fn serve_sftp(&mut self, faults: impl FnOnce(Builder) -> Builder) -> SftpServer {
        let root = self.path("sftp");
        fs::create_dir(&root).unwrap();
        let server = faults(SftpServer::builder(&root)).password(SFTP_PASSWORD).start();
        self.set("sftp.port", json!(server.port())).set("sftp.username", json!(server.username()));
        self.set("sftp.private_key", json!(null)).set("sftp.password", json!(SFTP_PASSWORD));
        self.set("sftp.directory", json!("."));
        self.sshd.directory = root;
        server
    }

    /// Adds a round-trip time of 60 ms to the SFTP server, so that 4 connections are faster than one.
    pub fn slow_down_sftp(&mut self) -> Proxy {
        let port = u16::try_from(self.config["sftp"]["port"].as_u64().unwrap()).unwrap();
        let proxy = Proxy::builder(loopback(port)).round_trip(Duration::from_millis(60)).start();
        self.set("sftp.port", json!(proxy.port())).set("sftp.connections", json!(6));
        proxy
    }

    /// Calls `test` with OpenSSH, then with the embedded SFTP server.
    pub fn on_each_server(test: impl Fn(&mut Setup)) {
        test(&mut Setup::new());
        let mut setup = Setup::new();
        let _server = setup.serve_sftp(|builder| builder);
        test(&mut setup);
    }

    pub fn outcome(&self, output: Output) -> Outcome {
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            log: fs::read_to_string(self.path("log.log")).unwrap_or_default(),
        }
    }

    /// The id of the last run in the log (in its text format).
    pub fn run_id(&self) -> String {
        let log = fs::read_to_string(self.path("log.log")).unwrap();
        let (_, rest) = log.lines().last().unwrap().split_once('[').expect("each line has the id of its run");
        rest.split_once(']').unwrap().0.to_owned()
    }

    pub fn archive_name(&self) -> String {
        archive_name(self.modified.date_naive())
    }

    /// The temporary name of this job's upload of `archive`.
    pub fn part_of(&self, archive: &str) -> String {
        format!(".{archive}.{}.part", JobId::new(&self.path("config.json")))
    }

    pub fn archive(&self) -> PathBuf {
        self.sshd.directory.join(self.archive_name())
    }

    pub fn work_directory_is_empty(&self) -> bool {
        fs::read_dir(self.path("work")).unwrap().next().is_none()
    }
}

impl Outcome {
    /// The exit code, the output and the log, for the message of an assertion.
    pub fn all(&self) -> String {
        format!("exit {}\nstdout: {}\nstderr: {}\nlog:\n{}", self.code, self.stdout, self.stderr, self.log)
    }

    #[track_caller]
    pub fn exited_with(&self, code: i32) -> &Outcome {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    #[track_caller]
    pub fn logged(&self, text: &str) -> &Outcome {
        assert!(self.log.contains(text), "the log does not contain {text:?}: {}", self.all());
        self
    }
}

/// The dump that GNU tar extracts from `archive`.
pub fn extract_dump(archive: &Path) -> Vec<u8> {
    let output = Command::new("tar").arg("-xzOf").arg(archive).arg(DUMP).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Waits until `condition` returns true, up to 20 seconds. `what` is for the panic message.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// With the default pattern: year, day, month.
pub fn archive_name(date: NaiveDate) -> String {
    date.format("%Y%d%m.tgz").to_string()
}

/// The current user, who can log in to [`Sshd`].
pub fn username() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
