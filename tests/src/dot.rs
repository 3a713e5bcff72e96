//! Reads DOT as far as our drawings use it, and says what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

type Attributes = BTreeMap<String, String>;

/// A graph in DOT.
#[derive(Debug, Default)]
pub struct Dot {
    /// The attributes of each node.
    pub nodes: BTreeMap<String, Attributes>,
    /// From, to, attributes.
    pub edges: Vec<(String, String, Attributes)>,
    /// Per cluster: its nodes.
    pub clusters: BTreeMap<String, BTreeSet<String>>,
    /// The attributes of the graph itself.
    pub graph: Attributes,
}

impl Dot {
    /// Reads one graph and checks that it holds together.
    pub fn read(text: &str) -> Result<Dot, String> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0, dot: Dot::default() };
        reader.word("digraph")?;
        reader.take()?;
        reader.word("{")?;
        reader.statements(None)?;
        match reader.tokens.get(reader.at) {
            None => reader.dot.checked(),
            Some(more) => Err(format!("after the end: {more}")),
        }
    }

    fn checked(self) -> Result<Dot, String> {
        let mut compound = false;
        for (from, to, attributes) in &self.edges {
            for end in [from, to] {
                if !self.nodes.contains_key(end) {
                    return Err(format!("{from} -> {to}: {end} is no node"));
                }
            }
            for (key, inside, outside) in [("lhead", to, from), ("ltail", from, to)] {
                let Some(name) = attributes.get(key) else { continue };
                compound = true;
                let members = self.clusters.get(name).ok_or(format!("{key}={name}: no cluster"))?;
                if !members.contains(inside) || members.contains(outside) {
                    return Err(format!("{from} -> {to}: {key}={name} holds the wrong end"));
                }
            }
        }
        if compound && self.graph.get("compound").map(String::as_str) != Some("true") {
            return Err("lhead or ltail without compound=true".to_owned());
        }
        if !self.clusters.contains_key("cluster_legend") {
            return Err("no legend".to_owned());
        }
        Ok(self)
    }
}

/// Words, quoted strings, HTML strings and punctuation.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(first) = chars.get(at) {
        let start = at;
        at += 1;
        match first {
            c if c.is_whitespace() => continue,
            '"' => loop {
                match chars.get(at) {
                    Some('\\') => at += 2,
                    Some('"') => break at += 1,
                    Some(_) => at += 1,
                    None => return Err("a string without end".to_owned()),
                }
            },
            '<' => {
                let mut depth = 1;
                while depth > 0 {
                    depth += match chars.get(at).ok_or("HTML without end")? {
                        '<' => 1,
                        '>' => -1,
                        _ => 0,
                    };
                    at += 1;
                }
            }
            '-' if chars.get(at) == Some(&'>') => at += 1,
            '{' | '}' | '[' | ']' | ';' | ',' | '=' => {}
            c if c.is_alphanumeric() || *c == '_' || *c == '.' => {
                let word = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '.';
                at += chars[at..].iter().take_while(|c| word(c)).count();
            }
            c => return Err(format!("{c:?} outside of a string")),
        }
        all.push(chars[start..at].iter().collect());
    }
    Ok(all)
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    dot: Dot,
}

impl Reader {
    fn take(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        let token = self.take()?;
        if token == word { Ok(()) } else { Err(format!("{token} where {word} is expected")) }
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|token| token == word);
        self.at += usize::from(is);
        is
    }

    fn attributes(&mut self) -> Result<Attributes, String> {
        let mut all = Attributes::new();
        if !self.next_is("[") {
            return Ok(all);
        }
        loop {
            let key = self.take()?;
            self.word("=")?;
            let value = self.take()?;
            if all.insert(key.clone(), value).is_some() {
                return Err(format!("{key} stands twice"));
            }
            if !self.next_is(",") {
                self.word("]")?;
                return Ok(all);
            }
        }
    }

    /// Statements up to the brace that closes them.
    fn statements(&mut self, cluster: Option<&str>) -> Result<(), String> {
        loop {
            let first = self.take()?;
            match first.as_str() {
                "}" => return Ok(()),
                "{" => {
                    self.statements(Some(""))?;
                    continue;
                }
                "subgraph" => {
                    let name = self.take()?;
                    self.word("{")?;
                    if self.dot.clusters.insert(name.clone(), BTreeSet::new()).is_some() {
                        return Err(format!("{name} stands twice"));
                    }
                    self.statements(Some(&name))?;
                    continue;
                }
                _ if self.next_is("=") => {
                    self.take()?;
                }
                "graph" | "node" | "edge" => {
                    let attributes = self.attributes()?;
                    if first == "graph" && cluster.is_none() {
                        self.dot.graph.extend(attributes);
                    }
                }
                _ if self.next_is("->") => {
                    let to = self.take()?;
                    let attributes = self.attributes()?;
                    self.dot.edges.push((first, to, attributes));
                }
                _ => self.node(first, cluster)?,
            }
            self.word(";")?;
        }
    }

    fn node(&mut self, name: String, cluster: Option<&str>) -> Result<(), String> {
        let attributes = self.attributes()?;
        if cluster == Some("") {
            // A list of nodes of one rank.
            return match self.dot.nodes.contains_key(&name) {
                true => Ok(()),
                false => Err(format!("rank=same of {name}, which is no node")),
            };
        }
        if let Some(members) = cluster.and_then(|name| self.dot.clusters.get_mut(name)) {
            members.insert(name.clone());
        }
        match self.dot.nodes.insert(name.clone(), attributes) {
            None => Ok(()),
            Some(_) => Err(format!("{name} stands twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGEND: &str = "subgraph cluster_legend { l [label=<<T>a</T>>]; }";

    #[test]
    fn what_holds_together_is_read_and_what_does_not_is_refused() {
        let read = |body: &str| Dot::read(&format!("digraph g {{ {body} {LEGEND} }}"));
        let whole = "graph [compound=true]; subgraph cluster_0 { a [label=\"x\\\"}\"]; }
            b; { rank=same; a; b; } b -> a [lhead=cluster_0];";
        let dot = read(whole).expect("well formed");
        assert_eq!((dot.nodes.len(), dot.edges.len(), dot.clusters.len()), (3, 1, 2));
        for (body, error) in [
            ("a -> b;", "a is no node"),
            ("a; a;", "stands twice"),
            ("a [label=\"x];", "without end"),
            ("a [label=x\"];", "without end"),
            ("a", "where ; is expected"),
            ("subgraph cluster_0 { a;", "ends too early"),
            ("a (b);", "outside of a string"),
            ("b; subgraph cluster_0 { a; } b -> a [lhead=cluster_0];", "without compound"),
            ("b; a; b -> a [lhead=cluster_0];", "no cluster"),
            (
                "graph [compound=true]; subgraph cluster_0 { a; b; } b -> a [lhead=cluster_0];",
                "end",
            ),
            ("{ rank=same; a; }", "no node"),
        ] {
            let wrong = read(body).expect_err(body);
            assert!(wrong.contains(error), "{body}: {wrong}");
        }
        assert!(Dot::read("digraph g { a; }").expect_err("no legend").contains("legend"));
    }
}
