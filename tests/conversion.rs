//! `gen-config --from`: an old configuration's way into files of this system, and a night that runs with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use scripting_system::config;
use scripting_system::config::Environment;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::night::{DUMP, MAIL_LOGIN, SFTP_PASSWORD};
use testkit::program;
use testkit::{Night, Sshd};

/// The configuration that the replaced system came with.
fn sample() -> Value {
    json!({
        "zip": "my_zip", "file": "dumpfile", "time-to-save": "1",
        "sftp": {"ip": "my_sftp_ip", "user": "my_sftp_user", "password": "my_sftp_password"},
        "email": {
            "send-emails": "yes", "auth": {"email": "exemple@exemple.com", "password": "my_password_for_mail"},
            "server": {"ip": "smtp.mail.yahoo.com", "port": "465"}, "log-file-attached": "yes",
            "title": "My Daily report", "dest": ["first@email.com", "second@email.com"],
        },
        "notification": "never",
    })
}

/// A folder with an old configuration, to be converted.
struct Folder(TempDir);

impl Folder {
    fn with(old: &Value) -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        fs::write(folder.path("old.json"), old.to_string()).unwrap();
        fs::set_permissions(folder.path("old.json"), Permissions::from_mode(0o777)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files and folders, in order.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                names.push(path.strip_prefix(self.0.path()).unwrap().to_string_lossy().into_owned());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        names.sort();
        names
    }

    /// Runs `gen-config --from old.json` in the folder.
    fn convert(&self, options: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.current_dir(self.0.path()).args(["gen-config", "--from", "old.json"]).args(options).output().unwrap()
    }
}

const ALL: [&str; 5] = ["config.json", "old.json", "secrets", "secrets/mail-password", "secrets/sftp-password"];

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_secrets_go_to_files_of_their_own_and_nowhere_else() {
    let folder = Folder::with(&sample());
    let output = folder.convert(&["--output", "config.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(folder.names(), ALL);
    for file in ["config.json", "secrets/mail-password", "secrets/sftp-password"] {
        assert_eq!(mode(&folder.path(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&folder.path("secrets")), 0o700);
    assert!(output.stdout.is_empty());
    for told in [stderr(&output), folder.read("config.json")] {
        assert!(!told.contains("my_sftp_password") && !told.contains("my_password_for_mail"), "{told}");
    }
    assert!(
        stderr(&output)
            .ends_with("old.json still holds the passwords in clear: remove it once the new configuration works\n")
    );

    let environment = Environment::new(Some(folder.path("home")), [("A", "b")]);
    let config = config::load(&folder.path("config.json"), &environment).unwrap();
    assert!(config.warnings.is_empty());
    assert_eq!(config.sftp.password.unwrap().expose_secret(), "my_sftp_password");
    let login = config.email.unwrap().server.unwrap().credentials.unwrap();
    assert_eq!(login.password.expose_secret(), "my_password_for_mail");
}

#[test]
fn a_printed_configuration_leaves_the_secrets_to_be_written_by_hand() {
    let folder = Folder::with(&sample());
    let output = folder.convert(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(folder.names(), ["old.json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["sftp"]["password"], json!({"file": "secrets/sftp-password"}));
    assert!(
        stderr(&output)
            .contains("by hand    secrets/mail-password: write into it (chmod 600) what stands as email.auth.password")
    );
    assert!(!stderr(&output).contains("my_sftp_password"));
}

#[test]
fn no_file_is_replaced_unless_forced() {
    for taken in ["config.json", "secrets/sftp-password", "secrets/mail-password"] {
        let folder = Folder::with(&sample());
        fs::create_dir(folder.path("secrets")).unwrap();
        fs::write(folder.path(taken), "precious").unwrap();
        let before = folder.names();
        let output = folder.convert(&["--output", "config.json"]);
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains(taken) && stderr(&output).contains("--force"), "{}", stderr(&output));
        assert_eq!((folder.names(), folder.read(taken).as_str()), (before, "precious"));

        let output = folder.convert(&["--output", "config.json", "--force"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(folder.names(), ALL);
        assert_ne!(folder.read(taken), "precious");
        assert_eq!(mode(&folder.path(taken)), 0o600);
    }
}

#[test]
fn a_link_in_the_place_of_a_secret_is_not_followed() {
    let folder = Folder::with(&sample());
    fs::create_dir(folder.path("secrets")).unwrap();
    fs::write(folder.path("target"), "precious").unwrap();
    symlink(folder.path("target"), folder.path("secrets/sftp-password")).unwrap();
    assert_eq!(folder.convert(&["--output", "config.json"]).status.code(), Some(3));
    assert_eq!(folder.convert(&["--output", "config.json", "--force"]).status.code(), Some(0));
    assert_eq!(folder.read("target"), "precious");
    assert!(fs::symlink_metadata(folder.path("secrets/sftp-password")).unwrap().is_file());
}

#[test]
fn a_conversion_that_was_interrupted_is_taken_up_again() {
    let folder = Folder::with(&sample());
    assert_eq!(folder.convert(&["--output", "config.json"]).status.code(), Some(0));
    // The configuration gets its name last.
    fs::remove_file(folder.path("config.json")).unwrap();
    let output = folder.convert(&["--output", "config.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(folder.names(), ALL);
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let folder = Folder::with(&sample());
    // A folder cannot be replaced by a file, not even by force.
    fs::create_dir(folder.path("config.json")).unwrap();
    let output = folder.convert(&["--output", "config.json", "--force"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("cannot write config.json"), "{}", stderr(&output));
    assert_eq!(folder.names(), ["config.json", "old.json"]);

    let output = folder.convert(&["--output", "missing/config.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(folder.names(), ["config.json", "old.json"]);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let folder = Folder::with(&json!({}));
    let output = folder.convert(&["--output", "config.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).starts_with("scripting-system: old.json: zip: is missing; write the name of the ZIP"));
    assert_eq!(stderr(&output).lines().count(), 5, "{}", stderr(&output));

    fs::write(folder.path("old.json"), "{\n  \"zip\": \"a\",\n}").unwrap();
    let output = folder.convert(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("old.json: not JSON at line 3, column 1: trailing comma"), "{}", stderr(&output));

    fs::remove_file(folder.path("old.json")).unwrap();
    assert!(stderr(&folder.convert(&[])).contains("No such file"));
    assert_eq!(folder.names(), [""; 0]);
    assert_eq!(folder.convert(&["--schema"]).status.code(), Some(2));
}

/// A web server without TLS and without ranges, such as the replaced system brought along.
struct PlainWebServer {
    process: Child,
    port: u16,
}

impl PlainWebServer {
    fn start(folder: &Path) -> PlainWebServer {
        let mut process = Command::new("python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(folder)
            .arg("0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is missing: install the Debian package of that name");
        // "Serving HTTP on 127.0.0.1 port 40123 (http://127.0.0.1:40123/) ..."
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1).unwrap().parse().unwrap();
        PlainWebServer { process, port }
    }
}

impl Drop for PlainWebServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Converts the old configuration of `night`, does by hand what is told, and runs the night with it.
fn run_converted(night: &Night, login: &Value, by_hand: &[(&str, Value)]) {
    let web = PlainWebServer::start(&night.path("web"));
    let old = json!({
        "zip": "my_zip", "file": DUMP.strip_suffix(".sql").unwrap(), "time-to-save": "2",
        "sftp": login,
        "email": {
            "send-emails": "yes", "auth": {"email": MAIL_LOGIN.0, "password": MAIL_LOGIN.1},
            "server": {"ip": "127.0.0.1", "port": night.mail.port().to_string()},
            "log-file-attached": "yes", "title": "Nightly dump", "dest": ["operator@example.org"],
        },
        "notification": "always",
    });
    fs::write(night.path("old.json"), old.to_string()).unwrap();
    let config = night.path("new.json");
    let gen_config = |options: &[&str]| {
        let mut command = Command::new(program());
        command.arg("gen-config").arg("--from").arg(night.path("old.json")).arg("--output").arg(&config).args(options);
        command.output().unwrap()
    };
    let output = gen_config(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let mut new: Value = serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
    assert_eq!(new["source"]["url"], "http://localhost:8000/my_zip.zip");
    let ca = json!(night.config["source"]["ca_file"]);
    let port = night.config["sftp"]["port"].clone();
    // The ports of this machine's servers are other ones than they always were.
    new["source"]["url"] = json!(format!("http://localhost:{}/my_zip.zip", web.port));
    new["sftp"]["port"] = port;
    new["email"]["server"]["ca_file"] = ca.clone();
    new["mattermost"]["ca_file"] = ca;
    for (path, value) in by_hand {
        *new.pointer_mut(path).unwrap() = value.clone();
    }
    fs::write(&config, new.to_string()).unwrap();
    fs::write(night.path("secrets/mattermost-webhook-url"), night.webhook.url()).unwrap();
    fs::set_permissions(night.path("secrets/mattermost-webhook-url"), Permissions::from_mode(0o600)).unwrap();

    let mut command = Command::new(program());
    command.arg("run").arg("--config").arg(&config).env("TZ", "UTC").env("HOME", night.path("home"));
    let outcome = night.outcome(command.env_remove("SSH_AUTH_SOCK").output().unwrap());
    outcome.exited_with(0);
    assert!(night.archive().exists(), "{}", outcome.all());
    assert!(night.path("home/.ssh/known_hosts").exists());
    let mails = night.mail.messages();
    assert_eq!((mails.len(), night.webhook.posts().len()), (1, 1), "{}", outcome.all());
}

#[test]
fn a_converted_night_runs_with_a_password() {
    let mut night = Night::new();
    let server = night.serve_sftp(|builder| builder);
    night.sshd.directory = night.path("sftp/TSE-INFORX");
    fs::create_dir(&night.sshd.directory).unwrap();
    run_converted(&night, &json!({"ip": "127.0.0.1", "user": server.username(), "password": SFTP_PASSWORD}), &[]);
}

#[test]
fn a_converted_night_runs_against_openssh_with_a_key() {
    let login_folder = TempDir::new().unwrap();
    let options = format!("ForceCommand internal-sftp -d {}", login_folder.path().display());
    let mut night = Night::with_sshd(Sshd::start_with(&["ed25519"], &options));
    night.sshd.directory = login_folder.path().join("TSE-INFORX");
    fs::create_dir(&night.sshd.directory).unwrap();
    let user = night.config["sftp"]["username"].clone();
    let key = json!(night.sshd.user_key());
    run_converted(&night, &json!({"ip": "127.0.0.1", "user": user, "password": ""}), &[("/sftp/private_key", key)]);
}
