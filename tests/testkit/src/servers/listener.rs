//! What the web server and the webhook share: a router served over TLS or in the clear until it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use tokio::runtime::Runtime;

/// How long a stopping server may take to drop its connections.
const STOPPING: Duration = Duration::from_secs(2);

/// A router that is being served.
pub struct Listening {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Listening {
    /// Serves `router` on `address`, over TLS if `tls` is given.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        stop(&mut self.runtime);
    }
}

/// A loopback address with a port; 0 lets the system choose one.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A listening socket that tokio can take over.
///
/// # Errors
/// Where the address is taken, is not this machine's, or has a port that only root may open.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Threads for one server.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started")
}

/// Ends a server's threads and with them its connections.
pub fn stop(runtime: &mut Option<Runtime>) {
    if let Some(runtime) = runtime.take() {
        runtime.shutdown_timeout(STOPPING);
    }
}
