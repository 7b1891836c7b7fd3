//! The sockets and background threads of the servers, which stop when dropped.

use std::future::Future;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::runtime::Runtime;

use super::certificates::{Authority, Identity};

const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The address and TLS settings of an HTTP server. Default: a free loopback port and a certificate issued by [`Authority::shared`].
pub struct Endpoint {
    pub address: SocketAddr,
    pub identity: Option<Identity>,
    /// The CA certificate (PEM) for client authentication; `None` if clients need no certificate.
    pub client_authority: Option<String>,
    pub is_plain: bool,
}

/// A running HTTP server.
pub struct HttpListener {
    address: SocketAddr,
    scheme: &'static str,
    _background: Background,
}

impl Default for Endpoint {
    fn default() -> Endpoint {
        Endpoint { address: loopback(0), identity: None, client_authority: None, is_plain: false }
    }
}

impl Endpoint {
    /// Fails if the address cannot be bound.
    pub fn serve(self, router: Router) -> io::Result<HttpListener> {
        let (listener, address) = bind(self.address)?;
        let background = Background::new();
        let context = background.0.as_ref().map(Runtime::enter);
        let server = axum_server::from_tcp(listener).expect("tokio accepts the socket").http1_only();
        let (acceptor, service) = (NoDelayAcceptor::new(), router.into_make_service());
        if self.is_plain {
            background.spawn(server.acceptor(acceptor).serve(service));
        } else {
            let identity = self.identity.unwrap_or_else(Authority::loopback_identity);
            let config = RustlsConfig::from_config(identity.server_config(self.client_authority.as_deref()));
            background.spawn(server.acceptor(RustlsAcceptor::new(config).acceptor(acceptor)).serve(service));
        }
        drop(context);
        Ok(HttpListener { address, scheme: if self.is_plain { "http" } else { "https" }, _background: background })
    }
}

impl HttpListener {
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `path` begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }
}

/// A tokio runtime; dropping it ends its tasks.
pub struct Background(Option<Runtime>);

impl Background {
    pub fn new() -> Background {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Background(Some(builder.worker_threads(2).enable_all().build().expect("threads can be started")))
    }

    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) {
        self.0.as_ref().map(|runtime| runtime.spawn(task));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}

/// A TCP server with a thread for each connection. Dropping it closes the connections.
pub struct TcpServer {
    pub address: SocketAddr,
    connections: Arc<Connections>,
    accept_thread: Option<JoinHandle<()>>,
}

/// The open connections of a server.
#[derive(Default)]
pub struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    streams: Vec<Weak<TcpStream>>,
    is_stopped: bool,
}

impl TcpServer {
    /// Calls `handle` for each connection. Fails if the address cannot be bound.
    pub fn start(
        address: SocketAddr,
        handle: impl Fn(TcpStream, &Connections) + Send + Sync + 'static,
    ) -> io::Result<TcpServer> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::default());
        let (handle, open) = (Arc::new(handle), Arc::clone(&connections));
        let accept_thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if open.0.lock().unwrap().is_stopped {
                    return;
                }
                if let Ok(stream) = stream {
                    let (handle, open) = (Arc::clone(&handle), Arc::clone(&open));
                    thread::spawn(move || handle(stream, &open));
                }
            }
        });
        Ok(TcpServer { address, connections, accept_thread: Some(accept_thread) })
    }
}

impl Connections {
    /// Registers a stream to be closed with the server. `None` if the server is stopping.
    pub fn add(&self, stream: TcpStream) -> Option<Arc<TcpStream>> {
        let stream = Arc::new(stream);
        let mut open = self.0.lock().unwrap();
        open.streams.retain(|stream| stream.strong_count() > 0);
        open.streams.push(Arc::downgrade(&stream));
        (!open.is_stopped).then_some(stream)
    }

    pub fn close_all(&self) {
        for stream in self.0.lock().unwrap().streams.iter().filter_map(Weak::upgrade) {
            // The peer may already have disconnected.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.connections.0.lock().unwrap().is_stopped = true;
        self.connections.close_all();
        // Unblocks the accept thread.
        let _ = TcpStream::connect(self.address);
        if let Some(accept_thread) = self.accept_thread.take() {
            let _ = accept_thread.join();
        }
    }
}

/// Port 0 lets the system choose a free port.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A loopback address that nobody listens on.
pub fn closed_address() -> SocketAddr {
    TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap()
}

/// Calls `handle` for each connection, in its own thread, until the process ends. Returns the port.
pub fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let server = TcpServer::start(loopback(0), move |stream, _| handle(stream)).unwrap();
    let port = server.address.port();
    mem::forget(server);
    port
}

/// A non-blocking listening socket for tokio, and its address.
pub fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
