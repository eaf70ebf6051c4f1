//! Values as the codecs see them: something to read ([`Ref`]) or a place to fill ([`Slot`]).

use std::collections::BTreeMap;

use super::{Enumeration, Structure, Timestamp, UnknownValue};

/// Anything that a member of a structure may hold.
pub trait Value {
    /// What it holds.
    fn get(&self) -> Ref<'_>;

    /// The place to put what was decoded. An optional member becomes present by asking for its place.
    fn slot(&mut self) -> Slot<'_>;
}

/// A value to encode.
pub enum Ref<'a> {
    /// An optional member that is not there.
    Absent,
    /// A string, or the wire form of an enumeration's value.
    Text(&'a str),
    /// `true` or `false`.
    Boolean(bool),
    /// An integer or a long.
    Integer(i64),
    /// A float or a double.
    Double(f64),
    /// Bytes; base64 inside documents.
    Blob(&'a [u8]),
    /// A moment.
    Timestamp(Timestamp),
    /// A nested structure.
    Structure(&'a dyn Structure),
    /// A list.
    List(&'a dyn List),
    /// A map.
    Map(&'a dyn Map),
}

/// A place to decode into.
pub enum Slot<'a> {
    /// A string.
    Text(&'a mut String),
    /// `true` or `false`.
    Boolean(&'a mut bool),
    /// A 32-bit integer.
    Integer(&'a mut i32),
    /// A 64-bit integer.
    Long(&'a mut i64),
    /// A float or a double.
    Double(&'a mut f64),
    /// Bytes; base64 inside documents.
    Blob(&'a mut Vec<u8>),
    /// A moment.
    Timestamp(&'a mut Timestamp),
    /// One value of an enumeration.
    Enumeration(&'a mut dyn Enumeration),
    /// A nested structure.
    Structure(&'a mut dyn Structure),
    /// A list.
    List(&'a mut dyn List),
    /// A map.
    Map(&'a mut dyn Map),
}

/// A list of values.
pub trait List {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every item, in order.
    fn items(&self) -> Vec<&dyn Value>;

    /// Appends an item and lends it.
    fn push_default(&mut self) -> &mut dyn Value;
}

/// A map from strings, or from an enumeration's values.
pub trait Map {
    /// Every entry, in the order of the keys.
    fn entries(&self) -> Vec<(&str, &dyn Value)>;

    /// Puts an entry and lends its value.
    fn insert_default(&mut self, key: &str) -> Result<&mut dyn Value, UnknownValue>;
}

/// A key of a map.
pub trait MapKey: Ord + Sized {
    /// The key's wire form.
    fn as_key(&self) -> &str;

    /// The key that has this wire form.
    fn from_key(key: &str) -> Result<Self, UnknownValue>;
}

impl MapKey for String {
    fn as_key(&self) -> &str {
        self
    }

    fn from_key(key: &str) -> Result<Self, UnknownValue> {
        Ok(key.to_owned())
    }
}

impl<T: Value + Default> Value for Option<T> {
    fn get(&self) -> Ref<'_> {
        self.as_ref().map_or(Ref::Absent, Value::get)
    }

    fn slot(&mut self) -> Slot<'_> {
        self.get_or_insert_default().slot()
    }
}

impl<T: Value> Value for Box<T> {
    fn get(&self) -> Ref<'_> {
        (**self).get()
    }

    fn slot(&mut self) -> Slot<'_> {
        (**self).slot()
    }
}

impl<T: Value + Default> Value for Vec<T> {
    fn get(&self) -> Ref<'_> {
        Ref::List(self)
    }

    fn slot(&mut self) -> Slot<'_> {
        Slot::List(self)
    }
}

impl<T: Value + Default> List for Vec<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn items(&self) -> Vec<&dyn Value> {
        self.iter().map(|item| item as &dyn Value).collect()
    }

    fn push_default(&mut self) -> &mut dyn Value {
        self.push_mut(T::default())
    }
}

impl<K: MapKey, V: Value + Default> Value for BTreeMap<K, V> {
    fn get(&self) -> Ref<'_> {
        Ref::Map(self)
    }

    fn slot(&mut self) -> Slot<'_> {
        Slot::Map(self)
    }
}

impl<K: MapKey, V: Value + Default> Map for BTreeMap<K, V> {
    fn entries(&self) -> Vec<(&str, &dyn Value)> {
        self.iter().map(|(key, value)| (key.as_key(), value as &dyn Value)).collect()
    }

    fn insert_default(&mut self, key: &str) -> Result<&mut dyn Value, UnknownValue> {
        Ok(self.entry(K::from_key(key)?).or_default())
    }
}

/// Implements [`Value`] for a type that is read by copying and filled in place.
macro_rules! scalar {
    ($type:ty, $variant:ident, $read:expr, $slot:ident) => {
        impl Value for $type {
            fn get(&self) -> Ref<'_> {
                let read: fn(&$type) -> _ = $read;
                Ref::$variant(read(self))
            }

            fn slot(&mut self) -> Slot<'_> {
                Slot::$slot(self)
            }
        }
    };
}

scalar!(bool, Boolean, |value| *value, Boolean);
scalar!(i32, Integer, |value| i64::from(*value), Integer);
scalar!(i64, Integer, |value| *value, Long);
scalar!(f64, Double, |value| *value, Double);
scalar!(Timestamp, Timestamp, |value| *value, Timestamp);

impl Value for String {
    fn get(&self) -> Ref<'_> {
        Ref::Text(self)
    }

    fn slot(&mut self) -> Slot<'_> {
        Slot::Text(self)
    }
}
