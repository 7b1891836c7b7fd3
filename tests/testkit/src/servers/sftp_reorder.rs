//! Swaps writes that a client sends to the SFTP server at the same time.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// How long a write waits for the next one.
const PATIENCE: Duration = Duration::from_millis(5);

/// `SSH_FXP_WRITE`.
const WRITE: u8 = 6;

/// The SFTP requests of `stream`, with neighbouring writes to the same handle swapped in pairs.
pub(super) fn swapping_writes(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let (mut requests, replies) = tokio::io::split(stream);
    let (sender, mut receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok(length) = requests.read_u32().await {
            let mut packet = length.to_be_bytes().to_vec();
            packet.resize(4 + length as usize, 0);
            if requests.read_exact(&mut packet[4..]).await.is_err() || sender.send(packet).await.is_err() {
                return;
            }
        }
    });
    let (mut sink, source) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        while let Some(packet) = receiver.recv().await {
            let mut packets = vec![packet];
            if written_handle(&packets[0]).is_some()
                && let Ok(Some(next)) = tokio::time::timeout(PATIENCE, receiver.recv()).await
            {
                let is_pair = written_handle(&next) == written_handle(&packets[0]);
                packets.insert(if is_pair { 0 } else { 1 }, next);
            }
            for packet in packets {
                if sink.write_all(&packet).await.is_err() {
                    return;
                }
            }
        }
    });
    tokio::io::join(source, replies)
}

/// The handle of a write: after the packet's length, its type and its number.
fn written_handle(packet: &[u8]) -> Option<&[u8]> {
    let length = packet.get(9..13).filter(|_| packet[4] == WRITE)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    packet.get(13..13 + length)
}
