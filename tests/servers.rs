//! The embedded servers do what real ones do, told by independent clients: a trial is worth no more than its servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "../examples/servers/mod.rs"]
mod servers;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use servers::smtp::Security;
use servers::{Authority, Entry, HttpsServer, Method, SftpServer, SmtpServer, SshKey, WebhookServer, Zip, zips};
use ssh2::{OpenFlags, OpenType, RenameFlags, Session};
use tempfile::TempDir;
use ureq::http::Response;
use ureq::tls::{ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body};

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn folder_with_file() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), CONTENT).unwrap();
    folder
}

fn agent(tls: impl FnOnce(ureq::tls::TlsConfigBuilder) -> ureq::tls::TlsConfigBuilder) -> Agent {
    let root = ureq::tls::Certificate::from_pem(Authority::shared().pem().as_bytes()).unwrap();
    let tls = tls(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])));
    Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into()
}

fn client() -> Agent {
    agent(|tls| tls)
}

fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response<Body>, ureq::Error> {
    headers.iter().fold(client().get(url), |request, &(name, value)| request.header(name, value)).call()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn text(mut response: Response<Body>) -> String {
    response.body_mut().read_to_string().unwrap()
}

#[test]
fn the_web_server_serves_files_and_ranges_of_them() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).start();
    let url = server.url("/file");

    let whole = get(&url, &[]).unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    let etag = header(&whole, "etag").to_owned();
    assert!(etag.starts_with('"'), "{etag} is not a strong validator");
    assert_eq!(text(whole).as_bytes(), CONTENT);

    let part = get(&url, &[("range", "bytes=10-12")]).unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), "bytes 10-12/36");
    assert_eq!(text(part), "abc");
    assert_eq!(text(get(&url, &[("range", "bytes=-2")]).unwrap()), "yz");

    let same = get(&url, &[("range", "bytes=0-0"), ("if-range", &etag)]).unwrap();
    assert_eq!(same.status(), 206);
    fs::write(folder.path().join("file"), "changed").unwrap();
    let changed = get(&url, &[("range", "bytes=0-0"), ("if-range", &etag)]).unwrap();
    assert_eq!((changed.status().as_u16(), text(changed).as_str()), (200, "changed"));

    assert_eq!(get(&server.url("/absent"), &[]).unwrap().status(), 404);
    assert_eq!(server.requests(), 6);
    assert_eq!(server.bytes_sent(), 36 + 3 + 2 + 1 + 7);
    assert_eq!(server.seen()[1].range(), Some("bytes=10-12"));
    assert_eq!(server.seen()[5].status, 404);
}

#[test]
fn the_web_server_can_be_difficult() {
    let folder = folder_with_file();
    let builder = || HttpsServer::builder(folder.path());

    let server = builder().without_ranges().without_validators().start();
    let answer = get(&server.url("/file"), &[("range", "bytes=0-1")]).unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "accept-ranges"), header(&answer, "etag")), (200, "", ""));

    let server = builder().basic_auth("u", "p").start();
    assert_eq!(get(&server.url("/file"), &[]).unwrap().status(), 401);
    assert_eq!(get(&server.url("/file"), &[("authorization", "Basic dTpw")]).unwrap().status(), 200);
    assert!(server.seen()[1].has_authorization() && !server.seen()[0].has_authorization());

    let server = builder().status_for(503, 1).retry_after(7).start();
    let answer = get(&server.url("/file"), &[]).unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "7"));
    assert_eq!(get(&server.url("/file"), &[]).unwrap().status(), 200);

    let server = builder().html_page("<p>Log in").start();
    assert!(header(&get(&server.url("/file"), &[]).unwrap(), "content-type").starts_with("text/html"));

    let server = builder().plain_http().date_shifted_by_hours(-48).start();
    assert!(server.url("/").starts_with("http://"));
    let answer = get(&server.url("/file"), &[]).unwrap();
    let date = chrono::DateTime::parse_from_rfc2822(header(&answer, "date")).unwrap();
    assert_eq!((chrono::Utc::now() - date.to_utc()).num_hours(), 48);
}

#[test]
fn a_cut_body_arrives_up_to_the_cut_and_is_whole_the_next_time() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).cut_after(5, 1).start();
    let mut received = Vec::new();
    let answer = get(&server.url("/file"), &[]).unwrap();
    let cut = answer.into_body().into_reader().read_to_end(&mut received);
    assert_eq!((cut.unwrap_err().kind(), received.as_slice()), (std::io::ErrorKind::UnexpectedEof, &CONTENT[..5]));
    assert_eq!(text(get(&server.url("/file"), &[]).unwrap()).as_bytes(), CONTENT);
    assert_eq!(server.bytes_sent(), 5 + 36);
}

#[test]
fn a_slow_body_takes_its_time() {
    let folder = folder_with_file();
    let server = HttpsServer::builder(folder.path()).bytes_per_second(100).start();
    let begun = std::time::Instant::now();
    assert_eq!(text(get(&server.url("/file"), &[]).unwrap()).as_bytes(), CONTENT);
    assert!(begun.elapsed() > Duration::from_millis(250), "took only {:?}", begun.elapsed());
}

#[test]
fn certificates_are_refused_where_they_should_be() {
    let folder = folder_with_file();
    let with = |identity| HttpsServer::builder(folder.path()).identity(identity).start();
    for (identity, complaint) in [
        (Authority::shared().expired_server(&["127.0.0.1"]), "expired"),
        (Authority::shared().server(&["other.example"]), "not valid for name"),
        (Authority::new("Stranger").server(&["127.0.0.1"]), "UnknownIssuer"),
    ] {
        let error = get(&with(identity).url("/file"), &[]).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error:?} does not say {complaint:?}");
    }

    let server = HttpsServer::builder(folder.path()).client_certificates_of(Authority::shared()).start();
    assert!(get(&server.url("/file"), &[]).is_err());
    let identity = Authority::shared().client("shipper");
    let chain = [ureq::tls::Certificate::from_pem(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKey::from_pem(identity.key.as_bytes()).unwrap();
    let known = agent(|tls| tls.client_cert(Some(ClientCert::new_with_certs(&chain, key))));
    assert_eq!(known.get(server.url("/file")).call().unwrap().status(), 200);
}

fn connect(server: &SftpServer) -> Session {
    let mut session = Session::new().unwrap();
    session.set_tcp_stream(TcpStream::connect((server.host(), server.port())).unwrap());
    session.set_timeout(5_000);
    session.handshake().unwrap();
    session
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
    assert!(received == content, "other bytes came back");

    fs::write(folder.path().join("in/taken"), "old").unwrap();
    std::os::unix::fs::symlink("taken", folder.path().join("in/link")).unwrap();
    let overwrite = sftp.rename(Path::new("in/.a.part"), Path::new("in/taken"), Some(RenameFlags::all()));
    assert_eq!(overwrite.unwrap_err().code(), ssh2::ErrorCode::SFTP(4));
    assert_eq!(fs::read(folder.path().join("in/taken")).unwrap(), b"old");
    sftp.rename(Path::new("in/.a.part"), Path::new("in/a"), None).unwrap();
    sftp.unlink(Path::new("in/taken")).unwrap();

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
fn nothing_outside_the_served_folder_can_be_reached_over_sftp() {
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
fn ssh_users_come_in_by_the_methods_that_are_offered() {
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
fn the_sftp_server_shows_the_host_keys_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let key = SshKey::ecdsa();
    let server = SftpServer::builder(folder.path()).host_key(key.clone()).start();
    let session = connect(&server);
    let mut known_hosts = session.known_hosts().unwrap();
    known_hosts.read_str(server.known_hosts().trim(), ssh2::KnownHostFileKind::OpenSSH).unwrap();
    let (shown, _) = session.host_key().unwrap();
    let checked = known_hosts.check_port("127.0.0.1", server.port(), shown);
    assert!(matches!(checked, ssh2::CheckResult::Match), "{checked:?}");
    assert_eq!(server.fingerprint(), key.fingerprint());
    assert!(key.fingerprint().starts_with("SHA256:"));
}

#[test]
fn the_sftp_server_can_be_difficult() {
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
    assert!(stored.len() == 100_000 && stored != [7; 100_000], "the bytes are as they were sent");

    let server = builder().losing_the_rename_reply().without_removal().start();
    let session = log_in(&server);
    let sftp = session.sftp().unwrap();
    assert_eq!(sftp.unlink(Path::new("cut")).unwrap_err().code(), ssh2::ErrorCode::SFTP(3));
    assert!(sftp.rename(Path::new("cut"), Path::new("renamed"), None).is_err());
    assert!(folder.path().join("renamed").exists());
}

fn message() -> lettre::Message {
    lettre::Message::builder()
        .from("shipper@example.org".parse().unwrap())
        .to("ops@example.org".parse().unwrap())
        .subject("Report")
        .body(".a line that begins with a dot\r\nand one more".to_owned())
        .unwrap()
}

fn mailer(
    server: &SmtpServer,
    tls: impl FnOnce(TlsParameters) -> Tls,
) -> lettre::transport::smtp::SmtpTransportBuilder {
    let root = Certificate::from_pem(Authority::shared().pem().as_bytes()).unwrap();
    let parameters = TlsParameters::builder(server.host()).add_root_certificate(root).build_rustls().unwrap();
    SmtpTransport::builder_dangerous(server.host())
        .port(server.port())
        .timeout(Some(Duration::from_secs(5)))
        .tls(tls(parameters))
}

#[test]
fn mail_arrives_over_tls_and_starttls_after_a_login() {
    for (security, mechanism) in [(Security::Tls, Mechanism::Plain), (Security::StartTls, Mechanism::Login)] {
        let server = SmtpServer::builder(security).login("u", "p").start();
        let tls =
            |parameters| if security == Security::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) };
        let login = |password: &str| {
            let credentials = Credentials::new("u".to_owned(), password.to_owned());
            mailer(&server, tls).credentials(credentials).authentication(vec![mechanism]).build()
        };
        login("p").send(&message()).unwrap();
        assert!(login("wrong").send(&message()).is_err());
        assert!(mailer(&server, tls).build().send(&message()).is_err());

        let mails = server.messages();
        assert_eq!(mails.len(), 1, "{security:?}");
        assert_eq!(
            (mails[0].from.as_str(), mails[0].to.as_slice()),
            ("shipper@example.org", &["ops@example.org".to_owned()][..])
        );
        assert_eq!((mails[0].username.as_deref(), mails[0].is_encrypted), (Some("u"), true), "{security:?}");
        let parsed = mail_parser::MessageParser::default().parse(&mails[0].raw).unwrap();
        assert_eq!(parsed.subject(), Some("Report"));
        assert_eq!(parsed.body_text(0).unwrap().trim_end(), ".a line that begins with a dot\r\nand one more");
        assert_eq!(server.logins(), [("u".to_owned(), true), ("u".to_owned(), false)]);
    }
}

#[test]
fn the_mail_server_can_be_difficult() {
    let server = SmtpServer::builder(Security::None).refuse_recipient("ops@example.org").start();
    let refusal = mailer(&server, |_| Tls::None).build().send(&message()).unwrap_err();
    assert_eq!(refusal.status().map(u16::from), Some(550));

    let server = SmtpServer::builder(Security::None).refuse_messages(452).start();
    let refusal = mailer(&server, |_| Tls::None).build().send(&message()).unwrap_err();
    assert_eq!((refusal.status().map(u16::from), server.messages().len()), (Some(452), 0));

    let server = SmtpServer::builder(Security::None).silent().start();
    let mailer = mailer(&server, |_| Tls::None).timeout(Some(Duration::from_millis(200))).build();

    assert!(mailer.send(&message()).is_err());
}

#[test]
fn the_webhook_takes_what_mattermost_takes_and_nothing_else() {
    let server = WebhookServer::builder().start();
    let post = |content_type: &str, body: &str| {
        let request = client().post(server.url()).header("content-type", content_type);
        let answer = request.send(body).unwrap();
        (answer.status().as_u16(), text(answer))
    };
    let json = "application/json";
    assert_eq!(post(json, r#"{"text": "| a |", "username": "ship"}"#), (200, "ok".to_owned()));
    assert_eq!(post("application/json; charset=utf-8", r#"{"text": "b"}"#).0, 200);
    let longest = "é".repeat(16_383);
    assert_eq!(post(json, &format!(r#"{{"text": "{longest}"}}"#)).0, 200);

    assert_eq!(post(json, &format!(r#"{{"text": "{longest}x"}}"#)).0, 400);
    assert_eq!(post(json, r#"{"text": ""}"#).0, 400);
    assert_eq!(post(json, r#"{"username": "no text"}"#).0, 400);
    assert_eq!(post(json, r#"{"text": "a", "colour": "red"}"#).0, 400);
    assert_eq!(post(json, r#"["text"]"#).0, 400);
    assert_eq!(post("text/plain", r#"{"text": "a"}"#).0, 400);
    assert_eq!(get(&server.url(), &[]).unwrap().status(), 405);

    let texts: Vec<usize> = server.posts().iter().map(|post| post.text.chars().count()).collect();
    assert_eq!(texts, [5, 1, 16_383]);
    assert_eq!(server.posts()[0].username.as_deref(), Some("ship"));
    assert_eq!(server.refusals().len(), 6);

    let server = WebhookServer::builder().plain_http().status(429).retry_after(1).start();
    let answer = client().post(server.url()).content_type(json).send(r#"{"text": "a"}"#).unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (429, "1"));
    assert_eq!((server.requests(), server.posts().len()), (1, 0));
}

#[test]
fn zips_hold_their_entries_and_the_times_that_they_were_given() {
    let dump = zips::sql_dump(100_000);
    let local = chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap().and_hms_opt(23, 59, 58).unwrap();
    let zip = Zip::new()
        .with(Entry::new("dumpfile.sql", dump.clone()).dos_time(local).extended_time(local.and_utc()))
        .with(Entry::new("other/notes.txt", "x").method(Method::Stored).dos_time(local))
        .with(Entry::new("windows.sql", dump.clone()).method(Method::Bzip2).ntfs_time(local.and_utc()))
        .with(Entry::folder("empty"))
        .comment("made at night");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip.bytes())).unwrap();
    let mut seen = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let extended = entry.extra_data_fields().find_map(|field| match field {
            zip::extra_fields::ExtraField::ExtendedTimestamp(time) => time.mod_time(),
            _ => None,
        });
        let dos = entry.last_modified().map(|time| time.to_string());
        seen.push((entry.name().unwrap().into_owned(), content.len(), dos.unwrap_or_default(), extended));
    }
    let seconds = u32::try_from(local.and_utc().timestamp()).unwrap();
    let at = |time: &str| time.to_owned();
    assert_eq!(
        seen,
        [
            (at("dumpfile.sql"), 100_000, at("2026-01-31 23:59:58"), Some(seconds)),
            (at("other/notes.txt"), 1, at("2026-01-31 23:59:58"), None),
            (at("windows.sql"), 100_000, at("1980-01-01 00:00:00"), None),
            (at("empty/"), 0, at("1980-01-01 00:00:00"), None),
        ]
    );
    assert_eq!(dump, zips::sql_dump(100_000));
}
