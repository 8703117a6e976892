//! serde data to template data: a struct keeps its name (the Go type), its fields and their order.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use gotmpl::Value;
use serde::ser::{self, Serialize};

use super::value::{STRUCT, list, text, time};

pub(super) struct Serializer;

/// What cannot be told to a template (none of our types).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Error(String);

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Result<T> = std::result::Result<T, Error>;

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Sequence;
    type SerializeTuple = Sequence;
    type SerializeTupleStruct = Sequence;
    type SerializeTupleVariant = Sequence;
    type SerializeMap = Map;
    type SerializeStruct = Struct;
    type SerializeStructVariant = Struct;

    /// Empty lists and maps that are `null` in JSON stay what they are.
    fn is_human_readable(&self) -> bool {
        false
    }
    fn serialize_bool(self, value: bool) -> Result<Value> {
        Ok(Value::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i16(self, value: i16) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i32(self, value: i32) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i64(self, value: i64) -> Result<Value> {
        Ok(Value::Int(value))
    }
    fn serialize_u8(self, value: u8) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u16(self, value: u16) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u32(self, value: u32) -> Result<Value> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u64(self, value: u64) -> Result<Value> {
        Ok(i64::try_from(value).map_or(Value::Uint(value), Value::Int))
    }
    fn serialize_f32(self, value: f32) -> Result<Value> {
        Ok(Value::Float(value.into()))
    }
    fn serialize_f64(self, value: f64) -> Result<Value> {
        Ok(Value::Float(value))
    }
    fn serialize_char(self, value: char) -> Result<Value> {
        Ok(text(value.encode_utf8(&mut [0; 4])))
    }
    fn serialize_str(self, value: &str) -> Result<Value> {
        Ok(text(value))
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Value> {
        Ok(list(value.iter().map(|byte| Value::Int(i64::from(*byte)))))
    }
    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Nil)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Nil)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value> {
        Ok(Value::Nil)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value> {
        Ok(text(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value> {
        match (name, value.serialize(self)?) {
            ("time.Time", Value::String(rfc3339)) => Ok(time(&rfc3339)),
            (_, value) => Ok(value),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, variant: &'static str, value: &T) -> Result<Value> {
        Ok(Value::Map(Arc::new(BTreeMap::from([(variant.into(), value.serialize(self)?)]))))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Sequence> {
        Ok(Sequence(Vec::with_capacity(length.unwrap_or(0))))
    }
    fn serialize_tuple(self, length: usize) -> Result<Sequence> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Sequence> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, length: usize) -> Result<Sequence> {
        self.serialize_seq(Some(length))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Map> {
        Ok(Map { entries: BTreeMap::new(), key: "".into() })
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct> {
        Ok(Struct { name, entries: BTreeMap::new(), order: Vec::new() })
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, length: usize) -> Result<Struct> {
        self.serialize_struct(variant, length)
    }
}

pub(super) struct Sequence(Vec<Value>);

impl ser::SerializeSeq for Sequence {
    type Ok = Value;
    type Error = Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.0.push(value.serialize(Serializer)?);
        Ok(())
    }
    fn end(self) -> Result<Value> {
        Ok(Value::List(self.0.into()))
    }
}

impl ser::SerializeTuple for Sequence {
    type Ok = Value;
    type Error = Error;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Result<Value> {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for Sequence {
    type Ok = Value;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Result<Value> {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleVariant for Sequence {
    type Ok = Value;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        ser::SerializeSeq::serialize_element(self, value)
    }
    fn end(self) -> Result<Value> {
        ser::SerializeSeq::end(self)
    }
}

pub(super) struct Map {
    entries: BTreeMap<Arc<str>, Value>,
    key: Arc<str>,
}

impl ser::SerializeMap for Map {
    type Ok = Value;
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = key.serialize(Serializer)?.to_string().into();
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.entries.insert(self.key.clone(), value.serialize(Serializer)?);
        Ok(())
    }
    fn end(self) -> Result<Value> {
        Ok(Value::Map(Arc::new(self.entries)))
    }
}

pub(super) struct Struct {
    name: &'static str,
    entries: BTreeMap<Arc<str>, Value>,
    order: Vec<Value>,
}

impl ser::SerializeStruct for Struct {
    type Ok = Value;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.order.push(text(key));
        self.entries.insert(key.into(), value.serialize(Serializer)?);
        Ok(())
    }
    /// A field that JSON leaves out is still one that a template can name.
    fn skip_field(&mut self, key: &'static str) -> Result<()> {
        self.entries.insert(key.into(), text(""));
        Ok(())
    }
    fn end(mut self) -> Result<Value> {
        let description = Value::List(Arc::from([text(self.name), Value::List(self.order.into()), Value::Nil]));
        self.entries.insert(STRUCT.into(), description);
        Ok(Value::Map(Arc::new(self.entries)))
    }
}

impl ser::SerializeStructVariant for Struct {
    type Ok = Value;
    type Error = Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        ser::SerializeStruct::serialize_field(self, key, value)
    }
    fn end(self) -> Result<Value> {
        ser::SerializeStruct::end(self)
    }
}
