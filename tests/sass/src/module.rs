//! Kernels of a cubin.

use std::collections::HashMap;

use object::{Object, ObjectSection};

use crate::decode::{Inst, decode};
use crate::fault::LoadError;
use crate::text;

/// One kernel: its instructions and constants.
#[derive(Debug)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// By place divided by 16.
    pub(crate) code: Vec<Inst>,
    /// Names of the instructions, for [`crate::Counts`]: `Inst::name` is an index.
    pub(crate) names: Vec<String>,
    /// Constant banks 2 (jump tables) and 3 (constant arrays).
    pub(crate) banks: [Vec<u8>; 2],
    /// Start of each function within the kernel, by place.
    pub(crate) functions: Vec<(u32, String)>,
}

impl Kernel {
    /// Decodes a kernel of a cubin for a whole program. `text` is what `nvdisasm -c` prints of it.
    pub fn new(name: &str, cubin: &[u8], text: &str) -> Result<Kernel, LoadError> {
        let cubin_error = |error: String| LoadError::Cubin(error);
        let file = object::File::parse(cubin).map_err(|e| cubin_error(e.to_string()))?;
        let section = |name: &str| -> Vec<u8> {
            let data = file.section_by_name(name).and_then(|s| s.data().ok());
            data.map(<[u8]>::to_vec).unwrap_or_default()
        };
        let banks = [section(&format!(".nv.constant2.{name}")), section(".nv.constant3")];
        let sections = text::sections(text);
        let part = sections.get(name).ok_or_else(|| cubin_error(format!("no kernel {name}")))?;
        kernel(name, part, banks)
    }
}

fn kernel(
    name: &str,
    section: &text::Section<'_>,
    banks: [Vec<u8>; 2],
) -> Result<Kernel, LoadError> {
    let mut names: Vec<String> = Vec::new();
    let mut by_name: HashMap<String, u16> = HashMap::new();
    let mut code = Vec::with_capacity(section.lines.len());
    for line in &section.lines {
        let fail = |why: String| LoadError::Instruction {
            kernel: name.to_owned(),
            pc: line.pc,
            text: line.text.to_owned(),
            why,
        };
        if line.pc as usize != 16 * code.len() {
            return Err(fail("it does not follow the one before".to_owned()));
        }
        let mut inst = decode(line.text, &section.labels).map_err(fail)?;
        let mnemonic = mnemonic(line.text);
        inst.name = *by_name.entry(mnemonic.to_owned()).or_insert_with(|| {
            names.push(mnemonic.to_owned());
            names.len() as u16 - 1
        });
        code.push(inst);
    }
    let inner = |label: &&str| !label.starts_with(".L_");
    let mut functions: Vec<(u32, String)> =
        section.labels.iter().filter(|(l, _)| inner(l)).map(|(l, pc)| (*pc, short(l))).collect();
    functions.push((0, name.to_owned()));
    functions.sort();
    functions.dedup_by_key(|(pc, _)| *pc);
    Ok(Kernel { name: name.to_owned(), code, names, banks, functions })
}

/// The name of an instruction without its variants.
fn mnemonic(text: &str) -> &str {
    let text = match text.starts_with('@') {
        true => text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim()),
        false => text,
    };
    text.split(['.', ' ']).next().unwrap_or_default()
}

/// `$kernel$function` as `function`.
fn short(label: &str) -> String {
    label.rsplit('$').next().unwrap_or(label).to_owned()
}
