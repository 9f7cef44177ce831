//! The records of a list, as far as it goes.

use crate::device::{Field, Order, Raw, Sentinel, Type, decode};
use crate::line::RequestError;
use crate::pass::active::{ActivePoll, NO_DATA};
use crate::pass::memory::PollMemory;
use crate::pass::patience::Patience;
use crate::pass::scan::ListScan;
use crate::plan::{List, ListEnd};

impl ActivePoll<'_> {
    pub(super) async fn records(&mut self, place: usize, list: &List, memory: &mut PollMemory) {
        let count = match self.record_count(list) {
            Ok(count) => count,
            Err(unknown) if memory.lists.get(place).is_none_or(|list| list.length.is_none()) => {
                self.outcome.complete = false;
                return self.fail(&list.name, &unknown);
            }
            // As many as the last time.
            Err(_) => memory.lists.get(place).and_then(|list| list.length),
        };
        let PollMemory { lists, patience, .. } = memory;
        let Some(known) = lists.get_mut(place) else { return };
        let mut scan = known.scan(list.max);
        if let Some(count) = count {
            scan.ends_at(count);
            if count == 0 {
                self.outcome.cause.get_or_insert("the device says that its list is empty".to_owned());
            }
        }
        while let Some(index) = scan.next(patience) {
            let records = scan.neighbours(index, list.together);
            let Some(request) = list.request(index, records) else { break };
            let name = || match records {
                1 => format!("{}[{index}]", list.name),
                _ => format!("{}[{index}..{}]", list.name, index + records - 1),
            };
            let Some(answer) = self.ask(list.unit, request, name).await else { break };
            match answer {
                Ok(data) if records == 1 || data.is_empty() => {
                    self.record(place, list, &mut scan, index, data, patience)
                }
                Ok(data) => {
                    for number in 0..records {
                        let record = list.record(&data, number).to_vec();
                        self.record(place, list, &mut scan, index + number, record, patience);
                    }
                }
                Err(cause) if cause.is_connect() => {
                    // Not asked at all.
                    self.fail(&name(), &cause);
                    self.count(&cause);
                    break;
                }
                Err(cause) if records > 1 && cause.is_refusal() => {
                    if scan.take_apart(index, records) {
                        tracing::warn!(
                            source = self.plan.source, records = name(), registers = %request, error = %cause,
                            "the device refuses several records at once: each is read alone from now on"
                        );
                    }
                }
                Err(cause) => self.failed_record(list, &mut scan, index, &name(), &cause, patience),
            }
        }
        self.report_early_end(list, &scan);
        let complete = scan.finish();
        self.outcome.complete &= complete;
        if complete {
            memory.list_heard(place, list.every, self.began);
        }
    }

    /// How many records the device says that it has; an error if it should say so and was not heard.
    fn record_count(&self, list: &List) -> Result<Option<u16>, String> {
        let Some((block, field)) = &list.end.count else { return Ok(None) };
        let name = self.plan.device.blocks.get(*block).map(|shape| shape.name.as_str()).unwrap_or_default();
        let data = self.outcome.blocks.get(*block).and_then(Option::as_deref);
        let unknown = || format!("block `{name}`, which says how many records there are, was not heard");
        let raw =
            data.and_then(|data| field.value_in(self.plan.device.split.order, data)).ok_or_else(unknown)?;
        let count = match raw {
            Raw::Unsigned(count) => u16::try_from(count).unwrap_or(u16::MAX),
            Raw::Signed(count) => u16::try_from(count.max(0)).unwrap_or(u16::MAX),
            _ => return Err(unknown()),
        };
        Ok(Some(count))
    }

    fn record(
        &mut self,
        place: usize,
        list: &List,
        scan: &mut ListScan<'_>,
        index: u16,
        data: Vec<u8>,
        patience: &mut Patience,
    ) {
        if is_end(&list.end, self.plan.device.split.order, &data) {
            if scan.ended(index, patience) && index == 0 {
                let said = if data.is_empty() { NO_DATA } else { "the list of the device is empty" };
                self.outcome.cause.get_or_insert(format!("{said}: nothing is mapped yet"));
            }
            return;
        }
        scan.found(index, patience);
        if let Some(records) = self.outcome.lists.get_mut(place) {
            records.insert(index, data);
        }
    }

    fn failed_record(
        &mut self,
        list: &List,
        scan: &mut ListScan<'_>,
        index: u16,
        name: &str,
        cause: &RequestError,
        patience: &mut Patience,
    ) {
        let ends = matches!(cause, RequestError::Exception(code) if list.end.exceptions.contains(code));
        let nothing_there = matches!(cause, RequestError::Exception(2 | 3)) && list.end.count.is_none();
        if ends || nothing_there {
            if scan.refused(index, ends, patience) {
                if index == 0 {
                    self.outcome.cause.get_or_insert_with(|| cause.to_string());
                }
            } else {
                self.fail(name, cause);
            }
            return;
        }
        self.fail(name, cause);
        self.count(cause);
        scan.failed(index, !cause.is_answer(), patience);
    }

    /// Says that a list ended where it did not before.
    fn report_early_end(&mut self, list: &List, scan: &ListScan<'_>) {
        if let Some((end, length)) = scan.early_end() {
            let said = format!(
                "the list ended early: it had {length} records before, and a shorter one is accepted after three polls"
            );
            self.fail(&format!("{}[{end}]", list.name), &said);
        }
    }
}

fn is_end(end: &ListEnd, order: Order, data: &[u8]) -> bool {
    data.is_empty()
        || end.mark.as_ref().is_some_and(|(field, value)| is_mark(field, value.as_ref(), order, data))
}

fn is_mark(field: &Field, value: Option<&serde_json::Number>, order: Order, data: &[u8]) -> bool {
    let Ok(raw) = decode(field, order, data) else { return false };
    if let Some(number) = value {
        return Sentinel::Number(number.clone()).is(field, order, data, &raw);
    }
    match field.kind_of_value {
        // These share their bytes with others.
        Type::Bool | Type::Bits => matches!(raw, Raw::Bool(false) | Raw::Unsigned(0)),
        _ => {
            let start = usize::from(field.at);
            let bytes = data.get(start..start + usize::from(field.width()));
            bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
        }
    }
}
