//! The contracts in what a compiler writes: JSON of Foundry, Hardhat, solc and our own examples,
//! and what solc prints.

use super::code::from_hex;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Where deployed code stands in the JSON of one contract: ours and others'.
const DEPLOYED: [&str; 6] = [
    "/deployed",
    "/deployedBytecode",
    "/deployedBytecode/object",
    "/evm/deployedBytecode",
    "/evm/deployedBytecode/object",
    "/bin-runtime",
];
/// Where the code that creates the contract stands.
const CREATION: [&str; 6] =
    ["/creation", "/bytecode", "/bytecode/object", "/evm/bytecode", "/evm/bytecode/object", "/bin"];
/// How solc separates contracts, and announces their codes.
const HEADER: &str = "=======";
const RUNTIME: &str = "Binary of the runtime part:";
const BINARY: &str = "Binary:";

/// A contract and the codes that its artefact has.
#[derive(Debug, Default)]
pub(super) struct Contract {
    /// `FILE:NAME`, or what the artefact says.
    pub name: Option<String>,
    /// Deployed codes as hex, with the field that each stands in.
    deployed: Vec<(String, String)>,
    /// Whether there is code that creates it.
    creation: bool,
}

impl Contract {
    /// Whether this is its name, with or without its file.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let own = self.name.as_deref().unwrap_or_default();
        own == name || own.rsplit_once(':').is_some_and(|(_, short)| short == name)
    }

    /// Whether any deployed code is there, right or wrong.
    pub(super) fn has_code(&self) -> bool {
        self.deployed.iter().any(|(_, hex)| !matches!(hex.trim(), "" | "0x"))
    }

    /// Its deployed code.
    pub(super) fn code(&self) -> anyhow::Result<Vec<u8>> {
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        if self.deployed.is_empty() {
            ensure!(!self.creation, "{name}there is creation code only, no deployed code");
            bail!("{name}there is no deployed code in it");
        }
        ensure!(self.has_code(), "{name}it has no code: an interface or an abstract contract");
        let mut code: Option<(&str, Vec<u8>)> = None;
        for (field, hex) in &self.deployed {
            let next = from_hex(hex).with_context(|| format!("{name}{field}"))?;
            match &code {
                Some((other, known)) if *known != next => {
                    bail!("{name}{other} and {field} disagree");
                }
                _ => code = Some((field, next)),
            }
        }
        Ok(code.map(|(_, code)| code).unwrap_or_default())
    }

    /// Another place that has this contract.
    fn add(&mut self, other: Contract) {
        self.deployed.extend(other.deployed);
        self.creation |= other.creation;
    }
}

/// JSON in which no name of an object stands twice: else one of two codes would be lost.
struct StrictJson(Value);

impl<'de> Deserialize<'de> for StrictJson {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<StrictJson, D::Error> {
        json.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = StrictJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StrictJson, A::Error> {
        let mut object = Map::new();
        while let Some((name, StrictJson(value))) = map.next_entry::<String, StrictJson>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands twice")));
            }
            object.insert(name, value);
        }
        Ok(StrictJson(Value::Object(object)))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<StrictJson, A::Error> {
        let mut all = Vec::new();
        while let Some(StrictJson(value)) = seq.next_element()? {
            all.push(value);
        }
        Ok(StrictJson(Value::Array(all)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StrictJson, E> {
        Ok(StrictJson(text.into()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<StrictJson, E> {
        Ok(StrictJson(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<StrictJson, E> {
        Ok(StrictJson(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<StrictJson, E> {
        Ok(StrictJson(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<StrictJson, E> {
        Ok(StrictJson(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<StrictJson, E> {
        Ok(StrictJson(Value::Null))
    }
}

/// The contracts in JSON.
pub(super) fn from_json(text: &str) -> anyhow::Result<Vec<Contract>> {
    let StrictJson(json) = serde_json::from_str(text)?;
    if let Value::String(hex) = &json {
        let deployed = vec![("the string".to_owned(), hex.clone())];
        return Ok(vec![Contract { deployed, ..Contract::default() }]);
    }
    let listed = json.get("contracts").or_else(|| json.pointer("/output/contracts"));
    match (listed.and_then(Value::as_object), json.is_object()) {
        (Some(listed), _) => listed_contracts(listed),
        (None, true) => Ok(vec![contract(contract_name(&json), &json)?]),
        (None, false) => Ok(Vec::new()),
    }
}

fn contract_name(json: &Value) -> Option<String> {
    let names = ["contractName", "contract"].iter().filter_map(|key| json.get(key));
    names.filter_map(Value::as_str).map(str::to_owned).next()
}

/// `FILE:NAME` to a contract, or FILE to NAME to a contract.
fn listed_contracts(listed: &Map<String, Value>) -> anyhow::Result<Vec<Contract>> {
    let mut all = Vec::new();
    for (name, json) in listed {
        let files = json.as_object().with_context(|| format!("{name}: expected an object"))?;
        let combined = ["bin", "bin-runtime"].iter().any(|key| files.contains_key(*key));
        if combined {
            all.push(contract(Some(name.clone()), json)?);
            continue;
        }
        for (short, json) in files {
            all.push(contract(Some(format!("{name}:{short}")), json)?);
        }
    }
    Ok(all)
}

fn contract(name: Option<String>, json: &Value) -> anyhow::Result<Contract> {
    let mut found = Contract { name, ..Contract::default() };
    let is_hex = |place: &&str| json.pointer(place).is_some_and(Value::is_string);
    found.creation = CREATION.iter().any(is_hex);
    for place in DEPLOYED {
        let field = place[1..].replace('/', ".");
        match json.pointer(place) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(Value::String(hex)) => found.deployed.push((field, hex.clone())),
            Some(other) => bail!("{field}: expected a string of hex digits, found {other}"),
        }
    }
    Ok(found)
}

/// The contracts in what `solc --bin-runtime` prints.
pub(super) fn from_solc(text: &str) -> Vec<Contract> {
    let mut all: Vec<Contract> = Vec::new();
    let mut lines = text.lines().map(str::trim);
    let mut current = Contract::default();
    let mut keep = |contract: Contract| {
        if contract.name.is_some() {
            match all.iter_mut().find(|known| known.name == contract.name) {
                Some(known) => known.add(contract),
                None => all.push(contract),
            }
        }
    };
    while let Some(line) = lines.next() {
        match line {
            RUNTIME => {
                let hex = lines.next().unwrap_or_default().to_owned();
                current.deployed.push((RUNTIME.trim_end_matches(':').to_owned(), hex));
            }
            BINARY => current.creation = true,
            header if header.starts_with(HEADER) => {
                let name = Some(header.trim_matches('=').trim().to_owned());
                keep(std::mem::replace(&mut current, Contract { name, ..Contract::default() }));
            }
            _ => {}
        }
    }
    keep(current);
    all
}
