//! The names that columns and rules know, each with a number; any other name has none, so that nothing grows.

use std::collections::HashMap;

use crate::scan::{plain_length, Scanner, Span};

pub type NameId = u16;
pub const UNKNOWN: NameId = NameId::MAX;

/// `follower`: the name that stood behind a name the last time. Mostly it does again, which saves looking it up.
#[derive(Default)]
pub struct Names {
    list: Vec<Box<[u8]>>,
    quoted: Vec<Box<[u8]>>, // as it stands in an object: `"name":`
    by_name: HashMap<Box<[u8]>, NameId>,
    follower: Vec<NameId>,
}

impl Names {
    /// The number of a declared name, a new one if it has none; None for one that needs an escape, or one too many.
    pub fn declare(&mut self, name: &str) -> Option<NameId> {
        let name: Box<[u8]> = name.as_bytes().into();
        if plain_length(&name) < name.len() {
            return None;
        }
        if let Some(id) = self.by_name.get(&name) {
            return Some(*id);
        }
        let id = NameId::try_from(self.list.len()).ok().filter(|id| *id < UNKNOWN)?;
        self.list.push(name.clone());
        self.quoted.push([b"\"", &*name, b"\":"].concat().into());
        self.by_name.insert(name, id);
        self.follower.push(id);
        Some(id)
    }

    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The name of a member, which begins there, and its number; the scanner goes on to the value.
    #[inline(always)]
    pub fn read(&mut self, scanner: &mut Scanner<'_>, before: NameId) -> Option<(NameId, Span)> {
        if let Some(guess) = self.follower.get(before as usize) {
            if let Some(name) = self.quoted.get(*guess as usize).and_then(|quoted| scanner.expected_name(quoted)) {
                return Some((*guess, name));
            }
        }
        let name = scanner.name()?;
        Some((self.find(name.of(scanner.text), before), name))
    }

    /// `before`: the name that stood before it, if that was a known one.
    pub fn find(&mut self, name: &[u8], before: NameId) -> NameId {
        if let Some(guess) = self.follower.get(before as usize) {
            if self.list.get(*guess as usize).is_some_and(|known| **known == *name) {
                return *guess;
            }
        }
        let id = self.by_name.get(name).copied().unwrap_or(UNKNOWN);
        if let Some(follower) = self.follower.get_mut(before as usize).filter(|_| id != UNKNOWN) {
            *follower = id;
        }
        id
    }
}
