//! What an engine has: threads, workers at rest, a device, and what it learned of codes, functions
//! and costs.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use revm::DatabaseRef;
use warpevm_kernels::abi::Layout;

use super::config::Config;
use super::cost::Costs;
use super::functions::Functions;
use crate::backend::cpu::Worker;
use crate::backend::device::driver::AnyDriver;
use crate::backend::device::{Device, Means};
#[cfg(feature = "fake-device")]
use crate::backend::fake_drivers;
use crate::backend::{cuda_drivers, wgpu_drivers};
use crate::code::CodeCache;
use crate::code::artefact::Artefacts;
use crate::error::Error;
use crate::instance::layout::classes;
use crate::instance::session::Session;
use crate::limits::CLASS_COUNT;
use crate::plan::Predictor;
use crate::pool::Pool;
use crate::report::Counts;
use crate::state::State;
use crate::state::versions::Versions;
use crate::sync::lock;
use crate::types::{Backend, Env, Report, TierCounts};

/// Executes transactions.
pub struct Engine {
    pub(super) config: Config,
    pub(super) layouts: Arc<[Layout; CLASS_COUNT]>,
    /// What is known of codes.
    pub(super) codes: Arc<CodeCache>,
    /// Workers at rest; they keep their memory.
    pub(super) workers: Mutex<Vec<Worker>>,
    pub(super) largest: Mutex<()>,
    pub(super) pool: OnceLock<Pool>,
    /// Threads that decode what a device sends and read the database for it. Those of `pool` may
    /// wait for a device.
    pub(super) device_pool: OnceLock<Pool>,
    /// With the `cuda` and `wgpu` backends.
    pub(super) device: Option<Device>,
    /// What transactions are expected to touch.
    pub(super) predictor: Predictor,
    /// What they are expected to cost.
    pub(super) costs: Costs,
    /// Room for versions; who uses one has a reference to it.
    pub(super) versions: Mutex<Vec<Arc<Versions>>>,
    /// Blocks that `auto` decided on.
    pub(super) blocks: AtomicU64,
    /// What calls of functions did.
    pub(super) functions: Mutex<Functions>,
}

impl Engine {
    /// An engine. Threads start when they are first needed; a GPU is opened now.
    pub fn new(config: Config) -> Result<Engine, Error> {
        let drivers: Vec<AnyDriver> = match config.backend {
            Backend::Cuda => cuda_drivers(config.gpu)?,
            #[cfg(feature = "fake-device")]
            Backend::CudaFake => fake_drivers()?,
            Backend::Wgpu => wgpu_drivers(config.gpu)?,
            Backend::Cpu | Backend::Revm => return Ok(Self::with(config, None)),
        };
        let device = Some(Device::new(drivers, config.grouping)?);
        Ok(Self::with(config, device))
    }

    /// An engine on given devices, such as fake ones.
    #[cfg(feature = "fake-device")]
    pub fn on_drivers(config: Config, drivers: Vec<AnyDriver>) -> Result<Engine, Error> {
        let config = config.with_backend(Backend::Cuda);
        Ok(Self::with(config, Some(Device::new(drivers, config.grouping)?)))
    }

    /// An engine with other settings that shares what this one knows of codes, unless it wants
    /// other passes.
    pub fn beside(&self, config: Config) -> Result<Engine, Error> {
        let engine = Engine::new(config)?;
        if (config.passes, config.tiers) != (self.config.passes, self.config.tiers) {
            return Ok(engine);
        }
        let codes = self.codes.clone();
        Ok(Engine { predictor: Predictor::with_codes(codes.clone()), codes, ..engine })
    }

    fn with(config: Config, device: Option<Device>) -> Engine {
        let codes = Arc::new(CodeCache::with(config.passes, config.tiers));
        Engine {
            config,
            layouts: Arc::new(classes()),
            predictor: Predictor::with_codes(codes.clone()),
            codes,
            workers: Mutex::default(),
            largest: Mutex::default(),
            pool: OnceLock::new(),
            device_pool: OnceLock::new(),
            device,
            costs: Costs::default(),
            versions: Mutex::default(),
            functions: Mutex::default(),
            blocks: AtomicU64::new(0),
        }
    }

    /// The device.
    pub(super) fn device(&self) -> Result<&Device, Error> {
        self.device.as_ref().ok_or_else(|| Error::NoDevice("none was opened".to_owned()))
    }

    /// What a device runs transactions with that start in this memory class.
    pub(super) fn means<'r>(
        &'r self,
        pool: &'r Pool,
        class: usize,
        counts: &'r Mutex<Counts>,
    ) -> Means<'r> {
        let (layouts, per_warp) = (&*self.layouts, self.config.instances_per_warp);
        Means { layouts, class, per_warp, pool, counts }
    }

    /// How it works.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Keeps programs of the full compiler in a folder from now on, and takes them from there.
    pub fn keep_programs(&self, artefacts: Arc<Artefacts>) {
        self.codes.keep_in(artefacts);
    }

    /// What each tier of programs made so far.
    pub fn tiers(&self) -> TierCounts {
        self.codes.tier_counts()
    }

    /// Waits until codes that are hot have been compiled.
    pub fn settle(&self) {
        self.codes.settle();
    }

    /// Threads that it uses.
    pub fn threads(&self) -> usize {
        match self.config.threads {
            0 => std::thread::available_parallelism().map_or(1, |count| count.get()),
            count => count,
        }
    }

    /// Threads, started when they are first needed.
    pub(super) fn pool(&self) -> Result<&Pool, Error> {
        self.started(&self.pool)
    }

    /// Threads for a device, likewise.
    pub(super) fn device_pool(&self) -> Result<&Pool, Error> {
        self.started(&self.device_pool)
    }

    fn started<'p>(&self, cell: &'p OnceLock<Pool>) -> Result<&'p Pool, Error> {
        if let Some(pool) = cell.get() {
            return Ok(pool);
        }
        let pool = Pool::new(self.threads())?;
        Ok(cell.get_or_init(|| pool))
    }

    /// What the transactions of one call share.
    pub(super) fn session<'s, DB: DatabaseRef + Sync>(
        &'s self,
        env: &'s Env,
        state: &'s State<DB>,
    ) -> Result<Session<'s, DB>, Error> {
        Session::new(env, state, &self.codes, &self.largest, self.config.step_budget)
    }

    /// A worker at rest or a new one.
    pub(super) fn worker(&self) -> Result<Worker, Error> {
        match lock(&self.workers).pop() {
            Some(worker) => Ok(worker),
            None => Worker::new(self.layouts.clone()),
        }
    }

    /// Puts a worker to rest and takes over what it counted.
    pub(super) fn rest(&self, mut worker: Worker, counts: &Mutex<Counts>) {
        lock(counts).add(&std::mem::take(&mut worker.counts));
        lock(&self.workers).push(worker);
    }

    /// What all counted.
    pub(super) fn report(&self, counts: Mutex<Counts>) -> Report {
        counts.into_inner().unwrap_or_else(PoisonError::into_inner).report(&self.layouts)
    }
}
