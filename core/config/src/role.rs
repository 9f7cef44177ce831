//! The three kinds of stages in a file.

/// What a stage is in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Source,
    Transform,
    Sink,
}
