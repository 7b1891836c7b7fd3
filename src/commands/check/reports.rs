//! Whether the reports would arrive: the mail server, Mattermost, and who watches from outside.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::commands::check::Check;
use crate::commands::check::certificate::Certificate;
use crate::commands::check::findings::Finding;
use crate::commands::check::reach::{self, Trust};
use crate::config::{Email, MailSecurity, MailServer, Mattermost, SendOn};
use crate::disk::space;
use crate::report::mail::{self, MailError, Welcome};
use crate::report::mattermost;
use crate::report::post::TIMEOUT;
use crate::runtime::error_chain::with_causes;
use crate::runtime::retry::Retryable as _;

/// Looks at each report that the configuration names; with `notify`, sends a test of each that a run would send.
pub(super) fn look(check: &Check<'_>, notify: bool) {
    let config = &check.site.config;
    match &config.email {
        None => check.tell(Finding::skipped("mail", "none is configured (email)")),
        Some(email) if email.send == SendOn::Never => {
            check.tell(Finding::skipped("mail", "none is sent: email.send is \"never\""));
        }
        Some(email) => {
            let is_reached = reach_mail(check, email);
            if notify && is_reached {
                send_mail(check, email);
            }
        }
    }
    match &config.mattermost {
        None => check.tell(Finding::skipped("Mattermost", "not configured (mattermost)")),
        Some(mattermost) if mattermost.send == SendOn::Never => {
            check.tell(Finding::skipped("Mattermost", "nothing is posted: mattermost.send is \"never\""));
        }
        Some(mattermost) => {
            let host = WebHost {
                what: "Mattermost",
                who: "the Mattermost server",
                address: &mattermost.webhook_url,
                keys: ["mattermost.webhook_url", "mattermost.ca_file"],
                ca_file: mattermost.ca_file.as_deref(),
            };
            let is_reached = host.look(check);
            if notify && is_reached {
                post(check, mattermost);
            }
        }
    }
    if let Some(monitor) = &config.monitor {
        let host = WebHost {
            what: "monitor",
            who: "the monitoring service",
            address: &monitor.ping_url,
            keys: ["monitor.ping_url", "monitor.ca_file"],
            ca_file: monitor.ca_file.as_deref(),
        };
        host.look(check);
    }
    if let Some(metrics) = &config.metrics {
        let file = &metrics.textfile;
        // The file is replaced as a whole, so it is the folder that counts.
        check.tell(match space::check_writable(&file.with_extension("check")) {
            Ok(()) => Finding::good("metrics", format!("{} can be written", file.display())),
            Err(error) => Finding::failed("metrics", format!("{} cannot be written: {error}", file.display()))
                .with_fix("make its folder, or correct its permissions or metrics.textfile"),
        });
    }
}

/// Whether a mail would be taken, as far as that can be known without one.
fn reach_mail(check: &Check<'_>, email: &Email) -> bool {
    let Some(server) = &email.server else {
        return match mail::local_sendmail() {
            Ok(program) => {
                check.tell(Finding::good("mail", format!("{} is there to take it", program.display())));
                true
            }
            Err(error) => {
                check.tell(Finding::failed("mail", with_causes(&error)));
                false
            }
        };
    };
    let waiting = check.waiting("asking the mail server");
    let welcome = mail::try_server(email, server);
    drop(waiting);
    match welcome {
        Ok(welcome) => {
            welcomed(check, server, &welcome);
            true
        }
        Err(error) => {
            check.tell(Finding::failed(
                if is_login(&error) { "mail login" } else { "mail server" },
                with_causes(&error),
            ));
            false
        }
    }
}

fn is_login(error: &MailError) -> bool {
    matches!(error, MailError::Authentication { .. })
}

fn welcomed(check: &Check<'_>, server: &MailServer, welcome: &Welcome) {
    let protection = match server.security {
        MailSecurity::Tls => "TLS",
        MailSecurity::Starttls => "STARTTLS",
        MailSecurity::None => "no TLS",
    };
    check.tell(Finding::good("mail server", format!("{}:{} answers, {protection}", server.host, server.port)));
    if let Some(certificate) = welcome.certificate.as_deref().and_then(Certificate::read) {
        check.tell(certificate.finding("certificate", check.site.started.to_utc()));
    }
    if let Some(credentials) = &server.credentials {
        check.tell(Finding::good("mail login", format!("{}, with email.server.password", credentials.username)));
    }
    for (recipient, result) in &welcome.recipients {
        let address = &recipient.email;
        check.tell(match result {
            Ok(()) => Finding::good("recipient", format!("{address}: a mail would be taken")),
            Err(error) if error.is_transient() => {
                Finding::warning("recipient", with_causes(error), "nothing to do if it passes: a run tries again")
            }
            Err(error) => Finding::failed("recipient", with_causes(error)).with_fix("correct email.from or email.to"),
        });
    }
}

fn send_mail(check: &Check<'_>, email: &Email) {
    let host = host_name();
    let message = match mail::build_trial(email, &host, check.site.started, std::process::id()) {
        Ok(message) => message,
        Err(error) => return check.tell(Finding::failed("test mail", with_causes(&error))),
    };
    let waiting = check.waiting("sending the test mail");
    let deliveries = mail::send(email, &message, |attempt| attempt());
    drop(waiting);
    for delivery in deliveries {
        let recipient = &delivery.recipient.email;
        check.tell(match delivery.result {
            Ok(()) => Finding::good("test mail", format!("taken for {recipient}; look whether it arrives")),
            Err(error) => Finding::failed("test mail", with_causes(&error)),
        });
    }
}

fn post(check: &Check<'_>, mattermost: &Mattermost) {
    let payload = mattermost::build_trial(mattermost, &host_name());
    let waiting = check.waiting("posting the test message");
    let posted = mattermost::send(mattermost, &payload);
    drop(waiting);
    check.tell(match posted {
        Ok(()) => Finding::good("test message", "posted to Mattermost; look whether it is in the right channel"),
        Err(error) => Finding::failed("test message", with_causes(&error)),
    });
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A web server of which nothing may be asked: its address is a secret, and what is asked for would be done.
struct WebHost<'a> {
    what: &'static str,
    who: &'static str,
    address: &'a SecretString,
    /// Of the address and of the authorities.
    keys: [&'static str; 2],
    ca_file: Option<&'a Path>,
}

impl WebHost<'_> {
    /// Whether it is there, and who it is. Its name is not told.
    fn look(&self, check: &Check<'_>) -> bool {
        let waiting = check.waiting(&format!("connecting to {}", self.who));
        let found = self.reach();
        drop(waiting);
        match found {
            Ok((text, certificate)) => {
                check.tell(Finding::good(self.what, text));
                if let Some(certificate) = certificate {
                    check.tell(certificate.finding_without_names("certificate", check.site.started.to_utc()));
                }
                true
            }
            Err(text) => {
                check.tell(Finding::failed(self.what, text));
                false
            }
        }
    }

    fn reach(&self) -> Result<(String, Option<Certificate>), String> {
        let [address, authorities] = self.keys;
        let unreachable =
            |error: std::io::Error| format!("cannot reach {}: {error}; check the host in {address}", self.who);
        let url = Url::parse(self.address.expose_secret()).map_err(|_| format!("{address} is not an address"))?;
        let addresses: Vec<SocketAddr> = reach::addresses(&url).map_err(unreachable)?;
        let stream = reach::connect(&addresses, TIMEOUT).map_err(unreachable)?;
        let found = match addresses.len() {
            1 => "its name is known, and it answers".to_owned(),
            several => format!("its name stands for {several} addresses, and it answers"),
        };
        if url.scheme() != "https" {
            return Ok((format!("{found}; plain HTTP, which is for this machine alone"), None));
        }
        let trust = Trust { ca_file: self.ca_file, identity: None };
        let shown = reach::shake_hands(stream, &url, trust).map_err(|error| {
            // Nor are the names that it shows instead.
            let error = error.to_string();
            let error = error.split("; certificate is only valid").next().unwrap_or(&error);
            let error = error.replace(url.host_str().unwrap_or_default(), "[the server]");
            format!(
                "no trusted TLS connection to {}: {error}; check the host in {address}, and {authorities} for a private \
                 certificate authority",
                self.who
            )
        })?;
        Ok((format!("{found} with {}", shown.protocol), shown.certificate))
    }
}
