//! A second machine that runs the same job, blocked at one of its requests to the SFTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chrono::NaiveDate;

use super::site::{Job, Servers, Site};
use super::victim::{Ended, Victim};
use crate::servers::SftpServer;
use crate::servers::sftp_faults::RequestFault;
use crate::servers::sftp_watch::{Moment, Operation};

const GLANCE: Duration = Duration::from_millis(1);

/// A run on the second machine, with its own SFTP server for the same folder.
pub struct SecondMachine {
    released: Arc<AtomicBool>,
    run: JoinHandle<Ended>,
    _sftp: SftpServer,
}

impl SecondMachine {
    /// Starts a run for `date` and blocks it at its first request that begins with `what`.
    pub fn stop_at(what: &'static str, site: &Site, servers: &Servers, date: NaiveDate) -> SecondMachine {
        let (stopped, released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_stopped, is_released) = (Arc::clone(&stopped), Arc::clone(&released));
        let sftp = site.sftp().on_operation(move |operation: Operation<'_>| {
            if operation.moment == Moment::Before && operation.what.starts_with(what) {
                is_stopped.store(true, Ordering::SeqCst);
                tokio::task::block_in_place(|| {
                    while !is_released.load(Ordering::SeqCst) {
                        thread::sleep(GLANCE);
                    }
                });
            }
            RequestFault::None
        });
        let sftp = sftp.start();
        let command = site.command(Job::OnSecondMachine, servers, &sftp, date);
        let run = thread::spawn(move || Victim::default().run(command, |_| false));
        while !stopped.load(Ordering::SeqCst) && !run.is_finished() {
            thread::sleep(GLANCE);
        }
        SecondMachine { released, run, _sftp: sftp }
    }

    /// Releases it and waits for its end.
    pub fn finish(self) -> Ended {
        self.released.store(true, Ordering::SeqCst);
        self.run.join().unwrap()
    }
}
