//! The folders, servers and configurations of a sweep or soak.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{io, thread};

use chrono::NaiveDate;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::dump;
use super::encrypted::{Key, unpaired};
use super::folder::{Listing, stable_listing};
use super::model::{KEEP_AT_LEAST, KEEP_DAYS};
use crate::servers::certificates::write_private;
use crate::servers::listener::loopback;
use crate::servers::{Authority, HttpsServer, SftpServer, SmtpServer, SshKey, WebhookServer, https, sftp, times};

pub const DIRECTORY: &str = "archives";
const PASSWORD: &str = "sftp-p4ssword";
/// Below the ephemeral ports.
const WEB_PORTS: std::ops::Range<u16> = 20_000..32_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// The job under test.
    Own,
    /// The same job on another machine. Only the path of the configuration differs, and so the id.
    OnSecondMachine,
    /// Another job with another ZIP, which delivers to the same folder by mistake.
    Other,
}

pub struct Site {
    folder: PathBuf,
    host_key: SshKey,
    web_port: u16,
    /// Encrypts all archives, if any.
    key: Option<Key>,
}

pub struct Servers {
    pub web: HttpsServer,
    pub sftp: SftpServer,
    pub mail: SmtpServer,
    pub webhook: WebhookServer,
}

impl Job {
    const ALL: [Job; 3] = [Job::Own, Job::OnSecondMachine, Job::Other];

    pub fn zip(self) -> &'static str {
        match self {
            Job::Own | Job::OnSecondMachine => "my_zip.zip",
            Job::Other => "other_zip.zip",
        }
    }

    fn file(self, name: &str) -> String {
        let prefix = match self {
            Job::Own => "",
            Job::OnSecondMachine => "second_",
            Job::Other => "other_",
        };
        format!("{prefix}{name}")
    }
}

impl Site {
    /// Recreates `folder`.
    pub fn new(folder: &Path, key: Option<Key>) -> io::Result<Site> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        for name in ["web", "work", "tmp"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::create_dir_all(folder.join("sftp").join(DIRECTORY))?;
        Authority::shared().write(folder);
        let folder = folder.canonicalize()?;
        Ok(Site { folder, host_key: SshKey::ed25519(), web_port: free_port(), key })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The archive folder on this machine.
    pub fn destination(&self) -> PathBuf {
        self.path("sftp").join(DIRECTORY)
    }

    /// The content of the archive folder, with archives as if they were not encrypted.
    pub fn listing(&self) -> Listing {
        let listing = stable_listing(&self.destination());
        self.key.as_ref().map_or_else(|| listing.clone(), |key| key.view(listing.clone()))
    }

    /// One message for each encrypted archive without its checksum file, and for each checksum file without its archive.
    pub fn unpaired(&self) -> Vec<String> {
        unpaired(&stable_listing(&self.destination()))
    }

    pub fn zip(&self, job: Job) -> PathBuf {
        self.path("web").join(job.zip())
    }

    /// Always on the same port, since archives contain a mark of the URL of their ZIP.
    pub fn web(&self) -> https::Builder {
        // Connections to the previous server may still be open.
        while TcpListener::bind(loopback(self.web_port)).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
        HttpsServer::builder(&self.path("web")).port(self.web_port)
    }

    /// Always with the same host key, and so slow that the program opens several connections.
    pub fn sftp(&self) -> sftp::Builder {
        let server = SftpServer::builder(&self.path("sftp")).host_key(self.host_key.clone()).password(PASSWORD);
        server.stat_delay(Duration::from_millis(20))
    }

    /// The first four bytes of SHA-256 over machine, user and configuration.
    pub fn id(&self, job: Job) -> String {
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let machine = match machine.trim() {
            "" | "uninitialized" => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            id => id.to_owned(),
        };
        let (user, config) = (rustix::process::geteuid().as_raw(), self.path(&job.file("config.json")));
        let digest = Sha256::digest(format!("{machine}\0{user}\0{}", config.display()));
        digest[..4].iter().fold(String::new(), |mut id, byte| {
            write!(id, "{byte:02x}").unwrap();
            id
        })
    }

    /// A run of `job` for `date`, with a new log. Earlier archives get modification times from their names, since only
    /// `date` simulates the passing of time.
    pub fn command(&self, job: Job, servers: &Servers, sftp: &SftpServer, date: NaiveDate) -> Command {
        times::set_from_names(&self.destination());
        let config = json!({
            "source": {
                "url": servers.web.url(&format!("/{}", job.zip())), "dump": dump::NAME, "ca_file": "ca.pem",
                "timeout_seconds": 2,
            },
            "archive": {
                "work_directory": "work",
                "encrypt_to": self.key.as_ref().map(|key| [key.recipient()]),
            },
            "sftp": {
                "host": sftp.host(), "port": sftp.port(), "username": sftp.username(), "password": PASSWORD,
                "known_hosts": job.file("known_hosts"), "directory": DIRECTORY, "timeout_seconds": 10,
            },
            "retention": {"keep_days": KEEP_DAYS, "keep_at_least": KEEP_AT_LEAST},
            "retry": {"attempts": 3, "first_pause_seconds": 0, "max_pause_seconds": 0},
            "log": {"file": job.file("log.log")},
            "email": {
                "server": {
                    "host": servers.mail.host(), "port": servers.mail.port(), "security": "tls", "ca_file": "ca.pem",
                },
                "from": "reports@example.org", "to": ["operator@example.org"],
            },
            "mattermost": {"webhook_url": servers.webhook.url(), "ca_file": "ca.pem"},
        });
        let path = self.path(&job.file("config.json"));
        write_private(&path, config.to_string().as_bytes());
        let _ = fs::remove_file(self.path(&job.file("log.log")));
        let output = File::create(self.path(&job.file("output.txt"))).unwrap();
        let mut command = Command::new(crate::program());
        command.args(["run", "--config"]).arg(path).args(["--date", &date.to_string()]);
        command.env("TZ", "UTC").env("TMPDIR", self.path("tmp")).env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        command
    }

    /// Sets the modification time of `name` on the server to `age` ago.
    pub fn set_age(&self, name: &str, age: Duration) {
        let file = File::options().append(true).open(self.destination().join(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    /// The log of the job's last run.
    pub fn log(&self, job: Job) -> String {
        fs::read_to_string(self.path(&job.file("log.log"))).unwrap_or_default()
    }

    /// One message for each unexpected local file.
    pub fn local_leftovers(&self) -> Vec<String> {
        let names = |folder: &'static str| {
            stable_listing(&self.path(folder)).into_keys().map(move |name| format!("{folder}/{name}"))
        };
        let job_files = ["config.json", "known_hosts", "log.log", "output.txt"];
        let is_known = |name: &str| {
            ["web", "work", "tmp", "sftp", "ca.pem"].contains(&name)
                || Job::ALL.iter().any(|job| job_files.iter().any(|file| job.file(file) == name))
        };
        let own = stable_listing(&self.folder).into_keys().filter(|name| !is_known(name));
        let left = own.chain(names("work")).chain(names("tmp"));
        left.map(|name| format!("{name} is left on this machine")).collect()
    }
}

/// A port without a listener, which no outgoing connection uses.
fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(WEB_PORTS));
    ports.find(|port| TcpListener::bind(loopback(*port)).is_ok()).unwrap()
}
