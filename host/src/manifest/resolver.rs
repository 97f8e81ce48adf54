//! Walks the tree of an expression: resolves what it names, and refuses what it may not do.
//! Never parses and never evaluates.

use super::cel_words;
use super::complaint::{Complaint, Complaints, Place};
use super::expression::Spot;
use super::path::{Path, Segment};
use super::program::{HAS_FIELD, IN_ORDER, LOOKED_AT, MADE};
use super::variables::{Field, Variables};
use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo};
use cel::common::types::CelString;
use std::ops::Range;

/// How deep `map`, `filter` and the like may be nested: each level multiplies the work.
const COMPREHENSION_DEPTH_MAX: usize = 2;

/// Operators that only choose among values, or take a part of one.
const LOOKS_AT_NOTHING: [&str; 8] = [
    op::CONDITIONAL,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::NOT_STRICTLY_FALSE,
    op::INDEX,
    op::OPT_INDEX,
    op::OPT_SELECT,
];

/// One walk.
pub(super) struct Resolver<'a, 'n> {
    text: &'a str,
    spot: &'a Spot,
    source: &'a SourceInfo,
    variables: &'a mut Variables<'n>,
    complaints: &'a mut Complaints,
    /// What the comprehensions around the node have named.
    local: Vec<String>,
    /// How many comprehensions are around the node.
    depth: usize,
    paths: Vec<Path>,
    failed: bool,
}

impl<'a, 'n> Resolver<'a, 'n> {
    /// Of the expression in `text`, which stands at `spot`.
    pub(super) fn of(
        text: &'a str,
        spot: &'a Spot,
        source: &'a SourceInfo,
        variables: &'a mut Variables<'n>,
        complaints: &'a mut Complaints,
    ) -> Self {
        let (local, paths) = (Vec::new(), Vec::new());
        Self { text, spot, source, variables, complaints, local, depth: 0, paths, failed: false }
    }

    /// Resolves a tree: gives each variable it names, as far as plain field names lead; none where
    /// something was complained about. What comprehensions walk through is put in order.
    pub(super) fn resolve(mut self, tree: &mut IdedExpr) -> Option<Vec<Path>> {
        self.visit(tree);
        (!self.failed).then_some(self.paths)
    }

    fn visit(&mut self, node: &mut IdedExpr) {
        if let Some((root, fields)) = self.as_path(node) {
            if !self.local.contains(&root) {
                self.name(&root, &fields, node.id);
            }
            return;
        }
        let id = node.id;
        match &mut node.expr {
            Expr::Call(call) => {
                self.visit_call(call, id);
                if call.func_name == op::ADD && !call.args.first().is_some_and(is_own) {
                    surround(MADE, node);
                }
            }
            Expr::Select(select) => {
                self.visit(&mut select.operand);
                if select.test {
                    node.expr = field_asked_for(std::mem::take(select));
                }
            }
            Expr::List(list) => {
                for element in &mut list.elements {
                    self.visit(element);
                    surround(MADE, element);
                }
            }
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.visit(&mut entry.key);
                        self.visit(&mut entry.value);
                        surround(MADE, &mut entry.value);
                    }
                }
            }
            Expr::Struct(made) => {
                let message = format!("there is no type `{}`", made.type_name);
                self.fail(id, message);
            }
            Expr::Comprehension(_) => self.visit_comprehension(node),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn visit_call(&mut self, call: &mut CallExpr, id: u64) {
        let optional = |target: &IdedExpr| target.expr == Expr::Ident("optional".to_owned());
        match &mut call.target {
            Some(target) if optional(target) => {}
            Some(target) => self.visit(target),
            None => {}
        }
        if !cel_words::is_function(&call.func_name) {
            let hint = cel_words::function_hint(&call.func_name);
            let place = self.place_of_name(id, &call.func_name);
            self.failed = true;
            let message = format!("there is no function `{}`", call.func_name);
            self.complaints.error(&place, message).hint(hint);
        }
        call.args.iter_mut().for_each(|argument| self.visit(argument));
        if self.depth > 0 && !LOOKS_AT_NOTHING.contains(&call.func_name.as_str()) {
            let target = call.target.as_deref_mut().filter(|target| !optional(target));
            target.into_iter().chain(&mut call.args).for_each(|node| surround(LOOKED_AT, node));
        }
    }

    fn visit_comprehension(&mut self, node: &mut IdedExpr) {
        let id = node.id;
        let Expr::Comprehension(comprehension) = &mut node.expr else { return };
        self.visit(&mut comprehension.iter_range);
        let range = std::mem::take(&mut comprehension.iter_range);
        let call = CallExpr { func_name: IN_ORDER.to_owned(), target: None, args: vec![range] };
        comprehension.iter_range = IdedExpr { id, expr: Expr::Call(call) };
        self.depth += 1;
        if self.depth == COMPREHENSION_DEPTH_MAX + 1 {
            let message = format!(
                "`map`, `filter` and the like are nested more than {COMPREHENSION_DEPTH_MAX} deep"
            );
            self.fail(id, message).hint("compute it in a step instead");
        }
        let outer = self.local.len();
        self.local.push(comprehension.iter_var.clone());
        self.local.extend(comprehension.iter_var2.clone());
        self.local.push(comprehension.accu_var.clone());
        self.visit(&mut comprehension.accu_init);
        self.visit(&mut comprehension.loop_cond);
        self.visit(&mut comprehension.loop_step);
        self.visit(&mut comprehension.result);
        self.local.truncate(outer);
        self.depth -= 1;
    }

    /// The parts of `a.b.c`, if the node is nothing more than that.
    fn as_path(&self, node: &IdedExpr) -> Option<(String, Vec<Field>)> {
        let mut fields = Vec::new();
        let mut at = node;
        loop {
            match &at.expr {
                Expr::Ident(root) => {
                    fields.reverse();
                    return Some((root.clone(), fields));
                }
                Expr::Select(select) if !select.test => {
                    let range = self.range_of_name(at.id, &select.field);
                    let segment = Segment::Field(select.field.clone());
                    fields.push(Field { segment, range });
                    at = &select.operand;
                }
                _ => return None,
            }
        }
    }

    fn name(&mut self, root: &str, fields: &[Field], id: u64) {
        if cel_words::is_type(root) && fields.is_empty() {
            return;
        }
        // The tree has the place of the root only at the root itself; what comes before the
        // first field's dot is as good.
        let spot = match fields.first() {
            Some(first) => {
                let before = self.text.get(..first.range.start).unwrap_or("");
                before.rfind(root).unwrap_or(0)
            }
            None => self.source.offset_for(id).map_or(0, |(start, _)| start as usize),
        };
        let fields: Vec<Field> = fields.iter().map(|field| field.moved_back(spot)).collect();
        let spot = self.spot.further(spot);
        match self.variables.resolve(root, &fields, &spot, self.complaints) {
            Some(path) if !self.paths.contains(&path) => self.paths.push(path),
            Some(_) => {}
            None => self.failed = true,
        }
    }

    fn fail(&mut self, id: u64, message: String) -> &mut Complaint {
        self.failed = true;
        let start = self.source.offset_for(id).map_or(0, |(start, _)| start as usize);
        let place = self.spot.at(start..(start + 1).min(self.text.len()));
        self.complaints.error(&place, message)
    }

    fn place_of_name(&self, id: u64, name: &str) -> Place {
        self.spot.at(self.range_of_name(id, name))
    }

    /// Where a name stands whose node has its place at the sign beside it: `.` before a field,
    /// `(` after a function.
    fn range_of_name(&self, id: u64, name: &str) -> Range<usize> {
        let (start, _) = self.source.offset_for(id).unwrap_or((0, 0));
        let start = (start as usize).min(self.text.len());
        let (before, after) = (self.text.get(..start), self.text.get(start..));
        if self.text[..].as_bytes().get(start) == Some(&b'(') {
            let found = before.and_then(|before| before.rfind(name)).unwrap_or(0);
            return found..found + name.len();
        }
        let found = after.and_then(|after| after.find(name)).map_or(0, |offset| start + offset);
        found..found + name.len()
    }
}

/// Whether a node is the result so far of a comprehension, which no expression can spell. The
/// language knows its own steps by their shape, and adds to a list in place.
fn is_own(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Puts a call of a counting function around a node, but for what weighs nothing, and for a list
/// or object that is made right there: its parts are counted.
fn surround(function: &str, node: &mut IdedExpr) {
    let is_counted = match &node.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => true,
        Expr::Call(call) => call.func_name == MADE,
        _ => is_own(node),
    };
    if is_counted {
        return;
    }
    let inner = std::mem::take(node);
    let id = inner.id;
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] };
    *node = IdedExpr { id, expr: Expr::Call(call) };
}

/// `has(a.b)` as a call of the function that says "no" of null, too.
fn field_asked_for(select: SelectExpr) -> Expr {
    let id = select.operand.id;
    let field = LiteralValue::String(CelString::from(select.field));
    let field = IdedExpr { id, expr: Expr::Literal(field) };
    let args = vec![*select.operand, field];
    Expr::Call(CallExpr { func_name: HAS_FIELD.to_owned(), target: None, args })
}
