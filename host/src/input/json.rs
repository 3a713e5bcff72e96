//! JSON with errors that name the file, the line, the column and the field.
//!
//! Every reader of JSON goes through here, so `docs/INPUT.md` holds for all: an object is no list,
//! a key stands once (`strict.rs`), hex begins with `0x` once.

use super::strict::Strict;
use super::{InputError, bytes};
use alloy_primitives::{Bytes, U256, hex};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, de};
use serde_path_to_error::Track;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// The largest plain JSON number that every JSON tool keeps exact.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// How many characters of a wrong value a message shows: it may be a whole contract.
const SHOWN_MAX: usize = 40;

/// Parses a whole file, which may begin with a byte order mark. `file` is how the error names it.
pub fn parse<T: DeserializeOwned>(file: &str, text: &[u8]) -> Result<T, InputError> {
    parse_seed(file, text, PhantomData)
}

/// The same where the type alone does not say how to read it.
fn parse_seed<'de, S: DeserializeSeed<'de>>(
    file: &str,
    text: &'de [u8],
    seed: S,
) -> Result<S::Value, InputError> {
    if let Some(encoding) = bytes::other_encoding(text) {
        let file = file.to_owned();
        return Err(InputError::Encoding { file, encoding });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes::without_mark(text));
    let mut track = Track::new();
    let strict = Strict::new(&mut json);
    let value = seed.deserialize(serde_path_to_error::Deserializer::new(strict, &mut track));
    let value = value.map_err(|error| {
        let path = track.path().to_string();
        json_error(file, Some(path).filter(|p| p != "." && p != "?"), &error)
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

/// For a key that may be absent: `null` says the same, as some nodes write it.
/// `#[serde(default, deserialize_with = "json::or_default")]`.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    json: D,
) -> Result<T, D::Error> {
    Option::deserialize(json).map(Option::unwrap_or_default)
}

/// The parity of a signature (EIP-7702), which has two names. `v` beside `yParity` may have the 27
/// more of older signatures; else both must say the same.
pub fn y_parity(y_parity: Option<Quantity>, v: Option<Quantity>) -> Result<U256, String> {
    match (y_parity, v) {
        (Some(Quantity(parity)), Some(Quantity(v))) => {
            let older = v.checked_sub(U256::from(27));
            let same = parity == v || older == Some(parity);
            same.then_some(parity).ok_or_else(|| {
                format!("yParity {parity:#x} and v {v:#x} do not agree: leave one out")
            })
        }
        (parity, v) => parity.or(v).map(|parity| parity.0).ok_or("yParity is missing".to_owned()),
    }
}

/// The digits of a text that is `0x` and hex digits.
fn hex_digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x").filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

/// An integer as Ethereum's JSON writes it: `"0x"` and 1 to 64 hex digits, or a plain number below
/// 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity(pub U256);

impl Quantity {
    fn parse<E: Error>(text: &str) -> Result<Quantity, E> {
        hex_digits(text)
            .filter(|digits| !digits.is_empty() && digits.len() <= 64)
            .and_then(|digits| U256::from_str_radix(digits, 16).ok())
            .map(Quantity)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(&shown(text)), &QuantityVisitor))
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

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
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

impl<T: fmt::Display> fmt::Display for Int<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
                hex_digits(text)
                    .and_then(|digits| hex::decode(digits).ok())
                    .map(|bytes| HexBytes(bytes.into()))
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(&shown(text)), &self))
            }
        }
        json.deserialize_str(HexVisitor)
    }
}

/// An address, a hash or a bloom: `"0x"` and exactly its hex digits. Types of alloy do without the
/// prefix, and take a list of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fixed<T>(pub T);

impl<'de, T: for<'a> TryFrom<&'a [u8]>> Deserialize<'de> for Fixed<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Fixed<T>, D::Error> {
        struct FixedVisitor<T>(PhantomData<T>);
        impl<T: for<'a> TryFrom<&'a [u8]>> Visitor<'_> for FixedVisitor<T> {
            type Value = Fixed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"0x\" and {} hex digits", 2 * size_of::<T>())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Fixed<T>, E> {
                hex_digits(text)
                    .and_then(|digits| hex::decode(digits).ok())
                    .and_then(|bytes| T::try_from(&bytes).ok())
                    .map(Fixed)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(&shown(text)), &self))
            }
        }
        json.deserialize_str(FixedVisitor(PhantomData))
    }
}

impl<T: fmt::Display> fmt::Display for Fixed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
    K: Deserialize<'de> + std::hash::Hash + Eq + Copy + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct MapVisitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> Visitor<'de> for MapVisitor<K, V>
        where
            K: Deserialize<'de> + std::hash::Hash + Eq + Copy + fmt::Display,
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
                        return Err(de::Error::custom(format!("{key} stands twice")));
                    }
                    entries.push((key, value));
                }
                Ok(UniqueMap(entries))
            }
        }
        json.deserialize_map(MapVisitor(PhantomData))
    }
}

/// Parses those values of a file's one object whose key is wanted.
pub fn parse_some<T: DeserializeOwned>(
    file: &str,
    text: &[u8],
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, T>, InputError> {
    parse_seed(file, text, WantedKeys { wanted, values: PhantomData })
}

struct WantedKeys<'a, T> {
    wanted: &'a dyn Fn(&str) -> bool,
    values: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for WantedKeys<'_, T> {
    type Value = BTreeMap<String, T>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for WantedKeys<'_, T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            match (self.wanted)(&key) {
                true => drop(values.insert(key, map.next_value()?)),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
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
