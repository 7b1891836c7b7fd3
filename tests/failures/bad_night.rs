//! A night with a history on the server, and what all failures have in common: who is told, and what stays.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;

use chrono::{Days, NaiveDate};
use mail_parser::MessageParser;
use serde_json::json;

use testkit::night::archive_name;
use testkit::servers::https::Builder as HttpsBuilder;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::servers::{HttpsServer, SftpServer, times};
use testkit::{Night, Outcome, Sshd};

/// Ages, in days, of the archives that lie on the server beforehand. A good night removes the last two.
const AGES: [u64; 5] = [1, 2, 3, 20, 30];

/// The password of whoever logs in to the embedded SFTP server.
pub(crate) const PASSWORD: &str = "sftp-p4ssword";

/// What lies in a folder: each name with its content, `None` for what is no file.
type Listing = BTreeMap<String, Option<Vec<u8>>>;

/// A night with archives on the server that are old enough to be removed.
pub(crate) struct BadNight {
    night: Night,
    /// The date that the night is for: runs get it as `--date`, so that midnight may pass meanwhile.
    pub(crate) date: NaiveDate,
    /// Where archives go.
    pub(crate) directory: PathBuf,
    sftp: Option<SftpServer>,
    variable: Option<(String, String)>,
    mails_before: Cell<usize>,
    posts_before: Cell<usize>,
}

impl BadNight {
    /// A night against OpenSSH on which all would go well.
    pub(crate) fn new() -> BadNight {
        BadNight::with_sshd(Sshd::start(&["ed25519"]))
    }

    /// The same against another OpenSSH.
    pub(crate) fn with_sshd(sshd: Sshd) -> BadNight {
        let night = Night::with_sshd(sshd);
        let (date, directory) = (night.modified.date_naive(), night.sshd.directory.clone());
        let bad = BadNight {
            night,
            date,
            directory,
            sftp: None,
            variable: None,
            mails_before: Cell::default(),
            posts_before: Cell::default(),
        };
        bad.plant(&AGES);
        bad
    }

    /// A night against the embedded SFTP server, made difficult by `faults`, which takes [`PASSWORD`].
    pub(crate) fn with_sftp(faults: impl FnOnce(SftpBuilder) -> SftpBuilder) -> BadNight {
        let mut bad = BadNight::new();
        let root = bad.path("sftp");
        bad.directory = root.join("archives");
        fs::create_dir_all(&bad.directory).unwrap();
        let server = faults(SftpServer::builder(&root)).password(PASSWORD).start();
        for (key, value) in [
            ("port", json!(server.port())),
            ("username", json!(server.username())),
            ("directory", json!("archives")),
            ("private_key", json!(null)),
            ("password", json!(PASSWORD)),
        ] {
            bad.set(&format!("sftp.{key}"), value);
        }
        bad.sftp = Some(server);
        bad.plant(&AGES);
        bad
    }

    /// The embedded SFTP server.
    pub(crate) fn sftp(&self) -> &SftpServer {
        self.sftp.as_ref().unwrap()
    }

    /// Replaces the web server by one that `faults` make difficult.
    pub(crate) fn serve(&mut self, faults: impl FnOnce(HttpsBuilder) -> HttpsBuilder) -> &mut BadNight {
        self.night.web = faults(HttpsServer::builder(&self.path("web"))).start();
        let url = self.web.url("/my_zip.zip");
        self.set("source.url", json!(url));
        self
    }

    /// Has the program see this variable of the environment.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.variable = Some((name.to_owned(), value.to_owned()));
    }

    /// The name of the archive of `days` days before the night.
    pub(crate) fn archive_of(&self, days: u64) -> String {
        archive_name(self.date - Days::new(days))
    }

    /// Puts archives of these ages, in days, onto the server.
    pub(crate) fn plant(&self, ages: &[u64]) {
        for age in ages {
            fs::write(self.directory.join(self.archive_of(*age)), format!("{age} days old")).unwrap();
        }
        times::set_as_named(&self.directory);
    }

    /// What lies on the server.
    pub(crate) fn listing(&self) -> Listing {
        let entries = fs::read_dir(&self.directory).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok())).collect()
    }

    /// The names of what lies on the server, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.listing().into_keys().collect()
    }

    /// The command that does this night's work.
    pub(crate) fn command(&self) -> Command {
        let _ = fs::remove_file(self.path("log.log"));
        self.mails_before.set(self.mail.messages().len());
        self.posts_before.set(self.webhook.posts().len());
        let mut command = self.night.command(&["--date", &self.date.to_string()]);
        command.envs(self.variable.clone());
        command
    }

    /// Does this night's work.
    pub(crate) fn run(&self) -> Outcome {
        let output = self.command().output().unwrap();
        self.outcome(output)
    }

    /// Does this night's work, which must fail: exit 4; every channel tells, and the log, the mail and stderr tell
    /// each of `words`; nothing on the server has changed; no temporary file is left.
    #[track_caller]
    pub(crate) fn must_fail(&self, words: &[&str]) -> Outcome {
        let before = self.listing();
        let outcome = self.run();
        self.has_told(&outcome, 4, "ERROR", words);
        assert!(outcome.stderr.contains("FAILED at"), "{}", outcome.all());
        assert!(self.listing() == before, "{:?} on the server: {}", self.names(), outcome.all());
        let (subject, _) = self.the_mail();
        assert!(subject.contains("FAILED at"), "{subject}");
        assert!(self.the_post().contains(":no_entry:"), "{}", self.the_post());
        outcome
    }

    /// Does this night's work, which must end with warnings: exit 1, and the log, the mail and stderr tell `words`.
    #[track_caller]
    pub(crate) fn must_warn(&self, words: &[&str]) -> Outcome {
        let outcome = self.run();
        self.has_told(&outcome, 1, "WARNING", words);
        outcome
    }

    #[track_caller]
    fn has_told(&self, outcome: &Outcome, code: i32, level: &str, words: &[&str]) {
        outcome.exited_with(code);
        let lines: Vec<&str> = outcome.log.lines().filter(|line| line.contains(level)).collect();
        let (_, mail) = self.the_mail();
        for word in words {
            assert!(
                lines.iter().any(|line| line.contains(word)),
                "no {level} with {word:?} in the log: {}",
                outcome.all()
            );
            assert!(outcome.stderr.contains(word), "{word:?} is not told on stderr: {}", outcome.all());
            assert!(mail.contains(word), "{word:?} is not told in the mail: {mail}");
        }
        assert!(outcome.stdout.is_empty(), "{}", outcome.all());
        self.the_post();
        self.leaves_no_temporary_file();
    }

    #[track_caller]
    pub(crate) fn leaves_no_temporary_file(&self) {
        assert!(self.work_directory_is_empty(), "something is left in the work directory");
    }

    /// Subject and text of the one mail of the last run.
    #[track_caller]
    pub(crate) fn the_mail(&self) -> (String, String) {
        let mails = self.mail.messages().split_off(self.mails_before.get());
        assert_eq!(mails.len(), 1, "mails");
        let mail = MessageParser::default().parse(&mails[0].raw).unwrap();
        (mail.subject().unwrap().to_owned(), mail.body_text(0).unwrap().replace("\r\n", "\n"))
    }

    /// The text of the one Mattermost message of the last run.
    #[track_caller]
    pub(crate) fn the_post(&self) -> String {
        let mut posts = self.webhook.posts().split_off(self.posts_before.get());
        assert_eq!(posts.len(), 1, "posts");
        posts.remove(0).text
    }
}

impl Deref for BadNight {
    type Target = Night;

    fn deref(&self) -> &Night {
        &self.night
    }
}

impl DerefMut for BadNight {
    fn deref_mut(&mut self) -> &mut Night {
        &mut self.night
    }
}
