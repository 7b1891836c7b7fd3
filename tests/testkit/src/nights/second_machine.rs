//! A run of the same job on a second machine, blocked at a request to the SFTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chrono::NaiveDate;

use super::site::{Job, Servers, Site};
use super::victim::{Finished, Victim};
use crate::servers::SftpServer;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::{Moment, Operation};

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Has its own SFTP server for the same folder.
pub struct SecondMachine {
    released: Arc<AtomicBool>,
    run: JoinHandle<Finished>,
    _sftp: SftpServer,
}

impl SecondMachine {
    /// Starts a run for `date` and blocks it at its first request that begins with `what`.
    pub fn block_at(what: &'static str, site: &Site, servers: &Servers, date: NaiveDate) -> SecondMachine {
        let (blocked, released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_blocked, is_released) = (Arc::clone(&blocked), Arc::clone(&released));
        let sftp = site.sftp().on_operation(move |operation: Operation<'_>| {
            if operation.moment == Moment::Before && operation.what.starts_with(what) {
                is_blocked.store(true, Ordering::SeqCst);
                tokio::task::block_in_place(|| {
                    while !is_released.load(Ordering::SeqCst) {
                        thread::sleep(POLL_INTERVAL);
                    }
                });
            }
            RequestFault::None
        });
        let sftp = sftp.start();
        let command = site.command(Job::OnSecondMachine, servers, &sftp, date);
        let run = thread::spawn(move || Victim::default().run(command, |_| false));
        while !blocked.load(Ordering::SeqCst) && !run.is_finished() {
            thread::sleep(POLL_INTERVAL);
        }
        SecondMachine { released, run, _sftp: sftp }
    }

    /// Unblocks the run and waits for its exit.
    pub fn finish(self) -> Finished {
        self.released.store(true, Ordering::SeqCst);
        self.run.join().unwrap()
    }
}
