//! The mail: [`build`](build::build) makes it from the record, [`send`](send::send) passes it to a mail server or the local
//! sendmail.

pub mod build;
pub mod error;
mod html;
pub mod send;
mod sendmail;
mod smtp;
#[cfg(test)]
mod tests;
pub mod trial;
