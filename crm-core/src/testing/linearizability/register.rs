//! A lead as one caller after the other would see it.

use stateright::semantics::SequentialSpec;

/// What is asked of a lead. Each write leaves a mark of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Create { mark: u32 },
    Update { expected: u64, mark: u32 },
    Transition { expected: u64, mark: u32 },
    Delete { expected: u64 },
    Get,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ret {
    Done,
    /// The lead was not at the version expected, or was or was not there.
    Refused,
    Found(Option<Seen>),
}

/// What is to be seen of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) version: u64,
    /// Of the last write.
    pub(crate) mark: u32,
    /// Of the last transition.
    pub(crate) moved: u32,
}

/// A lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Register {
    #[default]
    Never,
    There(Seen),
    Gone,
}

impl SequentialSpec for Register {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        let after = match (op, &*self) {
            (Op::Get, Self::There(seen)) => return Ret::Found(Some(*seen)),
            (Op::Get, _) => return Ret::Found(None),
            (Op::Create { mark }, Self::Never) => Self::There(Seen {
                version: 1,
                mark: *mark,
                moved: 0,
            }),
            (Op::Update { expected, mark }, Self::There(seen)) if seen.version == *expected => {
                Self::There(Seen {
                    version: expected + 1,
                    mark: *mark,
                    ..*seen
                })
            }
            (Op::Transition { expected, mark }, Self::There(seen)) if seen.version == *expected => {
                Self::There(Seen {
                    version: expected + 1,
                    mark: *mark,
                    moved: *mark,
                })
            }
            (Op::Delete { expected }, Self::There(seen)) if seen.version == *expected => Self::Gone,
            _ => return Ret::Refused,
        };
        *self = after;
        Ret::Done
    }
}
