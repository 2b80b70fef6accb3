//! Which e-mail addresses of a file were imported already.

use super::problem::Original;
use crate::crm::{Crm, CrmError};
use crate::lead::{EmailAddress, NewLead};
use crate::query::{Archived, LeadQuery};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// What happens to a row whose e-mail address a lead has already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Duplicates {
    /// The row is rejected. Addresses are compared by [`EmailAddress::key`], with the rows before
    /// it in the file and with the leads that are there, archived ones included. Leads that
    /// somebody else creates while a batch is being checked are not noticed, nor those outside of
    /// the handle's scope. A million addresses take about 50 MB of memory while the import runs.
    #[default]
    Reject,
    /// It becomes one more lead.
    Create,
}

/// A digest of an address: short, and the same length for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 16]);

impl Mark {
    fn of(address: &EmailAddress) -> Self {
        let digest = Sha256::digest(address.key());
        let mut mark = [0; 16];
        for (to, from) in mark.iter_mut().zip(digest) {
            *to = from;
        }
        Self(mark)
    }
}

/// The address by which a row may be a duplicate; `None` if it has none, or a wrong one.
pub(super) fn address(new: &NewLead) -> Option<(EmailAddress, Mark)> {
    let address: EmailAddress = new.typed_email()?.parse().ok()?;
    let mark = Mark::of(&address);
    Some((address, mark))
}

/// The addresses of the rows imported so far, each with the line of its row.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<Mark, u64>);

impl Seen {
    pub(super) fn line(&self, mark: Mark) -> Option<u64> {
        self.0.get(&mark).copied()
    }

    pub(super) fn note(&mut self, mark: Mark, line: u64) {
        self.0.insert(mark, line);
    }
}

/// The lead that has this address already.
pub(super) async fn existing(
    crm: &Crm,
    address: &EmailAddress,
) -> Result<Option<Original>, CrmError> {
    let query = LeadQuery::new()
        .email(address.as_str())
        .archived(Archived::Include)
        .limit(1);
    let found = crm.list(query).await?.items;
    Ok(found.first().map(|lead| Original::Lead(lead.id)))
}
