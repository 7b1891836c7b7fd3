//! Requests the tail of the ZIP with the kind of range request that the server supports. Never with HEAD, which signed
//! addresses refuse.

use crate::source::client::{Client, ZipResponse};
use crate::source::error::SourceError;
use crate::source::remote::{Remote, TAIL};

/// Requests the tail. `None` if the server does not reliably support ranges: the response then has the whole ZIP.
pub(super) fn request_tail(client: &Client) -> Result<(Option<Remote>, ZipResponse<'_>), SourceError> {
    let suffix = client.request_last(TAIL);
    if matches!(suffix, Err(SourceError::Status { status: 416, size: Some(0..=TAIL), .. })) {
        // Some servers refuse a range that is longer than the file.
        return whole(client);
    }
    if let Some(mut response) = unless_refused(suffix)? {
        if let Some(remote) = Remote::from_tail(&mut response)? {
            return Ok((Some(remote), response));
        }
        if response.part.is_none() && response.length.is_some_and(|length| length <= TAIL) {
            return Ok((None, response));
        }
    }
    // Without ranges from the end, the size has to be known first.
    let Some(first_byte) = unless_refused(client.request_part(0, 0, None))? else { return whole(client) };
    let Some(part) = first_byte.part else { return Ok((None, first_byte)) };
    let Some(total) = part.total.filter(|_| first_byte.version.is_known()) else { return whole(client) };
    first_byte.body.skip();
    let Some(mut response) = unless_refused(client.request_part(total.saturating_sub(TAIL), total - 1, None))? else {
        return whole(client);
    };
    match Remote::from_tail(&mut response)? {
        None if response.part.is_some() => whole(client),
        remote => Ok((remote, response)),
    }
}

fn whole(client: &Client) -> Result<(Option<Remote>, ZipResponse<'_>), SourceError> {
    Ok((None, client.request_whole()?))
}

/// `None` if the server does not support this kind of range.
pub(super) fn unless_refused<T>(result: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match result {
        Err(SourceError::Status { status: 400 | 416 | 501, .. } | SourceError::UnknownPart(_)) => Ok(None),
        other => other.map(Some),
    }
}
