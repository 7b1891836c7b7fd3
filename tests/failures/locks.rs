//! The lock that allows one run of a job at a time: its release, its owners, and its location.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, thread};

use scripting_system::disk::job_id::JobId;
use scripting_system::disk::lock::Lock;
use scripting_system::disk::state_folder;
use testkit::servers::SftpServer;
use testkit::{Setup, program, wait_until};

use super::bad_night::BadNight;
use super::interruptions::{kill, start};

const UNUSED_UID: u32 = 471_100;

/// Owner and mode of `path`, without following links.
fn owner_and_mode(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.mode() & 0o7777)
}

#[test]
fn replacing_the_configuration_file_does_not_allow_a_second_run() {
    let mut bad = BadNight::new();
    bad.serve(|web| web.stall_after(20_000, 2));
    let first = start(&bad);
    wait_until("the first run's download", || bad.web.bytes_sent() >= 20_000);
    fs::copy(bad.path("config.json"), bad.path("config.json~")).unwrap();
    fs::rename(bad.path("config.json~"), bad.path("config.json")).unwrap();
    bad.run().exited_with(5).logged("another run with");
    kill(first);
    bad.run().exited_with(0);
}

#[test]
fn locking_the_configuration_file_does_not_block_a_run() {
    let bad = BadNight::new();
    let config = bad.write_config();
    let file = fs::File::open(&config).unwrap();
    file.lock().unwrap();
    bad.run().exited_with(0);
    // Other users cannot access the lock itself.
    let folder = state_folder::find(&bad.path("work"), false).unwrap();
    let lock = folder.join(format!("{}.lock", JobId::new(&config)));
    assert_eq!((owner_and_mode(&folder).1, owner_and_mode(&lock).1), (0o700, 0o600));
}

#[test]
fn a_probe_of_the_lock_does_not_block_a_run() {
    let setup = Setup::new();
    let (config, work) = (setup.write_config(), setup.path("work"));
    let job = JobId::new(&config);
    drop(Lock::acquire(&config, &job, &work).unwrap());
    let lock = state_folder::find(&work, false).unwrap().join(format!("{job}.lock"));
    let probe = fs::File::open(lock).unwrap();
    probe.try_lock_shared().unwrap();
    let run = thread::spawn(move || Lock::acquire(&config, &job, &work).is_ok());
    thread::sleep(Duration::from_millis(10));
    drop(probe);
    assert!(run.join().unwrap());
}

/// A machine for a job of the user `uid`, with an empty `/var/lib` and a separate `/etc/passwd`.
struct Machine {
    setup: Setup,
    _sftp: SftpServer,
    uid: u32,
}

impl Machine {
    fn new(uid: u32, home: Option<&str>) -> Machine {
        let mut setup = Setup::new();
        let sftp = setup.serve_sftp(|server| server);
        fs::copy(program(), setup.path("program")).unwrap();
        for folder in ["var", "home"] {
            fs::create_dir(setup.path(folder)).unwrap();
        }
        let home = home.map(|home| format!("job:x:{uid}:{uid}::{}:/bin/sh\n", setup.path(home).display()));
        let users = format!("root:x:0:0::/missing:/bin/sh\n# none\nbroken:x:{uid}\n{}", home.unwrap_or_default());
        fs::write(setup.path("passwd"), users).unwrap();
        Machine { setup, _sftp: sftp, uid }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    fn in_work_directory(&self) -> PathBuf {
        self.path(&format!("work/scripting-system-{}", self.uid))
    }

    /// Runs one of the program's commands as the user, in a separate mount namespace.
    fn run(&self, command: &[&str]) -> Output {
        let config = self.setup.write_config();
        let owned = ["", "config.json", "ca.pem", "work", "home", "log.log", "known_hosts"].map(|name| self.path(name));
        for path in owned.iter().filter(|path| path.exists()) {
            chown(path, Some(self.uid), Some(self.uid)).unwrap();
        }
        let script = "mount --bind var /var/lib; mount --bind passwd /etc/passwd
            exec setpriv --reuid \"$1\" --regid \"$1\" --clear-groups ./program \"$2\" --config \"$3\" $4";
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh", &self.uid.to_string()])
            .arg(command[0])
            .arg(config)
            .args(&command[1..])
            .current_dir(self.path(""))
            .env("HOME", self.path("elsewhere"))
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap()
    }

    /// Asserts that a run creates its lock in `folder` and nowhere else.
    #[track_caller]
    fn assert_locks_in(&self, folder: &Path) {
        for _ in 0..2 {
            self.setup.outcome(self.run(&["run"])).exited_with(0);
        }
        assert_eq!(owner_and_mode(folder), (self.uid, 0o700));
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(owner_and_mode(&names[0]), (self.uid, 0o600));
        for other in self.all_folders().iter().filter(|other| *other != folder) {
            assert!(!other.exists(), "{}", other.display());
        }
    }

    fn all_folders(&self) -> [PathBuf; 3] {
        let in_home = self.path("home/.local/state/scripting-system");
        [self.path("var/scripting-system"), in_home, self.in_work_directory()]
    }

    /// Asserts that a run refuses its state folder with this `reason`.
    #[track_caller]
    fn assert_refuses(&self, reason: &str) {
        let requests = self.setup.web.requests();
        let outcome = self.setup.outcome(self.run(&["run"]));
        outcome.exited_with(3).logged(reason);
        assert!(outcome.stderr.contains(reason), "{}", outcome.all());
        assert_eq!(self.setup.web.requests(), requests, "{}", outcome.all());
        let check = self.setup.outcome(self.run(&["check"]));
        check.exited_with(4);
        assert!(check.stdout.contains(reason), "{}", check.all());
    }
}

#[test]
fn the_lock_of_root_is_kept_in_var_lib() {
    let machine = Machine::new(0, None);
    machine.assert_locks_in(&machine.path("var/scripting-system"));
}

#[test]
fn the_lock_of_a_user_with_a_folder_in_var_lib_is_kept_there() {
    let machine = Machine::new(UNUSED_UID, Some("home"));
    let folder = machine.path("var/scripting-system");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    chown(&folder, Some(UNUSED_UID), Some(UNUSED_UID)).unwrap();
    machine.assert_locks_in(&folder);
}

#[test]
fn the_lock_of_another_user_is_kept_in_the_home_from_the_password_database() {
    let machine = Machine::new(UNUSED_UID, Some("home"));
    machine.assert_locks_in(&machine.path("home/.local/state/scripting-system"));
}

#[test]
fn the_lock_of_a_user_without_a_home_is_kept_in_the_work_directory() {
    for home in [None, Some("missing")] {
        let machine = Machine::new(UNUSED_UID, home);
        machine.assert_locks_in(&machine.in_work_directory());
        assert!(!machine.path("missing").exists());
    }
}

#[test]
fn a_state_folder_that_others_own_or_can_enter_is_refused() {
    let machine = Machine::new(UNUSED_UID, None);
    let folder = machine.in_work_directory();
    fs::create_dir(&folder).unwrap();
    machine.assert_refuses("it belongs to the user 0, not to 471100");
    chown(&folder, Some(UNUSED_UID), Some(UNUSED_UID)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    machine.assert_refuses("others may enter it (mode 0750); set its mode with chmod 700");
    fs::remove_dir(&folder).unwrap();
    for target in ["home", "missing"] {
        symlink(machine.path(target), &folder).unwrap();
        machine.assert_refuses("it is a link or a file, not a folder");
        fs::remove_file(&folder).unwrap();
    }
    assert!(!machine.path("missing").exists());
}

#[test]
fn commands_that_only_read_create_no_state_folder() {
    for uid in [0, UNUSED_UID] {
        let machine = Machine::new(uid, Some("home"));
        for command in [&["check"][..], &["list"], &["status"], &["run", "--dry-run"]] {
            let outcome = machine.setup.outcome(machine.run(command));
            assert!(outcome.code < 3, "{command:?}: {}", outcome.all());
            for folder in machine.all_folders() {
                assert!(!folder.exists(), "{command:?}: {}", folder.display());
            }
        }
        assert!(!machine.path("home/.local").exists());
    }
}
