//! Every limit of the compiler, with its unit last in the name and the reason for its value.

/// The EVM's own limit on the stack.
pub const STACK_HEIGHT_MAX: u32 = 1024;

/// Constant memory offsets and ends up to here use the unchecked ops. Memory of this size costs
/// 8.6e12 gas, far beyond any block; larger constants go to the checked ops, which run out of gas.
pub const MEM_CONST_BYTES_MAX: u64 = 1 << 31;

/// The largest constant length of a `KeccakK`, whose length is 16 bits wide.
pub const KECCAK_CONST_BYTES_MAX: u64 = u16::MAX as u64;

/// Slots that a bb may use above `sp` before it is built again without common subexpressions and
/// forwarding, which only lengthen live ranges. Without them live values stand on the EVM stack,
/// so that the stack limit bounds them.
pub const BB_SLOTS_MAX: u32 = 192;

/// Bytes of code that one extended bb may hold before the next jump is left as a jump: larger ones
/// gain nothing and make the tables of a bb outgrow the L1 cache.
pub const EBB_CODE_BYTES_MAX: u32 = 4096;

/// Bytes of a bb that may be copied into a second extended bb. The gain of a copy (a jump, a
/// `Bb`, some moves) does not grow with its length, its cost does.
pub const DUPLICATE_BB_BYTES_MAX: u32 = 256;

/// Bytes of code that may be copied into extended bbs beyond the first copy of each bb: this many
/// for each byte of the code, plus [`DUPLICATE_BASE_BYTES`].
pub const DUPLICATE_PER_CODE_BYTE: u32 = 1;

/// See [`DUPLICATE_PER_CODE_BYTE`]; lets small contracts be specialised throughout.
pub const DUPLICATE_BASE_BYTES: u32 = 16384;

/// Contexts in which one bb may start an extended bb. Beyond it calls share the general copy.
pub const CONTEXTS_PER_BB_MAX: u16 = 24;

/// Contexts of one bb beyond which, and beyond half of the budget for copies, contexts are
/// shortened to [`CONTEXT_ITEMS_SHORT`]: functions that call others from many places would
/// otherwise spend the budget before the innermost ones, where most of the time goes, have their
/// turn.
pub const CONTEXTS_WHOLE_MAX: u16 = 12;

/// Stack depth up to which a context remembers return addresses.
pub const CONTEXT_DEPTH_MAX: usize = 62;

/// Return addresses that a context remembers, nearest first.
pub const CONTEXT_ITEMS_MAX: usize = 12;

/// Return addresses that a shortened context remembers.
pub const CONTEXT_ITEMS_SHORT: usize = 2;

/// Stack depth up to which constants are followed from bb to bb.
pub const FACT_DEPTH_MAX: usize = 16;

/// Rounds over all extended bbs that a fixpoint may take before its result is given up for the
/// safe one. In reverse postorder reducible code needs its loop nesting plus two.
pub const FIXPOINT_ROUNDS_MAX: u32 = 8;

/// Words of EVM memory whose content is followed within a bb; the oldest is forgotten first.
/// Each memory op looks at all of them, so this bounds the work per op.
pub const KNOWN_MEMORY_WORDS_MAX: usize = 24;

/// Storage keys whose value is followed within a bb, as above.
pub const KNOWN_STORAGE_KEYS_MAX: usize = 24;

/// Memory accesses (and, counted apart, storage accesses) of an ebb that are compared pairwise for
/// dependency edges; later ones are chained, so that the work stays linear.
pub const DEPEND_ACCESSES_MAX: usize = 512;

/// Ebbs that one walk for an access set may run.
pub const ACCESS_STEPS_MAX: u32 = 1024;

/// Times that one path of such a walk may enter the same ebb, so that loops end.
pub const ACCESS_VISITS_MAX: u32 = 2;

/// The longest memory region whose hash is an expression.
pub const ACCESS_HASH_BYTES_MAX: u64 = 256;

/// Hashes of two words that evaluating access sets remembers: those of a block, mostly. 100 KiB.
pub const ACCESS_HASHES_KEPT: usize = 1024;

/// Ebbs that one walk for the effects of a function may enter: several times what a token's
/// functions have.
pub const EFFECT_EBBS_MAX: u32 = 512;

/// Times that one path of such a walk may enter the same ebb: short loops are worth unrolling.
pub const EFFECT_VISITS_MAX: u32 = 8;

/// Nodes that such a walk runs before it ends.
pub const EFFECT_NODES_MAX: usize = 1 << 16;

/// Steps of a set with the places where expressions are computed. Each is one for every path that
/// needs it.
pub const EFFECT_VALUES_MAX: usize = 1 << 15;

/// Loads, stores, logs and pins of one walk.
pub const EFFECT_STEPS_MAX: usize = 2048;

/// Expressions of one walk. Whoever evaluates them holds two values of each.
pub const EFFECT_EXPRESSIONS_MAX: usize = 8192;

/// The longest data of a log, and output, whose words are expressions.
pub const EFFECT_DATA_BYTES_MAX: u64 = 1024;

/// Subexpressions of one expression that are printed: shared ones are printed each time.
pub const EXPR_TEXT_NODES_MAX: u32 = 512;

/// How deep a printed expression is nested.
pub const EXPR_TEXT_DEPTH_MAX: u32 = 32;

/// Nodes after which a region takes no more ebbs: sharing across ebbs pays along a path, and live
/// values of a long one would widen the frames.
pub const REGION_NODES_MAX: usize = 256;

/// Ebbs of one region.
pub const REGION_PARTS_MAX: usize = 32;

/// Results of all nodes of a region of several ebbs; each may take a slot at the same time.
pub const REGION_VALUES_MAX: usize = 160;

/// Ebbs that a walk for what a function may run enters, once for each list of return addresses:
/// many times what a contract of 24,576 bytes has.
pub const REACH_STEPS_MAX: usize = 1 << 14;

/// Nodes of a drawing: Graphviz lays out so many in about a second, and one can still read them.
pub const DOT_NODES_MAX: usize = 200;

/// Edges of a drawing, as above.
pub const DOT_EDGES_MAX: usize = 500;

/// Nodes of a chain that a drawing folds into one.
pub const DOT_CHAIN_NODES_MIN: usize = 5;

/// Characters of a line of a node; the whole line is its tooltip.
pub const DOT_LABEL_CHARS_MAX: usize = 44;
