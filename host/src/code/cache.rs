//! What is known of codes, by hash and spec, kept across batches, blocks and states.
//!
//! A code is compiled when it first runs, by the baseline, and by the full compiler when it is hot
//! ([`super::tier`]). Access sets of its functions and their effects follow from an analysis, which
//! takes longer: it is made once, when the first of them is, and dropped when analyses take too
//! much memory. When what is known takes too much, the half of the codes
//! goes that was asked for least.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{B256, Bytes};
use warpevm_compiler::{
    Analysis, EffectSet, Options, Program, Spec, analyse, compile_baseline, compile_with,
};

use super::artefact::Artefacts;
use super::growing::Growing;
use super::ids::{CodeBytes, delegate_of};
use super::knowledge::{
    FUNCTION_BYTES, Function, KNOWLEDGE_BYTES, Knowledge, Predicted, drop_colder_half,
};
use super::tier::{Background, CodeProgram, Tiers};
use crate::limits::{
    CODE_ANALYSES_BYTES_MAX, CODE_CACHE_BYTES_MAX, CODE_EFFECTS_COUNT_MAX, CODE_FRAMES_COUNT_HOT,
    CODE_GROWING_BYTES, EFFECT_ASKED_COUNT_MIN, PLAN_WANTED_SETS_COUNT_MAX,
};
use crate::sync::lock;
use crate::types::TierCounts;

/// A code, by its hash, in a spec.
type CodeKey = (B256, Spec);

/// A code and those of its functions whose access sets are wanted.
type WantedCode = (Bytes, HashSet<Option<u32>>);

/// Access sets that someone wanted and nobody has made.
#[derive(Debug, Default)]
struct Wanted {
    codes: HashMap<CodeKey, WantedCode>,
    count: usize,
}

/// See the module.
#[derive(Debug)]
pub struct CodeCache {
    codes: RwLock<HashMap<CodeKey, Arc<Knowledge>>>,
    clock: AtomicU64,
    /// Bytes of what is known, at most: where something was dropped it is less.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// The same of analyses.
    analyses_bytes: AtomicUsize,
    analyses_bytes_max: usize,
    wanted: Mutex<Wanted>,
    /// The passes that make programs.
    passes: Options,
    /// Which programs run.
    tiers: Tiers,
    background: Background,
    /// Codes that the baseline compiled, their bytes, and those of their programs.
    at_once: [AtomicU64; 3],
    /// How often effects are asked for until they are made.
    asked_min: u32,
}

impl Default for CodeCache {
    fn default() -> CodeCache {
        CodeCache {
            codes: RwLock::default(),
            clock: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            bytes_max: CODE_CACHE_BYTES_MAX,
            analyses_bytes: AtomicUsize::new(0),
            analyses_bytes_max: CODE_ANALYSES_BYTES_MAX,
            wanted: Mutex::default(),
            passes: Options::ALL,
            tiers: Tiers::Full,
            background: Background::new(Options::ALL),
            at_once: Default::default(),
            asked_min: EFFECT_ASKED_COUNT_MIN,
        }
    }
}

impl CodeCache {
    /// A cache of programs of these tiers; these passes make the full ones.
    pub fn with(passes: Options, tiers: Tiers) -> CodeCache {
        let background = Background::new(passes);
        CodeCache { passes, tiers, background, ..CodeCache::default() }
    }

    /// A cache that makes effects when they are asked for the first time.
    pub fn eager() -> CodeCache {
        CodeCache { asked_min: 1, ..CodeCache::default() }
    }

    /// The program that a CPU runs of a code.
    pub fn program(&self, code: &CodeBytes, spec: Spec) -> CodeProgram {
        let (known, _) = self.known((code.hash, spec));
        let program = known.program.get().map(|program| CodeProgram::Whole(program.clone()));
        let program = program.unwrap_or_else(|| match self.tiers {
            Tiers::Full => CodeProgram::Whole(self.full(&known, code, spec)),
            _ => self.baseline(&known, code, spec),
        });
        self.shrink();
        program
    }

    /// The program that a device runs of a code. A batch runs it thousands of times, each for half
    /// as many instructions again by the baseline's.
    pub fn device_program(&self, code: &CodeBytes, spec: Spec) -> Arc<Program> {
        let (known, _) = self.known((code.hash, spec));
        let program = known.program.get().cloned();
        let program = program.unwrap_or_else(|| match self.tiers {
            Tiers::Auto | Tiers::Full | Tiers::Swap => self.full(&known, code, spec),
            Tiers::Baseline => self.whole(&known, code, spec),
        });
        self.shrink();
        program
    }

    /// Full programs are kept in this folder from now on, and taken from there.
    pub fn keep_in(&self, artefacts: Arc<Artefacts>) {
        self.background.keep_in(artefacts);
    }

    /// The program of a code that an earlier process kept.
    fn kept(&self, code: &CodeBytes, spec: Spec) -> Option<Arc<Program>> {
        let program = self.background.kept(code, spec)?;
        self.bytes.fetch_add(program.bytes(), Ordering::Relaxed);
        Some(Arc::new(program))
    }

    /// The full program; compiled on first use, by one thread while others wait.
    fn full(&self, known: &Knowledge, code: &CodeBytes, spec: Spec) -> Arc<Program> {
        let make = || {
            if let Some(kept) = self.kept(code, spec) {
                return kept;
            }
            let analysed = known.analysis.try_lock().ok().and_then(|kept| kept.clone());
            let program = match analysed {
                Some(analysis) if self.passes == Options::ALL => analysis.program.clone(),
                _ => compile_with(code.as_slice(), spec, &self.passes),
            };
            self.bytes.fetch_add(program.bytes(), Ordering::Relaxed);
            self.background.keep(code, spec, &program);
            Arc::new(program)
        };
        known.program.get_or_init(make).clone()
    }

    /// The baseline's program, all of it.
    fn whole(&self, known: &Knowledge, code: &CodeBytes, spec: Spec) -> Arc<Program> {
        let make = || {
            let program = compile_baseline(code.as_slice(), spec);
            self.made_at_once(1, code.as_slice().len(), program.bytes());
            Arc::new(program)
        };
        known.whole.get_or_init(make).clone()
    }

    /// The baseline's program, lowered as it is entered.
    fn baseline(&self, known: &Arc<Knowledge>, code: &CodeBytes, spec: Spec) -> CodeProgram {
        if self.tiers == Tiers::Auto && known.heat.asked() >= CODE_FRAMES_COUNT_HOT.into() {
            self.background.ask(known, code, spec);
        }
        if let Some(growing) = known.growing.get() {
            return CodeProgram::Growing(growing.clone());
        }
        if self.tiers == Tiers::Auto
            && let Some(kept) = self.kept(code, spec)
        {
            return CodeProgram::Whole(known.program.get_or_init(|| kept).clone());
        }
        let may_grow = CODE_GROWING_BYTES.contains(&code.as_slice().len());
        let Some(growing) = may_grow.then(|| Growing::new(code.code(), spec)).flatten() else {
            return CodeProgram::Whole(self.whole(known, code, spec));
        };
        let growing = known.growing.get_or_init(|| {
            self.made_at_once(1, code.as_slice().len(), growing.bytes());
            Arc::new(growing)
        });
        if let Some(program) = known.program.get() {
            growing.set_better(program.clone());
        }
        CodeProgram::Growing(growing.clone())
    }

    fn made_at_once(&self, codes: u64, code_bytes: usize, bytes: usize) {
        let counts = [codes, code_bytes as u64, bytes as u64];
        for (count, more) in self.at_once.iter().zip(counts) {
            count.fetch_add(more, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Lowers the run that an op of a program stands for; whether it stands for one.
    pub fn lower(&self, growing: &Growing, op: u32) -> bool {
        let Some(bytes) = growing.lower(op) else { return false };
        self.made_at_once(0, 0, bytes);
        true
    }

    /// A program turned out to be hot; with [`Tiers::Swap`] there is a better one at once. `false`:
    /// too many wait for theirs.
    pub fn heard_hot(&self, code: &CodeBytes, spec: Spec, growing: &Growing) -> bool {
        let (known, _) = self.known((code.hash, spec));
        match self.tiers {
            Tiers::Auto => return self.background.ask(&known, code, spec),
            Tiers::Swap => growing.set_better(self.full(&known, code, spec)),
            Tiers::Baseline | Tiers::Full => {}
        }
        true
    }

    /// After how many frames a program that grows is hot; `None`: never.
    pub fn frames_to_hot(&self) -> Option<u32> {
        match self.tiers {
            Tiers::Auto => Some(CODE_FRAMES_COUNT_HOT),
            Tiers::Swap => Some(1),
            Tiers::Baseline | Tiers::Full => None,
        }
    }

    /// A number that changes when there are better programs than before.
    pub fn generation(&self) -> u64 {
        self.background.finished()
    }

    /// Waits until the compiles that were asked for are done.
    pub fn settle(&self) {
        self.background.settle();
    }

    /// What each tier made so far.
    pub fn tier_counts(&self) -> TierCounts {
        let [codes, code_bytes, bytes] =
            self.at_once.each_ref().map(|count| count.load(Ordering::Relaxed));
        TierCounts {
            baseline: codes,
            baseline_code_bytes: code_bytes,
            baseline_bytes: bytes,
            ..self.background.counts()
        }
    }

    /// What is predicted of a function's calls. If nothing is, notes that it is wanted
    /// ([`CodeCache::make_wanted`]): to find out takes milliseconds for a large contract.
    pub fn predicted(
        &self,
        hash: B256,
        spec: Spec,
        selector: Option<u32>,
        code: impl FnOnce() -> Option<Bytes>,
    ) -> Option<Predicted> {
        if let Some(known) = self.read().get(&(hash, spec)) {
            let now = self.now();
            known.heat.touch(now);
            if let Some(predicted) = known.predicted(selector, now) {
                return Some(predicted);
            }
        }
        let code = code()?;
        if let Some(target) = delegate_of(&code) {
            let (known, _) = self.known((hash, spec));
            self.shrink();
            return Some(Predicted::Delegation(*known.delegate.get_or_init(|| target)));
        }
        let mut wanted = lock(&self.wanted);
        if wanted.count < PLAN_WANTED_SETS_COUNT_MAX {
            let new = || (code, HashSet::default());
            let is_new = wanted.codes.entry((hash, spec)).or_insert_with(new).1.insert(selector);
            wanted.count += usize::from(is_new);
        }
        None
    }

    /// Makes wanted access sets of at most so many codes; gives how many sets. Any thread may help.
    pub fn make_wanted(&self, codes_max: usize) -> usize {
        let mut count = 0;
        for _ in 0..codes_max {
            let Some((key, (code, selectors))) = self.take_wanted() else { break };
            let (known, now) = self.known(key);
            let analysis = self.analysis(&known, &code, key.1);
            for selector in selectors {
                let function = self.function(&known, selector, now);
                function.predicted.get_or_init(|| {
                    let predicted = Predicted::of(analysis.access_set(selector));
                    self.bytes.fetch_add(predicted.bytes(), Ordering::Relaxed);
                    predicted
                });
                count += 1;
            }
            self.shrink();
        }
        count
    }

    /// All wanted sets of one code and spec.
    fn take_wanted(&self) -> Option<(CodeKey, WantedCode)> {
        let mut wanted = lock(&self.wanted);
        let key = *wanted.codes.keys().next()?;
        let found = wanted.codes.remove_entry(&key)?;
        wanted.count -= found.1.1.len();
        Some(found)
    }

    /// Access sets that are wanted and not made yet.
    pub fn wanted(&self) -> usize {
        lock(&self.wanted).count
    }

    /// The effects of a function; made by one thread while others wait. `None`: they were not asked
    /// for often enough, or those of too many others of the code were.
    pub fn effects(
        &self,
        code: &CodeBytes,
        spec: Spec,
        selector: Option<u32>,
    ) -> Option<Arc<EffectSet>> {
        let (known, now) = self.known((code.hash, spec));
        let function = self.function(&known, selector, now);
        if let Some(effects) = function.effects.get() {
            return Some(effects.clone());
        }
        let asked = function.effects_asked.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let count = known.effects_count.load(Ordering::Relaxed);
        if asked < self.asked_min || count >= CODE_EFFECTS_COUNT_MAX {
            self.shrink();
            return None;
        }
        if self.tiers == Tiers::Auto && known.program.get().is_none() {
            // An analysis takes longer than a compile, and somebody waits: not for cold code.
            self.background.ask(&known, code, spec);
            return None;
        }
        let make = || {
            known.effects_count.fetch_add(1, Ordering::Relaxed);
            let effects = self.analysis(&known, code.as_slice(), spec).effect_set(selector);
            self.bytes.fetch_add(effects.bytes(), Ordering::Relaxed);
            Arc::new(effects)
        };
        let effects = function.effects.get_or_init(make).clone();
        self.shrink();
        Some(effects)
    }

    /// The analysis of a code; made by one thread while others wait.
    fn analysis(&self, known: &Knowledge, code: &[u8], spec: Spec) -> Arc<Analysis> {
        let mut kept = lock(&known.analysis);
        if let Some(analysis) = &*kept {
            return analysis.clone();
        }
        let analysis = Arc::new(analyse(code, spec));
        *kept = Some(analysis.clone());
        self.analyses_bytes.fetch_add(analysis.bytes(), Ordering::Relaxed);
        analysis
    }

    /// What is known of a code, and the time, which it is asked for at.
    fn known(&self, key: CodeKey) -> (Arc<Knowledge>, u64) {
        let now = self.now();
        let known = self.read().get(&key).cloned();
        let known = known.unwrap_or_else(|| {
            let new = || {
                self.bytes.fetch_add(KNOWLEDGE_BYTES, Ordering::Relaxed);
                Arc::default()
            };
            self.write().entry(key).or_insert_with(new).clone()
        });
        known.heat.touch(now);
        (known, now)
    }

    fn function(&self, known: &Knowledge, selector: Option<u32>, now: u64) -> Arc<Function> {
        let (function, is_new) = known.function(selector, now);
        if is_new {
            self.bytes.fetch_add(FUNCTION_BYTES, Ordering::Relaxed);
        }
        function
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<CodeKey, Arc<Knowledge>>> {
        self.codes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<CodeKey, Arc<Knowledge>>> {
        self.codes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is asked for least when all takes too much.
    fn shrink(&self) {
        if self.analyses_bytes.load(Ordering::Relaxed) > self.analyses_bytes_max {
            self.shrink_analyses();
        }
        self.bytes.fetch_add(self.background.take_bytes(), Ordering::Relaxed);
        if self.bytes.load(Ordering::Relaxed) <= self.bytes_max {
            return;
        }
        let mut codes = self.write();
        let mut bytes = bytes_of(&codes);
        while bytes > self.bytes_max {
            drop_colder_half(&mut codes, |known| &known.heat);
            bytes = bytes_of(&codes);
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    fn shrink_analyses(&self) {
        let codes: Vec<Arc<Knowledge>> = self.read().values().cloned().collect();
        // One that is being made is not in the way.
        let bytes = |known: &Arc<Knowledge>| {
            let kept = known.analysis.try_lock().ok()?;
            kept.as_ref().map(|analysis| analysis.bytes())
        };
        let mut held: Vec<_> = codes
            .iter()
            .filter_map(|known| Some((known.heat.rank(), bytes(known)?, known)))
            .collect();
        held.sort_unstable_by_key(|(rank, ..)| *rank);
        let mut all: usize = held.iter().map(|(_, bytes, _)| *bytes).sum();
        for (_, bytes, known) in held {
            if all <= self.analyses_bytes_max / 2 {
                break;
            }
            lock(&known.analysis).take();
            all -= bytes;
        }
        self.analyses_bytes.store(all, Ordering::Relaxed);
    }

    /// Codes of which something is known.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Functions of which something is known.
    pub fn function_count(&self) -> usize {
        self.read().values().map(|known| known.function_count()).sum()
    }
}

fn bytes_of(codes: &HashMap<CodeKey, Arc<Knowledge>>) -> usize {
    codes.values().map(|known| known.bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CODE_FUNCTIONS_COUNT_MAX;
    use alloy_primitives::Address;

    /// `sload(0)`.
    const LOADS: [u8; 4] = [0x60, 0, 0x54, 0x00];

    fn cache(bytes_max: usize, asked_min: u32) -> CodeCache {
        CodeCache { bytes_max, asked_min, ..CodeCache::default() }
    }

    fn code_of(n: u8) -> CodeBytes {
        CodeBytes::with_hash(&[0x60, n, 0x00], B256::with_last_byte(n))
    }

    /// The same code by many names.
    fn loads(n: u8) -> CodeBytes {
        CodeBytes::with_hash(&LOADS, B256::with_last_byte(n))
    }

    fn want(cache: &CodeCache, code: u8, selector: u32) -> Option<Predicted> {
        let bytes = || Some(Bytes::from_static(&LOADS));
        cache.predicted(B256::with_last_byte(code), Spec::Osaka, Some(selector), bytes)
    }

    fn effects(cache: &CodeCache, selector: u32) -> Option<Arc<EffectSet>> {
        cache.effects(&loads(0), Spec::Osaka, Some(selector))
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let programs = cache(4096, 1);
        for n in 0..200u8 {
            programs.program(&code_of(n), Spec::Osaka);
            assert!(programs.bytes.load(Ordering::Relaxed) <= 4096);
        }
        assert!(programs.len() < 100 && !programs.is_empty(), "{} programs", programs.len());
        let functions = cache(64 << 10, 1);
        for n in 0..200u8 {
            want(&functions, n, 7);
            functions.make_wanted(1);
            functions.effects(&loads(n), Spec::Osaka, Some(7));
            assert!(functions.bytes.load(Ordering::Relaxed) <= 64 << 10);
        }
        let count = functions.function_count();
        assert!(count < 100 && count > 0, "{count} functions");
    }

    #[test]
    fn what_is_asked_for_most_stays() {
        let cache = cache(64 << 10, 1);
        let get = |n: u8| cache.device_program(&code_of(n), Spec::Osaka);
        let hot = get(0);
        (0..100).for_each(|_| drop(get(0)));
        (1..200).for_each(|n| drop(get(n)));
        assert!(Arc::ptr_eq(&hot, &get(0)));
        // It does not stay for what it was long ago.
        for _ in 0..20 {
            (1..200).for_each(|n| drop(get(n)));
        }
        assert!(!Arc::ptr_eq(&hot, &get(0)));
    }

    #[test]
    fn analyses_stay_within_theirs() {
        let cache = CodeCache { analyses_bytes_max: 64 << 10, ..cache(1 << 20, 1) };
        for n in 0..100u8 {
            cache.effects(&loads(n), Spec::Osaka, None);
        }
        let codes = cache.read();
        let kept = codes.values().filter_map(|known| lock(&known.analysis).clone());
        let kept: Vec<usize> = kept.map(|analysis| analysis.bytes()).collect();
        assert!(!kept.is_empty() && kept.len() < 100, "{} analyses", kept.len());
        assert!(kept.iter().sum::<usize>() <= 64 << 10);
    }

    #[test]
    fn a_program_is_compiled_once() {
        let cache = CodeCache::default();
        let code = loads(0);
        let a = cache.device_program(&code, Spec::Osaka);
        let b = cache.device_program(&code, Spec::Osaka);
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &cache.device_program(&code, Spec::Cancun)));
    }

    #[test]
    fn a_code_is_analysed_once() {
        let cache = cache(1 << 20, 1);
        let analysis = || {
            let codes = cache.read();
            let known = codes.get(&(B256::ZERO, Spec::Osaka)).expect("it is known");
            lock(&known.analysis).clone()
        };
        cache.program(&loads(0), Spec::Osaka);
        assert!(analysis().is_none(), "running a code needs none");
        effects(&cache, 1);
        let first = analysis().expect("effects follow from one");
        effects(&cache, 2);
        want(&cache, 0, 3);
        assert_eq!(cache.make_wanted(1), 1);
        assert!(Arc::ptr_eq(&first, &analysis().expect("kept")));
    }

    #[test]
    fn what_is_wanted_is_made() {
        let cache = CodeCache::default();
        assert!([1, 2, 1].into_iter().all(|selector| want(&cache, 0, selector).is_none()));
        assert_eq!((cache.wanted(), cache.function_count()), (2, 0));
        assert_eq!(cache.make_wanted(1), 2);
        assert_eq!((cache.wanted(), cache.function_count(), cache.make_wanted(1)), (0, 2, 0));
        let found = want(&cache, 0, 1);
        assert!(matches!(found, Some(Predicted::Set(set, _)) if set.accesses.len() == 1));
        for n in 0..2 * PLAN_WANTED_SETS_COUNT_MAX as u32 {
            want(&cache, 1, n);
        }
        assert_eq!(cache.wanted(), PLAN_WANTED_SETS_COUNT_MAX);
    }

    #[test]
    fn a_delegation_needs_no_analysis() {
        let cache = CodeCache::default();
        let target = Address::repeat_byte(3);
        let code: Bytes = [&[0xef, 0x01, 0x00], target.as_slice()].concat().into();
        for _ in 0..2 {
            let found = cache.predicted(B256::ZERO, Spec::Prague, None, || Some(code.clone()));
            assert!(matches!(found, Some(Predicted::Delegation(to)) if to == target));
        }
        assert_eq!(cache.wanted(), 0);
        assert!(cache.predicted(B256::ZERO, Spec::Prague, Some(1), || None).is_some());
    }

    #[test]
    fn one_code_takes_so_many_functions_and_no_more() {
        let cache = cache(64 << 20, 1);
        let count = CODE_EFFECTS_COUNT_MAX;
        assert!((0..count).all(|n| effects(&cache, n).is_some()));
        assert!(effects(&cache, count).is_none() && effects(&cache, 0).is_some());
        for n in 0..2 * CODE_FUNCTIONS_COUNT_MAX as u32 {
            effects(&cache, n);
        }
        let kept = cache.function_count();
        assert!(kept > CODE_FUNCTIONS_COUNT_MAX / 4 && kept <= CODE_FUNCTIONS_COUNT_MAX, "{kept}");
    }

    #[test]
    fn effects_are_made_once_and_when_they_are_wanted() {
        let cache = cache(1 << 20, 2);
        assert!(effects(&cache, 0).is_none());
        let first = effects(&cache, 0).expect("asked twice");
        assert!(Arc::ptr_eq(&first, &effects(&cache, 0).expect("there")));
        assert!(cache.effects(&loads(0), Spec::Cancun, Some(0)).is_none());
    }
}
