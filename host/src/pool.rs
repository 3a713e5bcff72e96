//! The threads of an engine.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Error;

/// Starts a thread, which the system may refuse.
pub fn start<'scope, 'env, R: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    work: impl FnOnce() -> R + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, R>, Error> {
    Builder::new().spawn_scoped(scope, work).map_err(Error::ThreadStart)
}

/// Waits for a thread, and panics as it did.
pub fn join<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Threads for work that waits for nothing but its own parts.
#[derive(Debug)]
pub struct Pool(ThreadPool);

impl Pool {
    /// So many threads.
    pub fn new(threads: usize) -> Result<Pool, Error> {
        let name = |i| format!("warpevm-{i}");
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
        Ok(Pool(pool.map_err(Error::Threads)?))
    }

    /// Runs `work` on these threads and waits for it.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
        self.apart(|| self.0.install(work))
    }

    /// Runs `work` on this thread and on so many of these threads, and waits for all. The others
    /// may come late, or when this one is done.
    pub fn together(&self, others: usize, work: &(impl Fn() + Sync)) -> Result<(), Error> {
        self.apart(|| {
            self.0.in_place_scope(|scope| {
                (0..others).for_each(|_| scope.spawn(|_| work()));
                work();
            });
        })
    }

    /// Waits for `work`, which waits for these threads.
    ///
    /// A caller that is a thread of another rayon pool would, while it waits, take up other work of
    /// that pool, such as another call of the engine: calls would lie upon each other until the
    /// stack overflows, or wait for what one below holds. So it waits for a thread of its own.
    fn apart<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
        let elsewhere = rayon::current_thread_index().is_some();
        if !elsewhere || self.0.current_thread_index().is_some() {
            return Ok(work());
        }
        std::thread::scope(|scope| Ok(join(start(scope, work)?)))
    }
}
