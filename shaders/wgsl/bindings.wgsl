// The buffers of every kernel, and the launch's arguments. docs/ARCHITECTURE.md has the table.
// Kernels declare `state` and `output` themselves, since some need them as atomics.

const LAUNCH: u32 = 0u;
const JOB: u32 = SIZEOF_LAUNCH;
// The address of the field programs' data, as far as it is an offset.
const FIELDS: u32 = JOB + SIZEOF_JOB;

@group(0) @binding(0) var<uniform> args: array<vec4<u32>, 19>;
@group(0) @binding(1) var<storage, read_write> memory: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> code: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> input: array<u32>;

// A field of `Launch` or `Job`: `arg(LAUNCH + LAUNCH_RULES)`. Of an address, its offset.
fn arg(off: u32) -> u32 {
    return args[off >> 4u][(off >> 2u) & 3u];
}

// A number that a driver does not know, so that it does not unroll loops that far: unrolled, each
// access to a buffer costs its compile time again.
fn rolled(n: u32) -> u32 {
    return n + args[18].w;
}

// Whether an address is not null.
fn arg_is_set(off: u32) -> bool {
    return arg(off + 4u) != 0u;
}

// The launch's layout: `layout_of(LAYOUT_FRAMES_OFF)`.
fn layout_of(field: u32) -> u32 {
    return input[(arg(LAUNCH + LAUNCH_LAYOUT) + field) >> 2u];
}

// 32 bits at a byte offset (a multiple of 4) of `input`, `code`.
fn input_at(off: u32) -> u32 {
    return input[off >> 2u];
}

fn code_at(off: u32) -> u32 {
    return code[off >> 4u][(off >> 2u) & 3u];
}

// The offset of a code's entry in `code`: temporary codes stand before the lasting ones, from the
// last on.
fn code_entry(id: u32) -> u32 {
    let place = select(id, CODE_TEMP_BASE - 1u - id, id >= CODE_TEMP_BASE);
    return arg(LAUNCH + LAUNCH_CODES) + place * SIZEOF_CODE;
}

// A 64-bit number among the arguments.
fn arg64(off: u32) -> vec2<u32> {
    return vec2<u32>(arg(off), arg(off + 4u));
}

// The number of a thread of a kernel: a grid has rows of 65,535 workgroups of 64.
fn thread_of(id: vec3<u32>) -> u32 {
    return id.y * 4194240u + id.x;
}

// The instance that a thread works on.
fn instance_of(thread: u32) -> u32 {
    if arg_is_set(JOB + JOB_IDS) {
        return input_at(arg(JOB + JOB_IDS) + 4u * thread);
    }
    return thread;
}
