//! Where the bytes of a value stand in the data of a block.

use crate::device::borrowed::Borrowed;
use crate::device::field::Field;
use crate::device::order::Order;

impl Field {
    /// Where each byte of the value stands in the data of its block, the highest first; `order` is the device's.
    pub(crate) fn places(&self, order: Order) -> impl Iterator<Item = usize> + '_ {
        let (order, width) = (self.order_within(order), usize::from(self.width()));
        let bytes = if self.words.is_empty() { width } else { self.words.len() * 2 };
        let skip = if self.kind_of_value.begins_left() { 0 } else { bytes.saturating_sub(width) };
        let place = move |index: usize| match self.words.get(index / 2) {
            Some(word) => usize::from(*word) + order.place(index % 2, 2),
            None => usize::from(self.at) + order.place(index, bytes),
        };
        (skip..bytes).take(width).map(place)
    }

    /// Where its first byte stands.
    pub(crate) fn start(&self) -> u16 {
        self.words.iter().copied().min().unwrap_or(self.at)
    }

    /// Whether all its bytes are among those that another block borrows.
    pub(crate) fn is_within(&self, borrowed: &Borrowed) -> bool {
        let end = usize::from(borrowed.at) + usize::from(borrowed.bytes);
        self.start() >= borrowed.at && self.end() <= end
    }

    /// How many bytes of data a block must have for it.
    pub(crate) fn end(&self) -> usize {
        match self.words.iter().max() {
            Some(last) => usize::from(*last) + 2,
            None => usize::from(self.at) + usize::from(self.width()),
        }
    }
}
