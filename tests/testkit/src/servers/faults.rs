//! Faults of a web server: a fixed reply, wrong ranges, and bodies that end early, stall or are slow.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use tokio::time::Sleep;

/// Time for hyper to flush before the connection breaks.
const FLUSH_TIME: Duration = Duration::from_millis(50);
const PIECES_PER_SECOND: u64 = 20;

/// A status that replaces the regular answer.
#[derive(Debug, Clone, Copy)]
pub struct FixedReply {
    status: u16,
    /// Seconds.
    pub retry_after: Option<u64>,
    requests: Option<u64>,
}

impl FixedReply {
    /// For the first `requests` requests, or for all.
    pub fn new(status: u16, requests: Option<u64>) -> FixedReply {
        FixedReply { status, retry_after: None, requests }
    }

    /// Whether the request with this number (from 1) gets this reply.
    pub fn applies(&self, number: u64) -> bool {
        self.requests.is_none_or(|requests| number <= requests)
    }

    pub fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("a status has three digits");
        let mut response = (status, format!("{status}\n")).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A wrong answer to a range request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongRange {
    /// `Content-Range` is shifted by one byte; the body is right.
    Header,
    /// The body is shifted by one byte; `Content-Range` is right.
    Body,
}

impl WrongRange {
    /// Shifts a value of `Range` or `Content-Range` by `by` bytes.
    pub fn shift(text: &str, by: i64) -> Option<String> {
        let (unit, rest) = text.split_at(text.find(|character: char| character.is_ascii_digit())?);
        let (first, rest) = rest.split_once('-')?;
        let end = rest.find('/').unwrap_or(rest.len());
        let shift = |number: &str| number.parse::<u64>().ok()?.checked_add_signed(by);
        Some(format!("{unit}{}-{}{}", shift(first)?, shift(&rest[..end])?, &rest[end..]))
    }
}

/// How an incomplete body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// The connection is closed.
    Cut,
    /// Nothing more is sent; the connection remains open.
    Stall,
}

/// A body that counts its bytes, and may be slow or end early.
pub struct MeteredBody {
    body: Body,
    sent: Arc<AtomicU64>,
    fault: Option<(u64, BodyFault)>,
    bytes_per_second: Option<u64>,
    chunk: Bytes,
    pause: Option<Pin<Box<Sleep>>>,
    is_breaking: bool,
}

impl MeteredBody {
    /// Adds to `sent`. `fault`: the number of bytes before the body ends early, and how it ends.
    pub fn new(
        body: Body,
        sent: Arc<AtomicU64>,
        fault: Option<(u64, BodyFault)>,
        bytes_per_second: Option<u64>,
    ) -> MeteredBody {
        MeteredBody { body, sent, fault, bytes_per_second, chunk: Bytes::new(), pause: None, is_breaking: false }
    }

    fn next_piece(&mut self) -> Bytes {
        let mut length = self.chunk.len() as u64;
        if let Some((left, _)) = self.fault {
            length = length.min(left);
        }
        if let Some(rate) = self.bytes_per_second {
            length = length.min((rate / PIECES_PER_SECOND).max(1));
            self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_secs_f64(length as f64 / rate as f64))));
        }
        if let Some((left, _)) = &mut self.fault {
            *left -= length;
        }
        self.sent.fetch_add(length, Ordering::Relaxed);
        self.chunk.split_to(length as usize)
    }
}

impl HttpBody for MeteredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if self.is_breaking {
                return Poll::Ready(Some(Err(axum::Error::new("the body is cut short on purpose"))));
            }
            match self.fault {
                Some((0, BodyFault::Cut)) => {
                    self.is_breaking = true;
                    self.pause = Some(Box::pin(tokio::time::sleep(FLUSH_TIME)));
                    continue;
                }
                Some((0, BodyFault::Stall)) => return Poll::Pending,
                _ => {}
            }
            if !self.chunk.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(self.next_piece()))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.chunk = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
    }
}
