//! The servers of the demo, their content and the configuration.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Days, Local, NaiveDate, SubsecRound as _};
use scripting_system::disk::job_id::JobId;
use serde_json::{Value, json};
use testkit::Sshd;
use testkit::nights::dump::Dump;
use testkit::servers::certificates::write_private;
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, HttpsServer, PingServer, SftpServer, SmtpServer, SshKey, WebhookServer, zips};
use testkit::setup::{DUMP, archive_name, username};

pub(crate) const DIRECTORY: &str = "TSE-INFORX";
pub(crate) const METRICS: &str = "scripting-system.prom";
const HEADER: &[u8] = b"-- MySQL dump 10.13  Distrib 8.0.40, for Linux (x86_64)\n";
const ZIP: &str = "my_zip.zip";
const DUMP_BYTES: usize = 12 * 1024 * 1024;
const KEEP_DAYS: u64 = 10;
const KEEP_AT_LEAST: u64 = 3;
const WEB_USER: &str = "fetcher";
const WEB_PASSWORD: &str = "a password for the web server";
const MAIL_USER: &str = "reports@example.org";
const MAIL_PASSWORD: &str = "a password for the mail server";

/// An entry on the SFTP server before the run.
#[derive(Clone)]
pub(crate) struct Planted {
    pub name: String,
    /// Whether the run must keep it.
    pub is_kept: bool,
    pub reason: String,
}

pub(crate) struct Stage {
    pub folder: PathBuf,
    pub config: PathBuf,
    /// The SFTP server's folder on this machine.
    pub destination: PathBuf,
    /// The name of the new archive.
    pub archive: String,
    pub dump: Dump,
    /// The content of the folder before the run.
    pub planted: Vec<Planted>,
    pub web: HttpsServer,
    pub sftp: SftpServer,
    pub mail: SmtpServer,
    pub webhook: WebhookServer,
    pub monitor: PingServer,
}

impl Stage {
    /// Recreates `folder` for a run on the date of `now`, and starts the servers.
    pub(crate) fn set_up(folder: &Path, now: DateTime<Local>) -> std::io::Result<Stage> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let private = |name: &str| {
            let path = folder.join(name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map(|()| path)
        };
        let (published, received, secrets) = (private("web_server")?, private("sftp_server")?, private("secrets")?);
        private("work")?;
        let destination = received.join(DIRECTORY);
        fs::create_dir(&destination)?;

        let modified = now.to_utc().trunc_subsecs(0);
        let dump = Dump { content: Arc::new([HEADER, &zips::sql_dump(DUMP_BYTES)].concat()), modified };
        dump.zip().write(&published.join(ZIP));
        let planted = plant(&destination, now.date_naive(), &JobId::new(&folder.join("config.json")))?;

        let user_key = SshKey::ed25519();
        let web = HttpsServer::builder(&published).basic_auth(WEB_USER, WEB_PASSWORD).start();
        let sftp = SftpServer::builder(&received).public_key(&user_key).start();
        let mail = SmtpServer::builder(Security::Tls).login(MAIL_USER, MAIL_PASSWORD).start();
        let webhook = WebhookServer::builder().start();
        let monitor = PingServer::builder().start();

        Authority::shared().write(folder);
        user_key.write(&secrets, "sftp_key");
        write_private(&secrets.join("web_password"), WEB_PASSWORD.as_bytes());
        write_private(&secrets.join("mail_password"), MAIL_PASSWORD.as_bytes());
        write_private(&secrets.join("webhook_url"), webhook.url().as_bytes());
        write_private(&secrets.join("ping_url"), monitor.url().as_bytes());
        let config = folder.join("config.json");
        let text = serde_json::to_string_pretty(&configuration(&web, &sftp, &mail))?;
        write_private(&config, format!("{text}\n").as_bytes());

        let (folder, archive) = (folder.to_owned(), archive_name(now.date_naive()));
        Ok(Stage { folder, config, destination, archive, dump, planted, web, sftp, mail, webhook, monitor })
    }

    /// Writes a configuration for `sshd` instead of the embedded SFTP server.
    pub(crate) fn write_openssh_config(&self, sshd: &Sshd) -> std::io::Result<PathBuf> {
        let mut config = configuration(&self.web, &self.sftp, &self.mail);
        config["sftp"] = json!({
            "host": "127.0.0.1", "port": sshd.port(), "username": username(), "private_key": sshd.user_key(),
            "known_hosts": "known_hosts_openssh", "directory": sshd.directory,
        });
        let path = self.folder.join("config_openssh.json");
        write_private(&path, format!("{}\n", serde_json::to_string_pretty(&config)?).as_bytes());
        Ok(path)
    }
}

/// Copies the files of a folder with their modification times, except today's archive.
pub(crate) fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    let today = archive_name(Local::now().date_naive());
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy() != today {
            let copy = to.join(entry.file_name());
            fs::copy(entry.path(), &copy)?;
            File::options().write(true).open(&copy)?.set_modified(entry.metadata()?.modified()?)?;
        }
    }
    Ok(())
}

/// An archive of a dump of `size` bytes, like those of earlier runs.
fn create_archive(date: NaiveDate, size: usize) -> Vec<u8> {
    let modified = date.and_hms_opt(22, 0, 0).unwrap().and_utc();
    Dump { content: Arc::new(zips::sql_dump(size)), modified }.archive()
}

fn plant(folder: &Path, today: NaiveDate, id: &JobId) -> std::io::Result<Vec<Planted>> {
    let mut planted = Vec::new();
    for age in [40, 12, 11, 10, 9, 8, 7, 5, 4, 3, 2, 1] {
        let date = today - Days::new(age);
        let name = archive_name(date);
        fs::write(folder.join(&name), create_archive(date, DUMP_BYTES - 200_000 * usize::try_from(age).unwrap()))?;
        let written = SystemTime::from(date.and_hms_opt(22, 5, 0).unwrap().and_utc());
        File::options().write(true).open(folder.join(&name))?.set_modified(written)?;
        let is_kept = age <= KEEP_DAYS;
        let days = if age == 1 { "day" } else { "days" };
        let verdict = if is_kept { format!(", kept for {KEEP_DAYS}") } else { ": expired".to_owned() };
        let reason = format!("{age} {days} old{verdict}");
        planted.push(Planted { name, is_kept, reason });
    }
    let leftover = format!(".{}.{id}.part", archive_name(today - Days::new(1)));
    fs::write(folder.join(&leftover), "cut off")?;
    // Old enough for a run with another configuration to remove it too.
    let days_ago = SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
    File::options().write(true).open(folder.join(&leftover))?.set_modified(days_ago)?;
    planted.push(Planted { name: leftover, is_kept: false, reason: "a leftover of an interrupted run".to_owned() });

    let foreign =
        |name: &str, reason: &str| Planted { name: name.to_owned(), is_kept: true, reason: reason.to_owned() };
    let expired = archive_name(today - Days::new(50));
    fs::create_dir(folder.join(&expired))?;
    planted.push(foreign(&expired, "foreign: a folder, despite its name"));
    let link = archive_name(today - Days::new(51));
    symlink("notes.txt", folder.join(&link))?;
    planted.push(foreign(&link, "foreign: a link, despite its name"));
    for (name, reason) in [
        ("notes.txt".to_owned(), "foreign: not the name of an archive"),
        (format!("{expired}.bak"), "foreign: only part of the name is that of an archive"),
        (today.format("%Y3002.tgz").to_string(), "foreign: there is no 30 February"),
    ] {
        fs::write(folder.join(&name), "foreign")?;
        planted.push(foreign(&name, reason));
    }
    Ok(planted)
}

fn configuration(web: &HttpsServer, sftp: &SftpServer, mail: &SmtpServer) -> Value {
    json!({
        "source": {
            "url": web.url(&format!("/{ZIP}")), "dump": DUMP, "ca_file": "ca.pem", "username": WEB_USER,
            "password": {"file": "secrets/web_password"},
        },
        "archive": {"work_directory": "work"},
        "sftp": {
            "host": sftp.host(), "port": sftp.port(), "username": sftp.username(), "private_key": "secrets/sftp_key",
            "known_hosts": "known_hosts", "directory": DIRECTORY,
        },
        "retention": {"keep_days": KEEP_DAYS, "keep_at_least": KEEP_AT_LEAST},
        "alarm": {},
        "run": {"deadline_minutes": 2},
        "log": {"file": "log.log"},
        "email": {
            "server": {
                "host": mail.host(), "port": mail.port(), "security": "tls", "username": MAIL_USER,
                "password": {"file": "secrets/mail_password"}, "ca_file": "ca.pem",
            },
            "from": MAIL_USER, "to": ["operator@example.org"],
        },
        "mattermost": {
            "webhook_url": {"file": "secrets/webhook_url"}, "username": "scripting-system", "ca_file": "ca.pem",
        },
        "monitor": {"ping_url": {"file": "secrets/ping_url"}, "ca_file": "ca.pem"},
        "metrics": {"textfile": METRICS},
    })
}
