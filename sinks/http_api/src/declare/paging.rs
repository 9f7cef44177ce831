//! The parameters that `history` adds to a route.

use smiles_stage::Value;

use crate::declare::config::history::History;
use crate::declare::config::route::{Case, Parameter, ParameterType, Scalar};
use crate::declare::params::Param;

/// The names the engine gives to what it adds.
pub(crate) const NAMES: [&str; 6] = ["limit", "start", "end", "order", "cursor", "interval"];

/// The longest text of a cursor.
const CURSOR_MAX: usize = 512;

/// The parameters of a route with history, beside its own.
pub(crate) fn parameters(history: &History) -> Vec<Param> {
    let plain = |name: &str, description: &str, kind: ParameterType| Param {
        name: name.to_owned(),
        in_path: false,
        spec: Parameter {
            description: description.to_owned(),
            place: None,
            kind,
            default: None,
            minimum: None,
            maximum: None,
            one_of: None,
            max_length: CURSOR_MAX,
            case: Case::Exact,
        },
        default: None,
        labels: None,
    };
    let mut limit = plain("limit", "At most so many rows", ParameterType::Integer);
    (limit.spec.minimum, limit.spec.maximum) = (Some(1.0), Some(history.maximum.into()));
    limit.spec.default = Some(Scalar::Int(history.limit.into()));
    limit.default = Some(Value::Int(history.limit.into()));
    let mut order = plain("order", "Newest first (desc) or oldest first (asc)", ParameterType::Text);
    order.spec.one_of = Some(vec!["desc".to_owned(), "asc".to_owned()]);
    order.spec.default = Some(Scalar::Text("desc".to_owned()));
    order.default = Some(Value::Text("desc".to_owned()));
    let next = "Where the next page begins, from the `Link` header of this one; keep the other parameters";
    let mut all = vec![
        limit,
        plain("start", "Rows at or after this instant, which is not after `end`", ParameterType::Time),
        plain("end", "Rows before this instant", ParameterType::Time),
        order,
        plain("cursor", next, ParameterType::Text),
    ];
    if !history.buckets.is_empty() {
        let what = "Minimum, mean, maximum and last value of each span of the local clock in place of rows";
        let mut interval = plain("interval", what, ParameterType::Text);
        interval.spec.one_of = Some(history.intervals.clone());
        all.push(interval);
    }
    all
}
