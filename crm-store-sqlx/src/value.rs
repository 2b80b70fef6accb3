//! What a column holds, and how numbers and ids become columns and come back.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// What a column holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Bytes(Option<Cow<'a, [u8]>>),
    Number(Option<i64>),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }

    pub(crate) fn optional(text: &'a Option<Cow<'_, str>>) -> Self {
        Self::text(text.as_deref())
    }

    pub(crate) fn bytes(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes.map(Cow::Borrowed))
    }
}

pub(crate) fn number<'a>(number: u64) -> Value<'a> {
    Value::Number(Some(stored(number)))
}

/// A number as it is stored. Versions never come near the end of what fits.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it was before it was stored.
pub(crate) fn read(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::Damaged("a number"))
}

/// Sixteen bytes.
pub(crate) fn id(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| Error::Damaged("an id"))
}
