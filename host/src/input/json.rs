//! JSON with errors that name the file, the line, the column and the field.

use super::InputError;
use alloy_primitives::{Bytes, U256, hex};
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::marker::PhantomData;

/// The largest plain JSON number that every JSON tool keeps exact.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Parses a whole file, which may begin with a byte order mark. `file` is how the error names it.
pub fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, InputError> {
    let mut json = serde_json::Deserializer::from_slice(super::bytes::without_mark(bytes));
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        json_error(file, Some(path).filter(|p| p != "." && p != "?"), error.inner())
    })?;
    json.end().map_err(|error| json_error(file, None, &error))?;
    Ok(value)
}

fn json_error(file: &str, path: Option<String>, error: &serde_json::Error) -> InputError {
    let (line, column) = (error.line(), error.column());
    let mut message = error.to_string();
    if let Some(end) = message.rfind(&format!(" at line {line} column {column}")) {
        message.truncate(end);
    }
    let at = path.map(|path| format!("{path}: ")).unwrap_or_default();
    InputError::Json { file: file.to_owned(), line, column, at, message }
}

/// An integer as Ethereum's JSON writes it: `"0x"` and 1 to 64 hex digits, or a plain number below
/// 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity(pub U256);

impl Quantity {
    fn parse<E: Error>(text: &str) -> Result<Quantity, E> {
        let digits = text.strip_prefix("0x").filter(|d| !d.is_empty() && d.len() <= 64);
        digits
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|d| U256::from_str_radix(d, 16).ok())
            .map(Quantity)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &QuantityVisitor))
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity: \"0x\" and 1 to 64 hex digits, or a number below 2^53")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Quantity, E> {
        if value > NUMBER_MAX {
            return Err(E::invalid_value(Unexpected::Unsigned(value), &self));
        }
        Ok(Quantity(U256::from(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
        Quantity::parse(text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Quantity, D::Error> {
        json.deserialize_any(QuantityVisitor)
    }
}

/// A quantity of at most `BITS` bits, kept as `T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Int<T>(pub T);

impl<'de, T: TryFrom<U256>> Deserialize<'de> for Int<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Int<T>, D::Error> {
        let Quantity(value) = Quantity::deserialize(json)?;
        T::try_from(value).map(Int).map_err(|_| {
            D::Error::custom(format!("{value:#x} does not fit {} bits", 8 * size_of::<T>()))
        })
    }
}

/// A 64-bit quantity.
pub type Int64 = Int<u64>;
/// A 128-bit quantity.
pub type Int128 = Int<u128>;

/// `"0x"` and an even number of hex digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HexBytes(pub Bytes);

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<HexBytes, D::Error> {
        struct HexVisitor;
        impl Visitor<'_> for HexVisitor {
            type Value = HexBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes: \"0x\" and an even number of hex digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HexBytes, E> {
                let digits = text.strip_prefix("0x").ok_or_else(|| {
                    // The text may be a whole contract: show its start.
                    let start: String = text.chars().take(40).collect();
                    E::invalid_value(Unexpected::Str(&start), &self)
                })?;
                hex::decode(digits)
                    .map(|bytes| HexBytes(bytes.into()))
                    .map_err(|error| E::custom(format!("not hex bytes: {error}")))
            }
        }
        json.deserialize_str(HexVisitor)
    }
}

/// A JSON object as a list, in which a key that stands twice is an error.
#[derive(Clone, Debug)]
pub struct UniqueMap<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for UniqueMap<K, V> {
    fn default() -> Self {
        UniqueMap(Vec::new())
    }
}

impl<'de, K, V> Deserialize<'de> for UniqueMap<K, V>
where
    K: Deserialize<'de> + std::hash::Hash + Eq + Copy + fmt::Debug,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct MapVisitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> Visitor<'de> for MapVisitor<K, V>
        where
            K: Deserialize<'de> + std::hash::Hash + Eq + Copy + fmt::Debug,
            V: Deserialize<'de>,
        {
            type Value = UniqueMap<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut seen = std::collections::HashSet::new();
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some((key, value)) = map.next_entry::<K, V>()? {
                    if !seen.insert(key) {
                        return Err(de::Error::custom(format!("{key:?} stands twice")));
                    }
                    entries.push((key, value));
                }
                Ok(UniqueMap(entries))
            }
        }
        json.deserialize_map(MapVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_hex_strings_or_small_numbers() {
        let ok = |text: &str| parse::<Quantity>("t", text.as_bytes()).unwrap().0;
        assert_eq!(ok("\"0x0\""), U256::ZERO);
        assert_eq!(ok("\"0x00ff\""), U256::from(255));
        assert_eq!(ok("5447"), U256::from(5447));
        for bad in ["\"0x\"", "\"12\"", "\"0xg\"", "-1", "1.5", "9007199254740992", "null"] {
            assert!(parse::<Quantity>("t", bad.as_bytes()).is_err(), "{bad}");
        }
        let long = format!("\"0x{}\"", "0".repeat(65));
        assert!(parse::<Quantity>("t", long.as_bytes()).is_err());
        assert!(parse::<Int64>("t", b"\"0x10000000000000000\"").is_err());
    }

    #[test]
    fn an_error_names_file_place_and_field() {
        #[derive(Debug, Deserialize)]
        struct Inner {
            #[allow(dead_code, reason = "only parsed")]
            gas: Int64,
        }
        let text = b"[{\"gas\": 1},\n {\"gas\": \"x\"}]";
        let error = parse::<Vec<Inner>>("a/block.json", text).unwrap_err().to_string();
        assert!(error.starts_with("a/block.json: line 2, column "), "{error}");
        assert!(error.contains("[1].gas"), "{error}");
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error() {
        let text = b"{\"0x1\": 1, \"0x01\": 2}";
        let error = parse::<UniqueMap<Quantity, Quantity>>("t", text).unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
    }
}
