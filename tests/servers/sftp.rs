//! The SFTP server, checked with libssh2.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ssh2::{File, OpenFlags, OpenType, RenameFlags, Session, Sftp};
use testkit::servers::sftp::Builder;
use testkit::servers::{SftpServer, SshKey, zips};

use crate::{CONTENT, folder_with_file};

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

const WRITE: OpenFlags = OpenFlags::WRITE;

fn open(sftp: &Sftp, name: &str, flags: OpenFlags) -> Result<File, ssh2::Error> {
    sftp.open_mode(Path::new(name), flags, 0o600, OpenType::File)
}

fn served(traits: impl FnOnce(Builder) -> Builder) -> (tempfile::TempDir, SftpServer) {
    let folder = folder_with_file();
    let server = traits(SftpServer::builder(folder.path()).password("secret")).start();
    (folder, server)
}

fn listed(sftp: &Sftp) -> Vec<String> {
    let entries = sftp.readdir(Path::new("/")).unwrap();
    let mut names: Vec<String> =
        entries.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_sftp_server_restricts_writing() {
    let (_folder, server) = served(|sftp| sftp.banner("SSH-2.0-AWS_SFTP_1.1").one_writer().writes_in_order());
    let (session, other) = (log_in(&server), log_in(&server).sftp().unwrap());
    assert_eq!(session.banner(), Some("SSH-2.0-AWS_SFTP_1.1"));
    let sftp = session.sftp().unwrap();
    let mut file = open(&sftp, "a", WRITE | OpenFlags::TRUNCATE).unwrap();
    assert_eq!(open(&other, "a", WRITE).err().unwrap().code(), ssh2::ErrorCode::SFTP(4));
    file.write_all(b"0123").unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    assert!(file.write_all(b"56").is_err());
    drop(file);
    // The end of the file is in order too.
    let mut file = open(&other, "a", WRITE).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    file.write_all(b"45").unwrap();
    drop((file, other));
    open(&sftp, "a", WRITE).unwrap();

    let (_folder, server) = served(Builder::no_resume);
    let sftp = log_in(&server).sftp().unwrap();
    assert!(open(&sftp, "file", WRITE).is_err());
    open(&sftp, "file", WRITE | OpenFlags::TRUNCATE).unwrap();

    let (_folder, server) = served(Builder::refusing_modes);
    let sftp = log_in(&server).sftp().unwrap();
    assert_eq!(sftp.create(Path::new("new")).err().unwrap().code(), ssh2::ErrorCode::SFTP(3));
    sftp.open(Path::new("file")).unwrap();
}

#[test]
fn the_sftp_server_releases_a_file_when_its_connection_breaks() {
    let (folder, server) = served(|sftp| sftp.one_writer().visible_at_close().cut_after(3, 1));
    let sftp = log_in(&server).sftp().unwrap();
    assert!(open(&sftp, "new", WRITE | OpenFlags::CREATE).unwrap().write_all(b"lost").is_err());
    let sftp = log_in(&server).sftp().unwrap();
    assert_eq!(sftp.lstat(Path::new("new")).unwrap_err().code(), ssh2::ErrorCode::SFTP(2));
    open(&sftp, "new", WRITE | OpenFlags::CREATE).unwrap().write_all(b"new").unwrap();
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"new");
}

#[test]
fn the_sftp_server_shows_an_object_when_it_is_closed() {
    let (folder, server) = served(Builder::visible_at_close);
    let sftp = log_in(&server).sftp().unwrap();
    assert!(open(&sftp, "new", WRITE).is_err());
    let mut first = open(&sftp, "new", WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE).unwrap();
    first.write_all(b"first").unwrap();
    let mut second = open(&sftp, "file", WRITE).unwrap();
    second.write_all(b"second").unwrap();
    assert!(sftp.lstat(Path::new("new")).is_err() && sftp.open(Path::new("new")).is_err());
    assert!(sftp.rename(Path::new("new"), Path::new("other"), None).is_err());
    assert_eq!((listed(&sftp), fs::read(folder.path().join("file")).unwrap()), (vec!["file".into()], CONTENT.into()));
    first.close().unwrap();
    second.close().unwrap();
    assert_eq!(listed(&sftp), ["file", "new"]);
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"second");
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"first");
}

#[test]
fn the_sftp_server_lists_late_and_closes_and_renames_slowly() {
    let delay = Duration::from_millis(500);
    let (_folder, server) = served(|sftp| sftp.late_listing(delay).slow_close(delay / 2).slow_rename(delay / 2));
    let sftp = log_in(&server).sftp().unwrap();
    let start = Instant::now();
    drop(open(&sftp, "new", WRITE | OpenFlags::CREATE).unwrap());
    assert!(start.elapsed() >= delay / 2);
    sftp.rename(Path::new("new"), Path::new("newer"), None).unwrap();
    assert!(start.elapsed() >= delay);
    thread::sleep(delay);
    assert_eq!(listed(&sftp), ["file", "newer"]);
    sftp.unlink(Path::new("newer")).unwrap();
    assert_eq!(listed(&sftp), ["file", "newer"]);
    assert!(sftp.lstat(Path::new("newer")).is_err());
    thread::sleep(delay);
    assert_eq!(listed(&sftp), ["file"]);
}

#[test]
fn the_sftp_server_limits_connections() {
    let (_folder, server) = served(|sftp| sftp.max_connections(1).idle_limit(Duration::from_millis(400)));
    let session = log_in(&server);
    assert!(try_to_connect(&server).is_err());
    let sftp = session.sftp().unwrap();
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(150));
        sftp.stat(Path::new("file")).unwrap();
    }
    thread::sleep(Duration::from_millis(600));
    assert!(sftp.stat(Path::new("file")).is_err());
    log_in(&server);
}

#[test]
fn the_sftp_server_keeps_and_moves_files_contrary_to_requests() {
    let (folder, server) = served(|sftp| sftp.keeps_removed_files().takes_away_after_rename());
    let sftp = log_in(&server).sftp().unwrap();
    sftp.unlink(Path::new("file")).unwrap();
    assert_eq!(listed(&sftp), ["file"]);
    sftp.rename(Path::new("file"), Path::new("renamed"), None).unwrap();
    assert_eq!(listed(&sftp), [""; 0]);

    fs::create_dir_all(folder.path().join("home/in")).unwrap();
    let server = SftpServer::builder(folder.path()).password("secret").login_folder("home").takes_away_after_close();
    let server = server.start();
    let sftp = log_in(&server).sftp().unwrap();
    assert_eq!(sftp.realpath(Path::new("in")).unwrap(), Path::new("/home/in"));
    let mut file = open(&sftp, "in/new", WRITE | OpenFlags::CREATE).unwrap();
    assert!(sftp.lstat(Path::new("/home/in/new")).is_ok() && sftp.lstat(Path::new("/in/new")).is_err());
    file.close().unwrap();
    assert!(sftp.lstat(Path::new("in/new")).is_err());
}

#[test]
fn the_sftp_server_reorders_and_changes_writes() {
    let content = zips::sql_dump(300_000);
    let (folder, server) = served(|sftp| sftp.reorders_writes().late_write(100_000));
    let sftp = log_in(&server).sftp().unwrap();
    let mut file = open(&sftp, "new", WRITE | OpenFlags::CREATE).unwrap();
    file.write_all(&content).unwrap();
    assert!(fs::read(folder.path().join("new")).unwrap() == content, "the bytes differ before the close");
    file.close().unwrap();
    let stored = fs::read(folder.path().join("new")).unwrap();
    let wrong: Vec<usize> = (0..content.len()).filter(|byte| stored[*byte] != content[*byte]).collect();
    assert!(stored.len() == content.len() && wrong.len() == 1 && wrong[0] >= 100_000, "{wrong:?}");

    let (_folder, server) = served(|sftp| sftp.reorders_writes().writes_in_order());
    let sftp = log_in(&server).sftp().unwrap();
    assert!(open(&sftp, "new", WRITE | OpenFlags::CREATE).unwrap().write_all(&content).is_err());
    // One request at a time.
    let mut file = open(&sftp, "slow", WRITE | OpenFlags::CREATE).unwrap();
    content.chunks(30_000).for_each(|chunk| file.write_all(chunk).unwrap());
}
