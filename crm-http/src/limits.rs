//! How much one caller may ask for.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits of a router. The defaults suit a server that strangers can reach.
///
/// | limit | default | answer beyond it |
/// | --- | --- | --- |
/// | body | 256 KiB | 413 |
/// | URL | 8 KiB | 414 |
/// | headers together | 16 KiB | 431 |
/// | items on a page | 1,000 | 422 |
/// | time for a request | 30 s | 503 |
/// | time that writing an answer may stand still | 30 s | the connection ends |
/// | open connections | 4,096 | further ones wait |
/// | requests at once, of all callers | 2,048 | 503 |
/// | requests at once, of one token | 256 | 429 |
/// | requests per second and token | 1,000 | 429 |
/// | tokens that are nobody's, per second and peer | 20 | 429 |
///
/// ```
/// use crm_http::Limits;
/// use std::time::Duration;
///
/// let limits = Limits::default().timeout(Duration::from_secs(5)).requests_per_second(None);
/// ```
#[derive(Debug, Clone)]
pub struct Limits {
    pub(crate) body_bytes: usize,
    pub(crate) url_bytes: usize,
    pub(crate) header_bytes: usize,
    pub(crate) page: u32,
    pub(crate) timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) requests_at_once: usize,
    pub(crate) requests_at_once_per_token: usize,
    pub(crate) requests_per_second: Option<NonZeroU32>,
    pub(crate) failures_per_second: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            url_bytes: 8 * 1024,
            header_bytes: 16 * 1024,
            page: 1_000,
            timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections: 4_096,
            requests_at_once: 2_048,
            requests_at_once_per_token: 256,
            requests_per_second: NonZeroU32::new(1_000),
            failures_per_second: NonZeroU32::new(20),
        }
    }
}

impl Limits {
    /// The longest body, in bytes.
    #[must_use]
    pub const fn body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The longest URL, query included, in bytes.
    #[must_use]
    pub const fn url_bytes(mut self, bytes: usize) -> Self {
        self.url_bytes = bytes;
        self
    }

    /// All headers together, names and values, in bytes.
    #[must_use]
    pub const fn header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// The most items on a page: at most 1,000, which is core's limit. Where a request does not say
    /// how many, it gets 50, or as many as this if that is less.
    #[must_use]
    pub const fn page(mut self, items: u32) -> Self {
        self.page = items;
        self
    }

    /// How long a request may take, its body included. A write that is cut off by it was made or
    /// not: repeating it with the same `Idempotency-Key` is safe.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long writing an answer may stand still because the client does not read, before
    /// [`serve`](crate::serve()) ends the connection.
    #[must_use]
    pub const fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// How many connections [`serve`](crate::serve()) holds open at once. Further ones wait in the
    /// system's queue until one ends.
    #[must_use]
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How many requests of all callers are worked on at once. Further ones are refused, not kept
    /// waiting. The probes are not among them: they are there for when it gets crowded.
    #[must_use]
    pub const fn requests_at_once(mut self, requests: usize) -> Self {
        self.requests_at_once = requests;
        self
    }

    /// How many requests of one token are worked on at once. Further ones are refused, so that one
    /// caller with many slow requests leaves room for the others.
    #[must_use]
    pub const fn requests_at_once_per_token(mut self, requests: usize) -> Self {
        self.requests_at_once_per_token = requests;
        self
    }

    /// How many requests one token may make in a second, on average; as many may come at once.
    /// `None` for any number.
    #[must_use]
    pub const fn requests_per_second(mut self, requests: Option<NonZeroU32>) -> Self {
        self.requests_per_second = requests;
        self
    }

    /// How many tokens that are nobody's one peer may present in a second, on average; as many may
    /// come at once. Then it is refused for a while, whatever token it presents. `None` for any
    /// number.
    ///
    /// A peer is an IPv4 address or an IPv6 network of 64 bits. [`serve`](crate::serve()) names it;
    /// `axum::serve` does with `into_make_service_with_connect_info::<SocketAddr>()`, and otherwise
    /// nobody is limited. Behind a proxy everybody is one peer, the proxy: take `None` there, and
    /// let the proxy limit.
    #[must_use]
    pub const fn failures_per_second(mut self, failures: Option<NonZeroU32>) -> Self {
        self.failures_per_second = failures;
        self
    }
}
