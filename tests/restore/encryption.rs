//! Encrypted archives are read back with their private key, and compared with their checksum file without it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use serde_json::json;
use testkit::keys::{age_key, tar_and_age};
use testkit::setup::DUMP;
use testkit::{Outcome, Setup, wait_until};

use super::fixture::{assert_refused, assert_restored, listing, output, restore, restored};

struct Encrypted {
    setup: Setup,
    key: String,
    recipient: String,
}

impl Encrypted {
    /// A delivered archive.
    fn new() -> Encrypted {
        let mut setup = Setup::around_midnight();
        let (key, recipient) = age_key(&setup.path(""), "key");
        setup.set("archive.encrypt_to", json!([recipient]));
        setup.run().exited_with(0);
        Encrypted { setup, key: key.display().to_string(), recipient }
    }

    /// The archive on the server, or its checksum file.
    fn file(&self, ending: &str) -> PathBuf {
        let files = fs::read_dir(&self.setup.sshd.directory).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|file| file.to_string_lossy().ends_with(ending)).unwrap()
    }

    fn restore(&self, arguments: &[&str]) -> Outcome {
        restore(&self.setup, &[&["--identity", &self.key], arguments].concat())
    }

    /// The outcomes of `verify` with and without the private key.
    fn verify(&self) -> [Outcome; 2] {
        [&["--identity", &*self.key][..], &[]].map(|arguments| self.setup.call("verify", arguments))
    }

    /// The exit code and the output of `restore --output -`.
    fn to_stdout(&self, arguments: &[&str]) -> (Option<i32>, Vec<u8>) {
        let mut command = self.setup.command_of("restore", &["--output", "-", "--identity", &self.key]);
        let output = command.args(arguments).stderr(Stdio::null()).output().unwrap();
        (output.status.code(), output.stdout)
    }
}

#[test]
fn an_encrypted_archive_is_verified_and_restored() {
    let night = Encrypted::new();
    let [with_key, without] = night.verify();
    with_key.exited_with(0);
    assert!(with_key.stdout.contains("good: a dump of"), "{}", with_key.all());
    without.exited_with(0);
    assert!(without.stdout.contains("unchanged: has the SHA-256 of its checksum file"), "{}", without.all());
    assert_restored(&night.setup, &night.restore(&[]));
    assert_eq!(night.to_stdout(&[]), (Some(0), night.setup.dump.clone()));
    // The archive itself needs no private key.
    let outcome = restore(&night.setup, &["--archive-only"]);
    outcome.exited_with(0);
    assert!(outcome.stdout.contains("age -d -i KEY_FILE"), "{}", outcome.all());
    let archive = night.file(".age");
    let copy = output(&night.setup).join(archive.file_name().unwrap());
    assert!(fs::read(copy).unwrap() == fs::read(&archive).unwrap());
    // Several identities, of which one fits.
    let (other, _) = age_key(&night.setup.path(""), "other");
    fs::remove_file(restored(&night.setup)).unwrap();
    night.restore(&["--identity", other.to_str().unwrap()]).exited_with(0);
}

#[test]
fn an_archive_made_by_tar_and_age_is_restored() {
    let night = Encrypted::new();
    let dump = night.setup.path(DUMP);
    fs::write(&dump, &night.setup.dump).unwrap();
    fs::File::options().append(true).open(&dump).unwrap().set_modified(night.setup.modified.into()).unwrap();
    let archive = night.file(".age");
    fs::remove_file(night.file(".sha256")).unwrap();
    fs::remove_file(&archive).unwrap();
    tar_and_age(&dump, &night.recipient, &archive);
    assert_restored(&night.setup, &night.restore(&[]));
    let [with_key, without] = night.verify();
    with_key.exited_with(0);
    without.exited_with(4);
    assert!(without.stdout.contains("NOT READ: it is encrypted and has no checksum file"), "{}", without.all());
}

#[test]
fn wrong_identities_are_named_and_nothing_is_written() {
    let night = Encrypted::new();
    let folder = night.setup.path("");
    let (other, recipient) = age_key(&folder, "other");
    let file = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    let truncated = fs::read_to_string(&night.key).unwrap();
    let truncated = file("truncated", truncated.trim_end().trim_end_matches(char::is_alphanumeric).trim());
    for (identity, code, word) in [
        (None, 4, "give the private key of one of its recipients with --identity"),
        (Some(other), 4, "none of the given keys can decrypt it"),
        (Some(folder.join("missing")), 3, "cannot read the identity"),
        (Some(folder.clone()), 3, "not a regular file"),
        (Some(file("recipient", &recipient)), 3, "holds no age identity"),
        (Some(file("invalid", "# a comment\nAGE-SECRET-KEY-1QQQQ\n")), 3, "line 2 of"),
        (Some(truncated), 3, "holds no age identity"),
    ] {
        let identity = identity.map(|file| file.display().to_string());
        let arguments = identity.iter().flat_map(|file| ["--identity", file.as_str()]).collect::<Vec<_>>();
        let outcome = restore(&night.setup, &arguments);
        outcome.exited_with(code);
        assert!(outcome.stderr.contains(word), "{word:?}: {}", outcome.all());
        assert!(listing(&output(&night.setup)).is_empty(), "{word:?}: {}", outcome.all());
    }
}

/// Runs `command` on a terminal and answers each prompt for a passphrase with one of `lines`.
fn on_terminal(command: &str, folder: &Path, lines: &[&str]) -> String {
    let mut terminal = Command::new("script")
        .args(["-qefc", command, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("script (Debian package bsdutils): {error}"));
    let (mut stdin, mut stdout) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let shown = Arc::new(Mutex::new(String::new()));
    let reader = thread::spawn({
        let shown = shown.clone();
        move || {
            let mut buffer = [0; 1000];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    });
    for (number, line) in lines.iter().enumerate() {
        wait_until("a prompt", || shown.lock().unwrap().to_lowercase().matches("passphrase").count() > number);
        // The programs discard what was typed before they turned the echo off.
        thread::sleep(Duration::from_millis(500));
        writeln!(stdin, "{line}").unwrap();
    }
    terminal.wait().unwrap();
    reader.join().unwrap();
    shown.lock().unwrap().clone()
}

#[test]
fn the_passphrase_of_an_identity_is_asked_for_on_a_terminal() {
    let night = Encrypted::new();
    let folder = night.setup.path("");
    for armor in ["", "-a"] {
        on_terminal(&format!("age -p {armor} -o protected key"), &folder, &["secret", "secret"]);
        let protected = folder.join("protected").display().to_string();
        let outcome = restore(&night.setup, &["--identity", &protected]);
        outcome.exited_with(3);
        assert!(outcome.stderr.contains("asked for on a terminal only"), "{}", outcome.all());
        let program = testkit::program().display().to_string();
        let command = format!(
            "{program} restore --config {} --identity {protected} --output {}",
            night.setup.write_config().display(),
            output(&night.setup).display()
        );
        let wrong = on_terminal(&command, &folder, &["wrong"]);
        assert!(wrong.contains("cannot be decrypted with this passphrase"), "{wrong}");
        assert!(listing(&output(&night.setup)).is_empty());
        let right = on_terminal(&command, &folder, &["secret"]);
        assert!(fs::read(restored(&night.setup)).unwrap() == night.setup.dump, "{right}");
        assert!(!right.contains("secret"), "{right}");
        fs::remove_file(restored(&night.setup)).unwrap();
        fs::remove_file(folder.join("protected")).unwrap();
    }
}

#[test]
fn damage_of_an_encrypted_archive_or_its_checksum_file_is_found() {
    let night = Encrypted::new();
    for ending in [".age", ".sha256"] {
        let file = night.file(ending);
        let whole = fs::read(&file).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        };
        let length = whole.len();
        let damages = [
            flipped(0),
            flipped(length / 3),
            flipped(length - 2),
            whole[..length / 2].to_vec(),
            whole[..length - 1].to_vec(),
            [&whole[..], b"more"].concat(),
            Vec::new(),
        ];
        for (number, damaged) in damages.into_iter().enumerate() {
            // An empty archive is not an archive.
            if ending == ".age" && damaged.is_empty() {
                continue;
            }
            fs::write(&file, &damaged).unwrap();
            for outcome in night.verify() {
                outcome.exited_with(4);
                assert!(outcome.stdout.contains("BAD: "), "{ending} {number}: {}", outcome.all());
            }
            assert_refused(&night.setup, &night.restore(&[]), &["is bad, and nothing was restored"]);
            assert_eq!(night.to_stdout(&[]).0, Some(4), "{ending} {number}");
        }
        fs::write(&file, whole).unwrap();
    }
    // Without its checksum file, only the private key shows damage.
    fs::remove_file(night.file(".sha256")).unwrap();
    let file = night.file(".age");
    let whole = fs::read(&file).unwrap();
    for damaged in [whole[..whole.len() - 1].to_vec(), whole[..150].to_vec(), [&whole[..], b"more"].concat()] {
        fs::write(&file, damaged).unwrap();
        let [with_key, without] = night.verify();
        with_key.exited_with(4);
        assert!(with_key.stdout.contains("BAD: it cannot be decrypted"), "{}", with_key.all());
        without.exited_with(4);
        assert_refused(&night.setup, &night.restore(&[]), &["is bad, and nothing was restored"]);
    }
}
