//! Checks whether the reports would arrive: mail, Mattermost, the monitoring service and the metrics file.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::commands::check::certificate::Certificate;
use crate::commands::check::checker::Checker;
use crate::commands::check::findings::Finding;
use crate::commands::check::reach::{self, Trust};
use crate::config::{Email, MailSecurity, MailServer, Mattermost, SendOn};
use crate::disk::space;
use crate::report::mail::{self, MailError, Trial};
use crate::report::mattermost;
use crate::report::post::TIMEOUT;
use crate::rules::units;
use crate::runtime::error_chain::with_causes;
use crate::runtime::retry::Retryable as _;

/// Checks each configured channel; with `notify`, sends a test message through each that is on.
pub(super) fn check_reports(checker: &Checker<'_>, notify: bool) {
    let config = &checker.context.config;
    match &config.reports.email {
        None => checker.report(Finding::skipped("mail", "not configured (email)")),
        Some(email) if email.send == SendOn::Never => {
            checker.report(Finding::skipped("mail", "off: email.send is \"never\""));
        }
        Some(email) => {
            if check_mail(checker, email) && notify {
                send_mail(checker, email);
            }
        }
    }
    match &config.reports.mattermost {
        None => checker.report(Finding::skipped("Mattermost", "not configured (mattermost)")),
        Some(mattermost) if mattermost.send == SendOn::Never => {
            checker.report(Finding::skipped("Mattermost", "off: mattermost.send is \"never\""));
        }
        Some(mattermost) => {
            let host = WebHost {
                subject: "Mattermost",
                name: "the Mattermost server",
                address: &mattermost.webhook_url,
                keys: ["mattermost.webhook_url", "mattermost.ca_file"],
                ca_file: mattermost.ca_file.as_deref(),
            };
            if host.check(checker) && notify {
                post(checker, mattermost);
            }
        }
    }
    if let Some(monitor) = &config.reports.monitor {
        let host = WebHost {
            subject: "monitor",
            name: "the monitoring service",
            address: &monitor.ping_url,
            keys: ["monitor.ping_url", "monitor.ca_file"],
            ca_file: monitor.ca_file.as_deref(),
        };
        host.check(checker);
    }
    if let Some(metrics) = &config.reports.metrics {
        let file = &metrics.textfile;
        // A run replaces the file, so its folder must be writable.
        let result = space::check_writable(&file.with_extension("check"));
        checker.report(Finding::writable("metrics", file, "metrics.textfile", result));
    }
}

/// Whether a mail would be accepted, as far as that is known without sending one.
fn check_mail(checker: &Checker<'_>, email: &Email) -> bool {
    let Some(server) = &email.server else {
        return checker.passes(match mail::local_sendmail() {
            Ok(program) => Finding::good("mail", format!("will be sent with {}", program.display())),
            Err(error) => Finding::failed("mail", with_causes(&error)),
        });
    };
    let welcome = checker.wait("talking to the mail server", || mail::try_server(email, server));
    match welcome {
        Ok(welcome) => {
            report_welcome(checker, server, &welcome);
            true
        }
        Err(error) => {
            let is_login_error = matches!(error, MailError::Authentication { .. });
            let subject = if is_login_error { "mail login" } else { "mail server" };
            checker.passes(Finding::failed(subject, with_causes(&error)))
        }
    }
}

fn report_welcome(checker: &Checker<'_>, server: &MailServer, welcome: &Trial) {
    let protection = match server.security {
        MailSecurity::Tls => "TLS",
        MailSecurity::Starttls => "STARTTLS",
        MailSecurity::None => "no TLS",
    };
    checker.report(Finding::good("mail server", format!("{}:{} answers, {protection}", server.host, server.port)));
    if let Some(certificate) = welcome.certificate.as_deref().and_then(Certificate::read) {
        checker.report(certificate.finding(checker.context.started.to_utc()));
    }
    if let Some(credentials) = &server.credentials {
        checker.report(Finding::good("mail login", format!("{}, with email.server.password", credentials.username)));
    }
    for (recipient, result) in &welcome.recipients {
        let address = &recipient.email;
        checker.report(match result {
            Ok(()) => Finding::good("recipient", format!("{address}: would be accepted")),
            Err(error) if error.is_transient() => Finding::warning("recipient", with_causes(error))
                .with_fix("nothing to do if this is temporary: a run tries again"),
            Err(error) => Finding::failed("recipient", with_causes(error)).with_fix("correct email.from or email.to"),
        });
    }
}

fn send_mail(checker: &Checker<'_>, email: &Email) {
    let host = host_name();
    let message = match mail::build_trial(email, &host, checker.context.started, std::process::id()) {
        Ok(message) => message,
        Err(error) => return checker.report(Finding::failed("test mail", with_causes(&error))),
    };
    let deliveries = checker.wait("sending the test mail", || mail::send(email, &message, |attempt| attempt()));
    for delivery in deliveries {
        let recipient = &delivery.recipient.email;
        checker.report(match delivery.result {
            Ok(()) => Finding::good("test mail", format!("accepted for {recipient}; check that it arrives")),
            Err(error) => Finding::failed("test mail", with_causes(&error)),
        });
    }
}

fn post(checker: &Checker<'_>, mattermost: &Mattermost) {
    let payload = mattermost::build_trial(mattermost, &host_name());
    let posted = checker.wait("posting the test message", || mattermost::send(mattermost, &payload));
    checker.report(match posted {
        Ok(()) => Finding::good("test message", "posted to Mattermost; check that it is in the right channel"),
        Err(error) => Finding::failed("test message", with_causes(&error)),
    });
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A web server that must not receive a request: its address is a secret, and any request has an effect.
struct WebHost<'a> {
    subject: &'static str,
    name: &'static str,
    address: &'a SecretString,
    /// The keys for the address and for the certificate authorities.
    keys: [&'static str; 2],
    ca_file: Option<&'a Path>,
}

impl WebHost<'_> {
    /// Whether the server can be reached. Does not print its name.
    fn check(&self, checker: &Checker<'_>) -> bool {
        let reached = checker.wait(&format!("connecting to {}", self.name), || self.reach());
        match reached {
            Ok((text, certificate)) => {
                checker.report(Finding::good(self.subject, text));
                if let Some(certificate) = certificate {
                    checker.report(certificate.finding_without_names(checker.context.started.to_utc()));
                }
                true
            }
            Err(text) => checker.passes(Finding::failed(self.subject, text)),
        }
    }

    fn reach(&self) -> Result<(String, Option<Certificate>), String> {
        let [address, authorities] = self.keys;
        let unreachable =
            |error: std::io::Error| format!("cannot reach {}: {error}; check the host in {address}", self.name);
        let url = Url::parse(self.address.expose_secret()).map_err(|_| format!("{address} is not a URL"))?;
        let addresses: Vec<SocketAddr> = reach::addresses(&url).map_err(unreachable)?;
        let stream = reach::connect(&addresses, TIMEOUT).map_err(unreachable)?;
        let text = match addresses.len() {
            1 => "reachable".to_owned(),
            several => format!("reachable at one of {} addresses", units::number(several as u64)),
        };
        if url.scheme() != "https" {
            return Ok((format!("{text}; plain HTTP, allowed on this machine only"), None));
        }
        let trust = Trust { ca_file: self.ca_file, identity: None };
        let handshake = reach::handshake(stream, &url, trust).map_err(|error| {
            // The error may contain names from the certificate.
            let error = error.to_string();
            let error = error.split("; certificate is only valid").next().unwrap_or(&error);
            let error = error.replace(url.host_str().unwrap_or_default(), "[the server]");
            format!(
                "no trusted TLS connection to {}: {error}; check the host in {address}, and {authorities} for a private \
                 certificate authority",
                self.name
            )
        })?;
        Ok((format!("{text}, {}", handshake.protocol), handshake.certificate))
    }
}
