//! No secret leaks into any channel, after success or failure, even if a server echoes it.

mod echo;
mod leaks;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::json;
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, Entry, HttpsServer, PingServer, SftpServer, SmtpServer, SshKey, WebhookServer, Zip};
use testkit::setup::{DUMP, MAIL_LOGIN};
use testkit::sshd::generate;
use testkit::{Outcome, Setup};

use self::echo::{HttpEcho, smtp_echo};
use self::leaks::{assert_without, forms};
use crate::decoded_mail::DecodedMail;

const SFTP_PASSWORD: &str = "Sf+tp/P\"W=\\q1Zx";
const PASSPHRASE: &str = "pHr#se&Ke y%7_Zq";
const BASIC_PASSWORD: &str = "bA~s:ic?Pa\"ss-w0rD";
const HEADER: &str = "hEad~er:t0k3n<Zq>";
const MAIL_PASSWORD: &str = "mAil@L<og>in!-{9}Gh";
const WEBHOOK_ID: &str = "hOOkqe1x5bnmyjbjfqjz6pxqk7";
/// The ping key and the check's slug after it.
const PING: [&str; 2] = ["pInGkEy_x5bnmyjbjfqj-z", "cHeck-5bf66975-d4c7"];
/// As written in the URL, and decoded.
const TOKEN: [&str; 2] = ["T0k%2FAbc-dEf_9.%C3%A9Zz", "T0k/Abc-dEf_9.éZz"];

const SECRETS: [&str; 10] = [
    SFTP_PASSWORD,
    PASSPHRASE,
    BASIC_PASSWORD,
    HEADER,
    MAIL_PASSWORD,
    WEBHOOK_ID,
    PING[0],
    PING[1],
    TOKEN[0],
    TOKEN[1],
];

/// A night that uses every secret, each in clear text in the configuration.
struct Fixture {
    setup: Setup,
    sftp: SftpServer,
    mail: SmtpServer,
    webhook: WebhookServer,
    monitor: PingServer,
    _web: HttpsServer,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with_sftp(|server| server)
    }

    fn with_sftp(
        configure: impl FnOnce(testkit::servers::sftp::Builder) -> testkit::servers::sftp::Builder,
    ) -> Fixture {
        let mut setup = Setup::around_midnight();
        fs::create_dir_all(setup.path("sftp/archives")).unwrap();
        let web = HttpsServer::builder(&setup.path("web")).basic_auth("web", BASIC_PASSWORD).start();
        let sftp = SftpServer::builder(&setup.path("sftp")).username("backup").password(SFTP_PASSWORD);
        let sftp = configure(sftp.host_key(SshKey::ed25519())).start();
        let mail = SmtpServer::builder(Security::Tls).login(MAIL_LOGIN.0, MAIL_PASSWORD).start();
        let webhook = WebhookServer::builder().id(WEBHOOK_ID).start();
        let monitor = PingServer::builder().id(&PING.join("/")).start();
        let key = protected_key(&setup);
        let ca = setup.config["mattermost"]["ca_file"].clone();
        setup
            .set("source.url", json!(web.url(&format!("/my_zip.zip?token={}", TOKEN[0]))))
            .set("source.username", json!("web"))
            .set("source.password", json!(BASIC_PASSWORD))
            .set("source.headers", json!({"X-Token": format!("Bearer {HEADER}")}))
            .set("sftp.port", json!(sftp.port()))
            .set("sftp.username", json!("backup"))
            .set("sftp.password", json!(SFTP_PASSWORD))
            .set("sftp.private_key", json!(key))
            .set("sftp.passphrase", json!(PASSPHRASE))
            .set("sftp.directory", json!("archives"))
            .set("email.server.port", json!(mail.port()))
            .set("email.server.password", json!(MAIL_PASSWORD))
            .set("mattermost.webhook_url", json!(webhook.url()))
            .set("monitor", json!({"ping_url": format!("{}?token={}", monitor.url(), TOKEN[0]), "ca_file": ca}))
            .set("metrics", json!({"textfile": "job.prom"}))
            .set("log.level", json!("debug"));
        Fixture { setup, sftp, mail, webhook, monitor, _web: web }
    }

    fn set(&mut self, path: &str, value: serde_json::Value) -> &mut Fixture {
        self.setup.set(path, value);
        self
    }

    /// Runs the program with a JSON log, then with `-vv` and a text log. Asserts that each run ends with `code` and leaks no
    /// secret. Returns the last run.
    #[track_caller]
    fn run(&mut self, code: i32) -> Outcome {
        self.set("log.format", json!("json"));
        let quiet = self.setup.run();
        self.set("log.format", json!("text"));
        let verbose = self.setup.run_with(&["-vv"]);
        for outcome in [&quiet, &verbose] {
            self.assert_clean(outcome);
            outcome.exited_with(code);
        }
        verbose
    }

    #[track_caller]
    fn assert_clean(&self, outcome: &Outcome) {
        assert_without(&SECRETS, "the log", &outcome.log);
        assert_without(&SECRETS, "stdout", &outcome.stdout);
        assert_without(&SECRETS, "stderr", &outcome.stderr);
        for mail in self.mail.messages().iter().chain(&self.setup.mail.messages()) {
            assert_without(&SECRETS, "a mail", &DecodedMail::decode(&mail.raw).everything);
            assert_without(&SECRETS, "an encoded mail", &String::from_utf8_lossy(&mail.raw));
        }
        for post in self.webhook.posts() {
            assert_without(&SECRETS, "a post", &format!("{post:?} {}", post.text));
        }
        for ping in self.monitor.pings() {
            assert_without(&SECRETS, "a ping", &ping.body);
        }
        let metrics = fs::read_to_string(self.setup.path("job.prom")).unwrap_or_default();
        assert_without(&SECRETS, "the metrics", &metrics);
    }
}

/// A private key that is protected by the passphrase and not accepted by the embedded server.
fn protected_key(setup: &Setup) -> PathBuf {
    let key = setup.path("protected_key");
    generate("ed25519", &key, PASSPHRASE);
    key
}

#[test]
fn a_successful_run_leaks_no_secret() {
    let mut fixture = Fixture::new();
    let outcome = fixture.run(0);
    // The secrets were used, and the channels were not empty.
    outcome.logged("DEBUG").logged("posted to Mattermost").logged("my_zip.zip?…");
    assert!(outcome.stderr.contains("Request zip"), "{}", outcome.all());
    assert!(fixture.sftp.auth_attempts().iter().any(|attempt| attempt.method == "password" && attempt.accepted));
    assert_eq!((fixture.mail.messages().len(), fixture.webhook.posts().len()), (2, 2));
    assert_eq!(fixture.monitor.pings().iter().filter(|ping| ping.body.contains(DUMP)).count(), 2);
}

#[test]
fn a_key_with_a_passphrase_leaks_no_secret() {
    let mut fixture = Fixture::new();
    let (port, directory) = (fixture.setup.sshd.port(), fixture.setup.sshd.directory.clone());
    fixture.setup.sshd.authorize(&fixture.setup.path("protected_key"));
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    fixture.set("sftp.port", json!(port)).set("sftp.directory", json!(directory));
    fixture.set("sftp.username", json!(user.trim())).set("sftp.password", json!(null));
    fixture.run(0);
    let other = fixture.setup.path("other_key");
    generate("ed25519", &other, "another passphrase");
    fixture.set("sftp.private_key", json!(other));
    fixture.run(4).logged("sftp.passphrase is not its passphrase");
}

#[test]
fn refused_logins_leak_no_secret() {
    let mut fixture = Fixture::with_sftp(|server| server.password("another"));
    fixture.run(4).logged("sftp.password was refused");

    let mut fixture = Fixture::new();
    let web = HttpsServer::builder(&fixture.setup.path("web")).basic_auth("web", "another").start();
    fixture.set("source.url", json!(web.url(&format!("/my_zip.zip?token={}", TOKEN[0]))));
    fixture.run(4).logged("401 (not authorised)");

    let mut fixture = Fixture::new();
    let mail = SmtpServer::builder(Security::Tls).login(MAIL_LOGIN.0, "another").start();
    fixture.set("email.server.port", json!(mail.port()));
    fixture.run(1).logged("refused the login of");
}

#[test]
fn a_web_server_that_echoes_the_request_leaks_no_secret() {
    for (status, code) in [(404, 4), (200, 4), (302, 4), (500, 4)] {
        let mut fixture = Fixture::new();
        let echo = HttpEcho::start(status);
        fixture.set("source.url", json!(format!("http://127.0.0.1:{}/my_zip.zip?token={}", echo.port, TOKEN[0])));
        let outcome = fixture.run(code);
        assert!(!echo.bodies().is_empty(), "no request arrived: {}", outcome.all());
    }
}

#[test]
fn a_zip_with_secrets_as_names_leaks_none() {
    let mut fixture = Fixture::new();
    for secret in SECRETS {
        let name = forms(secret).join(" ");
        fixture.setup.publish(&Zip::new().with(Entry::new(&name, "x")));
        fixture.run(4).logged("[redacted]");
    }
}

#[test]
fn a_mail_server_that_echoes_the_password_leaks_no_secret() {
    for accepts_login in [false, true] {
        let mut fixture = Fixture::new();
        let port = smtp_echo(MAIL_PASSWORD, accepts_login);
        fixture.set(
            "email.server",
            json!({"host": "127.0.0.1", "port": port, "security": "none",
            "username": MAIL_LOGIN.0, "password": MAIL_PASSWORD}),
        );
        fixture.run(1).logged(if accepts_login { "550" } else { "535" }).logged("[redacted]");
        assert!(fixture.webhook.posts()[0].text.contains("the mail did not reach"));
    }
}

#[test]
fn a_webhook_that_echoes_its_path_leaks_no_secret() {
    for status in [404, 500] {
        let mut fixture = Fixture::new();
        let echo = HttpEcho::start(status);
        fixture.set("mattermost.webhook_url", json!(format!("http://127.0.0.1:{}/hooks/{WEBHOOK_ID}", echo.port)));
        fixture.run(1).logged(&format!("status {status}"));
        let bodies = echo.bodies();
        assert!(bodies.len() >= 2, "{bodies:?}");
        for body in bodies {
            assert_without(&SECRETS, "a post", &body);
        }
    }
}

#[test]
fn a_monitor_that_echoes_its_address_leaks_no_secret() {
    for status in [404, 500] {
        let mut fixture = Fixture::new();
        let echo = HttpEcho::start(status);
        let address = format!("http://127.0.0.1:{}/{}?token={}", echo.port, PING.join("/"), TOKEN[0]);
        fixture.set("monitor.ping_url", json!(address));
        fixture.run(1).logged(&format!("did not accept the ping: status {status}: no "));
        assert!(echo.bodies().len() >= 4, "{:?}", echo.bodies());
        for body in echo.bodies() {
            assert_without(&SECRETS, "a ping", &body);
        }
    }
}

#[test]
fn untrusted_certificates_leak_no_secret() {
    let mut fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("Somebody else").write(folder.path());
    fixture.set("mattermost.ca_file", json!(ca)).set("email.server.ca_file", json!(ca));
    fixture.set("monitor.ca_file", json!(ca));
    let outcome = fixture.run(1);
    outcome.logged("no trusted TLS connection to the mail server").logged("no trusted TLS connection to the Matt");
    outcome.logged("no trusted TLS connection to the monitoring service");
    fixture.set("source.ca_file", json!(ca));
    fixture.run(4).logged("unknown authority");
}

#[test]
fn unreachable_servers_leak_no_secret() {
    let mut fixture = Fixture::new();
    let Fixture { setup, sftp, mail, webhook, monitor, _web } = fixture;
    drop((sftp, mail, webhook, monitor));
    fixture = Fixture {
        setup,
        sftp: SftpServer::builder(&std::env::temp_dir()).start(),
        mail: SmtpServer::builder(Security::None).start(),
        webhook: WebhookServer::builder().start(),
        monitor: PingServer::builder().start(),
        _web,
    };
    let outcome = fixture.run(4);
    outcome.logged("cannot reach the mail server").logged("cannot reach the Mattermost server");
    outcome.logged("cannot reach the monitoring service");
    fixture.set("source.proxy", json!(format!("http://u:{WEBHOOK_ID}@127.0.0.1:1")));
    fixture.run(4);
}

#[test]
fn a_damaged_upload_leaks_no_secret() {
    let mut fixture = Fixture::with_sftp(|server| server.corrupting_writes());
    fixture.run(4).logged("does not match the archive");
}

#[test]
fn an_interrupted_run_leaks_no_secret() {
    let mut fixture = Fixture::new();
    let web = HttpsServer::builder(&fixture.setup.path("web")).silent().start();
    fixture.set("source.url", json!(web.url(&format!("/my_zip.zip?token={}", TOKEN[0]))));
    let mut command = fixture.setup.command(&["-vv"]);
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while web.requests() == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "no request arrived");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let outcome = fixture.setup.outcome(process.wait_with_output().unwrap());
    outcome.exited_with(143);
    fixture.assert_clean(&outcome);
    assert_eq!(fixture.webhook.posts().len(), 1, "{}", outcome.all());
}

#[test]
fn an_invalid_configuration_leaks_no_secret() {
    let mistakes: [(&str, serde_json::Value, &str); 11] = [
        ("sftp.port", json!(0), "sftp.port"),
        ("source.url", json!(format!("https://u:{BASIC_PASSWORD}@h/z?token={}", TOKEN[0])), "source.url"),
        ("source.url", json!(format!("ftp://h/z?token={}", TOKEN[0])), "source.url"),
        ("source.url", json!(format!("no address?{}", TOKEN[0])), "source.url"),
        ("mattermost.webhook_url", json!(format!("ftp://h/hooks/{WEBHOOK_ID}")), "mattermost.webhook_url"),
        ("mattermost.webhook_url", json!({"fil": WEBHOOK_ID}), "mattermost.webhook_url"),
        ("monitor.ping_url", json!(format!("ftp://h/{}", PING.join("/"))), "monitor.ping_url"),
        ("monitor.ping_url", json!(format!("http://h/{}", PING.join("/"))), "monitor.ping_url"),
        ("sftp.passphrase", json!([PASSPHRASE]), "sftp.passphrase"),
        ("email.server.security", json!(false), "email.server.security"),
        ("source.proxy", json!(format!("socks5://u:{SFTP_PASSWORD}@h")), "source.proxy"),
    ];
    let mut fixture = Fixture::new();
    for (key, value, mistake) in mistakes {
        let (section, name) = key.rsplit_once('.').unwrap();
        let before = fixture.setup.config.pointer(&format!("/{}/{name}", section.replace('.', "/"))).cloned();
        fixture.set(key, value);
        fixture.run(3).logged(mistake).logged("CRITICAL");
        fixture.set(key, before.unwrap_or(json!(null)));
    }
    // If others can read the file, each secret in clear text is reported by its key.
    let path = fixture.setup.write_config();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let output = Command::new(testkit::program()).args(["run", "--config"]).arg(path).output().unwrap();
    let outcome = fixture.setup.outcome(output);
    outcome.exited_with(3).logged("sftp.password").logged("source.url");
    fixture.assert_clean(&outcome);
    assert_eq!(fixture.webhook.requests() + fixture.mail.connections(), 0);
    assert_eq!(fixture.monitor.pings(), []);
}

#[test]
fn a_dry_run_leaks_no_secret() {
    let fixture = Fixture::new();
    let outcome = fixture.setup.run_with(&["--dry-run", "-vv"]);
    outcome.exited_with(0);
    assert!(outcome.stdout.contains(DUMP), "{}", outcome.all());
    fixture.assert_clean(&outcome);
}
