//! The mail server's side of a TCP connection, on which TLS may start later.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub enum Line {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    /// Starts TLS; the handshake happens with the first byte read or written.
    pub fn encrypt(self, tls: &Arc<ServerConfig>) -> io::Result<Line> {
        match self {
            Line::Plain(stream) => {
                let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
                Ok(Line::Encrypted(Box::new(StreamOwned::new(connection, stream))))
            }
            Line::Encrypted(_) => Err(io::Error::other("TLS has already begun")),
        }
    }

    pub fn close(&mut self) {
        if let Line::Encrypted(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let socket = match self {
            Line::Plain(stream) => stream,
            Line::Encrypted(stream) => &mut stream.sock,
        };
        let _ = socket.shutdown(Shutdown::Both);
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.read(buffer),
            Line::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.write(buffer),
            Line::Encrypted(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(stream) => stream.flush(),
            Line::Encrypted(stream) => stream.flush(),
        }
    }
}
