//! Where the nights take place: the folders, the servers and the configuration that leads to them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::NaiveDate;
use serde_json::json;

use super::dump;
use super::folder::{Listing, settled};
use super::model::{KEEP_AT_LEAST, KEEP_DAYS};
use crate::servers::certificates::write_private;
use crate::servers::smtp::Security;
use crate::servers::{Authority, HttpsServer, SftpServer, SmtpServer, SshKey, WebhookServer, https, sftp, times};

/// The folder on the SFTP server.
pub const DIRECTORY: &str = "archives";
const ZIP: &str = "my_zip.zip";
const PASSWORD: &str = "sftp-p4ssword";

/// Folders, and the program that is tried.
pub struct Site {
    folder: PathBuf,
    program: PathBuf,
    host_key: SshKey,
}

/// Everything that a run meets.
pub struct Servers {
    /// Publishes the ZIP.
    pub web: HttpsServer,
    /// Takes the archives.
    pub sftp: SftpServer,
    /// Takes the mail.
    pub mail: SmtpServer,
    /// Mattermost's part.
    pub webhook: WebhookServer,
}

impl Site {
    /// Makes `folder` anew.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn new(folder: &Path, program: &Path) -> io::Result<Site> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for name in ["web", "work", "tmp"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::create_dir_all(folder.join("sftp").join(DIRECTORY))?;
        Authority::shared().write(folder);
        Ok(Site { folder: folder.to_owned(), program: program.to_owned(), host_key: SshKey::ed25519() })
    }

    /// A file or folder of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where archives go, on this machine.
    pub fn destination(&self) -> PathBuf {
        self.path("sftp").join(DIRECTORY)
    }

    /// What lies there.
    pub fn listing(&self) -> Listing {
        settled(&self.destination())
    }

    /// Where the ZIP lies that the web server publishes.
    pub fn zip(&self) -> PathBuf {
        self.path("web").join(ZIP)
    }

    /// A web server to be.
    pub fn web(&self) -> https::Builder {
        HttpsServer::builder(&self.path("web"))
    }

    /// An SFTP server to be, always with the same host key. It seems far enough for several connections.
    pub fn sftp(&self) -> sftp::Builder {
        let server = SftpServer::builder(&self.path("sftp")).host_key(self.host_key.clone()).password(PASSWORD);
        server.stat_takes(Duration::from_millis(20))
    }

    /// The command that does the work of the night of `date` against `servers`. The log begins anew. Nights pass by
    /// `date` alone, so that archives of earlier ones get the times they would have by now.
    pub fn command(&self, servers: &Servers, date: NaiveDate) -> Command {
        times::set_as_named(&self.destination());
        let config = json!({
            "source": {
                "url": servers.web.url(&format!("/{ZIP}")), "dump": dump::NAME, "ca_file": "ca.pem",
                "timeout_seconds": 2,
            },
            "archive": {"work_directory": "work"},
            "sftp": {
                "host": servers.sftp.host(), "port": servers.sftp.port(), "username": servers.sftp.username(),
                "password": PASSWORD, "known_hosts": "known_hosts", "directory": DIRECTORY, "timeout_seconds": 10,
            },
            "retention": {"keep_days": KEEP_DAYS, "keep_at_least": KEEP_AT_LEAST},
            "retry": {"attempts": 3, "first_pause_seconds": 0, "max_pause_seconds": 0},
            "log": {"file": "log.log"},
            "email": {
                "server": {
                    "host": servers.mail.host(), "port": servers.mail.port(), "security": "tls", "ca_file": "ca.pem",
                },
                "from": "reports@example.org", "to": ["operator@example.org"],
            },
            "mattermost": {"webhook_url": servers.webhook.url(), "ca_file": "ca.pem"},
        });
        let path = self.path("config.json");
        write_private(&path, config.to_string().as_bytes());
        let _ = fs::remove_file(self.path("log.log"));
        let output = File::create(self.path("output.txt")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["run", "--config"]).arg(path).args(["--date", &date.to_string()]);
        command.env("TZ", "UTC").env("TMPDIR", self.path("tmp")).env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        command
    }

    /// The log of the last run.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log.log")).unwrap_or_default()
    }

    /// What the last run left on this machine and should not have.
    pub fn local_leftovers(&self) -> Vec<String> {
        let names =
            |folder: &'static str| settled(&self.path(folder)).into_keys().map(move |name| format!("{folder}/{name}"));
        let known = ["web", "work", "tmp", "sftp", "ca.pem", "config.json", "known_hosts", "log.log", "output.txt"];
        let own = settled(&self.folder).into_keys().filter(|name| !known.contains(&name.as_str()));
        let left = own.chain(names("work")).chain(names("tmp"));
        left.map(|name| format!("{name} is left on this machine")).collect()
    }
}

/// A mail server that takes every mail.
pub fn mail() -> SmtpServer {
    SmtpServer::builder(Security::Tls).start()
}

/// A webhook that takes every message.
pub fn webhook() -> WebhookServer {
    WebhookServer::builder().start()
}
