//! One quick look at the directory, for what wants to know and can do without.

use std::io;
use std::sync::mpsc;
use std::thread;

use crate::destination::error::DestinationError;
use crate::destination::session::connection::Server;
use crate::rules::listing::Entry;
use crate::runtime::interrupt::Interrupt;

impl Server {
    /// Everything in the directory, and how many bytes are free there, where the server tells: over one connection of its
    /// own, in one attempt, and within `sftp.timeout_seconds` for all of it.
    ///
    /// # Errors
    /// If that does not work at once.
    pub fn glance(&self) -> Result<(Vec<Entry>, Option<u64>), DestinationError> {
        self.reserve.dismiss();
        let end = Interrupt::new();
        let _ends_too = self.interrupt.on_trigger({
            let end = end.clone();
            move || end.expire()
        });
        let (sender, receiver) = mpsc::channel();
        let mut server = self.clone();
        server.interrupt = end.clone();
        let span = tracing::Span::current();
        // Nobody hears what comes too late: the name's resolution, say, which nothing ends.
        thread::spawn(move || _ = sender.send(span.in_scope(|| server.look())));
        receiver.recv_timeout(self.config.timeout).unwrap_or_else(|_| {
            end.expire();
            Err(DestinationError::Broken {
                what: "while sftp.directory was looked at".to_owned(),
                limit: self.config.timeout,
                source: io::ErrorKind::TimedOut.into(),
            })
        })
    }

    fn look(&self) -> Result<(Vec<Entry>, Option<u64>), DestinationError> {
        let connection = self.connect_once()?;
        let looked = (connection.list()?, connection.free_space());
        // It is cut all the same when it is dropped.
        let _ = connection.close();
        Ok(looked)
    }
}
