//! What a driver keeps on the host where its interface has none of it: memory that copies start
//! and end in, and events that the host's clock times.

use std::collections::HashMap;
use std::time::Instant;

use super::driver::{DriverError, Event};
use crate::buffer::Buffer;

/// Memory and events of one driver.
#[derive(Default)]
pub struct HostSide {
    next: u64,
    pinned: HashMap<u64, Buffer>,
    events: HashMap<u64, Option<Instant>>,
}

impl HostSide {
    /// A number that nothing else of the driver has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Zeroed memory.
    pub fn alloc(&mut self, bytes: usize) -> Result<*mut u8, DriverError> {
        let buffer = Buffer::zeroed(bytes).ok_or(DriverError::OutOfMemory(bytes as u64))?;
        let start = buffer.as_ptr();
        self.pinned.insert(start as u64, buffer);
        Ok(start)
    }

    /// Frees what `alloc` gave.
    pub fn free(&mut self, at: *mut u8) {
        self.pinned.remove(&(at as u64));
    }

    /// An event that has not passed.
    pub fn event(&mut self) -> Event {
        let event = self.number();
        self.events.insert(event, None);
        Event(event)
    }

    /// Forgets it.
    pub fn drop_event(&mut self, event: Event) {
        self.events.remove(&event.0);
    }

    /// It passes now.
    pub fn pass(&mut self, event: Event) {
        self.events.insert(event.0, Some(Instant::now()));
    }

    /// Milliseconds between two that have passed.
    pub fn elapsed(&self, from: Event, to: Event) -> Result<f32, DriverError> {
        let at = |event: Event| self.events.get(&event.0).copied().flatten();
        match (at(from), at(to)) {
            (Some(from), Some(to)) => Ok((to - from).as_secs_f32() * 1e3),
            _ => Err(DriverError::Failed("an event that has not passed".to_owned())),
        }
    }
}
