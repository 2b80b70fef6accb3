//! How leads and queries are made of the words of a sequence.

use super::{Ask, Rule, Set};
use crate::lead::{CustomFields, Lead, LeadStatus, Money};
use crate::lifecycle::Lifecycle;
use crate::query::{Archived, LeadQuery, Total};
use crate::testing::leads::{at, plain};
use chrono::TimeDelta;

/// The lead with this number before anything is set. Several were created in the same second, and
/// some microseconds apart.
pub(super) fn newborn(number: u8) -> Lead {
    let number = i64::from(number);
    let mut lead = plain(u64::try_from(number).unwrap());
    let created = at(number % 4) + TimeDelta::microseconds(number % 2);
    (lead.created_at, lead.updated_at) = (created, created);
    lead.status_changed_at = created;
    lead
}

/// Sets values of a lead.
pub(super) fn apply(lead: &mut Lead, values: &[Set]) {
    let owned = |text: &Option<&'static str>| text.map(str::to_owned);
    for value in values {
        match value {
            Set::FirstName(text) => lead.first_name = owned(text),
            Set::LastName(text) => lead.last_name = owned(text),
            Set::Email(text) => lead.email = text.map(|text| text.parse().unwrap()),
            Set::Company(text) => lead.company = owned(text),
            Set::Phone(text) => lead.phone = text.map(|text| text.parse().unwrap()),
            Set::Status(slug) => lead.status = status(slug),
            Set::Source(text) => lead.source = text.map(|text| text.parse().unwrap()),
            Set::AssignedTo(text) => lead.assigned_to = text.map(|text| text.parse().unwrap()),
            Set::Notes(text) => lead.notes = owned(text),
            Set::Value(value) => {
                lead.value = value.map(|(amount, code)| Money::new(amount, code).unwrap());
            }
            Set::Tags(tags) => lead.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            Set::Custom(number) => {
                let field = number.map(|number| ("key".to_owned(), number.into()));
                lead.custom = CustomFields::new(field).unwrap();
            }
            Set::InArchive(is_archived) => lead.archived_at = is_archived.then(|| at(9)),
        }
    }
    if !lead.is_identified() {
        lead.company = Some("Zzyzx".to_owned());
    }
    lead.check().unwrap();
}

pub(super) fn status(slug: &str) -> LeadStatus {
    slug.parse().unwrap()
}

/// The query that asks this.
pub(super) fn query(parts: &[Ask]) -> LeadQuery {
    parts
        .iter()
        .fold(LeadQuery::new(), |query, part| match *part {
            Ask::InStatus(status) => query.status(status),
            Ask::WorkedBy(user) => query.assigned_to(user),
            Ask::WorkedByNobody => query.unassigned(),
            Ask::FromSource(source) => query.source(source),
            Ask::Tagged(tag) => query.tag(tag),
            Ask::CreatedFrom(seconds) => query.created_from(at(seconds)),
            Ask::CreatedBefore(seconds) => query.created_before(at(seconds)),
            Ask::UpdatedFrom(seconds) => query.updated_from(at(seconds)),
            Ask::UpdatedBefore(seconds) => query.updated_before(at(seconds)),
            Ask::InStatusSince(seconds) => query.in_status_since(at(seconds)),
            Ask::WithEmail(email) => query.email(email),
            Ask::Matching(text) => query.search(text),
            Ask::OnlyArchived => query.archived(Archived::Only),
            Ask::AlsoArchived => query.archived(Archived::Include),
            Ask::SortedBy(sort) => query.sort(sort.parse::<crate::query::Sort>().unwrap()),
            Ask::PerPage(limit) => query.limit(limit),
            Ask::Counted => query.total(Total::Exact),
            Ask::CountedUpTo(count) => query.total(Total::UpTo(count)),
        })
}

/// A lifecycle edited; `None` if it refuses the edit, or is not changed by it.
pub(super) fn edited(lifecycle: &Lifecycle, rule: &Rule) -> Option<Lifecycle> {
    let edit = lifecycle.edit();
    let edit = match *rule {
        Rule::AddStatus(name) => edit.add(name),
        Rule::RenameStatus(status, name) => edit.rename(status, name),
        Rule::MoveStatus(status, place) => edit.move_to(status, place),
        Rule::RetireStatus(status, destination) => edit.retire(status, destination),
        Rule::RemoveStatus(status) => edit.remove(status),
    };
    edit.apply().ok().filter(|after| after != lifecycle)
}
