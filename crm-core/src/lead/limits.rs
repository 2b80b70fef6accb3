//! How large the parts of a lead may be. Characters are Unicode scalar values.

/// First and last name: characters each.
pub const MAX_NAME: usize = 100;
/// Company: characters.
pub const MAX_COMPANY: usize = 200;
/// E-mail address: bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
pub const MAX_EMAIL: usize = 254;
/// Phone number as typed: characters.
pub const MAX_PHONE: usize = 40;
/// The fewest digits that make a phone number.
pub const MIN_PHONE_DIGITS: usize = 3;
/// Notes: bytes of UTF-8 (16 KiB).
pub const MAX_NOTES: usize = 16 * 1024;
/// The reason given with a status: characters.
pub const MAX_REASON: usize = 500;
/// A user's or tenant's id: bytes.
pub const MAX_ID: usize = 128;
/// A slug (status or source): bytes.
pub const MAX_SLUG: usize = 40;
/// A tag: characters.
pub const MAX_TAG: usize = 50;
/// Tags of one lead.
pub const MAX_TAGS: usize = 50;
/// All custom fields of a lead as canonical JSON: bytes (16 KiB).
pub const MAX_CUSTOM: usize = 16 * 1024;
/// The key of a custom field: characters.
pub const MAX_CUSTOM_KEY: usize = 64;
/// Nesting of a custom field's value, the field itself counted: levels.
pub const MAX_CUSTOM_DEPTH: usize = 32;
/// The largest amount of money, in minor units: 2^53 − 1, which JSON keeps exactly everywhere.
pub const MAX_MINOR_UNITS: i64 = 9_007_199_254_740_991;
