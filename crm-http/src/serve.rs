//! Serving a router on a socket, with limits on what a connection may do before a request is whole,
//! and an end that finishes what it began.

use crate::limits::Limits;
use crate::tasks::Tasks;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

/// How long a connection may take to send the headers of a request, and wait between two.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// How long to wait after a failed accept, such as when no file handle is left.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Serves a router over HTTP/1.1 until `shutdown` is ready; then takes no more connections, lets
/// requests in work be answered and removals of statuses come to their end, and returns. What takes
/// longer than [`Limits::timeout`] is dropped, which leaves nothing half-written: a removal goes on
/// when `Crm::resume_removals` is called.
///
/// Unlike `axum::serve`, it gives a connection 30 seconds to send the headers of a request, and
/// bounds their number and size: a client that sends a byte a minute holds nothing up for long, nor
/// does one that does not read its answers for [`Limits::write_timeout`]. At most
/// [`Limits::connections`] are open; further ones wait to be accepted.
///
/// ```no_run
/// use crm_core::crm::Crm;
/// use crm_core::memory::MemoryRepository;
/// use crm_http::{Api, Limits, serve};
/// use tokio::net::TcpListener;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = Limits::default();
/// let api = Api::new(Crm::open(MemoryRepository::new()).await?).limits(limits.clone());
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// serve(listener, api.router(), &limits, std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    listener.local_addr()?;
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(MAX_HEADERS)
        // What one request's line and headers must fit into; hyper asks for 8 KiB at least.
        .max_buf_size((limits.url_bytes + limits.header_bytes + 1_024).max(8 * 1_024));
    let room = limits.connections.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(room));
    let ending = GracefulShutdown::new();
    let tasks = Tasks::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
                continue;
            }
        };
        // Answers are small and whole: waiting for more to send only delays them.
        drop(stream.set_nodelay(true));
        let begun = tasks.clone();
        let router = router
            .clone()
            .map_request(move |request| from(peer, &begun, request));
        let service = TowerToHyperService::new(router);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write_timeout));
        let connection = server.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = ending.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    let end = Instant::now() + limits.timeout;
    if timeout_at(end, ending.shutdown()).await.is_err() {
        tracing::warn!("requests were still in work at the end");
    }
    if timeout_at(end, tasks.ended()).await.is_err() {
        tracing::warn!("statuses were still being removed at the end");
    }
    Ok(())
}

/// A request with the address of whoever sent it, and the tasks that are waited for.
fn from(peer: SocketAddr, tasks: &Tasks, mut request: Request<Incoming>) -> Request<Incoming> {
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(peer));
    extensions.insert(tasks.clone());
    request
}
