//! The mail server, checked with lettre.

use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use testkit::servers::smtp::Security;
use testkit::servers::{Authority, SmtpServer};

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
fn the_mail_server_injects_its_faults() {
    let server = SmtpServer::builder(Security::None).refuse_recipient("ops@example.org").start();
    let refusal = mailer(&server, |_| Tls::None).build().send(&message()).unwrap_err();
    assert_eq!(refusal.status().map(u16::from), Some(550));

    let server = SmtpServer::builder(Security::None).refuse_messages(452).start();
    let refusal = mailer(&server, |_| Tls::None).build().send(&message()).unwrap_err();
    assert_eq!((refusal.status().map(u16::from), server.messages().len()), (Some(452), 0));

    let server = SmtpServer::builder(Security::None).silent_after_data().start();
    let impatient = mailer(&server, |_| Tls::None).timeout(Some(Duration::from_millis(200))).build();
    assert!(impatient.send(&message()).is_err());
    assert_eq!(server.messages().len(), 1);

    let server = SmtpServer::builder(Security::None).silent().start();
    let mailer = mailer(&server, |_| Tls::None).timeout(Some(Duration::from_millis(200))).build();

    assert!(mailer.send(&message()).is_err());
}
