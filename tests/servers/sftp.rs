//! The SFTP server, checked with libssh2.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use ssh2::{OpenFlags, OpenType, RenameFlags, Session};
use testkit::servers::{SftpServer, SshKey, zips};

use crate::folder_with_file;

fn try_to_connect(server: &SftpServer) -> Result<Session, ssh2::Error> {
    let mut session = Session::new()?;
    session.set_tcp_stream(TcpStream::connect((server.host(), server.port())).unwrap());
    session.set_timeout(5_000);
    session.handshake()?;
    Ok(session)
}

fn connect(server: &SftpServer) -> Session {
    try_to_connect(server).unwrap()
}

fn log_in(server: &SftpServer) -> Session {
    let session = connect(server);
    session.userauth_password(server.username(), "secret").unwrap();
    session
}

#[test]
fn files_can_be_sent_read_back_renamed_listed_and_removed_over_sftp() {
    let folder = tempfile::tempdir().unwrap();
    let server = SftpServer::builder(folder.path()).password("secret").start();
    let session = log_in(&server);
    let sftp = session.sftp().unwrap();
    let content = zips::sql_dump(3_000_000);

    sftp.mkdir(Path::new("in"), 0o755).unwrap();
    let mut file = sftp.create(Path::new("in/.a.part")).unwrap();
    file.write_all(&content).unwrap();
    file.fsync().unwrap();
    assert!(file.statvfs().unwrap().f_bsize > 0);
    file.close().unwrap();
    let mut received = Vec::new();
    sftp.open(Path::new("in/.a.part")).unwrap().read_to_end(&mut received).unwrap();
    assert!(received == content, "the bytes differ");

    fs::write(folder.path().join("in/existing"), "old").unwrap();
    std::os::unix::fs::symlink("existing", folder.path().join("in/link")).unwrap();
    let overwrite = sftp.rename(Path::new("in/.a.part"), Path::new("in/existing"), Some(RenameFlags::all()));
    assert_eq!(overwrite.unwrap_err().code(), ssh2::ErrorCode::SFTP(4));
    assert_eq!(fs::read(folder.path().join("in/existing")).unwrap(), b"old");
    sftp.rename(Path::new("in/.a.part"), Path::new("in/a"), None).unwrap();
    sftp.unlink(Path::new("in/existing")).unwrap();

    assert_eq!(sftp.realpath(Path::new("in/../in/.")).unwrap(), Path::new("/in"));
    assert_eq!(sftp.stat(Path::new("in/a")).unwrap().size, Some(3_000_000));
    let mut listed = sftp.readdir(Path::new("in")).unwrap();
    listed.sort_by(|left, right| left.0.cmp(&right.0));
    let listed: Vec<_> = listed.iter().map(|(path, stat)| (path.to_str().unwrap(), stat.is_file())).collect();
    assert_eq!(listed, [("in/a", true), ("in/link", false)]);
    assert_eq!(server.connections(), 1);
    assert!(server.operations().contains(&"rename /in/.a.part /in/a".to_owned()), "{:?}", server.operations());
}

#[test]
fn files_outside_the_served_folder_cannot_be_reached_over_sftp() {
    let outside = folder_with_file();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("file"), folder.path().join("file")).unwrap();
    let server = SftpServer::builder(folder.path()).password("secret").start();
    let session = log_in(&server);
    let sftp = session.sftp().unwrap();
    for path in ["out/file", "file", "../file", "/etc/passwd"] {
        assert!(sftp.open(Path::new(path)).is_err(), "{path} could be read");
    }
}

#[test]
fn users_log_in_with_the_enabled_methods() {
    let folder = tempfile::tempdir().unwrap();
    let (ed25519, ecdsa, rsa) = (SshKey::ed25519(), SshKey::ecdsa(), SshKey::rsa());
    let server = SftpServer::builder(folder.path())
        .password("secret")
        .keyboard_interactive("typed")
        .public_key(&ed25519)
        .public_key(&ecdsa)
        .public_key(&rsa)
        .start();
    let with_key =
        |key: &SshKey| connect(&server).userauth_pubkey_file("backup", None, &key.write(folder.path(), "key"), None);
    with_key(&ed25519).unwrap();
    with_key(&ecdsa).unwrap();
    with_key(&rsa).unwrap();
    let encrypted = ed25519.write_encrypted(folder.path(), "encrypted", "phrase");
    connect(&server).userauth_pubkey_file("backup", None, &encrypted, Some("phrase")).unwrap();
    assert!(with_key(&SshKey::ed25519()).is_err());
    assert!(connect(&server).userauth_password("backup", "wrong").is_err());

    struct Typist;
    impl ssh2::KeyboardInteractivePrompt for Typist {
        fn prompt<'a>(&mut self, _: &str, _: &str, prompts: &[ssh2::Prompt<'a>]) -> Vec<String> {
            prompts.iter().map(|_| "typed".to_owned()).collect()
        }
    }
    connect(&server).userauth_keyboard_interactive("backup", &mut Typist).unwrap();

    let attempts = server.auth_attempts();
    let decided: Vec<_> = attempts.iter().map(|attempt| (attempt.method, attempt.accepted)).collect();
    assert_eq!(
        decided,
        [
            ("publickey", true),
            ("publickey", true),
            ("publickey", true),
            ("publickey", true),
            ("publickey", false),
            ("password", false),
            ("keyboard-interactive", true)
        ]
    );
}

#[test]
fn the_sftp_server_uses_the_given_host_keys() {
    let folder = tempfile::tempdir().unwrap();
    let key = SshKey::ecdsa();
    let server = SftpServer::builder(folder.path()).host_key(key.clone()).start();
    let session = connect(&server);
    let mut known_hosts = session.known_hosts().unwrap();
    known_hosts.read_str(server.known_hosts().trim(), ssh2::KnownHostFileKind::OpenSSH).unwrap();
    let (presented, _) = session.host_key().unwrap();
    let checked = known_hosts.check_port("127.0.0.1", server.port(), presented);
    assert!(matches!(checked, ssh2::CheckResult::Match), "{checked:?}");
    assert_eq!(server.fingerprint(), key.fingerprint());
    assert!(key.fingerprint().starts_with("SHA256:"));
}

#[test]
fn the_sftp_server_injects_its_faults() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || SftpServer::builder(folder.path()).password("secret");
    let send = |server: &SftpServer, name: &str| {
        let sftp = log_in(server).sftp()?;
        let mut file = sftp.open_mode(Path::new(name), OpenFlags::WRITE | OpenFlags::CREATE, 0o600, OpenType::File)?;
        file.write_all(&[7; 100_000]).map_err(|_| ssh2::Error::from_errno(ssh2::ErrorCode::SFTP(4)))?;
        file.close()
    };
    assert!(send(&builder().full_after(50_000).start(), "full").is_err());
    assert!(send(&builder().failing_close().start(), "closing").is_err());
    assert!(send(&builder().without_dotfiles().start(), ".hidden").is_err());
    assert!(send(&builder().without_sftp().start(), "no-sftp").is_err());
    let cutting = builder().cut_after(50_000, 1).start();
    assert!(send(&cutting, "cut").is_err());
    send(&cutting, "cut").unwrap();
    send(&builder().corrupting_writes().start(), "corrupt").unwrap();
    let stored = fs::read(folder.path().join("corrupt")).unwrap();
    assert!(stored.len() == 100_000 && stored != [7; 100_000], "the bytes are not corrupted");

    let truncating = builder().after_upload(|path| fs::write(path, "short").unwrap()).start();
    send(&truncating, "truncated").unwrap();
    assert_eq!(fs::read(folder.path().join("truncated")).unwrap(), b"short");
    let cutting = builder().cut_reads_after(5, 1).reject_connections(2..3).start();
    let read = |server: &SftpServer| {
        let mut content = Vec::new();
        log_in(server).sftp().unwrap().open(Path::new("corrupt")).unwrap().read_to_end(&mut content).map(drop)
    };
    assert!(read(&cutting).is_err());
    assert!(try_to_connect(&cutting).is_err());
    read(&cutting).unwrap();

    let server = builder().disconnecting_after_rename().without_removal().start();
    let session = log_in(&server);
    let sftp = session.sftp().unwrap();
    assert_eq!(sftp.unlink(Path::new("cut")).unwrap_err().code(), ssh2::ErrorCode::SFTP(3));
    assert!(sftp.rename(Path::new("cut"), Path::new("renamed"), None).is_err());
    assert!(folder.path().join("renamed").exists());
}
