//! What a sequence is made of. Everything here is plain, so that what `Debug` writes is nearly the
//! code it was made by.

/// One operation of a sequence. Leads, commits and lists go by numbers; texts are what people type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// What follows is about tenant 0 or 1. A sequence begins with tenant 0.
    Enter(u8),
    /// Commits changes under a commit id, which may have been used before. Of two edits of one
    /// lead or document the first counts.
    Commit(u8, Rules, Vec<Edit>),
    /// Commits once more what was committed under this id.
    Repeat(u8),
    /// Asks what became of a commit.
    Committed(u8),
    /// Reads leads by their numbers.
    Get(Vec<u8>),
    /// Reads the first page of a list, and keeps its cursor in this place.
    Find(u8, Vec<Ask>),
    /// Reads the page after the one whose cursor is in this place.
    Next(u8),
    /// Asks another query with the cursor in this place.
    Misplace(u8, Vec<Ask>),
    /// Counts leads.
    Count(Vec<Ask>),
    /// Reads the totals of all leads, or of a user's.
    Totals(Option<&'static str>),
    /// Reads a lead's history in this order, page by page, so many events a page.
    History(u8, Order, u32),
    /// Reads on in the feed, at most so many events.
    Events(u32),
    /// Reads the lifecycle in force.
    Lifecycle,
    /// Reads a version of the lifecycle.
    LifecycleAt(u64),
    /// Reads a document.
    Document(&'static str),
    /// Lists the tenants.
    Tenants,
    /// Erases the tenant.
    Erase,
    /// Closes the storage and opens it again, if it outlives its process.
    Reopen,
}

/// Which version of the lifecycle a commit was checked against. One that edits the lifecycle is
/// checked against its outcome, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rules {
    /// The one in force.
    InForce,
    /// None: no rule reads what is changed.
    Unread,
    /// One before it.
    Replaced,
    /// One after it.
    Unborn,
}

/// From which version a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base {
    /// The one that is stored.
    Latest,
    /// One before it.
    Older,
    /// One after it.
    Newer,
}

/// The order of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The first event first.
    OldestFirst,
    /// The last event first.
    NewestFirst,
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Stores the first lifecycle, that of a sales team.
    Begin,
    /// Creates the lead with this number.
    Create(u8, Vec<Set>),
    /// Changes a lead.
    Update(u8, Base, Vec<Set>),
    /// Deletes a lead.
    Delete(u8, Base),
    /// Stores so many bytes in a document that is not there.
    PutNew(&'static str, u8),
    /// Stores so many bytes in a document that is there.
    PutOver(&'static str, Base, u8),
    /// Removes a document.
    Remove(&'static str, Base),
    /// Edits the lifecycle.
    Edit(Base, Rule),
}

/// An edit of the lifecycle. What the lifecycle itself refuses is left out, and what changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Adds a status of this name.
    AddStatus(&'static str),
    /// Gives a status another name.
    RenameStatus(&'static str, &'static str),
    /// Moves a status to a place in the order.
    MoveStatus(&'static str, usize),
    /// Marks a status as retiring, its leads to go to the other.
    RetireStatus(&'static str, &'static str),
    /// Removes a status.
    RemoveStatus(&'static str),
}

/// A value of a lead. A lead that would be left without name, e-mail, phone and company gets a
/// company.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Set {
    /// The first name.
    FirstName(Option<&'static str>),
    /// The last name.
    LastName(Option<&'static str>),
    /// The e-mail address.
    Email(Option<&'static str>),
    /// The company.
    Company(Option<&'static str>),
    /// The phone number.
    Phone(Option<&'static str>),
    /// The status, by its slug.
    Status(&'static str),
    /// Where the lead comes from.
    Source(Option<&'static str>),
    /// Who works the lead.
    AssignedTo(Option<&'static str>),
    /// The notes.
    Notes(Option<&'static str>),
    /// The value, in minor units of a currency.
    Value(Option<(i64, &'static str)>),
    /// The tags.
    Tags(Vec<&'static str>),
    /// A custom field, by the key `key`.
    Custom(Option<i64>),
    /// Whether the lead is in the archive.
    InArchive(bool),
}

/// A part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// In this status; any of them, if asked more than once.
    InStatus(&'static str),
    /// Worked by this user.
    WorkedBy(&'static str),
    /// Worked by nobody.
    WorkedByNobody,
    /// From this source; any of them, if asked more than once.
    FromSource(&'static str),
    /// With this tag; all of them, if asked more than once.
    Tagged(&'static str),
    /// Created so many seconds after the beginning of 2026, or later.
    CreatedFrom(i64),
    /// Created before so many seconds after the beginning of 2026.
    CreatedBefore(i64),
    /// Changed so many seconds after the beginning of 2026, or later.
    UpdatedFrom(i64),
    /// Changed before so many seconds after the beginning of 2026.
    UpdatedBefore(i64),
    /// In its status since so many seconds after the beginning of 2026, or longer.
    InStatusSince(i64),
    /// With this e-mail address.
    WithEmail(&'static str),
    /// Found by these words.
    Matching(&'static str),
    /// Only those in the archive.
    OnlyArchived,
    /// Those in the archive too.
    AlsoArchived,
    /// In this order, as in a URL: `name`, or `-name` for the other end first.
    SortedBy(&'static str),
    /// So many a page.
    PerPage(u32),
    /// With an exact total.
    Counted,
    /// With a total up to so many.
    CountedUpTo(u64),
}
