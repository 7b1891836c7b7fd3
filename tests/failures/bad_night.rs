//! A job with archives on the server, and assertions about its reports and the server's files.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;

use chrono::{Days, NaiveDate};
use mail_parser::MessageParser;
use serde_json::json;
use testkit::servers::https::Builder as HttpsBuilder;
use testkit::servers::sftp::Builder as SftpBuilder;
use testkit::servers::zips::noise;
use testkit::servers::{HttpsServer, SftpServer, times};
use testkit::setup::archive_name;
use testkit::{Outcome, Setup, Sshd};

pub(crate) const OLDER_ATTEMPT: &[u8] = b"an older attempt";

/// Ages of the archives on the server before the run, in days. A successful run removes the last two.
const AGES: [u64; 5] = [1, 2, 3, 20, 30];

pub(crate) const PASSWORD: &str = "sftp-p4ssword";

/// The names in a folder with their content; `None` for anything but a file.
type Listing = BTreeMap<String, Option<Vec<u8>>>;

/// A job for tests of faults. The server has archives, two of which have expired.
pub(crate) struct BadNight {
    setup: Setup,
    /// Passed to runs as `--date`, so that midnight during the test does no harm.
    pub(crate) date: NaiveDate,
    /// The folder on the server.
    pub(crate) directory: PathBuf,
    sftp: Option<SftpServer>,
    variable: Option<(String, String)>,
    mails_before: Cell<usize>,
    posts_before: Cell<usize>,
}

impl BadNight {
    /// A job that delivers to OpenSSH, without faults.
    pub(crate) fn new() -> BadNight {
        BadNight::with_sshd(Sshd::start(&["ed25519"]))
    }

    /// A job that delivers to `sshd`.
    pub(crate) fn with_sshd(sshd: Sshd) -> BadNight {
        let setup = Setup::with_sshd(sshd);
        let (date, directory) = (setup.modified.date_naive(), setup.sshd.directory.clone());
        let bad = BadNight {
            setup,
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

    /// A job that delivers to the embedded SFTP server with `faults`. The server accepts [`PASSWORD`].
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

    pub(crate) fn sftp(&self) -> &SftpServer {
        self.sftp.as_ref().unwrap()
    }

    /// Replaces the web server with one with `faults`.
    pub(crate) fn serve(&mut self, faults: impl FnOnce(HttpsBuilder) -> HttpsBuilder) -> &mut BadNight {
        self.setup.web = faults(HttpsServer::builder(&self.path("web"))).start();
        let url = self.web.url("/my_zip.zip");
        self.set("source.url", json!(url));
        self
    }

    /// Sets an environment variable for the program.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.variable = Some((name.to_owned(), value.to_owned()));
    }

    /// The name of the archive for `days` days before the run's date.
    pub(crate) fn archive_aged(&self, days: u64) -> String {
        archive_name(self.date - Days::new(days))
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.directory.join(self.archive_aged(0))
    }

    /// The name of the first replaced archive of the date.
    pub(crate) fn old_name(&self) -> String {
        format!("{}.old", self.archive_aged(0))
    }

    /// Publishes an incompressible dump of `size` bytes.
    pub(crate) fn enlarge(&mut self, size: usize) {
        self.dump = noise(size);
        let modified = self.modified;
        self.publish_dump_of(modified);
    }

    /// Creates a file with different bytes under the run's final name.
    pub(crate) fn plant_older_attempt(&self) {
        fs::write(self.archive(), OLDER_ATTEMPT).unwrap();
    }

    /// Creates archives of these ages, in days, on the server.
    pub(crate) fn plant(&self, ages: &[u64]) {
        for age in ages {
            fs::write(self.directory.join(self.archive_aged(*age)), format!("{age} days old")).unwrap();
        }
        times::set_from_names(&self.directory);
    }

    pub(crate) fn listing(&self) -> Listing {
        let entries = fs::read_dir(&self.directory).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok())).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.listing().into_keys().collect()
    }

    pub(crate) fn is_delivered(&self) -> bool {
        self.archive().is_file()
    }

    /// Asserts that the server has exactly the archives of these ages, in days.
    #[track_caller]
    pub(crate) fn assert_holds_exactly(&self, ages: &[u64]) {
        let mut expected: Vec<String> = ages.iter().map(|age| self.archive_aged(*age)).collect();
        expected.sort();
        assert_eq!(self.names(), expected);
    }

    /// Asserts that all of `before` is unchanged on the server.
    #[track_caller]
    pub(crate) fn assert_still_holds(&self, before: &Listing) {
        let now = self.listing();
        assert!(before.iter().all(|(name, content)| now.get(name) == Some(content)), "{:?}", self.names());
    }

    #[track_caller]
    pub(crate) fn assert_no_upload(&self) {
        assert!(self.names().iter().all(|name| !name.starts_with('.')), "{:?}", self.names());
    }

    pub(crate) fn command(&self) -> Command {
        let _ = fs::remove_file(self.path("log.log"));
        self.mails_before.set(self.mail.messages().len());
        self.posts_before.set(self.webhook.posts().len());
        let mut command = self.setup.command(&["--date", &self.date.to_string()]);
        command.envs(self.variable.clone());
        command
    }

    pub(crate) fn run(&self) -> Outcome {
        let output = self.command().output().unwrap();
        self.outcome(output)
    }

    /// Runs the job and asserts that it fails: exit code 4, a report on every channel, each of `words` in the log, the mail and
    /// stderr, no change on the server, and no temporary file.
    #[track_caller]
    pub(crate) fn must_fail(&self, words: &[&str]) -> Outcome {
        let before = self.listing();
        let outcome = self.run();
        self.assert_reported(&outcome, 4, "ERROR", words);
        assert!(outcome.stderr.contains("FAILED at"), "{}", outcome.all());
        assert!(self.listing() == before, "{:?} on the server: {}", self.names(), outcome.all());
        let (subject, _) = self.last_mail();
        assert!(subject.contains("FAILED at"), "{subject}");
        assert!(self.last_post().contains(":no_entry:"), "{}", self.last_post());
        outcome
    }

    /// Runs the job and asserts that it ends with warnings: exit code 1, and each of `words` in the log, the mail and stderr.
    #[track_caller]
    pub(crate) fn must_warn(&self, words: &[&str]) -> Outcome {
        let outcome = self.run();
        self.assert_reported(&outcome, 1, "WARNING", words);
        outcome
    }

    #[track_caller]
    fn assert_reported(&self, outcome: &Outcome, code: i32, level: &str, words: &[&str]) {
        outcome.exited_with(code);
        let lines: Vec<&str> = outcome.log.lines().filter(|line| line.contains(level)).collect();
        let (_, mail) = self.last_mail();
        for word in words {
            assert!(
                lines.iter().any(|line| line.contains(word)),
                "no {level} with {word:?} in the log: {}",
                outcome.all()
            );
            assert!(outcome.stderr.contains(word), "{word:?} is not on stderr: {}", outcome.all());
            assert!(mail.contains(word), "{word:?} is not in the mail: {mail}");
        }
        assert!(outcome.stdout.is_empty(), "{}", outcome.all());
        self.last_post();
        self.assert_no_temporary_file();
    }

    #[track_caller]
    pub(crate) fn assert_no_temporary_file(&self) {
        assert!(self.work_directory_is_empty(), "the work directory is not empty");
    }

    /// Subject and text of the last run's mail, of which there must be exactly one.
    #[track_caller]
    pub(crate) fn last_mail(&self) -> (String, String) {
        let mails = self.mail.messages().split_off(self.mails_before.get());
        assert_eq!(mails.len(), 1, "mails");
        let mail = MessageParser::default().parse(&mails[0].raw).unwrap();
        (mail.subject().unwrap().to_owned(), mail.body_text(0).unwrap().replace("\r\n", "\n"))
    }

    /// The text of the last run's Mattermost message, of which there must be exactly one.
    #[track_caller]
    pub(crate) fn last_post(&self) -> String {
        let mut posts = self.webhook.posts().split_off(self.posts_before.get());
        assert_eq!(posts.len(), 1, "posts");
        posts.remove(0).text
    }
}

impl Deref for BadNight {
    type Target = Setup;

    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl DerefMut for BadNight {
    fn deref_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }
}
