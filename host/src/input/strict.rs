//! A layer over a deserializer: JSON's objects and lists are what they are.
//!
//! serde takes a list where a struct is read (its first element as the first field, and so on), and
//! a map keeps the last of two values under one key. Both give another input than the file's author
//! sees, without a word. Under this layer an object is an object, and a key stands in it once, at
//! every depth, also in what a reader ignores. A key that was read as a number is compared by
//! [`UniqueMap`](super::json::UniqueMap), which sees the value.

use alloy_primitives::map::HashSet;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, Visitor,
};
use std::fmt;

/// The keys of an object so far.
type Keys = HashSet<Box<str>>;

/// A deserializer, or of a key: of the keys before it.
pub(super) struct Strict<'k, D> {
    inner: D,
    keys: Option<&'k mut Keys>,
}

impl<D> Strict<'_, D> {
    pub(super) fn new(inner: D) -> Self {
        Strict { inner, keys: None }
    }
}

macro_rules! deserialize {
    ($($method:ident($($name:ident: $ty:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(
            self, $($name: $ty,)* visitor: V,
        ) -> Result<V::Value, D::Error> {
            let checked = Checked { visitor, keys: self.keys, object: false };
            self.inner.$method($($name,)* checked)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_option()
        deserialize_unit() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let checked = Checked { visitor, keys: self.keys, object: true };
        self.inner.deserialize_struct(name, fields, checked)
    }

    /// What is ignored is still read, for the sake of its keys.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A visitor that hands on what it is given, in this layer.
struct Checked<'k, V> {
    visitor: V,
    keys: Option<&'k mut Keys>,
    /// Only an object will do.
    object: bool,
}

impl<V> Checked<'_, V> {
    /// Fails for a key that was there before.
    fn once<E: Error>(&mut self, text: &str) -> Result<(), E> {
        match self.keys.as_mut().is_none_or(|keys| keys.insert(text.into())) {
            true => Ok(()),
            false => Err(E::custom(format!("the key '{text}' stands twice"))),
        }
    }
}

macro_rules! visit {
    ($($method:ident($ty:ty))*) => {
        $(fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Checked<'_, V> {
    type Value = V::Value;

    visit! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128)
        visit_f64(f64) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<V::Value, E> {
        self.once(text)?;
        self.visitor.visit_str(text)
    }

    fn visit_borrowed_str<E: Error>(mut self, text: &'de str) -> Result<V::Value, E> {
        self.once(text)?;
        self.visitor.visit_borrowed_str(text)
    }

    fn visit_string<E: Error>(mut self, text: String) -> Result<V::Value, E> {
        self.once(&text)?;
        self.visitor.visit_string(text)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict { inner: json, keys: self.keys })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict { inner: json, keys: self.keys })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        match self.object {
            true => Err(A::Error::invalid_type(Unexpected::Seq, &self.visitor)),
            false => self.visitor.visit_seq(Inside { inner: list, keys: Keys::default() }),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Inside { inner: map, keys: Keys::default() })
    }

    /// No format here has an enum with fields.
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(variant)
    }
}

/// The elements of a list or an object.
struct Inside<A> {
    inner: A,
    keys: Keys,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Seed { seed, keys: None })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(Seed { seed, keys: Some(&mut self.keys) })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Seed { seed, keys: None })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Seed<'k, S> {
    seed: S,
    keys: Option<&'k mut Keys>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Strict { inner: json, keys: self.keys })
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::parse;
    use serde::Deserialize;
    use serde::de::IgnoredAny;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: u64,
        #[serde(default)]
        b: Option<Vec<Inner>>,
    }

    fn error<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        parse::<T>("t", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_list_is_no_object() {
        let good = parse::<Inner>("t", br#"{"a": 1, "b": [{"a": 2}]}"#).unwrap();
        assert_eq!(good.b.unwrap(), [Inner { a: 2, b: None }]);
        for bad in ["[1]", "[1, null]", r#"{"a": 1, "b": [[2]]}"#] {
            assert!(error::<Inner>(bad).contains("invalid type: sequence"), "{bad}");
        }
        assert!(error::<BTreeMap<String, Inner>>(r#"{"x": [1]}"#).contains("x: invalid type"));
        assert!(error::<Option<Inner>>("[1]").contains("invalid type: sequence"));
        assert!(error::<Inner>(r#"{"a": 1, "b": [{"a": 2}, [3]]}"#).contains("b[1]"));
    }

    #[test]
    fn a_key_stands_once_at_every_depth() {
        for bad in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"a": 1, "ignored": {"x": [{"a": 1, "a": 1}]}}"#,
            r#"{"a": 1, "b": [{"a": 2, "a": 2}]}"#,
        ] {
            assert!(error::<Inner>(bad).contains("the key 'a' stands twice"), "{bad}");
        }
        let twice = r#"{"x": {"a": 1}, "a": {"a": 1}, "x": {"a": 2}}"#;
        assert!(error::<BTreeMap<String, Inner>>(twice).contains("the key 'x' stands twice"));
        assert!(error::<serde_json::Value>(twice).contains("the key 'x' stands twice"));
        assert!(error::<IgnoredAny>(twice).contains("line 1, column "));
        let once = r#"{"x": {"a": 1}, "y": {"a": 1}}"#;
        assert_eq!(parse::<BTreeMap<String, Inner>>("t", once.as_bytes()).unwrap().len(), 2);
    }
}
