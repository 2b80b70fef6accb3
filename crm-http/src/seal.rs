//! Cursors as callers see them: sealed, because the place in a list that is sorted by name, company
//! or e-mail address is a name, a company or an e-mail address, and URLs end up in logs.

use crate::error::ApiError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use crm_core::crm::{Crm, CrmError};
use crm_core::event::CommitId;
use crm_core::lead::TenantId;
use crm_core::query::Cursor;
use crm_core::repository::{
    ChangeSet, DocumentChange, DocumentKey, RepositoryError, RepositoryErrorKind,
};
use std::fmt;
use tokio::sync::OnceCell;

const NONCE: usize = 24;
const TAG: usize = 16;
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

    /// A cursor as its caller gets it.
    pub(crate) async fn close(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        cursor: &Cursor,
    ) -> Result<String, CrmError> {
        let mut bytes = vec![0; NONCE];
        fill(&mut bytes)?;
        let nonce = <[u8; NONCE]>::try_from(&bytes[..]).map_err(|_| failed())?;
        let text = cursor.to_string();
        let payload = Payload {
            msg: text.as_bytes(),
            aad: tenant.as_str().as_bytes(),
        };
        let cipher = self.cipher(crm).await?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| failed())?;
        bytes.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The cursor that a caller gives back.
    pub(crate) async fn open(
        &self,
        crm: &Crm,
        tenant: &TenantId,
        text: &str,
    ) -> Result<Cursor, ApiError> {
        let cipher = self.cipher(crm).await?;
        let opened = || {
            if text.len() > MAX_TEXT {
                return None;
            }
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
            let payload = Payload {
                msg: sealed,
                aad: tenant.as_str().as_bytes(),
            };
            let opened = cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
            std::str::from_utf8(&opened).ok()?.parse().ok()
        };
        opened().ok_or_else(bad_cursor)
    }

    async fn cipher(&self, crm: &Crm) -> Result<XChaCha20Poly1305, CrmError> {
        let key = self.key.get_or_try_init(|| CursorKey::stored(crm)).await?;
        Ok(XChaCha20Poly1305::new(&key.0.into()))
    }
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
