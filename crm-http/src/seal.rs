//! Cursors as callers see them: sealed, because the place in a list that is sorted by name, company
//! or e-mail address is a name, a company or an e-mail address, and URLs end up in logs.

use crate::error::ApiError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::{CommitId, EventCursor};
use crm_core::lead::TenantId;
use crm_core::query::Cursor;
use crm_core::repository::{
    ChangeSet, DocumentChange, DocumentKey, RepositoryError, RepositoryErrorKind,
};
use sha2::{Digest as _, Sha256};
use std::fmt;
use tokio::sync::OnceCell;

const NONCE: usize = 24;
const TAG: usize = 16;
/// Every place in a feed is made as long as this.
const FEED: usize = 48;
/// The longest text that is looked at, in bytes.
const MAX_TEXT: usize = (NONCE + TAG + Cursor::MAX_TEXT) * 4 / 3 + 4;

/// What cursors are sealed with: 256 secret bits that every process of an application shares.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// From 32 bytes that are hard to guess.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key that is kept in the storage, as a document of the default tenant. It is made if
    /// there is none.
    ///
    /// # Errors
    ///
    /// A restricted `Crm`; a failing storage.
    pub async fn stored(crm: &Crm) -> Result<Self, CrmError> {
        let (repository, tenant) = (crm.repository()?, TenantId::DEFAULT);
        let key: DocumentKey = "http/cursor-key".parse()?;
        loop {
            if let Some(stored) = repository.document(&tenant, &key).await? {
                let what = "the key of cursors";
                let bytes = <[u8; 32]>::try_from(stored.bytes);
                return Ok(Self(
                    bytes.map_err(|_| RepositoryErrorKind::Corrupt { what })?,
                ));
            }
            let mut bytes = [0; 32];
            fill(&mut bytes)?;
            let first = DocumentChange::put(key.clone(), None, bytes.to_vec())?;
            let changes = ChangeSet::of_documents(CommitId::random(), [first])?;
            match repository.commit(&tenant, &changes).await {
                Ok(_) => return Ok(Self(bytes)),
                // Another process was faster: its key counts.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

/// Seals cursors with a key that was given, or with the stored one, which is read once.
#[derive(Debug)]
pub(crate) struct Seal {
    key: OnceCell<CursorKey>,
}

impl Seal {
    pub(crate) fn new(given: Option<CursorKey>) -> Self {
        Self {
            key: OnceCell::new_with(given),
        }
    }

    /// A cursor as its caller gets it. No two are alike.
    pub(crate) async fn close(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        cursor: &Cursor,
    ) -> Result<String, CrmError> {
        let mut nonce = [0; NONCE];
        fill(&mut nonce)?;
        let key = self.key(crm).await?;
        Ok(key.seal(nonce, tenant.as_str(), &cursor.to_string())?)
    }

    /// The cursor that a caller gives back.
    pub(crate) async fn open(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        text: &str,
    ) -> Result<Cursor, ApiError> {
        let key = self.key(crm).await?;
        let opened = key.open(tenant.as_str(), text);
        opened
            .and_then(|text| text.parse().ok())
            .ok_or_else(bad_cursor)
    }

    /// A place in the feed as its caller gets it: sealed, because it is the number of the event
    /// among all of the tenant. One place is always the same text, so that a caller sees that there
    /// was nothing new, and all are equally long.
    pub(crate) async fn close_feed(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        cursor: &EventCursor,
    ) -> Result<String, CrmError> {
        let key = self.key(crm).await?;
        let bound_to = feed_of(tenant);
        let text = format!("{:<FEED$}", cursor.to_string());
        // Of the place and a secret: the same nonce never seals two texts.
        let hash = Sha256::new()
            .chain_update(key.0)
            .chain_update(&bound_to)
            .chain_update(&text);
        let hash: [u8; 32] = hash.finalize().into();
        let nonce = hash.first_chunk().copied().unwrap_or_default();
        Ok(key.seal(nonce, &bound_to, &text)?)
    }

    /// The place in the feed that a caller gives back.
    pub(crate) async fn open_feed(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        text: &str,
    ) -> Result<EventCursor, ApiError> {
        let key = self.key(crm).await?;
        let opened = key.open(&feed_of(tenant), text);
        opened
            .and_then(|text| text.trim_end().parse().ok())
            .ok_or_else(bad_cursor)
    }

    async fn key(&self, crm: &Crm) -> Result<&CursorKey, CrmError> {
        self.key.get_or_try_init(|| CursorKey::stored(crm)).await
    }
}

impl CursorKey {
    fn seal(
        &self,
        nonce: [u8; NONCE],
        bound_to: &str,
        text: &str,
    ) -> Result<String, RepositoryError> {
        let payload = Payload {
            msg: text.as_bytes(),
            aad: bound_to.as_bytes(),
        };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed.map_err(|_| failed())?);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open(&self, bound_to: &str, text: &str) -> Option<String> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: bound_to.as_bytes(),
        };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(opened).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

/// What a place in a feed is bound to, as a cursor is to its tenant, whose id never ends in a blank.
fn feed_of(tenant: &TenantId) -> String {
    format!("{tenant} feed ")
}

/// 400: a cursor that was not given by this API, or to another tenant.
pub(crate) fn bad_cursor() -> ApiError {
    ApiError::malformed("The cursor cannot be used.").with_error(
        "cursor",
        "is not one that was given here: start again from the first page, without a cursor",
    )
}

fn fill(bytes: &mut [u8]) -> Result<(), RepositoryError> {
    getrandom::fill(bytes)
        .map_err(|error| RepositoryError::with_source(RepositoryErrorKind::Other, error))
}

/// What the cipher refuses only beyond 256 GiB.
fn failed() -> RepositoryError {
    RepositoryErrorKind::Other.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::memory::MemoryRepository;
    use crm_core::query::Binding;
    use std::sync::Arc;

    fn cursor() -> Cursor {
        Cursor::seal(Binding::new("test", &[]), b"doe, john")
    }

    async fn crm() -> Crm {
        Crm::open(MemoryRepository::new()).await.unwrap()
    }

    #[test]
    fn a_cursor_opens_for_its_tenant_and_tells_nothing() {
        pollster::block_on(async {
            let (crm, seal) = (crm().await, Seal::new(None));
            let acme: TenantId = "acme".parse().unwrap();
            let sealed = seal.close(&crm, &acme, &cursor()).await.unwrap();
            assert!(!sealed.contains(&cursor().to_string()));
            assert_eq!(seal.open(&crm, &acme, &sealed).await.unwrap(), cursor());
            let other = seal.open(&crm, &TenantId::DEFAULT, &sealed).await;
            assert_eq!(other.unwrap_err().status().as_u16(), 400);
            let again = seal.close(&crm, &acme, &cursor()).await.unwrap();
            assert_ne!(again, sealed, "no two are alike");
        });
    }

    #[test]
    fn a_place_in_a_feed_tells_nothing_but_whether_it_is_the_same() {
        pollster::block_on(async {
            let (crm, seal) = (crm().await, Seal::new(None));
            let acme: TenantId = "acme".parse().unwrap();
            let mut seen = Vec::new();
            for position in [1, 2, u64::MAX] {
                let place = EventCursor::at(&acme, position);
                let sealed = seal.close_feed(&crm, &acme, &place).await.unwrap();
                let again = seal.close_feed(&crm, &acme, &place).await.unwrap();
                assert_eq!(sealed, again);
                let opened = seal.open_feed(&crm, &acme, &sealed).await.unwrap();
                assert_eq!(opened, place);
                let foreign = seal.open_feed(&crm, &TenantId::DEFAULT, &sealed).await;
                assert!(foreign.is_err());
                assert!(seal.open(&crm, &acme, &sealed).await.is_err());
                seen.push(sealed);
            }
            assert!(seen[0].len() == seen[2].len() && seen[0] != seen[1]);
        });
    }

    #[test]
    fn what_was_not_sealed_here_is_refused() {
        pollster::block_on(async {
            let (crm, tenant) = (crm().await, TenantId::DEFAULT);
            let seal = Seal::new(Some(CursorKey::from_bytes([1; 32])));
            let other = Seal::new(Some(CursorKey::from_bytes([2; 32])));
            let sealed = seal.close(&crm, &tenant, &cursor()).await.unwrap();
            let foreign = other.close(&crm, &tenant, &cursor()).await.unwrap();
            let plain = cursor().to_string();
            let (cut, long) = (&sealed[..sealed.len() - 1], "A".repeat(1 << 20));
            for wrong in ["", "A", "é", &plain, &foreign, cut, &long] {
                assert!(
                    seal.open(&crm, &tenant, wrong).await.is_err(),
                    "{wrong:.20}"
                );
            }
        });
    }

    #[test]
    fn processes_that_share_a_storage_share_the_key() {
        pollster::block_on(async {
            let storage = Arc::new(MemoryRepository::new());
            let one = Crm::open(Arc::clone(&storage)).await.unwrap();
            let other = Crm::open(storage).await.unwrap();
            let tenant = TenantId::DEFAULT;
            let sealed = Seal::new(None)
                .close(&one, &tenant, &cursor())
                .await
                .unwrap();
            assert!(Seal::new(None).open(&other, &tenant, &sealed).await.is_ok());
        });
    }
}
