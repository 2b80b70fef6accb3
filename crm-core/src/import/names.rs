//! Names of columns: what they are recognised as, and how they are shown.

use super::columns::Target;
use crate::lead::Field;
use crate::text;
use std::sync::Arc;

/// By which names a column is recognised, letters and digits only. Of two columns with the same
/// target, the one whose name comes first here is preferred.
const NAMES: [(Target, &[&str]); 15] = [
    (
        Target::Field(Field::FirstName),
        &["firstname", "givenname", "forename"],
    ),
    (
        Target::Field(Field::LastName),
        &["lastname", "surname", "familyname"],
    ),
    (
        Target::FullName,
        &["fullname", "name", "leadname", "contactname"],
    ),
    (
        Target::Field(Field::Email),
        &[
            "email",
            "emailaddress",
            "mail",
            "emailid",
            "primaryemail",
            "workemail",
        ],
    ),
    (
        Target::Field(Field::Phone),
        &[
            "phone",
            "phonenumber",
            "telephone",
            "tel",
            "mobile",
            "mobilephone",
            "mobilenumber",
            "cellphone",
        ],
    ),
    (
        Target::Field(Field::Company),
        &[
            "company",
            "companyname",
            "organisation",
            "organization",
            "account",
            "accountname",
        ],
    ),
    (Target::Field(Field::Source), &["leadsource", "source"]),
    (Target::Field(Field::Status), &["leadstatus", "status"]),
    (
        Target::Field(Field::StatusReason),
        &["statusreason", "reason"],
    ),
    (
        Target::Field(Field::AssignedTo),
        &["leadowner", "owner", "assignedto", "assignee"],
    ),
    (
        Target::CreatedAt,
        &[
            "createdtime",
            "createdat",
            "createdon",
            "datecreated",
            "createddate",
            "creationdate",
            "created",
        ],
    ),
    (
        Target::Field(Field::Notes),
        &["notes", "note", "description", "comments", "comment"],
    ),
    (Target::Field(Field::Tags), &["tags", "tag", "labels"]),
    (
        Target::Field(Field::Value),
        &["value", "dealvalue", "amount", "dealamount"],
    ),
    (Target::Currency, &["currency", "currencycode"]),
];

/// The letters and digits of a column's name, folded: `E-mail` and `e_mail` are `email`.
pub(super) fn plain(name: &str) -> String {
    text::words(name).collect()
}

/// What a name is recognised as, and how preferred it is.
pub(super) fn recognised(name: &str) -> Option<(Target, usize)> {
    let plain = plain(name);
    NAMES.iter().find_map(|(target, names)| {
        let rank = names.iter().position(|known| *known == plain)?;
        Some((target.clone(), rank))
    })
}

/// A name as it is shown: one line, not too long.
pub(super) fn shown(name: &str) -> Arc<str> {
    const MAX_SHOWN: usize = 100;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = name.trim().chars().take(MAX_SHOWN + 1).map(clean).collect();
    if let Some((end, _)) = shown.char_indices().nth(MAX_SHOWN) {
        shown.truncate(end);
        shown.push('…');
    }
    shown.into()
}

/// Whether a cell of the first row is rather a value than a column's name. Such a cell may be
/// personal, and is not shown.
pub(super) fn looks_like_a_value(name: &str) -> bool {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    name.contains('@') || digits >= 5 || name.chars().count() > 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_recognised_in_the_forms_people_export_them() {
        for (target, names) in [
            (
                Field::FirstName.into(),
                &["First Name", "first_name", "FIRSTNAME", " Given  name "][..],
            ),
            (
                Field::LastName.into(),
                &["Last Name", "Surname", "family-name"],
            ),
            (
                Target::FullName,
                &["Name", "Full Name", "Lead Name", "contact_name"],
            ),
            (
                Field::Email.into(),
                &[
                    "E-mail",
                    "email",
                    "E_MAIL",
                    "Email Address",
                    "Mail",
                    "ＥＭＡＩＬ",
                ],
            ),
            (
                Field::Phone.into(),
                &["Phone", "Mobile", "Telephone", "Phone Number"],
            ),
            (
                Field::Company.into(),
                &["Company", "Organisation", "organization", "Account Name"],
            ),
            (Field::Source.into(), &["Lead Source", "source"]),
            (Field::Status.into(), &["Lead Status", "Status"]),
            (
                Field::AssignedTo.into(),
                &["Lead Owner", "Owner", "Assigned To", "assignee"],
            ),
            (
                Target::CreatedAt,
                &[
                    "Created Time",
                    "created_at",
                    "Created On",
                    "Date Created",
                    "Created",
                ],
            ),
            (Field::Notes.into(), &["Notes", "Description", "Comments"]),
            (Field::Tags.into(), &["Tags", "Labels"]),
            (Field::Value.into(), &["Value", "Deal Value", "Amount"]),
            (Target::Currency, &["Currency"]),
            (Field::StatusReason.into(), &["Status Reason"]),
        ] {
            for name in names {
                assert_eq!(
                    recognised(name).map(|(target, _)| target),
                    Some(target.clone()),
                    "{name}"
                );
            }
        }
        for unknown in ["", "Id", "Industry", "Names", "Emails sent", "Created by"] {
            assert_eq!(recognised(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn long_names_are_shown_cut_and_in_one_line() {
        let name = shown(&format!("a\nb{}", "x".repeat(200)));
        assert!(name.starts_with("a bx") && name.ends_with('…') && name.chars().count() == 101);
        assert_eq!(&*shown(&"é".repeat(100)), "é".repeat(100));
    }
}
