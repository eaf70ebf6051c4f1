//! Functions of templates, worked out as far as a template goes ("Intrinsic function reference").

use std::collections::{BTreeMap, BTreeSet};

use crate::conform::ConformError;
use crate::document::{Node, NodeValue, Place};
use crate::limits::{DEPTH_MAX, FILE_BYTES_MAX};
use crate::reference::{is_marked, mark};

/// A template with the values of its parameters.
pub(super) struct Evaluation<'a> {
    template: &'a Node,
    values: &'a BTreeMap<String, String>,
    /// Stands for the name of the stack.
    stack: &'a str,
    /// The logical ids of the resources that become ours.
    ours: &'a BTreeSet<&'a str>,
    /// Bytes that functions have made, so that small templates do not become large ones.
    bytes: usize,
    depth: usize,
}

type Evaluated<T> = Result<T, ConformError>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        template: &'a Node,
        values: &'a BTreeMap<String, String>,
        stack: &'a str,
        ours: &'a BTreeSet<&'a str>,
    ) -> Self {
        Self { template, values, stack, ours, bytes: 0, depth: 0 }
    }

    /// A node without functions; nothing where it says `AWS::NoValue`.
    pub(super) fn node(&mut self, node: &Node, path: &str) -> Evaluated<Option<Node>> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            return Err(fault(node.place, path, "functions inside functions without end"));
        }
        let evaluated = self.any(node, path);
        self.depth -= 1;
        evaluated
    }

    fn any(&mut self, node: &Node, path: &str) -> Evaluated<Option<Node>> {
        let place = node.place;
        if let Some((name, argument)) = node.only_entry()
            && (name == "Ref" || name.starts_with("Fn::"))
        {
            return self.function(name, argument, place, path);
        }
        let value = match &node.value {
            NodeValue::Scalar { text, is_quoted } => {
                self.spend(text.len(), place, path)?;
                NodeValue::Scalar { text: with_dynamic_marks(text), is_quoted: *is_quoted }
            }
            NodeValue::List(items) => NodeValue::List(self.list(items, path)?),
            NodeValue::Map(entries) => {
                let mut evaluated = Vec::new();
                for (key, node) in entries {
                    if let Some(node) = self.node(node, &format!("{path}.{key}"))? {
                        evaluated.push((key.clone(), node));
                    }
                }
                NodeValue::Map(evaluated)
            }
        };
        Ok(Some(Node { place, value }))
    }

    fn list(&mut self, items: &[Node], path: &str) -> Evaluated<Vec<Node>> {
        let mut evaluated = Vec::new();
        for (index, item) in items.iter().enumerate() {
            evaluated.extend(self.node(item, &format!("{path}[{index}]"))?);
        }
        Ok(evaluated)
    }

    fn function(&mut self, name: &str, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let text = |text: String| Ok(Some(Node::text(place, text)));
        match name {
            "Ref" => self.reference(argument, place, path),
            "Fn::GetAtt" => text(mark(
                &attribute(argument)
                    .ok_or_else(|| fault(place, path, "GetAtt needs a resource and an attribute"))?,
            )),
            "Fn::Sub" => text(self.substitute(argument, place, path)?),
            "Fn::Join" => text(self.join(argument, place, path)?),
            "Fn::If" => self.choose(argument, place, path),
            "Fn::Select" => self.select(argument, place, path),
            "Fn::Split" => self.split(argument, place, path),
            "Fn::FindInMap" => self.find_in_map(argument, place, path),
            "Fn::ImportValue" => {
                let export = self.text(argument, path)?;
                text(mark(&export))
            }
            other => {
                let function = other.trim_start_matches("Fn::");
                Err(fault(
                    place,
                    path,
                    format!("the function {function} is not worked out; write its value here"),
                ))
            }
        }
    }

    fn reference(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let name = argument.as_text().ok_or_else(|| fault(place, path, "Ref needs a name"))?;
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(parameter) = self.parameter(name) {
            let is_list = parameter.get("Type").and_then(Node::as_text).is_some_and(is_list_type);
            let value = self.value_of(name);
            if is_list && !is_marked(&value) {
                self.spend(value.len(), place, path)?;
                let items = value.split(',').map(|item| Node::text(place, item.trim())).collect();
                return Ok(Some(Node { place, value: NodeValue::List(items) }));
            }
        }
        let value = self.value_of(name);
        self.spend(value.len(), place, path)?;
        Ok(Some(Node::text(place, value)))
    }

    fn parameter(&self, name: &str) -> Option<&'a Node> {
        self.template.get("Parameters")?.get(name)
    }

    /// What a name stands for: a given value, a default, a pseudo parameter; else a mark.
    fn value_of(&self, name: &str) -> String {
        if let Some(value) = self.values.get(name).filter(|_| !self.ours.contains(name)) {
            return value.clone();
        }
        let default = self.parameter(name).and_then(|parameter| parameter.get("Default"));
        if let Some(NodeValue::Scalar { text, .. }) = default.map(|default| &default.value) {
            return text.clone();
        }
        match name {
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => self.stack.to_owned(),
            // A resource that stands in for its id, and all that lives elsewhere.
            name => mark(name),
        }
    }

    /// `${name}`, `${resource.attribute}`, and `${!literal}`.
    fn substitute(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<String> {
        let (template, variables) = match argument.items() {
            [template, variables] => (template, variables.entries()),
            _ => (argument, &[][..]),
        };
        let mut rest = template.as_text().ok_or_else(|| fault(place, path, "Sub needs a text"))?;
        let mut result = String::new();
        while let Some(start) = rest.find("${") {
            result.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = after.find('}').ok_or_else(|| fault(place, path, "${ without its brace; close it"))?;
            let name = after[..end].trim();
            let value = match (name.strip_prefix('!'), variables.iter().find(|(known, _)| known == name)) {
                (Some(literal), _) => format!("${{{literal}}}"),
                (None, Some((_, node))) => self.text(node, path)?,
                (None, None) => self.value_of(name),
            };
            self.spend(value.len(), place, path)?;
            result.push_str(&value);
            rest = &after[end + 1..];
        }
        result.push_str(rest);
        self.spend(result.len(), place, path)?;
        Ok(with_dynamic_marks(&result))
    }

    fn join(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<String> {
        let [separator, items] = argument.items() else {
            return Err(fault(place, path, "Join needs a separator and a list"));
        };
        let separator = separator.as_text().unwrap_or_default().to_owned();
        let items = self.node(items, path)?;
        let texts: Vec<&str> =
            items.as_ref().map(Node::items).unwrap_or_default().iter().filter_map(Node::as_text).collect();
        let joined = texts.join(&separator);
        self.spend(joined.len(), place, path)?;
        Ok(joined)
    }

    fn choose(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let [condition, then, otherwise] = argument.items() else {
            return Err(fault(place, path, "If needs a condition and two values"));
        };
        let condition = condition.as_text().unwrap_or_default();
        let chosen = if self.condition(condition, place)? { then } else { otherwise };
        self.node(chosen, path)
    }

    fn select(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let [index, items] = argument.items() else {
            return Err(fault(place, path, "Select needs an index and a list"));
        };
        let index: usize = self.text(index, path)?.parse().map_err(|_| fault(place, path, "no such item"))?;
        let items = self.node(items, path)?;
        let item = items.as_ref().and_then(|items| items.items().get(index)).cloned();
        item.map(Some).ok_or_else(|| fault(place, path, "the list has no such item"))
    }

    fn split(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let [separator, text] = argument.items() else {
            return Err(fault(place, path, "Split needs a separator and a text"));
        };
        let separator = separator.as_text().filter(|separator| !separator.is_empty());
        let separator = separator.ok_or_else(|| fault(place, path, "Split needs a separator"))?;
        let text = self.text(text, path)?;
        if is_marked(&text) {
            let name = crate::reference::names(&text).next().unwrap_or_default().to_owned();
            let text = format!("needs the value of {name}; give it with --set");
            return Err(ConformError { needs: Some(name), ..fault(place, path, text) });
        }
        let items = text.split(separator).map(|part| Node::text(place, part)).collect();
        Ok(Some(Node { place, value: NodeValue::List(items) }))
    }

    fn find_in_map(&mut self, argument: &Node, place: Place, path: &str) -> Evaluated<Option<Node>> {
        let [map, first, second] = argument.items() else {
            return Err(fault(place, path, "FindInMap needs the name of a map and two keys"));
        };
        let keys = [self.text(map, path)?, self.text(first, path)?, self.text(second, path)?];
        let found = keys.iter().try_fold(self.template.get("Mappings"), |node, key| {
            let node: Option<&Node> = node;
            node.map(|node| node.get(key))
        });
        match found.flatten() {
            Some(node) => self.node(node, path),
            None => Err(fault(
                place,
                path,
                format!("Mappings has no {}", keys.join(".").replace(['\u{1}', '\u{2}'], "")),
            )),
        }
    }

    /// A node that must be a single text.
    fn text(&mut self, node: &Node, path: &str) -> Evaluated<String> {
        let evaluated = self.node(node, path)?;
        let text = evaluated.as_ref().and_then(Node::as_text).map(str::to_owned);
        text.ok_or_else(|| fault(node.place, path, "a text is expected here"))
    }

    /// Whether a condition of the template holds.
    pub(super) fn condition(&mut self, name: &str, place: Place) -> Evaluated<bool> {
        let path = format!("Conditions.{name}");
        let Some(node) = self.template.get("Conditions").and_then(|all| all.get(name)) else {
            return Err(fault(place, &path, "the template has no such condition"));
        };
        self.holds(node, &path)
    }

    fn holds(&mut self, node: &Node, path: &str) -> Evaluated<bool> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            return Err(fault(node.place, path, "conditions that lead to themselves"));
        }
        let held =
            match node.only_entry() {
                Some(("Condition", name)) => self.condition(name.as_text().unwrap_or_default(), node.place),
                Some(("Fn::Equals", argument)) => match argument.items() {
                    [one, other] => Ok(self.text(one, path)? == self.text(other, path)?),
                    _ => Err(fault(node.place, path, "Equals needs two values")),
                },
                Some(("Fn::Not", argument)) => match argument.items() {
                    [one] => self.holds(one, path).map(|held| !held),
                    _ => Err(fault(node.place, path, "Not needs one condition")),
                },
                Some((name @ ("Fn::And" | "Fn::Or"), argument)) => {
                    let held: Evaluated<Vec<bool>> =
                        argument.items().iter().map(|one| self.holds(one, path)).collect();
                    held.map(|held| {
                        if name == "Fn::And" { held.iter().all(|one| *one) } else { held.contains(&true) }
                    })
                }
                _ => Err(fault(node.place, path, "a condition is Equals, Not, And, Or or Condition")),
            };
        self.depth -= 1;
        held
    }

    fn spend(&mut self, bytes: usize, place: Place, path: &str) -> Evaluated<()> {
        self.bytes += bytes;
        if self.bytes > 4 * FILE_BYTES_MAX {
            return Err(fault(place, path, "the template grows beyond 32 MiB once it is worked out"));
        }
        Ok(())
    }
}

/// `Resource.Attribute`, written as a text or as a list.
fn attribute(argument: &Node) -> Option<String> {
    if let Some(text) = argument.as_text() {
        return Some(text.to_owned());
    }
    match argument.items() {
        [resource, attribute] => Some(format!("{}.{}", resource.as_text()?, attribute.as_text()?)),
        _ => None,
    }
}

fn is_list_type(name: &str) -> bool {
    name == "CommaDelimitedList" || name.starts_with("List<")
}

/// What CloudFormation would look up, in Systems Manager or in Secrets Manager ("Get values stored in other services
/// using dynamic references"), becomes a mark.
fn with_dynamic_marks(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{resolve:") {
        let Some(end) = rest[start..].find("}}") else { break };
        result.push_str(&rest[..start]);
        result.push_str(&mark(&rest[start + 2..start + end]));
        rest = &rest[start + end + 2..];
    }
    result.push_str(rest);
    result
}

fn fault(place: Place, path: &str, fault: impl Into<String>) -> ConformError {
    ConformError { place, path: path.to_owned(), fault: fault.into(), needs: None }
}
