//! One whole download of the ZIP, streamed to a file without a name.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use ureq::http::HeaderMap;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};

use super::client;
use super::error::{SourceError, from_body, from_ureq};
use crate::config;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::retry::Retry;

/// A body that brings fewer bytes a second than this, over the whole of `source.timeout_seconds`, has stalled.
const SLOWEST_RATE: u64 = 1024;
const BUFFER: usize = 128 * 1024;

/// The ZIP, on this machine. Its file has no name and is gone with this value.
#[derive(Debug)]
pub struct Zip {
    file: File,
    /// Size in bytes.
    pub size: u64,
    /// What the server says that it is (Content-Type).
    pub content_type: Option<String>,
    /// The server's clock when it answered (Date).
    pub server_time: Option<DateTime<Utc>>,
}

impl Zip {
    /// Reads the ZIP from its beginning.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn reader(&self) -> io::Result<impl Read + Seek + use<>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::with_capacity(BUFFER, file))
    }
}

/// Gets the ZIP that `source` names into `work_directory`, trying again as `retry` allows.
///
/// # Errors
/// The last attempt's.
pub fn fetch(
    source: &config::Source,
    work_directory: &Path,
    retry: &Retry,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Zip, SourceError> {
    let agent = client::agent(source)?;
    let _closer = interrupt.on_trigger({
        let agent = agent.clone();
        move || agent.clone().shutdown()
    });
    retry.run("the download", || {
        let result = download(&agent, source, work_directory, progress);
        // A shut-down connection can look like any fault, or even like the end of the body.
        interrupt.check()?;
        result
    })
}

fn download(
    agent: &ureq::Agent,
    source: &config::Source,
    work_directory: &Path,
    progress: &Progress,
) -> Result<Zip, SourceError> {
    let host = source.url.host_str().unwrap_or_default();
    let mut request = agent.get(source.url.as_str());
    if let Some(value) = client::authorization(source) {
        request = request.header(AUTHORIZATION, value.expose_secret());
    }
    let response = request.call().map_err(|error| from_ureq(error, host, source.timeout))?;
    let status = response.status().as_u16();
    let headers = response.headers();
    if status != 200 {
        let retry_after = text(headers, RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
        return Err(SourceError::Status {
            url: source.public_url(),
            status,
            retry_after: retry_after.map(Duration::from_secs),
        });
    }
    let content_type = text(headers, CONTENT_TYPE.as_str());
    let server_time = text(headers, DATE.as_str())
        // RFC 9110 section 5.6.7: IMF-fixdate, which is a date of RFC 5322 too.
        .and_then(|date| DateTime::parse_from_rfc2822(&date).ok())
        .map(|date| date.with_timezone(&Utc));
    let announced = response.body().content_length();
    let cap = source.max_dump_bytes;
    if let Some(size) = announced.filter(|size| *size > cap) {
        return Err(SourceError::TooLarge { size, cap });
    }
    let local = |error| SourceError::WorkDirectory { folder: work_directory.to_owned(), source: error };
    let mut file = tempfile::tempfile_in(work_directory).map_err(local)?;
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let bar = progress.bar("Download", announced);
    let mut rate = RateWatch::new(source.timeout);
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(from_body(error, size, source.timeout)),
        };
        file.write_all(&buffer[..count]).map_err(local)?;
        size += count as u64;
        bar.advance(count);
        if size > cap {
            return Err(SourceError::TooLarge { size, cap });
        }
        if rate.is_too_slow(count as u64) {
            return Err(SourceError::TooSlow { received: size, limit: source.timeout });
        }
    }
    Ok(Zip { file, size, content_type, server_time })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Watches that bytes keep coming: a limit on each read never fires on a server that drips.
struct RateWatch {
    window: Duration,
    began: Instant,
    received: u64,
}

impl RateWatch {
    fn new(window: Duration) -> RateWatch {
        RateWatch { window, began: Instant::now(), received: 0 }
    }

    /// Counts `bytes` more; whether too few came in the window that has just ended.
    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.received += bytes;
        if self.began.elapsed() < self.window {
            return false;
        }
        let too_slow = self.received < SLOWEST_RATE * self.window.as_secs();
        (self.began, self.received) = (Instant::now(), 0);
        too_slow
    }
}
