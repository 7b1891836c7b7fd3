//! The mail server's side of a TCP connection, on which TLS may start later.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, Stream};

pub struct Line {
    socket: Arc<TcpStream>,
    tls: Option<ServerConnection>,
}

impl Line {
    pub fn new(socket: Arc<TcpStream>) -> Line {
        Line { socket, tls: None }
    }

    /// Starts TLS; the handshake happens with the first byte read or written.
    pub fn encrypt(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        self.tls = Some(ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?);
        Ok(())
    }

    pub fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = self.flush();
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = &*self.socket;
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut socket).read(buffer),
            None => socket.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut socket = &*self.socket;
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut socket).write(buffer),
            None => socket.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut socket = &*self.socket;
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut socket).flush(),
            None => socket.flush(),
        }
    }
}
