//! Serves a router over TLS or plain HTTP until dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use tokio::runtime::Runtime;

const STOPPING: Duration = Duration::from_secs(2);

pub struct Listening {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Listening {
    /// Serves `router` on `address`, over TLS if `tls` is given. Fails if the address cannot be bound.
    pub fn start(address: SocketAddr, tls: Option<Arc<ServerConfig>>, router: Router) -> io::Result<Listening> {
        let listener = bind(address)?;
        let address = listener.local_addr()?;
        let runtime = runtime();
        let service = router.into_make_service();
        match tls {
            Some(config) => {
                let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(config)).acceptor(NoDelayAcceptor::new());
                let _inside = runtime.enter();
                let server = axum_server::from_tcp(listener).expect("tokio takes the socket").http1_only();
                runtime.spawn(server.acceptor(acceptor).serve(service));
            }
            None => {
                let _inside = runtime.enter();
                let server = axum_server::from_tcp(listener).expect("tokio takes the socket").http1_only();
                runtime.spawn(server.acceptor(NoDelayAcceptor::new()).serve(service));
            }
        }
        Ok(Listening { address, runtime: Some(runtime) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        stop(&mut self.runtime);
    }
}

/// With port 0 the system chooses one.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A loopback address that nobody listens on.
pub fn closed_address() -> SocketAddr {
    TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap()
}

/// Calls `converse` for each connection, in its own thread, until the process ends. Returns the port.
pub fn serve(converse: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let (port, converse) = (listener.local_addr().unwrap().port(), Arc::new(converse));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let converse = Arc::clone(&converse);
            thread::spawn(move || converse(stream));
        }
    });
    port
}

/// A non-blocking listening socket for tokio.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started")
}

/// Ends a server's threads and its connections.
pub fn stop(runtime: &mut Option<Runtime>) {
    if let Some(runtime) = runtime.take() {
        runtime.shutdown_timeout(STOPPING);
    }
}
