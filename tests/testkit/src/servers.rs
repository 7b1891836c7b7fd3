//! Embedded servers on loopback: HTTPS, SFTP, SMTP, a Mattermost webhook and a monitor.
//!
//! Each has a builder, listens on 127.0.0.1 (by default on a free port), runs in background threads, records what it
//! receives, and stops when dropped.

/// Methods that change a builder and return it.
macro_rules! setters {
    ($this:ident; $($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) { $($body:tt)* })*) => {$(
        $(#[$doc])*
        pub fn $name(mut $this $(, $argument: $type)*) -> Self {
            $($body)*
            $this
        }
    )*};
}

/// The setters of all HTTP servers, for builders with the fields `endpoint` and `behaviour`.
macro_rules! http_setters {
    ($this:ident) => {
        setters! { $this;
            port(port: u16) { $this.endpoint.address.set_port(port); }
            identity(identity: Identity) { $this.endpoint.identity = Some(identity); }
            /// Serves HTTP without TLS.
            plain_http() { $this.endpoint.is_plain = true; }
            /// Answers every request with `status`.
            status(status: u16) { $this.behaviour.fixed_reply = Some(FixedReply::new(status, None)); }
            /// Answers the first `requests` requests with `status`.
            status_for(status: u16, requests: u64) {
                $this.behaviour.fixed_reply = Some(FixedReply::new(status, Some(requests)));
            }
            /// Adds `Retry-After` to the fixed status, which must be set before.
            retry_after(seconds: u64) {
                $this.behaviour.fixed_reply.as_mut().expect("a status is set first").retry_after = Some(seconds);
            }
        }
    };
}

pub mod certificates;
pub mod faults;
pub mod https;
pub mod https_answers;
pub mod https_habits;
pub mod listener;
pub mod pings;
pub mod proxy;
pub mod sftp;
pub mod sftp_faults;
pub mod sftp_files;
pub mod sftp_reorder;
pub mod sftp_replies;
pub mod sftp_traits;
pub mod sftp_watch;
pub mod smtp;
pub mod smtp_line;
pub mod ssh_keys;
pub mod times;
pub mod webhook;
pub mod zips;

pub use certificates::{Authority, Identity};
pub use https::HttpsServer;
pub use pings::PingServer;
pub use proxy::Proxy;
pub use sftp::SftpServer;
pub use smtp::SmtpServer;
pub use ssh_keys::SshKey;
pub use webhook::WebhookServer;
pub use zips::{Entry, Method, Zip};
