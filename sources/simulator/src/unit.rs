//! One unit of a served device: its registers, and the world they tell of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;

use crate::faults::Faults;
use crate::layout::{Data, Exception, Image, Layout};
use crate::lock::locked;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: u8,
    layout: Layout,
    /// Recorded bytes, served in place of the world.
    image: Mutex<Option<Arc<Image>>>,
    world: Mutex<World>,
    passes: AtomicU64,
}

impl Unit {
    pub(crate) fn new(id: u8, layout: Layout, world: World, image: Option<Arc<Image>>) -> Self {
        Self { id, layout, image: Mutex::new(image), world: Mutex::new(world), passes: AtomicU64::new(0) }
    }

    pub(crate) fn set_image(&self, image: Arc<Image>) {
        *locked(&self.image) = Some(image);
    }

    /// How often its list was read from the beginning.
    pub(crate) fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// Its world as it is at this time.
    pub(crate) fn world(&self, now: Timestamp) -> MutexGuard<'_, World> {
        let mut world = locked(&self.world);
        world.advance(now);
        world
    }

    /// Whether such a read begins a pass; if so it is counted.
    pub(crate) fn begins_pass(&self, (function, address, count): (u8, u16, u16)) -> bool {
        let begins = self.layout.begins_pass(function, address, count);
        self.passes.fetch_add(begins.into(), Ordering::Relaxed);
        begins
    }

    /// The data of an answer, or the exception that a device of these faults answers with.
    pub(crate) fn read(
        &self,
        (function, address, count): (u8, u16, u16),
        faults: &Faults,
        now: Timestamp,
    ) -> Result<Data, Exception> {
        let registers = matches!(function, 3 | 4);
        if registers && faults.max_registers.is_some_and(|most| count > most) {
            return Err(Exception::Value);
        }
        if faults.missing.iter().any(|range| self.layout.reaches(function, address, count, *range)) {
            return Err(Exception::Address);
        }
        let world = self.world(now);
        let pass = self.passes();
        let image = locked(&self.image).clone();
        let known = |record| if image.is_some() { None } else { world.reading(record, pass) };
        self.layout.read(function, address, count, image.as_deref(), &known)
    }
}
