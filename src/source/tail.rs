//! Requests the tail of the ZIP. Never with HEAD, which signed addresses refuse.

use crate::source::client::{Client, ZipResponse};
use crate::source::error::SourceError;
use crate::source::remote::{Remote, TAIL};

/// Requests the tail. `None` if the server does not support ranges: the response then has the whole ZIP.
pub(super) fn request_tail(client: &Client) -> Result<(Option<Remote>, ZipResponse<'_>), SourceError> {
    // Some servers refuse ranges from the end, or answer with the whole file, so ask for the size first.
    let Some(first_byte) = unless_refused(client.request_part(0, 0, None))? else { return whole(client) };
    let Some(part) = first_byte.part else { return Ok((None, first_byte)) };
    first_byte.body.skip();
    let tail = match part.total {
        Some(total) => client.request_part(total.saturating_sub(TAIL), total - 1, None),
        None => client.request_last(TAIL),
    };
    let Some(mut response) = unless_refused(tail)? else { return whole(client) };
    match Remote::from_tail(&mut response, &first_byte.version)? {
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
