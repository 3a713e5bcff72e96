//! Device and page-locked memory that its owner frees by dropping it, and keeps while it is large
//! enough.

use super::driver::{AnyDriver, DriverError, Space, Stream};

/// The least that is allocated: drivers hand out pages of this size.
const BYTES_MIN: u64 = 64 << 10;

/// Memory of a device. It grows, losing its content.
pub struct DeviceBuffer {
    driver: AnyDriver,
    space: Space,
    address: u64,
    bytes: u64,
}

impl DeviceBuffer {
    /// Nothing yet.
    pub fn new(driver: &AnyDriver, space: Space) -> DeviceBuffer {
        DeviceBuffer { driver: driver.clone(), space, address: 0, bytes: 0 }
    }

    /// Where it stands.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it at least this long; true if it is another one now, of any content.
    ///
    /// # Safety
    /// Nothing on the device uses the old one any more.
    pub unsafe fn reserve(&mut self, bytes: u64) -> Result<bool, DriverError> {
        if bytes <= self.bytes {
            return Ok(false);
        }
        // The old one goes first: there may be no room for both.
        self.release();
        let wanted = bytes.max(BYTES_MIN);
        // With some more, so that a slowly growing want asks seldom; without, if there is no room.
        let generous = wanted + wanted / 4;
        let (address, bytes) = match self.driver.alloc(self.space, generous) {
            Ok(address) => (address, generous),
            Err(DriverError::OutOfMemory(_)) => (self.driver.alloc(self.space, wanted)?, wanted),
            Err(error) => return Err(error),
        };
        (self.address, self.bytes) = (address, bytes);
        Ok(true)
    }

    fn release(&mut self) {
        if self.bytes > 0 {
            // SAFETY: `alloc` gave it, and by `reserve`'s contract nothing uses it.
            unsafe { self.driver.free(self.address) };
            (self.address, self.bytes) = (0, 0);
        }
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        self.release();
    }
}

/// Page-locked memory of the host, between uploads and downloads of one stream.
pub struct Staging {
    driver: AnyDriver,
    start: *mut u8,
    bytes: usize,
}

// SAFETY: it owns its memory; access goes through `&` and `&mut` as for a box of bytes.
unsafe impl Send for Staging {}

impl Staging {
    /// Nothing yet.
    pub fn new(driver: &AnyDriver) -> Staging {
        Staging { driver: driver.clone(), start: std::ptr::null_mut(), bytes: 0 }
    }

    /// At least this many bytes, of any content, aligned to 64. No copy from or to it may be under
    /// way.
    pub fn take(&mut self, bytes: usize) -> Result<&mut [u8], DriverError> {
        if bytes > self.bytes {
            self.release();
            let wanted = bytes.max(BYTES_MIN as usize).next_power_of_two();
            self.start = self.driver.alloc_pinned(wanted)?;
            self.bytes = wanted;
        }
        if bytes == 0 {
            return Ok(&mut []);
        }
        // SAFETY: allocated with at least this length and zeroed; nobody else has it.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.start, bytes) })
    }

    /// The first `bytes`, as a download left them.
    pub fn get(&self, bytes: usize) -> &[u8] {
        assert!(bytes <= self.bytes);
        if bytes == 0 {
            return &[];
        }
        // SAFETY: as in `take`.
        unsafe { std::slice::from_raw_parts(self.start, bytes) }
    }

    fn release(&mut self) {
        if self.bytes > 0 {
            // SAFETY: `alloc_pinned` gave it, with this length.
            unsafe { self.driver.free_pinned(self.start, self.bytes) };
            self.bytes = 0;
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.release();
    }
}

/// Copies what `staging` holds at `from..` to the device.
///
/// # Safety
/// The device range is valid, and `staging` is left alone until the stream is synchronised.
pub unsafe fn upload(
    driver: &AnyDriver,
    stream: Stream,
    to: u64,
    from: &[u8],
) -> Result<(), DriverError> {
    if from.is_empty() {
        return Ok(());
    }
    // SAFETY: by the caller's promise.
    unsafe { driver.upload(stream, to, from.as_ptr(), from.len()) }
}
