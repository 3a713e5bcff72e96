//! The form of an artefact: a header, then ops, constants and jump table as they lie in memory.
//!
//! Numbers are in the byte order of the machine that wrote them, which the header shows: a folder
//! that moved to a machine of the other order holds nothing there.

use std::io::{self, Read};

use alloy_primitives::{B256, U256};
use bytemuck::{Pod, Zeroable, bytes_of, bytes_of_mut, cast_slice, cast_slice_mut};
use twox_hash::XxHash3_128;
use warpevm_compiler::verify::{VerifyError, verify};
use warpevm_compiler::{Op, OpKind, Options, Program, Spec, VERSION};

/// What every artefact begins with. Its last two digits are those of the form.
const MAGIC: [u8; 8] = *b"warpev01";
/// Reads as another number in the other byte order.
const BYTE_ORDER: u32 = 0x0102_0304;

/// What a program was compiled from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtefactKey {
    /// keccak256 of the code.
    pub hash: B256,
    /// The rules and prices.
    pub spec: Spec,
    /// The passes, as [`Options::bits`].
    pub passes: u32,
    /// Bytes of the code.
    pub code_len: u64,
}

impl ArtefactKey {
    /// The key of a code.
    pub fn new(hash: B256, spec: Spec, passes: &Options, code_len: usize) -> ArtefactKey {
        ArtefactKey { hash, spec, passes: passes.bits(), code_len: code_len as u64 }
    }
}

/// Why an artefact is not used.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is no file, or someone else may have written it.
    #[error("{0}")]
    Untrusted(&'static str),
    /// It is longer than any.
    #[error("{0} bytes are too many")]
    TooLong(u64),
    /// It ends too early.
    #[error("it ends too early")]
    Truncated,
    /// It is no artefact, of another machine, or for another key.
    #[error("it is not what its name says")]
    OtherKey,
    /// It is not as long as its parts.
    #[error("it has {has} bytes, its parts {parts}")]
    Length {
        /// What the file has.
        has: u64,
        /// What the header says.
        parts: u64,
    },
    /// Something in it has changed since it was written.
    #[error("the checksum is another")]
    Checksum,
    /// The program breaks the contract with the kernels.
    #[error(transparent)]
    Contract(#[from] VerifyError),
    /// It cannot be read now, which says nothing of what is in it.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Damage {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Damage::Truncated,
            _ => Damage::Io(error),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    /// Of the compiler.
    version: [u8; 16],
    hash: [u8; 32],
    code_len: u64,
    byte_order: u32,
    spec: u32,
    passes: u32,
    entry: u32,
    /// How many ops follow, constants, and words of the jump table.
    ops: u32,
    consts: u32,
    jumps: u32,
    unused: u32,
    /// Of all before and all after.
    checksum: [u8; 16],
}

/// Bytes of the header.
const HEADER_BYTES: usize = size_of::<Header>();

impl Header {
    /// The header of a program with this key; no checksum yet.
    fn new(key: &ArtefactKey, counts: [u32; 3], entry: u32) -> Header {
        let [ops, consts, jumps] = counts;
        Header {
            magic: MAGIC,
            version: VERSION.to_ne_bytes(),
            hash: key.hash.0,
            code_len: key.code_len,
            byte_order: BYTE_ORDER,
            spec: key.spec as u32,
            passes: key.passes,
            entry,
            ops,
            consts,
            jumps,
            unused: 0,
            checksum: [0; 16],
        }
    }

    /// Whether it is one of an artefact with this key: all but what the program itself says.
    fn is_of(&self, key: &ArtefactKey) -> bool {
        let counts = [self.ops, self.consts, self.jumps];
        *self == Header { checksum: self.checksum, ..Header::new(key, counts, self.entry) }
    }

    /// Bytes of a file with this header.
    fn file_bytes(&self) -> u64 {
        HEADER_BYTES as u64
            + u64::from(self.ops) * size_of::<Op>() as u64
            + u64::from(self.consts) * size_of::<Limbs>() as u64
            + u64::from(self.jumps) * size_of::<u32>() as u64
    }

    fn checksum_with(&self, parts: [&[u8]; 3]) -> [u8; 16] {
        let mut hasher = XxHash3_128::new();
        hasher.write(bytes_of(&Header { checksum: [0; 16], ..*self }));
        parts.into_iter().for_each(|part| hasher.write(part));
        hasher.finish_128().to_ne_bytes()
    }
}

/// A constant.
type Limbs = [u64; 4];

/// The bytes of an artefact. `None`: a part has 2^32 entries or more, or the program is of another
/// code or grows.
pub fn encode(program: &Program, key: &ArtefactKey) -> Option<Vec<u8>> {
    if u64::from(program.code_bytes) != key.code_len || grows(program) {
        return None;
    }
    let consts: Vec<Limbs> = program.consts.iter().map(|word| word.into_limbs()).collect();
    let lengths = [program.ops.len(), consts.len(), program.jump_table.len()];
    let mut counts = [0; 3];
    for (count, length) in counts.iter_mut().zip(lengths) {
        *count = u32::try_from(length).ok()?;
    }
    let mut header = Header::new(key, counts, program.entry);
    let parts = [cast_slice(&program.ops), cast_slice(&consts), cast_slice(&program.jump_table)];
    header.checksum = header.checksum_with(parts);
    let [ops, consts, jumps] = parts;
    Some([bytes_of(&header), ops, consts, jumps].concat())
}

/// Reads the program of this key from a file of so many bytes. Takes no more memory than the file
/// has bytes. What it returns has the right checksum and keeps its contract with the kernels.
pub fn decode(mut file: impl Read, bytes: u64, key: &ArtefactKey) -> Result<Program, Damage> {
    let mut header = Header::zeroed();
    file.read_exact(bytes_of_mut(&mut header))?;
    if !header.is_of(key) {
        return Err(Damage::OtherKey);
    }
    if header.file_bytes() != bytes {
        return Err(Damage::Length { has: bytes, parts: header.file_bytes() });
    }
    let mut ops = vec![Op::zeroed(); header.ops as usize];
    let mut consts = vec![Limbs::default(); header.consts as usize];
    let mut jump_table = vec![0u32; header.jumps as usize];
    file.read_exact(cast_slice_mut(&mut ops))?;
    file.read_exact(cast_slice_mut(&mut consts))?;
    file.read_exact(cast_slice_mut(&mut jump_table))?;
    let parts = [cast_slice(&ops), cast_slice(&consts), cast_slice(&jump_table)];
    if header.checksum != header.checksum_with(parts) {
        return Err(Damage::Checksum);
    }
    let consts = consts.into_iter().map(U256::from_limbs).collect();
    let code_bytes = u32::try_from(key.code_len).map_err(|_| Damage::OtherKey)?;
    let program = Program { ops, consts, jump_table, entry: header.entry, code_bytes };
    verify(&program)?;
    match grows(&program) {
        true => Err(Damage::OtherKey),
        false => Ok(program),
    }
}

/// Whether ops stand for bbs that are not there yet: they follow the first three.
fn grows(program: &Program) -> bool {
    program.ops.get(3).is_some_and(|op| op.code == OpKind::Lower as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use warpevm_compiler::compile_with;

    /// A loop that hashes, stores and logs, with a computed jump, then random bytes.
    fn sample(random: usize) -> Vec<u8> {
        let mut code = vec![
            0x60, 0x09, 0x60, 0x00, 0x35, 0x60, 0x07, 0x57, 0x56, 0x5b, 0x60, 0x20, 0x60, 0x00,
            0x20, 0x80, 0x55, 0x5a, 0x60, 0x01, 0x60, 0x40, 0x60, 0x20, 0xa1, 0x60, 0x00, 0x56,
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        code.extend((0..random).map(|_| {
            state = state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
            (state >> 56) as u8
        }));
        code
    }

    fn artefact(random: usize) -> (ArtefactKey, Program, Vec<u8>) {
        let code = sample(random);
        let key = ArtefactKey::new(keccak256(&code), Spec::Osaka, &Options::ALL, code.len());
        let program = compile_with(&code, Spec::Osaka, &Options::ALL);
        let bytes = encode(&program, &key).expect("it is small");
        (key, program, bytes)
    }

    fn read(bytes: &[u8], key: &ArtefactKey) -> Result<Program, Damage> {
        decode(bytes, bytes.len() as u64, key)
    }

    /// The bytes after a change, with the checksum that is right for them.
    fn forged(bytes: &[u8], change: impl FnOnce(&mut Header, &mut [u8])) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let (head, body) = bytes.split_at_mut(HEADER_BYTES);
        let mut header: Header = bytemuck::pod_read_unaligned(head);
        change(&mut header, body);
        header.checksum = header.checksum_with([body, &[], &[]]);
        head.copy_from_slice(bytes_of(&header));
        bytes
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for random in [0, 100, 3000] {
            let (key, program, bytes) = artefact(random);
            assert_eq!(read(&bytes, &key).expect("whole"), program);
            assert_eq!(read(&forged(&bytes, |_, _| {}), &key).expect("the same"), program);
        }
    }

    #[test]
    fn no_altered_byte_goes_unseen() {
        for random in [0, 2000] {
            let (key, _, mut bytes) = artefact(random);
            for at in 0..bytes.len() {
                for change in [0x01, 0x80, 0xff] {
                    bytes[at] ^= change;
                    assert!(read(&bytes, &key).is_err(), "byte {at} changed by {change:#x}");
                    bytes[at] ^= change;
                }
            }
            assert!(read(&bytes, &key).is_ok());
        }
    }

    #[test]
    fn no_other_length_goes_unseen() {
        let (key, _, bytes) = artefact(100);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length], &key).is_err(), "{length} bytes");
            // As if it were cut while it is read.
            let whole = bytes.len() as u64;
            let cut = decode(&bytes[..length], whole, &key);
            assert!(matches!(cut, Err(Damage::Truncated)), "{length} bytes: {cut:?}");
        }
        for more in 1..64 {
            let longer = [&bytes[..], &vec![0; more]].concat();
            assert!(matches!(read(&longer, &key), Err(Damage::Length { .. })), "{more} more");
        }
    }

    #[test]
    fn lengths_that_the_file_does_not_have_are_refused() {
        let (key, _, bytes) = artefact(100);
        let counts: [fn(&mut Header) -> &mut u32; 3] =
            [|header| &mut header.ops, |header| &mut header.consts, |header| &mut header.jumps];
        for count in counts {
            for value in [0, 1, 1 << 28, u32::MAX] {
                let wrong = forged(&bytes, |header, _| *count(header) = value);
                let read = read(&wrong, &key);
                assert!(matches!(read, Err(Damage::Length { .. })), "{value}: {read:?}");
            }
        }
        let all = forged(&bytes, |header, _| counts.map(|count| *count(header) = u32::MAX)[0]);
        assert!(matches!(read(&all, &key), Err(Damage::Length { .. })));
        // Lengths that are as long together: the parts are others then.
        let shifted = forged(&bytes, |header, _| {
            (header.ops, header.jumps) = (header.ops - 1, header.jumps + 4)
        });
        assert!(matches!(read(&shifted, &key), Err(Damage::Contract(_))));
    }

    #[test]
    fn a_program_is_for_one_key() {
        let (key, _, bytes) = artefact(0);
        let others = [
            ArtefactKey { hash: keccak256("other"), ..key },
            ArtefactKey { spec: Spec::Prague, ..key },
            ArtefactKey { passes: key.passes ^ 1, ..key },
            ArtefactKey { code_len: key.code_len + 1, ..key },
        ];
        for other in others {
            assert!(matches!(read(&bytes, &other), Err(Damage::OtherKey)), "{other:?}");
        }
        let version = forged(&bytes, |header, _| header.version[3] ^= 1);
        let order = forged(&bytes, |header, _| header.byte_order = header.byte_order.swap_bytes());
        for other in [version, order] {
            assert!(matches!(read(&other, &key), Err(Damage::OtherKey)));
        }
    }

    #[test]
    fn whatever_has_the_right_checksum_keeps_the_contract() {
        let (key, program, bytes) = artefact(500);
        let mut refused = 0;
        let body = bytes.len() - HEADER_BYTES;
        for at in 0..body {
            let wrong = forged(&bytes, |header, body| {
                body[at] ^= 1 << (at % 8);
                header.entry ^= u32::from(at % 97 == 0);
            });
            match read(&wrong, &key) {
                Ok(other) => assert!(verify(&other).is_ok() && other != program),
                Err(error) => {
                    assert!(matches!(error, Damage::Contract(_)), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > body / 4, "only {refused} of {body}");
    }
}
