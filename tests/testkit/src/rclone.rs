//! A private `rclone serve sftp` on a free port of loopback.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use tempfile::TempDir;

use crate::servers::listener::closed_address;
use crate::wait_until;

pub struct Rclone {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Rclone {
    /// Serves `folder` to the user `backup` with `password`. `cache_mode` is rclone's option `--vfs-cache-mode`.
    pub fn start(folder: &Path, password: &str, cache_mode: &str) -> Rclone {
        let own = tempfile::tempdir().unwrap();
        let address = closed_address();
        let log = fs::File::create(own.path().join("log")).unwrap();
        let process = Command::new("rclone")
            .args(["serve", "sftp", "--user", "backup", "--pass", password, "--vfs-cache-mode", cache_mode])
            // By default, up to five minutes pass until it sees a change that was made without it.
            .args(["--dir-cache-time", "0s", "--config", "/dev/null", "--addr", &address.to_string(), "--cache-dir"])
            .arg(own.path().join("cache"))
            .arg(folder)
            .env("HOME", own.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => panic!("rclone is missing: install the Debian package rclone"),
                _ => panic!("rclone does not start: {error}"),
            });
        let rclone = Rclone { folder: own, process, port: address.port() };
        wait_until("rclone", || TcpStream::connect(address).is_ok());
        rclone
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Rclone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
