//! The device code of warpevm in WGSL.
//!
//! So far it holds what the shaders share with the host: the numbers of the device ABI, generated
//! from the same Rust tables as the C++ headers, so that both kernels mean the same.

/// Op numbers, specs, limits and enumerations as WGSL constants.
pub const NUMBERS: &str = include_str!("../wgsl/generated/numbers.wgsl");

#[cfg(test)]
mod tests {
    use super::*;

    /// Default WebGPU capabilities: what every adapter has.
    fn validate(source: &str) -> naga::Module {
        let module = naga::front::wgsl::parse_str(source).expect("the shader parses");
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
        validator.validate(&module).expect("the shader is valid");
        module
    }

    #[test]
    fn numbers_are_valid_and_those_of_the_abi() {
        let module = validate(NUMBERS);
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
