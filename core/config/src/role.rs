//! The three kinds of stages in a file.

/// What a stage is in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Source,
    Transform,
    Sink,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Source, Self::Transform, Self::Sink];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}
