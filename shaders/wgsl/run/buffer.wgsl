// Structs between the buffers and a thread: read and written whole, by loops, since each place that
// accesses a buffer costs a driver much compile time, and this array none. Offsets are those of the
// fields, in bytes.

var<private> buffer: array<u32, 76>;

const_assert SIZEOF_INSTANCE <= 304u && SIZEOF_TX <= 304u;

fn read_memory(off: u32, size: u32) {
    for (var i = 0u; i < rolled(size >> 2u); i++) {
        buffer[i] = get32(off + 4u * i);
    }
}

fn write_memory(off: u32, size: u32) {
    for (var i = 0u; i < rolled(size >> 2u); i++) {
        set32(off + 4u * i, buffer[i]);
    }
}

fn read_state(off: u32, size: u32) {
    for (var i = 0u; i < rolled(size >> 2u); i++) {
        buffer[i] = state[(off >> 2u) + i];
    }
}

fn read_code(off: u32, size: u32) {
    for (var i = 0u; i < rolled(size >> 2u); i++) {
        buffer[i] = code_at(off + 4u * i);
    }
}

fn read_input(off: u32, size: u32) {
    for (var i = 0u; i < rolled(size >> 2u); i++) {
        buffer[i] = input_at(off + 4u * i);
    }
}

fn buffer_32(field: u32) -> u32 {
    return buffer[field >> 2u];
}

fn buffer_64(field: u32) -> vec2<u32> {
    let i = field >> 2u;
    return vec2<u32>(buffer[i], buffer[i + 1u]);
}

fn buffer_addr(field: u32) -> Addr {
    let i = field >> 2u;
    let a = vec4<u32>(buffer[i], buffer[i + 1u], buffer[i + 2u], buffer[i + 3u]);
    return Addr(a, buffer[i + 4u]);
}

fn buffer_word(field: u32) -> Word {
    let i = field >> 2u;
    return Word(
        vec4<u32>(buffer[i], buffer[i + 1u], buffer[i + 2u], buffer[i + 3u]),
        vec4<u32>(buffer[i + 4u], buffer[i + 5u], buffer[i + 6u], buffer[i + 7u]),
    );
}

fn put_32(field: u32, x: u32) {
    buffer[field >> 2u] = x;
}

fn put_64(field: u32, x: vec2<u32>) {
    let i = field >> 2u;
    buffer[i] = x.x;
    buffer[i + 1u] = x.y;
}

fn put_addr(field: u32, x: Addr) {
    let i = field >> 2u;
    buffer[i] = x.a.x;
    buffer[i + 1u] = x.a.y;
    buffer[i + 2u] = x.a.z;
    buffer[i + 3u] = x.a.w;
    buffer[i + 4u] = x.b;
}

fn put_word(field: u32, x: Word) {
    let i = field >> 2u;
    buffer[i] = x.lo.x;
    buffer[i + 1u] = x.lo.y;
    buffer[i + 2u] = x.lo.z;
    buffer[i + 3u] = x.lo.w;
    buffer[i + 4u] = x.hi.x;
    buffer[i + 5u] = x.hi.y;
    buffer[i + 6u] = x.hi.z;
    buffer[i + 7u] = x.hi.w;
}
