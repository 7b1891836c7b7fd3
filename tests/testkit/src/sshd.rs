//! A private OpenSSH server on a free port of loopback, with its own keys.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::servers::listener::closed_address;

const SSHD: &str = "/usr/sbin/sshd";

pub struct Sshd {
    folder: TempDir,
    process: Child,
    port: u16,
    /// The folder for archives: the same path on this machine and on the server.
    pub directory: PathBuf,
}

impl Sshd {
    pub fn is_installed() -> bool {
        Path::new(SSHD).exists()
    }

    /// Starts a server with host keys of the given types (`ed25519`, `rsa`, `ecdsa`). The current user can log in
    /// with [`user_key`](Sshd::user_key).
    pub fn start(host_keys: &[&str]) -> Sshd {
        Sshd::start_with(host_keys, "")
    }

    /// `options`: lines of sshd_config(5), which override the defaults.
    pub fn start_with(host_keys: &[&str], options: &str) -> Sshd {
        assert!(Sshd::is_installed(), "{SSHD} is missing: install the Debian package openssh-server");
        // As root, sshd needs this folder for privilege separation.
        let _ = fs::create_dir("/run/sshd");
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("archives");
        fs::create_dir(&directory).unwrap();
        for kind in host_keys {
            generate(kind, &folder.path().join(format!("host_{kind}")), "");
        }
        generate("ed25519", &folder.path().join("user"), "");
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized_keys")).unwrap();
        let keys: String =
            host_keys.iter().map(|kind| format!("HostKey {}/host_{kind}\n", folder.path().display())).collect();
        let config = format!(
            "{options}\n{keys}ListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\n\
             AuthorizedKeysFile {folder}/authorized_keys\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n\
             LogLevel VERBOSE\nMaxStartups 100\n",
            folder = folder.path().display()
        );
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        // Another process may use the free port first.
        for _ in 0..5 {
            if let Some((process, port)) = try_start(folder.path()) {
                return Sshd { folder, process, port, directory };
            }
        }
        panic!("sshd exits: {}", fs::read_to_string(folder.path().join("sshd.log")).unwrap());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The private key of the current user.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// Adds the key pair at `key` to the authorized keys.
    pub fn authorize(&self, key: &Path) {
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let keys = self.folder.path().join("authorized_keys");
        fs::write(&keys, fs::read_to_string(&keys).unwrap() + &public).unwrap();
    }

    /// Type and base64 of the host key, as in known_hosts.
    pub fn host_key(&self, kind: &str) -> String {
        let public = fs::read_to_string(self.folder.path().join(format!("host_{kind}.pub"))).unwrap();
        public.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    pub fn known_hosts_line(&self, kind: &str) -> String {
        format!("[127.0.0.1]:{} {}\n", self.port, self.host_key(kind))
    }

    /// The SHA-256 fingerprint of the host key, as ssh-keygen prints it.
    pub fn fingerprint(&self, kind: &str) -> String {
        let output = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(self.folder.path().join(format!("host_{kind}.pub")))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("sshd.log")).unwrap()
    }

    /// The names in the archive folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// A listening sshd and its port; `None` if it exits instead.
fn try_start(folder: &Path) -> Option<(Child, u16)> {
    let port = closed_address().port();
    let log = fs::File::create(folder.join("sshd.log")).unwrap();
    let mut process = Command::new(SSHD)
        .args(["-D", "-e", "-p", &port.to_string(), "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let start = Instant::now();
    loop {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((process, port));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "sshd does not listen");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Generates a key pair of the given type at `path`, encrypted unless `passphrase` is empty.
pub fn generate(kind: &str, path: &Path, passphrase: &str) {
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-f"])
        .arg(path)
        .args(bits)
        .status()
        .expect("ssh-keygen is missing: install the Debian package openssh-client");
    assert!(status.success());
}
