//! The mail: [`build`](build()) makes it from the record, [`send`](send()) sends it by SMTP or through the local sendmail.

mod build;
mod error;
mod html;
mod send;
mod sendmail;
mod smtp;
#[cfg(test)]
mod tests;
mod trial;

pub(crate) use build::{build, build_trial};
pub(crate) use error::MailError;
pub(crate) use send::{local_sendmail, send, undelivered};
pub(crate) use trial::{Trial, try_server};
