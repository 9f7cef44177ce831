//! Rows of a write as the bytes the server is sent: made on a thread of its own, so that one piece is made while the
//! server works on the one before.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use postgres_types::Type;
use smiles_store::Part;
use smiles_tables::{Bundle, Mode, Piece, RowAddress, TablePlan, merge};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::encode::{self, ArrayParameter, Rows};
use crate::writer::{Settings, Statement};

/// Bytes of a COPY that are sent at once.
const PIECE: usize = 128 << 10;
/// So many pieces may wait for the server.
const AHEAD: usize = 8;

/// Something to send for one of the written tables.
pub(crate) struct LoadStep {
    /// Which, by its place among them.
    pub(crate) table: usize,
    /// How many rows end in it.
    pub(crate) rows: u64,
    pub(crate) load: Load,
}

pub(crate) enum Load {
    /// The next bytes of a COPY.
    Copy(Bytes),
    /// All columns of an INSERT.
    Arrays(Vec<(ArrayParameter, Type)>),
}

/// Some row fits its table not at all, or its value no column of its type: nothing is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoFit;

/// Whether the receiver still waits.
type SendResult = Result<(), Stop>;

enum Stop {
    NoFit,
    /// The other side gave up.
    Gone,
}

impl From<NoFit> for Stop {
    fn from(_: NoFit) -> Self {
        Self::NoFit
    }
}

/// Makes all rows of the bundles; what comes after [`NoFit`] is not made.
pub(crate) fn begin(
    settings: Arc<Settings>,
    statements: Arc<[Statement]>,
    bundles: impl FnOnce() -> Vec<Bundle> + Send + 'static,
    (late, latest): (bool, Option<Timestamp>),
) -> (mpsc::Receiver<Result<LoadStep, NoFit>>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let made = tokio::task::spawn_blocking(move || {
        let bundles = bundles();
        for (index, (table, statement)) in settings.tables.written().zip(statements.iter()).enumerate() {
            let pieces = bundles.iter().map(|bundle| table.piece(bundle).map_err(|_| NoFit));
            let send = |load, rows| {
                sender.blocking_send(Ok(LoadStep { table: index, rows, load })).map_err(|_| Stop::Gone)
            };
            match make(table, statement, (late, latest), pieces, send) {
                Ok(()) => {}
                Err(Stop::NoFit) => {
                    // Nobody listens: then nobody needs to know.
                    let _ = sender.blocking_send(Err(NoFit));
                    return;
                }
                Err(Stop::Gone) => return,
            }
        }
    });
    (receiver, made)
}

/// The rows of these places alone, all at once.
pub(crate) fn chosen(
    parts: &[Part<'_>],
    statements: &[Statement],
    places: &[RowAddress],
    (late, latest): (bool, Option<Timestamp>),
) -> Vec<Result<LoadStep, NoFit>> {
    let mut steps = Vec::new();
    for (index, (part, statement)) in parts.iter().zip(statements).enumerate() {
        let pieces = choose(&part.pieces, places).into_iter().map(Ok);
        let send = |load, rows| {
            steps.push(Ok(LoadStep { table: index, rows, load }));
            Ok(())
        };
        if make(part.table, statement, (late, latest), pieces, send).is_err() {
            steps.push(Err(NoFit));
            break;
        }
    }
    steps
}

fn make(
    table: &TablePlan,
    statement: &Statement,
    (late, latest): (bool, Option<Timestamp>),
    pieces: impl Iterator<Item = Result<Piece, NoFit>>,
    send: impl FnMut(Load, u64) -> SendResult,
) -> SendResult {
    if statement.by_arrays(table, late).is_some() {
        arrays(table, statement, latest, pieces, send)
    } else {
        copy(statement, pieces, send)
    }
}

fn copy(
    statement: &Statement,
    pieces: impl Iterator<Item = Result<Piece, NoFit>>,
    mut send: impl FnMut(Load, u64) -> SendResult,
) -> SendResult {
    let (mut bytes, mut any, mut ended) = (Vec::with_capacity(PIECE + 1024), false, 0);
    encode::begin(&mut bytes);
    for piece in pieces {
        let piece = piece?;
        let rows = Rows::new(&piece.records, &statement.wires);
        for row in 0..piece.records.num_rows() {
            any = true;
            rows.push(row, &mut bytes).map_err(|_| NoFit)?;
            ended += 1;
            if bytes.len() >= PIECE {
                let full = std::mem::replace(&mut bytes, Vec::with_capacity(PIECE + 1024));
                send(Load::Copy(full.into()), std::mem::take(&mut ended))?;
            }
        }
    }
    if any {
        encode::end(&mut bytes);
        send(Load::Copy(bytes.into()), ended)?;
    }
    Ok(())
}

/// Each column as an array; for an upsert the rows of one key are folded into one.
fn arrays(
    table: &TablePlan,
    statement: &Statement,
    latest: Option<Timestamp>,
    pieces: impl Iterator<Item = Result<Piece, NoFit>>,
    mut send: impl FnMut(Load, u64) -> SendResult,
) -> SendResult {
    let pieces: Vec<Piece> = pieces.collect::<Result<_, _>>()?;
    let records: Vec<_> = pieces.iter().map(|piece| &piece.records).collect();
    let folded = merge(table, &records, latest);
    if folded.num_rows() == 0 {
        return Ok(());
    }
    let arrays = folded.columns().iter().zip(&statement.wires);
    let arrays = arrays
        .map(|(column, wire)| Ok((ArrayParameter::new(column, *wire).map_err(|_| NoFit)?, wire.array())))
        .collect::<Result<_, NoFit>>()?;
    send(Load::Arrays(arrays), folded.num_rows() as u64)
}

impl Statement {
    /// The INSERT that takes arrays; `None`: the rows are copied.
    pub(crate) fn by_arrays(&self, table: &TablePlan, late: bool) -> Option<&str> {
        match table.mode {
            Mode::Upsert => Some(&self.sql),
            Mode::Append | Mode::Read => self.late.as_deref().filter(|_| late),
        }
    }
}

/// The rows of these places, which are in order.
fn choose(pieces: &[Piece], places: &[RowAddress]) -> Vec<Piece> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return Vec::new() };
    let chosen = |piece: &Piece| {
        let rows = range(&piece.origin, *first, *last);
        let records = piece.records.slice(rows.start, rows.len());
        Piece { records, origin: piece.origin[rows].to_vec() }
    };
    pieces.iter().map(chosen).filter(|piece| !piece.origin.is_empty()).collect()
}

/// Which of these ascending places are between the two, inclusive.
fn range(origin: &[RowAddress], from: RowAddress, to: RowAddress) -> Range<usize> {
    let start = origin.partition_point(|place| *place < from);
    start..origin.partition_point(|place| *place <= to).max(start)
}
