//! Whose leads a handle sees.

use crate::lead::{Lead, UserId};

/// What a handle is restricted to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scope {
    /// Every lead of the tenant.
    #[default]
    All,
    /// Only the leads assigned to this user: every read, total, history, feed and write.
    AssignedTo(UserId),
}

/// A scope, or what is left of two that have nothing in common.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Sight {
    #[default]
    All,
    Of(UserId),
    Nothing,
}

impl Sight {
    /// Restricts further: a handle can be narrowed, never widened.
    pub(crate) fn narrowed(self, scope: Scope) -> Self {
        match (self, scope) {
            (sight, Scope::All) => sight,
            (Self::All, Scope::AssignedTo(user)) => Self::Of(user),
            (Self::Of(known), Scope::AssignedTo(user)) if known == user => Self::Of(known),
            (Self::Of(_) | Self::Nothing, Scope::AssignedTo(_)) => Self::Nothing,
        }
    }

    pub(crate) fn sees(&self, lead: &Lead) -> bool {
        match self {
            Self::All => true,
            Self::Of(user) => lead.assigned_to.as_ref() == Some(user),
            Self::Nothing => false,
        }
    }

    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_narrowed_never_widened() {
        let user = |name: &str| Scope::AssignedTo(name.parse().unwrap());
        let anna = Sight::All.narrowed(user("anna"));
        assert_eq!(anna.clone().narrowed(Scope::All), anna);
        assert_eq!(anna.clone().narrowed(user("anna")), anna);
        assert_eq!(anna.narrowed(user("bob")), Sight::Nothing);
        assert_eq!(Sight::Nothing.narrowed(user("anna")), Sight::Nothing);
    }
}
