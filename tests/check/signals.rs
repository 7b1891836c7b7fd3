//! An interrupted check leaves nothing behind.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use testkit::Setup;

use super::{must_not_show, prepare};

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_signal_ends_the_check_after_its_file_on_the_server_is_removed() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut setup = Setup::new();
        prepare(&mut setup);
        let (started, has_started) = mpsc::channel();
        let (resume, may_resume) = mpsc::channel::<()>();
        let server = setup.serve_sftp(|sftp| {
            sftp.on_first_write(move || {
                started.send(()).unwrap();
                may_resume.recv_timeout(Duration::from_secs(20)).unwrap();
            })
        });
        fs::write(setup.path("known_hosts"), server.known_hosts()).unwrap();
        let child = setup.command_of("check", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        has_started.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(setup.sshd.names(), [setup.part_of("19700101.tgz")], "the file exists");
        signal(&child, name);
        std::thread::sleep(Duration::from_millis(200));
        resume.send(()).unwrap();
        let outcome = setup.outcome(child.wait_with_output().unwrap());
        outcome.exited_with(code);
        assert!(outcome.stderr.contains("interrupted (SIG"), "{}", outcome.all());
        must_not_show(&outcome, "Reports");
        assert!(setup.sshd.names().is_empty(), "{:?}", setup.sshd.names());
    }
}
