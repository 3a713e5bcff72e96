//! The device code of warpevm in WGSL.
//!
//! Kernels are modules put together of files ([`modules`]). What they share with the host, numbers
//! of the device ABI and programs of elliptic curves, is generated from the same tables as the C++
//! headers, so that both kernels mean the same.

#[cfg(feature = "device")]
pub mod gpu;

/// A file of WGSL.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its path from `shaders/wgsl`.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a str,
}

macro_rules! file {
    ($name:literal) => {
        File { name: $name, text: include_str!(concat!("../wgsl/", $name)) }
    };
}

mod field_data;
pub mod modules;

pub use field_data::FIELD_DATA;

/// Op numbers, rules, precompiles, limits and enumerations as WGSL constants.
pub const NUMBERS: File<'static> = file!("generated/numbers.wgsl");

/// The structs of the device ABI: sizes and offsets of fields.
pub const LAYOUT: File<'static> = file!("generated/layout.wgsl");

/// The buffers of every kernel, its arguments and threads; needs [`NUMBERS`] and [`LAYOUT`].
pub const BINDINGS: File<'static> = file!("bindings.wgsl");

/// The memory of an instance; needs [`BINDINGS`] and [`WORD`].
pub const LANE: File<'static> = file!("lane.wgsl");

/// Byte ranges; needs [`BINDINGS`] and [`LANE`].
pub const BYTES: File<'static> = file!("bytes.wgsl");

/// 64-bit numbers.
pub const NUM64: File<'static> = file!("op/num64.wgsl");

/// 256-bit words; needs [`NUMBERS`] and [`NUM64`].
pub const WORD: File<'static> = file!("op/word.wgsl");

/// Keccak-256; needs [`WORD`].
pub const KECCAK: File<'static> = file!("op/keccak.wgsl");

/// Files that make one shader together. WGSL has no includes; their order does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// Each once.
    pub files: &'a [File<'a>],
}

impl Module<'_> {
    /// The text for wgpu.
    pub fn source(&self) -> String {
        self.files.iter().map(|file| file.text).collect()
    }

    /// The file and line that a line (from 1) of the source is.
    pub fn place(&self, line: usize) -> String {
        let mut before = 0;
        for file in self.files {
            let lines = file.text.lines().count();
            if line <= before + lines {
                return format!("{}:{}", file.name, line - before);
            }
            before += lines;
        }
        format!("line {line}, which no file has")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Default WebGPU capabilities: what every adapter has.
    pub fn validate(files: &[File<'_>]) -> naga::Module {
        let module = Module { name: "a test's module", files };
        let source = module.source();
        let parsed = naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| {
            let line = error.location(&source).map_or(0, |at| at.line_number as usize);
            panic!("{}: {}", module.place(line), error.emit_to_string(&source));
        });
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        if let Err(error) = validator.validate(&parsed) {
            let line = error.location(&source).map_or(0, |at| at.line_number as usize);
            panic!("{}: {}", module.place(line), error.emit_to_string(&source));
        }
        parsed
    }

    #[test]
    fn every_file_is_valid_with_those_that_it_needs() {
        validate(&[NUM64]);
        validate(&[NUMBERS, NUM64, WORD]);
        validate(&[NUMBERS, NUM64, WORD, KECCAK]);
    }

    #[test]
    fn a_line_of_a_module_is_one_of_its_files() {
        let files = [File { name: "a", text: "1\n2\n" }, File { name: "b", text: "3\n" }];
        let module = Module { name: "m", files: &files };
        assert_eq!(module.source(), "1\n2\n3\n");
        assert_eq!([1, 2, 3].map(|line| module.place(line)), ["a:1", "a:2", "b:1"]);
        assert_eq!(module.place(4), "line 4, which no file has");
    }

    #[test]
    fn numbers_are_valid_and_those_of_the_abi() {
        let module = validate(&[NUMBERS]);
        let value = |name: &str| {
            let (_, constant) = module
                .constants
                .iter()
                .find(|(_, c)| c.name.as_deref() == Some(name))
                .unwrap_or_else(|| panic!("no constant {name}"));
            match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(value)) => value,
                ref other => panic!("{name} is {other:?}"),
            }
        };
        assert_eq!(value("CALL_DEPTH_MAX"), 1024);
        assert_eq!(value("NONE"), u32::MAX);
        assert_eq!(value("END_REVERT"), 16);
        assert_eq!(value("PRECOMPILE_P256_VERIFY"), 0x100);
        assert_eq!(value("OP_BAD_JUMP"), 0);
        assert_eq!(value("OP_STOP"), 1);
        assert_eq!(value("OPERAND_CONST_BIT"), 0x8000);
    }
}
