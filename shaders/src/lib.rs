//! The device code of warpevm in WGSL.
//!
//! So far it holds what the shaders share with the host: the numbers of the device ABI, generated
//! from the same Rust tables as the C++ headers, so that both kernels mean the same.

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

pub mod modules;

/// Op numbers, specs, limits and enumerations as WGSL constants.
pub const NUMBERS: File<'static> = file!("generated/numbers.wgsl");

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
    pub fn validate(source: &str) -> naga::Module {
        let module = naga::front::wgsl::parse_str(source)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        validator.validate(&module).expect("the shader is valid");
        module
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
        let module = validate(NUMBERS.text);
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
        assert_eq!(value("SPEC_OSAKA"), 14);
        assert_eq!(value("OP_BAD_JUMP"), 0);
        assert_eq!(value("OP_STOP"), 1);
        assert_eq!(value("OPERAND_CONST_BIT"), 0x8000);
    }
}
