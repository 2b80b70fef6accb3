//! Documents: small versioned values that must outlive a process and are not leads.

use crate::lead::label::{Label, label_type};
use crate::lead::{Invalid, ProblemKind, Version};
use crate::repository::Change;
use std::fmt;

/// The largest document: bytes (64 KiB).
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// The longest document key: bytes.
pub const MAX_DOCUMENT_KEY: usize = 200;

/// The name of a document within its tenant: 1 to 200 bytes of printable ASCII without spaces,
/// such as `import/2026-03/checkpoint`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey(Label);

label_type!(DocumentKey, document_key);

fn document_key(text: &str) -> Result<Label, Invalid> {
    let kind = if text.is_empty() {
        ProblemKind::Blank
    } else if text.len() > MAX_DOCUMENT_KEY {
        ProblemKind::TooLong {
            max: MAX_DOCUMENT_KEY,
            unit: "bytes",
        }
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        ProblemKind::Malformed {
            expected: "printable ASCII without spaces",
        }
    } else {
        return Ok(Label::from(text));
    };
    Err(Invalid::one("document_key", kind))
}

/// A small versioned value: access tokens, import checkpoints, whose turn it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its name.
    pub key: DocumentKey,
    /// How often it was written.
    pub version: Version,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Document {
    /// A document as it will be stored.
    ///
    /// # Errors
    ///
    /// More than [`MAX_DOCUMENT`] bytes.
    pub fn new(key: DocumentKey, version: Version, bytes: Vec<u8>) -> Result<Self, Invalid> {
        if bytes.len() > MAX_DOCUMENT {
            let kind = ProblemKind::TooLong {
                max: MAX_DOCUMENT,
                unit: "bytes",
            };
            return Err(Invalid::one("document", kind));
        }
        Ok(Self {
            key,
            version,
            bytes,
        })
    }
}

/// A change of a document, which no rule of leads reads:
/// [`ChangeSet::of_documents`](super::ChangeSet::of_documents).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DocumentChange {
    /// Store a document, if the stored one is at this version.
    Put {
        /// The version that must be stored; `None` if there must be none.
        expected: Option<Version>,
        /// The document as it will be.
        document: Document,
    },
    /// Remove a document, if it is at this version.
    Remove {
        /// Its key.
        key: DocumentKey,
        /// The version it must be at.
        expected: Version,
    },
}

impl DocumentChange {
    /// The change that gives a document this content: its first if `stored` is `None`, otherwise
    /// in place of the one that was read.
    ///
    /// # Errors
    ///
    /// More than [`MAX_DOCUMENT`] bytes.
    pub fn put(
        key: DocumentKey,
        stored: Option<&Document>,
        bytes: Vec<u8>,
    ) -> Result<Self, Invalid> {
        let expected = stored.map(|document| document.version);
        let version = expected.map_or(Version::FIRST, Version::next);
        let document = Document::new(key, version, bytes)?;
        Ok(Self::Put { expected, document })
    }

    /// The change that removes a document that was read.
    #[must_use]
    pub fn remove(stored: &Document) -> Self {
        Self::Remove {
            key: stored.key.clone(),
            expected: stored.version,
        }
    }
}

impl From<DocumentChange> for Change {
    fn from(change: DocumentChange) -> Self {
        match change {
            DocumentChange::Put { expected, document } => Self::PutDocument { expected, document },
            DocumentChange::Remove { key, expected } => Self::RemoveDocument { key, expected },
        }
    }
}

/// The content may be secret: only its size is shown.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_sizes_are_bounded() {
        for wrong in [
            "",
            "a b",
            "a\n",
            "é",
            "a\0",
            &"k".repeat(MAX_DOCUMENT_KEY + 1),
        ] {
            assert!(wrong.parse::<DocumentKey>().is_err(), "{wrong:?}");
        }
        let key: DocumentKey = "import/checkpoint".parse().unwrap();
        assert!(Document::new(key.clone(), Version::FIRST, vec![0; MAX_DOCUMENT]).is_ok());
        assert!(Document::new(key, Version::FIRST, vec![0; MAX_DOCUMENT + 1]).is_err());
    }

    #[test]
    fn a_change_follows_the_version_that_was_read() {
        let key: DocumentKey = "import/checkpoint".parse().unwrap();
        let first = DocumentChange::put(key.clone(), None, vec![1]).unwrap();
        let DocumentChange::Put { expected, document } = first else {
            panic!("a put");
        };
        assert_eq!((expected, document.version), (None, Version::FIRST));
        let next = DocumentChange::put(key.clone(), Some(&document), vec![2]).unwrap();
        let DocumentChange::Put { expected, document } = next else {
            panic!("a put");
        };
        assert_eq!(
            (expected, document.version),
            (Some(Version::FIRST), Version::new(2))
        );
        let expected = Version::new(2);
        assert_eq!(
            DocumentChange::remove(&document),
            DocumentChange::Remove { key, expected }
        );
    }
}
