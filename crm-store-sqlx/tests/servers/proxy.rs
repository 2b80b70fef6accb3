//! Stands between a pool and a server, and cuts connections at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// What becomes of the next connection that commits.
pub(crate) const KEPT: u8 = 0;
pub(crate) const CUT_BEFORE: u8 = 1;
pub(crate) const CUT_AFTER: u8 = 2;

/// Whether a client commits by what it sends; whether a transaction has begun is kept for the next
/// time.
pub(crate) type IsCommit = fn(has_begun: &mut bool, sent: &[u8]) -> bool;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) fate: Arc<AtomicU8>,
    pub(crate) cut: broadcast::Sender<()>,
}

impl Proxy {
    pub(crate) async fn before(host: String, port: u16, is_commit: IsCommit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            fate: Arc::new(AtomicU8::new(KEPT)),
            cut: broadcast::channel(1).0,
        };
        let (fate, cut) = (Arc::clone(&proxy.fate), proxy.cut.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                let (fate, mut cut) = (Arc::clone(&fate), cut.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        () = forward(client, server, &fate, is_commit) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        proxy
    }
}

/// Until one side ends, or a commit meets its fate. Both sockets are closed then.
async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    fate: &AtomicU8,
    is_commit: IsCommit,
) {
    let (mut up, mut down) = ([0; 16_384], [0; 16_384]);
    let mut has_begun = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                let sent = &up[..length];
                let fate = if is_commit(&mut has_begun, sent) { fate.swap(KEPT, Ordering::SeqCst) } else { KEPT };
                if fate == CUT_BEFORE || server.write_all(sent).await.is_err() {
                    return;
                }
                if fate == CUT_AFTER {
                    // The reply, which the client never gets.
                    let _ = server.read(&mut down).await;
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
