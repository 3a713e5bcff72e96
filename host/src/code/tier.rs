//! Which program of a code runs: at first that of the baseline, which is there at once, and once
//! the code is hot that of the full compiler, which threads in the background make.
//!
//! A code is hot when so many frames opened on it
//! ([`CODE_FRAMES_COUNT_HOT`](crate::limits::CODE_FRAMES_COUNT_HOT)); the kernel counts them down.
//! Its frames that are open go on with the program that they began with; those that open later run
//! the better one, under another id of the same code ([`CodeArray`](super::ids::CodeArray)). No
//! thread waits for another's compile. Devices run the full compiler's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use warpevm_compiler::{Options, Program, Spec, compile_with};

use super::artefact::Artefacts;
use super::growing::Growing;
use super::ids::CodeBytes;
use super::knowledge::Knowledge;
use crate::limits::{
    ARTEFACT_CODE_BYTES_MIN, CODE_COMPILES_COUNT_MAX, CODE_COMPILES_QUEUED_COUNT_MAX,
};
use crate::sync::lock;
use crate::types::TierCounts;

/// Which programs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tiers {
    /// Those of the baseline until a code is hot.
    #[default]
    Auto,
    /// Those of the baseline alone.
    Baseline,
    /// Those of the full compiler alone: whoever enters a code first waits for its compile.
    Full,
    /// For tests: those of the baseline for the first frame of a code, then those of the full
    /// compiler.
    Swap,
}

impl Tiers {
    /// Every choice.
    pub const ALL: [Tiers; 4] = [Tiers::Auto, Tiers::Baseline, Tiers::Full, Tiers::Swap];
}

/// A program in the form that it runs in.
#[derive(Clone, Debug)]
pub enum CodeProgram {
    /// It is all there.
    Whole(Arc<Program>),
    /// It grows.
    Growing(Arc<Growing>),
}

impl CodeProgram {
    /// Where kernels find ops, constants and jump table, and the op where execution starts.
    pub fn addresses(&self) -> ([u64; 3], u32) {
        match self {
            CodeProgram::Whole(program) => {
                let Program { ops, consts, jump_table, entry, .. } = &**program;
                let places =
                    [ops.as_ptr() as u64, consts.as_ptr() as u64, jump_table.as_ptr() as u64];
                (places, *entry)
            }
            CodeProgram::Growing(growing) => growing.addresses(),
        }
    }

    /// The program that grows, if this one does.
    pub fn growing(&self) -> Option<&Arc<Growing>> {
        match self {
            CodeProgram::Whole(_) => None,
            CodeProgram::Growing(growing) => Some(growing),
        }
    }
}

/// A code that is to be compiled.
struct Job {
    known: Arc<Knowledge>,
    code: CodeBytes,
    spec: Spec,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<VecDeque<Job>>,
    wake: Condvar,
    idle: Condvar,
    /// Jobs that are queued or being done.
    open: AtomicUsize,
    stopped: AtomicBool,
    /// How many programs were finished.
    finished: AtomicU64,
    /// Bytes of the programs that nobody accounted for yet.
    bytes: AtomicUsize,
    counts: CompileCounters,
    /// Where programs are kept.
    artefacts: OnceLock<Arc<Artefacts>>,
}

#[derive(Default)]
struct CompileCounters {
    codes: AtomicU64,
    code_bytes: AtomicU64,
    nanoseconds: AtomicU64,
    refused: AtomicU64,
}

impl Shared {
    /// Where the program of a code is kept, if it is. The shortest take longer to read than to
    /// compile.
    fn artefacts_of(&self, code: &CodeBytes) -> Option<&Artefacts> {
        let artefacts = self.artefacts.get()?;
        (code.as_slice().len() >= ARTEFACT_CODE_BYTES_MIN).then_some(artefacts)
    }

    fn keep(&self, code: &CodeBytes, spec: Spec, passes: &Options, program: &Program) {
        if let Some(artefacts) = self.artefacts_of(code) {
            artefacts.put(code.hash, spec, passes, code.as_slice().len(), program);
        }
    }
}

/// The threads that compile in the background, started when there is something to do.
pub struct Background {
    shared: Arc<Shared>,
    passes: Options,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").field("finished", &self.finished()).finish_non_exhaustive()
    }
}

impl Background {
    /// For programs that these passes make.
    pub fn new(passes: Options) -> Background {
        Background { shared: Arc::default(), passes, threads: Mutex::default() }
    }

    /// Programs are kept there from now on.
    pub fn keep_in(&self, artefacts: Arc<Artefacts>) {
        let _ = self.shared.artefacts.set(artefacts);
    }

    /// The program of a code that was kept.
    pub fn kept(&self, code: &CodeBytes, spec: Spec) -> Option<Program> {
        let artefacts = self.shared.artefacts_of(code)?;
        artefacts.get(code.hash, spec, &self.passes, code.as_slice().len())
    }

    /// Keeps the program of a code.
    pub fn keep(&self, code: &CodeBytes, spec: Spec, program: &Program) {
        self.shared.keep(code, spec, &self.passes, program);
    }

    /// Asks for the full program of a code. A queue that is full refuses: who is hot asks again.
    /// Says whether it was taken.
    pub fn ask(&self, known: &Arc<Knowledge>, code: &CodeBytes, spec: Spec) -> bool {
        if known.asked_to_compile.swap(true, Ordering::AcqRel) {
            return true;
        }
        let mut queue = lock(&self.shared.queue);
        if queue.len() >= CODE_COMPILES_QUEUED_COUNT_MAX {
            known.asked_to_compile.store(false, Ordering::Release);
            self.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.shared.open.fetch_add(1, Ordering::AcqRel);
        queue.push_back(Job { known: known.clone(), code: code.clone(), spec });
        let waiting = queue.len();
        drop(queue);
        self.shared.wake.notify_one();
        let mut threads = lock(&self.threads);
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        if threads.len() < cores.div_ceil(2).min(CODE_COMPILES_COUNT_MAX).min(waiting) {
            let (shared, passes) = (self.shared.clone(), self.passes);
            let name = "warpevm-compile".to_owned();
            let thread = std::thread::Builder::new().name(name).spawn(move || {
                step_back();
                work(&shared, &passes);
            });
            // Without a thread the baseline goes on.
            threads.extend(thread);
        }
        true
    }

    /// How many programs were finished: when it has changed, someone may run a better one.
    pub fn finished(&self) -> u64 {
        self.shared.finished.load(Ordering::Acquire)
    }

    /// Bytes of programs that were finished since this was asked last.
    pub fn take_bytes(&self) -> usize {
        self.shared.bytes.swap(0, Ordering::Relaxed)
    }

    /// Waits until all that was asked for is done.
    pub fn settle(&self) {
        let mut queue = lock(&self.shared.queue);
        while self.shared.open.load(Ordering::Acquire) > 0 && !lock(&self.threads).is_empty() {
            queue = self.shared.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was done so far.
    pub fn counts(&self) -> TierCounts {
        let counts = &self.shared.counts;
        TierCounts {
            compiled: counts.codes.load(Ordering::Relaxed),
            compiled_bytes: counts.code_bytes.load(Ordering::Relaxed),
            compile_seconds: counts.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9,
            refused: counts.refused.load(Ordering::Relaxed),
            ..TierCounts::default()
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        lock(&self.shared.queue).clear();
        self.shared.wake.notify_all();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

/// Compiles what is asked for until the end.
fn work(shared: &Shared, passes: &Options) {
    loop {
        let mut queue = lock(&shared.queue);
        let job = loop {
            if shared.stopped.load(Ordering::Acquire) {
                return;
            }
            if let Some(job) = queue.pop_front() {
                break job;
            }
            queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        let start = Instant::now();
        let program = job.known.program.get_or_init(|| {
            let program = Arc::new(compile_with(job.code.as_slice(), job.spec, passes));
            shared.bytes.fetch_add(program.bytes(), Ordering::Relaxed);
            shared.keep(&job.code, job.spec, passes, &program);
            program
        });
        if let Some(growing) = job.known.growing.get() {
            growing.set_better(program.clone());
        }
        let counts = &shared.counts;
        counts.codes.fetch_add(1, Ordering::Relaxed);
        counts.code_bytes.fetch_add(job.code.as_slice().len() as u64, Ordering::Relaxed);
        counts.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        shared.finished.fetch_add(1, Ordering::AcqRel);
        let queue = lock(&shared.queue);
        shared.open.fetch_sub(1, Ordering::AcqRel);
        drop(queue);
        shared.idle.notify_all();
    }
}

/// This thread gets the cores that no other wants.
fn step_back() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call reads a struct that lives here, and is about this thread.
    unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
    }
}
