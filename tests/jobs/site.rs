//! A folder of jobs that share a configuration and the servers of a [`Setup`].

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::servers::{PingServer, SftpServer};
use testkit::{Outcome, Setup};

pub(crate) struct Site {
    pub(crate) setup: Setup,
}

impl Site {
    /// Jobs with these names, each with a folder of its own on the server.
    pub(crate) fn new(names: &[&str]) -> Site {
        let mut setup = Setup::around_midnight();
        let directory = setup.sshd.directory.clone();
        setup.config["sftp"].as_object_mut().unwrap().remove("directory");
        // Relative paths in it start at its folder.
        setup.set("archive.work_directory", json!("../work")).set("log.file", json!("../log.log"));
        setup.set("sftp.known_hosts", json!("../known_hosts"));
        fs::create_dir(setup.path("jobs")).unwrap();
        let site = Site { setup };
        site.write("_common.json", &site.setup.config);
        for name in names {
            fs::create_dir(directory.join(name)).unwrap();
            site.write_job(name, json!({}));
        }
        site
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.setup.path("jobs")
    }

    /// Writes a job with a folder of its own, and `changes`.
    pub(crate) fn write_job(&self, name: &str, changes: Value) {
        let mut job = json!({"extends": "_common.json", "sftp": {"directory": self.directory(name)}});
        for (key, value) in changes.as_object().unwrap() {
            match (job.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
                (Some(section), Some(changes)) => section.extend(changes.clone()),
                _ => job[key] = value.clone(),
            }
        }
        self.write(&format!("{name}.json"), &job);
    }

    pub(crate) fn write(&self, file: &str, value: &Value) {
        self.write_text(file, &value.to_string());
    }

    pub(crate) fn write_text(&self, file: &str, text: &str) {
        let path = self.folder().join(file);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes `_common.json` again, changed.
    pub(crate) fn change_common(&self, change: impl FnOnce(&mut Value)) {
        let mut common = self.setup.config.clone();
        change(&mut common);
        self.write("_common.json", &common);
    }

    /// Reports to a monitor, and with metrics in one textfile, of which the path is returned.
    pub(crate) fn watch(&self, monitor: &PingServer) -> PathBuf {
        let textfile = self.setup.path("jobs.prom");
        self.change_common(|common| {
            common["monitor"] = json!({"ping_url": monitor.url(), "ca_file": common["source"]["ca_file"]});
            common["metrics"] = json!({"textfile": textfile});
        });
        textfile
    }

    /// Lets the jobs use a server that refuses their password.
    pub(crate) fn refuse_passwords(&mut self, names: &[&str]) -> SftpServer {
        let server = self.setup.serve_sftp(|builder| builder);
        self.change_common(|common| {
            common["sftp"]["password"] = json!("wrong-p4ssword");
            common["sftp"].as_object_mut().unwrap().remove("directory");
        });
        for name in names {
            self.write_job(name, json!({"sftp": {"directory": name}}));
        }
        server
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.setup.sshd.directory.join(name)
    }

    /// The names of the files of the job `name` on the server.
    pub(crate) fn archives(&self, name: &str) -> Vec<String> {
        files(&self.directory(name))
    }

    pub(crate) fn has_delivered(&self, name: &str) -> bool {
        self.archives(name) == [self.setup.archive_name()]
    }

    pub(crate) fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = Command::new(testkit::program());
        program.arg(command).arg("--config").arg(self.folder()).args(arguments);
        program.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
        program
    }

    pub(crate) fn call(&self, command: &str, arguments: &[&str]) -> Outcome {
        self.setup.outcome(self.command(command, arguments).output().unwrap())
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
